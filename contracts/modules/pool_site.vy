# pragma version 0.4.3

"""
@title Site of a lending pool
@license AGPL-3.0-only
@author Kana
@notice What a pool asks its registry, and the calls that move its asset and collaterals; what comes in is measured (M38).
"""

from ethereum.ercs import IERC20
from snekmate.tokens.interfaces import IERC20Permit

from contracts.interfaces import ILendingRegistry

from contracts.modules import checks

# --------------------------------------------------------------- immutables

# Whose terms hold, for ever.
REGISTRY: immutable(ILendingRegistry)
# What is lent and owed.
ASSET: immutable(address)

# -------------------------------------------------------------- constructor

@deploy
def __init__(registry: address, asset: address):
    REGISTRY = ILendingRegistry(registry)
    ASSET = asset


# -------------------------------------------------------------------- terms

@internal
@view
def _terms() -> ILendingRegistry.Terms:
    return staticcall REGISTRY.terms()


@internal
@view
def _quote(collateral_id: uint256) -> ILendingRegistry.Quote:
    """
    @notice Price and parameters; refuses without good prices (M30).
    """
    return staticcall REGISTRY.quote(collateral_id)


@internal
@view
def _listed(collateral_id: uint256) -> ILendingRegistry.Collateral:
    """
    @notice A collateral's parameters, whatever its price.
    """
    return staticcall REGISTRY.collateral(collateral_id)


# ------------------------------------------------------------------- tokens

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
