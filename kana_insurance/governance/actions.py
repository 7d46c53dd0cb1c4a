"""What governance may call, each call with a name: taken from the ABIs and the access table, so that none is missing.

The name of a call is its function's, written with hyphens: ``set_threshold`` is ``set-threshold``. A struct that a
function takes is spread out: its fields are arguments like others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils import keccak, to_checksum_address

from kana_insurance.access import ACCESS, ANYONE
from kana_insurance.backends import ROOT
from kana_insurance.backends.rpc import canonical_type


class Unit(Enum):
    """What an argument counts or names; the value says how it is written."""

    ADDRESS = "an address, a contract's name or an account's alias"
    AMOUNT = "an amount in whole tokens, such as 2000000 or 0.25"
    SIZE = "a base size, such as 1000"
    BPS = "a share, such as 5%, 0.05% or 500bps"
    SECONDS = "a duration, such as 2d, 36h or 10m"
    DAYS = "days, such as 14d"
    MARKET = "a market's id or name"
    COLLATERAL = "a collateral's id or name"
    PLACE = "a layer's place: staked or reinsurance"
    FLAG = "yes or no"
    ROLE = "a role, such as guardian, or its 32 bytes"
    TEXT = "a text"
    SALT = "a text that tells it apart, or 32 bytes"
    ID = "a notice's id, 32 bytes"
    DATA = "call data, 0x…"
    MARKETS = "markets with commas between them, each a name or VENUE:ID"


#: Units of numbers by argument; of other types the type says it.
_NUMBERS = {
    name: unit
    for unit, names in (
        (
            Unit.AMOUNT,
            "threshold max_insurance cap limit window_cap min_notional min_staked amount supply_cap min_debt",
        ),
        (Unit.AMOUNT, "collateral_cap borrow_cap"),
        (Unit.SIZE, "open_interest_cap position_cap"),
        (Unit.SECONDS, "length window_length stream_length grace new_delay"),
        (Unit.DAYS, "cooldown_days"),
        (Unit.MARKET, "market_id"),
        (Unit.COLLATERAL, "collateral_id"),
        (Unit.PLACE, "place"),
    )
    for name in names.split()
}
_WORDS = {"role": Unit.ROLE, "salt": Unit.SALT, "id": Unit.ID}
_TYPES = {
    "address": Unit.ADDRESS,
    "bool": Unit.FLAG,
    "bytes": Unit.DATA,
    "string": Unit.TEXT,
    "tuple[]": Unit.MARKETS,
}


def unit_of(name: str, kind: str) -> Unit:
    """The unit of an argument.

    Raises:
        KeyError: if none is known for it; a test looks at every argument.
    """
    if kind == "uint256":
        return Unit.BPS if name.endswith("_bps") else _NUMBERS[name]
    return _TYPES[kind] if kind in _TYPES else _WORDS[name]


@dataclass(frozen=True)
class Argument:
    """An argument of a call, or a field of a struct that it takes."""

    name: str
    unit: Unit


@dataclass(frozen=True)
class Action:
    """A function that governance may call.

    Attributes:
        contract: Its contract's type.
        function: Its name.
        inputs: As the ABI has them.
        purpose: What it is for, as the access table has it.
    """

    contract: str
    function: str
    inputs: tuple[dict[str, Any], ...]
    purpose: str

    def __hash__(self) -> int:
        return hash((self.contract, self.function))

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return hyphened(self.function)

    @property
    def signature(self) -> str:
        """Name and types, as its selector is made of."""
        return f"{self.function}({','.join(map(canonical_type, self.inputs))})"

    @property
    def selector(self) -> bytes:
        """The first four bytes of its call data."""
        return bytes(keccak(text=self.signature)[:4])

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Its arguments, structs spread out."""
        return tuple(Argument(one["name"], unit_of(one["name"], one["type"])) for one in self._flat())

    def _flat(self) -> list[dict[str, Any]]:
        return [
            part for entry in self.inputs for part in (entry["components"] if entry["type"] == "tuple" else [entry])
        ]

    def encode(self, values: dict[str, Any]) -> bytes:
        """Call data of values by argument."""
        nested = [
            tuple(values[part["name"]] for part in entry["components"])
            if entry["type"] == "tuple"
            else values[entry["name"]]
            for entry in self.inputs
        ]
        return self.selector + encode(list(map(canonical_type, self.inputs)), nested)

    def decode(self, data: bytes) -> dict[str, Any]:
        """Values by argument, of call data with its selector."""
        found = decode(list(map(canonical_type, self.inputs)), data[4:])
        values: dict[str, Any] = {}
        for entry, value in zip(self.inputs, found, strict=True):
            parts = entry["components"] if entry["type"] == "tuple" else [entry]
            for part, one in zip(parts, value if entry["type"] == "tuple" else [value], strict=True):
                values[part["name"]] = to_checksum_address(one) if part["type"] == "address" else one
        return values


def hyphened(function: str) -> str:
    """A function's name as the command line has it: ``grantRole`` and ``set_fund`` are grant-role and set-fund."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", function).replace("_", "-").lower()


@cache
def abi_of(contract: str) -> list[dict[str, Any]]:
    """The committed ABI of a contract."""
    found: list[dict[str, Any]] = json.loads((ROOT / "abi" / f"{contract}.json").read_text(encoding="utf-8"))
    return found


@cache
def actions() -> tuple[Action, ...]:
    """Every call of governance, by the order of the access table."""
    found = []
    for contract, functions in ACCESS.items():
        entries = {entry["name"]: entry for entry in abi_of(contract) if entry["type"] == "function"}
        for function, rule in functions.items():
            if "governance" in rule.allowed and rule.allowed != ANYONE:
                found.append(Action(contract, function, tuple(entries[function]["inputs"]), rule.purpose))
    return tuple(found)


def named(name: str) -> list[Action]:
    """The calls of a name: one for each type of contract that has it. Underscores and capitals are understood too."""
    return [action for action in actions() if action.name == hyphened(name)]


#: How a board knows the two halves of a merger: by calls that name the other fund alone (M18).
_ADDRESS = {"name": "fund", "type": "address"}
MERGER = (
    Action("InsuranceFund", "hand_over", ({**_ADDRESS, "name": "successor"},), "close the fund, hand it over (M18)"),
    Action("InsuranceFund", "adopt", ({**_ADDRESS, "name": "old"},), "take over what a fund hands over (M18)"),
)


def recognise(data: bytes, contract: str | None = None) -> Action | None:
    """The call that data begins with: of that contract, or of any if it is None."""
    fitting: Sequence[Action] = [one for one in (*actions(), *MERGER) if contract in (None, one.contract)]
    return next((one for one in fitting if data[:4] == one.selector), None)
