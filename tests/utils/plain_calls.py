"""Call data for every function of an ABI with the plainest arguments: what access and re-entry tests try."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils import function_abi_to_4byte_selector

ABI_FOLDER = Path(__file__).resolve().parents[2] / "abi"


def abi_functions() -> Iterator[tuple[str, dict[str, Any]]]:
    """(contract, ABI entry) of every function of every deployable contract."""
    for path in sorted(ABI_FOLDER.glob("*.json")):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            if entry["type"] == "function":
                yield path.stem, entry


def is_view(entry: dict[str, Any]) -> bool:
    """Whether a function can't change state."""
    return entry["stateMutability"] in ("view", "pure")


def signature(entry: dict[str, Any]) -> str:
    """A function with its types, as its selector is made of."""
    return entry["name"] + "(" + ",".join(kind(parameter) for parameter in entry["inputs"]) + ")"


def kind(parameter: dict[str, Any]) -> str:
    """A parameter's type as ABI encoding spells it."""
    if parameter["type"].startswith("tuple"):
        return "(" + ",".join(kind(part) for part in parameter["components"]) + ")" + parameter["type"][5:]
    return str(parameter["type"])


def plain_value(parameter: dict[str, Any], account: str, numbers: Mapping[str, int]) -> Any:
    """The plainest value of a parameter: zeros, one entry in a list, the account for every address.

    Args:
        parameter: From the ABI.
        account: Stands for every address.
        numbers: What to take for integers, by the parameter's name; 0 for others.
    """
    name = parameter["type"]
    if name.endswith("]"):
        inner, _, size = name[:-1].rpartition("[")
        return [plain_value({**parameter, "type": inner}, account, numbers)] * int(size or 1)
    if name == "tuple":
        return tuple(plain_value(part, account, numbers) for part in parameter["components"])
    if name == "address":
        return account
    if name == "bool":
        return False
    if name == "string":
        return ""
    if name.startswith("bytes"):
        return b"" if name == "bytes" else b"\x00" * int(name[5:])
    return numbers.get(parameter["name"], 0)


def call_data(entry: dict[str, Any], account: str, numbers: Mapping[str, int] | None = None) -> bytes:
    """Call data of a function with plain arguments."""
    values = [plain_value(parameter, account, numbers or {}) for parameter in entry["inputs"]]
    return function_abi_to_4byte_selector(entry) + encode([kind(one) for one in entry["inputs"]], values)
