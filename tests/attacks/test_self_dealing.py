"""One owner of many keys against the fund: T01 to T06, T09, T15. What he may gain, to the unit."""

from __future__ import annotations

import pytest

from kana_insurance.kit import COIN, U
from tests.attacks.stage import CAPPED, FULL, FUNDS, NONE, SMALL, Stage

BLOCK_GAS = 30_000_000
FEES = 100 * U  # of a pair that opens 1,000 coins at 100 U


# ------------------------------------------------------------------ T01


@pytest.mark.parametrize(
    ("market", "bystanders", "paid", "gain"),
    [
        pytest.param(FULL, False, 5_000 * U, 4_900 * U, id="limit 50000"),
        pytest.param(SMALL, False, 4_000 * U, 3_900 * U, id="limit 4000, alone"),
        pytest.param(SMALL, True, 4_000 * U, 4_566_666_666, id="limit 4000, another pair"),
        pytest.param(NONE, False, 0, -100 * U, id="no limit, alone"),
    ],
)
def test_t01_two_keys_one_gap__deleveraged_and_withdrawn__gains_at_most_the_limit_left(
    stage: Stage, market: int, bystanders: bool, paid: int, gain: int
) -> None:
    long, short, other_long, other_short = stage.wallets(4)
    stage.open(long, short, market=market)
    if bystanders:
        stage.open(other_long, other_short, funds=30_050 * U, market=market)
    before = stage.reserve()
    stage.price(85 * COIN, market)
    assert (stage.equity(long, market), stage.equity(short, market)) == (-5_000 * U, 25_000 * U)
    stage.deleverage(long, [short], market)
    stage.cash_out(long, short)

    assert (before - stage.reserve(), stage.used(market)) == (paid, paid)
    assert stage.tokens(long) + stage.tokens(short) - 2 * FUNDS == gain
    assert gain <= paid + 1_000 * U * bystanders
    assert (stage.free(long), stage.free(short), stage.equity(short, market)) == (0, 0, 0)
    stage.settle_all(market)
    if bystanders:
        assert stage.gain(other_long, market=market) == -50 * U - 15_000 * U - 333_333_334
        assert stage.gain(other_short, market=market) == -50 * U + 15_000 * U - 333_333_334
        assert stage.books(market).dust == 2
    else:
        assert stage.books(market).dust == 0


def test_t01_two_keys_one_gap__steps_of_5_percent_with_the_reserve_at_the_cap__pair_loses_175(stage: Stage) -> None:
    long, short = stage.wallets(2)
    stage.contribute(500_000 * U)
    stage.open(long, short)
    stage.credit(100_000 * U, stage.keeper)
    stage.price(95 * COIN)
    stage.refuse("house: not liquidatable", stage.keeper, "liquidate", FULL, long, 1_000 * COIN, 20_000 * U)
    stage.price(90_250_000_000_000_000_000)
    assert stage.equity(long) == 250 * U
    stage.call(stage.keeper, "liquidate", FULL, long, 1_000 * COIN, 20_000 * U)

    (event,) = stage.events("Liquidated")
    parts = ("collateral", "to_liquidator", "to_fund", "to_trader")
    assert [event[part] for part in parts] == [250 * U, 75 * U, 0, 175 * U]
    assert (stage.gain(long, short), stage.gain(stage.keeper)) == (-175 * U, 75 * U)
    assert (stage.used(), stage.reserve()) == (0, 1_000_000 * U)
    # Closed against the keeper at mark, each pays 45.125 U of fees, and nothing else changes hands.
    stage.trade(short, stage.keeper, -1_000 * COIN)
    stage.cash_out(long, short)
    assert stage.tokens(long) + stage.tokens(short) - 2 * FUNDS == -220_125_000


# ------------------------------------------------------------------ T02


