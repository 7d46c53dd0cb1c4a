"""Attacks on a lending pool: on its lenders, its borrowers, its prices and its fund (T73 to T87)."""

from __future__ import annotations

from typing import Any

import pytest
from ape import chain

from kana_insurance.backends import address_of
from kana_insurance.testing import Actors, U, reverts_with
from tests.utils.lending import (
    BTC,
    COIN_8,
    ETH,
    ETHER,
    RAY,
    SHARE,
    UNLIMITED,
    YEAR,
    Lending,
    another_fund,
    thunks,
)
from tests.utils.venue import next_block_at

HOUR = 3_600
MAX_AGE = 3_600
SUCCEEDED, REFUSED = 1, 2


@pytest.fixture(scope="module")
def attacked_venue(backend: Any, actors: Actors) -> Lending:
    """A pool without interest, in which nobody has lent anything, and a contract that makes many calls at once."""
    lending = Lending(backend, actors)
    lending.script = backend.deploy("Script", sender=actors.deployer)  # type: ignore[attr-defined]
    return lending


@pytest.fixture
def pond(attacked_venue: Lending) -> Lending:
    """The same, with 10,000 U lent by ann."""
    attacked_venue.lend(attacked_venue.ann, 10_000 * U)
    return attacked_venue


def wealth(lending: Lending, *accounts: Any) -> int:
    """What accounts have, all at the prices of now, base units of the pool's asset."""
    total = 0
    for account in accounts:
        total += int(lending.asset.balanceOf(account)) + lending.worth(account)
        for number, token in enumerate(lending.tokens):
            loan = lending.pool.loan(number, account)
            coins = int(token.balanceOf(account)) + int(loan.collateral)
            total += coins * int(lending.registry.price(number)) // 10**30 - int(loan.debt)
    return total


def script(lending: Lending, *calls: tuple[Any, str, tuple[Any, ...]]) -> list[int]:
    """Calls of the script contract in one transaction, and how each ended."""
    runner = lending.script  # type: ignore[attr-defined]
    runner.add(
        [(address_of(target), lending.kit.encode(target, name, *args)) for target, name, args in calls],
        sender=lending.bob,
    )
    runner.run(False, sender=lending.bob)
    return [int(ending) for ending in runner.outcome()]


def endow(lending: Lending, money: int, coins: int = 0) -> Any:
    """The script contract with tokens, all allowed to the pool."""
    runner = lending.script  # type: ignore[attr-defined]
    lending.mint(lending.asset, runner, money)
    if coins:
        lending.mint(lending.tokens[ETH], runner, coins)
    for token in (lending.asset, lending.tokens[ETH]):
        runner.execute(
            token, lending.kit.encode(token, "approve", address_of(lending.pool), UNLIMITED), sender=lending.bob
        )
    return runner


# ---------------------------------------------------------------------- lenders


def test_t74_donation_to_the_pool__moves_no_price_and_is_nobodys(pond: Lending) -> None:
    pool, cid = pond.pool, pond.cid
    pond.open(pond.borrower, ETHER, 1_000 * U)
    before = pond.figures()
    pond.asset.transfer(pool, 50_000 * U, sender=cid)
    pond.tokens[ETH].transfer(pool, 50 * ETHER, sender=cid)
    after = pond.figures()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"money of pool", "money of cid", "ETH of pool", "ETH of cid"}
    # It can't be borrowed, withdrawn or collected, and covers nobody's collateral.
    assert pool.maxWithdraw(pond.ann) == 9_000 * U
    with reverts_with("pool: not enough cash"):
        pool.withdraw(9_000 * U + 1, pond.ann, pond.ann, sender=pond.ann)
    with reverts_with("pool: collateral too low"):
        pool.withdraw_collateral(ETH, ETHER + 1, sender=pond.borrower)
    with reverts_with("pool: nothing to collect"):
        pool.collect_fees(sender=cid)


def test_t75_first_depositor__victim_loses_nothing(attacked_venue: Lending) -> None:
    lending, pool = attacked_venue, attacked_venue.pool
    lending.lend(lending.bob, 1)
    lending.asset.transfer(pool, 10_000 * U, sender=lending.bob)
    assert lending.lend(lending.ann, 10_000 * U).return_value == 10_000 * U * SHARE
    assert (lending.worth(lending.ann), lending.worth(lending.bob)) == (10_000 * U, 1)


