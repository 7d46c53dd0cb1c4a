# pragma version 0.4.3

"""
@title Split
@license AGPL-3.0-only
@author Kana
@notice Where the collateral left by a liquidation goes (M1), and how an inflow divides between what repays bad debt
        and what the reserve still lacks (M14, M24). Pure arithmetic.
"""

from contracts.interfaces import IInsuranceFund

from contracts.modules import limits

# Basis points in a whole.
BPS: constant(uint256) = 10_000


@internal
@pure
def _split_floor(
    collateral: uint256,
    liquidator_bps: uint256,
    fund_bps: uint256,
    bad_debt: uint256,
    ceiling: uint256,
    reserve: uint256,
) -> IInsuranceFund.Split:
    """
    @notice The split of `collateral`; both shares round down, the dust and what the cap keeps out are the trader's.
    @dev (M1) liquidator = C * liquidator_bps // 10_000
              slice      = C * fund_bps // 10_000
              repaid     = min(slice, bad debt of the market)
              fund       = repaid + min(slice - repaid, room)
              trader     = C - liquidator - fund
    @param bad_debt Of the market that pays.
    @param ceiling Threshold and total bad debt, before this split.
    """
    liquidator: uint256 = collateral * liquidator_bps // BPS
    slice_: uint256 = collateral * fund_bps // BPS
    repaid: uint256 = min(slice_, bad_debt)
    room: uint256 = limits._left(ceiling - repaid, reserve)
    fund: uint256 = repaid + min(slice_ - repaid, room)
    return IInsuranceFund.Split(
        liquidator=liquidator,
        fund=fund,
        trader=collateral - liquidator - fund,
        repaid=repaid,
    )


@internal
@pure
def _divide(
    inflow: uint256, bad_debt: uint256, ceiling: uint256, reserve: uint256
) -> (uint256, uint256):
    """
    @notice How much of `inflow` repays bad debt of its market, and how much of the rest the reserve has room for.
    @dev (M1, M14) repaid = min(inflow, bad debt);  booked = min(inflow - repaid, room)
         room = max(threshold + total bad debt - repaid - reserve, 0)
    """
    repaid: uint256 = min(inflow, bad_debt)
    return repaid, min(inflow - repaid, limits._left(ceiling - repaid, reserve))