@pytest.mark.parametrize(("pairs", "paid"), [(1, 5_000 * U), (16, 50_000 * U), (64, 50_000 * U)])
def test_t02_many_pairs__one_liquidation_a_block_or_a_batch__fund_pays_within_the_limit(
    stage: Stage, pairs: int, paid: int
) -> None:
    longs, shorts = stage.wallets(pairs), stage.wallets(pairs)
    stage.credit(2_000_000 * U, stage.keeper)
    with stage.together():
        for long, short in zip(longs, shorts, strict=True):
            stage.open(long, short)
    before = stage.reserve()
    stage.price(85 * COIN)
    # What the longs are charged for one another's losses adds to their shortfalls: the fund's limit holds all the same.
    entries = [(long, 1_000 * COIN) for long in longs]
    with stage.rehearsal():
        blocks = set()
        for number, entry in enumerate(entries):
            margin = 0 if number else 1_500_000 * U
            blocks.add(stage.call(stage.keeper, "liquidate", FULL, *entry, margin).block_number)
        assert len(blocks) == pairs
        assert (before - stage.reserve(), stage.used()) == (paid, paid)
        singly = stage.model.state()
        stage.check()
    receipt = stage.call(stage.keeper, "liquidate_batch", FULL, entries, 1_500_000 * U, gas=BLOCK_GAS)
    assert receipt.gas_used <= BLOCK_GAS
    assert (before - stage.reserve(), stage.used()) == (paid, paid)
    assert stage.model.state() == singly
    shortfalls = stage.events("ShortfallResolved")
    assert len(shortfalls) == pairs
    assert sum(event["covered"] for event in shortfalls) == paid
    for event in shortfalls:
        assert event["covered"] + event["socialised"] + event["bad_debt"] == event["shortfall"]
    # All keys together have no more than the limit and what the keeper, who holds size, was charged, less their fees.
    keeper = stage.gain(stage.keeper)
    assert stage.gain(*longs, *shorts) <= paid - keeper - pairs * FEES


# ------------------------------------------------------------------ T03


def test_t03_withdraw_margin_then_be_liquidated__profit_released__initial_margin_stays(stage: Stage) -> None:
    whale, short = stage.wallets(2)
    stage.open(whale, short, funds=(FUNDS, 30_050 * U))
    stage.credit(100_000 * U, stage.keeper)
    stage.price(120 * COIN)
    assert stage.equity(whale) == 30_000 * U
    for amount in (30_000 * U, 25_500 * U, 18_000 * U + 1):
        stage.refuse("house: below initial margin", whale, "release_margin", FULL, amount)
    stage.call(whale, "release_margin", FULL, 18_000 * U)
    assert stage.equity(whale) == 12_000 * U
    stage.refuse("house: below initial margin", whale, "release_margin", FULL, 1)
    stage.cash_out(whale)

    before = stage.reserve()
    stage.price(114 * COIN)
    stage.refuse("house: not liquidatable", stage.keeper, "liquidate", FULL, whale, 1_000 * COIN, 50_000 * U)
    stage.price(113 * COIN)
    stage.refuse("house: below initial margin", whale, "release_margin", FULL, 1)
    stage.call(stage.keeper, "liquidate", FULL, whale, 1_000 * COIN, 50_000 * U)
    (event,) = stage.events("Liquidated")
    assert (event["collateral"], event["to_fund"]) == (5_000 * U, 1_000 * U)
    assert (stage.reserve() - before, stage.used()) == (1_000 * U, 0)
    assert stage.gain(whale) == 18_000 * U + 2_500 * U - FUNDS


# ------------------------------------------------------------------ T04


