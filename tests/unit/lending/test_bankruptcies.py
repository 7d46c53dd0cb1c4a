"""Who bears a loan's loss: the fund, the lenders, and bad debt (M13 to M15, M24, M33, M37)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.deployment import LOCAL_STAKERS
from kana_insurance.testing import DAY, Actors, U, logs, reverts_with
from tests.utils.lending import (
    ETH,
    ETHER,
    SHARE,
    UNLIMITED,
    YEAR,
    Lending,
    joined,
    merged,
    paid,
)

#: 908 U owed for collateral of 840 U: it fetches 800, and the fund's part of the premium, 8 U, repays debt too.
DEBT, PRICE, REPAID = 908 * U, 840, 808 * U
LOSS = DEBT - REPAID


@pytest.fixture
def doomed(lending: Lending) -> Lending:
    """1,000 U lent, 908 of them owed by a loan whose collateral is worth 840 U."""
    lending.lend(lending.ann, 1_000 * U)
    ruin(lending)
    return lending


def ruin(lending: Lending, account: Any = None) -> None:
    """A loan that loses 100 U."""
    lending.price(2_000 * 10**8)
    lending.open(account or lending.borrower, ETHER, DEBT)
    lending.price(PRICE * 10**8)


def resolved(covered: int, lost: int, bad: int = 0) -> dict[str, int]:
    """What the liquidation of that loan changes: who bears how much."""
    return joined(
        {"cash": REPAID + covered, "total_debt": -DEBT, "assets": -lost, "bad_debt": bad},
        {"ETH debt of borrower": -DEBT, "ETH debts": -DEBT},
        {"ETH loan of borrower": -ETHER, "ETH in loans": -ETHER},
        paid("liquidator", "pool", REPAID),
        paid("pool", "liquidator", ETHER, "ETH"),
        {"reserve": -covered, "money of fund": -covered, "money of pool": covered},
    )


def event_of(lending: Lending, covered: int, lost: int, bad: int = 0, shortfall: int = LOSS) -> tuple[str, Any]:
    """The event of a resolution."""
    return "LoanResolved", {
        "collateral_id": ETH,
        "borrower": address_of(lending.borrower),
        "shortfall": shortfall,
        "covered": covered,
        "lenders_loss": lost,
        "bad_debt": bad,
    }


# ------------------------------------------------------------------ the examples


@pytest.mark.parametrize(
    ("reserve", "covered", "left"),
    [(0, 0, 900), (60 * U, 60 * U, 960), (100 * U, 100 * U, 1_000), (150 * U, 100 * U, 1_000)],
)
def test_m33__loss_of_100_in_1000__lenders_keep_what_the_fund_leaves(
    doomed: Lending, reserve: int, covered: int, left: int
) -> None:
    if reserve > 0:
        doomed.kit.contribute(doomed.actors.contributor, reserve)
    with doomed.moves(resolved(covered, LOSS - covered)):
        receipt = doomed.liquidate(doomed.borrower)
    assert tuple(receipt.return_value) == (REPAID, ETHER)
    # The loan's whole debt leaves the books in the same transaction.
    assert logs(receipt, doomed.pool)[-1] == event_of(doomed, covered, LOSS - covered)
    assert (doomed.worth(doomed.ann), doomed.pool.totalAssets()) == (left * U, left * U)


@pytest.mark.parametrize(("reserve", "percent"), [(0, 90), (60 * U, 96)])
def test_m33__three_lenders__same_share_for_whoever_is_first(lending: Lending, reserve: int, percent: int) -> None:
    parts = {lending.ann: 123_456_789, lending.bob: 500 * U + 1}
    parts[lending.cid] = 1_000 * U - sum(parts.values())
    for account, amount in parts.items():
        lending.lend(account, amount)
    ruin(lending)
    if reserve:
        lending.kit.contribute(lending.actors.contributor, reserve)
    lending.liquidate(lending.borrower)
    from ape import chain

    for order in itertools.permutations(parts):
        with chain.isolate():
            for account in order:
                shares = lending.pool.balanceOf(account)
                got = lending.pool.redeem(shares, account, account, sender=account).return_value
                assert 0 <= parts[account] * percent - got * 100 <= 100
            assert lending.pool.totalAssets() <= len(parts)


def test_m33__lenders_of_one_unit__lose_the_same(lending: Lending) -> None:
    crowd = [lending.bob, lending.cid, lending.other, lending.liquidator]
    for account in crowd:
        lending.lend(account, 1)
    lending.lend(lending.ann, 1_000 * U - len(crowd))
    ruin(lending)
    lending.liquidate(lending.borrower)
    # Each holds 0.9 of a unit, which rounds to nothing; together they could take what they have.
    for account in crowd:
        assert lending.worth(account) == 0
        lending.pool.transfer(lending.bob, lending.pool.balanceOf(account), sender=account)
    assert lending.pool.balanceOf(lending.bob) == len(crowd) * SHARE
    assert lending.worth(lending.bob) == len(crowd) * 9 // 10
    assert lending.worth(lending.ann) == (1_000 * U - len(crowd)) * 9 // 10


# ------------------------------------------------------------------- the fund


def test_resolve__window_limits_the_cover__lenders_bear_the_rest(doomed: Lending) -> None:
    doomed.kit.contribute(doomed.actors.contributor, 1_000 * U)
    doomed.fund.set_window(25 * U, DAY, sender=doomed.governance)
    with doomed.moves(resolved(25 * U, 75 * U)):
        doomed.liquidate(doomed.borrower)


def test_resolve__payouts_paused__waits(doomed: Lending) -> None:
    doomed.kit.contribute(doomed.actors.contributor, 1_000 * U)
    doomed.fund.pause_payouts(600, sender=doomed.actors.guardian)
    with doomed.moves({}), reverts_with("fund: payouts paused"):
        doomed.liquidate(doomed.borrower)
    # A solvent loan needs no payout.
    doomed.open(doomed.other, ETHER, 600 * U // 10)
    doomed.price(70 * 10**8)
    doomed.liquidate(doomed.other, U)
    doomed.price(PRICE * 10**8)
    doomed.wait(600)
    with doomed.moves(resolved(100 * U, 0)):
        doomed.liquidate(doomed.borrower)


@pytest.fixture(scope="module")
def backed_venue(backend: Any, actors: Actors) -> Lending:
    """The same with stakers behind the fund."""
    return Lending(backend, actors, stakers=LOCAL_STAKERS)


def test_resolve__stakers_behind_the_reserve__waterfall(backed_venue: Lending) -> None:
    lending, staker = backed_venue, backed_venue.actors.keeper
    lending.kit.contribute(lending.actors.contributor, 30 * U)
    lending.kit.stake(staker, 1_000 * U)
    lending.lend(lending.ann, 1_000 * U)
    ruin(lending)
    # 30 of the reserve, 70 of the stakers; the lenders lose nothing, and no maximum is used up (M15).
    change = resolved(100 * U, 0) | {"reserve": -30 * U, "money of fund": -30 * U}
    with lending.moves(change):
        lending.liquidate(lending.borrower)
    assert lending.kit.backstop.totalAssets() == 930 * U
    ruin(lending, lending.other)
    lending.kit.backstop.requestRedeem(
        lending.kit.backstop.balanceOf(staker), address_of(staker), address_of(staker), sender=staker
    )
    lending.liquidate(lending.other)
    assert (lending.worth(lending.ann), lending.fund.market(lending.pool, 0).used) == (1_000 * U, 0)


def test_resolve__fund_merged__covered_by_its_successor(doomed: Lending) -> None:
    doomed.kit.contribute(doomed.actors.contributor, 60 * U)
    successor = merged(doomed)
    doomed.registry.set_fund(successor, sender=doomed.governance)
    doomed.liquidate(doomed.borrower)
    assert successor.reserve() == 0
    assert doomed.worth(doomed.ann) == 960 * U


# -------------------------------------------------------------------- bad debt


def orphaned(lending: Lending) -> int:
    """A loan whose lenders are gone: what is owed is the fund's part of the interest alone; its debt."""
    pool, ann, borrower = lending.pool, lending.ann, lending.borrower
    lending.lend(ann, 1_000 * U)
    lending.open(borrower, ETHER, 500 * U)
    lending.set_rates(30_000, 0, 0, 8_000, 5_000)
    lending.wait(YEAR // 2)
    lending.set_rates(0, 0, 0, 8_000, 5_000)
    books = pool.books()
    # Half of the interest is the fund's: all but that much is repaid.
    pool.repay(ETH, lending.debt(borrower) - int(books.fees) + 10, sender=borrower)
    pool.redeem(pool.balanceOf(ann), ann, ann, sender=ann)
    books = pool.books()
    assert (pool.totalSupply(), books.assets <= 20, books.total_debt > 500 * U) == (0, True, True)
    return lending.debt(borrower)


def test_resolve__without_lenders__is_bad_debt(lending: Lending) -> None:
    pool = lending.pool
    debt = orphaned(lending)
    lending.price(100 * 10**8)
    # Collateral of 100 U: 95.238096 and a hundredth of it are repaid.
    repaid = 95_238_096 + 952_380
    rest = debt - repaid
    books = pool.books()
    receipt = lending.liquidate(lending.borrower)
    assert logs(receipt, pool)[-1] == event_of(lending, 0, 0, rest, rest)
    after = pool.books()
    assert (after.bad_debt, after.total_debt) == (rest, 0)
    assert after.cash - books.cash == repaid
    # What no lender lost isn't the next one's gain or loss: the books say that the fund owes it.
    assert after.assets == after.cash + rest - after.fees
    assert lending.fund.market(pool, 0).bad_debt == rest
    # Fees repay it first: they stay here, and are lenders' money from then on.
    cash, fees = int(after.cash), int(after.fees)
    take = min(cash, fees)
    with lending.moves({"fees": -take, "bad_debt": -take}):
        receipt = pool.collect_fees(sender=lending.actors.keeper)
    assert receipt.return_value == take
    assert logs(receipt, pool) == [("FeesCollected", {"paid": take, "repaid": take})]


def test_repay_bad_debt__anyone__up_to_what_is_owed(lending: Lending) -> None:
    pool, other = lending.pool, lending.other
    orphaned(lending)
    lending.price(100 * 10**8)
    lending.liquidate(lending.borrower)
    owed = int(pool.books().bad_debt)
    with reverts_with("pool: zero amount"):
        pool.repay_bad_debt(0, sender=other)
    with reverts_with("fund: above bad debt"):
        pool.repay_bad_debt(owed + 1, sender=other)
    with lending.moves(joined({"cash": 7 * U, "bad_debt": -7 * U}, paid("other", "pool", 7 * U))):
        receipt = pool.repay_bad_debt(7 * U, sender=other)
    event = {"payer": address_of(other), "amount": 7 * U, "bad_debt": owed - 7 * U}
    assert logs(receipt, pool) == [("BadDebtRepaid", event)]
    pool.repay_bad_debt(owed - 7 * U, sender=other)
    assert (pool.books().bad_debt, lending.fund.bad_debt(pool, 0)) == (0, 0)
    with reverts_with("fund: above bad debt"):
        pool.repay_bad_debt(1, sender=other)


def test_resolve__more_lost_than_lenders_have__the_rest_is_bad_debt(lending: Lending) -> None:
    pool, bob = lending.pool, lending.bob
    debt = orphaned(lending)
    lending.lend(bob, 20 * U)
    # What is owed is rounded up, the sum of all debts down: a unit that nobody had is lost too.
    books = pool.books()
    own = int(books.assets) + debt - int(books.total_debt)
    lending.price(100 * 10**8)
    receipt = lending.liquidate(lending.borrower)
    rest = debt - 95_238_096 - 952_380
    # All that lenders had is lost, and what is more is owed by the fund.
    assert logs(receipt, pool)[-1] == event_of(lending, 0, own, rest - own, rest)
    assert (pool.totalAssets(), pool.books().bad_debt, lending.worth(bob)) == (0, rest - own, 0)


# -------------------------------------------------------------------- the fees


def test_collect_fees__of_premium_and_interest__go_to_the_fund(lending: Lending) -> None:
    pool = lending.pool
    with reverts_with("pool: nothing to collect"):
        pool.collect_fees(sender=lending.actors.keeper)
    lending.lend(lending.ann, 2_000 * U)
    lending.open(lending.borrower, ETHER, 1_500 * U)
    lending.price(1_850 * 10**8)
    lending.liquidate(lending.borrower)
    fees = 7_500_000
    with lending.moves(joined({"fees": -fees, "cash": -fees, "reserve": fees}, paid("pool", "fund", fees))):
        receipt = pool.collect_fees(sender=lending.actors.outsider)
    assert (receipt.return_value, logs(receipt, pool)) == (fees, [("FeesCollected", {"paid": fees, "repaid": 0})])
    with reverts_with("pool: nothing to collect"):
        pool.collect_fees(sender=lending.actors.keeper)


def test_collect_fees__more_than_the_cash__sends_what_there_is(lending: Lending) -> None:
    pool, ann = lending.pool, lending.ann
    lending.lend(ann, 1_000 * U)
    lending.open(lending.borrower, ETHER, 900 * U)
    lending.set_rates(10_000, 0, 0, 8_000, 5_000)
    lending.wait(YEAR)
    lending.set_rates(0, 0, 0, 8_000, 5_000)
    pool.withdraw(99 * U, ann, ann, sender=ann)
    fees = int(pool.books().fees)
    assert fees > 700 * U
    with lending.moves(joined({"fees": -U, "cash": -U, "reserve": U}, paid("pool", "fund", U))):
        assert pool.collect_fees(sender=ann).return_value == U
    with reverts_with("pool: nothing to collect"):
        pool.collect_fees(sender=ann)
    pool.repay(ETH, UNLIMITED, sender=lending.borrower)
    assert pool.collect_fees(sender=ann).return_value == fees - U
