"""The timelock (M9, M36): a floor that nothing undercuts, roles that can't end in nothing, T39's replays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest
from eth.exceptions import Revert
from eth_abi.abi import encode
from eth_utils import keccak

ZERO = "0x" + "00" * 20
NO_HASH = b"\x00" * 32
SALT = b"\x07" * 32
DAY = 86_400
FLOOR = 2 * DAY
DELAY = 3 * DAY
MAX_DELAY = 30 * DAY
PROPOSER = keccak(b"PROPOSER_ROLE")
EXECUTOR = keccak(b"EXECUTOR_ROLE")
CANCELLER = keccak(b"CANCELLER_ROLE")
ADMIN = NO_HASH

TIMELOCK = boa.load_partial("contracts/Timelock.vy")
FORCE = boa.load_partial("contracts/testing/ForceEther.vy")

# What is governed: remembers what it was told, by whom, and can call back into the timelock.
GOVERNED = """
interface Timelock:
    def MIN_DELAY_FLOOR() -> uint256: view
    def get_minimum_delay() -> uint256: view
    def execute(target: address, amount: uint256, payload: Bytes[1024], predecessor: bytes32, salt: bytes32): nonpayable

told: public(DynArray[uint256, 10])
by: public(address)
floor_seen: public(uint256)
delay_seen: public(uint256)

@external
def tell(number: uint256):
    assert number != 13, "governed: not thirteen"
    self.told.append(number)
    self.by = msg.sender

@external
def look():
    self.floor_seen = staticcall Timelock(msg.sender).MIN_DELAY_FLOOR()
    self.delay_seen = staticcall Timelock(msg.sender).get_minimum_delay()

@external
def fail():
    raise

@external
def again(target: address, payload: Bytes[1024], salt: bytes32):
    extcall Timelock(msg.sender).execute(target, 0, payload, empty(bytes32), salt)

@external
@view
def count() -> uint256:
    return len(self.told)
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Each test on a chain of its own."""
    with boa.env.anchor():
        # Addresses recur from test to test, and titanoboa remembers storage keys by address.
        boa.env.sstore_trace.clear()
        yield


def actor(name: str) -> Any:
    """An address with a name."""
    return boa.env.generate_address(name)


# The deployer should be nobody afterwards; the outsider is nobody from the start.
deployer = pytest.fixture(lambda: actor("deployer"), name="deployer")
proposer = pytest.fixture(lambda: actor("proposer"), name="proposer")
executor = pytest.fixture(lambda: actor("executor"), name="executor")
outsider = pytest.fixture(lambda: actor("outsider"), name="outsider")


@pytest.fixture
def timelock(deployer: Any, proposer: Any, executor: Any) -> Any:
    """A timelock of two days' floor and three days' delay."""
    with boa.env.prank(deployer):
        return TIMELOCK.deploy(FLOOR, DELAY, [proposer], [executor])


@pytest.fixture
def governed() -> Any:
    """A governed contract."""
    return boa.loads(GOVERNED)


def wait(seconds: int) -> None:
    """Let time pass."""
    boa.env.evm.patch.timestamp += seconds


def announce(
    timelock: Any,
    proposer: Any,
    target: Any,
    payload: bytes,
    *,
    predecessor: bytes = NO_HASH,
    salt: bytes = SALT,
    delay: int | None = None,
) -> bytes:
    """Schedule a call and return its id."""
    seconds = timelock.get_minimum_delay() if delay is None else delay
    timelock.schedule(target, 0, payload, predecessor, salt, seconds, sender=proposer)
    return bytes(timelock.hash_operation(target, 0, payload, predecessor, salt))


def govern(timelock: Any, proposer: Any, executor: Any, target: Any, payload: bytes, salt: bytes = SALT) -> None:
    """Announce, wait, execute."""
    announce(timelock, proposer, target, payload, salt=salt)
    wait(timelock.get_minimum_delay())
    timelock.execute(target, 0, payload, NO_HASH, salt, sender=executor)


def batch(governed: Any, *numbers: int) -> tuple[list[Any], list[int], list[bytes]]:
    """A batch that tells these numbers."""
    return (
        [governed.address] * len(numbers),
        [0] * len(numbers),
        [governed.tell.prepare_calldata(number) for number in numbers],
    )


# ----------------------------------------------------------------- deployment


def test_deploy__roles__as_named(timelock: Any, proposer: Any, executor: Any) -> None:
    assert timelock.MIN_DELAY_FLOOR() == FLOOR
    assert timelock.get_minimum_delay() == DELAY
    assert (timelock.MAX_DELAY(), timelock.MAX_CALLS()) == (MAX_DELAY, 32)
    assert (timelock.PROPOSER_ROLE(), timelock.EXECUTOR_ROLE(), timelock.CANCELLER_ROLE()) == (
        PROPOSER,
        EXECUTOR,
        CANCELLER,
    )
    assert timelock.DEFAULT_ADMIN_ROLE() == ADMIN
    assert timelock.hasRole(PROPOSER, proposer)
    assert timelock.hasRole(CANCELLER, proposer)
    assert timelock.hasRole(EXECUTOR, executor)
    assert not timelock.hasRole(EXECUTOR, proposer)
    assert timelock.hasRole(ADMIN, timelock)
    assert [timelock.members(role) for role in (ADMIN, PROPOSER, EXECUTOR, CANCELLER)] == [1, 1, 1, 1]
    assert all(timelock.getRoleAdmin(role) == ADMIN for role in (PROPOSER, EXECUTOR, CANCELLER))


def test_deploy__deployer__holds_nothing(timelock: Any, deployer: Any, governed: Any) -> None:
    """T39: every role read; and no call of the deployer's gets through."""
    assert not any(timelock.hasRole(role, deployer) for role in (ADMIN, PROPOSER, EXECUTOR, CANCELLER))
    with boa.env.prank(deployer):
        with boa.reverts("timelock: not the timelock"):
            timelock.grantRole(PROPOSER, deployer)
        with boa.reverts("access_control: account is missing role"):
            timelock.schedule(governed, 0, b"", NO_HASH, SALT, DELAY)


