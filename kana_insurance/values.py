"""Types of the values that configurations are made of, as people write them and as JSON holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from eth_utils import is_hex_address, to_checksum_address
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    ValidationInfo,
)

from kana_insurance.amounts import MAX_AMOUNT, WAD_DECIMALS, format_amount, parse_amount
from kana_insurance.measures import duration_text, parse_bps, parse_days, parse_duration

FAUCET_TOKEN = "KanaUSDT"
#: Decimals of the faucet token that a configuration names without describing it.
FAUCET_DECIMALS = 6
#: Widest amount of a collateral: 96 bits.
MAX_COLLATERAL = 2**96 - 1
#: What is said of an amount whose token's decimals the file doesn't tell.
UNKNOWN_ASSET = "the asset's decimals aren't known: write asset: {address: 0x…, decimals: 6}"
UNKNOWN_COLLATERAL = "the collateral's decimals aren't known: write token: {address: 0x…, decimals: 18}"


class Spoken:
    """Validation context: texts are as people write them, amounts whole tokens, durations "2d", shares "5%".

    Without it numbers are base units, seconds and basis points, as in JSON.
    """

    def __init__(self) -> None:
        #: Of the asset whose fund is being read, and of the collateral; None while they aren't known.
        self.decimals: int | None = None
        self.collateral_decimals: int | None = None

    @contextmanager
    def asset(self, asset: Any) -> Iterator[None]:
        """Read amounts of this asset within, as it is in the file."""
        before, self.decimals = self.decimals, _decimals_of(asset)
        try:
            yield
        finally:
            self.decimals = before

    @contextmanager
    def collateral(self, token: Any) -> Iterator[None]:
        """Read amounts of this collateral within, as it is in the file."""
        before, self.collateral_decimals = self.collateral_decimals, _decimals_of(token, named=False)
        try:
            yield
        finally:
            self.collateral_decimals = before

    def tokens(self, text: str) -> int:
        """Base units of whole tokens of the asset."""
        if self.decimals is None:
            raise ValueError(UNKNOWN_ASSET)
        return parse_amount(text, self.decimals)

    def collaterals(self, text: str) -> int:
        """Base units of whole tokens of the collateral."""
        if self.collateral_decimals is None:
            raise ValueError(UNKNOWN_COLLATERAL)
        return parse_amount(text, self.collateral_decimals)


def _decimals_of(token: Any, *, named: bool = True) -> int | None:
    """The decimals that a file tells of a token; a fund's asset needn't be named."""
    if named and (token == FAUCET_TOKEN or token is None):
        return FAUCET_DECIMALS
    decimals = token.get("decimals") if isinstance(token, dict) else None
    known = isinstance(decimals, str) and decimals.isdecimal() and int(decimals) <= WAD_DECIMALS
    return int(str(decimals)) if known else None


@dataclass(frozen=True)
class Measure:
    """What a number counts: how people write it, and how it is shown to them."""

    read: Callable[[Spoken, str], int]
    text: Callable[[int, int], str]

    def validator(self) -> BeforeValidator:
        """Reads a text as people write it, where :class:`Spoken` says that it is one."""

        def spoken(value: Any, info: ValidationInfo) -> Any:
            if isinstance(info.context, Spoken) and isinstance(value, str):
                return self.read(info.context, value)
            return value

        return BeforeValidator(spoken)


TOKENS = Measure(lambda spoken, text: spoken.tokens(text), lambda value, decimals: format_amount(value, decimals))
COLLATERALS = Measure(
    lambda spoken, text: spoken.collaterals(text), lambda value, decimals: format_amount(value, decimals)
)
WADS = Measure(lambda _, text: parse_amount(text, WAD_DECIMALS), lambda value, _: format_amount(value, WAD_DECIMALS))
SECONDS = Measure(lambda _, text: parse_duration(text), lambda value, _: duration_text(value))
DAYS = Measure(lambda _, text: parse_days(text), lambda value, _: f"{value} days")
SHARE = Measure(lambda _, text: parse_bps(text), lambda value, _: f"{format_amount(value, 2)}%")


def address(value: str) -> str:
    """An address in checksum form; refuses what is none, or is mistyped."""
    if not is_hex_address(value):
        raise ValueError(f"'{value}' is no address: write 0x and 40 hexadecimal digits")
    plain = value[2:] if value[:2].lower() == "0x" else value
    checksum = str(to_checksum_address(value))
    if plain not in (plain.lower(), plain.upper(), checksum[2:]):
        raise ValueError(f"'{value}' has a wrong checksum: a digit is mistyped, or it should be {checksum}")
    return checksum


class TokenConfig(BaseModel):
    """An existing token, and what it must turn out to be on the chain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[str, AfterValidator(address)]
    decimals: Annotated[int, Field(ge=6, le=18)]
    #: None: not compared.
    symbol: str | None = None


class FaucetConfig(BaseModel):
    """A new token that anyone mints, for local chains and testnets alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=25)]
    symbol: Annotated[str, Field(min_length=1, max_length=5)]
    decimals: Annotated[int, Field(ge=6, le=18)]


# Amounts are decimal strings in JSON: they pass what other languages read as numbers.
_DECIMAL = PlainSerializer(str, return_type=str, when_used="json")
CollateralAmount = Annotated[int, Field(ge=0, le=MAX_COLLATERAL), _DECIMAL, COLLATERALS.validator(), COLLATERALS]
Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT), _DECIMAL, TOKENS.validator(), TOKENS]
Size = Annotated[int, Field(ge=0, le=MAX_AMOUNT), _DECIMAL, WADS.validator(), WADS]
Price = Annotated[int, Field(gt=0, le=10**30), _DECIMAL, WADS.validator(), WADS]
Bps = Annotated[int, Field(ge=0, le=10_000), SHARE.validator(), SHARE]
Seconds = Annotated[int, SECONDS.validator(), SECONDS]
Address = Annotated[str, AfterValidator(address)]


def kind_of_token(value: Any) -> str:
    """How a token is written: "name" (a name or an address), "token" (an existing one, described) or "new"."""
    if isinstance(value, (dict, BaseModel)):
        return "token" if isinstance(value, TokenConfig) or (isinstance(value, dict) and "address" in value) else "new"
    return "name"


#: A token: an address, an existing one with what it must turn out to be, or a new one that anyone mints.
Token = Annotated[
    Annotated[str, AfterValidator(address), Tag("name")]
    | Annotated[TokenConfig, Tag("token")]
    | Annotated[FaucetConfig, Tag("new")],
    Discriminator(kind_of_token),
]
