"""Attacks on and edges of the socialised loss, figures to the unit: T50 to T54."""

from __future__ import annotations

import pytest

from kana_insurance.kit import COIN, U
from tests.attacks.stage import FUNDS, NONE, SMALL, WIDE, Stage

SIZE = 1_000 * COIN
INDEX = 10**36


def _up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def _lose(stage: Stage, loss: int) -> None:
    """Socialise ``loss`` U: a long of 100 coins at 100 U is deleveraged at 85 U, then the mark is 100 U again.

    Its counterparty of 100 coins is named, so that both are gone; it bears its part.
    """
    loser, winner = stage.wallets(2)
    stage.open(loser, winner, 100, funds=((1_505 - loss) * U, 10_000 * U), market=NONE)
    stage.price(85 * COIN, NONE)
    assert stage.equity(loser, NONE) == -loss * U
    stage.deleverage(loser, [winner], NONE)
    stage.price(100 * COIN, NONE)


# ------------------------------------------------------------------ T50


@pytest.mark.parametrize("way", ["deleverage", "a keeper", "the counterparty itself"])
@pytest.mark.parametrize(("size", "margin"), [(SIZE, FUNDS), (SIZE // 3 + 1, 3_351 * U)], ids=["whole", "fractions"])
def test_t50_only_other_position_is_the_counterparty__bears_it_all_whoever_acts(
    stage: Stage, way: str, size: int, margin: int
) -> None:
    loser, winner = stage.wallets(2)
    stage.credit(margin, loser, winner)
    stage.credit(20_000 * U, stage.keeper)
    stage.trade(winner, loser, size, margins=(margin, margin), market=NONE)
    stage.price(85 * COIN, NONE)
    shortfall, before = -stage.equity(loser, NONE), stage.equity(winner, NONE)
    if way == "deleverage":
        stage.deleverage(loser, [winner], NONE)
    elif way == "a keeper":
        stage.call(stage.keeper, "liquidate", NONE, loser, size, 20_000 * U)
    else:
        stage.call(winner, "liquidate", NONE, loser, size)
    (resolved,) = stage.events("ShortfallResolved")
    parts = ("shortfall", "covered", "socialised", "bad_debt")
    assert [resolved[part] for part in parts] == [shortfall, 0, shortfall, 0]
    # Rounded up twice, in the index and in the charge: at most a unit above the loss, which stays as dust.
    charge = _up(size * _up(shortfall * INDEX, size), INDEX)
    assert charge == (5_000 * U if size == SIZE else 1_665_666_669)
    assert charge - shortfall == (0 if size == SIZE else 1)
    stage.settle_all(NONE)
    books = stage.books(NONE)
    assert books.dust + books.dust_fees == charge - shortfall
    after = stage.free(winner) + stage.equity(winner, NONE)
    # Two halves of a unit that were rounded down apart make one when the sides meet at mark; never less.
    assert after - (before - charge) == (0 if size == SIZE or way == "a keeper" else 1)
    assert stage.gain(stage.keeper, market=NONE) == 0
    assert (stage.free(loser), stage.position(loser, NONE).balance, stage.used(NONE)) == (0, 0, 0)


# ------------------------------------------------------------------ T51


def test_t51_one_wei_of_base__pays_a_unit_at_most_a_touch_and_takes_nothing(stage: Stage) -> None:
    holder, short = stage.wallets(2)
    stage.open(holder, short, funds=(FUNDS, 200_000 * U), market=NONE)
    stage.credit(50_000 * U, stage.keeper)
    stage.price(90_250_000_000_000_000_000, NONE)
    stage.call(stage.keeper, "liquidate", NONE, holder, SIZE - 1, 40_000 * U)
    position = stage.position(holder, NONE)
    # One wei is left, with the unit of the 250 U that rounding left there: as sound a position as any.
    assert (position.size, stage.equity(holder, NONE)) == (1, 1)
    stage.refuse("house: not liquidatable", stage.keeper, "liquidate", NONE, holder, 1)
    stage.price(100 * COIN, NONE)
    others = 2 * SIZE
    assert stage.books(NONE).open_interest == others
    # Two losses of 100 U while it isn't touched: one unit for both, where its share is 10^-13 of a unit.
    _lose(stage, 100)
    _lose(stage, 100)
    index = stage.books(NONE).loss_index
    assert index == 2 * _up(100 * U * INDEX, others + 100 * COIN)
    assert stage.pending(holder, NONE) == 1
    stage.call(stage.keeper, "settle", NONE, str(holder))
    assert (stage.equity(holder, NONE), stage.pending(holder, NONE)) == (0, 0)
    # Touched after each loss it pays a unit each: then it is insolvent by one, an ordinary shortfall.
    _lose(stage, 100)
    stage.call(stage.keeper, "settle", NONE, str(holder))
    assert stage.equity(holder, NONE) == -1
    stage.call(stage.keeper, "liquidate", NONE, holder, 1)
    (resolved,) = stage.events("ShortfallResolved")
    assert (resolved["shortfall"], resolved["socialised"]) == (1, 1)
    assert stage.gain(holder, market=NONE) + stage.gain(short, market=NONE) < 0
    stage.settle_all(NONE)
    # All that is charged is at least what was lost.
    assert 0 <= stage.books(NONE).dust <= stage.model.roundings[NONE]


# ------------------------------------------------------------------ T52


@pytest.mark.parametrize("loss", [100 * U, 7, 1, 99_999_999])
def test_t52_index_precision__1e28_wei_of_base_a_side__charges_exceed_the_loss_by_a_unit_each_at_most(
    stage: Stage, loss: int
) -> None:
    huge_long, huge_short, loser, winner = stage.wallets(4)
    huge, small = 10**28, 10**24
    # 10^10 coins at 0.01 U: 100,000,000 U of notional, 50,000 U of fee.
    stage.credit(100_050_000 * U, huge_long, huge_short)
    stage.trade(huge_short, huge_long, huge, margins=(100_050_000 * U, 100_050_000 * U), market=WIDE)
    # 1,000,000 coins, 10,000 U, fee 5 U; at 0.0089 U the long has lost 1,100 U.
    margin = 1_105 * U - loss
    stage.credit(margin, loser)
    stage.credit(5_000 * U, winner)
    stage.trade(winner, loser, small, margins=(5_000 * U, margin), market=WIDE)
    stage.price(8_900_000_000_000_000, WIDE)
    assert stage.equity(loser, WIDE) == -loss
    stage.deleverage(loser, [winner], WIDE)
    others = 2 * huge + small
    assert stage.books(WIDE).loss_index == _up(loss * INDEX, others)
    charge = _up(huge * loss, others)
    assert stage.pending(huge_long, WIDE) == stage.pending(huge_short, WIDE) == charge
    stage.settle_all(WIDE)
    small_charge = _up(small * loss, others)
    assert stage.books(WIDE).dust == 2 * charge + small_charge - loss
    assert 0 <= stage.books(WIDE).dust <= 3
    assert stage.free(winner) == 5_000 * U - 5 * U + 1_100 * U - small_charge


# ------------------------------------------------------------------ T53


def test_t53_snapshot__increase_flip_partial_close_reopen__each_size_pays_for_its_own_time(stage: Stage) -> None:
    grows, flips, shrinks, leaves, new = stage.wallets(5)
    makers = stage.wallets(4)
    stage.credit(100_000 * U, new, *makers)
    for account, maker in zip((grows, flips, shrinks, leaves), makers, strict=True):
        stage.credit(100_000 * U, account)
        stage.trade(maker, account, 100 * COIN, margins=(20_000 * U, 20_000 * U), market=NONE)
    # 90 U over 800 coins and the 100 of the winner: 0.1 U a coin.
    _lose(stage, 90)
    charge = 10 * U
    assert {stage.pending(one, NONE) for one in (grows, flips, shrinks, leaves, *makers)} == {charge}
    steps = ((grows, 200), (flips, -250), (shrinks, -40), (leaves, -100))
    for (account, coins), maker in zip(steps, makers, strict=True):
        stage.trade(maker, account, coins * COIN, market=NONE)
        charged = [(event["trader"], event["charge"]) for event in stage.events("ChargeSettled")]
        # Both sides pay for the size they had, before anything else happens to it, and once.
        assert charged == [(str(maker), charge), (str(account), charge)]
        assert stage.pending(account, NONE) == stage.pending(maker, NONE) == 0
    sizes = [stage.position(one, NONE).size for one in (grows, flips, shrinks, leaves)]
    assert sizes == [300 * COIN, -150 * COIN, 60 * COIN, 0]
    stage.trade(makers[0], leaves, 50 * COIN, margins=(0, 10_000 * U), market=NONE)
    stage.trade(makers[0], new, 50 * COIN, margins=(0, 10_000 * U), market=NONE)
    assert stage.events("ChargeSettled") == []
    assert stage.pending(leaves, NONE) == stage.pending(new, NONE) == 0
    # 132 U over 1,220 coins and 100: again 0.1 U a coin, now for the sizes of now.
    assert stage.books(NONE).open_interest == 1_220 * COIN
    _lose(stage, 132)
    pending = [stage.pending(one, NONE) for one in (grows, flips, shrinks, leaves, new)]
    assert pending == [30 * U, 15 * U, 6 * U, 5 * U, 5 * U]
    stage.settle_all(NONE)
    assert stage.books(NONE).dust == 0


# ------------------------------------------------------------------ T54


def test_t54_charge_above_the_equity_of_the_charged__an_ordinary_shortfall_in_its_turn(stage: Stage) -> None:
    loser, winner, thin, other = stage.wallets(4)
    stage.open(loser, winner, market=SMALL)
    stage.open(thin, other, 100, funds=(1_605 * U, 3_005 * U), market=SMALL)
    stage.credit(50_000 * U, stage.keeper)
    # 6,400 U lost beyond the margin, of which the fund has 4,000 U: 2,400 U over 1,200 coins.
    stage.price(83_600_000_000_000_000_000, SMALL)
    assert stage.equity(loser, SMALL) == -6_400 * U
    stage.deleverage(loser, [winner], SMALL)
    assert stage.free(winner) == 26_400 * U - 2_000 * U
    assert stage.equity(thin, SMALL) == -40 * U - 200 * U
    assert stage.pending(thin, SMALL) == 200 * U
    # The fund has nothing left for this market, and the counterparty is all there is.
    stage.call(stage.keeper, "liquidate", SMALL, thin, 100 * COIN, 20_000 * U)
    (charged,) = [event for event in stage.events("ChargeSettled") if event["trader"] == str(thin)]
    (resolved,) = stage.events("ShortfallResolved")
    assert charged["charge"] == 200 * U
    assert (resolved["shortfall"], resolved["covered"], resolved["socialised"]) == (240 * U, 0, 240 * U)
    assert stage.pending(other, SMALL) == 200 * U + 240 * U
    assert stage.gain(thin, market=SMALL) == -1_605 * U
    assert stage.gain(stage.keeper, market=SMALL) == 0


def test_t54_charge_above_the_equity_of_the_charged__flat_and_below_zero__resolved_in_the_same_call(
    stage: Stage,
) -> None:
    loser, taken, rich, payer = stage.wallets(4)
    stage.credit(10_050 * U, loser)
    stage.credit(5_025 * U, taken, rich)
    for short in (taken, rich):
        stage.trade(short, loser, 500 * COIN, margins=(5_025 * U, 5_025 * U), market=NONE)
    stage.price(70 * COIN, NONE)
    # One winner releases all that initial margin leaves him: 3,500 U stay against a charge of 10,000 U.
    stage.call(taken, "release_margin", NONE, 16_500 * U)
    stage.deleverage(loser, [taken, rich], NONE)
    shortfalls = [
        (event["trader"], event["shortfall"], event["socialised"], event["bad_debt"])
        for event in stage.events("ShortfallResolved")
    ]
    assert shortfalls == [(str(loser), 20_000 * U, 20_000 * U, 0), (str(taken), 6_500 * U, 0, 6_500 * U)]
    # The other is paid what the pot holds; the rest is a claim against the recorded bad debt.
    position = stage.position(rich, NONE)
    assert (position.size, position.balance, stage.free(rich)) == (0, 6_500 * U, 3_500 * U)
    assert (stage.books(NONE).pot, stage.books(NONE).open_interest) == (0, 0)
    assert (stage.position(taken, NONE).balance, stage.free(taken)) == (0, 16_500 * U)
    stage.refuse("house: pot exhausted", rich, "release_margin", NONE, 1)
    # Whoever repays it, repays the claim.
    stage.asset.faucet(6_500 * U, sender=payer)
    stage.token.mint(payer, 6_500 * U)
    stage.asset.approve(stage.house.address, 6_500 * U, sender=payer)
    stage.refuse("fund: above bad debt", payer, "repay_bad_debt", NONE, 6_500 * U + 1)
    stage.call(payer, "repay_bad_debt", NONE, 6_500 * U)
    stage.call(rich, "release_margin", NONE, 6_500 * U)
    assert (stage.free(rich), int(stage.fund.total_bad_debt())) == (10_000 * U, 0)
