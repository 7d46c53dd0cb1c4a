# pragma version 0.4.3

"""
@title Terms of a lending pool
@license AGPL-3.0-only
@author Kana
@notice What a pool asks its registry.
"""

from contracts.interfaces import ILendingRegistry

# Whose terms hold, for ever.
REGISTRY: immutable(ILendingRegistry)


@deploy
def __init__(registry: address):
    REGISTRY = ILendingRegistry(registry)


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
