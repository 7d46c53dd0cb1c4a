"""Attacks around deleveraging: leaving before the charge, and abusing it against healthy positions: T14, T16."""

from __future__ import annotations

from typing import Any

from kana_insurance.kit import COIN, U
from tests.attacks.stage import FULL, FUNDS, NONE, SMALL, Stage

GRACE, LIFE = 600, 3_600
SIZE = 1_000 * COIN


# ------------------------------------------------------------------ T14


def test_t14_exit_before_the_charge__winner_closes_against_a_third_key__pot_keeps_everybody_else_whole(
    stage: Stage,
) -> None:
    loser, winner, third, holder, other_long, other_short = stage.wallets(6)
    stage.credit(1_234_567_891, holder)
    stage.open(other_long, other_short, market=FULL)
    stage.open(loser, winner, market=NONE)
    stage.price(70 * COIN, NONE)
    stage.credit(7_035 * U, third)
    stage.trade(third, winner, SIZE, margins=(7_035 * U, 0), market=NONE)
    # The winner's 40,000 U less fee are more than this market has: 20,000 U and what the third key brought, less fees.
    assert (stage.free(winner), stage.books(NONE).pot) == (26_965 * U, 0)
    assert (stage.position(winner, NONE).size, stage.position(winner, NONE).balance) == (0, 13_000 * U)
    stage.refuse("house: pot exhausted", winner, "release_margin", NONE, 1)
    stage.cash_out(winner)

    reserve = stage.reserve()
    stage.deleverage(loser, [third], NONE)
    shortfalls = [(one["shortfall"], one["socialised"], one["bad_debt"]) for one in stage.events("ShortfallResolved")]
    assert shortfalls == [(20_000 * U, 20_000 * U, 0), (13_000 * U, 0, 13_000 * U)]
    stage.refuse("house: pot exhausted", winner, "release_margin", NONE, 1)
    stage.cash_out(loser, winner, third)
    # The three keys have lost their fees; the claim of 13,000 U is paid by nobody's tokens.
    assert stage.cash_gain(loser, winner, third) == -170 * U
    assert (stage.reserve(), stage.used(NONE)) == (reserve, 0)
    # Every free balance and every other market is whole to the unit.
    stage.cash_out(holder)
    assert stage.tokens(holder) == 1_234_567_891
    stage.trade(other_long, other_short, SIZE, market=FULL)
    stage.cash_out(other_long, other_short)
    assert stage.tokens(other_long) == stage.tokens(other_short) == FUNDS - 100 * U


def test_t14_claim_left_behind__newcomers__are_kept_out_of_a_market_that_owes(stage: Stage) -> None:
    loser, winner, third, long, short = stage.wallets(5)
    stage.open(loser, winner, market=NONE)
    stage.price(70 * COIN, NONE)
    stage.credit(7_035 * U, third)
    stage.trade(third, winner, SIZE, margins=(7_035 * U, 0), market=NONE)
    stage.deleverage(loser, [third], NONE)
    assert stage.position(winner, NONE).balance == 13_000 * U
    # What newcomers bring would be paid out to the claim at once.
    stage.credit(10_000 * U, long, short)
    brought = (5_000 * U, 5_000 * U)
    stage.refuse_trade("house: market has bad debt", short, long, 10 * COIN, margins=brought, market=NONE)
    stage.refuse("house: market has bad debt", long, "add_margin", NONE, U)

    # Repaid in part it frees a part of the claim, repaid in full it opens again.
    stage.call(stage.bank, "repay_bad_debt", NONE, 12_999 * U)
    stage.refuse_trade("house: market has bad debt", short, long, 10 * COIN, margins=brought, market=NONE)
    stage.call(winner, "release_margin", NONE, 12_999 * U)
    stage.refuse("house: pot exhausted", winner, "release_margin", NONE, U)
    stage.call(stage.bank, "repay_bad_debt", NONE, U)
    stage.trade(short, long, 10 * COIN, margins=brought, market=NONE)
    stage.call(winner, "release_margin", NONE, U)
    assert stage.books(NONE).pot == 10_000 * U - 700_000