def test_deploy__same_account_twice__counted_once(proposer: Any, executor: Any) -> None:
    timelock = TIMELOCK.deploy(FLOOR, FLOOR, [proposer, proposer], [executor, executor])
    assert (timelock.members(PROPOSER), timelock.members(CANCELLER), timelock.members(EXECUTOR)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("floor", "delay", "reason"),
    [
        (0, DELAY, "timelock: floor is zero"),
        (FLOOR, FLOOR - 1, "timelock: below floor"),
        (FLOOR, 0, "timelock: below floor"),
        (FLOOR, MAX_DELAY + 1, "timelock: above ceiling"),
        (MAX_DELAY + 1, MAX_DELAY + 1, "timelock: above ceiling"),
    ],
)
def test_deploy__delay_out_of_bounds__refused(
    proposer: Any, executor: Any, floor: int, delay: int, reason: str
) -> None:
    with boa.reverts(reason):
        TIMELOCK.deploy(floor, delay, [proposer], [executor])


def test_deploy__no_holder_or_zero__refused(proposer: Any, executor: Any) -> None:
    with boa.reverts("timelock: no proposer"):
        TIMELOCK.deploy(FLOOR, FLOOR, [], [executor])
    with boa.reverts("timelock: no executor"):
        TIMELOCK.deploy(FLOOR, FLOOR, [proposer], [])
    with boa.reverts("timelock: zero account"):
        TIMELOCK.deploy(FLOOR, FLOOR, [ZERO], [executor])


def test_supports_interface__erc165_and_access_control__alone(timelock: Any) -> None:
    assert timelock.supportsInterface(bytes.fromhex("01ffc9a7"))
    assert timelock.supportsInterface(bytes.fromhex("7965db0b"))
    assert not timelock.supportsInterface(bytes.fromhex("4e2312e0"))
    assert not timelock.supportsInterface(bytes.fromhex("ffffffff"))