def test_t75_first_depositor_and_interest__victim_loses_a_unit_of_a_share(attacked_venue: Lending) -> None:
    # Interest is the one donation that moves the price: a lender of next to nothing pays himself 20,000 U of it.
    lending, pool = attacked_venue, attacked_venue.pool
    lending.set_rates(30_000, 0, 0, 8_000, 0)
    lending.lend(lending.bob, 1_000 * U)
    lending.open(lending.bob, ETHER, 1_000 * U)
    pool.repay(ETH, 900 * U, sender=lending.bob)
    pool.withdraw(900 * U, lending.bob, lending.bob, sender=lending.bob)
    lending.wait(2 * YEAR)
    lending.set_rates(0, 0, 0, 8_000, 0)
    held = lending.lend(lending.ann, 10_000 * U).return_value
    value, supply = int(pool.totalAssets()) + 1, int(pool.totalSupply()) + SHARE
    assert value > supply // SHARE
    # Lost is less than a share, which is worth a fraction of a unit, and the unit of rounding down.
    assert 10_000 * U - 1 - value // supply <= lending.worth(lending.ann) <= 10_000 * U
    assert held > 0


def test_t76_borrow_and_repay_in_one_transaction__gains_and_moves_nothing(pond: Lending) -> None:
    pool = pond.pool
    pond.set_rates()
    pond.open(pond.borrower, ETHER, 1_000 * U)
    runner = endow(pond, 10_000 * U, 10 * ETHER)
    before = wealth(pond, runner)
    books, ann = pool.books(), pond.worth(pond.ann)
    endings = script(
        pond,
        (pool, "add_collateral", (ETH, 10 * ETHER)),
        (pool, "borrow", (ETH, 9_000 * U)),
        (pool, "deposit", (9_000 * U, address_of(runner))),
        (pool, "borrow", (ETH, 5_000 * U)),
        (pool, "repay", (ETH, UNLIMITED)),
        (pool, "redeem", (9_000 * U * SHARE - 10**7, address_of(runner), address_of(runner))),
        (pool, "withdraw_collateral", (ETH, 10 * ETHER)),
    )
    assert endings == [SUCCEEDED] * 7
    after = pool.books()
    assert before - 15 <= wealth(pond, runner) <= before
    # Cash and debt are what they were but for the seconds that have passed, and so is the rate.
    assert after.cash - books.cash in range(20)
    assert after.rate == pytest.approx(int(books.rate), rel=1e-6)
    assert pond.worth(pond.ann) >= ann


def test_t77_rate_moved_within_a_block__charges_nobody_for_it(pond: Lending) -> None:
    pool, borrower = pond.pool, pond.borrower
    pond.set_rates()
    pond.open(borrower, 4 * ETHER, 5_000 * U)
    pond.wait(1_000)
    rate, time = int(pool.books().rate), pond.kit.now() + 100
    # A lender who leaves and returns within the second drives the rate to its top and back; another halves it.
    for function, args in (
        ("withdraw", (4_900 * U, address_of(pond.ann), address_of(pond.ann))),
        ("deposit", (4_900 * U, address_of(pond.ann))),
        ("deposit", (50_000 * U, address_of(pond.ann))),
        ("withdraw", (50_000 * U, address_of(pond.ann), address_of(pond.ann))),
    ):
        next_block_at(time)
        getattr(pool, function)(*args, sender=pond.ann)
        assert pool.books().rate != rate
        debt = pond.debt(borrower)
    assert pool.books().rate == pytest.approx(rate, rel=1e-4)
    assert pond.kit.now() == time
    books = pool.books()
    next_block_at(time + 10)
    pool.accrue(sender=pond.bob)
    # Ten seconds at the rate that stands at the end of the second.
    assert 0 <= pond.debt(borrower) - debt - debt * int(books.rate) * 10 // RAY <= 1


# --------------------------------------------------------------------- the price


