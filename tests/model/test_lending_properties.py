"""What holds of a lending pool whatever the figures: interest in steps, roundings, liquidations, shares (M32, M33)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from kana_insurance.model import Refused
from kana_insurance.model import lending_invariants as held
from kana_insurance.model.lending_formulas import (
    PRICE_SCALE,
    Collateral,
    is_insolvent,
    is_within,
    most_repaid,
    repayable_up,
    seizable_down,
    seizure_of_part,
    seizure_of_whole,
)
from kana_insurance.model.lending_interest import (
    MAX_INDEX,
    MAX_STEP,
    RAY,
    YEAR,
    Rates,
    debt_down,
    debt_up,
    grown,
    power_down,
    rate_of,
    scaled_up,
)
from kana_insurance.model.units import BPS, MAX_AMOUNT
from tests.model.lending_world import COIN, FREE, U, World, world

quick = settings(max_examples=60, deadline=None, derandomize=True)
HIGHEST_RATE = 3 * RAY // YEAR

rates = st.integers(0, HIGHEST_RATE)
indices = st.one_of(st.just(RAY), st.integers(RAY, 3 * RAY), st.integers(RAY, 10**6 * RAY))
debts = st.one_of(st.integers(1, 10**4), st.integers(1, 10**13), st.integers(1, MAX_AMOUNT))
prices = st.integers(0, 40).flatmap(lambda digits: st.integers(10**digits, 10 ** (digits + 1)))


@st.composite
def collateral_terms(draw: st.DrawFn) -> Collateral:
    """Terms within their bounds."""
    premium = draw(st.integers(1, 2_000))
    threshold = draw(st.integers(2, (BPS * BPS - 1) // (BPS + premium)))
    return Collateral(
        "coin",
        "feed",
        factor_bps=draw(st.integers(1, threshold - 1)),
        threshold_bps=threshold,
        close_factor_bps=draw(st.integers(1_000, BPS)),
        premium_bps=premium,
        premium_fund_bps=draw(st.integers(0, 5_000)),
    )


# ---------------------------------------------------------------------- interest


@quick
@given(rate=rates, index=indices, steps=st.lists(st.integers(1, YEAR // 4), min_size=1, max_size=30))
@example(rate=HIGHEST_RATE, index=RAY, steps=[1] * 2_000)
@example(rate=HIGHEST_RATE, index=RAY, steps=[MAX_STEP // 8] * 8)
def test_interest__one_step_or_many__same_within_the_bound(rate: int, index: int, steps: list[int]) -> None:
    """They differ by less than 4e-27 a second of the index."""
    seconds = sum(steps)
    assume(seconds <= MAX_STEP)
    once, often = grown(index, rate, seconds), index
    for step in steps:
        often = grown(often, rate, step)
    assert abs(once - often) * 10**27 <= max(once, often) * seconds * 4


@quick
@given(rate=rates, seconds=st.integers(0, 3_000))
def test_interest__against_exact_fractions__too_low_by_less_than_the_bound(rate: int, seconds: int) -> None:
    exact = Fraction(RAY + rate, RAY) ** seconds * RAY
    power = power_down(RAY + rate, seconds)
    assert power <= exact
    assert (exact - power) * 10**27 <= exact * seconds * 4


@quick
@given(
    seconds=st.lists(st.integers(1, YEAR // 12), min_size=1, max_size=12),
    lent=st.integers(1, 10**9 * U),
    reserve_factor=st.integers(0, 5_000),
)
def test_interest__booked_often__fees_differ_by_a_unit_a_step(
    seconds: list[int], lent: int, reserve_factor: int
) -> None:
    terms = Rates(500, 400, 7_500, 8_000, reserve_factor)
    once, often = world(rates=terms), world(rates=terms)
    for it in (once, often):
        it.lend(10**9 * U, "lender")
        it.owe("borrower", 10**10 * COIN, lent)
    once.wait(sum(seconds))
    for step in seconds:
        often.wait(step)
        often.pool.accrue("anyone")
    one, many = once.pool.books(), often.pool.books()
    assert abs(one.index - many.index) * 10**27 <= one.index * sum(seconds) * 4
    assert abs(one.total_debt - many.total_debt) <= 1  # the index is good to more digits than a debt has here
    assert abs(one.fees - many.fees) <= len(seconds) + 1
    often.check()


@quick
@given(
    base=st.integers(0, 10_000),
    slopes=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)),
    kink=st.integers(1, BPS - 1),
    debt=debts,
    cash=debts,
    less=st.integers(0, 10**6),
)
def test_rate__higher_utilisation__never_lower(
    base: int, slopes: tuple[int, int], kink: int, debt: int, cash: int, less: int
) -> None:
    terms = Rates(base, *slopes, kink, 0)
    rate = rate_of(terms, cash, debt)
    assert base * RAY // BPS // YEAR <= rate <= (base + sum(slopes)) * RAY // BPS // YEAR
    assert rate_of(terms, max(cash - less, 0), debt) >= rate


@quick
@given(debt=debts, index=st.one_of(indices, st.integers(RAY, MAX_INDEX)), others=debts)
def test_debt__stored__is_no_less_and_the_pool_counts_no_more(debt: int, index: int, others: int) -> None:
    """What a loan owes is the debt or up to a scaled unit more; the total grows by at least what was lent."""
    scaled = scaled_up(debt, index)
    assert debt <= debt_up(scaled, index) <= debt + index // RAY + 1
    total = debt_down(scaled + others, index) - debt_down(others, index)
    assert debt <= total <= debt_up(scaled, index)


# ---------------------------------------------------------------------- liquidation


@quick
@given(terms=collateral_terms(), price=prices, collateral=st.integers(1, 10**24), debt=debts, min_debt=debts)
def test_liquidation__solvent_loan__stays_solvent(
    terms: Collateral, price: int, collateral: int, debt: int, min_debt: int
) -> None:
    """What is left is solvent, and what was seized is worth no more than repayment and premium."""
    worth = collateral * price // PRICE_SCALE
    debt = worth * terms.threshold_bps // BPS + 1 + debt % (worth // 10 + 1)
    assume(not is_insolvent(debt, collateral, price, terms.premium_bps))
    repaid = most_repaid(debt, terms.close_factor_bps, min_debt)
    assume(repaid > 0)
    part = seizure_of_part(repaid, price, terms)
    assert part.to_debt == repaid <= debt
    assert part.seized <= collateral
    assert part.seized * price * BPS <= repaid * (BPS + terms.premium_bps) * PRICE_SCALE
    left = debt - repaid
    assert left == 0 or left >= min_debt
    assert not is_insolvent(left, collateral - part.seized, price, terms.premium_bps)


@quick
@given(terms=collateral_terms(), price=prices, collateral=st.integers(1, 10**24), debt=debts)
def test_liquidation__insolvent_loan__repays_what_the_collateral_is_worth(
    terms: Collateral, price: int, collateral: int, debt: int
) -> None:
    """All of the collateral for at least its worth less the premium; the debt is repaid before the fund is."""
    assume(is_insolvent(debt, collateral, price, terms.premium_bps))
    assert not is_within(debt, collateral, price, terms.threshold_bps)
    least, whole = seizure_of_whole(debt, collateral, price, terms)
    assert whole.seized == collateral
    assert 0 < least <= whole.to_debt <= debt
    assert whole.to_fund == 0 or whole.to_debt == debt
    repayable = repayable_up(collateral, price, terms.premium_bps)
    assert least == min(debt, repayable)
    assert repayable * (BPS + terms.premium_bps) * PRICE_SCALE >= collateral * price * BPS
    assert seizable_down(repayable, price, terms.premium_bps) >= collateral or repayable == 0


# ---------------------------------------------------------------------- the pool


def busy(index: int, deposits: list[int], share: int) -> World:
    """A pool whose index has grown, its lenders, and a loan of a part of the cash against twice its worth."""
    it = world(rates=FREE)
    it.pool.index = index
    for number, amount in enumerate(deposits):
        it.lend(amount, f"lender {number}")
    if lent := it.pool.cash * share // 100:
        it.owe("borrower", lent * 2 * 10**10, lent)
    return it


amounts = st.lists(st.integers(1, 10**12), min_size=1, max_size=5)


@quick
@given(
    index=indices, deposits=amounts, share=st.integers(0, 100), amount=st.integers(1, 10**13), kind=st.integers(0, 7)
)
def test_price_of_a_share__any_call_but_a_resolution__never_falls(
    index: int, deposits: list[int], share: int, amount: int, kind: int
) -> None:
    it = busy(index, deposits, share)
    owner = "lender 0"
    it.token.mint(owner, 10**20)
    it.token.mint("borrower", 10**20)
    calls: list[Callable[[], object]] = [
        lambda: it.pool.deposit(owner, amount, owner),
        lambda: it.pool.mint(owner, amount * 10**6 + amount % 17, owner),
        lambda: it.pool.withdraw(owner, min(amount, it.pool.max_withdraw(owner)), owner, owner),
        lambda: it.pool.redeem(owner, it.pool.max_redeem(owner) - amount % 7, owner, owner),
        lambda: it.pool.repay("borrower", 0, amount),
        lambda: it.pool.borrow("borrower", 0, amount),
        lambda: it.liquidate("borrower", amount),
        lambda: it.pool.collect_fees("keeper"),
    ]
    if kind == 6:
        it.gap((50 + amount % 14) * COIN)
    before = it.pool.state()
    with suppress(Refused):
        calls[kind]()
    held.check_pool_step(before, it.pool.state(), it.pool.log)
    it.check()


@quick
@given(
    index=indices,
    deposits=amounts,
    share=st.integers(1, 100),
    worth=st.integers(0, 90),
    reserve=st.integers(0, 10**12),
)
def test_resolution__any_loss__same_share_of_each_lender(
    index: int, deposits: list[int], share: int, worth: int, reserve: int
) -> None:
    """M33: assets fall by the lenders' loss; each keeps the same part of what he had, to the unit."""
    it = busy(index, deposits, share)
    assume(it.debt("borrower") > 0)
    if reserve:
        it.contribute(reserve)
    # All the collateral is worth so many hundredths of what was lent.
    it.gap(worth * COIN // 2 + 1)
    before = it.pool.state()
    claims = [it.claim(f"lender {number}") for number in range(len(deposits))]
    it.liquidate("borrower")
    after = it.pool.state()
    held.check_pool_step(before, after, it.pool.log)
    it.check()
    kept = Fraction(after["books"]["assets"] + 1, before["books"]["assets"] + 1)
    for number, claim in enumerate(claims):
        assert abs(it.claim(f"lender {number}") - claim * kept) <= 1


@quick
@given(index=indices, deposits=amounts, share=st.integers(0, 100), gain=st.integers(0, 10**12))
def test_shares__there_and_back__never_profits_and_limits_hold(
    index: int, deposits: list[int], share: int, gain: int
) -> None:
    """ERC-4626: what the limits allow goes through; nobody gets out more than he put in."""
    it = busy(index, deposits, share)
    it.pool.cash += gain  # as if interest had been paid
    it.token.mint("pool", gain)
    for number, amount in enumerate(deposits):
        owner = f"lender {number}"
        if it.pool.to_shares_down(amount):
            it.lend(amount, "visitor")
            assert it.claim("visitor") <= amount
            if it.claim("visitor"):
                it.pool.redeem("visitor", it.pool.max_redeem("visitor"), "visitor", "visitor")
        most = it.pool.max_withdraw(owner)
        if most:
            it.pool.withdraw(owner, most, owner, owner)
        most = it.pool.max_redeem(owner)
        if it.pool.to_assets_down(most):
            it.pool.redeem(owner, most, owner, owner)
        it.check()