def test_ether__sent_or_with_a_call__refused(timelock: Any, proposer: Any, executor: Any, governed: Any) -> None:
    """T71: nothing is payable; ether forced in stays out of every operation."""
    boa.env.set_balance(proposer, 10)
    boa.env.set_balance(executor, 10)
    payload = governed.tell.prepare_calldata(1)
    announce(timelock, proposer, governed, payload)
    wait(DELAY)
    calldata = timelock.execute.prepare_calldata(governed, 0, payload, NO_HASH, SALT)
    for data in (b"", calldata):
        with pytest.raises(Revert):
            boa.env.raw_call(timelock.address, sender=executor, data=data, value=1)
    FORCE.deploy(timelock, value=5, sender=proposer)
    assert boa.env.get_balance(timelock.address) == 5
    with boa.reverts("timelock: no ether"):
        timelock.schedule(governed, 1, payload, NO_HASH, SALT, DELAY, sender=proposer)
    targets, _, payloads = batch(governed, 1, 2)
    with boa.reverts("timelock: no ether"):
        timelock.schedule_batch(targets, [0, 1], payloads, NO_HASH, SALT, DELAY, sender=proposer)
    with boa.reverts("timelock_controller: operation is not ready"):
        timelock.execute(governed, 1, payload, NO_HASH, SALT, sender=executor)


# ------------------------------------------------------------------ one call


def test_schedule__by_proposer__logged_and_waiting(timelock: Any, proposer: Any, governed: Any) -> None:
    payload = governed.tell.prepare_calldata(1)
    timelock.schedule(governed, 0, payload, NO_HASH, SALT, DELAY, sender=proposer)
    scheduled, salted = timelock.get_logs()
    id_ = timelock.hash_operation(governed, 0, payload, NO_HASH, SALT)
    assert (scheduled.id, scheduled.index, scheduled.target, scheduled.amount) == (id_, 0, governed.address, 0)
    assert (scheduled.payload, scheduled.predecessor, scheduled.delay) == (payload, NO_HASH, DELAY)
    assert (salted.id, salted.salt) == (id_, SALT)
    assert timelock.get_timestamp(id_) == boa.env.evm.patch.timestamp + DELAY
    assert timelock.is_operation(id_)
    assert timelock.is_operation_pending(id_)
    assert timelock.get_operation_state(id_) == 2
    timelock.schedule(governed, 0, payload, NO_HASH, NO_HASH, DELAY, sender=proposer)
    assert len(timelock.get_logs()) == 1


def test_schedule__refusals(timelock: Any, proposer: Any, executor: Any, outsider: Any, governed: Any) -> None:
    for caller in (executor, outsider):
        with boa.reverts("access_control: account is missing role"):
            timelock.schedule(governed, 0, b"", NO_HASH, SALT, DELAY, sender=caller)
    with boa.reverts("timelock_controller: insufficient delay"):
        timelock.schedule(governed, 0, b"", NO_HASH, SALT, DELAY - 1, sender=proposer)
    with boa.reverts("timelock: above ceiling"):
        timelock.schedule(governed, 0, b"", NO_HASH, SALT, MAX_DELAY + 1, sender=proposer)
    timelock.schedule(governed, 0, b"", NO_HASH, SALT, MAX_DELAY, sender=proposer)
    with boa.reverts("timelock_controller: operation already scheduled"):
        timelock.schedule(governed, 0, b"", NO_HASH, SALT, DELAY, sender=proposer)


def test_execute__at_the_exact_second__done_once(timelock: Any, proposer: Any, executor: Any, governed: Any) -> None:
    """T30, T39: not a second before the delay, and never twice."""
    payload = governed.tell.prepare_calldata(5)
    id_ = announce(timelock, proposer, governed, payload)
    args = (governed, 0, payload, NO_HASH, SALT)
    wait(DELAY - 1)
    with boa.reverts("timelock_controller: operation is not ready"):
        timelock.execute(*args, sender=executor)
    wait(1)
    timelock.execute(*args, sender=executor)
    [executed] = [log for log in timelock.get_logs() if type(log).__name__ == "CallExecuted"]
    assert (executed.id, executed.index, executed.target, executed.payload) == (id_, 0, governed.address, payload)
    assert governed.count() == 1
    assert governed.by() == timelock.address
    assert timelock.is_operation_done(id_)
    with boa.reverts("timelock_controller: operation is not ready"):
        timelock.execute(*args, sender=executor)
    with boa.reverts("timelock_controller: operation already scheduled"):
        announce(timelock, proposer, governed, payload)


