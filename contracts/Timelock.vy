# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Timelock
@license AGPL-3.0-only
@author Kana
@notice Governance: every call is announced by a proposer, waits at least the delay, and is then made by an executor.
        The delay has a floor that is fixed for ever (M9).
@dev snekmate's timelock controller does the bookkeeping of operations, its access control that of roles. This
     host adds:
     - the floor: no call, whoever makes it, brings the delay below `MIN_DELAY_FLOOR`;
     - roles that can't end in nothing (M36): the last proposer and the last executor stay, the timelock is and
       remains its own sole administrator, a proposer always cancels too;
     - no ether: nothing is payable and no operation carries any;
     - calls to addresses without code fail instead of passing silently.
     Roles: proposer (announces and cancels), canceller (cancels only), executor (executes; granted to the zero
     address it is open to everyone). Only an executed operation grants, revokes or changes the delay; whoever holds
     a role may give it up.
@custom:security Whoever cancels can cancel his own removal too: proposers are trusted not to block each other. An
                 operation has no expiry once it is ready; cancel what is no longer wanted.
@custom:invariant `get_minimum_delay() >= MIN_DELAY_FLOOR`; proposers >= 1; executors >= 1; every proposer is a
    canceller.
"""

from snekmate.auth import access_control
from snekmate.governance import timelock_controller
from ethereum.ercs import IERC165

from contracts.interfaces import ITimelock

implements: IERC165
implements: ITimelock

initializes: access_control
initializes: timelock_controller[access_control := access_control]

# Left out: `set_role_admin` (the timelock stays the only administrator), the token receivers and their constants (it
# holds no tokens). What changes state is wrapped below, for the lock and the guards.
exports: (
    # Roles
    access_control.DEFAULT_ADMIN_ROLE,
    access_control.hasRole,
    access_control.getRoleAdmin,
    timelock_controller.PROPOSER_ROLE,
    timelock_controller.EXECUTOR_ROLE,
    timelock_controller.CANCELLER_ROLE,
    # Operations
    timelock_controller.get_timestamp,
    timelock_controller.get_minimum_delay,
    timelock_controller.is_operation,
    timelock_controller.is_operation_pending,
    timelock_controller.is_operation_ready,
    timelock_controller.is_operation_done,
    timelock_controller.get_operation_state,
    timelock_controller.hash_operation,
)

# ---------------------------------------------------------------- constants

# Greatest delay, seconds: a longer one would lock governance out of its own corrections.
MAX_DELAY: public(constant(uint256)) = 30 * 86_400
# Calls in a batch, and bytes of call data of each (snekmate's).
MAX_CALLS: public(constant(uint256)) = 32
MAX_PAYLOAD: constant(uint256) = 1_024
# Accounts per list at construction.
MAX_MEMBERS: constant(uint256) = 32

INTERFACES: constant(bytes4[2]) = [
    0x01FFC9A7,  # ERC-165
    0x7965DB0B,  # access control
]

# --------------------------------------------------------------- immutables

# The delay that no call can undercut, seconds.
MIN_DELAY_FLOOR: public(immutable(uint256))

# ------------------------------------------------------------------ storage

# Accounts that hold a role: the last proposer and the last executor can't leave.
members: public(HashMap[bytes32, uint256])

# -------------------------------------------------------------- constructor

@deploy
def __init__(
    floor_seconds: uint256,
    delay_seconds: uint256,
    proposers: DynArray[address, MAX_MEMBERS],
    executors: DynArray[address, MAX_MEMBERS],
):
    """
    @notice Fix the floor, set the first delay and the first holders of roles. The deployer keeps nothing (M9, M36).
    @param floor_seconds The floor, more than 0 and at most `MAX_DELAY`; 2 days unless there is a reason.
    @param delay_seconds The first delay, from the floor to `MAX_DELAY`.
    @param proposers Who announces and cancels, at least one.
    @param executors Who executes, at least one; the zero address opens execution to everyone.
    """
    assert floor_seconds > 0, "timelock: floor is zero"
    assert len(proposers) > 0, "timelock: no proposer"
    assert len(executors) > 0, "timelock: no executor"
    MIN_DELAY_FLOOR = floor_seconds
    self._check_delay(delay_seconds, floor_seconds)

    access_control.__init__()
    timelock_controller.__init__(delay_seconds, [], [], empty(address))
    self.members[access_control.DEFAULT_ADMIN_ROLE] = 1
    for account: address in proposers:
        self._grant(timelock_controller.PROPOSER_ROLE, account)
    for account: address in executors:
        self._grant(timelock_controller.EXECUTOR_ROLE, account)


# ---------------------------------------------------------------- proposers

@external
def schedule(
    target: address,
    amount: uint256,
    payload: Bytes[MAX_PAYLOAD],
    predecessor: bytes32,
    salt: bytes32,
    delay: uint256,
):
    """
    @notice Announce one call.
    @param target The contract to call.
    @param amount Ether with the call: 0.
    @param payload Call data.
    @param predecessor The operation that must be done before, or zero.
    @param salt Tells equal operations apart.
    @param delay Seconds to wait, from the least delay to `MAX_DELAY`.
    """
    access_control._check_role(timelock_controller.PROPOSER_ROLE, msg.sender)
    assert amount == 0, "timelock: no ether"
    assert delay <= MAX_DELAY, "timelock: above ceiling"
    id: bytes32 = timelock_controller._hash_operation(
        target, amount, payload, predecessor, salt
    )
    timelock_controller._schedule(id, delay)
    log timelock_controller.CallScheduled(
        id=id,
        index=0,
        target=target,
        amount=0,
        payload=payload,
        predecessor=predecessor,
        delay=delay,
    )
    if salt != empty(bytes32):
        log timelock_controller.CallSalt(id=id, salt=salt)


@external
def schedule_batch(
    targets: DynArray[address, MAX_CALLS],
    amounts: DynArray[uint256, MAX_CALLS],
    payloads: DynArray[Bytes[MAX_PAYLOAD], MAX_CALLS],
    predecessor: bytes32,
    salt: bytes32,
    delay: uint256,
):
    """
    @notice Announce up to `MAX_CALLS` calls, made in order and all or none.
    @param targets The contracts to call, at least one.
    @param amounts Ether with each call: 0.
    @param payloads Call data of each.
    @param predecessor The operation that must be done before, or zero.
    @param salt Tells equal operations apart.
    @param delay Seconds to wait, from the least delay to `MAX_DELAY`.
    """
    access_control._check_role(timelock_controller.PROPOSER_ROLE, msg.sender)
    assert delay <= MAX_DELAY, "timelock: above ceiling"
    id: bytes32 = self._hash_batch(
        targets, amounts, payloads, predecessor, salt
    )
    timelock_controller._schedule(id, delay)
    for i: uint256 in range(len(targets), bound=MAX_CALLS):
        assert amounts[i] == 0, "timelock: no ether"
        log timelock_controller.CallScheduled(
            id=id,
            index=i,
            target=targets[i],
            amount=0,
            payload=payloads[i],
            predecessor=predecessor,
            delay=delay,
        )
    if salt != empty(bytes32):
        log timelock_controller.CallSalt(id=id, salt=salt)


@external
def cancel(id: bytes32):
    """
    @notice Strike an announced operation that is not done; cancellers too, which every proposer is (M36).
    @param id The operation.
    """
    access_control._check_role(timelock_controller.CANCELLER_ROLE, msg.sender)
    assert timelock_controller._is_operation_pending(
        id
    ), "timelock: nothing to cancel"
    timelock_controller.get_timestamp[id] = 0
    log timelock_controller.Cancelled(id=id)


# ---------------------------------------------------------------- executors

@external
def execute(
    target: address,
    amount: uint256,
    payload: Bytes[MAX_PAYLOAD],
    predecessor: bytes32,
    salt: bytes32,
):
    """
    @notice Make one announced call whose delay has passed; a failure carries the target's reason.
    @param target As announced.
    @param amount As announced: 0.
    @param payload As announced.
    @param predecessor As announced.
    @param salt As announced.
    """
    timelock_controller._only_role_or_open_role(
        timelock_controller.EXECUTOR_ROLE
    )
    id: bytes32 = timelock_controller._hash_operation(
        target, amount, payload, predecessor, salt
    )
    timelock_controller._before_call(id, predecessor)
    self._call(id, 0, target, payload)
    timelock_controller._after_call(id)


@external
def execute_batch(
    targets: DynArray[address, MAX_CALLS],
    amounts: DynArray[uint256, MAX_CALLS],
    payloads: DynArray[Bytes[MAX_PAYLOAD], MAX_CALLS],
    predecessor: bytes32,
    salt: bytes32,
):
    """
    @notice Make an announced batch whose delay has passed, in order; one failure undoes all.
    @param targets As announced.
    @param amounts As announced: 0.
    @param payloads As announced.
    @param predecessor As announced.
    @param salt As announced.
    """
    timelock_controller._only_role_or_open_role(
        timelock_controller.EXECUTOR_ROLE
    )
    id: bytes32 = self._hash_batch(
        targets, amounts, payloads, predecessor, salt
    )
    timelock_controller._before_call(id, predecessor)
    for i: uint256 in range(len(targets), bound=MAX_CALLS):
        self._call(id, i, targets[i], payloads[i])
    timelock_controller._after_call(id)


# -------------------------------------------------------------- role holders

@external
def renounceRole(role: bytes32, account: address):
    """
    @notice Give up one's own role; the last proposer and the last executor can't, and a proposer who leaves stops
            cancelling too (M36).
    @param role The role.
    @param account The caller.
    """
    assert account == msg.sender, "timelock: not your role"
    self._revoke(role, account)


# ------------------------------------------- the timelock itself (governance)
# Reached only through `execute`, which holds the lock: these are open to re-entry, and to nobody but the timelock.

@external
@reentrant
def update_delay(new_delay: uint256):
    """
    @notice Change the least delay of operations announced from now on (M9).
    @param new_delay Seconds, from the floor to `MAX_DELAY`.
    """
    self._check_self()
    self._check_delay(new_delay, MIN_DELAY_FLOOR)
    log timelock_controller.MinimumDelayChange(
        old_duration=timelock_controller.get_minimum_delay,
        new_duration=new_delay,
    )
    timelock_controller.get_minimum_delay = new_delay


@external
@reentrant
def grantRole(role: bytes32, account: address):
    """
    @notice Give an account a role; a proposer becomes a canceller too (M36).
    @param role Proposer, executor or canceller.
    @param account The account; the zero address only as executor, which opens execution to everyone.
    """
    self._check_self()
    self._grant(role, account)


@external
@reentrant
def revokeRole(role: bytes32, account: address):
    """
    @notice Take a role from an account, though not the last proposer's or executor's; a former proposer cancels no
            more (M36).
    @param role Proposer, executor or canceller.
    @param account The account.
    """
    self._check_self()
    self._revoke(role, account)


# -------------------------------------------------------------------- views

@external
@view
@reentrant
def hash_operation_batch(
    targets: DynArray[address, MAX_CALLS],
    amounts: DynArray[uint256, MAX_CALLS],
    payloads: DynArray[Bytes[MAX_PAYLOAD], MAX_CALLS],
    predecessor: bytes32,
    salt: bytes32,
) -> bytes32:
    """
    @notice The id of a batch.
    @param targets The contracts to call.
    @param amounts Ether with each call: 0.
    @param payloads Call data of each.
    @param predecessor The operation that must be done before, or zero.
    @param salt Tells equal operations apart.
    @return The id.
    """
    return self._hash_batch(targets, amounts, payloads, predecessor, salt)


@external
@view
@reentrant
def supportsInterface(interface_id: bytes4) -> bool:
    """
    @notice ERC-165: itself and access control.
    @param interface_id The interface asked for.
    """
    return interface_id in INTERFACES


# ---------------------------------------------------------------- internals

@internal
@view
def _check_self():
    assert msg.sender == self, "timelock: not the timelock"


@internal
@pure
def _check_delay(delay: uint256, floor_seconds: uint256):
    assert delay >= floor_seconds, "timelock: below floor"
    assert delay <= MAX_DELAY, "timelock: above ceiling"


@internal
@pure
def _hash_batch(
    targets: DynArray[address, MAX_CALLS],
    amounts: DynArray[uint256, MAX_CALLS],
    payloads: DynArray[Bytes[MAX_PAYLOAD], MAX_CALLS],
    predecessor: bytes32,
    salt: bytes32,
) -> bytes32:
    """
    @dev The same id as snekmate's, over shorter lists.
    """
    assert len(targets) > 0, "timelock: empty batch"
    assert len(targets) == len(amounts) and len(targets) == len(
        payloads
    ), "timelock: length mismatch"
    return keccak256(abi_encode(targets, amounts, payloads, predecessor, salt))


@internal
def _call(
    id: bytes32, index: uint256, target: address, payload: Bytes[MAX_PAYLOAD]
):
    assert target.is_contract, "timelock: target has no code"
    timelock_controller._execute(target, 0, payload)
    log timelock_controller.CallExecuted(
        id=id, index=index, target=target, amount=0, payload=payload
    )


@internal
def _grant(role: bytes32, account: address):
    """
    @dev Grant and count. The timelock can't schedule or execute for itself (its entries are locked while it acts),
         so it may not be the one who holds these roles.
    """
    proposing: bool = role == timelock_controller.PROPOSER_ROLE
    executing: bool = role == timelock_controller.EXECUTOR_ROLE
    assert (
        proposing or executing or role == timelock_controller.CANCELLER_ROLE
    ), "timelock: role not grantable"
    assert account != empty(address) or executing, "timelock: zero account"
    assert account != self, "timelock: account is timelock"
    self._add(role, account)
    if proposing:
        self._add(timelock_controller.CANCELLER_ROLE, account)


@internal
def _add(role: bytes32, account: address):
    if not access_control.hasRole[role][account]:
        self.members[role] += 1
        access_control._grant_role(role, account)


@internal
def _revoke(role: bytes32, account: address):
    """
    @dev Revoke and count; refuse what would leave a role without a holder, or a proposer who doesn't cancel.
    """
    assert access_control.hasRole[role][account], "timelock: not a holder"
    proposing: bool = role == timelock_controller.PROPOSER_ROLE
    if role == timelock_controller.CANCELLER_ROLE:
        assert not access_control.hasRole[timelock_controller.PROPOSER_ROLE][
            account
        ], "timelock: proposers cancel"
    else:
        assert self.members[role] > 1, "timelock: last holder"
    self._remove(role, account)
    if proposing:
        self._remove(timelock_controller.CANCELLER_ROLE, account)


@internal
def _remove(role: bytes32, account: address):
    self.members[role] -= 1
    access_control._revoke_role(role, account)