def test_t14_exit_before_the_charge__others_in_the_market__bear_their_charge_and_nobody_else_anything(
    stage: Stage,
) -> None:
    loser, winner, third, other_long, other_short, holder = stage.wallets(6)
    far_long, far_short = stage.wallets(2)
    stage.credit(555 * U, holder)
    stage.open(far_long, far_short, market=SMALL)
    stage.open(other_long, other_short, funds=60_050 * U, market=NONE)
    stage.open(loser, winner, market=NONE)
    stage.price(70 * COIN, NONE)
    stage.credit(14_035 * U, third)
    stage.trade(third, winner, SIZE, margins=(14_035 * U, 0), market=NONE)
    assert stage.free(winner) == 40_000 * U - 35 * U
    stage.cash_out(winner)
    stage.deleverage(loser, [third], NONE)
    stage.settle_all(NONE)
    charge = 6_666_666_667
    assert stage.gain(other_long, market=NONE) == -50 * U - 30_000 * U - charge
    assert stage.gain(other_short, market=NONE) == -50 * U + 30_000 * U - charge
    assert stage.cash_gain(loser, winner, third) == 2 * charge - 1 - 170 * U
    assert stage.books(NONE).dust == 1
    assert stage.free(holder) == 555 * U
    assert [stage.equity(one, SMALL) for one in (far_long, far_short)] == [10_000 * U] * 2