def test_execute__without_role__refused(timelock: Any, proposer: Any, outsider: Any, governed: Any) -> None:
    payload = governed.tell.prepare_calldata(5)
    announce(timelock, proposer, governed, payload)
    wait(DELAY)
    for caller in (proposer, outsider):
        with boa.reverts("access_control: account is missing role"):
            timelock.execute(governed, 0, payload, NO_HASH, SALT, sender=caller)


def test_execute__open_role__anyone(proposer: Any, outsider: Any, governed: Any) -> None:
    timelock = TIMELOCK.deploy(FLOOR, FLOOR, [proposer], [ZERO])
    govern(timelock, proposer, outsider, governed, governed.tell.prepare_calldata(5))
    assert governed.count() == 1


def test_execute__target_reverts__same_reason_and_still_ready(
    timelock: Any, proposer: Any, executor: Any, governed: Any
) -> None:
    payload = governed.tell.prepare_calldata(13)
    id_ = announce(timelock, proposer, governed, payload)
    wait(DELAY)
    with boa.reverts("governed: not thirteen"):
        timelock.execute(governed, 0, payload, NO_HASH, SALT, sender=executor)
    assert timelock.is_operation_ready(id_)
    with boa.reverts("timelock_controller: underlying transaction reverted"):
        govern(timelock, proposer, executor, governed, governed.fail.prepare_calldata())


def test_execute__target_without_code__refused(timelock: Any, proposer: Any, executor: Any, outsider: Any) -> None:
    with boa.reverts("timelock: target has no code"):
        govern(timelock, proposer, executor, outsider, b"")


def test_execute__predecessor__must_be_done(timelock: Any, proposer: Any, executor: Any, governed: Any) -> None:
    """T39: a wrong predecessor is another operation, a missing one is refused."""
    first, second = (governed.tell.prepare_calldata(number) for number in (1, 2))
    before = announce(timelock, proposer, governed, first)
    announce(timelock, proposer, governed, second, predecessor=before)
    wait(DELAY)
    with boa.reverts("timelock_controller: missing dependency"):
        timelock.execute(governed, 0, second, before, SALT, sender=executor)
    with boa.reverts("timelock_controller: operation is not ready"):
        timelock.execute(governed, 0, second, NO_HASH, SALT, sender=executor)
    timelock.execute(governed, 0, first, NO_HASH, SALT, sender=executor)
    timelock.execute(governed, 0, second, before, SALT, sender=executor)
    assert [governed.told(0), governed.told(1)] == [1, 2]


def test_execute__re_entered__refused(proposer: Any, governed: Any) -> None:
    """T70: another ready operation can't be executed from inside one, even with execution open to all."""
    open_lock = TIMELOCK.deploy(FLOOR, FLOOR, [proposer], [ZERO])
    inner = governed.tell.prepare_calldata(1)
    outer = governed.again.prepare_calldata(governed, inner, SALT)
    announce(open_lock, proposer, governed, inner)
    announce(open_lock, proposer, governed, outer)
    wait(FLOOR)
    with boa.reverts():
        open_lock.execute(governed, 0, outer, NO_HASH, SALT, sender=proposer)
    assert governed.count() == 0
    open_lock.execute(governed, 0, inner, NO_HASH, SALT, sender=proposer)
    assert governed.count() == 1


def test_execute__target_reads_the_delay__open(timelock: Any, proposer: Any, executor: Any, governed: Any) -> None:
    """A governed contract may check its governor in the middle of an operation (T30)."""
    govern(timelock, proposer, executor, governed, governed.look.prepare_calldata())
    assert (governed.floor_seen(), governed.delay_seen()) == (FLOOR, DELAY)


# --------------------------------------------------------------------- batch


def test_batch__in_order__all_logged(timelock: Any, proposer: Any, executor: Any, governed: Any) -> None:
    calls = batch(governed, 3, 1, 2)
    timelock.schedule_batch(*calls, NO_HASH, SALT, DELAY, sender=proposer)
    names = [type(log).__name__ for log in timelock.get_logs()]
    assert names == ["CallScheduled"] * 3 + ["CallSalt"]
    assert [log.index for log in timelock.get_logs()[:3]] == [0, 1, 2]
    id_ = timelock.hash_operation_batch(*calls, NO_HASH, SALT)
    assert timelock.is_operation_pending(id_)
    wait(DELAY - 1)
    with boa.reverts("timelock_controller: operation is not ready"):
        timelock.execute_batch(*calls, NO_HASH, SALT, sender=executor)
    wait(1)
    timelock.execute_batch(*calls, NO_HASH, SALT, sender=executor)
    executed = [log for log in timelock.get_logs() if type(log).__name__ == "CallExecuted"]
    assert [log.index for log in executed] == [0, 1, 2]
    assert [governed.told(i) for i in range(3)] == [3, 1, 2]
    assert timelock.is_operation_done(id_)