def test_t04_relevered_profit_over_100_wallets__caps_reached__fund_pays_exactly_the_limit(stage: Stage) -> None:
    longs, shorts = stage.wallets(50), stage.wallets(50)
    with stage.together():
        for long, short in zip(longs, shorts, strict=True):
            stage.open(long, short, coins=40, funds=(402 * U, 1_202 * U), market=CAPPED)
    assert stage.books(CAPPED).open_interest == 4_000 * COIN
    fresh, other = stage.wallets(2)
    stage.credit(50_000 * U, fresh, other)
    margins = (5_000 * U, 5_000 * U)
    stage.refuse_trade("house: above open interest cap", fresh, other, COIN, 0, margins, CAPPED)

    # The pump: the profit of the longs is withdrawn as far as initial margin allows, and finds no place to go.
    stage.price(110 * COIN, CAPPED)
    with stage.together():
        for long in longs:
            stage.call(long, "release_margin", CAPPED, 360 * U)
    stage.refuse("house: below initial margin", longs[0], "release_margin", CAPPED, 1)
    for taker in (longs[0], fresh):
        stage.refuse_trade("house: above open interest cap", other, taker, COIN, 0, (5_000 * U, 0), CAPPED)
    # A buyer of what another long sells doesn't raise open interest, but may not hold more than one account may.
    stage.refuse_trade("house: above position cap", longs[1], longs[0], COIN, 0, (0, 360 * U), CAPPED)

    stage.price(80 * COIN, CAPPED)
    assert stage.equity(longs[0], CAPPED) == -760 * U
    before, elsewhere = stage.reserve(), stage.free(fresh)
    with stage.together():
        for long in longs:
            stage.call(stage.keeper, "flag", CAPPED, long)
    stage.travel(600)
    with stage.together():
        for long, short in zip(longs, shorts, strict=True):
            stage.call(stage.keeper, "deleverage", CAPPED, long, [str(short)])
    assert (before - stage.reserve(), stage.used(CAPPED)) == (4_000 * U, 4_000 * U)
    assert (stage.books(CAPPED).open_interest, stage.free(fresh)) == (0, elsewhere)
    # 100 wallets together take home the limit less the fees of 4,000 coins. What more the winners are owed is bad debt.
    assert stage.cash_gain(*longs, *shorts) == 4_000 * U - 200 * U
    claims = sum(stage.equity(short, CAPPED) for short in shorts)
    books = stage.books(CAPPED)
    assert (books.pot, claims + books.dust) == (0, int(stage.fund.bad_debt(stage.house.address, CAPPED)))


# ------------------------------------------------------------------ T05


@pytest.mark.parametrize(("market", "covered"), [(FULL, 20_000 * U), (SMALL, 4_000 * U), (NONE, 0)])
def test_t05_profit_paid_before_the_loss_exists__winner_leaves_first__fund_is_not_touched(
    stage: Stage, market: int, covered: int
) -> None:
    loser, winner = stage.wallets(2)
    bystander, other_long, other_short = stage.wallets(3)
    stage.credit(777 * U, bystander)
    elsewhere = SMALL if market == FULL else FULL
    stage.open(other_long, other_short, market=elsewhere)
    stage.open(loser, winner, market=market)
    held, reserve = stage.tokens(stage.fund), stage.reserve()
    stage.price(70 * COIN, market)
    assert stage.equity(winner, market) == 40_000 * U
    # 33,000 U are above initial margin, the losers of this market have brought 20,000 U: that is what there is.
    stage.refuse("house: pot exhausted", winner, "release_margin", market, 33_000 * U)
    stage.refuse("house: pot exhausted", winner, "release_margin", market, 20_000 * U + 1)
    stage.call(winner, "release_margin", market, 20_000 * U)
    stage.cash_out(winner)
    assert (stage.tokens(stage.fund), stage.reserve(), stage.used(market)) == (held, reserve, 0)
    stage.refuse("house: pot exhausted", winner, "release_margin", market, 1)

    # What the fund pays, it pays for the loss, when the loss is there, within the limit.
    stage.deleverage(loser, [winner], market)
    stage.cash_out(winner, bystander)
    assert (held - stage.tokens(stage.fund), reserve - stage.reserve(), stage.used(market)) == (covered,) * 3
    assert stage.tokens(winner) == 20_000 * U + covered
    assert stage.tokens(bystander) == 777 * U
    assert stage.equity(other_long, elsewhere) + stage.equity(other_short, elsewhere) == 20_000 * U