def test_t78_price_at_its_age_limit__still_counts_and_a_second_later_only_saving_goes_on(pond: Lending) -> None:
    pool, borrower, other, ann = pond.pool, pond.borrower, pond.other, pond.ann
    pond.open(borrower, ETHER, 1_000 * U)
    pond.open(other, 2 * ETHER, 1_000 * U)
    pond.price(1_200 * 10**8)
    published = pond.kit.now()
    with chain.isolate():
        next_block_at(published + MAX_AGE)
        pool.borrow(ETH, U, sender=other)
        for call in thunks(
            lambda: pool.withdraw_collateral(ETH, 1, sender=other),
            lambda: pond.liquidate(borrower, 10 * U),
            lambda: pond.liquidate(borrower, 10 * U),
        ):
            next_block_at(published + MAX_AGE)
            call()
        assert pond.kit.now() == published + MAX_AGE
    for call in thunks(
        lambda: pool.borrow(ETH, U, sender=other),
        lambda: pool.withdraw_collateral(ETH, 1, sender=other),
        lambda: pond.liquidate(borrower, 10 * U),
        lambda: pool.flag(ETH, borrower, sender=ann),
    ):
        next_block_at(published + MAX_AGE + 1)
        with reverts_with("feed: stale price"):
            call()
    pool.repay(ETH, 100 * U, sender=borrower)
    pool.add_collateral(ETH, ETHER, sender=borrower)
    pool.deposit(100 * U, ann, sender=ann)
    pool.withdraw(100 * U, ann, ann, sender=ann)
    pool.repay(ETH, UNLIMITED, sender=borrower)
    pool.withdraw_collateral(ETH, 2 * ETHER, sender=borrower)


