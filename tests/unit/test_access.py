"""Every external function as every role (M36, I15): allowed, or refused with the exact reason.

The table is `kana_insurance/access.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils import function_abi_to_4byte_selector

from kana_insurance.access import ACCESS, ANYONE, ROLES
from kana_insurance.backends import address_of, decode_reason
from kana_insurance.testing import Kit

ABI_FOLDER = Path(__file__).resolve().parents[2] / "abi"
REFUSALS = {rule.reason for functions in ACCESS.values() for rule in functions.values() if rule.reason}


def abi_functions() -> Iterator[tuple[str, dict[str, Any]]]:
    """(contract, ABI entry) of every function of every deployable contract."""
    for path in sorted(ABI_FOLDER.glob("*.json")):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            if entry["type"] == "function":
                yield path.stem, entry


def is_view(entry: dict[str, Any]) -> bool:
    return entry["stateMutability"] in ("view", "pure")


ACTIONS = [(contract, entry) for contract, entry in abi_functions() if not is_view(entry)]
VIEWS = [(contract, entry) for contract, entry in abi_functions() if is_view(entry)]


def signature(entry: dict[str, Any]) -> str:
    return entry["name"] + "(" + ",".join(kind(parameter) for parameter in entry["inputs"]) + ")"


def kind(parameter: dict[str, Any]) -> str:
    """The parameter's type as ABI encoding spells it."""
    if parameter["type"].startswith("tuple"):
        return "(" + ",".join(kind(part) for part in parameter["components"]) + ")" + parameter["type"][5:]
    return str(parameter["type"])


def value(parameter: dict[str, Any], address: str) -> Any:
    """The plainest value of a parameter: zeros, one entry in a list, an address that is nobody's."""
    name = parameter["type"]
    if name.endswith("]"):
        return [value({**parameter, "type": name[: name.rindex("[")]}, address)]
    if name == "tuple":
        return tuple(value(part, address) for part in parameter["components"])
    if name == "address":
        return address
    if name == "bool":
        return False
    if name == "string":
        return ""
    if name.startswith("bytes"):
        return b"" if name == "bytes" else b"\x00" * int(name[5:])
    return 0


@pytest.fixture(scope="module")
def callers(kana: Kit) -> dict[str, str]:
    """The address of each role."""
    actors = kana.actors
    by_role = {
        "governance": kana.timelock,
        "treasurer": actors.treasurer,
        "guardian": actors.guardian,
        "venue": kana.house,
        "gateway": kana.gateway,
        "registry": kana.registry,
        "proposer": actors.proposer,
        "deployer": actors.deployer,
        "outsider": actors.outsider,
    }
    assert tuple(by_role) == ROLES
    return {role: address_of(account) for role, account in by_role.items()}


@pytest.fixture(scope="module")
def targets(kana: Kit) -> dict[str, str]:
    """The address of each deployed contract."""
    parts = {
        "InsuranceFund": kana.fund,
        "ClearingHouse": kana.house,
        "OrderGateway": kana.gateway,
        "MarketRegistry": kana.registry,
        "Timelock": kana.timelock,
        "PriceFeed": kana.feeds[0],
        "Lens": kana.lens,
    }
    return {name: address_of(part) for name, part in parts.items()}


def outcome(target: str, entry: dict[str, Any], caller: str, nobody: str) -> str:
    """What a call with plain arguments ends with: "" or the reason of its revert."""
    from ape import chain

    types = [kind(parameter) for parameter in entry["inputs"]]
    values = [value(parameter, nobody) for parameter in entry["inputs"]]
    data = function_abi_to_4byte_selector(entry) + encode(types, values)
    call = {"from": caller, "to": target, "data": "0x" + data.hex()}
    answer = chain.provider.web3.provider.make_request("eth_call", [call, "latest"])
    if "error" not in answer:
        return ""
    raw = answer["error"].get("data")
    return decode_reason(bytes.fromhex(raw[2:])) if isinstance(raw, str) and len(raw) > 2 else "(none)"


def test_access__every_function__has_an_entry() -> None:
    listed = {(contract, name) for contract, functions in ACCESS.items() for name in functions}
    assert listed == {(contract, entry["name"]) for contract, entry in ACTIONS}
    assert {contract for contract, _ in abi_functions()} == set(ACCESS)


@pytest.mark.parametrize(("contract", "entry"), ACTIONS, ids=[f"{c}.{signature(e)}" for c, e in ACTIONS])
def test_access__each_role__is_allowed_or_told_why(
    contract: str, entry: dict[str, Any], callers: dict[str, str], targets: dict[str, str], asset: Any
) -> None:
    rule = ACCESS[contract][entry["name"]]
    # An address with code that plays no part: what is refused for it is not refused for who calls.
    nobody = address_of(asset)
    found = {role: outcome(targets[contract], entry, caller, nobody) for role, caller in callers.items()}
    for role, ending in found.items():
        if rule.allowed == ANYONE:
            assert ending == found["outsider"]
            assert ending not in REFUSALS
        else:
            assert (ending != rule.reason) == (role in rule.allowed), f"{role} was told {ending!r}"


@pytest.mark.parametrize(("contract", "entry"), VIEWS, ids=[f"{c}.{signature(e)}" for c, e in VIEWS])
def test_access__views__are_open_to_anyone(
    contract: str, entry: dict[str, Any], callers: dict[str, str], targets: dict[str, str], asset: Any
) -> None:
    nobody = address_of(asset)
    found = {outcome(targets[contract], entry, caller, nobody) for caller in callers.values()}
    assert len(found) == 1
    assert not found & REFUSALS - {"fund: unknown market"}


def test_access__after_setup__deployer_holds_no_role(kana: Kit) -> None:
    """T39: every role of every contract, read."""
    deployer = address_of(kana.actors.deployer)
    parts = {"InsuranceFund": kana.fund, "MarketRegistry": kana.registry, "Timelock": kana.timelock}
    roles = [(parts[name], entry["name"]) for name, entry in VIEWS if entry["name"].endswith("_ROLE")]
    assert len(roles) >= 10
    for contract, role in roles:
        assert not contract.hasRole(getattr(contract, role)(), deployer)
