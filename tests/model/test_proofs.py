"""Proofs over all integers, by z3, of the arithmetic that the rules rest on; they run the model's own functions."""

from __future__ import annotations

from typing import Any

import pytest
import z3

from kana_insurance.model import units
from kana_insurance.model.formulas import coverable, excess_of, leaked, room_of, split_collateral
from tests.model.symbolic import assume, prove, term_of, unknown

Q = units.quote_scale(6)
# Shares at the corners of their bounds, the default and odd ones in between (bps).
SHARES = [(3_000, 2_000), (5_000, 3_000), (0, 0), (5_000, 0), (0, 3_000), (3_333, 1_667), (1, 1)]


def terms(*values: Any) -> list[Any]:
    """The z3 terms of several values."""
    return [term_of(value) for value in values]


def test_prover__false_claim__is_refuted() -> None:
    """The prover itself can say no: floors of halves don't sum to the whole."""

    def claim() -> Any:
        whole = unknown("whole")
        return term_of(whole // 2 + whole // 2) == term_of(whole)

    with pytest.raises(AssertionError, match="refuted"):
        prove(claim)


@pytest.mark.parametrize("shares", SHARES)
def test_split__any_collateral__sums_to_it(shares: tuple[int, int]) -> None:
    """M1, I2: no part is negative, the three sum, and the fund's part is M1's formula."""

    def claim() -> Any:
        collateral, debt, threshold, others, reserve = (unknown(name) for name in ("C", "debt", "T", "others", "R"))
        split = split_collateral(collateral, *shares, debt, threshold, debt + others, reserve)
        c, liquidator, fund, trader, repaid = terms(collateral, *split)
        return z3.And(
            liquidator + fund + trader == c,
            liquidator >= 0,
            fund >= repaid,
            repaid >= 0,
            trader >= 0,
            liquidator == c * shares[0] / 10_000,
            fund <= c * shares[1] / 10_000,
        )

    assert prove(claim) > 1


@pytest.mark.parametrize("shares", SHARES)
def test_split__any_reserve__never_lifted_above_threshold_and_bad_debt(shares: tuple[int, int]) -> None:
    """I2, M1: what the fund gains fits under the ceiling as it is after the repayment."""

    def claim() -> Any:
        collateral, debt, threshold, others, reserve = (unknown(name) for name in ("C", "debt", "T", "others", "R"))
        split = split_collateral(collateral, *shares, debt, threshold, debt + others, reserve)
        gain = term_of(split.fund) - term_of(split.repaid)
        ceiling = term_of(threshold) + term_of(debt) + term_of(others) - term_of(split.repaid)
        return z3.Or(gain == 0, term_of(reserve) + gain <= ceiling)

    prove(claim)


def test_cover__any_shortfall__never_above_a_limit() -> None:
    """M11, I5: neither limit, nor window, nor means, nor the shortfall is exceeded; a limit below its use gives 0."""

    def claim() -> Any:
        shortfall, means = unknown("S"), unknown("means")
        limit, window = unknown("limit", least=None), unknown("window", least=None)
        s, m, li, w, paid = terms(shortfall, means, limit, window, coverable(shortfall, limit, window, means))
        return z3.And(
            paid >= 0,
            paid <= s,
            paid <= m,
            z3.Implies(li >= 0, paid <= li),
            z3.Implies(w >= 0, paid <= w),
            z3.Implies(z3.Or(li <= 0, w <= 0), paid == 0),
            z3.Or(paid == s, paid == m, paid == li, paid == w, paid == 0),
        )

    prove(claim)


def test_window__payment_within_what_is_left__keeps_the_bucket_within_the_cap() -> None:
    """M11: the level stays in 0 … cap, whatever time has passed."""

    def claim() -> Any:
        spent, cap, decay, paid = (unknown(name) for name in ("spent", "cap", "decay", "paid"))
        # `decay` stands for cap * seconds // length: a product of unknowns that only needs to be an integer >= 0.
        level = leaked(spent, decay, 1, 1)
        assume(term_of(spent) <= term_of(cap))
        assume(term_of(paid) <= term_of(cap) - term_of(level))
        after = term_of(level) + term_of(paid)
        return z3.And(after >= 0, after <= term_of(cap), term_of(level) <= term_of(spent))

    prove(claim)


def test_excess__withdrawn_whole__leaves_threshold_and_bad_debt() -> None:
    """M8, I4; and there is never excess and room at once."""

    def claim() -> Any:
        threshold, debt, reserve = unknown("T"), unknown("debt"), unknown("R")
        t, d, r, excess = terms(threshold, debt, reserve, excess_of(threshold, debt, reserve))
        room = term_of(room_of(threshold, debt, reserve))
        return z3.And(z3.Or(excess == 0, r - excess == t + d), z3.Or(excess == 0, room == 0), r + room >= t + d)

    prove(claim)


def test_index_step__any_loss_and_open_interest__bounds_it_from_above_by_less_than_one() -> None:
    """M29: step * open interest is the scaled loss, rounded up by less than the open interest."""

    def claim() -> Any:
        loss, open_interest = unknown("R"), unknown("OI", least=1)
        step, r, oi = terms(units.index_step_up(loss, open_interest), loss, open_interest)
        return z3.And(step * oi >= r * units.INDEX_SCALE, step * oi < r * units.INDEX_SCALE + oi)

    prove(claim)


def test_charge__any_size__bounds_it_from_above_by_less_than_one_unit() -> None:
    """M29: long and short alike, a charge is size * rise / INDEX_SCALE, rounded up by less than a unit."""

    def claim() -> Any:
        size, rise = unknown("size", least=None), unknown("rise")
        charge = term_of(units.charge_up(size, rise))
        exact = z3.If(term_of(size) >= 0, term_of(size), -term_of(size)) * term_of(rise)
        return z3.And(charge * units.INDEX_SCALE >= exact, charge * units.INDEX_SCALE < exact + units.INDEX_SCALE)

    prove(claim)


def test_dust__any_number_of_positions__at_most_the_roundings() -> None:
    """M29, I9: the charges are worth the loss at least, and above it by less than one unit a rounding.

    The two bounds proved above, for any number n of positions: X is the sum of their charges, scaled, P = step * open
    interest the sum of size * step.
    """

    def claim() -> Any:
        loss, charges, exact, positions, oi = (term_of(unknown(name)) for name in ("R", "charges", "P", "n", "OI"))
        scale = units.INDEX_SCALE
        assume(z3.And(oi >= 1, oi <= scale, positions >= 1))
        assume(z3.And(exact >= loss * scale, exact < loss * scale + oi))
        assume(z3.And(charges * scale >= exact, charges * scale < exact + positions * scale))
        dust = charges - loss
        return z3.And(dust >= 0, dust <= positions)

    prove(claim)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_pieces__any_equity__are_pro_rata_and_strip_nobody(size: int) -> None:
    """M5: a piece is its share rounded down; the rest keeps at least its own share, so the pieces sum to the whole."""

    def claim() -> Any:
        equity, part = unknown("equity"), unknown("part", least=1)
        assume(term_of(part) <= size)
        e, p, piece = terms(equity, part, units.piece_down(equity, part, size))
        return z3.And(
            piece >= 0,
            piece <= e,
            piece * size <= e * p,
            piece * size > e * p - size,
            (e - piece) * size >= e * (size - p),
            z3.Implies(p == size, piece == e),
        )

    prove(claim)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_share_of_a_shortfall__parts__sum_to_it(size: int) -> None:
    """M28a: the part that is closed pays its share rounded up, the rest is left with no more than its own."""

    def claim() -> Any:
        shortfall, part = unknown("S"), unknown("part")
        assume(term_of(part) <= size)
        s, p, paid = terms(shortfall, part, units.share_up(shortfall, part, size))
        rest = s - paid
        return z3.And(rest >= 0, paid * size >= s * p, rest * size <= s * (size - p), z3.Implies(p == size, rest == 0))

    prove(claim)


def test_carried__any_move__leaves_equity_alone_and_costs_the_taker_at_most_a_unit() -> None:
    """M26: the position that size leaves keeps its equity to the unit, the taker's moves by one unit at most."""

    def claim() -> Any:
        # Products size * mark, as one unknown each: mark 1.
        left, taken, own = (unknown(name, least=None) for name in ("left", "taken", "own"))
        value = units.carried(left, left - taken, 1, Q)
        leaver = units.value_down(left - taken, 1, Q) + value - units.value_down(left, 1, Q)
        taker = units.value_down(own + taken, 1, Q) - value - units.value_down(own, 1, Q)
        return z3.And(term_of(leaver) == 0, term_of(taker) >= -1, term_of(taker) <= 1)

    prove(claim)


def test_carried__any_takers__share_exactly_the_whole() -> None:
    """M26: cumulative floors: what three takers carry is what the whole is worth."""

    def claim() -> Any:
        whole, first, second = (unknown(name, least=None) for name in ("whole", "first", "second"))
        parts = units.carried(whole, first, 1, Q) + units.carried(first, second, 1, Q) + units.carried(second, 0, 1, Q)
        return term_of(parts) == term_of(units.value_down(whole, 1, Q))

    prove(claim)


def test_cost__any_product__against_the_taker_by_less_than_a_unit() -> None:
    """M26, M27: the taker pays no less than the exact cost, and the maker receives exactly what he pays."""

    def claim() -> Any:
        exact, cost = (term_of(value) for value in _cost())
        return z3.And(cost * Q >= exact, cost * Q < exact + Q)

    prove(claim)


def _cost() -> tuple[Any, Any]:
    size = unknown("size times price", least=None)
    return size, units.cost_up(size, 1, Q)