def test_batch__id__is_snekmates(timelock: Any, governed: Any) -> None:
    """Tools that compute the id of the standard controller get ours."""
    targets, amounts, payloads = batch(governed, 1, 2)
    encoded = encode(
        ["address[]", "uint256[]", "bytes[]", "bytes32", "bytes32"], [targets, amounts, payloads, NO_HASH, SALT]
    )
    assert timelock.hash_operation_batch(targets, amounts, payloads, NO_HASH, SALT) == keccak(encoded)


def test_batch__one_fails__none_done(timelock: Any, proposer: Any, executor: Any, governed: Any) -> None:
    calls = batch(governed, 1, 13)
    timelock.schedule_batch(*calls, NO_HASH, SALT, DELAY, sender=proposer)
    wait(DELAY)
    with boa.reverts("governed: not thirteen"):
        timelock.execute_batch(*calls, NO_HASH, SALT, sender=executor)
    assert governed.count() == 0


def test_batch__longest__fits(timelock: Any, proposer: Any, executor: Any) -> None:
    """32 calls of 1,024 bytes, in a block's gas by far."""
    target = boa.loads("seen: public(uint256)\n@external\n@payable\ndef __default__():\n    self.seen += 1\n")
    calls = ([target.address] * 32, [0] * 32, [b"\xff" * 1_024] * 32)
    timelock.schedule_batch(*calls, NO_HASH, SALT, DELAY, sender=proposer)
    wait(DELAY)
    timelock.execute_batch(*calls, NO_HASH, SALT, sender=executor)
    assert target.seen() == 32
    assert timelock._computation.get_gas_used() < 3_000_000


def test_batch__refusals(timelock: Any, proposer: Any, outsider: Any, governed: Any) -> None:
    targets, amounts, payloads = batch(governed, 1, 2)
    tail = (NO_HASH, SALT, DELAY)
    with boa.env.prank(proposer):
        with boa.reverts("timelock: length mismatch"):
            timelock.schedule_batch(targets, amounts[:1], payloads, *tail)
        with boa.reverts("timelock: length mismatch"):
            timelock.schedule_batch(targets, amounts, payloads[:1], *tail)
        with boa.reverts("timelock: empty batch"):
            timelock.schedule_batch([], [], [], *tail)
        with boa.reverts("timelock: above ceiling"):
            timelock.schedule_batch(targets, amounts, payloads, NO_HASH, SALT, MAX_DELAY + 1)
        with boa.reverts("timelock_controller: insufficient delay"):
            timelock.schedule_batch(targets, amounts, payloads, NO_HASH, SALT, DELAY - 1)
    for entry, args in (
        (timelock.schedule_batch, (targets, amounts, payloads, *tail)),
        (timelock.execute_batch, (targets, amounts, payloads, NO_HASH, SALT)),
    ):
        with boa.reverts("access_control: account is missing role"):
            entry(*args, sender=outsider)


def test_batch__predecessor__must_be_done(timelock: Any, proposer: Any, executor: Any, governed: Any) -> None:
    before = announce(timelock, proposer, governed, governed.tell.prepare_calldata(9))
    calls = batch(governed, 1)
    timelock.schedule_batch(*calls, before, SALT, DELAY, sender=proposer)
    wait(DELAY)
    with boa.reverts("timelock_controller: missing dependency"):
        timelock.execute_batch(*calls, before, SALT, sender=executor)


# -------------------------------------------------------------------- cancel


