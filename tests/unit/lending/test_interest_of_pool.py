"""Interest: the rate by utilisation, what it makes of debts over time, the fund's part, new terms (M32)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from kana_insurance.testing import U, logs, reverts_with
from tests.utils.lending import (
    DEFAULT_RATES,
    ETH,
    ETHER,
    RAY,
    UNLIMITED,
    YEAR,
    Lending,
    thunks,
)
from tests.utils.venue import next_block_at

MAX_INDEX = 2**128 - 1
#: How much of itself an index may be too low by, per second of a step.
STEP_ERROR = Fraction(4, 10**27)


def yearly(rates: tuple[int, ...], cash: int, debt: int) -> Fraction:
    """The rate a year, exactly."""
    base, slope1, slope2, kink = (Fraction(one, 10_000) for one in rates[:4])
    used = Fraction(debt, cash + debt) if debt else Fraction(0)
    if used <= kink:
        return base + slope1 * used / kink
    return base + slope1 + slope2 * (used - kink) / (1 - kink)


def power(base: Fraction, exponent: int) -> Fraction:
    """base**exponent, to 60 digits."""
    scale, result, square, left = 10**60, 10**60, int(base * 10**60), exponent
    while left:
        if left & 1:
            result = result * square // scale
        square = square * square // scale
        left >>= 1
    return Fraction(result, scale)


@pytest.fixture
def charged(lending: Lending) -> Lending:
    """10,000 U lent at the default rates; nobody has borrowed."""
    lending.set_rates()
    lending.lend(lending.ann, 10_000 * U)
    lending.pool.add_collateral(ETH, 10 * ETHER, sender=lending.borrower)
    return lending


# --------------------------------------------------------------------- the rate


@pytest.mark.parametrize("rates", [DEFAULT_RATES, (250, 400, 7_500, 8_000, 1_000), (0, 0, 30_000, 1, 0)])
def test_rate__by_utilisation__bends_at_the_kink(charged: Lending, rates: tuple[int, ...]) -> None:
    pool, borrower = charged.pool, charged.borrower
    charged.set_rates(*rates)
    assert pool.books().rate == rates[0] * RAY // 10_000 // YEAR
    for amount in (10 * U, 3_990 * U, 4_000 * U - 1, 2, 1_000 * U, 1_000 * U - 1):
        pool.borrow(ETH, amount, sender=borrower)
        books = pool.books()
        exact = yearly(rates, books.cash, books.total_debt) * RAY / YEAR
        assert 0 <= exact - books.rate < 2
    charged.wait(1)
    pool.repay(ETH, UNLIMITED, sender=borrower)
    assert (pool.books().total_debt, pool.books().rate) == (0, rates[0] * RAY // 10_000 // YEAR)


def test_rate__at_the_kink_and_whole__as_named(charged: Lending) -> None:
    pool, borrower = charged.pool, charged.borrower
    next_block_at(charged.kit.now() + 1)
    receipt = pool.borrow(ETH, 8_000 * U, sender=borrower)
    rate = 4 * RAY // 100 // YEAR
    assert dict(logs(receipt, pool))["RateSet"] == {"rate": rate, "reserve_factor_bps": 1_000}
    # At 80 % the year costs 4 %, compounded 4.08 %.
    charged.wait(YEAR)
    assert charged.debt(borrower) - 8_000 * U == pytest.approx(326_484_000, rel=1e-4)


def test_rate__every_change_of_cash_or_debt__renews_it(charged: Lending) -> None:
    pool, ann, borrower = charged.pool, charged.ann, charged.borrower
    pool.borrow(ETH, 5_000 * U, sender=borrower)
    seen = [int(pool.books().rate)]
    for change in thunks(
        lambda: pool.deposit(10 * U, ann, sender=ann),
        lambda: pool.mint(10 * U, ann, sender=ann),
        lambda: pool.withdraw(100 * U, ann, ann, sender=ann),
        lambda: pool.redeem(10**13, ann, ann, sender=ann),
        lambda: pool.borrow(ETH, 100 * U, sender=borrower),
        lambda: pool.repay(ETH, 100 * U, sender=borrower),
        lambda: pool.collect_fees(sender=ann),
    ):
        charged.wait(1_000)
        receipt = change()
        books = pool.books()
        exact = yearly(DEFAULT_RATES, books.cash, books.total_debt) * RAY / YEAR
        assert 0 <= exact - books.rate < 2
        assert dict(logs(receipt, pool))["RateSet"]["rate"] == books.rate
        seen.append(int(books.rate))
    assert len(set(seen)) == len(seen)
    # Booking interest, and collateral, renew nothing.
    charged.wait(1_000)
    for change in thunks(
        lambda: pool.accrue(sender=ann),
        lambda: pool.add_collateral(ETH, 1, sender=borrower),
        lambda: pool.withdraw_collateral(ETH, 1, sender=borrower),
    ):
        assert "RateSet" not in dict(logs(change(), pool))
    assert pool.books().rate == seen[-1]


# --------------------------------------------------------------------- the index


@pytest.mark.parametrize("seconds", [1, 2, 3_599, 86_400, YEAR, 8 * YEAR])
def test_index__over_time__is_the_power_within_the_bound(charged: Lending, seconds: int) -> None:
    pool, borrower = charged.pool, charged.borrower
    pool.borrow(ETH, 9_000 * U, sender=borrower)
    before = pool.books()
    next_block_at(charged.kit.now() + seconds)
    receipt = pool.accrue(sender=charged.actors.outsider)
    after = pool.books()
    exact = Fraction(before.index) * power(1 + Fraction(before.rate, RAY), seconds)
    assert after.updated_at - before.updated_at == seconds
    assert -Fraction(1, 10**20) <= exact - after.index <= exact * seconds * STEP_ERROR + 1
    # Debts round up, their sum down; a tenth of the interest is the fund's, the rest the lenders'.
    interest = after.total_debt - before.total_debt
    assert after.fees - before.fees == interest // 10
    assert after.assets - before.assets == interest - interest // 10
    assert charged.debt(borrower) - after.total_debt in (0, 1)
    event = {"total_debt": after.total_debt, "fees": after.fees, "index": after.index}
    assert logs(receipt, pool) == [("InterestAccrued", event)]


def test_index__many_steps__are_one_within_the_bound(charged: Lending) -> None:
    from ape import chain

    pool = charged.pool
    pool.borrow(ETH, 9_500 * U, sender=charged.borrower)
    start, found = charged.kit.now(), []
    for steps in (1, 8):
        with chain.isolate():
            for step in range(1, steps + 1):
                next_block_at(start + step * 3_600 * 24 // steps)
                pool.accrue(sender=charged.ann)
            found.append(pool.books())
    one, many = found
    assert one.updated_at == many.updated_at == start + 86_400
    assert abs(one.index - many.index) <= one.index * 86_400 * STEP_ERROR
    assert 0 <= one.fees - many.fees <= 8


def test_index__in_the_same_second__stands_still(charged: Lending) -> None:
    pool, borrower = charged.pool, charged.borrower
    pool.borrow(ETH, 9_000 * U, sender=borrower)
    charged.wait(1_000)
    pool.accrue(sender=charged.ann)
    books = pool.books()
    next_block_at(charged.kit.now())
    receipt = pool.accrue(sender=charged.ann)
    assert (logs(receipt, pool), pool.books().index) == ([], books.index)


def test_index__left_alone_for_ever__neither_overflows_nor_blocks(charged: Lending) -> None:
    pool, borrower, ann = charged.pool, charged.borrower, charged.ann
    charged.set_rates(30_000, 0, 0, 8_000, 5_000)
    pool.borrow(ETH, 1_000 * U, sender=borrower)
    # Eight years are charged at most, however long it was.
    charged.wait(8 * YEAR)
    eight = int(pool.books().index)
    charged.wait(50 * YEAR)
    assert pool.books().index == eight
    pool.accrue(sender=ann)
    for _ in range(3):
        charged.wait(9 * YEAR)
        pool.accrue(sender=ann)
    books = pool.books()
    assert (books.index, pool.totals(ETH).debt > 10**14 * U) == (MAX_INDEX, True)
    charged.wait(YEAR)
    pool.accrue(sender=ann)
    assert (pool.books().index, pool.books().fees) == (MAX_INDEX, books.fees)
    # Lenders still come and go, and collateral is still liquidated.
    assert pool.maxWithdraw(ann) == 9_000 * U
    pool.withdraw(1_000 * U, ann, ann, sender=ann)
    assert pool.maxDeposit(ann) == 0
    pool.add_collateral(ETH, 1, borrower, sender=charged.other)


def test_interest__everywhere__is_in_the_views_before_it_is_booked(charged: Lending) -> None:
    pool, ann, borrower = charged.pool, charged.ann, charged.borrower
    pool.borrow(ETH, 9_000 * U, sender=borrower)
    charged.wait(YEAR)

    def views() -> tuple[Any, ...]:
        return (
            tuple(pool.books().items())[:6],
            tuple(pool.loan(ETH, borrower).items()),
            tuple(pool.totals(ETH).items()),
            pool.totalAssets(),
            pool.previewRedeem(10**15),
            pool.convertToShares(10**9),
            pool.previewMint(10**15),
            pool.previewWithdraw(10**9),
        )

    seen = views()
    next_block_at(charged.kit.now())
    pool.accrue(sender=ann)
    assert views() == seen
    assert charged.worth(ann) > 12_000 * U


# ------------------------------------------------------------------- new terms


def test_set_rates__in_between__the_past_is_charged_at_the_old(charged: Lending) -> None:
    pool, borrower = charged.pool, charged.borrower
    pool.borrow(ETH, 8_000 * U, sender=borrower)
    old = int(pool.books().rate)
    charged.wait(YEAR - 100)
    start = pool.books()
    next_block_at(charged.kit.now() + 50)
    receipt = charged.set_rates(0, 0, 0, 5_000, 5_000)
    after = pool.books()
    exact = Fraction(start.index) * power(1 + Fraction(old, RAY), 50)
    assert abs(exact - after.index) <= exact * 2 * YEAR * STEP_ERROR + 1
    # A tenth, not a half, of what has accrued until now.
    assert after.fees == (after.total_debt - 8_000 * U) // 10
    assert (after.rate, after.reserve_factor_bps) == (0, 5_000)
    assert dict(logs(receipt, pool))["RateSet"] == {"rate": 0, "reserve_factor_bps": 5_000}
    charged.wait(YEAR)
    assert (pool.books().fees, pool.books().index) == (after.fees, after.index)


def test_set_rates__reserve_factor__only_from_now_on(charged: Lending) -> None:
    pool = charged.pool
    pool.borrow(ETH, 8_000 * U, sender=charged.borrower)
    charged.wait(YEAR)
    receipt = charged.set_rates(0, 400, 7_500, 8_000, 0)
    fees = int(pool.books().fees)
    assert fees == (pool.books().total_debt - 8_000 * U) // 10
    assert dict(logs(receipt, pool))["RateSet"]["reserve_factor_bps"] == 0
    charged.wait(YEAR)
    assert pool.books().fees == fees


def test_change_rates__registry_alone(charged: Lending) -> None:
    for sender in (charged.governance, charged.actors.deployer, charged.ann):
        with reverts_with("pool: not registry"):
            charged.pool.change_rates(DEFAULT_RATES, sender=sender)
        with reverts_with("pool: not registry"):
            charged.pool.change_fund(charged.fund, charged.ann, sender=sender)
