"""Batches for the transaction builder of a Safe: JSON that its web interface loads, with its checksum."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils import keccak

from kana_insurance.client import Refusal

VERSION = "1.0"
BUILDER = "1.18.2"


@dataclass(frozen=True)
class Transaction:
    """What an account sends: no ether, call data, and what it does in words."""

    to: str
    data: bytes
    does: str

    def page(self) -> dict[str, str]:
        """For machines."""
        return {"to": self.to, "value": "0", "data": "0x" + self.data.hex(), "does": self.does}


def batch(
    chain_id: int, name: str, description: str, transactions: Sequence[Transaction], *, created: int | None = None
) -> dict[str, Any]:
    """The content of a batch file.

    Args:
        chain_id: The chain of the Safe.
        name: The batch's name.
        description: What it does.
        transactions: In their order.
        created: Milliseconds since 1970; now by default.
    """
    file: dict[str, Any] = {
        "version": VERSION,
        "chainId": str(chain_id),
        "createdAt": int(time.time() * 1_000) if created is None else created,
        "meta": {
            "name": name,
            "description": description,
            "txBuilderVersion": BUILDER,
            "createdFromSafeAddress": "",
            "createdFromOwnerAddress": "",
        },
        "transactions": [
            {
                "to": one.to,
                "value": "0",
                "data": "0x" + one.data.hex(),
                "contractMethod": None,
                "contractInputsValues": None,
            }
            for one in transactions
        ],
    }
    file["meta"]["checksum"] = checksum(file)
    return file


def checksum(file: dict[str, Any]) -> str:
    """The checksum of a batch file, its name and a checksum in it left out."""
    meta = {key: value for key, value in file["meta"].items() if key != "checksum"}
    return "0x" + keccak(text=_serialised({**file, "meta": {**meta, "name": None}})).hex()


def _serialised(value: Any) -> str:
    """As the builder writes values before it hashes them: sorted keys as a list, then the values with commas."""
    if isinstance(value, list):
        return f"[{','.join(map(_serialised, value))}]"
    if isinstance(value, dict):
        keys = sorted(value)
        return "{" + _plain(keys) + "".join(f"{_serialised(value[key])}," for key in keys) + "}"
    return _plain(value)


def _plain(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def write(path: Path, file: dict[str, Any]) -> None:
    """Write a batch file.

    Raises:
        Refusal: if it can't be written there.
    """
    try:
        path.write_text(json.dumps(file, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise Refusal(f"{path} can't be written: {error.strerror}") from None
