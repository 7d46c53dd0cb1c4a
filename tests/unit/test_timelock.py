"""The timelock on the node: announcing, cancelling, executing, its delay and its roles (M9, M36)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.testing import DAY, Kit, logs, reverts_with

NO_WORD = b"\x00" * 32
DELAY = 2 * DAY


def salt(number: int) -> bytes:
    return (10_000 + number).to_bytes(32, "big")


@pytest.fixture
def split(kana: Kit) -> tuple[str, int, bytes]:
    """A call that governance may make: shares of 10 % each."""
    return address_of(kana.fund), 0, kana.encode(kana.fund, "set_split", 1_000, 1_000)


def of_itself(kana: Kit, function: str, *args: Any) -> Any:
    """Make a call of the timelock to itself, the whole way; the receipt of the execution."""
    return kana.govern(kana.timelock, function, *args)


def test_schedule_batch__after_the_delay__makes_all_calls_in_order(kana: Kit) -> None:
    fund, timelock, actors = kana.fund, kana.timelock, kana.actors
    payloads = [kana.encode(fund, "set_split", bps, bps) for bps in (1_000, 1_500)]
    batch = ([address_of(fund)] * 2, [0, 0], payloads, NO_WORD, salt(1))
    receipt = timelock.schedule_batch(*batch, DELAY, sender=actors.proposer)
    names = [name for name, _ in logs(receipt, timelock)]
    assert names == ["CallScheduled", "CallScheduled", "CallSalt"]
    with reverts_with("timelock_controller: operation is not ready"):
        timelock.execute_batch(*batch, sender=actors.proposer)
    kana.travel(DELAY)
    receipt = timelock.execute_batch(*batch, sender=actors.proposer)
    executed = [arguments for name, arguments in logs(receipt, timelock) if name == "CallExecuted"]
    assert [arguments["index"] for arguments in executed] == [0, 1]
    assert tuple(fund.split_bps()) == (1_500, 1_500)
    assert timelock.is_operation_done(timelock.hash_operation_batch(*batch))


def test_schedule_batch__one_call_fails__none_is_made(kana: Kit) -> None:
    fund, timelock, actors = kana.fund, kana.timelock, kana.actors
    payloads = [kana.encode(fund, "set_split", 1_000, 1_000), kana.encode(fund, "set_split", 9_000, 0)]
    batch = ([address_of(fund)] * 2, [0, 0], payloads, NO_WORD, salt(2))
    timelock.schedule_batch(*batch, DELAY, sender=actors.proposer)
    kana.travel(DELAY)
    with reverts_with("fund: split out of bounds"):
        timelock.execute_batch(*batch, sender=actors.proposer)
    assert tuple(fund.split_bps()) == (3_000, 2_000)


def test_schedule__ether_or_endless_delay__refused(kana: Kit, split: Any) -> None:
    timelock, proposer = kana.timelock, kana.actors.proposer
    target, _, payload = split
    with reverts_with("timelock: no ether"):
        timelock.schedule(target, 1, payload, NO_WORD, salt(3), DELAY, sender=proposer)
    with reverts_with("timelock: no ether"):
        timelock.schedule_batch([target], [1], [payload], NO_WORD, salt(3), DELAY, sender=proposer)
    for call, one in ((timelock.schedule, split), (timelock.schedule_batch, ([target], [0], [payload]))):
        with reverts_with("timelock: above ceiling"):
            call(*one, NO_WORD, salt(3), 30 * DAY + 1, sender=proposer)
        with reverts_with("timelock_controller: insufficient delay"):
            call(*one, NO_WORD, salt(3), DELAY - 1, sender=proposer)
    with reverts_with("timelock: length mismatch"):
        timelock.schedule_batch([target], [0, 0], [payload], NO_WORD, salt(3), DELAY, sender=proposer)


def test_cancel__announced__is_never_made(kana: Kit, split: Any) -> None:
    timelock, actors = kana.timelock, kana.actors
    operation = (*split, NO_WORD, salt(4))
    number = timelock.hash_operation(*operation)
    with reverts_with("timelock: nothing to cancel"):
        timelock.cancel(number, sender=actors.proposer)
    timelock.schedule(*operation, DELAY, sender=actors.proposer)
    receipt = timelock.cancel(number, sender=actors.proposer)
    assert logs(receipt, timelock) == [("Cancelled", {"id": number})]
    kana.travel(DELAY)
    with reverts_with("timelock_controller: operation is not ready"):
        timelock.execute(*operation, sender=actors.proposer)


def test_execute__target_without_code__refused(kana: Kit) -> None:
    timelock, actors = kana.timelock, kana.actors
    operation = (address_of(actors.outsider), 0, b"", NO_WORD, salt(5))
    timelock.schedule(*operation, DELAY, sender=actors.proposer)
    kana.travel(DELAY)
    with reverts_with("timelock: target has no code"):
        timelock.execute(*operation, sender=actors.proposer)


def test_update_delay__by_itself__between_floor_and_ceiling(kana: Kit) -> None:
    timelock = kana.timelock
    itself = kana.governance
    for delay, reason in ((DELAY - 1, "timelock: below floor"), (30 * DAY + 1, "timelock: above ceiling")):
        with reverts_with(reason):
            timelock.update_delay(delay, sender=itself)
    receipt = of_itself(kana, "update_delay", 5 * DAY)
    changed = [arguments for name, arguments in logs(receipt, timelock) if name == "MinimumDelayChange"]
    assert changed == [{"old_duration": DELAY, "new_duration": 5 * DAY}]
    assert (timelock.get_minimum_delay(), timelock.MIN_DELAY_FLOOR()) == (5 * DAY, DELAY)


def test_roles__proposer_granted_and_revoked__cancels_too_and_the_last_stays(kana: Kit) -> None:
    timelock, actors = kana.timelock, kana.actors
    itself = kana.governance
    proposer_role, canceller_role = timelock.PROPOSER_ROLE(), timelock.CANCELLER_ROLE()
    of_itself(kana, "grantRole", proposer_role, address_of(actors.outsider))
    assert timelock.hasRole(proposer_role, actors.outsider)
    assert timelock.hasRole(canceller_role, actors.outsider)
    assert timelock.members(proposer_role) == 2
    with reverts_with("timelock: proposers cancel"):
        timelock.revokeRole(canceller_role, actors.outsider, sender=itself)
    timelock.revokeRole(proposer_role, actors.outsider, sender=itself)
    assert not timelock.hasRole(canceller_role, actors.outsider)
    for role in (proposer_role, timelock.EXECUTOR_ROLE()):
        with reverts_with("timelock: last holder"):
            timelock.revokeRole(role, actors.proposer, sender=itself)
        with reverts_with("timelock: last holder"):
            timelock.renounceRole(role, actors.proposer, sender=actors.proposer)
    with reverts_with("timelock: not a holder"):
        timelock.revokeRole(proposer_role, actors.outsider, sender=itself)
    with reverts_with("timelock: not your role"):
        timelock.renounceRole(proposer_role, actors.proposer, sender=actors.outsider)


def test_roles__what_cannot_be_granted__refused(kana: Kit) -> None:
    timelock, itself, outsider = kana.timelock, kana.governance, kana.actors.outsider
    with reverts_with("timelock: role not grantable"):
        timelock.grantRole(timelock.DEFAULT_ADMIN_ROLE(), outsider, sender=itself)
    with reverts_with("timelock: zero account"):
        timelock.grantRole(timelock.PROPOSER_ROLE(), "0x" + "00" * 20, sender=itself)
    with reverts_with("timelock: account is timelock"):
        timelock.grantRole(timelock.PROPOSER_ROLE(), timelock, sender=itself)


def test_roles__second_executor_leaves__by_own_wish(kana: Kit) -> None:
    timelock, outsider = kana.timelock, kana.actors.outsider
    role = timelock.EXECUTOR_ROLE()
    timelock.grantRole(role, outsider, sender=kana.governance)
    timelock.renounceRole(role, outsider, sender=outsider)
    assert (timelock.hasRole(role, outsider), timelock.members(role)) == (False, 1)


def test_supports_interface__itself_and_access_control__and_nothing_else(kana: Kit) -> None:
    known = {
        name: kana.timelock.supportsInterface(bytes.fromhex(name)) for name in ("01ffc9a7", "7965db0b", "ffffffff")
    }
    assert known == {"01ffc9a7": True, "7965db0b": True, "ffffffff": False}
