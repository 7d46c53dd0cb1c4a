# pragma version 0.4.3
# pragma nonreentrancy on

"""
@title Shares of a lending pool
@license AGPL-3.0-only
@author Kana
@notice Lenders' shares and the price between them and the assets (ERC-4626).
@dev price = (assets + 1) / (shares + 10**6): a virtual asset and virtual shares are there from the start, so that the first
     lender can't move it; the assets are those of the books, so that a donation can't either. Views show interest up to now.
"""

from ethereum.ercs import IERC20
from snekmate.tokens import erc20

from contracts.interfaces import ILendingRegistry

from contracts.modules import checks
from contracts.modules import loan_stops as stops
from contracts.modules import pool_books
from contracts.modules import pool_site as site

uses: erc20
uses: stops
uses: pool_books
uses: site

# ---------------------------------------------------------------- constants

# The shares that are always there.
VIRTUAL_SHARES: constant(uint256) = 10**6
# Deposits are closed while a share is worth less than this part of its first price.
COLLAPSE: constant(uint256) = 10**6
# Widest number of shares that can be asked for.
MAX_SHARES: constant(uint256) = 2**136 - 1

# -------------------------------------------------------------------- views

@view
@external
def asset() -> address:
    """
    @notice What is lent and owed.
    """
    return site.ASSET


@view
@external
def totalAssets() -> uint256:
    """
    @notice What is the lenders'.
    """
    return pool_books._now().assets


@view
@external
def convertToShares(assets: uint256) -> uint256:
    """
    @notice Shares for assets at the present price, rounded down.
    """
    return self._to_shares_down(assets, pool_books._now().assets)


@view
@external
def convertToAssets(shares: uint256) -> uint256:
    """
    @notice Assets for shares at the present price, rounded down.
    """
    return self._to_assets_down(shares, pool_books._now().assets)


@view
@external
def previewDeposit(assets: uint256) -> uint256:
    """
    @notice What a deposit would give now.
    """
    return self._to_shares_down(assets, pool_books._now().assets)


@view
@external
def previewMint(shares: uint256) -> uint256:
    """
    @notice What a mint would cost now.
    """
    return self._to_assets_up(shares, pool_books._now().assets)


@view
@external
def previewWithdraw(assets: uint256) -> uint256:
    """
    @notice What a withdrawal would burn now.
    """
    return self._to_shares_up(assets, pool_books._now().assets)


@view
@external
def previewRedeem(shares: uint256) -> uint256:
    """
    @notice What a redemption would give now.
    """
    return self._to_assets_down(shares, pool_books._now().assets)


@view
@external
def maxDeposit(receiver: address) -> uint256:
    """
    @notice The most that one deposit takes now.
    """
    return self._free(pool_books._now().assets)


@view
@external
def maxMint(receiver: address) -> uint256:
    """
    @notice The most shares that one mint gives now.
    """
    assets: uint256 = pool_books._now().assets
    return min(MAX_SHARES, self._to_shares_down(self._free(assets), assets))


@view
@external
def maxWithdraw(owner: address) -> uint256:
    """
    @notice The most that the owner can take out now: his, as far as there is cash, nothing while a flagged loan stops it.
    """
    if stops._is_on():
        return 0
    cash: uint256 = pool_books._now().cash
    return min(
        cash,
        self._to_assets_down(erc20.balanceOf[owner], pool_books._now().assets),
    )


@view
@external
def maxRedeem(owner: address) -> uint256:
    """
    @notice The most shares that the owner can redeem now.
    """
    if stops._is_on():
        return 0
    cash: uint256 = pool_books._now().cash
    return min(
        erc20.balanceOf[owner],
        self._to_shares_down(cash, pool_books._now().assets),
    )


# ---------------------------------------------------------------- internals

@internal
def _give(
    assets: uint256, shares: uint256, receiver: address, supply_cap: uint256
):
    """
    @notice Book a deposit in the open books.
    """
    held: uint256 = pool_books._assets()
    checks._require(not self._has_collapsed(held), "pool: deposits closed")
    checks._require(held + assets <= supply_cap, "pool: above supply cap")
    checks._require(shares > 0, "pool: zero shares")
    pool_books.cash += assets
    erc20._mint(receiver, shares)


@internal
def _take(assets: uint256, shares: uint256, owner: address):
    """
    @notice Book a withdrawal in the open books.
    """
    checks._require(not stops._is_on(), "pool: withdrawals stopped")
    if msg.sender != owner:
        erc20._spend_allowance(owner, msg.sender, shares)
    checks._require(assets <= pool_books.cash, "pool: not enough cash")
    pool_books.cash -= assets
    erc20._burn(owner, shares)


@internal
@view
def _free(assets: uint256) -> uint256:
    """
    @notice What may still be deposited.
    """
    terms: ILendingRegistry.Terms = site._terms()
    if not terms.setup_finished or self._has_collapsed(assets):
        return 0
    return max(terms.supply_cap, assets) - assets


@internal
@view
def _has_collapsed(assets: uint256) -> bool:
    """
    @notice Whether a share is worth less than a millionth of its first price.
    """
    return (
        (assets + 1) * (COLLAPSE * VIRTUAL_SHARES)
        < erc20.totalSupply + VIRTUAL_SHARES
    )


@internal
@view
def _to_shares_down(amount: uint256, assets: uint256) -> uint256:
    return amount * (erc20.totalSupply + VIRTUAL_SHARES) // (assets + 1)


@internal
@view
def _to_shares_up(amount: uint256, assets: uint256) -> uint256:
    return (amount * (erc20.totalSupply + VIRTUAL_SHARES) + assets) // (
        assets + 1
    )


@internal
@view
def _to_assets_down(shares: uint256, assets: uint256) -> uint256:
    return shares * (assets + 1) // (erc20.totalSupply + VIRTUAL_SHARES)


@internal
@view
def _to_assets_up(shares: uint256, assets: uint256) -> uint256:
    supply: uint256 = erc20.totalSupply + VIRTUAL_SHARES
    return (shares * (assets + 1) + supply - 1) // supply
