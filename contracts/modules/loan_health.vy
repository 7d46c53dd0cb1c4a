# pragma version 0.4.3

"""
@title Health of loans
@license AGPL-3.0-only
@author Kana
@notice What collateral is worth, how much may be owed for it, and what a liquidation takes for what it repays (M32, M33).
@dev `price` is base units of the pool's asset for one of the collateral, 30 decimals.
     value     V = C * price / 10**30
     borrow up to  V * factor;   liquidatable above  V * threshold
     seizable for a repayment r:  r * (1 + premium) * 10**30 / price
     insolvent: more than all collateral is seizable for the debt.
     With collateral of 96 bits, debts of 112 and prices of 160 no product here leaves 256 bits.
"""

from contracts.interfaces import ILendingPool
from contracts.interfaces import ILendingRegistry

from contracts.modules import checks

BPS: constant(uint256) = 10_000
# Decimals of `price`.
PRICE_SCALE: constant(uint256) = 10**30


# What one liquidation does; amounts of the pool's asset but for `seized`.
struct Liquidation:
    repaid: uint256  # of the debt
    to_fund: uint256  # paid besides, the fund's part of the premium
    seized: uint256  # collateral


@internal
@pure
def _value_down(collateral: uint256, price: uint256) -> uint256:
    return collateral * price // PRICE_SCALE


@internal
@pure
def _borrowable(collateral: uint256, quote: ILendingRegistry.Quote) -> uint256:
    """
    @notice The most that may be owed after more is borrowed or collateral withdrawn.
    """
    return (
        self._value_down(collateral, quote.price)
        * quote.collateral.factor_bps // BPS
    )


@internal
@pure
def _is_liquidatable(
    loan: ILendingPool.Loan, quote: ILendingRegistry.Quote
) -> bool:
    return loan.debt > (
        self._value_down(loan.collateral, quote.price)
        * quote.collateral.threshold_bps // BPS
    )


@internal
@pure
def _is_insolvent(
    loan: ILendingPool.Loan, quote: ILendingRegistry.Quote
) -> bool:
    return self._seizable_down(loan.debt, quote) > loan.collateral


@internal
@pure
def _seizable_down(repaid: uint256, quote: ILendingRegistry.Quote) -> uint256:
    return (
        repaid
        * (BPS + quote.collateral.premium_bps)
        * PRICE_SCALE // (BPS * quote.price)
    )


@internal
@pure
def _fund_part_down(repaid: uint256, quote: ILendingRegistry.Quote) -> uint256:
    """
    @notice The fund's part of the premium for a repayment.
    """
    return (
        repaid
        * quote.collateral.premium_bps
        * quote.collateral.premium_fund_bps // (BPS * BPS)
    )


@internal
@pure
def _liquidation(
    loan: ILendingPool.Loan, wanted: uint256, quote: ILendingRegistry.Quote
) -> Liquidation:
    """
    @notice What liquidating a loan does for who would repay up to `wanted` of it.
    """
    checks._require(loan.debt > 0, "pool: no debt")
    checks._require(self._is_liquidatable(loan, quote), "pool: loan is healthy")
    if self._is_insolvent(loan, quote):
        return self._whole(loan, wanted, quote)
    # A debt of which half would be dust goes in one.
    repaid: uint256 = loan.debt * quote.collateral.close_factor_bps // BPS
    if loan.debt - repaid < quote.terms.min_debt:
        repaid = loan.debt
    repaid = min(repaid, wanted)
    self._check_rest(loan.debt - repaid, quote.terms.min_debt)
    return Liquidation(
        repaid=repaid,
        to_fund=self._fund_part_down(repaid, quote),
        seized=self._seizable_down(repaid, quote),
    )


@internal
@pure
def _whole(
    loan: ILendingPool.Loan, wanted: uint256, quote: ILendingRegistry.Quote
) -> Liquidation:
    """
    @notice All collateral for what it is worth less the premium. The fund's part of that repays the debt first: the fund
            earns nothing from a loan whose loss it bears.
    """
    scaled_value: uint256 = loan.collateral * quote.price
    value_up: uint256 = (scaled_value + PRICE_SCALE - 1) // PRICE_SCALE
    whole: uint256 = BPS + quote.collateral.premium_bps
    price_up: uint256 = min(loan.debt, (value_up * BPS + whole - 1) // whole)
    checks._require(wanted >= price_up, "pool: insolvent, whole only")
    paid: uint256 = price_up + self._fund_part_down(price_up, quote)
    repaid: uint256 = min(loan.debt, paid)
    return Liquidation(
        repaid=repaid, to_fund=paid - repaid, seized=loan.collateral
    )


@internal
@pure
def _check_rest(debt: uint256, least: uint256):
    """
    @notice What is left of a debt must be worth somebody's liquidating it.
    """
    checks._require(debt == 0 or debt >= least, "pool: dust loan")
