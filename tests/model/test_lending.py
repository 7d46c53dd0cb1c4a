"""The lending pool's model against figures worked by hand: losses, liquidations, stops, interest (M15, M32, M33)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.model import DAY, HOUR, Refused
from kana_insurance.model import lending_invariants as held
from kana_insurance.model.lending_interest import RAY, YEAR, Rates, grown, rate_of, yearly_rate
from tests.model.lending_world import COIN, FREE, YEARLY, U, World, world

BPS = 10_000


def refused(reason: str) -> pytest.RaisesExc[Refused]:
    """The call in the block is refused for that reason."""
    return pytest.RaisesExc(Refused, check=lambda error: error.reason == reason)


def bankrupt(it: World, loss: int = 100 * U, number: int = 0) -> None:
    """Liquidate a loan of 300 U against 4 coins that are worth so much less than it."""
    it.owe("borrower", 4 * COIN, 300 * U, number)
    # The liquidator repays r + 1 % of it; 4 coins at price p are worth 1.05 r.
    repaid = (300 * U - loss) * BPS // 10_100
    price = repaid * 10_500 * COIN // (BPS * 4 * U)
    it.gap(price, number)
    it.liquidate("borrower", number=number)


# ---------------------------------------------------------------------- who bears a loss (M33)


@pytest.mark.parametrize(("reserve", "part"), [(0, 90), (60 * U, 96)])
def test_loss__of_a_tenth__every_lender_keeps_the_same(reserve: int, part: int) -> None:
    it = world(reserve=reserve)
    stakes = {"one": 500 * U, "two": 300 * U, "three": 199 * U, "small": U}
    for lender, amount in stakes.items():
        it.lend(amount, lender)
    bankrupt(it)
    (resolved,) = it.pool.log.named("LoanResolved")
    # The price that leaves exactly 100 U is between two; it leaves a unit or two less.
    assert 100 * U - 2 <= resolved["shortfall"] <= 100 * U + 2
    assert resolved["covered"] == reserve
    assert resolved["lenders_loss"] == resolved["shortfall"] - reserve
    for lender, amount in stakes.items():
        assert abs(it.claim(lender) - amount * part // 100) <= 1
    it.check()


@pytest.mark.parametrize("first", [0, 1, 2])
def test_loss__whoever_leaves_first__loses_the_same_share(first: int) -> None:
    it = world()
    lenders = ["one", "two", "three"]
    it.lend(333_333_333, *lenders)
    bankrupt(it)
    loss = it.pool.log.named("LoanResolved")[0]["lenders_loss"]
    fair = (3 * 333_333_333 - loss) // 3
    for lender in lenders[first:] + lenders[:first]:
        paid = it.pool.redeem(lender, it.pool.shares_of(lender), lender, lender)
        assert abs(paid - fair) <= 1
        it.check()
    assert it.pool.total_shares == 0


def test_loss__lender_who_comes_after__bears_nothing() -> None:
    it = world()
    it.lend(1_000 * U, "early")
    bankrupt(it)
    it.lend(1_000 * U, "late")
    assert 1_000 * U - 1 <= it.claim("late") <= 1_000 * U
    assert abs(it.claim("early") - 900 * U) <= 1


def test_loss__many_lenders_of_one_unit__dust_is_less_than_a_unit_each() -> None:
    it = world()
    lenders = [f"lender {number}" for number in range(300)]
    it.lend(1, *lenders)
    it.lend(1_000 * U, "large")
    bankrupt(it)
    assert [it.claim(lender) for lender in lenders] == [0] * 300  # nine tenths of a unit each
    it.check()
    it.lend(1, *lenders)
    assert {it.claim(lender) for lender in lenders} == {1}  # and 1.9 with another
    it.check()


def test_loss__no_lenders__is_bad_debt_that_fees_repay() -> None:
    """The fund's part of the interest, which waits in the cash, lets the last lender leave before the last borrower."""
    it = world(rates=Rates(30_000, 0, 0, 8_000, 5_000))
    it.lend(1_000 * U, "lender")
    it.owe("borrower", 14 * COIN, 1_000 * U)
    it.wait(YEAR)
    it.token.mint("borrower", 10**12)
    it.pool.repay("borrower", 0, it.debt("borrower") - 400 * U)
    it.pool.redeem("lender", it.pool.shares_of("lender"), "lender", "lender")
    assert it.pool.total_shares == 0
    it.check()
    it.gap(COIN)
    it.liquidate("borrower")
    (resolved,) = it.pool.log.named("LoanResolved")
    assert resolved["bad_debt"] == resolved["shortfall"] > 380 * U
    assert it.fund.bad_debt("pool", 0) == it.pool.bad_debt == resolved["bad_debt"]
    it.check()
    it.token.mint("friend", 10**12)
    with refused("fund: above bad debt"):
        it.pool.repay_bad_debt("friend", it.pool.bad_debt + 1)
    it.pool.repay_bad_debt("friend", 80 * U)
    owed, fees, cash = it.pool.bad_debt, it.pool.fees, it.pool.cash
    paid = it.pool.collect_fees("keeper")
    assert it.pool.log.named("FeesCollected") == [{"paid": paid, "repaid": owed}]
    assert paid == min(fees, cash) > owed
    assert it.pool.cash == cash - paid + owed  # what repays bad debt stays
    assert it.fund.reserve == paid - owed
    assert it.fund.total_bad_debt == it.pool.bad_debt == 0
    it.check()


