"""The sums of a loan: what collateral is worth, when it is liquidated, and who pays and gets what then (M32, M33).

A price is base units of the pool's asset for one base unit of collateral, with 30 decimals.
"""

from __future__ import annotations

from typing import NamedTuple

from kana_insurance.model.units import BPS, MAX_AMOUNT, ceil_div

PRICE_SCALE = 10**30
MAX_PRICE = 2**160
MAX_COLLATERAL = 2**96 - 1  # of a loan, and of all loans against one collateral


class Collateral(NamedTuple):
    """A listed collateral; ``asset`` and ``feed`` are addresses. Defaults are those of the parameter table."""

    asset: str
    feed: str
    factor_bps: int = 7_500  # most debt of its value that may be borrowed
    threshold_bps: int = 8_000  # debt above this part of its value is liquidated
    close_factor_bps: int = 5_000  # most of a debt that one liquidation repays
    premium_bps: int = 500  # collateral that a liquidator gets beyond what he repays
    premium_fund_bps: int = 2_000  # the fund's part of the premium
    collateral_cap: int = MAX_COLLATERAL  # of all loans, collateral
    borrow_cap: int = MAX_AMOUNT  # debt of all loans against it


class Loan(NamedTuple):
    """A loan, or the sums of all loans against a collateral: debt in units of the index, and collateral."""

    scaled: int = 0
    collateral: int = 0


class Seizure(NamedTuple):
    """What a liquidation comes to: the liquidator pays ``to_debt + to_fund`` and gets ``seized``."""

    to_debt: int
    to_fund: int
    seized: int


def price_of(collateral_wad: int, debt_wad: int, collateral_decimals: int, debt_decimals: int) -> int:
    """Price of a collateral by the two feeds, rounded down."""
    return collateral_wad * 10 ** (30 + debt_decimals - collateral_decimals) // debt_wad


def worth_down(collateral: int, price: int) -> int:
    """Collateral in base units of the pool's asset, rounded down."""
    return collateral * price // PRICE_SCALE


def is_within(debt: int, collateral: int, price: int, bps: int) -> bool:
    """Whether a debt is at most that part of what the collateral is worth."""
    return debt <= worth_down(collateral, price) * bps // BPS


def seizable_down(debt: int, price: int, premium_bps: int) -> int:
    """Collateral for repaying ``debt``, the premium included."""
    return debt * (BPS + premium_bps) * PRICE_SCALE // (BPS * price)


def is_insolvent(debt: int, collateral: int, price: int, premium_bps: int) -> bool:
    """Whether not all of the collateral, less the premium, repays the debt (M33)."""
    return seizable_down(debt, price, premium_bps) > collateral


def repayable_up(collateral: int, price: int, premium_bps: int) -> int:
    """What is to be repaid for all of a collateral, the premium off."""
    return ceil_div(ceil_div(collateral * price, PRICE_SCALE) * BPS, BPS + premium_bps)


def premium_part_down(repaid: int, terms: Collateral) -> int:
    """The fund's part of the premium, which a liquidator pays besides."""
    return repaid * terms.premium_bps * terms.premium_fund_bps // BPS**2


def most_repaid(debt: int, close_factor_bps: int, min_debt: int) -> int:
    """What one liquidation of a solvent loan may repay: the close factor, or all where less than the least is left."""
    most = debt * close_factor_bps // BPS
    return debt if debt - most < min_debt else most


def seizure_of_whole(debt: int, collateral: int, price: int, terms: Collateral) -> tuple[int, Seizure]:
    """The least offer that takes an insolvent loan, and what it comes to: the fund's part repays the loan first."""
    repaid = min(debt, repayable_up(collateral, price, terms.premium_bps))
    paid = repaid + premium_part_down(repaid, terms)
    to_debt = min(debt, paid)
    return repaid, Seizure(to_debt, paid - to_debt, collateral)


def seizure_of_part(repaid: int, price: int, terms: Collateral) -> Seizure:
    """What repaying so much of a solvent loan comes to."""
    return Seizure(repaid, premium_part_down(repaid, terms), seizable_down(repaid, price, terms.premium_bps))
