"""Moves of a lending pool, chosen by a seed; most aim at an edge, as those of ``machine`` do."""

from __future__ import annotations

from kana_insurance.kit import COIN, DAY, U
from kana_insurance.model.lending_books import LoanKey
from kana_insurance.model.lending_formulas import (
    PRICE_SCALE,
    is_insolvent,
    most_repaid,
    repayable_up,
    seizable_down,
    seizure_of_part,
    worth_down,
)
from kana_insurance.model.lending_interest import Rates, debt_up
from kana_insurance.model.units import BPS, MAX_AMOUNT, ceil_div
from tests.stateful.lending_side import DECIMALS, PRICES, LendingSide
from tests.stateful.machine import edge, mostly, pick
from tests.stateful.moves import Moves, between, move, one_of

HOUR = 3_600
SHARE = 10**12  # shares for one U at first
HUGE = MAX_AMOUNT + 1
TICK = 10**10  # prices are multiples of it
person = between(0, 6)
coin = one_of(0, 0, 1)


class Machine:
    """What lenders, borrowers, keepers, guardians and governance may do."""

    def __init__(self, side: LendingSide) -> None:
        self.it = side

    # ------------------------------------------------------------------ what the moves look at

    def lender(self, number: int) -> str:
        """A lender."""
        return pick(self.it.names.lenders, number)

    def owner(self, number: int) -> str:
        """A lender with shares, if there is one."""
        names = [name for name in self.it.names.lenders if self.it.pool.shares_of(name)] or self.it.names.lenders
        return pick(names, number)

    def borrower(self, number: int) -> str:
        """A borrower."""
        return pick(self.it.names.borrowers, number)

    def loans(self, *, owing: bool) -> list[LoanKey]:
        """The loans with debt, or with collateral."""
        return [key for key, loan in self.it.pool.loans.items() if (loan.scaled if owing else loan.collateral)]

    def loan(self, number: int, *, owing: bool = True) -> LoanKey:
        """One of them; any, if there is none."""
        return pick(self.loans(owing=owing) or [(number % 2, self.borrower(number))], number)

    def price(self, number: int) -> int:
        """Base units for one of a collateral by the latest price, good or not."""
        return self.it.feeds[number].latest * 10 ** (18 - DECIMALS[number])

    def room(self, key: LoanKey) -> int:
        """What a loan's collateral lets it borrow more."""
        terms = self.it.registry.collaterals[key[0]]
        worth = worth_down(self.it.pool.loan(*key).collateral, self.price(key[0]))
        return worth * terms.factor_bps // BPS - self.it.pool.debt(*key)

    def push(self, number: int, price: int) -> None:
        """A price that the aggregator can publish."""
        self.it.price(number, max(price // TICK, 1) * TICK)

    def wait(self, seconds: int, refresh: bool = True) -> None:
        """Let time pass; mostly there are new prices then, the same."""
        self.it.wait(seconds)
        if refresh:
            for number, feed in enumerate(self.it.feeds):
                self.it.price(number, feed.latest)

    # ------------------------------------------------------------------ lenders

    @move(0, money=between(20, 9_000), reserve=one_of(0, 0, 40, 900, 5_000, 9_000), cap=one_of(0, 0, 25, 700))
    def begin(self, money: int, reserve: int, cap: int) -> None:
        """Money in: lenders', the fund's and another fund's."""
        for number, name in enumerate(self.it.names.lenders[: money % 4 + 1]):
            self.it.lend("deposit", name, (money * (number + 1) % 9_000 + 20) * U + money, name)
        for number, amount in enumerate((reserve * U, 50 * U)):
            if amount:
                self.it.fund(number, "contribute", self.it.names.keeper, amount)
        if cap:
            self.it.fund(0, "set_window", self.it.names.governance, cap * U, DAY)

    @move(8, who=person, other=person, amount=one_of(0, 1, 7, U, 777 * U + 1, 5_000 * U, 5_000 * U, HUGE), more=edge)
    def deposit(self, who: int, other: int, amount: int, more: int) -> None:
        """So much, or just what is taken at most."""
        if amount == 7:
            amount = max(self.it.pool.max_deposit() + more, 0)
        self.it.lend("deposit", self.lender(who), amount, self.lender(other if amount % 2 else who))

    @move(4, who=person, shares=one_of(0, 1, 999_999, SHARE + 1, 400 * SHARE, 3_000 * SHARE + 7, 2**136), more=edge)
    def mint(self, who: int, shares: int, more: int) -> None:
        if shares == 1:
            shares = max(self.it.pool.max_mint() + more, 0)
        self.it.lend("mint", self.lender(who), shares, self.lender(who))

    @move(7, who=person, other=person, own=mostly, part=between(0, 4), more=edge)
    def withdraw(self, who: int, other: int, own: bool, part: int, more: int) -> None:
        owner = self.owner(who)
        assets = max(self.it.pool.max_withdraw(owner) * part // 4 + more, 0)
        self.it.lend("withdraw", owner if own else self.lender(other), assets, self.lender(other), owner)

    @move(7, who=person, other=person, own=mostly, part=between(0, 4), more=edge)
    def redeem(self, who: int, other: int, own: bool, part: int, more: int) -> None:
        owner = self.owner(who)
        shares = max(self.it.pool.max_redeem(owner) * part // 4 + more, 0)
        self.it.lend("redeem", owner if own else self.lender(other), shares, self.lender(other), owner)

    @move(2, who=person, other=person, part=between(0, 4), more=edge)
    def transfer(self, who: int, other: int, part: int, more: int) -> None:
        name = self.owner(who)
        self.it.lend("transfer", name, self.lender(other), max(self.it.pool.shares_of(name) * part // 4 + more, 0))

    @move(2, who=person, other=person, shares=one_of(0, 500 * SHARE, 2**256 - 1))
    def approve(self, who: int, other: int, shares: int) -> None:
        self.it.lend("approve", self.lender(who), self.lender(other), shares)

    # ------------------------------------------------------------------ borrowers

    @move(8, number=coin, who=person, other=person, worth=one_of(1, 90, 700, 4_000, 9_000), more=edge, kind=person)
    def add_collateral(self, number: int, who: int, other: int, worth: int, more: int, kind: int) -> None:
        """So much by its first price; now and then up to the cap, or for somebody else."""
        name, amount = self.borrower(who), worth * COIN * 10 ** DECIMALS[number] // PRICES[number]
        if kind == 0:
            total = self.it.pool.totals.get(number)
            held = total.collateral if total else 0
            amount = max(self.it.registry.collaterals[number].collateral_cap - held + more, 0)
        self.it.lend("add_collateral", name, number, amount, self.borrower(other) if kind == 1 else name)

    @move(6, which=between(0, 9), other=person, part=one_of(0, 1, 2, 2), more=edge)
    def withdraw_collateral(self, which: int, other: int, part: int, more: int) -> None:
        """As much as the collateral factor lets go, or all of it, or a part."""
        key = self.loan(which, owing=False)
        loan, terms = self.it.pool.loan(*key), self.it.registry.collaterals[key[0]]
        needed = ceil_div(self.it.pool.debt(*key) * BPS, terms.factor_bps) * PRICE_SCALE // self.price(key[0])
        spare = max(loan.collateral - needed, 0)
        amount = (spare, spare // 2, loan.collateral)[part] + more
        self.it.lend("withdraw_collateral", key[1], key[0], max(amount, 0), self.borrower(other))

    @move(16, number=coin, who=person, other=person, part=one_of(0, 1, 2, 3, 3, 4, 5, 6), more=edge)
    def borrow(self, number: int, who: int, other: int, part: int, more: int) -> None:
        """What collateral, cash or cap allow and a little more or less, or the least debt."""
        key = (number, self.borrower(who))
        if self.it.pool.loan(*key).collateral == 0:
            self.add_collateral(number, who, who, 700 + 500 * part, 0, 2)
        room, cash = max(self.room(key), 0), self.it.pool.cash
        total = self.it.pool.totals.get(number)
        owed = debt_up(total.scaled, self.it.pool.books().index) if total else 0
        cap = max(self.it.registry.collaterals[number].borrow_cap - owed, 0)
        least = max(self.it.registry.min_debt - self.it.pool.debt(*key), 1)
        most = min(room, cash)
        amount = (least, most // 3, most * 4 // 5, room, most, cash, cap)[part] + more
        self.it.lend("borrow", key[1], number, max(amount, 0), self.borrower(other))

    @move(7, which=between(0, 9), who=person, part=one_of(0, 1, 2, 3), more=edge)
    def repay(self, which: int, who: int, part: int, more: int) -> None:
        """Half, all, down to the least debt, or more than is owed."""
        key = self.loan(which)
        debt = self.it.pool.debt(*key)
        amount = (debt // 2, debt, debt - self.it.registry.min_debt, debt * 2)[part] + more
        self.it.lend("repay", self.borrower(who), key[0], max(amount, 0), key[1])

    # ------------------------------------------------------------------ prices and keepers

    @move(8, number=coin, thousandths=one_of(850, 930, 980, 1_010, 1_030, 1_080, 1_300))
    def step_price(self, number: int, thousandths: int) -> None:
        self.push(number, self.it.feeds[number].latest * thousandths // 1_000)

    @move(5, number=coin, thousandths=one_of(1_000, 1_000, 1_200, 700))
    def recover(self, number: int, thousandths: int) -> None:
        """About the first price again."""
        self.push(number, PRICES[number] * thousandths // 1_000)

    @move(8, which=between(0, 9), kind=between(0, 3), ticks=one_of(0, 0, 1, -1, 50, -50))
    def aim_price(self, which: int, kind: int, ticks: int) -> None:
        """A price at which a loan is just (not) liquidatable or insolvent, or far below."""
        key = self.loan(which)
        loan, debt = self.it.pool.loan(*key), self.it.pool.debt(*key)
        if not loan.collateral or not debt:
            return
        terms = self.it.registry.collaterals[key[0]]
        value = (
            ceil_div(debt * BPS, terms.threshold_bps),
            ceil_div(debt * (BPS + terms.premium_bps), BPS),
            debt * 9 // 10,
            debt * 2 // 5,
        )[kind]
        self.push(
            key[0], (value * PRICE_SCALE // loan.collateral // 10 ** (18 - DECIMALS[key[0]]) // TICK + ticks) * TICK
        )

    @move(
        16,
        which=between(0, 9),
        part=one_of(0, 1, 1, 2, 3),
        more=edge,
        least=one_of(0, 0, 0, 1, 2),
        kind=between(0, 19),
    )
    def liquidate(self, which: int, part: int, more: int, least: int, kind: int) -> None:
        """An unhealthy loan if there is one: what the close factor allows, all, a little; the least seized just so."""
        pool = self.it.pool
        if kind > 8 and not any(map(self._is_bad, self.loans(owing=True))):
            self.aim_price(which, 0, -50)
        bad = [key for key in self.loans(owing=True) if self._is_bad(key)]
        key = pick(bad, which) if bad else self.loan(which)
        debt, terms, price = pool.debt(*key), self.it.registry.collaterals[key[0]], self.price(key[0])
        most = most_repaid(debt, terms.close_factor_bps, self.it.registry.min_debt)
        if is_insolvent(debt, pool.loan(*key).collateral, price, terms.premium_bps):
            most = min(debt, repayable_up(pool.loan(*key).collateral, price, terms.premium_bps))
        amount = max((most, debt, most // 2, 3)[part] + more, 0)
        seized = seizure_of_part(min(amount, most), price, terms).seized
        sender = key[1] if kind == 0 else self.it.names.keeper
        self.it.lend("liquidate", sender, *key, amount, (0, seized, seized + 1)[least])

    def _is_bad(self, key: LoanKey) -> bool:
        terms = self.it.registry.collaterals[key[0]]
        value = worth_down(self.it.pool.loan(*key).collateral, self.price(key[0]))
        return self.it.pool.debt(*key) > value * terms.threshold_bps // BPS

    def _is_insolvent(self, key: LoanKey) -> bool:
        terms = self.it.registry.collaterals[key[0]]
        found = seizable_down(self.it.pool.debt(*key), self.price(key[0]), terms.premium_bps)
        return found > self.it.pool.loan(*key).collateral

    @move(6, which=between(0, 9), drop=mostly)
    def flag(self, which: int, drop: bool) -> None:
        """An insolvent loan, made so if there is none."""
        bad = [key for key in self.loans(owing=True) if self._is_insolvent(key)]
        if not bad and drop:
            self.aim_price(which, 2 + which % 2, 0)
            bad = [key for key in self.loans(owing=True) if self._is_insolvent(key)]
        self.it.lend("flag", self.it.names.keeper, *(pick(bad, which) if bad else self.loan(which)))

    @move(4, which=between(0, 9), mend=mostly)
    def unflag(self, which: int, mend: bool) -> None:
        """The flagged loan, after somebody has added collateral."""
        key = self.it.pool.flagged
        if key is None:
            self.it.lend("unflag", self.it.names.keeper, *self.loan(which))
            return
        if mend and which:
            self.it.lend("add_collateral", key[1], key[0], max(self.it.pool.loan(*key).collateral, 1), key[1])
        self.it.lend("unflag", self.it.names.keeper, *key)

    @move(4, who=person)
    def collect_fees(self, who: int) -> None:
        self.it.lend("collect_fees", self.lender(who))

    @move(3, who=person, part=between(0, 3), more=edge)
    def repay_bad_debt(self, who: int, part: int, more: int) -> None:
        self.it.lend("repay_bad_debt", self.lender(who), max(self.it.pool.bad_debt * part // 3 + more, 0))

    @move(2, who=person)
    def accrue(self, who: int) -> None:
        self.it.lend("accrue", self.lender(who))

    @move(1, number=one_of(None, 0, 1), amount=between(1, 10**9))
    def donate(self, number: int | None, amount: int) -> None:
        self.it.donate(number, amount)

    # ------------------------------------------------------------------ what is rare

    @move(1, who=person, years=one_of(1, 2), leave=between(1, 30))
    def desert(self, who: int, years: int, leave: int) -> None:
        """Lenders who all leave before the last borrower: the fund's part of dear interest is the cash; then a gap."""
        it, key = self.it, (0, self.borrower(who))
        it.govern("set_rates", it.names.governance, Rates(20_000, 0, 10_000, 8_000, 5_000))
        self.recover(0, 1_000)
        self.deposit(who, who, 1_000 * U, 0)
        self.borrow(0, who, who, 2, 0)
        self.wait(years * 365 * DAY)
        for other in self.loans(owing=True):
            left = 0 if other != key else (10 + leave) * U
            it.lend("repay", other[1], other[0], max(it.pool.debt(*other) - left, 1), other[1])
        for name in it.names.lenders:
            it.lend("redeem", name, it.pool.max_redeem(name), name, name)
        self.push(0, TICK)
        it.lend("liquidate", it.names.keeper, *key, HUGE, 0)

    @move(1, who=person, days=one_of(1, 700), collect=mostly)
    def ruin(self, who: int, days: int, collect: bool) -> None:
        """All that is there is lent against one collateral, and that is worth nothing overnight."""
        it = self.it
        self.recover(0, 1_000)
        it.govern("set_caps", it.names.governance, 0, 10**6 * COIN, MAX_AMOUNT)
        it.lend("add_collateral", self.borrower(who), 0, 1_000 * COIN, self.borrower(who))
        it.lend("borrow", self.borrower(who), 0, it.pool.cash, self.borrower(who))
        self.wait(days * DAY)
        self.push(0, TICK)
        for key in self.loans(owing=True):
            it.lend("liquidate", it.names.keeper, *key, HUGE, 0)
        if collect:
            self.collect_fees(who)

    # ------------------------------------------------------------------ the fund

    @move(3, number=one_of(0, 0, 0, 1), amount=one_of(1, 3 * U + 1, 60 * U, 900 * U))
    def contribute(self, number: int, amount: int) -> None:
        self.it.fund(number, "contribute", self.it.names.keeper, amount)

    @move(2, days=one_of(0, 1, 1, 7, 8), resume=one_of(True, False, False))
    def pause_payouts(self, days: int, resume: bool) -> None:
        if resume:
            self.it.fund(0, "resume_payouts", self.it.names.guardian)
        else:
            self.it.fund(0, "pause_payouts", self.it.names.guardian, days * DAY)

    @move(2, cap=one_of(1, 40 * U, 900 * U))
    def set_window(self, cap: int) -> None:
        """A lower cap, or the first: what needs no notice."""
        self.it.fund(0, "set_window", self.it.names.governance, cap, DAY)

    # ------------------------------------------------------------------ guardian and governance

    @move(2, days=one_of(0, 1, 2, 7, 8), resume=one_of(True, False, False))
    def pause_borrowing(self, days: int, resume: bool) -> None:
        if resume:
            self.it.govern("resume_borrowing", self.it.names.guardian)
        else:
            self.it.govern("pause_borrowing", self.it.names.guardian, days * DAY)

    @move(
        3,
        base=between(0, 9),
        slope=between(0, 9),
        kink=one_of(1, 5_000, 9_999, 10_000),
        reserve=one_of(0, 1_000, 5_000),
    )
    def set_rates(self, base: int, slope: int, kink: int, reserve: int) -> None:
        rates = Rates(base * 800, slope * 300, slope * 2_300, kink, reserve)
        self.it.govern("set_rates", self.it.names.governance, rates)

    @move(2, supply=one_of(5_000, 30_000, 60_000, 10**6), least=one_of(1, 10 * U, 30 * U))
    def set_limits(self, supply: int, least: int) -> None:
        self.it.govern("set_limits", self.it.names.governance, supply * U, least)

    @move(
        2, number=coin, factor=between(3, 9), gap=between(0, 3), close=one_of(1, 2_500, 10_000), premium=between(0, 9)
    )
    def set_factors(self, number: int, factor: int, gap: int, close: int, premium: int) -> None:
        terms = (factor * 1_000, factor * 1_000 + gap * 400, close, premium * 230, premium * 550)
        self.it.govern("set_factors", self.it.names.governance, number, *terms)

    @move(2, number=coin, collateral=between(0, 9), debt=between(0, 9))
    def set_caps(self, number: int, collateral: int, debt: int) -> None:
        cap = collateral * 5_000 * COIN * 10 ** DECIMALS[number] // PRICES[number]
        self.it.govern("set_caps", self.it.names.governance, number, cap, debt * 4_000 * U)

    # ------------------------------------------------------------------ time

    @move(8, seconds=one_of(1, 60, HOUR - 1, HOUR, 5 * HOUR, 23 * HOUR, DAY), refresh=mostly)
    def pass_time(self, seconds: int, refresh: bool) -> None:
        self.wait(seconds, refresh)

    @move(3, days=one_of(3, 8, 40, 365))
    def wait_days(self, days: int) -> None:
        self.wait(days * DAY)

    @move(3, off=one_of(0, 0, -1, 1), rest=one_of(True, False))
    def wait_for_stop(self, off: int, rest: bool) -> None:
        """To the end of the stop, or to where the next may begin."""
        until = self.it.pool.stop_until + (23 * HOUR if rest else 0) + off
        if until > self.it.clock.now:
            self.wait(until - self.it.clock.now)


MOVES = Moves(Machine)
