"""Types of the values that configurations are made of. As JSON amounts are decimal strings."""

from __future__ import annotations

from typing import Annotated

from eth_utils import is_address, to_checksum_address
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from kana_insurance.amounts import MAX_AMOUNT


def _address(value: str) -> str:
    if not is_address(value):
        raise ValueError(f"'{value}' is no address")
    return to_checksum_address(value)


# Amounts are decimal strings in JSON: they pass what other languages read as numbers.
Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT), PlainSerializer(str, return_type=str, when_used="json")]
Price = Annotated[int, Field(gt=0, le=10**30), PlainSerializer(str, return_type=str, when_used="json")]
Bps = Annotated[int, Field(ge=0, le=10_000)]
Address = Annotated[str, AfterValidator(_address)]


class FaucetConfig(BaseModel):
    """A new token that anyone mints, for local chains and testnets alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=25)]
    symbol: Annotated[str, Field(min_length=1, max_length=5)]
    decimals: Annotated[int, Field(ge=6, le=18)]
