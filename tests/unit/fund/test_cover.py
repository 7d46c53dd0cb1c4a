"""What shortfalls take out: order, limits, window, pause (M10–M13, M15), and bad debt (M14)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.testing import DAY, U, reverts_with
from tests.unit.fund.desk import LENDING, LIMIT, MAX_AMOUNT, OTHER, PERP, THRESHOLD, Desk


def covered(
    desk: Desk, market_id: int, shortfall: int, paid: int, used: int, reserve: int
) -> tuple[str, dict[str, Any]]:
    return (
        "ShortfallCovered",
        {
            "venue": address_of(desk.venue),
            "market_id": market_id,
            "shortfall": shortfall,
            "covered": paid,
            "used": used,
            "reserve": reserve,
        },
    )


def test_cover_shortfall__enough__is_paid_in_full(desk: Desk) -> None:
    desk.fill(100 * U)
    assert desk.fund.cover_shortfall.call(PERP, 30 * U, sender=desk.venue) == 30 * U
    with desk.changes(reserve=-30 * U, tokens=-30 * U, venue=30 * U, used_0=30 * U):
        receipt = desk.cover(30 * U)
    assert desk.events(receipt) == [covered(desk, PERP, 30 * U, 30 * U, 30 * U, 70 * U)]


def test_cover_shortfall__short_reserve__pays_what_it_has(desk: Desk) -> None:
    """M10: a short fund never makes a liquidation revert; M13: what it doesn't pay is the venue's to place."""
    desk.fill(10 * U)
    with desk.changes(reserve=-10 * U, tokens=-10 * U, venue=10 * U, used_0=10 * U):
        receipt = desk.cover(25 * U)
    assert desk.events(receipt) == [covered(desk, PERP, 25 * U, 10 * U, 10 * U, 0)]


def test_cover_shortfall__empty_reserve__pays_nothing_and_says_so(desk: Desk) -> None:
    with desk.changes():
        receipt = desk.cover(25)
    assert desk.events(receipt) == [covered(desk, PERP, 25, 0, 0, 0)]


def test_cover_shortfall__one_unit__is_covered(desk: Desk) -> None:
    """T08: equity -1."""
    desk.fill(1)
    with desk.changes(reserve=-1, tokens=-1, venue=1, used_0=1):
        desk.cover(1)


def test_cover_shortfall__zero__changes_nothing(desk: Desk) -> None:
    desk.fill(5)
    with desk.changes():
        assert desk.events(desk.cover(0)) == []


def test_cover_shortfall__at_the_limit__pays_no_more_for_life(desk: Desk) -> None:
    """M11, M12, I5: the maximum is per market, and time gives nothing back (T34)."""
    desk.fill(THRESHOLD)
    with desk.changes(reserve=-LIMIT, tokens=-LIMIT, venue=LIMIT, used_0=LIMIT):
        desk.cover(LIMIT + 1)
    assert desk.fund.coverage(desk.venue, PERP) == 0
    with desk.changes():
        receipt = desk.cover(1)
    assert desk.events(receipt) == [covered(desk, PERP, 1, 0, LIMIT, THRESHOLD - LIMIT)]
    desk.kit.travel(365 * DAY)
    assert desk.fund.coverage(desk.venue, PERP) == 0
    assert desk.fund.coverage(desk.venue, OTHER) == LIMIT
    desk.kit.contribute(desk.actors.contributor, U)
    assert desk.fund.coverage(desk.venue, PERP) == 0
    desk.settle(1_000)
    assert desk.fund.coverage(desk.venue, PERP) == 200


def test_cover_shortfall__maximum_lowered_below_the_use__pays_nothing_and_does_not_fail(desk: Desk) -> None:
    desk.fill(100 * U)
    desk.cover(20 * U)
    desk.fund.set_max_insurance(desk.venue, PERP, 5 * U, sender=desk.governance)
    with desk.changes():
        receipt = desk.cover(U)
    assert desk.events(receipt) == [covered(desk, PERP, U, 0, 20 * U, 80 * U)]


def test_cover_shortfall__new_market__has_a_maximum_of_zero(desk: Desk) -> None:
    """M12, M31."""
    desk.fill(100 * U)
    desk.announced("register_market", address_of(desk.venue), 7, True)
    assert desk.fund.cover_shortfall.call(7, U, sender=desk.venue) == 0


def test_cover_shortfall__lending__has_no_maximum(desk: Desk) -> None:
    """M15."""
    desk.fill(THRESHOLD)
    with desk.changes(reserve=-THRESHOLD, tokens=-THRESHOLD, venue=THRESHOLD):
        receipt = desk.cover(2 * THRESHOLD, LENDING)
    assert desk.events(receipt) == [covered(desk, LENDING, 2 * THRESHOLD, THRESHOLD, 0, 0)]


def test_cover_shortfall__paused__is_refused_and_not_paid_less(desk: Desk) -> None:
    """M37: nothing may be socialised that the fund owes."""
    desk.fill(100 * U)
    desk.fund.pause_payouts(60, sender=desk.actors.guardian)
    with desk.changes(), reverts_with("fund: payouts paused"):
        desk.cover(1)
    with desk.changes(), reverts_with("fund: payouts paused"):
        desk.cover(0)
    assert desk.fund.coverage(desk.venue, PERP) == 0
    desk.kit.travel(60)
    assert desk.fund.coverage(desk.venue, PERP) == 100 * U
    with desk.changes(reserve=-1, tokens=-1, venue=1, used_0=1):
        desk.cover(1)


def test_cover_shortfall__bad_input__is_refused(desk: Desk) -> None:
    desk.fill(100 * U)
    with desk.changes(), reverts_with("fund: amount too large"):
        desk.cover(MAX_AMOUNT + 1)
    with desk.changes(), reverts_with("fund: unknown market"):
        desk.cover(1, 77)
    with desk.changes(), reverts_with("fund: unknown market"):
        desk.fund.cover_shortfall(PERP, 1, sender=desk.actors.outsider)


def test_cover_shortfall__unknown_market_while_paused__says_unknown_market(desk: Desk) -> None:
    desk.fund.pause_payouts(60, sender=desk.actors.guardian)
    with reverts_with("fund: unknown market"):
        desk.cover(1, 77)


# ------------------------------------------------------------------- window


@pytest.fixture
def windowed(desk: Desk) -> Desk:
    """A full reserve behind a window of 86,400 base units a day: one a second."""
    desk.fill(THRESHOLD)
    desk.fund.set_window(DAY, DAY, sender=desk.governance)
    return desk


def test_window__full_bucket__lets_no_more_through(windowed: Desk) -> None:
    """M11: one bucket for all markets, lending included (M15)."""
    windowed.cover(40_000)
    windowed.cover(50_000, LENDING)
    window = windowed.fund.window()
    spent = windowed.kit.now()
    assert (window.cap, window.length, window.last) == (DAY, DAY, spent)
    # Each block is a second at most: a unit or two drained between the payments.
    assert DAY - 2 <= window.spent <= DAY
    assert windowed.fund.market(windowed.venue, PERP).used == 40_000
    assert windowed.fund.coverage(windowed.venue, PERP) == window.left == DAY - window.spent


def test_window__drains_by_cap_times_seconds_over_length(windowed: Desk) -> None:
    """The level at a payment is max(spent - cap * elapsed // length, 0), to the unit (T34)."""
    windowed.cover(DAY)
    first = windowed.fund.window()
    assert (first.spent, first.left) == (DAY, 0)
    windowed.kit.travel(10_000)
    elapsed = windowed.kit.now() - first.last
    assert windowed.fund.window().left == elapsed
    assert windowed.fund.coverage(windowed.venue, OTHER) == elapsed
    windowed.cover(MAX_AMOUNT)
    second = windowed.fund.window()
    paid = windowed.fund.market(windowed.venue, PERP).used - DAY
    assert paid == second.last - first.last
    assert (second.spent, second.left) == (DAY, 0)


def test_window__rounds_the_decay_down(desk: Desk) -> None:
    """A cap of 1,000 units in a day: after 863 seconds 9 have drained, not 10."""
    desk.fill(THRESHOLD)
    desk.fund.set_window(1_000, DAY, sender=desk.governance)
    desk.cover(1_000)
    last = desk.fund.window().last
    desk.kit.travel(863 - (desk.kit.now() - last))
    left = desk.fund.window().left
    assert left == 1_000 * (desk.kit.now() - last) // DAY


def test_window__payment_of_nothing__does_not_move_the_clock(windowed: Desk) -> None:
    windowed.cover(DAY)
    windowed.fund.set_max_insurance(windowed.venue, OTHER, 0, sender=windowed.governance)
    windowed.kit.travel(500)
    with windowed.changes():
        windowed.cover(10, OTHER)


def test_window__after_its_length__is_empty_again(windowed: Desk) -> None:
    """Up to twice the cap falls within one length: a full bucket at its beginning, another at its end (T34)."""
    windowed.cover(DAY)
    windowed.kit.travel(DAY)
    assert windowed.fund.window().left == DAY
    windowed.cover(DAY)
    assert windowed.fund.market(windowed.venue, PERP).used == 2 * DAY
    assert (windowed.fund.window().spent, windowed.fund.window().left) == (DAY, 0)


def test_window__off__is_neither_read_nor_written(desk: Desk) -> None:
    desk.fill(THRESHOLD)
    with desk.changes(reserve=-9, tokens=-9, venue=9, used_0=9):
        desk.cover(9)
    assert desk.fund.window().left == MAX_AMOUNT


def test_window__lowered_below_what_is_spent__lets_nothing_through_and_does_not_fail(windowed: Desk) -> None:
    windowed.cover(DAY)
    windowed.fund.set_window(100, DAY, sender=windowed.governance)
    assert windowed.fund.window().left == 0
    with windowed.changes():
        windowed.cover(50)


# ----------------------------------------------------------------- bad debt


def bad_debt(
    desk: Desk, name: str, amount: int, market_total: int, total: int, market_id: int = PERP
) -> list[tuple[str, dict[str, Any]]]:
    fields = {"venue": address_of(desk.venue), "market_id": market_id, "amount": amount}
    return [(name, {**fields, "bad_debt": market_total, "total_bad_debt": total})]


def test_record_bad_debt__adds_up_by_market_and_in_total(desk: Desk) -> None:
    """M14."""
    with desk.changes(debt_0=70, bad_debt=70):
        assert desk.events(desk.owe(70)) == bad_debt(desk, "BadDebtRecorded", 70, 70, 70)
    with desk.changes(debt_1=5, bad_debt=5):
        assert desk.events(desk.owe(5, OTHER)) == bad_debt(desk, "BadDebtRecorded", 5, 5, 75, OTHER)
    with desk.changes(debt_0=1, bad_debt=1):
        assert desk.events(desk.owe(1)) == bad_debt(desk, "BadDebtRecorded", 1, 71, 76)
    assert desk.fund.bad_debt(desk.venue, PERP) == 71


def test_record_bad_debt__is_kept_back_from_the_excess(desk: Desk) -> None:
    """M8, T35."""
    desk.fill(THRESHOLD + 100)
    desk.owe(30)
    assert (desk.fund.excess(), desk.fund.room()) == (70, 0)
    desk.owe(100)
    assert (desk.fund.excess(), desk.fund.room()) == (0, 30)


@pytest.mark.parametrize(("amount", "reason"), [(0, "fund: zero amount"), (MAX_AMOUNT + 1, "fund: amount too large")])
def test_record_bad_debt__bad_amount__is_refused(desk: Desk, amount: int, reason: str) -> None:
    with desk.changes(), reverts_with(reason):
        desk.owe(amount)


def test_record_bad_debt__beyond_112_bits_in_total__is_refused(desk: Desk) -> None:
    desk.owe(MAX_AMOUNT)
    with desk.changes(), reverts_with("fund: amount too large"):
        desk.owe(1, OTHER)


def test_repay_bad_debt__part_and_rest__moves_no_token(desk: Desk) -> None:
    desk.owe(70)
    desk.owe(9, OTHER)
    with desk.changes(debt_0=-30, bad_debt=-30):
        receipt = desk.fund.repay_bad_debt(PERP, 30, sender=desk.venue)
    assert desk.events(receipt) == bad_debt(desk, "BadDebtRepaid", 30, 40, 49)
    with desk.changes(debt_0=-40, bad_debt=-40):
        receipt = desk.fund.repay_bad_debt(PERP, 40, sender=desk.venue)
    assert desk.events(receipt) == bad_debt(desk, "BadDebtRepaid", 40, 0, 9)
    # Paid off, the market is as one that never owed.
    with desk.changes(), reverts_with("fund: above bad debt"):
        desk.fund.repay_bad_debt(PERP, 1, sender=desk.venue)


@pytest.mark.parametrize(("amount", "reason"), [(0, "fund: zero amount"), (71, "fund: above bad debt")])
def test_repay_bad_debt__bad_amount__is_refused(desk: Desk, amount: int, reason: str) -> None:
    desk.owe(70)
    with desk.changes(), reverts_with(reason):
        desk.fund.repay_bad_debt(PERP, amount, sender=desk.venue)


@pytest.mark.parametrize("function", ["record_bad_debt", "repay_bad_debt"])
def test_bad_debt__impostor__is_refused(desk: Desk, function: str) -> None:
    desk.owe(70)
    with desk.changes(), reverts_with("fund: unknown market"):
        getattr(desk.fund, function)(PERP, 1, sender=desk.actors.outsider)
