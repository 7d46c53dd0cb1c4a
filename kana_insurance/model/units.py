"""Units, bounds and the rounding of every figure, in exact integers.

Amounts are base units of the asset, base sizes have 18 decimals (long > 0), prices are quote per whole base with 18
decimals, ratios are basis points. The direction of each rounding is in the function's name: requirements, charges and
costs go up, values and shares go down.
"""

from __future__ import annotations

BPS = 10_000
WAD = 10**18
INDEX_SCALE = 10**36
MAX_AMOUNT = 2**112 - 1  # widest stored amount, and the most that may enter in one call
MAX_PACKED = 2**119 - 1  # size and balance of a position share one word, 120 bits each
MIN_DECIMALS, MAX_DECIMALS = 6, 18  # of a fund's asset (M16)


def quote_scale(decimals: int) -> int:
    """What divides ``size * price`` to give base units of an asset with ``decimals``: 10**30 for 6 decimals."""
    return 10 ** (36 - decimals)


def ceil_div(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` rounded up, for a positive denominator; ``//`` is the one rounded down."""
    return -(-numerator // denominator)


def notional_down(size: int, price: int, scale: int) -> int:
    """What a size is worth at a price, its sign aside: ``abs(size) * price // QUOTE_SCALE``."""
    return abs(size) * price // scale


def value_down(size: int, mark: int, scale: int) -> int:
    """Signed value of a size at mark, toward minus infinity: ``floor(size * mark / QUOTE_SCALE)`` (M26)."""
    return size * mark // scale


def cost_up(size: int, price: int, scale: int) -> int:
    """What a taker pays for a size > 0, or (negative) receives for a size < 0, against the taker (M26, M27)."""
    return ceil_div(size * price, scale)


def margin_up(size: int, price: int, bps: int, scale: int) -> int:
    """A margin requirement or a fee: ``ceil(abs(size) * price * bps / (QUOTE_SCALE * 10_000))`` of the full product."""
    return ceil_div(abs(size) * price * bps, scale * BPS)


def index_step_up(loss: int, open_interest: int) -> int:
    """By how much the loss index rises when ``loss`` is socialised over ``open_interest`` (M29)."""
    return ceil_div(loss * INDEX_SCALE, open_interest)


def charge_up(size: int, index_rise: int) -> int:
    """What a position owes for a rise of the loss index, long and short alike (M29)."""
    return ceil_div(abs(size) * index_rise, INDEX_SCALE)


def share_up(shortfall: int, part: int, size: int) -> int:
    """Shortfall that goes with ``part`` of an insolvent position of ``size`` (M28a)."""
    return ceil_div(shortfall * part, size)


def piece_down(equity: int, part: int, size: int) -> int:
    """Collateral that goes with ``part`` of a solvent position of ``size`` (M5)."""
    return equity * part // size


def carried(size_before: int, size_after: int, mark: int, scale: int) -> int:
    """Value that goes with size moved at mark; the position it leaves keeps its equity to the unit (M26)."""
    return value_down(size_before, mark, scale) - value_down(size_after, mark, scale)
