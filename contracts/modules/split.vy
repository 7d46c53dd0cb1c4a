# pragma version 0.4.3

"""
@title Split
@license AGPL-3.0-only
@author Kana
@notice Where the collateral left by a liquidation goes (M1). Pure arithmetic.
"""

from contracts.interfaces import IInsuranceFund

from contracts.modules import fund_words
from contracts.modules import limits

# Basis points in a whole.
BPS: constant(uint256) = 10_000


@internal
@pure
def _split_floor(
    collateral: uint256, terms: uint256, bad_debt: uint256, reserve: uint256
) -> IInsuranceFund.Split:
    """
    @notice The split of `collateral`; both shares round down, the dust and what the cap keeps out are the trader's.
    @dev (M1) liquidator = C * liquidator_bps // 10_000
              slice      = C * fund_bps // 10_000
              repaid     = min(slice, bad debt of the market)
              fund       = repaid + min(slice - repaid, room)
              trader     = C - liquidator - fund
         The terms are unpacked here, written out for gas; see fund_words.
    @param terms The fund's, before this split.
    @param bad_debt Of the market that pays.
    """
    liquidator: uint256 = (
        collateral * ((terms >> 224) & fund_words.MASK_16) // BPS
    )
    fund: uint256 = collateral * self._fund_bps(terms) // BPS
    repaid: uint256 = 0
    if bad_debt > 0:
        repaid = min(fund, bad_debt)
    # Threshold and total bad debt, at which the reserve is kept.
    ceiling: uint256 = (terms & fund_words.MAX_AMOUNT) + (
        (terms >> 112) & fund_words.MAX_AMOUNT
    )
    # Else the slice fits whole: what it repays lowers the ceiling as much as it doesn't lift the reserve.
    if reserve + fund > ceiling:
        fund = repaid + limits._left(ceiling - repaid, reserve)
    return IInsuranceFund.Split(
        liquidator=liquidator,
        fund=fund,
        trader=collateral - liquidator - fund,
        repaid=repaid,
    )


@internal
@pure
def _fund_bps(terms: uint256) -> uint256:
    """
    @notice The fund's share now, whatever the coverage (M35: the one place where that could change).
    """
    return terms >> 240
