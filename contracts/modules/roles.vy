# pragma version 0.4.3

"""
@title Roles
@license AGPL-3.0-only
@author Kana
@notice Who is who: one governor, and the members of the other roles.
@dev snekmate's access control keeps the membership; this module adds what M36 asks of it:
     - the governor is the one holder of DEFAULT_ADMIN_ROLE, and a timelock whose delay can never be brought below
       two days (M9);
     - the number of members of each role, so that nobody renounces a role into nothing;
     - the deployer, named at construction and never `msg.sender`, who wires the system and ends with the setup.
     No function here asks who calls: its host decides what needs which role, and locks what it exports.
"""

from snekmate.auth import access_control

from contracts.interfaces import ITimelock

from contracts.modules import checks

initializes: access_control

# ---------------------------------------------------------------- constants

# May draw the excess (M8).
TREASURER_ROLE: public(constant(bytes32)) = keccak256("TREASURER")
# May pause, for a while (M37).
GUARDIAN_ROLE: public(constant(bytes32)) = keccak256("GUARDIAN")
# Wires the system until the setup is finished (M9).
DEPLOYER_ROLE: public(constant(bytes32)) = keccak256("DEPLOYER")
# What no governor's delay may ever fall below, seconds (M9).
LEAST_DELAY: constant(uint256) = 2 * 86_400

# ------------------------------------------------------------------ storage

# The one holder of DEFAULT_ADMIN_ROLE, by address: who governs is read from the chain, not from logs.
governance: public(address)
# Members of each role, a count: the last one can't renounce (M36).
members: public(HashMap[bytes32, uint256])

# -------------------------------------------------------------- constructor

@deploy
def __init__(governance: address, deployer: address):
    """
    @notice Name the governor and the deployer; the account that creates the contract keeps nothing.
    """
    access_control.__init__()
    access_control._revoke_role(access_control.DEFAULT_ADMIN_ROLE, msg.sender)
    self._appoint(governance)
    self._add(DEPLOYER_ROLE, deployer)


# ----------------------------------------------------------------- internals

@internal
@view
def _is_governance(account: address) -> bool:
    """
    @notice Whether `account` acts as governance: the governor, and the deployer until the setup is finished (M9).
    """
    return (
        account == self.governance
        or access_control.hasRole[DEPLOYER_ROLE][account]
    )


@internal
@view
def _has(role: bytes32, account: address) -> bool:
    """
    @notice Whether `account` is a member of `role`.
    """
    return access_control.hasRole[role][account]


@internal
def _grant(role: bytes32, account: address):
    """
    @notice Make `account` a member of `role`, which is not one of those that have a way of their own.
    """
    self._check_free(role)
    self._add(role, account)


@internal
def _revoke(role: bytes32, account: address):
    """
    @notice End a membership, the last one of a role too: governance can grant it anew.
    """
    self._check_free(role)
    self._remove(role, account)


@internal
def _renounce(role: bytes32, account: address):
    """
    @notice End the caller's own membership, never the last one of a role (M36).
    @param account The caller himself.
    """
    self._check_free(role)
    checks._require(account == msg.sender, "roles: only for oneself")
    if access_control.hasRole[role][account]:
        checks._require(self.members[role] > 1, "roles: last holder")
        self._remove(role, account)


@internal
def _end_setup():
    """
    @notice Take the deployer's power; the caller is the deployer, which the host has checked.
    """
    self._remove(DEPLOYER_ROLE, msg.sender)


@internal
def _set_governance(new: address) -> address:
    """
    @notice Hand governance over, in one step.
    @return The governor until now.
    """
    old: address = self.governance
    self._remove(access_control.DEFAULT_ADMIN_ROLE, old)
    self._appoint(new)
    return old


@internal
def _appoint(new: address):
    checks._require(new.is_contract, "roles: governor without code")
    floor_seconds: uint256 = staticcall ITimelock(new).MIN_DELAY_FLOOR()
    checks._require(
        floor_seconds >= LEAST_DELAY, "roles: governor delay too short"
    )
    self._add(access_control.DEFAULT_ADMIN_ROLE, new)
    self.governance = new


@internal
def _add(role: bytes32, account: address):
    checks._require(account != empty(address), "roles: zero address")
    if not access_control.hasRole[role][account]:
        self.members[role] += 1
        access_control._grant_role(role, account)


@internal
def _remove(role: bytes32, account: address):
    if access_control.hasRole[role][account]:
        self.members[role] -= 1
        access_control._revoke_role(role, account)


@internal
@pure
def _check_free(role: bytes32):
    checks._require(
        role != access_control.DEFAULT_ADMIN_ROLE, "roles: use set_governance"
    )
    checks._require(role != DEPLOYER_ROLE, "roles: deployer is fixed")
