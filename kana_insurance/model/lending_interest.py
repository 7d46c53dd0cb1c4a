"""Interest of a lending pool: the rate by utilisation, compounding every second, and the index of debts (M32).

Rates and index have 27 decimals (RAY). The index is what one scaled unit of debt has grown to; what borrowers owe is
rounded up, what the pool counts as its own is rounded down.
"""

from __future__ import annotations

from typing import NamedTuple

from kana_insurance.model.units import BPS, ceil_div

RAY = 10**27
YEAR = 31_536_000  # seconds of 365 days
MAX_STEP = 8 * YEAR  # the longest time that one accrual charges
MAX_INDEX = 2**128 - 1  # the index stands still from there on


class Rates(NamedTuple):
    """What borrowers pay a year, nominally, by utilisation, and the fund's part of it; all basis points (M32)."""

    base_bps: int = 0
    slope1_bps: int = 400  # added at the kink
    slope2_bps: int = 7_500  # added when all is lent
    kink_bps: int = 8_000  # the utilisation at which the curve bends
    reserve_factor_bps: int = 1_000


def utilisation_down(cash: int, debt: int) -> int:
    """What part of cash and debt is lent, RAY; 0 without debt."""
    return debt * RAY // (cash + debt) if debt else 0


def yearly_rate(rates: Rates, utilisation: int) -> int:
    """The nominal rate a year at a utilisation, RAY."""
    kink = rates.kink_bps * RAY // BPS
    if utilisation <= kink:
        return rates.base_bps * RAY // BPS + rates.slope1_bps * RAY // BPS * utilisation // kink
    bent = rates.slope2_bps * RAY // BPS * (utilisation - kink) // (RAY - kink)
    return (rates.base_bps + rates.slope1_bps) * RAY // BPS + bent


def rate_of(rates: Rates, cash: int, debt: int) -> int:
    """The rate a second at a pool's cash and debt, RAY."""
    return yearly_rate(rates, utilisation_down(cash, debt)) // YEAR


def power_down(base: int, exponent: int) -> int:
    """``base ** exponent``, both base and result RAY, by squaring; each product is rounded down."""
    power = RAY
    while exponent:
        if exponent & 1:
            power = power * base // RAY
        exponent >>= 1
        if exponent:
            base = base * base // RAY
    return power


def grown(index: int, rate: int, seconds: int) -> int:
    """The index after a time at a rate a second; no more than ``MAX_STEP`` is charged."""
    return min(index * power_down(RAY + rate, min(seconds, MAX_STEP)) // RAY, MAX_INDEX)


def debt_up(scaled: int, index: int) -> int:
    """What a borrower owes."""
    return ceil_div(scaled * index, RAY)


def debt_down(scaled: int, index: int) -> int:
    """What the pool counts on from all borrowers."""
    return scaled * index // RAY


def scaled_up(debt: int, index: int) -> int:
    """How a debt is stored."""
    return ceil_div(debt * RAY, index)