def test_loss__more_than_is_the_lenders__rest_is_bad_debt() -> None:
    it = world(rates=Rates(30_000, 0, 0, 8_000, 5_000))
    it.lend(1_000 * U, "lender")
    it.owe("borrower", 14 * COIN, 1_000 * U)
    it.wait(YEAR)
    fees = it.pool.books().fees
    assert fees > 9_000 * U  # half of what has grown to 20,000 U; no cash pays it
    it.gap(COIN // 100)
    it.liquidate("borrower")
    (resolved,) = it.pool.log.named("LoanResolved")
    left = it.pool.cash
    assert it.pool.total_assets() == 0
    assert resolved["bad_debt"] == fees - left
    assert resolved["lenders_loss"] == resolved["shortfall"] - resolved["bad_debt"]
    assert it.pool.deposits_closed()
    assert it.pool.max_deposit() == it.pool.max_mint() == 0
    with refused("pool: deposits closed"):
        it.lend(U, "late")
    it.check()


def test_loss__window_of_the_fund__bounds_the_cover() -> None:
    it = world(reserve=1_000 * U)
    it.fund.window_cap = 30 * U
    it.lend(1_000 * U, "lender")
    bankrupt(it)
    assert it.pool.log.named("LoanResolved")[0]["covered"] == 30 * U
    it.check()


def test_loss__payouts_paused__waits() -> None:
    it = world(reserve=1_000 * U)
    it.lend(1_000 * U, "lender")
    it.fund.pause_payouts("guardian", DAY)
    with refused("fund: payouts paused"):
        bankrupt(it)
    it.wait(DAY)
    it.liquidate("borrower")
    assert it.claim("lender") >= 1_000 * U - 1


# ---------------------------------------------------------------------- liquidation (M32)


def test_liquidate__worked_example() -> None:
    it = world()
    it.lend(10_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 700 * U)
    it.gap(87_500_000_000_000_000_000)
    with refused("pool: loan is healthy"):  # 700 is exactly 80 % of 875
        it.liquidate("borrower")
    it.gap(87_499_999_999_999_999_999)
    with refused("pool: own loan"):
        it.pool.liquidate("borrower", 0, "borrower", U)
    it.gap(80 * COIN)
    cash = it.pool.cash
    repaid, seized = it.liquidate("borrower")
    # Half of 700; 350 * 1.05 / 80 coins; a fifth of the premium of 17.5 to the fund.
    assert (repaid, seized) == (350 * U, 4_593_750_000_000_000_000)
    assert it.pool.log.named("Liquidated")[0]["to_fund"] == it.pool.fees == 3_500_000
    assert it.pool.cash == cash + 353_500_000
    assert it.collaterals[0].balances["liquidator"] == seized
    assert it.debt("borrower") == 350 * U
    assert it.claim("lender") == 10_000 * U  # the premium's part is the fund's
    it.check()


def test_liquidate__insolvent__whole_only_and_the_funds_part_repays_first() -> None:
    it = world(reserve=1_000 * U)
    it.lend(10_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 700 * U)
    it.gap(63 * COIN)  # 630 repays 600
    with refused("pool: insolvent, whole only"):
        it.liquidate("borrower", 600 * U - 1)
    repaid, seized = it.liquidate("borrower", 600 * U)
    assert (repaid, seized) == (606 * U, 10 * COIN)
    assert it.pool.fees == 0
    (resolved,) = it.pool.log.named("LoanResolved")
    assert (resolved["shortfall"], resolved["covered"]) == (94 * U, 94 * U)
    it.check()


def test_liquidate__insolvent_by_less_than_the_funds_part__no_shortfall() -> None:
    it = world()
    it.lend(10_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 700 * U)
    it.gap(73 * COIN)  # 730 repays 695.24, and 1 % more is the fund's part
    repaid, _ = it.liquidate("borrower")
    assert repaid == 700 * U
    assert it.pool.fees == 695_238_096 + 6_952_380 - 700 * U
    assert not it.pool.log.named("LoanResolved")
    assert it.debt("borrower") == 0
    it.check()


def test_liquidate__half_would_leave_dust__goes_whole() -> None:
    it = world(min_debt=400 * U)
    it.lend(10_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 700 * U)
    it.gap(80 * COIN)
    with refused("pool: dust loan"):
        it.liquidate("borrower", 301 * U)
    assert it.liquidate("borrower", 300 * U)[0] == 300 * U
    assert it.debt("borrower") == 400 * U
    with refused("pool: dust loan"):
        it.liquidate("borrower", 1)
    it.check()


def test_liquidate__least_seized__protects_the_liquidator() -> None:
    it = world()
    it.lend(10_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 700 * U)
    it.gap(80 * COIN)
    it.token.mint("liquidator", 10**12)
    with refused("pool: too little seized"):
        it.pool.liquidate("liquidator", 0, "borrower", 350 * U, 4_593_750_000_000_000_001)
    it.pool.liquidate("liquidator", 0, "borrower", 350 * U, 4_593_750_000_000_000_000)


def test_liquidate__other_collateral_without_a_price__goes_on() -> None:
    it = world()
    it.lend(10_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 700 * U)
    it.owe("borrower", 10 * COIN, 700 * U, 1)
    it.clock.advance(2 * HOUR)
    it.gap(80 * COIN)
    it.liquidate("borrower")
    with refused("feed: stale price"):
        it.liquidate("borrower", number=1)
    it.token.mint("borrower", 10**12)
    it.pool.repay("borrower", 1, 700 * U)
    it.pool.withdraw_collateral("borrower", 1, 10 * COIN)
    it.check()


# ---------------------------------------------------------------------- flag and stop (M33)


def stopped(it: World) -> None:
    """Two lenders and an insolvent loan, flagged."""
    it.lend(1_000 * U, "lender", "second")
    it.owe("borrower", 10 * COIN, 700 * U)
    it.gap(60 * COIN)
    it.pool.flag("keeper", 0, "borrower")


def test_flag__insolvent__stops_withdrawals_for_an_hour() -> None:
    it = world()
    stopped(it)
    assert it.pool.max_withdraw("lender") == it.pool.max_redeem("lender") == 0
    with refused("pool: withdrawals stopped"):
        it.pool.withdraw("lender", 1, "lender", "lender")
    with refused("pool: withdrawals stopped"):
        it.pool.redeem("lender", 1, "lender", "lender")
    it.wait(HOUR - 1)
    with refused("pool: already stopped"):
        it.pool.flag("keeper", 0, "borrower")
    it.lend(U, "late")  # deposits go on
    it.wait(1)
    it.pool.withdraw("lender", 100 * U, "lender", "lender")
    with refused("pool: stopped too recently"):
        it.pool.flag("keeper", 0, "borrower")
    it.wait(23 * HOUR - 1)
    with refused("pool: stopped too recently"):
        it.pool.flag("keeper", 0, "borrower")
    it.wait(1)
    it.pool.flag("keeper", 0, "borrower")
    assert it.pool.withdrawals_stopped()


def test_flag__what_is_not_insolvent__refused() -> None:
    it = world()
    it.lend(1_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 700 * U)
    with refused("pool: loan is solvent"):
        it.pool.flag("keeper", 0, "lender")  # owes nothing
    it.gap(74 * COIN)  # to be liquidated, and solvent: 740 repay 704.76
    with refused("pool: loan is solvent"):
        it.pool.flag("keeper", 0, "borrower")
    with refused("lending: unknown collateral"):
        it.pool.flag("keeper", 7, "borrower")


def test_flag__resolved__ends_the_stop() -> None:
    it = world()
    stopped(it)
    it.liquidate("borrower")
    assert not it.pool.withdrawals_stopped()
    it.pool.withdraw("lender", 100 * U, "lender", "lender")
    it.check()


def test_flag__second_loan_within_the_hour__until_its_end() -> None:
    it = world()
    it.lend(1_000 * U, "lender")
    it.owe("other", 10 * COIN, 200 * U, 1)
    it.owe("borrower", 10 * COIN, 700 * U)
    it.gap(60 * COIN)
    it.pool.flag("keeper", 0, "borrower")
    until = it.pool.stop_until
    it.wait(HOUR // 2)
    it.gap(10 * COIN, 1)
    with refused("pool: already stopped"):
        it.pool.flag("keeper", 1, "other")
    it.liquidate("borrower")
    it.pool.flag("keeper", 1, "other")
    assert it.pool.stop_until == until
    it.wait(HOUR // 2)
    assert not it.pool.withdrawals_stopped()
    it.check()


def test_unflag__solvent_again__ends_the_stop_and_its_hour_stays() -> None:
    it = world()
    stopped(it)
    with refused("pool: not flagged"):
        it.pool.unflag("anyone", 1, "borrower")
    with refused("pool: loan is insolvent"):
        it.pool.unflag("anyone", 0, "borrower")
    it.post("borrower", 10 * COIN)
    it.pool.unflag("anyone", 0, "borrower")
    assert not it.pool.withdrawals_stopped()
    it.gap(20 * COIN)
    it.pool.flag("keeper", 0, "borrower")
    assert it.pool.stop_until == it.clock.now + HOUR
    it.token.mint("borrower", 10**12)
    it.pool.repay("borrower", 0, 10**12)
    assert it.pool.flagged is None


def test_borrow__healthy_again__is_flagged_no_longer() -> None:
    it = world()
    stopped(it)
    it.post("borrower", 90 * COIN)
    it.pool.borrow("borrower", 0, U)
    assert it.pool.flagged is None


# ---------------------------------------------------------------------- borrowers


def test_borrow__factor_caps_dust_cash__each_refused() -> None:
    it = world(min_debt=10 * U, collateral_cap=20 * COIN, borrow_cap=800 * U)
    it.lend(900 * U, "lender")
    it.post("borrower", 10 * COIN)
    for amount, reason in ((10 * U - 1, "pool: dust loan"), (751 * U, "pool: too little collateral")):
        with refused(reason):
            it.pool.borrow("borrower", 0, amount)
    it.pool.borrow("borrower", 0, 750 * U)  # exactly 75 % of 1,000
    with refused("pool: too little collateral"):
        it.pool.borrow("borrower", 0, 1)
    it.post("other", 10 * COIN)
    with refused("pool: above borrow cap"):
        it.pool.borrow("other", 0, 51 * U)
    with refused("pool: above collateral cap"):
        it.post("third", 1)
    it.post("borrower", COIN)  # to save a loan is not capped
    with refused("pool: above collateral cap"):
        it.pool.borrow("other", 0, 20 * U)
    it.post("other", 10 * COIN, 1)
    with refused("pool: not enough cash"):
        it.pool.borrow("other", 1, 151 * U)
    it.pool.borrow("other", 1, 150 * U)
    with refused("pool: not enough cash"):
        it.pool.withdraw("lender", 1, "lender", "lender")
    it.check()


def test_repay__more_than_owed__takes_the_debt() -> None:
    it = world(min_debt=10 * U)
    it.lend(900 * U, "lender")
    it.owe("borrower", 10 * COIN, 100 * U)
    it.token.mint("friend", 10**12)
    with refused("pool: dust loan"):
        it.pool.repay("friend", 0, 90 * U + 1, "borrower")
    assert it.pool.repay("friend", 0, 90 * U, "borrower") == 90 * U
    assert it.pool.repay("friend", 0, 10**12, "borrower") == 10 * U
    with refused("pool: no debt"):
        it.pool.repay("friend", 0, 1, "borrower")
    with refused("pool: collateral too low"):
        it.pool.withdraw_collateral("borrower", 0, 10 * COIN + 1)
    it.pool.withdraw_collateral("borrower", 0, 10 * COIN)
    assert it.collaterals[0].balances["borrower"] == 10 * COIN
    it.check()


def test_pause__borrowing__leaves_what_lessens_risk() -> None:
    it = world()
    it.lend(1_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 100 * U)
    it.owe("clean", 10 * COIN, U)
    it.pool.repay("clean", 0, U)
    it.registry.pause_borrowing("guardian", 7 * DAY)
    with refused("pool: borrowing paused"):
        it.pool.borrow("borrower", 0, U)
    with refused("pool: borrowing paused"):
        it.pool.withdraw_collateral("borrower", 0, 1)
    it.pool.withdraw_collateral("clean", 0, 10 * COIN)
    it.post("borrower", COIN)
    it.pool.repay("borrower", 0, U)
    it.pool.withdraw("lender", U, "lender", "lender")
    it.lend(U, "lender")
    it.gap(COIN)
    it.pool.flag("keeper", 0, "borrower")
    it.liquidate("borrower")
    with refused("lending: paused too recently"):
        it.registry.pause_borrowing("guardian", 1)
    it.wait(7 * DAY)
    assert not it.registry.quote(0).paused
    it.check()


# ---------------------------------------------------------------------- lenders


def test_deposit__supply_cap__to_the_unit() -> None:
    it = world(supply_cap=1_000 * U)
    it.lend(400 * U, "lender")
    assert it.pool.max_deposit() == 600 * U
    with refused("pool: above supply cap"):
        it.lend(600 * U + 1, "lender")
    it.lend(it.pool.max_deposit(), "lender")
    assert it.pool.max_deposit() == it.pool.max_mint() == 0
    it.check()


def test_deposit__donation__changes_nothing() -> None:
    it = world()
    it.lend(1, "attacker")
    it.token.mint("pool", 10**6 * U)
    it.lend(U, "victim")
    assert it.claim("victim") == U
    assert it.pool.total_assets() == U + 1


def test_withdraw__by_another__uses_up_his_allowance() -> None:
    it = world()
    it.lend(1_000 * U, "lender")
    with refused("erc20: insufficient allowance"):
        it.pool.redeem("spender", 1, "spender", "lender")
    it.pool.approve("lender", "spender", 10**12)
    assert it.pool.redeem("spender", 10**12 - 1, "receiver", "lender") == U - 1
    with refused("erc20: insufficient allowance"):
        it.pool.redeem("spender", 2, "spender", "lender")
    assert it.token.balances["receiver"] == U - 1


# ---------------------------------------------------------------------- interest (M32)


def test_rate__below_at_and_above_the_kink() -> None:
    rates = Rates(100, 400, 7_500, 8_000, 1_000)
    assert yearly_rate(rates, 0) == RAY // 100
    assert yearly_rate(rates, RAY * 4 // 10) == RAY * 3 // 100
    assert yearly_rate(rates, RAY * 8 // 10) == RAY * 5 // 100
    assert yearly_rate(rates, RAY * 9 // 10) == RAY * 5 // 100 + RAY * 375 // 1_000
    assert yearly_rate(rates, RAY) == RAY * 80 // 100
    assert rate_of(rates, 0, 0) == rate_of(rates, 5, 0) == RAY // 100 // YEAR
    assert rate_of(rates, 200, 800) == RAY * 5 // 100 // YEAR


def test_interest__a_year_untouched__compounds_every_second() -> None:
    it = world(rates=YEARLY)
    it.lend(1_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 500 * U)
    it.wait(YEAR)
    # e**0.1 = 1.105170918, less half a billionth for compounding by the second.
    assert it.debt("borrower") == 552_585_459
    assert it.pool.books().fees == 5_258_545
    assert it.pool.total_assets() == 1_000 * U + 52_585_458 - 5_258_545
    it.check()
    it.pool.accrue("anyone")
    assert it.debt("borrower") == 552_585_459
    it.check()


def test_interest__left_alone_for_ever__blocks_nothing() -> None:
    it = world(rates=Rates(30_000, 0, 0, 8_000, 5_000))
    it.lend(1_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 500 * U)
    it.wait(100 * YEAR)
    assert it.pool.books().index == grown(RAY, it.pool.rate, 8 * YEAR)
    it.pool.accrue("anyone")
    it.wait(100 * YEAR)
    it.pool.accrue("anyone")
    assert it.pool.index == 2**128 - 1
    it.check()


def test_rates__set__past_is_charged_at_the_old_ones() -> None:
    it, other = world(rates=YEARLY), world(rates=YEARLY)
    for one in (it, other):
        one.lend(1_000 * U, "lender")
        one.owe("borrower", 10 * COIN, 500 * U)
        one.wait(100 * DAY)
    other.pool.accrue("anyone")
    it.registry.set_rates("governance", FREE)
    assert it.pool.books() != other.pool.books()
    assert (it.pool.index, it.pool.fees) == (other.pool.index, other.pool.fees)
    it.wait(100 * DAY)
    assert it.pool.books().fees == other.pool.fees
    assert it.debt("borrower") < other.debt("borrower") + 1
    it.check()


def test_fees__collected_as_far_as_there_is_cash() -> None:
    it = world(rates=YEARLY, threshold=3 * U)
    it.lend(500 * U, "lender")
    it.owe("borrower", 10 * COIN, 500 * U)
    with refused("pool: nothing to collect"):
        it.pool.collect_fees("keeper")
    it.wait(YEAR)
    with refused("pool: nothing to collect"):  # it is owed, and all cash is lent
        it.pool.collect_fees("keeper")
    it.pool.repay("borrower", 0, 4 * U)
    assets = it.pool.total_assets()
    assert it.pool.collect_fees("keeper") == 4 * U
    assert it.fund.reserve == 3 * U  # up to its threshold, the rest to the treasury
    assert it.token.balances["treasury"] == U
    assert it.pool.total_assets() == assets
    it.check()


def test_price__decimals_and_debt_feed() -> None:
    it = world(decimals=8, price=60_000)
    assert it.registry.price(0) == 60_000 * 10**28
    it.registry.feeds["debt"] = it.feeds[1]
    it.registry.debt_feed = "debt"
    it.gap(3 * COIN, 1)
    assert it.registry.price(0) == 20_000 * 10**28
    it.gap(10**30, 1)
    it.gap(1)
    with refused("lending: price out of range"):
        it.registry.price(0)


def test_invariants__see_what_is_wrong() -> None:
    it = world()
    it.lend(1_000 * U, "lender")
    it.owe("borrower", 10 * COIN, 500 * U)
    good = it.pool.state()
    held.check_pool(good, 0)
    for path, value in (
        (("books", "fees"), 1),
        (("books", "cash"), 500 * U - 1),
        (("books", "total_debt"), 500 * U + 1),
        (("tokens",), 500 * U - 1),
        (("total_shares",), 10**15 - 1),
        (("totals", 0, "scaled"), 7),
        (("loans", (0, "borrower"), "collateral"), 0),
        (("collateral_tokens", 0), 10 * COIN - 1),
    ):
        bad = it.pool.state()
        place: Any = bad
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        with pytest.raises(AssertionError):
            held.check_pool(bad, 0)
    with pytest.raises(AssertionError):
        held.check_pool(good, 1)
