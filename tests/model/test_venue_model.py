"""The venue's model against figures worked out by hand: M5, M24 to M31, the attacks T01, T11 to T16, T50 to T54."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kana_insurance.model import DAY, HOUR, Fill, Refused
from kana_insurance.model import invariants as inv
from kana_insurance.model.units import MAX_AMOUNT
from tests.model.worlds import COIN, MARGIN, PRICE, U, World, gap, pair, world
from tests.stateful.machine import MOVES
from tests.stateful.side import ModelSide

SIDE = ModelSide()  # of the random walk


def refused(reason: str) -> Any:
    """The next call is refused with exactly this reason."""
    return pytest.raises(Refused, match=f"^{reason}$")


def close_against(it: World, trader: str, *counterparties: str) -> None:
    """Flag, wait, deleverage."""
    it.venue.flag("keeper", 0, trader)
    it.clock.advance(600)
    it.venue.deleverage("keeper", 0, trader, list(counterparties))


def _sized(maker: str, taker: str, size: int, price: float, **more: Any) -> Fill:
    """A fill for which the maker brings margin."""
    return Fill(0, maker, taker, size, int(price * 10_000) * PRICE // 10_000, maker_margin=20_000 * U, **more)


# ------------------------------------------------------------------ T01: two keys, one gap


@pytest.mark.parametrize(
    ("limit", "others", "fund_pays", "gain", "charged"),
    [
        (50_000 * U, False, 5_000 * U, 4_900 * U, 0),
        (4_000 * U, False, 4_000 * U, 3_900 * U, 0),
        (4_000 * U, True, 4_000 * U, 4_566_666_666, 333_333_334),
        (0, False, 0, -100 * U, 0),
    ],
)
def test_t01__gap__costs_the_fund_at_most_the_limit(
    limit: int, others: bool, fund_pays: int, gain: int, charged: int
) -> None:
    it = world(limit=limit, maker_fee_bps=5)
    pair(it)
    if others:
        pair(it, "other long", "other short")
    gap(it, 85)
    close_against(it, "long", "short")
    assert it.fund.reserve == 1_000_000 * U - fund_pays
    assert it.worth("long", "short") == 2 * MARGIN + gain
    assert it.venue.pending_charge(0, "other long") == it.venue.pending_charge(0, "other short") == charged
    it.check()
    it.venue.withdraw("short", it.venue.free["short"])
    if others:
        it.venue.settle("keeper", 0, "other long")
        it.venue.settle("keeper", 0, "other short")
        assert it.venue.dust[0] == 2
    paid_in = 0
    inv.i12_limit_bounds_loss(fund_pays, paid_in, limit)
    it.check()


def test_t01__small_steps__pair_loses_fees_and_reward() -> None:
    it = world(maker_fee_bps=5)
    pair(it)
    it.fund_trader("liquidator", amount=20_000 * U)
    gap(it, 95)
    assert not it.venue.is_liquidatable(0, "long")  # 5,000 of 4,750
    it.feed.push(9025 * PRICE // 100)
    # equity 10,000 - 9,750 = 250; reserve at the cap: 75 to the liquidator, 175 back
    it.venue.liquidate("liquidator", 0, "long", 1_000 * COIN, 10_000 * U)
    assert it.venue.free["long"] == 175 * U
    assert it.venue.free["liquidator"] == 10_075 * U
    assert it.worth("long", "short") == 2 * MARGIN - 175 * U
    it.check()


# ------------------------------------------------------------------ M26, M27: trading


def test_trade__costs__round_against_the_taker() -> None:
    it = world(taker_fee_bps=0, maker_fee_bps=0, min_notional=1)
    it.fund_trader("long", "short", amount=100 * U)
    it.feed.push(PRICE)
    # a third of a coin at 1.000001 U: 333,333.66 units
    it.venue.trade("gateway", Fill(0, "short", "long", COIN // 3, 1_000_001 * 10**12, U, U))
    assert (it.venue.balance[0, "long"], it.venue.balance[0, "short"]) == (U - 333_334, U + 333_334)
    it.venue.trade("gateway", Fill(0, "short", "long", -COIN // 6, 1_000_001 * 10**12, U, U))
    # sells 0.1666… (the signed size rounds away: 166,666.83 units): receives 166,666
    assert it.venue.balance[0, "long"] == U - 333_334 + U + 166_666
    it.check()


def test_trade__fees__ceil_of_the_full_product_to_the_fees() -> None:
    it = world()
    pair(it)
    # 100,000 U: 5 bps = 50 U for the taker, 2 bps = 20 U for the maker
    assert it.venue.fees[0] == 70 * U
    assert (it.equity("long"), it.equity("short")) == (10_000 * U, 10_030 * U)


def test_trade__initial_margin__one_unit_less_is_refused() -> None:
    it = world()
    it.fund_trader("long", "short", amount=MARGIN)
    with refused("house: below initial margin"):
        it.fill("long", "short", 1_000 * COIN, 100, MARGIN - 1)
    assert it.venue.free["long"] == MARGIN  # nothing has happened
    assert it.venue.state()["positions"] == {}


def test_t11__flip_and_increase_at_maintenance__ask_initial_margin() -> None:
    it = world()
    pair(it)
    it.fund_trader("third", amount=100_000 * U)
    gap(it, 95)  # long: equity 5,000 of 95,000: below initial 9,500, above maintenance 4,750
    for size in (1 * COIN, -2_001 * COIN):
        with refused("house: below initial margin"):
            it.venue.trade("gateway", _sized("third", "long", size, 95))
    it.venue.trade("gateway", _sized("third", "long", -500 * COIN, 95))
    it.venue.trade("gateway", _sized("third", "long", -500 * COIN, 95))
    # 4,950 U left: 5,000 - 5 bps of 95,000 = 47.5 U
    assert it.venue.free["long"] == 4_952_500_000
    it.check()


def test_t12__off_market_fill__outside_the_band() -> None:
    it = world()
    it.fund_trader("long", "short", amount=MARGIN)
    for price in (1, 96, 104):
        with refused("house: outside fill band"):
            it.fill("long", "short", 100 * COIN, price, MARGIN)
    it.fill("long", "short", 100 * COIN, 97, MARGIN)


def test_t15__strip_equity_inside_the_band__ratio_must_not_fall() -> None:
    it = world(taker_fee_bps=0, maker_fee_bps=0)
    pair(it)
    it.fund_trader("own key", amount=100_000 * U)
    gap(it, 92)  # 10,050 - 8,000 = 2,050: 2.05 a coin, of a maintenance margin of 4.60
    with refused("house: below maintenance"):
        # 2.75 lost on each of 500 coins: 675 would be left on 500, 1.35 a coin
        it.venue.trade("gateway", _sized("own key", "long", -500 * COIN, 89.25))
    # 2.00 lost on each: 1,050 on 500 coins, 2.10 a coin
    it.venue.trade("gateway", _sized("own key", "long", -500 * COIN, 90))
    assert it.equity("long") == 1_050 * U
    it.check()


def test_trade__reduce_only__neither_grows_nor_flips() -> None:
    it = world()
    pair(it)
    it.fund_trader("third", amount=100_000 * U)
    for size in (COIN, -1_500 * COIN, -1_001 * COIN):
        with refused("house: reduce only"):
            it.venue.trade("gateway", _sized("third", "long", size, 100, taker_reduce_only=True))
    it.venue.trade("gateway", _sized("third", "long", -1_000 * COIN, 100, taker_reduce_only=True))
    assert it.venue.size[0, "long"] == 0


def test_trade__min_notional_and_caps__bind_voluntary_trades() -> None:
    it = world(open_interest_cap=100 * COIN, position_cap=60 * COIN)
    it.fund_trader("long", "short", amount=MARGIN)
    with refused("house: below min notional"):
        it.fill("long", "short", COIN // 10 - 1, 100, U)
    with refused("house: above open interest cap"):
        it.fill("long", "short", 51 * COIN, 100, 1_000 * U)
    it.registry.set_caps("governance", 0, 200 * COIN, 60 * COIN, 10 * U)
    with refused("house: above position cap"):
        it.fill("long", "short", 61 * COIN, 100, 1_000 * U)
    it.fill("long", "short", 60 * COIN, 100, 1_000 * U)
    with refused("house: below min notional"):
        it.fill("long", "short", -60 * COIN + COIN // 20, 100)
    it.fill("long", "short", -60 * COIN, 100)
    assert it.venue.open_interest[0] == 0


def test_trade__trading_paused__only_what_lessens_risk() -> None:
    it = world()
    pair(it)
    it.registry.pause_trading("guardian", HOUR)
    with refused("house: trading paused"):
        it.fill("short", "long", 2_001 * COIN, 100)
    it.fill("short", "long", 10 * COIN, 100)
    it.clock.advance(HOUR)
    it.fund_trader("long", "short", amount=MARGIN)
    it.fill("long", "short", 10 * COIN, 100, MARGIN)


def test_t03__release__keeps_initial_margin() -> None:
    it = world(taker_fee_bps=0, maker_fee_bps=0)
    pair(it)
    it.venue.release_margin("long", 0, 50 * U)
    with refused("house: below initial margin"):
        it.venue.release_margin("long", 0, 1)
    it.feed.push(96 * PRICE)
    with refused("house: below initial margin"):
        it.venue.release_margin("long", 0, 1)
    # short: 10,050 + 4,000 - 9,600 = 4,450
    with refused("house: below initial margin"):
        it.venue.release_margin("short", 0, 4_450 * U + 1)
    it.venue.release_margin("short", 0, 4_450 * U)
    it.check()


def test_price__none__only_deposits_margin_and_withdrawals() -> None:
    it = world()
    pair(it)
    it.clock.advance(HOUR)
    it.fund_trader("long", amount=10 * U)
    it.clock.advance(1)
    calls: list[Callable[[], object]] = [
        lambda: it.fill("long", "short", -COIN, 100),
        lambda: it.venue.release_margin("long", 0, 1),
        lambda: it.venue.liquidate("keeper", 0, "long", 1),
        lambda: it.venue.liquidate_batch("keeper", 0, []),
        lambda: it.venue.flag("keeper", 0, "long"),
        lambda: it.venue.deleverage("keeper", 0, "long", []),
    ]
    for call in calls:
        with refused("feed: stale price"):
            call()
    it.venue.add_margin("long", 0, 4 * U)
    it.venue.withdraw("long", 6 * U)
    it.check()


# ------------------------------------------------------------------ M5, M28: liquidation


def test_liquidate__pieces__sum_to_the_whole() -> None:
    it = world(taker_fee_bps=0, maker_fee_bps=0, reserve=0)
    it.fund_trader("long", "short", amount=MARGIN + 1)
    it.fill("long", "short", 1_000 * COIN, 100, MARGIN + 1)
    it.fund_trader("liquidator", amount=50_000 * U)
    gap(it, 94)  # equity 4,050.000001
    for size in (333, 333, 334):
        it.venue.liquidate("liquidator", 0, "long", size * COIN, 5_000 * U)
    pieces = [event["collateral"] for event in it.venue.log.named("Liquidated")]
    # 4050000001 * 333 // 1000; 2701350001 * 333 // 667; the rest
    assert pieces == [1_348_650_000, 1_348_650_000, 1_352_700_001]
    assert sum(pieces) == 4_050_000_001
    rewards = [event["to_liquidator"] for event in it.venue.log.named("Liquidated")]
    assert rewards == [404_595_000, 404_595_000, 405_810_000]  # one shot: 1,215,000,000
    assert it.fund.reserve == 269_730_000 + 269_730_000 + 270_540_000
    it.check()


def test_liquidate__refusals__in_their_order() -> None:
    it = world()
    pair(it)
    it.fund_trader("liquidator", amount=50_000 * U)
    with refused("house: free balance too low"):
        it.venue.liquidate("keeper", 0, "long", COIN, 1)
    with refused("house: own position"):
        it.venue.liquidate("long", 0, "long", COIN)
    with refused("house: no position"):
        it.venue.liquidate("liquidator", 0, "nobody", COIN)
    with refused("house: not liquidatable"):
        it.venue.liquidate("liquidator", 0, "long", COIN)
    gap(it, 94)
    with refused("house: zero size"):
        it.venue.liquidate("liquidator", 0, "long", 0)
    with refused("house: piece too small"):
        it.venue.liquidate("liquidator", 0, "long", COIN // 10, 1_000 * U)
    with refused("house: liquidator below margin"):
        it.venue.liquidate("liquidator", 0, "long", COIN, 9 * U)
    gap(it, 85)
    with refused("house: insolvent, whole only"):
        it.venue.liquidate("liquidator", 0, "long", COIN, 1_000 * U)
    it.venue.liquidate("liquidator", 0, "long", MAX_AMOUNT, 10_000 * U)
    assert it.venue.free["liquidator"] == 40_000 * U  # no reward (M3)
    it.check()


@pytest.mark.parametrize(("mark_units", "covered"), [(90_000_000, 0), (89_999_999, 1_000)])
def test_t08__equity_exactly_zero_and_below__no_reward(mark_units: int, covered: int) -> None:
    it = world(taker_fee_bps=0, maker_fee_bps=0)
    it.fund_trader("long", "short", amount=10_000 * U)
    it.fill("long", "short", 1_000 * COIN, 100, 10_000 * U)
    it.fund_trader("liquidator", amount=10_000 * U)
    it.feed.push(mark_units * 10**12)
    it.venue.liquidate("liquidator", 0, "long", 1_000 * COIN, 10_000 * U)
    assert it.fund.reserve == 1_000_000 * U - covered
    assert it.worth("liquidator") == 10_000 * U
    assert it.worth("long") == 0
    it.check()


def test_batch__equals_the_single_calls__and_skips_without_a_trace() -> None:
    one, many = (world(limit=3_000 * U, reserve=2_000 * U) for _ in range(2))
    for it in (one, many):
        for name in "abcd":
            it.fund_trader(f"long {name}", f"short {name}", amount=MARGIN + ord(name))
            it.fill(f"long {name}", f"short {name}", 1_000 * COIN, 100, MARGIN + ord(name))
        it.fund_trader("long d", amount=30_000 * U)
        it.venue.add_margin("long d", 0, 30_000 * U)
        it.fund_trader("liquidator", amount=100_000 * U)
        gap(it, 88)
    batch = [(f"long {name}", 1_000 * COIN) for name in "adbac"]
    many.venue.liquidate_batch("liquidator", 0, batch, 50_000 * U)
    one.venue.add_margin("liquidator", 0, 50_000 * U)
    for trader in ("long a", "long b", "long c"):
        one.venue.liquidate("liquidator", 0, trader, 1_000 * COIN)
    assert many.venue.state() == one.venue.state()
    assert many.fund.state() == one.fund.state()
    skipped = [event["trader"] for event in many.venue.log.named("LiquidationSkipped")]
    assert skipped == ["long d", "long a"]
    # long d was charged by what a left, but a skipped entry is not settled
    assert many.venue.index[0, "long d"] == 0
    assert many.venue.loss_index[0] > 0
    many.check()


def test_batch__payouts_paused__insolvent_waits_solvent_goes() -> None:
    it = world()
    pair(it)
    pair(it, "second", "other")
    it.fund_trader("second", "liquidator", amount=50_000 * U)
    it.venue.add_margin("second", 0, 6_000 * U)
    gap(it, 88)  # long: -2,000; second: 10,050 - 50 + 6,000 - 12,000 = 4,000 of 4,400
    it.fund.pause_payouts("guardian", DAY)
    with refused("fund: payouts paused"):
        it.venue.liquidate("liquidator", 0, "long", 1_000 * COIN, 20_000 * U)
    it.venue.liquidate_batch("liquidator", 0, [("long", 1_000 * COIN), ("second", 1_000 * COIN)], 20_000 * U)
    assert it.venue.log.named("LiquidationSkipped") == [{"market_id": 0, "trader": "long", "payouts_paused": True}]
    assert it.venue.size[0, "second"] == 0
    it.check()


# ------------------------------------------------------------------ M28a: flag and deleverage


def test_deleverage__refusals__in_their_order() -> None:
    it = world()
    pair(it)
    it.fund_trader("third", amount=100_000 * U)
    with refused("house: not insolvent"):
        it.venue.flag("keeper", 0, "long")
    gap(it, 85)
    with refused("house: not flagged"):
        it.venue.deleverage("keeper", 0, "long", ["short"])
    it.venue.flag("keeper", 0, "long")
    with refused("house: already flagged"):
        it.venue.flag("keeper", 0, "long")
    it.clock.advance(599)
    with refused("house: grace running"):
        it.venue.deleverage("keeper", 0, "long", ["short"])
    with refused("house: still insolvent"):
        it.venue.unflag("keeper", 0, "long")
    it.clock.advance(1)
    cases: list[tuple[list[str], str]] = [
        (["long"], "house: not opposite side"),
        (["third"], "house: not opposite side"),
        (["short", "short"], "house: duplicate counterparty"),
        ([], "house: not the whole size"),
    ]
    for named, reason in cases:
        with refused(reason):
            it.venue.deleverage("keeper", 0, "long", named)
    it.clock.advance(HOUR)
    it.feed.push(85 * PRICE)
    it.clock.advance(1)
    with refused("house: flag lapsed"):
        it.venue.deleverage("keeper", 0, "long", ["short"])
    it.venue.flag("keeper", 0, "long")
    gap(it, 100)
    it.clock.advance(600)
    with refused("house: not insolvent"):
        it.venue.deleverage("keeper", 0, "long", ["short"])
    it.venue.unflag("keeper", 0, "long")
    with refused("house: not flagged"):
        it.venue.unflag("keeper", 0, "long")


def test_deleverage__more_names_than_needed__refused() -> None:
    it = world()
    it.fund_trader("long", amount=MARGIN)
    it.fund_trader("short a", "short b", amount=MARGIN)
    it.fill("long", "short a", 500 * COIN, 100, MARGIN)
    it.fund_trader("other", amount=MARGIN)
    it.fill("other", "short b", 500 * COIN, 100, MARGIN)
    gap(it, 75)
    it.venue.flag("keeper", 0, "long")
    it.clock.advance(600)
    with refused("house: too many counterparties"):
        it.venue.deleverage("keeper", 0, "long", ["short a", "short b"])
    it.venue.deleverage("keeper", 0, "long", ["short b"])
    assert (it.venue.size[0, "short a"], it.venue.size[0, "short b"]) == (-500 * COIN, 0)
    it.check()


def test_t16__a_hundred_small_ones__closed_in_two_calls() -> None:
    it = world(taker_fee_bps=0, maker_fee_bps=0)
    it.fund_trader("long", amount=10_000 * U)
    shorts = [f"short {number}" for number in range(100)]
    it.fund_trader(*shorts, amount=100 * U)
    it.venue.add_margin("long", 0, 10_000 * U)
    for short in shorts:
        it.venue.add_margin(short, 0, 100 * U)
        it.fill("long", short, 10 * COIN, 100)
    gap(it, 85)  # -5,000 on 1,000 coins
    it.venue.flag("keeper", 0, "long")
    it.clock.advance(600)
    with refused("house: not the whole size"):
        it.venue.deleverage("keeper", 0, "long", shorts[:63])
    it.venue.deleverage("keeper", 0, "long", shorts[:64])
    assert it.fund.reserve == 1_000_000 * U - 3_200 * U
    assert (it.venue.size[0, "long"], it.equity("long")) == (360 * COIN, -1_800 * U)
    it.check()
    it.venue.deleverage("keeper", 0, "long", shorts[64:])
    assert it.fund.reserve == 1_000_000 * U - 5_000 * U
    assert it.venue.state()["positions"] == {}
    assert {it.venue.free[short] for short in shorts} == {250 * U}  # 100 + 10 * 15
    it.check()


# ------------------------------------------------------------------ M26a, M14: pot, claims, bad debt


def test_t14__exit_before_the_charge__the_pot_keeps_everybody_else_whole() -> None:
    it = world(limit=0, markets=2, taker_fee_bps=5, maker_fee_bps=5)
    pair(it)
    it.fund_trader("bystander", amount=5_000 * U)
    it.fund_trader("third", amount=7_100 * U)
    gap(it, 70)  # long: -20,000; short: 40,000
    it.venue.add_margin("third", 0, 7_100 * U)
    it.fill("short", "third", 1_000 * COIN, 70)
    # pot: 20,100 + 7,100 - 100 - 70 of fees = 27,030; the winner's 39,965 are paid so far
    assert it.venue.free["short"] == 27_030 * U
    assert it.venue.balance[0, "short"] == 12_935 * U
    assert it.venue.pot[0] == 0
    it.venue.withdraw("short", 27_030 * U)
    with refused("house: pot exhausted"):
        it.venue.release_margin("short", 0, 1)
    it.check()

    # Nobody but "third" is left to bear 20,000: 7,065 is all it has, the rest is bad debt (M14)
    close_against(it, "long", "third")
    assert it.fund.total_bad_debt == 12_935 * U
    resolved = it.venue.log.named("ShortfallResolved")
    assert [(e["trader"], e["shortfall"], e["socialised"], e["bad_debt"]) for e in resolved] == [
        ("long", 20_000 * U, 20_000 * U, 0),
        ("third", 12_935 * U, 0, 12_935 * U),
    ]
    it.check()
    it.venue.withdraw("bystander", 5_000 * U)
    with refused("house: market not empty"):
        it.registry.remove_market("governance", 0)
    with refused("house: market has bad debt"):
        it.venue.add_margin("bystander", 0, U)

    # Fees repay it first (85 U of 170 are the fund's), then anybody
    it.venue.collect_fees("anyone", 0)
    assert (it.venue.pot[0], it.fund.total_bad_debt) == (85 * U, 12_850 * U)
    it.token.mint("donor", 20_000 * U)
    with refused("fund: above bad debt"):
        it.venue.repay_bad_debt("donor", 0, 12_850 * U + 1)
    it.venue.repay_bad_debt("donor", 0, 12_850 * U)
    with refused("house: above claim"):
        it.venue.release_margin("short", 0, 12_935 * U + 1)
    it.venue.release_margin("short", 0, 12_935 * U)
    it.registry.remove_market("governance", 0)
    assert it.venue.state()["positions"] == {}
    it.check()


def test_collect_fees__remainder_and_dust__are_the_funds() -> None:
    it = world(reserve=999_970 * U)
    it.fund_trader("long", "short", amount=MARGIN)
    it.fill("long", "short", 1_000 * COIN, 100, MARGIN)
    it.venue.fees[0] += 1  # 70.000001: the odd unit is the fund's
    it.token.mint("house", 1)
    it.venue.collect_fees("anyone", 0)
    # 35.000001 to the fund: room 30, 5.000001 to the treasury
    assert it.venue.free["recipient"] == 35 * U
    assert (it.fund.reserve, it.token.balances["treasury"]) == (1_000_000 * U, 5 * U + 1)
    with refused("house: nothing to collect"):
        it.venue.collect_fees("anyone", 0)


# ------------------------------------------------------------------ random walks


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=60, max_size=90))
def test_walk__any_moves__keep_every_invariant(seeds: list[int]) -> None:
    """I1 to I5, I8 to I10, I12, I13, M26 and M26a after each step; the same moves drive the contracts elsewhere."""
    MOVES.play(SIDE, MOVES.of_all(seeds))
