"""The fund's formulas: split (M1, M2), room and excess (M1, M8), what bounds a payout (M11)."""

from __future__ import annotations

from typing import NamedTuple

from kana_insurance.model.units import BPS


class Split(NamedTuple):
    """Where the collateral left by a liquidation goes (M1): the first three sum to it."""

    liquidator: int = 0
    fund: int = 0  # `repaid` included
    trader: int = 0
    repaid: int = 0  # of `fund`: repays the market's bad debt and stays in the venue (M14)


class Market(NamedTuple):
    """What the fund keeps of a market: the most it may cost, what it has cost (M12), what it is still owed (M14)."""

    is_perp: bool
    max_insurance: int = 0
    used: int = 0
    bad_debt: int = 0


def room_of(threshold: int, total_bad_debt: int, reserve: int) -> int:
    """What the reserve lacks to threshold and bad debt (M1)."""
    return max(threshold + total_bad_debt - reserve, 0)


def excess_of(threshold: int, total_bad_debt: int, reserve: int) -> int:
    """What of the reserve a treasurer may take (M8)."""
    return max(reserve - threshold - total_bad_debt, 0)


def split_collateral(
    collateral: int,
    liquidator_bps: int,
    fund_bps: int,
    bad_debt: int,
    threshold: int,
    total_bad_debt: int,
    reserve: int,
) -> Split:
    """Split what a liquidation left; what the cap keeps out of the fund and the dust stay with the trader (M1, M2)."""
    liquidator = collateral * liquidator_bps // BPS
    slice_ = collateral * fund_bps // BPS
    repaid = min(slice_, bad_debt)
    fund = repaid + min(slice_ - repaid, room_of(threshold, total_bad_debt - repaid, reserve))
    return Split(liquidator, fund, collateral - liquidator - fund, repaid)


def leaked(spent: int, cap: int, seconds: int, length: int) -> int:
    """Level of the window's leaky bucket ``seconds`` after the last payment (M11)."""
    return max(spent - cap * seconds // length, 0)


def coverable(shortfall: int, limit_left: int, window_left: int, means: int) -> int:
    """What of a shortfall is paid: the least of all that bounds it (M11)."""
    return min(shortfall, max(limit_left, 0), max(window_left, 0), means)
