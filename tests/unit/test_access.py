"""Every external function as every role (M36, I15): allowed, or refused with the exact reason.

The table is `kana_insurance/access.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.access import ACCESS, ANYONE, ROLES
from kana_insurance.backends import address_of, decode_reason
from kana_insurance.deployment import LOCAL_STAKERS
from kana_insurance.deployment import ROLES as WORDS
from kana_insurance.kit import Actors, Kit, deploy_kit
from kana_insurance.pools import LOCAL_POOL
from tests.utils.plain_calls import abi_functions, call_data, is_view, signature

REFUSALS = {rule.reason for functions in ACCESS.values() for rule in functions.values() if rule.reason}


ACTIONS = [(contract, entry) for contract, entry in abi_functions() if not is_view(entry)]
VIEWS = [(contract, entry) for contract, entry in abi_functions() if is_view(entry)]


@pytest.fixture(scope="module")
def whole(backend: Any, actors: Actors) -> Kit:
    """A system with every part, the staked layer too."""
    return deploy_kit(backend, actors, stakers=LOCAL_STAKERS, pool=LOCAL_POOL)


@pytest.fixture(scope="module")
def callers(whole: Kit) -> dict[str, str]:
    """The address of each role."""
    actors = whole.actors
    by_role = {
        "governance": whole.timelock,
        "treasurer": actors.treasurer,
        "guardian": actors.guardian,
        "venue": whole.house,
        "gateway": whole.gateway,
        "registry": whole.registry,
        "fund": whole.fund,
        "underwriter": whole.underwriter,
        "lending": whole.system.lending,
        "proposer": actors.proposer,
        "deployer": actors.deployer,
        "outsider": actors.outsider,
    }
    assert tuple(by_role) == ROLES
    return {role: address_of(account) for role, account in by_role.items()}


@pytest.fixture(scope="module")
def targets(whole: Kit) -> dict[str, str]:
    """The address of each deployed contract."""
    parts = {
        "Underwriter": whole.underwriter,
        "Backstop": whole.backstop,
        "NoticeBoard": whole.notices,
        "InsuranceFund": whole.fund,
        "FundFactory": whole.factory,
        "ClearingHouse": whole.house,
        "OrderGateway": whole.gateway,
        "LendingPool": whole.system.pool,
        "LendingRegistry": whole.system.lending,
        "MarketRegistry": whole.registry,
        "Timelock": whole.timelock,
        "PriceFeed": whole.feeds[0],
        "Lens": whole.lens,
    }
    return {name: address_of(part) for name, part in parts.items()}


def plain_account(contract: str, whole: Kit) -> str:
    """What stands for every address in a call to a contract.

    An address with code that plays no part: what is refused for it is not refused for who calls. The board is asked
    about a fund.
    """
    return address_of(whole.fund if contract == "NoticeBoard" else whole.asset)


def outcome(target: str, entry: dict[str, Any], caller: str, nobody: str) -> str:
    """What a call with plain arguments ends with: "" or the reason of its revert."""
    from ape import chain

    call = {"from": caller, "to": target, "data": "0x" + call_data(entry, nobody).hex()}
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
    contract: str, entry: dict[str, Any], callers: dict[str, str], targets: dict[str, str], whole: Kit
) -> None:
    rule = ACCESS[contract][entry["name"]]
    nobody = plain_account(contract, whole)
    found = {role: outcome(targets[contract], entry, caller, nobody) for role, caller in callers.items()}
    for role, ending in found.items():
        if rule.allowed == ANYONE:
            assert ending == found["outsider"]
            assert ending not in REFUSALS
        else:
            assert (ending != rule.reason) == (role in rule.allowed), f"{role} was told {ending!r}"


@pytest.mark.parametrize(("contract", "entry"), VIEWS, ids=[f"{c}.{signature(e)}" for c, e in VIEWS])
def test_access__views__are_open_to_anyone(
    contract: str, entry: dict[str, Any], callers: dict[str, str], targets: dict[str, str], whole: Kit
) -> None:
    nobody = plain_account(contract, whole)
    found = {outcome(targets[contract], entry, caller, nobody) for caller in callers.values()}
    assert len(found) == 1
    assert not found & REFUSALS - {"fund: unknown market"}


def test_access__after_setup__deployer_holds_no_role(whole: Kit) -> None:
    """T39: every role of every contract, read."""
    deployer = address_of(whole.actors.deployer)
    parts = {
        "InsuranceFund": whole.fund,
        "FundFactory": whole.factory,
        "Underwriter": whole.underwriter,
        "MarketRegistry": whole.registry,
        "LendingRegistry": whole.system.lending,
        "Timelock": whole.timelock,
    }
    named = [(parts[name], entry["name"]) for name, entry in VIEWS if entry["name"].endswith("_ROLE")]
    roles = [(contract, getattr(contract, role)()) for contract, role in named]
    # The fund has no room for the names of its roles.
    roles += [(whole.fund, word) for word in WORDS.values()]
    assert len(roles) >= 12
    for contract, word in roles:
        assert not contract.hasRole(word, deployer)
