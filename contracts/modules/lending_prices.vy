# pragma version 0.4.3

"""
@title Prices of a lending pool
@license AGPL-3.0-only
@author Kana
@notice What one base unit of a collateral is worth in base units of the pool's asset (M30, M32).
@dev price = price of the collateral * 10**(30 + debt's decimals - collateral's) // price of the pool's asset, both prices being
     those of one whole token. A feed without a good price refuses with its own reason.
"""

from ethereum.ercs import IERC20Detailed

from contracts.interfaces import IPriceFeed

# ---------------------------------------------------------------- constants

# Decimals of a token for which the pool's words have room (M16).
MIN_DECIMALS: constant(uint256) = 6
MAX_DECIMALS: constant(uint256) = 18
# Decimals of the price, and the highest: with 96 bits of collateral it fits a word.
PRICE_DECIMALS: constant(uint256) = 30
MAX_PRICE: constant(uint256) = 2**160
# The price of an asset that feeds quote in.
WAD: constant(uint256) = 10**18


@internal
@view
def _price_down(
    feed: address,
    debt_feed: address,
    debt_decimals: uint256,
    collateral_decimals: uint256,
) -> uint256:
    """
    @notice The price of a collateral; no feed of the pool's asset means that the collateral's quotes in it.
    """
    quoted: uint256 = staticcall IPriceFeed(feed).price()
    divisor: uint256 = WAD
    if debt_feed != empty(address):
        divisor = staticcall IPriceFeed(debt_feed).price()
    exponent: uint256 = PRICE_DECIMALS + debt_decimals - collateral_decimals
    price: uint256 = quoted * 10**exponent // divisor
    assert price > 0 and price <= MAX_PRICE, "lending: price out of range"
    return price


@internal
@view
def _check_feed(feed: address):
    """
    @notice A feed must give a price now.
    """
    assert feed.is_contract, "lending: feed without code"
    price: uint256 = staticcall IPriceFeed(feed).price()
    assert price > 0, "lending: no price"


@internal
@view
def _decimals_of(token: address) -> uint256:
    assert token.is_contract, "lending: asset without code"
    decimals: uint256 = convert(
        staticcall IERC20Detailed(token).decimals(), uint256
    )
    assert (
        decimals >= MIN_DECIMALS and decimals <= MAX_DECIMALS
    ), "lending: bad decimals"
    return decimals
