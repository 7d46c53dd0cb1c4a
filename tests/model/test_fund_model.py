"""The fund's model against figures worked out by hand: M1 to M16, M24, M37."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kana_insurance.model import DAY, HOUR, FundModel, Refused, Split
from kana_insurance.model import invariants as inv
from kana_insurance.model.units import MAX_AMOUNT
from tests.model.worlds import bare_fund


def open_fund(*, threshold: int, reserve: int = 0, limit: int = 0, is_perp: bool = True) -> FundModel:
    """A fund that takes money, with the market (venue, 0); the venue has tokens."""
    fund = bare_fund(threshold)
    fund.register_market("deployer", "venue", 0, is_perp)
    fund.set_max_insurance("deployer", "venue", 0, limit)
    fund.finish_setup("deployer")
    fund.token.mint("venue", 10**12)
    if reserve:
        fund.token.mint("contributor", reserve)
        fund.contribute("contributor", reserve)
    return fund


def refused(reason: str) -> Any:
    """The next call is refused with exactly this reason."""
    return pytest.raises(Refused, match=f"^{reason}$")


# ------------------------------------------------------------------ split (M1, M2, M4, M14)


@pytest.mark.parametrize(
    ("collateral", "room", "fund_part", "liquidator", "trader"),
    [
        (1_000, 10**9, 200, 300, 500),
        (1_000, 50, 50, 300, 650),
        (1_000, 0, 0, 300, 700),
        (101, 10**9, 20, 30, 51),
        (4, 10**9, 0, 1, 3),
        (1, 10**9, 0, 0, 1),
        (0, 10**9, 0, 0, 0),
    ],
)
def test_settle_liquidation__m1_examples__to_the_unit(
    collateral: int, room: int, fund_part: int, liquidator: int, trader: int
) -> None:
    fund = open_fund(threshold=2 * 10**9, reserve=2 * 10**9 - room)
    held = fund.token.balances["venue"]
    assert fund.settle_liquidation("venue", 0, collateral) == Split(liquidator, fund_part, trader, 0)
    assert fund.reserve == 2 * 10**9 - room + fund_part
    assert fund.token.balances["venue"] == held - fund_part


def test_settle_liquidation__bad_debt__is_repaid_first_and_stays_in_the_venue() -> None:
    fund = open_fund(threshold=1_000, reserve=900)
    fund.record_bad_debt("venue", 0, 150)
    held = fund.token.balances["venue"]
    # slice 200: 150 repay; room is then 1000 + 0 - 900 = 100, so the other 50 fit
    assert fund.settle_liquidation("venue", 0, 1_000) == Split(300, 200, 500, 150)
    assert (fund.reserve, fund.total_bad_debt, fund.token.balances["venue"]) == (950, 0, held - 50)


def test_settle_liquidation__room__counts_the_bad_debt_of_others() -> None:
    fund = open_fund(threshold=1_000, reserve=1_000)
    fund.notices.announce("governance", fund, ("register_market", "venue", 1, True))
    fund.clock.advance(2 * DAY)
    fund.register_market("governance", "venue", 1, True)
    fund.record_bad_debt("venue", 1, 30)
    # threshold 1000 + bad debt 30 of another market - reserve 1000: room 30
    assert fund.settle_liquidation("venue", 0, 1_000) == Split(300, 30, 670, 0)


def test_settle_liquidations__batch__equals_single_calls() -> None:
    one, many = (open_fund(threshold=500, reserve=200) for _ in range(2))
    single = [one.settle_liquidation("venue", 0, collateral) for collateral in (700, 701, 5, 0)]
    # slices 140, 140, 1; room 300: 140, 140, 1
    assert single == [Split(210, 140, 350), Split(210, 140, 351), Split(1, 1, 3), Split()]
    assert many.settle_liquidations("venue", [(0, 700), (0, 701), (0, 5), (0, 0)]) == single
    assert many.state() == one.state()


# ------------------------------------------------------------------ waterfall (M10 to M15)


def test_cover__limit_and_reserve__the_least_pays() -> None:
    fund = open_fund(threshold=10_000, reserve=1_000, limit=700)
    assert fund.cover_shortfall("venue", 0, 300) == 300
    assert fund.cover_shortfall("venue", 0, 500) == 400  # 700 - 300 left of the limit
    assert fund.cover_shortfall("venue", 0, 1) == 0
    assert (fund.reserve, fund.markets["venue", 0].used) == (300, 700)
    short = open_fund(threshold=10_000, reserve=100, limit=700)
    assert short.cover_shortfall("venue", 0, 300) == 100  # a short fund pays what it has


def test_cover__new_market__pays_nothing() -> None:
    assert open_fund(threshold=10_000, reserve=1_000).cover_shortfall("venue", 0, 300) == 0


def test_cover__lending__has_no_maximum_but_the_window() -> None:
    fund = open_fund(threshold=10_000, reserve=1_000, is_perp=False)
    assert fund.cover_shortfall("venue", 0, 300) == 300
    assert fund.markets["venue", 0].used == 0
    fund.set_window("governance", 50, DAY)
    assert fund.cover_shortfall("venue", 0, 300) == 50


def test_used__slices_and_fees__bring_it_down_one_to_one() -> None:
    fund = open_fund(threshold=1_000, reserve=1_000, limit=600)
    fund.cover_shortfall("venue", 0, 500)
    fund.settle_liquidation("venue", 0, 1_000)  # 200 to the reserve
    assert fund.markets["venue", 0].used == 300
    fund.settle_fees("venue", 0, 250)
    assert fund.markets["venue", 0].used == 50
    fund.settle_fees("venue", 0, 250)  # only 50 of room: 50 booked, 200 forwarded
    assert (fund.markets["venue", 0].used, fund.token.balances["treasury"]) == (0, 200)


def test_used__repayment_time_contribution_and_treasury__do_not_count() -> None:
    fund = open_fund(threshold=1_000, reserve=1_000, limit=600)
    fund.cover_shortfall("venue", 0, 500)
    fund.record_bad_debt("venue", 0, 200)
    fund.settle_liquidation("venue", 0, 1_000)  # the whole slice of 200 repays
    fund.clock.advance(400 * DAY)
    fund.token.mint("contributor", 900)
    fund.contribute("contributor", 900)
    fund.settle_fees("venue", 0, 100)  # reserve 1,400 > 1,000: to the treasury
    assert fund.markets["venue", 0].used == 500
    assert fund.token.balances["treasury"] == 100


def test_max_insurance__lowered_below_use__leaves_nothing() -> None:
    fund = open_fund(threshold=1_000, reserve=1_000, limit=600)
    fund.cover_shortfall("venue", 0, 500)
    fund.set_max_insurance("governance", "venue", 0, 100)
    assert fund.cover_shortfall("venue", 0, 10) == 0
    assert fund.coverage("venue", 0) == 0


def test_window__decay__by_cap_times_seconds_over_length() -> None:
    fund = open_fund(threshold=10**6, reserve=10**6, limit=10**6)
    fund.set_window("governance", 1_000, DAY)
    assert fund.cover_shortfall("venue", 0, 5_000) == 1_000
    fund.clock.advance(DAY // 4)
    assert fund.coverage("venue", 0) == 250
    assert fund.cover_shortfall("venue", 0, 100) == 100  # level 750 + 100
    fund.clock.advance(100)  # decays 1000 * 100 // 86400 = 1
    assert fund.coverage("venue", 0) == 151
    assert fund.cover_shortfall("venue", 0, 151) == 151
    # level 1,000 again; a call that pays nothing doesn't move the clock
    fund.clock.advance(86)
    assert fund.cover_shortfall("venue", 0, 1) == 0
    fund.clock.advance(1)  # 87 seconds: 1000 * 87 // 86400 = 1
    assert fund.cover_shortfall("venue", 0, 5) == 1


def test_window__end_of_a_day__up_to_twice_the_cap_within_one_window() -> None:
    fund = open_fund(threshold=10**6, reserve=10**6, limit=10**6)
    fund.set_window("governance", 1_000, DAY)
    paid = fund.cover_shortfall("venue", 0, 5_000)
    fund.clock.advance(DAY - 1)
    paid += fund.cover_shortfall("venue", 0, 5_000)
    assert paid == 1_000 + 999


def test_bad_debt__repaid_through_the_venue__never_above() -> None:
    fund = open_fund(threshold=1_000)
    fund.record_bad_debt("venue", 0, 70)
    with refused("fund: above bad debt"):
        fund.repay_bad_debt("venue", 0, 71)
    fund.repay_bad_debt("venue", 0, 30)
    assert (fund.bad_debt("venue", 0), fund.total_bad_debt) == (40, 40)
    with refused("fund: market has bad debt"):
        fund.release_market("venue", 0)


# ------------------------------------------------------------------ contributions, excess (M6 to M8)


def test_contribute__above_the_threshold__recorded_by_contributor() -> None:
    fund = open_fund(threshold=100, reserve=150)
    fund.token.mint("giver", 20)
    fund.contribute("giver", 20, "other")
    assert fund.state()["contributions"] == {"contributor": 150, "other": 20}
    inv.check_fund(fund.state(), donations=0)


def test_donation__until_skimmed__changes_nothing() -> None:
    fund = open_fund(threshold=100, reserve=50)
    fund.token.mint("fund", 7)
    assert (fund.reserve, fund.room()) == (50, 50)
    inv.check_fund(fund.state(), donations=7)
    assert fund.skim("anyone", "giver") == 7
    assert (fund.reserve, fund.contributions["giver"]) == (57, 7)
    with refused("fund: nothing to skim"):
        fund.skim("anyone", "giver")


def test_withdraw_excess__reasons__in_their_order() -> None:
    fund = open_fund(threshold=100, reserve=100)
    with refused("fund: below threshold"):
        fund.withdraw_excess("treasurer", 1)
    fund.token.mint("contributor", 50)
    fund.contribute("contributor", 50)
    fund.record_bad_debt("venue", 0, 20)
    with refused("fund: above excess"):
        fund.withdraw_excess("treasurer", 31)  # 150 - 100 - 20 = 30
    with refused("fund: zero amount"):
        fund.withdraw_excess("treasurer", 0)
    fund.pause_payouts("guardian", HOUR)
    with refused("fund: payouts paused"):
        fund.withdraw_excess("treasurer", 0)
    fund.resume_payouts("guardian")
    fund.withdraw_excess("treasurer", 30)
    assert (fund.reserve, fund.token.balances["treasury"]) == (120, 30)


# ------------------------------------------------------------------ fees (M24)


def test_settle_fees__order__bad_debt_reserve_treasury() -> None:
    fund = open_fund(threshold=1_000, reserve=950)
    fund.record_bad_debt("venue", 0, 30)
    held = fund.token.balances["venue"]
    # 100: 30 repay and stay; room 1000 + 0 - 950 = 50; 20 go on
    assert fund.settle_fees("venue", 0, 100) == 30
    assert (fund.reserve, fund.token.balances["treasury"]) == (1_000, 20)
    assert fund.token.balances["venue"] == held - 70


# ------------------------------------------------------------------ notices, pause, setup (M9, M37)


def test_threshold__lowering__waits_two_days_and_lapses_after_seven_more() -> None:
    fund = open_fund(threshold=1_000, reserve=1_000)
    with refused("fund: no notice"):
        fund.set_threshold("governance", 999)
    fund.notices.announce("governance", fund, ("set_threshold", 999))
    with refused("notices: notice running"):
        fund.notices.announce("governance", fund, ("set_threshold", 999))
    fund.clock.advance(2 * DAY - 1)
    with refused("fund: notice not mature"):
        fund.set_threshold("governance", 999)
    assert fund.excess() == 0  # the old one counts meanwhile (M8)
    fund.clock.advance(7 * DAY)
    fund.set_threshold("governance", 999)  # the last second
    with refused("fund: no notice"):
        fund.set_threshold("governance", 998)
    fund.notices.announce("governance", fund, ("set_threshold", 998))
    fund.clock.advance(9 * DAY)
    with refused("fund: notice lapsed"):
        fund.set_threshold("governance", 998)
    fund.notices.announce("governance", fund, ("set_threshold", 998))


def test_notice__pause__stands_still_until_a_day_after_its_end() -> None:
    fund = open_fund(threshold=1_000)
    fund.notices.announce("governance", fund, ("set_threshold", 1))
    fund.clock.advance(DAY)
    fund.pause_payouts("guardian", 3 * DAY)
    fund.clock.advance(4 * DAY)  # 3 paused and the one after
    fund.clock.advance(DAY - 1)
    with refused("fund: notice not mature"):
        fund.set_threshold("governance", 1)
    fund.clock.advance(1)
    fund.set_threshold("governance", 1)


@pytest.mark.parametrize(
    "call",
    [
        ("set_max_insurance", "venue", 0, 601),
        ("register_market", "venue", 1, True),
        ("replace_venue", "venue", 0, "other"),
        ("set_window", 1_001, DAY),
        ("set_window", 0, DAY),
        ("set_window", 1_000, DAY - 1),
    ],
)
def test_notice__what_lets_more_be_drawn__needs_it(call: tuple[Any, ...]) -> None:
    fund = open_fund(threshold=1_000, limit=600)
    fund.set_window("governance", 1_000, DAY)  # on: immediate
    with refused("fund: no notice"):
        getattr(fund, call[0])("governance", *call[1:])
    fund.notices.announce("governance", fund, call)
    fund.clock.advance(2 * DAY)
    getattr(fund, call[0])("governance", *call[1:])


@pytest.mark.parametrize(
    "call",
    [
        ("set_threshold", 1_001),
        ("set_max_insurance", "venue", 0, 599),
        ("set_window", 999, DAY + 1),
        ("set_split", 5_000, 3_000),
    ],
)
def test_notice__what_lets_less_be_drawn__is_immediate(call: tuple[Any, ...]) -> None:
    fund = open_fund(threshold=1_000, limit=600)
    fund.set_window("governance", 1_000, DAY)
    getattr(fund, call[0])("governance", *call[1:])


def test_pause__bounds__seven_days_and_seven_of_rest() -> None:
    fund = open_fund(threshold=1_000, reserve=10, limit=10)
    for duration, reason in ((0, "fund: zero duration"), (7 * DAY + 1, "fund: pause too long")):
        with refused(reason):
            fund.pause_payouts("guardian", duration)
    fund.pause_payouts("guardian", 7 * DAY)
    with refused("fund: payouts paused"):
        fund.cover_shortfall("venue", 0, 1)
    assert fund.settle_liquidation("venue", 0, 10) == Split(3, 2, 5, 0)  # inflow goes on
    fund.clock.advance(7 * DAY)
    assert fund.cover_shortfall("venue", 0, 1) == 1
    fund.clock.advance(7 * DAY - 1)
    with refused("fund: paused too recently"):
        fund.pause_payouts("guardian", 1)
    fund.clock.advance(1)
    fund.pause_payouts("guardian", 1)


def test_setup__before_it_is_finished__no_money() -> None:
    fund = bare_fund()
    fund.register_market("deployer", "venue", 0, True)
    calls: list[Callable[[], object]] = [
        lambda: fund.contribute("contributor", 1),
        lambda: fund.skim("anyone", "contributor"),
        lambda: fund.settle_liquidation("venue", 0, 1),
        lambda: fund.cover_shortfall("venue", 0, 1),
        lambda: fund.withdraw_excess("treasurer", 1),
    ]
    for call in calls:
        with refused("fund: setup not finished"):
            call()
    fund.finish_setup("deployer")
    with refused("fund: setup finished"):
        fund.finish_setup("deployer")


def test_bounds__outside__refused() -> None:
    fund = open_fund(threshold=1_000)
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: fund.contribute("c", 0), "fund: zero amount"),
        (lambda: fund.contribute("c", MAX_AMOUNT + 1), "fund: amount too large"),
        (lambda: fund.settle_liquidation("venue", 0, MAX_AMOUNT + 1), "fund: amount too large"),
        (lambda: fund.settle_liquidation("impostor", 0, 1), "fund: unknown market"),
        (lambda: fund.set_threshold("g", 0), "fund: zero threshold"),
        (lambda: fund.set_split("g", 5_001, 0), "fund: split out of bounds"),
        (lambda: fund.set_split("g", 0, 3_001), "fund: split out of bounds"),
        (lambda: fund.set_window("g", 1, HOUR - 1), "fund: window out of bounds"),
        (lambda: fund.set_window("g", 1, 30 * DAY + 1), "fund: window out of bounds"),
        (lambda: bare_fund(decimals=5), "fund: bad decimals"),
        (lambda: bare_fund(decimals=19), "fund: bad decimals"),
    ]
    before = fund.state()
    for call, reason in cases:
        with refused(reason):
            call()
    assert fund.state() == before
