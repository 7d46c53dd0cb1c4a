"""Borrowers: collateral in and out, borrowing within every bound, repaying (M30, M32, M37)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.pools import FeedConfig
from kana_insurance.testing import Actors, U, logs, reverts_with
from tests.utils.lending import (
    BTC,
    CALM,
    COIN_8,
    ETH,
    ETHER,
    FOREVER,
    MAX_AMOUNT,
    MAX_COLLATERAL,
    UNLIMITED,
    ZERO,
    Lending,
    joined,
    paid,
)

OLD = 3_601


def owed(name: str, amount: int, coin: str = "ETH") -> dict[str, int]:
    """What a debt changes in loans and sums, not in the cash."""
    return {f"{coin} debt of {name}": amount, f"{coin} debts": amount, "total_debt": amount}


def kept(name: str, amount: int, coin: str = "ETH") -> dict[str, int]:
    """What collateral changes in loans and sums."""
    return {f"{coin} loan of {name}": amount, f"{coin} in loans": amount}


@pytest.fixture
def funded(lending: Lending) -> Lending:
    """100,000 U are lent."""
    lending.lend(lending.ann, 100_000 * U)
    return lending


# ------------------------------------------------------------------ collateral


@pytest.mark.parametrize(("number", "coin", "amount"), [(ETH, "ETH", 3 * ETHER + 1), (BTC, "BTC", COIN_8 + 1)])
def test_add_collateral__own_and_for_another__is_kept(lending: Lending, number: int, coin: str, amount: int) -> None:
    pool, borrower, other = lending.pool, lending.borrower, lending.other
    with lending.moves(joined(kept("borrower", amount, coin), paid("borrower", "pool", amount, coin))):
        receipt = pool.add_collateral(number, amount, sender=borrower)
    event = {
        "collateral_id": number,
        "borrower": address_of(borrower),
        "payer": address_of(borrower),
        "amount": amount,
        "collateral": amount,
    }
    assert logs(receipt, pool) == [("CollateralAdded", event)]
    with lending.moves(joined(kept("borrower", 5, coin), paid("other", "pool", 5, coin))):
        receipt = pool.add_collateral(number, 5, borrower, sender=other)
    event |= {"payer": address_of(other), "amount": 5, "collateral": amount + 5}
    assert logs(receipt, pool) == [("CollateralAdded", event)]


def test_add_collateral__refused__in_this_order(lending: Lending) -> None:
    pool, borrower = lending.pool, lending.borrower
    for number, amount, account, reason in (
        (9, 0, ZERO, "pool: zero amount"),
        (9, 1, ZERO, "pool: zero address"),
        (9, 2**256 - 1, borrower, "lending: unknown collateral"),
        (ETH, MAX_COLLATERAL + 1, borrower, "pool: amount too large"),
        (ETH, 2**256 - 1, borrower, "pool: amount too large"),
        (ETH, MAX_COLLATERAL, borrower, "pool: above collateral cap"),
    ):
        with reverts_with(reason):
            pool.add_collateral(number, amount, account, sender=borrower)
    pool.add_collateral(ETH, 1, sender=borrower)
    with reverts_with("pool: amount too large"):
        pool.add_collateral(ETH, MAX_COLLATERAL, sender=borrower)


def test_add_collateral__cap__binds_all_but_who_owes(funded: Lending) -> None:
    pool, borrower, other = funded.pool, funded.borrower, funded.other
    funded.open(borrower, ETHER, 1_000 * U)
    funded.set_terms(collateral_cap=3 * ETHER)
    pool.add_collateral(ETH, 2 * ETHER, sender=other)
    with reverts_with("pool: above collateral cap"):
        pool.add_collateral(ETH, 1, sender=other)
    # Who owes may save his loan, but nobody borrows any more.
    pool.add_collateral(ETH, 1, sender=borrower)
    pool.add_collateral(ETH, 1, borrower, sender=other)
    assert pool.max_borrow(ETH, borrower) == 0
    with reverts_with("pool: above collateral cap"):
        pool.borrow(ETH, U, sender=borrower)
    pool.withdraw_collateral(ETH, 2, sender=other)
    pool.borrow(ETH, U, sender=borrower)


def test_add_collateral__without_a_price_or_while_paused__goes_on(funded: Lending) -> None:
    pool, borrower = funded.pool, funded.borrower
    funded.open(borrower, ETHER, 1_000 * U)
    funded.pause()
    funded.kit.travel(OLD, refresh=False)
    with reverts_with("feed: stale price"):
        pool.max_borrow(ETH, borrower)
    with funded.moves(joined(kept("borrower", ETHER), paid("borrower", "pool", ETHER, "ETH"))):
        pool.add_collateral(ETH, ETHER, sender=borrower)


def test_withdraw_collateral__without_debt__needs_no_price(lending: Lending) -> None:
    pool, borrower, other = lending.pool, lending.borrower, lending.other
    pool.add_collateral(ETH, ETHER, sender=borrower)
    lending.pause()
    lending.kit.travel(OLD, refresh=False)
    with lending.moves(joined(kept("borrower", -7), paid("pool", "other", 7, "ETH"))):
        receipt = pool.withdraw_collateral(ETH, 7, other, sender=borrower)
    event = {
        "collateral_id": ETH,
        "borrower": address_of(borrower),
        "receiver": address_of(other),
        "amount": 7,
        "collateral": ETHER - 7,
    }
    assert logs(receipt, pool) == [("CollateralWithdrawn", event)]
    with lending.moves(joined(kept("borrower", 7 - ETHER), paid("pool", "borrower", ETHER - 7, "ETH"))):
        pool.withdraw_collateral(ETH, ETHER - 7, sender=borrower)


def test_withdraw_collateral__with_debt__down_to_the_factor(funded: Lending) -> None:
    pool, borrower = funded.pool, funded.borrower
    funded.open(borrower, ETHER, 900 * U)
    # 0.6 ETH at 2,000 carry 900 at 75 %: a unit of collateral less doesn't.
    with reverts_with("pool: too little collateral"):
        pool.withdraw_collateral(ETH, ETHER * 2 // 5 + 1, sender=borrower)
    with funded.moves(joined(kept("borrower", -ETHER * 2 // 5), paid("pool", "borrower", ETHER * 2 // 5, "ETH"))):
        pool.withdraw_collateral(ETH, ETHER * 2 // 5, sender=borrower)
    pool.repay(ETH, UNLIMITED, sender=borrower)
    pool.withdraw_collateral(ETH, ETHER * 3 // 5, sender=borrower)


def test_withdraw_collateral__refused__in_this_order(funded: Lending) -> None:
    pool, borrower = funded.pool, funded.borrower
    funded.open(borrower, ETHER, 900 * U)
    funded.pause()
    for number, amount, receiver, reason in (
        (9, 0, ZERO, "pool: zero amount"),
        (9, 1, ZERO, "pool: zero address"),
        (9, 1, borrower, "pool: collateral too low"),
        (ETH, ETHER + 1, borrower, "pool: collateral too low"),
        (BTC, 1, borrower, "pool: collateral too low"),
        (ETH, ETHER, borrower, "pool: borrowing paused"),
    ):
        with reverts_with(reason):
            pool.withdraw_collateral(number, amount, receiver, sender=borrower)
    funded.kit.travel(OLD, refresh=False)
    with reverts_with("feed: stale price"):
        pool.withdraw_collateral(ETH, ETHER, sender=borrower)


# -------------------------------------------------------------------- borrowing


def test_borrow__against_each_collateral__is_a_loan_of_its_own(funded: Lending) -> None:
    pool, borrower, other = funded.pool, funded.borrower, funded.other
    pool.add_collateral(ETH, ETHER, sender=borrower)
    pool.add_collateral(BTC, COIN_8, sender=borrower)
    with funded.moves(joined({"cash": -1_500 * U}, owed("borrower", 1_500 * U), paid("pool", "borrower", 1_500 * U))):
        receipt = pool.borrow(ETH, 1_500 * U, sender=borrower)
    event = {
        "collateral_id": ETH,
        "borrower": address_of(borrower),
        "receiver": address_of(borrower),
        "amount": 1_500 * U,
        "debt": 1_500 * U,
    }
    assert logs(receipt, pool) == [("Borrowed", event)]
    # The bitcoin helps that loan nothing.
    with reverts_with("pool: too little collateral"):
        pool.borrow(ETH, 1, sender=borrower)
    change = joined({"cash": -45_000 * U}, owed("borrower", 45_000 * U, "BTC"), paid("pool", "other", 45_000 * U))
    with funded.moves(change):
        pool.borrow(BTC, 45_000 * U, other, sender=borrower)
    with reverts_with("pool: too little collateral"):
        pool.borrow(BTC, 1, sender=borrower)


def test_borrow__refused__in_this_order(funded: Lending) -> None:
    pool, borrower = funded.pool, funded.borrower
    for number, amount, receiver, reason in (
        (9, 0, ZERO, "pool: zero amount"),
        (9, MAX_AMOUNT + 1, ZERO, "pool: zero address"),
        (9, MAX_AMOUNT + 1, borrower, "pool: amount too large"),
        (9, 2**256 - 1, borrower, "pool: amount too large"),
        (9, 1, borrower, "lending: unknown collateral"),
    ):
        with reverts_with(reason):
            pool.borrow(number, amount, receiver, sender=borrower)
    pool.add_collateral(ETH, 2 * ETHER, sender=borrower)
    funded.set_terms(collateral_cap=1)
    funded.set_terms(borrow_cap=9 * U)
    funded.pause()
    with reverts_with("pool: borrowing paused"):
        pool.borrow(ETH, 10 * U - 1, sender=borrower)
    funded.registry.resume_borrowing(sender=funded.actors.guardian)
    with reverts_with("pool: above collateral cap"):
        pool.borrow(ETH, 10 * U - 1, sender=borrower)
    funded.set_terms(collateral_cap=2 * ETHER)
    with reverts_with("pool: dust loan"):
        pool.borrow(ETH, 10 * U - 1, sender=borrower)
    for amount in (10 * U, MAX_AMOUNT):
        with reverts_with("pool: above borrow cap"):
            pool.borrow(ETH, amount, sender=borrower)
    funded.set_terms(borrow_cap=MAX_AMOUNT)
    with reverts_with("pool: too little collateral"):
        pool.borrow(ETH, 100_001 * U, sender=borrower)
    funded.set_terms(collateral_cap=100 * ETHER)
    pool.add_collateral(ETH, 98 * ETHER, sender=borrower)
    with reverts_with("pool: not enough cash"):
        pool.borrow(ETH, 100_001 * U, sender=borrower)
    pool.borrow(ETH, 100_000 * U, sender=borrower)


def test_borrow__least_debt__counts_what_is_owed_already(funded: Lending) -> None:
    funded.open(funded.borrower, ETHER, 10 * U)
    funded.pool.borrow(ETH, 1, sender=funded.borrower)
    assert funded.debt(funded.borrower) == 10 * U + 1


def test_borrow__cap_of_a_collateral__counts_all_borrowers(funded: Lending) -> None:
    pool, borrower, other = funded.pool, funded.borrower, funded.other
    funded.set_terms(borrow_cap=1_000 * U)
    funded.open(borrower, ETHER, 600 * U)
    pool.add_collateral(ETH, ETHER, sender=other)
    with reverts_with("pool: above borrow cap"):
        pool.borrow(ETH, 400 * U + 1, sender=other)
    pool.borrow(ETH, 400 * U, sender=other)
    # The other collateral has a cap of its own.
    funded.open(other, COIN_8, 2_000 * U, BTC)


# -------------------------------------------------------------------- repaying


def test_repay__part_and_rest__lowers_the_debt(funded: Lending) -> None:
    pool, borrower, other = funded.pool, funded.borrower, funded.other
    funded.open(borrower, ETHER, 1_000 * U)
    with funded.moves(joined({"cash": 400 * U}, owed("borrower", -400 * U), paid("borrower", "pool", 400 * U))):
        receipt = pool.repay(ETH, 400 * U, sender=borrower)
    event = {
        "collateral_id": ETH,
        "borrower": address_of(borrower),
        "payer": address_of(borrower),
        "amount": 400 * U,
        "debt": 600 * U,
    }
    assert (receipt.return_value, logs(receipt, pool)) == (400 * U, [("Repaid", event)])
    # More than is owed takes what is owed; anyone may pay.
    with funded.moves(joined({"cash": 600 * U}, owed("borrower", -600 * U), paid("other", "pool", 600 * U))):
        assert pool.repay(ETH, UNLIMITED, borrower, sender=other).return_value == 600 * U
    with reverts_with("pool: no debt"):
        pool.repay(ETH, 1, sender=borrower)


def test_repay__refused__in_this_order(funded: Lending) -> None:
    pool, borrower = funded.pool, funded.borrower
    funded.open(borrower, ETHER, 20 * U)
    for number, amount, account, reason in (
        (9, 0, ZERO, "pool: zero amount"),
        (9, 1, ZERO, "pool: zero address"),
        (9, 1, borrower, "pool: no debt"),
        (ETH, 1, funded.other, "pool: no debt"),
        (ETH, 20 * U - 1, borrower, "pool: dust loan"),
        (ETH, 10 * U + 1, borrower, "pool: dust loan"),
    ):
        with reverts_with(reason):
            pool.repay(number, amount, account, sender=borrower)
    pool.repay(ETH, 10 * U, sender=borrower)
    pool.repay(ETH, 10 * U, sender=borrower)
    assert funded.debt(borrower) == 0


def test_repay__paused_and_without_a_price__goes_on(funded: Lending) -> None:
    funded.open(funded.borrower, ETHER, 1_000 * U)
    funded.pause()
    funded.kit.travel(OLD, refresh=False)
    assert funded.pool.repay(ETH, UNLIMITED, sender=funded.borrower).return_value == 1_000 * U
    funded.pool.withdraw_collateral(ETH, ETHER, sender=funded.borrower)


def test_repay_with_permit__used_or_spent_before__repays(funded: Lending) -> None:
    pool, asset, borrower = funded.pool, funded.asset, funded.borrower
    funded.open(borrower, ETHER, 1_000 * U)
    asset.approve(pool, 0, sender=borrower)
    signature = funded.permit(borrower, 400 * U)
    with funded.moves(joined({"cash": 400 * U}, owed("borrower", -400 * U), paid("borrower", "pool", 400 * U))):
        receipt = pool.repay_with_permit(ETH, 400 * U, borrower, FOREVER, *signature, sender=borrower)
    assert receipt.return_value == 400 * U
    signature = funded.permit(borrower, 400 * U)
    asset.permit(borrower, pool, 400 * U, FOREVER, *signature, sender=funded.actors.outsider)
    pool.repay_with_permit(ETH, 400 * U, borrower, FOREVER, *signature, sender=borrower)
    assert funded.debt(borrower) == 200 * U
    with reverts_with("pool: zero amount"):
        pool.repay_with_permit(ETH, 0, borrower, FOREVER, *signature, sender=borrower)


# ------------------------------------------------------------------ max_borrow


def test_max_borrow__each_bound__is_the_least(funded: Lending) -> None:
    pool, borrower, other = funded.pool, funded.borrower, funded.other
    assert pool.max_borrow(ETH, borrower) == 0
    pool.add_collateral(ETH, 60 * ETHER, sender=borrower)
    # Collateral, a cap, the cash; two units less than the cap, for rounding.
    assert pool.max_borrow(ETH, borrower) == 90_000 * U
    funded.set_terms(borrow_cap=50_000 * U)
    assert pool.max_borrow(ETH, borrower) == 50_000 * U - 2
    funded.open(other, 10 * ETHER, 10_000 * U)
    assert pool.max_borrow(ETH, borrower) == 40_000 * U - 2
    pool.withdraw(70_000 * U, funded.ann, funded.ann, sender=funded.ann)
    assert pool.max_borrow(ETH, borrower) == 20_000 * U
    # The least debt, the pause, the cap of the collateral.
    funded.set_limits(min_debt=20_000 * U + 1)
    assert pool.max_borrow(ETH, borrower) == 0
    funded.set_limits(min_debt=20_000 * U)
    assert pool.max_borrow(ETH, borrower) == 20_000 * U
    funded.pause(60)
    assert pool.max_borrow(ETH, borrower) == 0
    funded.wait(60)
    funded.set_terms(collateral_cap=70 * ETHER - 1)
    assert pool.max_borrow(ETH, borrower) == 0
    funded.set_terms(collateral_cap=70 * ETHER)
    with reverts_with("pool: not enough cash"):
        pool.borrow(ETH, 20_000 * U + 1, sender=borrower)
    pool.borrow(ETH, 20_000 * U, sender=borrower)
    with reverts_with("lending: unknown collateral"):
        pool.max_borrow(2, borrower)


@pytest.mark.parametrize("seconds", [1, 86_399, 31_536_000])
@pytest.mark.parametrize("bound", ["collateral", "cap"])
def test_max_borrow__with_interest__can_be_borrowed_and_hardly_more(funded: Lending, seconds: int, bound: str) -> None:
    pool, borrower, other = funded.pool, funded.borrower, funded.other
    funded.set_rates(300, 400, 7_500, 8_000, 1_000)
    funded.open(other, 10 * ETHER, 12_345_678_901)
    funded.open(borrower, 3 * ETHER + 12_345, 1_234_567_890)
    funded.wait(seconds)
    if bound == "cap":
        funded.set_terms(borrow_cap=int(pool.totals(ETH).debt) + 777 * U)
    # Interest stands still from here, so that the view's block and the loan's agree.
    funded.set_rates(0, 0, 0, 8_000, 1_000)
    most = int(pool.max_borrow(ETH, borrower))
    assert most > 700 * U
    reason = "pool: too little collateral" if bound == "collateral" else "pool: above borrow cap"
    with reverts_with(reason):
        pool.borrow(ETH, most + 1 if bound == "collateral" else most + 3, sender=borrower)
    pool.borrow(ETH, most, sender=borrower)
    assert pool.max_borrow(ETH, borrower) <= 2


# ---------------------------------------------------- an asset of 18 decimals


@pytest.fixture(scope="module")
def fine_venue(backend: Any, actors: Actors) -> Lending:
    """A pool of an asset of 18 decimals, which is worth half a dollar, with ether and bitcoin of 18 and 8 decimals."""
    token = backend.deploy("QuirkyToken", 18, sender=actors.deployer)
    caps = [one.model_copy(update={"borrow_cap": 10**7 * ETHER}) for one in CALM.collaterals]
    feed = FeedConfig(price=5 * 10**17)
    pool = CALM.model_copy(update={"supply_cap": 10**7 * ETHER, "collaterals": caps, "debt_feed": feed})
    return Lending(backend, actors, pool, 10**6 * ETHER, token, threshold=10**6 * ETHER)


def test_fine_asset__borrow_and_liquidate__to_the_unit(fine_venue: Lending) -> None:
    lending, pool = fine_venue, fine_venue.pool
    lending.lend(lending.ann, 10**6 * ETHER)
    assert (pool.decimals(), pool.balanceOf(lending.ann)) == (24, 10**30)
    # 2,000 and 60,000 dollars are 4,000 and 120,000 tokens.
    assert lending.registry.price(ETH) == 4_000 * 10**30
    assert lending.registry.price(BTC) == 120_000 * 10**40
    for number, amount, most in ((ETH, 3, 9_000), (BTC, COIN_8, 90_000 * ETHER)):
        pool.add_collateral(number, amount, sender=lending.borrower)
        if number == ETH:
            # Three units of ether carry 9,000 units; a loan of so few is dust.
            with reverts_with("pool: dust loan"):
                pool.borrow(number, most, sender=lending.borrower)
            continue
        assert pool.max_borrow(number, lending.borrower) == most
        with reverts_with("pool: too little collateral"):
            pool.borrow(number, most + 1, sender=lending.borrower)
        pool.borrow(number, most, sender=lending.borrower)
    # The token's price doubles: the loan is worth what the collateral is, and more.
    aggregator = lending.kit.system.record.constructor_args["feed_debt"][0]
    lending.backend.at("MockAggregator", aggregator).push(10**8, sender=lending.actors.keeper)
    assert lending.registry.price(BTC) == 60_000 * 10**40
    value, debt = 60_000 * ETHER, 90_000 * ETHER
    repaid = -(-value * 10_000 // 10_500)
    fee = repaid * 500 * 2_000 // 10**8
    loss = debt - repaid - fee
    with lending.moves(
        joined(
            {"cash": repaid + fee, "assets": -loss},
            owed("borrower", -debt, "BTC"),
            kept("borrower", -COIN_8, "BTC"),
            paid("liquidator", "pool", repaid + fee),
            paid("pool", "liquidator", COIN_8, "BTC"),
        )
    ):
        lending.liquidate(lending.borrower, number=BTC)
