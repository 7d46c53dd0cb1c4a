# pragma version 0.4.3

"""
@title Interest
@license AGPL-3.0-only
@author Kana
@notice The rate of a lending pool by its utilisation, and what a rate makes of an index over time (M32).
@dev utilisation u = debt / (cash + debt), RAY.
     yearly rate       = base + slope1 * u / kink                                 while u <= kink
                         base + slope1 + slope2 * (u - kink) / (1 - kink)         above
     rate a second     = yearly / 31_536_000, compounding every second
     index after t s   = index * (1 + rate)**t
     Every division rounds down. The power is made by squaring: over t seconds it is less than t * 4e-27 of itself too low.
"""

from contracts.interfaces import ILendingRegistry

# ---------------------------------------------------------------- constants

BPS: constant(uint256) = 10_000
RAY: constant(uint256) = 10**27
# Seconds of 365 days.
YEAR: constant(uint256) = 31_536_000
# The longest time that one step charges, and the widest index: at the highest rate their product still fits a word, so that
# nothing that was left alone for ever can block the pool.
MAX_STEP: constant(uint256) = 8 * YEAR
MAX_INDEX: constant(uint256) = 2**128 - 1
# Bits of the longest step.
STEP_BITS: constant(uint256) = 28


@internal
@pure
def _rate(
    rates: ILendingRegistry.Rates, cash: uint256, debt: uint256
) -> uint256:
    """
    @notice The rate a second, RAY.
    """
    utilisation: uint256 = 0
    if debt > 0:
        utilisation = debt * RAY // (cash + debt)
    kink: uint256 = rates.kink_bps * RAY // BPS
    yearly: uint256 = rates.base_bps * RAY // BPS
    slope1: uint256 = rates.slope1_bps * RAY // BPS
    if utilisation <= kink:
        yearly += slope1 * utilisation // kink
    else:
        slope2: uint256 = rates.slope2_bps * RAY // BPS
        yearly += slope1 + slope2 * (utilisation - kink) // (RAY - kink)
    return yearly // YEAR


@internal
@pure
def _grown(index: uint256, rate: uint256, duration: uint256) -> uint256:
    """
    @notice The index after `duration` seconds at a rate.
    """
    growth: uint256 = self._power_down(RAY + rate, min(duration, MAX_STEP))
    return min(index * growth // RAY, MAX_INDEX)


@internal
@pure
def _power_down(base: uint256, exponent: uint256) -> uint256:
    """
    @notice base**exponent, both base and power RAY.
    """
    power: uint256 = RAY
    square: uint256 = base
    left: uint256 = exponent
    for _: uint256 in range(STEP_BITS):
        if left & 1 == 1:
            power = power * square // RAY
        left >>= 1
        if left == 0:
            break
        square = square * square // RAY
    return power