# ------------------------------------------------------------------ T06


def test_t06_liquidator_is_the_second_key__any_caller__fund_gets_the_same_part(stage: Stage) -> None:
    long, short, third = stage.wallets(3)
    stage.open(long, short)
    stage.credit(20_000 * U, third, stage.keeper)
    stage.price(90_250_000_000_000_000_000)
    before, parts, gains = stage.reserve(), [], []
    for liquidator, margin in ((stage.keeper, 20_000 * U), (third, 20_000 * U), (short, 0)):
        with stage.rehearsal():
            stage.call(liquidator, "liquidate", FULL, long, 1_000 * COIN, margin)
            parts.append(stage.reserve() - before)
            gains.append(stage.gain(long, short, *([third] if liquidator == third else [])))
            stage.check()
    assert parts == [50 * U] * 3
    # A stranger earns the reward; to an own key it only comes back: the fund's part and the fees are gone all the same.
    assert gains == [-FEES - 50 * U - 75 * U, -FEES - 50 * U, -FEES - 50 * U]


# ------------------------------------------------------------------ T09


@pytest.mark.parametrize("donation", [1, 199_999_999, 200 * U, 200 * U + 1, 2_000 * U, 10_000 * U])
def test_t09_donation_sniping__trader_fills_the_room_first__never_gains(stage: Stage, donation: int) -> None:
    long, short = stage.wallets(2)
    stage.contribute(499_800 * U)
    assert stage.room() == 200 * U
    stage.open(long, short, coins=40_000, funds=402_000 * U)
    stage.credit(500_000 * U, stage.keeper)
    stage.price(90_250_000_000_000_000_000)
    assert stage.equity(long) == 10_000 * U
    call = (stage.keeper, "liquidate", FULL, long, 40_000 * COIN, 500_000 * U)
    with stage.rehearsal():
        stage.call(*call)
        assert (stage.free(long), stage.room()) == (6_800 * U, 0)

    stage.contribute(donation)
    stage.call(*call)
    assert stage.free(long) == 7_000 * U - max(200 * U - donation, 0)
    net = stage.free(long) - donation - 6_800 * U
    assert net == min(donation, 200 * U) - donation <= 0
    (event,) = stage.events("Liquidated")
    assert (event["to_liquidator"], event["to_fund"]) == (3_000 * U, max(200 * U - donation, 0))


# ------------------------------------------------------------------ T15


def test_t15_strip_equity__fill_far_off_the_mark_to_the_own_key__outside_the_band(stage: Stage) -> None:
    long, own = stage.wallets(2)
    stage.open(long, own)
    stage.price(92 * COIN)
    for price in (82_800 * COIN // 1_000, 101_200 * COIN // 1_000, 89_240 * COIN // 1_000 - 1):
        stage.refuse_trade("house: outside fill band", own, long, -100 * COIN, price)
    assert stage.equity(long) == 2_000 * U


def test_t15_strip_equity__inside_the_band_below_maintenance__equity_per_size_may_not_fall(stage: Stage) -> None:
    long, own = stage.wallets(2)
    stage.open(long, own)
    # 2,000 U on 1,000 coins: 2 U a coin. A sale at 3 % below the mark takes 2.76 U a coin and the fee.
    stage.price(92 * COIN)
    edge = 89_240 * COIN // 1_000
    for coins in (1, 100, 500):
        stage.refuse_trade("house: below maintenance", own, long, -coins * COIN, edge)
    stage.refuse_trade("house: negative equity", own, long, -1_000 * COIN, edge)
    # At the mark less 1.9 U it takes less a coin than it stands for, the fee of 0.045 U included: what stays is safer.
    stage.trade(own, long, -500 * COIN, 90_100 * COIN // 1_000)
    assert stage.equity(long) == 2_000 * U - 950 * U - 22_525_000
    assert stage.equity(long) * 1_000 >= 2_000 * U * 500
    stage.refuse_trade("house: below maintenance", own, long, -100 * COIN, edge)