def test_t79_dead_feed_of_one_collateral__leaves_the_others_alone(pond: Lending) -> None:
    pool, borrower, other = pond.pool, pond.borrower, pond.other
    pond.open(borrower, ETHER, 1_000 * U)
    pond.open(borrower, COIN_8 // 10, 1_000 * U, BTC)
    pond.open(other, COIN_8 // 10, 4_500 * U, BTC)
    pond.aggregators[ETH].push(0, sender=pond.actors.keeper)
    with reverts_with("feed: price not positive"):
        pool.borrow(ETH, U, sender=borrower)
    with reverts_with("feed: price not positive"):
        pond.liquidate(borrower)
    pool.borrow(BTC, U, sender=borrower)
    pool.withdraw_collateral(BTC, 1, sender=borrower)
    pond.price(56_000 * 10**8, BTC)
    pond.liquidate(other, number=BTC)
    pond.price(40_000 * 10**8, BTC)
    pool.flag(BTC, other, sender=pond.bob)
    pond.liquidate(other, number=BTC)
    assert pond.debt(other, BTC) == 0
    pond.lend(pond.bob, 10 * U)
    pool.redeem(pool.maxRedeem(pond.bob), pond.bob, pond.bob, sender=pond.bob)


# ------------------------------------------------------------------ liquidations


def test_t80_liquidation_of_a_healthy_loan__is_refused_whatever_is_done_before(pond: Lending) -> None:
    pool, borrower = pond.pool, pond.borrower
    pond.open(borrower, ETHER, 1_500 * U)
    pond.price(1_875 * 10**8)
    for debt in (1, 750 * U, 1_500 * U, UNLIMITED):
        with reverts_with("pool: loan is healthy"):
            pond.liquidate(borrower, debt)
    # Nobody makes it unhealthy: not by repaying, by adding to it, by lending or leaving.
    pool.repay(ETH, 1, borrower, sender=pond.liquidator)
    pool.add_collateral(ETH, 1, borrower, sender=pond.liquidator)
    pool.withdraw(8_500 * U, pond.ann, pond.ann, sender=pond.ann)
    with reverts_with("pool: loan is healthy"):
        pond.liquidate(borrower)
    with reverts_with("pool: loan is solvent"):
        pool.flag(ETH, borrower, sender=pond.liquidator)


def test_t81_self_liquidation__refused_and_by_a_second_account_gains_nothing(pond: Lending) -> None:
    pool, borrower, second = pond.pool, pond.borrower, pond.liquidator
    pond.open(borrower, ETHER, 1_500 * U)
    pond.price(1_850 * 10**8)
    with reverts_with("pool: own loan"):
        pool.liquidate(ETH, borrower, UNLIMITED, sender=borrower)
    before = wealth(pond, borrower, second)
    lenders = pond.worth(pond.ann)
    pond.liquidate(borrower)
    # The premium moves between his accounts, and the fund's part of it, 7.5 U, is lost to him.
    assert before - 7_500_000 - 3 <= wealth(pond, borrower, second) <= before - 7_500_000
    assert pond.worth(pond.ann) == lenders


def test_t81_self_liquidation_of_an_insolvent_loan__gains_no_more_than_any_liquidator(pond: Lending) -> None:
    borrower, second = pond.borrower, pond.liquidator
    pond.open(borrower, ETHER, 1_500 * U)
    pond.price(1_050 * 10**8)
    # Who walks away from his loan has its debt less and its collateral less; bought back it costs 1,010 of 1,050.
    money = int(pond.asset.balanceOf(second))
    pond.liquidate(borrower)
    assert money - pond.asset.balanceOf(second) == 1_000 * U + 10 * U
    assert pond.tokens[ETH].balanceOf(second) == 101 * ETHER


def test_t82_dust_loans__cannot_be_made_by_borrowing_repaying_or_liquidating(pond: Lending) -> None:
    pool, borrower = pond.pool, pond.borrower
    pool.add_collateral(ETH, ETHER, sender=borrower)
    with reverts_with("pool: dust loan"):
        pool.borrow(ETH, 10 * U - 1, sender=borrower)
    pool.borrow(ETH, 12 * U, sender=borrower)
    with reverts_with("pool: dust loan"):
        pool.repay(ETH, 2 * U + 1, sender=borrower)
    with reverts_with("pool: dust loan"):
        pool.repay(ETH, 12 * U - 1, borrower, sender=pond.other)
    pool.withdraw_collateral(ETH, ETHER * 992 // 1_000, sender=borrower)
    pond.price(1_860 * 10**8)
    for debt in (2 * U + 1, 6 * U, 12 * U - 1):
        with reverts_with("pool: dust loan"):
            pond.liquidate(borrower, debt)
    pond.liquidate(borrower, 2 * U)
    assert pond.debt(borrower) == 10 * U
    # What is left is worth a whole liquidation.
    pond.price(1_600 * 10**8)
    pond.liquidate(borrower)
    assert pond.debt(borrower) == 0


def test_t83_partial_liquidation__never_makes_a_solvent_loan_insolvent(pond: Lending) -> None:
    pool, borrower = pond.pool, pond.borrower
    pond.open(borrower, ETHER, 1_500 * U)
    # Just solvent: the premium takes all that is left.
    pond.price(157_500_000_001)
    assert not pool.is_insolvent(ETH, borrower)
    for debt in (1, 7, 123_456_789, UNLIMITED, UNLIMITED, 10 * U):
        pond.liquidate(borrower, debt)
        assert not pool.is_insolvent(ETH, borrower)
    pond.price(157_500_000_000)
    while pond.debt(borrower) > 0:
        pond.liquidate(borrower)
    # Not a unit was lost by the lenders.
    assert pond.worth(pond.ann) >= 10_000 * U - 1
    assert pool.loan(ETH, borrower).collateral > 0


def test_t84_liquidator_leaves_one_unit_of_collateral__cannot(pond: Lending) -> None:
    borrower = pond.borrower
    pond.open(borrower, ETHER, 1_500 * U)
    pond.price(1_050 * 10**8)
    whole = 1_000 * U
    # An insolvent loan goes whole: nothing that would keep its loss from being resolved is left.
    for debt in (1, 10 * U, whole - 1):
        with reverts_with("pool: insolvent, whole only"):
            pond.liquidate(borrower, debt)
    pond.liquidate(borrower, whole)
    loan = pond.pool.loan(ETH, borrower)
    assert (loan.debt, loan.collateral, loan.scaled) == (0, 0, 0)
    assert pond.worth(pond.ann) == 10_000 * U - 490 * U


# --------------------------------------------------------------------------- caps


def test_t85_caps__hold_over_many_accounts(pond: Lending) -> None:
    pool = pond.pool
    pond.set_limits(supply_cap=10_000 * U + 5)
    pond.set_terms(collateral_cap=2 * ETHER, borrow_cap=1_500 * U)
    pond.lend(pond.bob, 3)
    for account, amount in ((pond.cid, 3), (pond.ann, 3)):
        with reverts_with("pool: above supply cap"):
            pond.lend(account, amount)
    pool.mint(2 * SHARE, pond.cid, sender=pond.cid)
    pond.open(pond.borrower, ETHER, 1_000 * U)
    pond.open(pond.other, ETHER, 500 * U)
    for account in (pond.cid, pond.liquidator):
        with reverts_with("pool: above collateral cap"):
            pool.add_collateral(ETH, 1, sender=account)
        with reverts_with("pool: above collateral cap"):
            pool.add_collateral(ETH, 1, account, sender=pond.other)
    with reverts_with("pool: above borrow cap"):
        pool.borrow(ETH, 1, sender=pond.other)
    # Through a loan that owes collateral may pass the cap, but then nobody borrows against any of it.
    pool.add_collateral(ETH, 1, pond.other, sender=pond.cid)
    pool.repay(ETH, 100 * U, sender=pond.other)
    with reverts_with("pool: above collateral cap"):
        pool.borrow(ETH, 100 * U, sender=pond.other)


# ------------------------------------------------------------------------ interest


def test_t86_interest_over_years_untouched__index_grows_and_never_blocks(pond: Lending) -> None:
    pool, borrower, ann = pond.pool, pond.borrower, pond.ann
    pond.set_rates()
    pond.open(borrower, 10 * ETHER, 8_000 * U)
    index = 0
    for years, least, most in ((1, 8_326 * U, 8_327 * U), (7, 11_000 * U, 11_020 * U), (100, 15_000 * U, 15_200 * U)):
        pond.wait(years * YEAR)
        assert least <= pond.debt(borrower) <= most
        receipt = pool.accrue(sender=pond.bob)
        assert receipt.gas_used < 100_000
        assert pool.books().index > index
        index = pool.books().index
    pool.withdraw(pool.maxWithdraw(ann), ann, ann, sender=ann)
    pond.give(borrower, 20_000 * U)
    pool.repay(ETH, UNLIMITED, sender=borrower)
    pool.redeem(pool.balanceOf(ann), ann, ann, sender=ann)
    assert (pool.totalSupply(), pool.totalAssets() <= 2) == (0, True)
    pool.collect_fees(sender=ann)


# -------------------------------------------------------------------------- T73


def test_t73_lenders_leave_before_the_loss__flag_keeps_them_until_it_is_shared(pond: Lending) -> None:
    pool, ann, bob = pond.pool, pond.ann, pond.bob
    pond.lend(bob, 10_000 * U)
    pond.open(pond.borrower, 5 * ETHER, 7_500 * U)
    pond.price(1_050 * 10**8)
    # Who sees the loan sink flags it; whoever is first in the block finds the door shut.
    pool.flag(ETH, pond.borrower, sender=bob)
    for call in thunks(
        lambda: pool.withdraw(1, ann, ann, sender=ann),
        lambda: pool.redeem(pool.balanceOf(ann), ann, ann, sender=ann),
    ):
        with reverts_with("pool: withdrawals stopped"):
            call()
    assert (pool.maxWithdraw(ann), pool.maxRedeem(ann)) == (0, 0)
    pond.liquidate(pond.borrower)
    lost = 7_500 * U - 5_050 * U
    # Both lose the same, in either order.
    for first, second in ((ann, bob), (bob, ann)):
        with chain.isolate():
            got = [
                int(pool.redeem(pool.balanceOf(account), account, account, sender=account).return_value)
                for account in (first, second)
            ]
            assert all(0 <= 10_000 * U - lost // 2 - one <= 1 for one in got)


def test_t73_stop__cannot_be_renewed_an_hour_in_any_day(pond: Lending) -> None:
    pool, ann, keeper = pond.pool, pond.ann, pond.actors.keeper
    pond.open(pond.borrower, ETHER, 1_500 * U)
    pond.open(pond.other, ETHER, 1_500 * U)
    pond.price(1_050 * 10**8)
    pool.flag(ETH, pond.borrower, sender=keeper)
    until = int(pool.stop().until)
    pond.wait(HOUR // 2)
    # Neither the same loan nor another renews it, nor ending and beginning again.
    for account in (pond.borrower, pond.other):
        with reverts_with("pool: already stopped"):
            pool.flag(ETH, account, sender=keeper)
    pond.liquidate(pond.borrower)
    assert not pool.withdrawals_stopped()
    pool.flag(ETH, pond.other, sender=keeper)
    assert pool.stop().until == until
    pond.wait(HOUR)
    pool.withdraw(1, ann, ann, sender=ann)
    for _ in range(3):
        with reverts_with("pool: stopped too recently"):
            pool.flag(ETH, pond.other, sender=keeper)
        pond.wait(7 * HOUR)
    pond.wait(2 * HOUR)
    pool.flag(ETH, pond.other, sender=keeper)
    assert int(pool.stop().until) >= until + 24 * HOUR


def test_t73_flag_griefing__only_insolvent_loans_and_nothing_but_withdrawals(pond: Lending) -> None:
    pool, attacker = pond.pool, pond.other
    pond.open(attacker, ETHER, 1_500 * U)
    for price in (2_000, 1_850, 1_575):
        pond.price(price * 10**8)
        with reverts_with("pool: loan is solvent"):
            pool.flag(ETH, attacker, sender=attacker)
    pond.price(1_500 * 10**8)
    pool.flag(ETH, attacker, sender=attacker)
    with reverts_with("pool: loan is insolvent"):
        pool.unflag(ETH, attacker, sender=attacker)
    # All else goes on, and a single liquidation ends it: to hold lenders an hour a day costs a loan each time.
    pond.lend(pond.bob, 10 * U)
    pond.open(pond.cid, ETHER, 100 * U)
    pool.repay(ETH, UNLIMITED, sender=pond.cid)
    pond.liquidate(attacker)
    pool.redeem(2 * 10**6, pond.ann, pond.ann, sender=pond.ann)


def test_t73_no_lenders_and_lenders_of_one_unit__nobody_escapes_or_pays_more(attacked_venue: Lending) -> None:
    lending, pool = attacked_venue, attacked_venue.pool
    crowd = [lending.ann, lending.bob, lending.cid, lending.liquidator]
    lending.lend(lending.other, 996)
    for account in crowd:
        lending.lend(account, 1)
    lending.lend(lending.other, 9_999_999_000)
    lending.open(lending.borrower, 5 * ETHER, 7_500 * U)
    lending.price(1_050 * 10**8)
    lending.liquidate(lending.borrower)
    total = 10_000 * U - 2_450 * U
    assert pool.totalAssets() == total
    # 0.755 of a unit each: as good as nothing, but together theirs is what it was.
    assert [lending.worth(account) for account in crowd] == [0] * 4
    claims = sum(lending.worth(account) for account in (*crowd, lending.other))
    assert 0 <= total - claims <= len(crowd) + 1
    for account in crowd[1:]:
        pool.transfer(crowd[0], pool.balanceOf(account), sender=account)
    assert lending.worth(crowd[0]) == 3


def test_t73_newcomer_after_the_loss__gains_nothing_by_it(pond: Lending) -> None:
    pool, bob = pond.pool, pond.bob
    pond.open(pond.borrower, 5 * ETHER, 7_500 * U)
    pond.price(1_050 * 10**8)
    # In before the resolution: the loss is his as well. Out right after it: no gain either.
    pond.lend(bob, 10_000 * U)
    pond.kit.contribute(pond.actors.contributor, 1_000 * U)
    pond.liquidate(pond.borrower)
    got = int(pool.redeem(pool.maxRedeem(bob), bob, bob, sender=bob).return_value) + pond.worth(bob)
    assert 0 <= 10_000 * U - 725 * U - got <= 1


# -------------------------------------------------------------------------- a fund


def test_t87_false_fund__gets_no_allowance(pond: Lending) -> None:
    pool, registry, governance = pond.pool, pond.registry, pond.governance
    stranger = another_fund(pond)
    false = pond.script  # type: ignore[attr-defined]
    for fund, reason in ((stranger, "lending: other fund's pool"), (false, "lending: other fund's pool")):
        with reverts_with(reason):
            registry.set_fund(fund, sender=governance)
        with reverts_with("lending: not governance"):
            registry.set_fund(fund, sender=pond.bob)
        with reverts_with("pool: not registry"):
            pool.change_fund(pond.fund, fund, sender=governance)
        assert pond.asset.allowance(pool, fund) == 0
    # The real one takes no more than it is owed, whoever calls it.
    with reverts_with("pool: nothing to collect"):
        pool.collect_fees(sender=pond.bob)
    with reverts_with("fund: unknown market"):
        pond.fund.settle_fees(0, 10_000 * U, sender=pond.bob)