def test_cancel__by_proposer__strikes_it(timelock: Any, proposer: Any, executor: Any, governed: Any) -> None:
    """M36: proposers cancel, waiting or ready."""
    payload = governed.tell.prepare_calldata(1)
    id_ = announce(timelock, proposer, governed, payload)
    wait(DELAY)
    timelock.cancel(id_, sender=proposer)
    [event] = timelock.get_logs()
    assert event.id == id_
    assert timelock.get_timestamp(id_) == 0
    with boa.reverts("timelock_controller: operation is not ready"):
        timelock.execute(governed, 0, payload, NO_HASH, SALT, sender=executor)
    announce(timelock, proposer, governed, payload)
    assert timelock.is_operation_pending(id_)


def test_cancel__refusals(timelock: Any, proposer: Any, executor: Any, outsider: Any, governed: Any) -> None:
    payload = governed.tell.prepare_calldata(1)
    id_ = announce(timelock, proposer, governed, payload)
    for caller in (executor, outsider):
        with boa.reverts("access_control: account is missing role"):
            timelock.cancel(id_, sender=caller)
    with boa.reverts("timelock: nothing to cancel"):
        timelock.cancel(SALT, sender=proposer)
    wait(DELAY)
    timelock.execute(governed, 0, payload, NO_HASH, SALT, sender=executor)
    with boa.reverts("timelock: nothing to cancel"):
        timelock.cancel(id_, sender=proposer)


# --------------------------------------------------------------------- delay


def test_update_delay__down_to_the_floor__and_no_further(timelock: Any, proposer: Any, executor: Any) -> None:
    """M9: the floor is reached, undercut by nobody, not even by an operation."""
    govern(timelock, proposer, executor, timelock, timelock.update_delay.prepare_calldata(FLOOR))
    [change] = [log for log in timelock.get_logs() if type(log).__name__ == "MinimumDelayChange"]
    assert (change.old_duration, change.new_duration) == (DELAY, FLOOR)
    assert timelock.get_minimum_delay() == FLOOR
    for delay, reason in (
        (FLOOR - 1, "timelock: below floor"),
        (0, "timelock: below floor"),
        (MAX_DELAY + 1, "timelock: above ceiling"),
    ):
        with boa.reverts(reason):
            govern(timelock, proposer, executor, timelock, timelock.update_delay.prepare_calldata(delay))
        assert timelock.get_minimum_delay() == FLOOR


def test_update_delay__raised__binds_what_is_announced_later(
    timelock: Any, proposer: Any, executor: Any, governed: Any
) -> None:
    announce(timelock, proposer, governed, governed.tell.prepare_calldata(1))
    govern(timelock, proposer, executor, timelock, timelock.update_delay.prepare_calldata(MAX_DELAY))
    assert timelock.get_minimum_delay() == MAX_DELAY
    timelock.execute(governed, 0, governed.tell.prepare_calldata(1), NO_HASH, SALT, sender=executor)
    with boa.reverts("timelock_controller: insufficient delay"):
        announce(timelock, proposer, governed, governed.tell.prepare_calldata(2), delay=DELAY)


def test_self_only_entries__called_directly__refused(
    timelock: Any, proposer: Any, executor: Any, outsider: Any, deployer: Any
) -> None:
    """I15, T39: nobody appoints himself or changes the delay without an operation."""
    for caller in (proposer, executor, outsider, deployer):
        with boa.env.prank(caller):
            with boa.reverts("timelock: not the timelock"):
                timelock.update_delay(MAX_DELAY)
            with boa.reverts("timelock: not the timelock"):
                timelock.grantRole(PROPOSER, caller)
            with boa.reverts("timelock: not the timelock"):
                timelock.revokeRole(EXECUTOR, executor)
    assert timelock.get_minimum_delay() == DELAY


# --------------------------------------------------------------------- roles


def change(timelock: Any, proposer: Any, executor: Any, function: str, role: bytes, account: Any) -> None:
    """Grant or revoke by an operation."""
    salt = keccak(function.encode() + role + str(account).encode())
    govern(timelock, proposer, executor, timelock, getattr(timelock, function).prepare_calldata(role, account), salt)


