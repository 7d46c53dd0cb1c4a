"""Socialised losses in the model, against figures worked out by hand: M29's example, T50 to T54, T33."""

from __future__ import annotations

from kana_insurance.model import invariants as inv
from tests.model.worlds import COIN, MARGIN, U, World, gap, pair, world


def short_by_a_hundred(it: World, longs: int, shorts: int) -> None:
    """A bankrupt short of 3 coins, 100 units below zero, among others: ``longs`` and ``shorts`` in wei of base."""
    it.fund_trader("long", "short", "bankrupt", "liquidator", amount=10**20)
    it.fill("long", "short", shorts, 100, 10**19)
    it.venue.add_margin("bankrupt", 0, 30 * U)
    it.fill("long", "bankrupt", longs - shorts, 100)
    it.feed.push(110_000_033_333_333_333_333)  # 3 coins are worth 330,000,099.99… units, short -330,000,100
    assert it.equity("bankrupt") == -100


def test_m29__example__64_and_37_and_dust_1() -> None:
    it = world(limit=0, taker_fee_bps=0, maker_fee_bps=0)
    short_by_a_hundred(it, 7 * COIN, 4 * COIN)
    it.venue.liquidate("liquidator", 0, "bankrupt", 3 * COIN, 10**9)
    assert it.venue.loss_index[0] == 9_090_909_090_909_090_910
    assert (it.venue.pending_charge(0, "long"), it.venue.pending_charge(0, "short")) == (64, 37)
    assert it.venue.pending_charge(0, "liquidator") == 0  # the size about to be taken over bears nothing
    it.check()
    it.venue.settle("keeper", 0, "long")
    it.venue.settle("keeper", 0, "short")
    assert it.venue.dust[0] == 1
    it.check()


def test_t50__only_the_counterparty__bears_it_all() -> None:
    it = world(limit=0, taker_fee_bps=0, maker_fee_bps=0)
    pair(it)
    it.fund_trader("liquidator", amount=10_000 * U)
    gap(it, 85)  # long: 10,050 - 15,000
    it.venue.liquidate("liquidator", 0, "long", 1_000 * COIN, 10_000 * U)
    assert it.venue.pending_charge(0, "short") == 4_950 * U
    assert it.equity("short") == 10_050 * U + 15_000 * U - 4_950 * U
    assert it.equity("liquidator") == 10_000 * U
    it.check()


def test_t51__one_wei_of_base__pays_one_unit() -> None:
    it = world(limit=0, taker_fee_bps=0, maker_fee_bps=0)
    pair(it)
    it.fund_trader("liquidator", amount=50_000 * U)
    gap(it, 94)
    it.venue.liquidate("liquidator", 0, "long", 1_000 * COIN - 1, 40_000 * U)
    assert it.venue.size[0, "long"] == 1
    it.fund_trader("second", "other", amount=MARGIN)
    it.fill("second", "other", 1_000 * COIN, 94, MARGIN)
    gap(it, 80)  # second: 10,050 - 14,000 = -3,950
    it.venue.liquidate("liquidator", 0, "second", 1_000 * COIN)
    assert it.venue.pending_charge(0, "long") == 1
    it.check()


def test_t52__index_at_1e28_wei_of_base__exact_to_the_unit() -> None:
    it = world(limit=0, taker_fee_bps=0, maker_fee_bps=0)
    short_by_a_hundred(it, 10**28, 10**28 - 3 * COIN)
    it.venue.liquidate("liquidator", 0, "bankrupt", 3 * COIN, 10**9)
    # 100 * 10**36 / (2 * 10**28 - 3 * 10**18) = 5,000,000,000.75; charges 50.00000001 and 49.999999995
    assert it.venue.loss_index[0] == 5_000_000_001
    assert (it.venue.pending_charge(0, "long"), it.venue.pending_charge(0, "short")) == (51, 50)
    it.check()


def test_t53__snapshot__increase_flip_partial_close_reopen() -> None:
    it = world(taker_fee_bps=0, maker_fee_bps=0)
    it.fund_trader("trader", "other", amount=10**6 * U)
    two_a_coin = 2 * COIN  # the index step that charges 2 units a coin

    def charged_by(size: int, expected: int, margin: int = 10_000 * U) -> None:
        it.venue.loss_index[0] += two_a_coin
        it.venue.log.clear()
        it.fill("trader", "other", size, 100, margin)
        assert [e["charge"] for e in it.venue.log.named("ChargeSettled") if e["trader"] == "trader"] == (
            [expected] if expected else []
        )

    charged_by(10 * COIN, 0)  # opens: what came before is not its own
    charged_by(5 * COIN, 20)  # increase: charged for 10
    charged_by(-25 * COIN, 30)  # flip: for 15
    charged_by(4 * COIN, 20)  # partial close: for 10
    charged_by(6 * COIN, 12)  # closes: for 6
    charged_by(10 * COIN, 0)  # reopens
    it.venue.settle("keeper", 0, "trader")
    assert it.venue.balance[0, "trader"] == 10_000 * U - 1_000 * U


def test_t54__charge_above_the_equity__is_a_shortfall_in_its_turn() -> None:
    it = world(limit=4_000 * U, taker_fee_bps=0, maker_fee_bps=0)
    pair(it)
    it.fund_trader("second", "other", amount=MARGIN)
    it.fill("second", "other", 1_000 * COIN, 100, MARGIN)
    it.fund_trader("liquidator", amount=60_000 * U)
    it.fund_trader("second", amount=4_950 * U)
    it.venue.add_margin("second", 0, 4_950 * U)
    gap(it, 85)  # long -4,950, second 0: 950 are left to three positions of 1,000
    it.venue.liquidate("liquidator", 0, "long", 1_000 * COIN, 30_000 * U)
    assert it.equity("second") == -316_666_667
    it.venue.liquidate("liquidator", 0, "second", 1_000 * COIN)
    resolved = it.venue.log.named("ShortfallResolved")[-1]
    assert (resolved["shortfall"], resolved["covered"], resolved["socialised"]) == (316_666_667, 0, 316_666_667)
    it.check()


def test_isolated__fund_of_10__pays_10_and_nothing_else_moves() -> None:
    """T33 at the fund: another market's shortfall doesn't touch an isolated fund (M17, I8)."""
    it, other = world(limit=50_000 * U, reserve=10 * U), world()
    before = other.fund.state()
    pair(it)
    it.fund_trader("liquidator", amount=10_000 * U)
    gap(it, 89)  # 10,000 - 11,000
    it.venue.liquidate("liquidator", 0, "long", 1_000 * COIN, 10_000 * U)
    resolved = it.venue.log.named("ShortfallResolved")[-1]
    assert (resolved["covered"], resolved["socialised"]) == (10 * U, 990 * U)
    inv.i8_isolated_untouched(before, other.fund.state())
    it.check()