def test_t14_exit_before_the_charge__liquidation__cover_and_index_in_the_same_transaction(stage: Stage) -> None:
    loser, winner, other_long, other_short = stage.wallets(4)
    stage.open(loser, winner, market=SMALL)
    stage.open(other_long, other_short, funds=30_050 * U, market=SMALL)
    stage.credit(20_000 * U, stage.keeper)
    stage.price(85 * COIN, SMALL)
    assert stage.books(SMALL).loss_index == 0
    receipt = stage.call(stage.keeper, "liquidate", SMALL, loser, SIZE, 20_000 * U)
    (covered,) = [event.args for event in stage.fund.events(receipt) if event.name == "ShortfallCovered"]
    assert (covered["shortfall"], covered["covered"], covered["used"]) == (5_000 * U, 4_000 * U, 4_000 * U)
    (resolved,) = stage.events("ShortfallResolved", receipt)
    # 1,000 U over the 3,000 coins of the others; the size taken over bears nothing.
    assert resolved["loss_index"] == stage.books(SMALL).loss_index == -(-1_000 * U * 10**36 // (3 * SIZE))
    names = [event.name for event in stage.house.events(receipt)]
    assert names.index("ShortfallResolved") < names.index("Liquidated")
    assert stage.pending(winner, SMALL) == stage.pending(other_long, SMALL) == 333_333_334
    assert (stage.pending(stage.keeper, SMALL), stage.equity(stage.keeper, SMALL)) == (0, 20_000 * U)


def test_t14_exit_before_the_charge__named_counterparties__are_charged_before_they_are_closed(stage: Stage) -> None:
    loser, first, second, other_long, other_short = stage.wallets(5)
    stage.credit(FUNDS, loser)
    stage.credit(6_030 * U, first)
    stage.credit(4_020 * U, second)
    stage.trade(first, loser, 600 * COIN, margins=(6_030 * U, 6_030 * U), market=NONE)
    stage.trade(second, loser, 400 * COIN, margins=(4_020 * U, 4_020 * U), market=NONE)
    stage.open(other_long, other_short, funds=30_050 * U, market=NONE)
    stage.price(85 * COIN, NONE)
    stage.deleverage(loser, [first, second], NONE)
    names = [
        (event.name, event.args.get("counterparty", event.args.get("trader")))
        for event in stage.house.events(stage.last)
    ]
    resolved = names.index(("ShortfallResolved", str(loser)))
    for counterparty in (first, second):
        charged = names.index(("ChargeSettled", str(counterparty)))
        assert resolved < charged < names.index(("Deleveraged", str(counterparty)))
    charges = {event["trader"]: event["charge"] for event in stage.events("ChargeSettled")}
    # 5,000 U over 3,000 coins: the index is rounded up, so that 600 coins owe a unit more than 1,000 U.
    assert charges == {str(first): 1_000 * U + 1, str(second): 666_666_667}
    assert (stage.free(first), stage.free(second)) == (15_000 * U - 1_000 * U - 1, 10_000 * U - 666_666_667)


# ------------------------------------------------------------------ T16


def _crash(stage: Stage) -> tuple[Any, ...]:
    """A long of 1,000 coins, 5,000 U under water, against 600 and 400; another pair of 1,000 beside it."""
    loser, large, small, other_long, other_short = stage.wallets(5)
    stage.credit(FUNDS, loser)
    stage.credit(6_030 * U, large)
    stage.credit(4_020 * U, small)
    stage.trade(large, loser, 600 * COIN, margins=(6_030 * U, 6_030 * U), market=SMALL)
    stage.trade(small, loser, 400 * COIN, margins=(4_020 * U, 4_020 * U), market=SMALL)
    stage.open(other_long, other_short, funds=30_050 * U, market=SMALL)
    stage.price(85 * COIN, SMALL)
    return loser, large, small, other_long, other_short


def _names(*accounts: Any) -> list[str]:
    return [str(account) for account in accounts]


def test_t16_deleverage_abuse__too_early_or_too_late__refused_to_the_second(stage: Stage) -> None:
    loser, large, small, other_long, _ = _crash(stage)
    call = (stage.keeper, "deleverage", SMALL, loser, _names(large, small))
    stage.refuse("house: not flagged", *call)
    stage.refuse("house: not insolvent", stage.keeper, "flag", SMALL, other_long)
    stage.refuse("house: not insolvent", stage.keeper, "flag", SMALL, stage.bank)
    stage.call(stage.keeper, "flag", SMALL, loser)
    flagged_at = stage.clock.now
    stage.refuse("house: already flagged", stage.keeper, "flag", SMALL, loser)
    for seconds in (0, 1, GRACE - 1):
        stage.refuse("house: grace running", *call, at=flagged_at + seconds)
    with stage.rehearsal():
        stage.call(*call, at=flagged_at + GRACE)
    stage.travel(LIFE)
    with stage.rehearsal():
        stage.call(*call, at=flagged_at + GRACE + LIFE)
    stage.refuse("house: already flagged", stage.keeper, "flag", SMALL, loser, at=flagged_at + GRACE + LIFE)
    stage.refuse("house: flag lapsed", *call, at=flagged_at + GRACE + LIFE + 1)
    # A lapsed flag can be set anew, and its grace runs anew.
    stage.call(stage.keeper, "flag", SMALL, loser, at=flagged_at + GRACE + LIFE + 1)
    stage.refuse("house: grace running", *call, at=flagged_at + 2 * GRACE + LIFE)


def test_t16_deleverage_abuse__healthy_again__refused_and_the_flag_is_gone(stage: Stage) -> None:
    loser, large, small, _, _ = _crash(stage)
    call = (stage.keeper, "deleverage", SMALL, loser, _names(large, small))
    stage.call(stage.keeper, "flag", SMALL, loser)
    stage.refuse("house: still insolvent", stage.keeper, "unflag", SMALL, loser)
    stage.travel(GRACE)
    stage.price(90 * COIN, SMALL)
    # Equity is exactly 0: nothing is owed, so nobody is closed.
    stage.refuse("house: not insolvent", *call)
    stage.refuse("house: not insolvent", stage.keeper, "flag", SMALL, loser)
    stage.call(stage.keeper, "unflag", SMALL, loser)
    stage.refuse("house: not flagged", stage.keeper, "unflag", SMALL, loser)
    stage.price(85 * COIN, SMALL)
    stage.refuse("house: not flagged", *call)


def test_t16_deleverage_abuse__wrong_counterparties__refused(stage: Stage) -> None:
    loser, large, small, other_long, other_short = _crash(stage)
    stage.call(stage.keeper, "flag", SMALL, loser)
    stage.travel(GRACE)
    for reason, named in (
        ("house: not opposite side", _names(large, other_long)),
        ("house: not opposite side", _names(loser)),
        ("house: not opposite side", _names(stage.bank)),
        ("house: not opposite side", _names(large, small, other_long)),
        ("house: duplicate counterparty", _names(large, large)),
        ("house: duplicate counterparty", _names(small, large, small)),
        ("house: too many counterparties", _names(large, small, other_short)),
        ("house: too many counterparties", _names(other_short, small)),
        ("house: not the whole size", _names(large)),
        ("house: not the whole size", []),
    ):
        stage.refuse(reason, stage.keeper, "deleverage", SMALL, loser, named)


def test_t16_deleverage_abuse__counterparties__are_closed_at_mark_and_lose_their_charge_and_at_most_a_unit(
    stage: Stage,
) -> None:
    first, its_counterparty = stage.wallets(2)
    stage.open(first, its_counterparty, market=SMALL)
    loser, large, small, other_long, other_short = _crash(stage)
    # An earlier loss takes what the fund had for this market, and leaves 0.2 U a coin to be charged at the next touch.
    stage.deleverage(first, [its_counterparty], SMALL)
    assert stage.used(SMALL) == 4_000 * U
    # A mark that leaves fractions of a unit everywhere.
    stage.price(84_999_999_870_000_000_000, SMALL)
    named = (other_short, small)
    stage.trade(other_long, other_short, 13 * COIN + 7, market=SMALL)
    before = {account: stage.equity(account, SMALL) + stage.free(account) for account in (large, *named)}
    earlier = {account: stage.pending(account, SMALL) for account in (large, *named)}
    assert earlier == {large: 120 * U, other_short: 0, small: 80 * U}
    assert stage.position(other_short, SMALL).size == -(SIZE - 13 * COIN - 7)
    stage.deleverage(loser, named, SMALL)
    charges: dict[str, int] = {}
    for event in stage.events("ChargeSettled"):
        charges[event["trader"]] = charges.get(event["trader"], 0) + event["charge"]
    for account in named:
        after = stage.equity(account, SMALL) + stage.free(account)
        charge = charges[str(account)] - earlier[account]
        assert charge > 0
        assert 0 <= before[account] - charge - after <= 1
    assert before[large] - stage.equity(large, SMALL) == stage.pending(large, SMALL) - earlier[large] > 0
    assert all(event["mark"] == 84_999_999_870_000_000_000 for event in stage.events("Deleveraged"))
    assert [event["size"] for event in stage.events("Deleveraged")] == [SIZE - 13 * COIN - 7, 13 * COIN + 7]


def test_t16_deleverage_abuse__100_small_counterparties__closed_in_two_calls(stage: Stage) -> None:
    loser, other_long, other_short = stage.wallets(3)
    shorts = stage.wallets(100)
    stage.credit(FUNDS, loser)
    with stage.together():
        stage.credit(100_500_000, *shorts)
        for short in shorts:
            stage.trade(short, loser, 10 * COIN, margins=(100_500_000, 100_500_000), market=SMALL)
    stage.open(other_long, other_short, funds=30_050 * U, market=SMALL)
    stage.price(85 * COIN, SMALL)
    stage.call(stage.keeper, "flag", SMALL, loser)
    flagged_at = stage.clock.now
    stage.travel(GRACE)
    call = (stage.keeper, "deleverage", SMALL, loser)
    stage.refuse("house: not the whole size", *call, _names(*shorts[:63]))
    stage.refuse("house: duplicate counterparty", *call, _names(*shorts[:63], shorts[0]))
    stage.refuse("house: not opposite side", *call, _names(*shorts[:63], other_long))

    # 640 of 1,000 coins with 3,200 of 5,000 U: the fund pays it all, nobody is charged, the rest stays flagged.
    stage.call(*call, _names(*shorts[:64]), gas=15_000_000)
    position = stage.position(loser, SMALL)
    assert (position.size, position.flagged_at) == (360 * COIN, flagged_at)
    assert (stage.equity(loser, SMALL), stage.used(SMALL)) == (-1_800 * U, 3_200 * U)
    assert [stage.free(short) for short in shorts[:64]] == [250 * U] * 64
    assert stage.books(SMALL).loss_index == 0
    # The other 360 with 1,800 U, of which the fund has 800 left: 1,000 U over 360 and 2,000 coins.
    stage.call(*call, _names(*shorts[64:]), gas=15_000_000)
    assert (stage.position(loser, SMALL).size, stage.position(loser, SMALL).balance) == (0, 0)
    assert stage.used(SMALL) == 4_000 * U
    charge = 4_237_289
    assert [stage.free(short) for short in shorts[64:]] == [250 * U - charge] * 36
    assert stage.pending(other_long, SMALL) == stage.pending(other_short, SMALL) == 423_728_814
    assert stage.position(loser, SMALL).flagged_at == 0