def test_roles__second_proposer__cancels_too_and_replaces_the_first(
    timelock: Any, proposer: Any, executor: Any, outsider: Any
) -> None:
    """M36: a proposer comes and goes with the power to cancel."""
    change(timelock, proposer, executor, "grantRole", PROPOSER, outsider)
    assert timelock.hasRole(PROPOSER, outsider)
    assert timelock.hasRole(CANCELLER, outsider)
    assert (timelock.members(PROPOSER), timelock.members(CANCELLER)) == (2, 2)
    change(timelock, outsider, executor, "revokeRole", PROPOSER, proposer)
    assert not timelock.hasRole(PROPOSER, proposer)
    assert not timelock.hasRole(CANCELLER, proposer)
    assert (timelock.members(PROPOSER), timelock.members(CANCELLER)) == (1, 1)


def test_roles__granted_twice__counted_once(timelock: Any, proposer: Any, executor: Any) -> None:
    change(timelock, proposer, executor, "grantRole", PROPOSER, proposer)
    assert timelock.members(PROPOSER) == 1
    with boa.reverts("timelock: last holder"):
        timelock.renounceRole(PROPOSER, proposer, sender=proposer)


def test_roles__last_holder__stays(timelock: Any, proposer: Any, executor: Any) -> None:
    """M36: neither renounced nor revoked into nothing."""
    for role, account in ((PROPOSER, proposer), (EXECUTOR, executor)):
        with boa.reverts("timelock: last holder"):
            timelock.renounceRole(role, account, sender=account)
        with boa.reverts("timelock: last holder"):
            change(timelock, proposer, executor, "revokeRole", role, account)
        assert timelock.hasRole(role, account)
    with boa.reverts("timelock: last holder"):
        change(timelock, proposer, executor, "revokeRole", ADMIN, timelock.address)
    assert timelock.hasRole(ADMIN, timelock)


def test_roles__proposer__can_not_lose_cancelling_alone(timelock: Any, proposer: Any, executor: Any) -> None:
    with boa.reverts("timelock: proposers cancel"):
        timelock.renounceRole(CANCELLER, proposer, sender=proposer)
    with boa.reverts("timelock: proposers cancel"):
        change(timelock, proposer, executor, "revokeRole", CANCELLER, proposer)


def test_roles__separate_canceller__cancels_and_may_leave(
    timelock: Any, proposer: Any, executor: Any, outsider: Any, governed: Any
) -> None:
    change(timelock, proposer, executor, "grantRole", CANCELLER, outsider)
    id_ = announce(timelock, proposer, governed, b"")
    timelock.cancel(id_, sender=outsider)
    with boa.reverts("access_control: account is missing role"):
        announce(timelock, outsider, governed, b"")
    timelock.renounceRole(CANCELLER, outsider, sender=outsider)
    assert timelock.members(CANCELLER) == 1
    assert not timelock.hasRole(CANCELLER, outsider)


def test_roles__second_executor__first_may_leave(timelock: Any, proposer: Any, executor: Any, outsider: Any) -> None:
    change(timelock, proposer, executor, "grantRole", EXECUTOR, outsider)
    timelock.renounceRole(EXECUTOR, executor, sender=executor)
    assert timelock.members(EXECUTOR) == 1
    change(timelock, proposer, outsider, "grantRole", EXECUTOR, ZERO)
    timelock.renounceRole(EXECUTOR, outsider, sender=outsider)
    change(timelock, proposer, executor, "grantRole", EXECUTOR, executor)
    assert timelock.members(EXECUTOR) == 2


def test_roles__refusals(timelock: Any, proposer: Any, executor: Any, outsider: Any) -> None:
    for role, account, reason in (
        (ADMIN, outsider, "timelock: role not grantable"),
        (keccak(b"ANOTHER_ROLE"), outsider, "timelock: role not grantable"),
        (PROPOSER, ZERO, "timelock: zero account"),
        (CANCELLER, ZERO, "timelock: zero account"),
        (PROPOSER, timelock.address, "timelock: account is timelock"),
        (EXECUTOR, timelock.address, "timelock: account is timelock"),
    ):
        with boa.reverts(reason):
            change(timelock, proposer, executor, "grantRole", role, account)
    with boa.reverts("timelock: not a holder"):
        change(timelock, proposer, executor, "revokeRole", PROPOSER, outsider)
    with boa.reverts("timelock: not a holder"):
        timelock.renounceRole(PROPOSER, outsider, sender=outsider)
    with boa.reverts("timelock: not your role"):
        timelock.renounceRole(PROPOSER, proposer, sender=outsider)
