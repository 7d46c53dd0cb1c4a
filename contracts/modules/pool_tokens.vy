# pragma version 0.4.3

"""
@title Tokens of a lending pool
@license AGPL-3.0-only
@author Kana
@notice The calls that move the pool's asset and its collaterals; what comes in is measured (M38).
"""

from ethereum.ercs import IERC20
from snekmate.tokens.interfaces import IERC20Permit

from contracts.modules import checks

# What is lent and owed.
ASSET: immutable(address)


@deploy
def __init__(asset: address):
    ASSET = asset


@internal
@view
def _balance(token: address) -> uint256:
    return staticcall IERC20(token).balanceOf(self)


@internal
@view
def _check_received(token: address, expected: uint256):
    """
    @notice Only ever compared with what was held a moment before: a balance is never the source of the books (M6).
    """
    checks._require(self._balance(token) >= expected, "pool: received less")


@internal
def _permit(
    amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32
):
    """
    @notice Use a permit while the allowance is short, so that whoever submits it first does no harm.
    """
    if staticcall IERC20(ASSET).allowance(msg.sender, self) < amount:
        extcall IERC20Permit(ASSET).permit(
            msg.sender, self, amount, deadline, v, r, s
        )


@internal
def _pull(token: address, amount: uint256):
    """
    @notice Take tokens of the caller.
    """
    before: uint256 = self._balance(token)
    ok: bool = extcall IERC20(token).transferFrom(
        msg.sender, self, amount, default_return_value=True
    )
    checks._require(ok, "pool: transfer failed")
    self._check_received(token, before + amount)


@internal
def _send(token: address, receiver: address, amount: uint256):
    ok: bool = extcall IERC20(token).transfer(
        receiver, amount, default_return_value=True
    )
    checks._require(ok, "pool: transfer failed")


@internal
def _approve(fund: address, amount: uint256):
    """
    @notice What a fund may pull of what it is owed (M38).
    """
    ok: bool = extcall IERC20(ASSET).approve(
        fund, amount, default_return_value=True
    )
    checks._require(ok, "pool: approve failed")
