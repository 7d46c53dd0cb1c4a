# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Custody
@license AGPL-3.0-only
@author Kana
@notice The tokens of a fund: its asset, its treasury, and the calls that move them.
"""

from ethereum.ercs import IERC20

from contracts.modules import checks

# --------------------------------------------------------------- immutables

# The one asset of this fund (M16).
ASSET: immutable(address)
# Where the excess goes, and what the reserve has no room for; no call can redirect it (M8).
TREASURY: immutable(address)

# -------------------------------------------------------------- constructor

@deploy
def __init__(asset: address, treasury: address):
    ASSET = asset
    TREASURY = treasury


# -------------------------------------------------------------------- views

@view
@external
def asset() -> address:
    """
    @notice The asset of reserve, contributions and payouts.
    """
    return ASSET


@view
@external
def treasury() -> address:
    """
    @notice Where the excess goes.
    """
    return TREASURY


# ---------------------------------------------------------------- internals

@internal
@view
def _balance(account: address) -> uint256:
    """
    @notice What an account holds of the asset.
    """
    return staticcall IERC20(ASSET).balanceOf(account)


@internal
def _pull(receiver: address, amount: uint256):
    """
    @notice Move `amount` of the asset from the caller, and see that it came (M6).
    """
    before: uint256 = staticcall IERC20(ASSET).balanceOf(receiver)
    if not extcall IERC20(ASSET).transferFrom(
        msg.sender, receiver, amount, default_return_value=True
    ):
        self._check_moved(False)
    balance: uint256 = staticcall IERC20(ASSET).balanceOf(receiver)
    if balance < before + amount:
        self._check_received(False)


@internal
def _send(token: address, receiver: address, amount: uint256):
    ok: bool = extcall IERC20(token).transfer(
        receiver, amount, default_return_value=True
    )
    self._check_moved(ok)


@internal
@pure
def _check_moved(ok: bool):
    checks._require(ok, "fund: transfer failed")


@internal
@pure
def _check_received(ok: bool):
    checks._require(ok, "fund: received less")


@internal
def _approve(spender: address, amount: uint256):
    """
    @notice Let a layer pull exactly what it is paid.
    """
    ok: bool = extcall IERC20(ASSET).approve(
        spender, amount, default_return_value=True
    )
    checks._require(ok, "fund: approve failed")
