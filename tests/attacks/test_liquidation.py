"""Attacks on and by liquidation: slicing, the edge of insolvency, blocked payments, bad fills: T07, T08, T10 to T13."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.kit import COIN, Actors, U, deploy_kit
from tests.attacks.stage import FULL, FUNDS, MARKETS, NONE, SMALL, Stage

STEP = 90_250_000_000_000_000_000  # 100 U after two falls of 5 %
SIZE = 1_000 * COIN


def _insolvent_or_not(stage: Stage, price: int) -> tuple[Any, Any]:
    """A pair of 1,000 coins at 100 U, 10,000 U of margin a side, at another mark; the keeper has the margin to act."""
    long, short = stage.wallets(2)
    stage.open(long, short)
    stage.credit(50_000 * U, stage.keeper)
    stage.price(price)
    return long, short


# ------------------------------------------------------------------ T07


def test_t07_slicing__1000_pieces__reward_at_most_the_one_shot_reward_and_fund_loses_at_most_a_unit_a_slice(
    stage: Stage,
) -> None:
    long, _ = _insolvent_or_not(stage, 90_251_234_570_000_000_000)
    assert stage.equity(long) == 251_234_570
    with stage.rehearsal():
        before, free = stage.reserve(), stage.free(stage.keeper) - 40_000 * U
        stage.call(stage.keeper, "liquidate", FULL, long, SIZE, 40_000 * U)
        reward, slice_ = stage.free(stage.keeper) - free, stage.reserve() - before
    assert (reward, slice_) == (75_370_371, 50_246_914)

    before, free = stage.reserve(), stage.free(stage.keeper) - 40_000 * U
    with stage.together():
        for number in range(1_000):
            stage.call(stage.keeper, "liquidate", FULL, long, COIN, 0 if number else 40_000 * U, gas=300_000)
    position = stage.position(long)
    assert (position.size, position.balance) == (0, 0)
    # Each piece takes floor(251,234,570 / 1,000) of the collateral or a unit more, and rounds its shares down.
    assert 75_370 * 1_000 <= stage.free(stage.keeper) - free <= reward
    assert slice_ - 1_000 <= stage.reserve() - before <= slice_
    assert stage.free(stage.keeper) - free + stage.reserve() - before + stage.free(long) == 251_234_570


def test_t07_slicing__piece_below_the_least_notional__refused(stage: Stage) -> None:
    long, _ = _insolvent_or_not(stage, STEP)
    # 10 U at 90.25 U a coin.
    least = -(-10 * U * 10**30 // STEP)
    for size in (1, COIN // 10, least - 1):
        stage.refuse("house: piece too small", stage.keeper, "liquidate", FULL, long, size, 40_000 * U)
    stage.refuse("house: zero size", stage.keeper, "liquidate", FULL, long, 0, 40_000 * U)
    stage.call(stage.keeper, "liquidate", FULL, long, least, 40_000 * U)
    # The rest goes as a whole, whatever more is asked for; what rounding leaves of the collateral goes with it.
    stage.call(stage.keeper, "liquidate", FULL, long, SIZE)
    assert (stage.position(long).size, stage.equity(long)) == (0, 0)


def test_t07_slicing__insolvent_position__whole_only(stage: Stage) -> None:
    long, _ = _insolvent_or_not(stage, 85 * COIN)
    for size in (COIN, 999 * COIN, SIZE - 1):
        stage.refuse("house: insolvent, whole only", stage.keeper, "liquidate", FULL, long, size, 40_000 * U)
    batch = [(long, SIZE // 2), (long, SIZE // 2)]
    stage.refuse("house: insolvent, whole only", stage.keeper, "liquidate_batch", FULL, batch, 40_000 * U)
    stage.call(stage.keeper, "liquidate", FULL, long, SIZE, 40_000 * U)
    assert (stage.used(), stage.free(stage.keeper)) == (5_000 * U, 10_000 * U)


# ------------------------------------------------------------------ T08


@pytest.mark.parametrize(
    ("funds", "price", "equity"),
    [(FUNDS, 90 * COIN, 0), (FUNDS + 9, 90 * COIN - 10**10, -1), (FUNDS + 1, 90 * COIN, 1)],
)
def test_t08_equity_at_the_edge__one_unit_either_side__reward_0_and_cover_the_shortfall(
    stage: Stage, funds: int, price: int, equity: int
) -> None:
    long, short = stage.wallets(2)
    stage.open(long, short, funds=(funds, FUNDS))
    stage.credit(20_000 * U, stage.keeper)
    stage.price(price)
    assert stage.equity(long) == equity
    reserve = stage.reserve()
    stage.call(stage.keeper, "liquidate", FULL, long, SIZE, 20_000 * U)
    (event,) = stage.events("Liquidated")
    parts = ("collateral", "to_liquidator", "to_fund", "to_trader")
    assert [event[part] for part in parts] == [max(equity, 0), 0, 0, max(equity, 0)]
    assert (stage.free(stage.keeper), stage.gain(stage.keeper)) == (0, 0)
    shortfalls = [(one["shortfall"], one["covered"]) for one in stage.events("ShortfallResolved")]
    assert shortfalls == ([(1, 1)] if equity < 0 else [])
    assert (reserve - stage.reserve(), stage.used()) == (max(-equity, 0),) * 2
    position = stage.position(long)
    assert (position.size, position.balance, stage.free(long)) == (0, 0, max(equity, 0))


# ------------------------------------------------------------------ T10


@pytest.fixture
def hostile_stage(backend: Any, actors: Actors) -> Stage:
    """A system whose asset knows a blacklist, and whose fund has 10 U."""
    asset = backend.deploy("QuirkyToken", 6, sender=actors.deployer)
    stage = Stage(deploy_kit(backend, actors, asset=asset.address, markets=MARKETS), backend, "QuirkyToken")
    stage.contribute(10 * U)
    return stage


def test_t10_liquidation_made_to_revert__blacklist_hostile_wallet_many_positions_short_fund__it_succeeds(
    hostile_stage: Stage,
) -> None:
    stage = hostile_stage
    owner, short, late = stage.wallets(3)
    wallet = stage.node.deploy("Wallet1271", str(owner), sender=owner)
    stage.signers[wallet.address] = owner
    stage.credit(3 * FUNDS, wallet.address)
    stage.credit(3 * FUNDS, short)
    for market in (FULL, SMALL, NONE):
        stage.trade(short, wallet.address, SIZE, margins=(FUNDS, FUNDS), market=market)
    stage.credit(100_000 * U, stage.keeper, late)
    # From now on the trader answers nothing, and neither side may receive tokens.
    wallet.set_mode(3, sender=owner)
    for account in (wallet.address, str(stage.keeper), str(late), str(short)):
        stage.asset.set_blacklisted(account, True, sender=owner)

    stage.price(STEP, FULL)
    stage.call(stage.keeper, "liquidate", FULL, wallet.address, SIZE, 20_000 * U)
    assert (stage.free(wallet.address), stage.free(stage.keeper)) == (125 * U, 80_075 * U)
    assert stage.reserve() == 60 * U
    stage.price(85 * COIN, SMALL)
    stage.call(stage.keeper, "liquidate", SMALL, wallet.address, SIZE, 20_000 * U)
    (resolved,) = stage.events("ShortfallResolved")
    assert (resolved["covered"], resolved["socialised"]) == (60 * U, 4_940 * U)
    stage.price(85 * COIN, NONE)
    stage.deleverage(wallet.address, [short], NONE)
    assert (stage.reserve(), stage.position(short, NONE).size) == (0, 0)
    # Its last position is gone and so is the fund; a batch of the same kind still goes through.
    stage.trade(stage.keeper, late, COIN, margins=(0, 10_000 * U), market=FULL)
    stage.price(85 * COIN, FULL)
    stage.call(stage.keeper, "liquidate_batch", FULL, [(wallet.address, SIZE), (str(short), SIZE)])
    assert [event["trader"] for event in stage.events("LiquidationSkipped")] == [wallet.address, str(short)]
    stage.check()
    # Who is let in again has what he was credited.
    stage.asset.set_blacklisted(str(stage.keeper), False, sender=owner)
    credited = stage.free(stage.keeper)
    stage.cash_out(stage.keeper)
    assert stage.tokens(stage.keeper) == credited


# ------------------------------------------------------------------ T11


def test_t11_flip_and_increase_at_maintenance_margin__initial_margin_is_asked(stage: Stage) -> None:
    long, short = stage.wallets(2)
    stage.open(long, short)
    stage.price(96 * COIN)
    # 6,000 U: above maintenance (4,800 U), below initial margin (9,600 U). Larger or on the other side is growth.
    assert stage.equity(long) == 6_000 * U
    for coins in (1, 500, -1_620, -2_000, -2_500):
        stage.refuse_trade("house: below initial margin", short, long, coins * COIN)
    stage.refuse_trade("house: below initial margin", short, long, -2_000 * COIN + 1)
    for coins in (-1, -500, -1_000, -1_500):
        with stage.rehearsal():
            stage.trade(short, long, coins * COIN)
            assert stage.position(long).size == (1_000 + coins) * COIN
    # Brought margin makes the same trade a sound one.
    stage.credit(4_000 * U, long)
    stage.trade(short, long, -2_000 * COIN, margins=(0, 4_000 * U))
    assert stage.equity(long) == 10_000 * U - 96 * U


def test_t11_flip_and_increase_at_maintenance_margin__by_taking_over__initial_margin_is_asked(stage: Stage) -> None:
    long, short = _insolvent_or_not(stage, STEP)
    for margin in (0, 9_024 * U, 9_025 * U - 1):
        stage.refuse("house: liquidator below margin", stage.keeper, "liquidate", FULL, long, SIZE, margin)
    # The counterparty's short against it is closed by the same size: nothing grows, nothing is asked.
    with stage.rehearsal():
        stage.call(short, "liquidate", FULL, long, SIZE)
    stage.call(stage.keeper, "liquidate", FULL, long, SIZE, 9_025 * U)
    assert stage.equity(stage.keeper) == 9_025 * U


# ------------------------------------------------------------------ T12


def test_t12_off_market_fill_into_bad_debt__outside_the_band__refused(stage: Stage) -> None:
    long, own = stage.wallets(2)
    stage.open(long, own)
    for price in (COIN, 97 * COIN - 1, 103 * COIN + 1, 200 * COIN, 10**30):
        stage.refuse_trade("house: outside fill band", own, long, -SIZE, price)
    for price in (97 * COIN, 103 * COIN):
        with stage.rehearsal():
            stage.trade(own, long, -SIZE, price)


def test_t12_off_market_fill_into_bad_debt__no_user_action__ends_below_zero(stage: Stage) -> None:
    long, own = stage.wallets(2)
    stage.open(long, own)
    stage.credit(1_000 * U, own)
    stage.price(91 * COIN)
    assert stage.equity(long) == 1_000 * U
    edge = 88_270 * COIN // 1_000
    # 2.73 U a coin against 1 U a coin.
    for size in (SIZE, 999 * COIN, 400 * COIN):
        stage.refuse_trade("house: negative equity", own, long, -size, edge)
    stage.refuse_trade("house: below initial margin", own, long, COIN, 93_730 * COIN // 1_000)
    stage.refuse("house: below initial margin", long, "release_margin", FULL, 1)
    stage.refuse("house: free balance too low", long, "withdraw", 1)
    # A fee that the rest can't pay: the trade fails, it doesn't leave a debt.
    stage.price(90_040 * COIN // 1_000)
    assert stage.equity(long) == 40 * U
    stage.refuse_trade("house: negative equity", own, long, -SIZE)
    stage.refuse("house: above claim", stage.bank, "release_margin", FULL, 1)
    stage.refuse("house: free balance too low", own, "withdraw", 1_000 * U + 1)
    # Whoever is insolvent already can only be resolved: no trade, no release, and added margin doesn't help it out.
    stage.price(85 * COIN)
    for size in (SIZE, COIN):
        stage.refuse_trade("house: negative equity", own, long, -size)
    assert stage.equity(long) == -5_000 * U


# ------------------------------------------------------------------ T13


def test_t13_base_size_desync__partial_dust_batch_and_deleveraging__sizes_always_sum_to_0(stage: Stage) -> None:
    wallets = stage.wallets(8)
    a, b, c, d, e, f, g, h = wallets

    def balanced() -> None:
        sizes = [int(stage.position(wallet, SMALL).size) for wallet in (*wallets, stage.keeper)]
        assert sum(sizes) == 0
        assert sum(map(abs, sizes)) == int(stage.books(SMALL).open_interest)

    def trade(maker: Any, taker: Any, size: int, funds: int) -> None:
        stage.credit(funds, maker, taker)
        stage.trade(maker, taker, size, margins=(funds, funds), market=SMALL)
        balanced()

    trade(b, a, SIZE + 1, 10_100 * U)
    trade(d, c, SIZE - 1, 10_100 * U)
    trade(f, e, 3 * COIN + 7, 31 * U)
    trade(h, g, 500 * COIN + 333, 40_000 * U)
    stage.credit(200_000 * U, stage.keeper)
    stage.price(STEP, SMALL)
    # In part, then by a piece that leaves one wei of base.
    for size, margin in ((COIN // 3, 50_000 * U), (SIZE - COIN // 3, 0)):
        stage.call(stage.keeper, "liquidate", SMALL, a, size, margin)
        balanced()
    assert stage.position(a, SMALL).size == 1
    # A batch that names one trader twice, one that is sound, and one more than there is.
    batch = [(c, 7 * COIN + 1), (g, SIZE), (c, SIZE), (c, SIZE)]
    stage.call(stage.keeper, "liquidate_batch", SMALL, batch)
    balanced()
    assert stage.position(c, SMALL).size == 0
    assert len(stage.events("LiquidationSkipped")) == 2
    # Insolvent: closed against two, the second of them in part.
    stage.price(70 * COIN, SMALL)
    assert stage.equity(e, SMALL) < 0
    trade(b, h, COIN + 1, 100 * U)
    stage.deleverage(e, [f], SMALL)
    balanced()
    stage.price(50 * COIN, SMALL)
    stage.price(15 * COIN, SMALL)
    assert stage.equity(g, SMALL) < 0
    stage.deleverage(g, [h, d], SMALL)
    balanced()
    assert [stage.position(one, SMALL).size for one in (e, f, g, h)] == [0, 0, 0, 0]
    assert stage.position(d, SMALL).size == -(SIZE - 1) + COIN + 1
