"""One of everything that can happen to a lending pool, in an order that tells the rules apart: contracts and model.

Short, for planted faults; the random moves are in ``test_lending_machine``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kana_insurance.kit import COIN, DAY, U
from kana_insurance.model import Refused
from kana_insurance.model.lending_interest import Rates
from kana_insurance.model.units import MAX_AMOUNT
from tests.stateful.chain import Chain
from tests.stateful.lending_side import PRICES
from tests.stateful.lending_twin import LendingTwins, deploy
from tests.stateful.twins import own_chain

HOUR = 3_600
SHARE = 10**12
HUGE = MAX_AMOUNT


@pytest.fixture
def twins() -> Iterator[LendingTwins]:
    """Both sides, at the beginning."""
    with own_chain():
        side = LendingTwins(*deploy(), Chain())
        with side.played():
            yield side


def refused(result: Any, reason: str) -> None:
    """The step was refused, on both sides, for that reason."""
    assert isinstance(result, Refused), result
    assert result.reason == reason


def wait(it: LendingTwins, seconds: int) -> None:
    """Let time pass; the prices stay good."""
    it.wait(seconds)
    for number, feed in enumerate(it.feeds):
        it.price(number, feed.latest)


def test_lending_story__interest_and_shares__agree(twins: LendingTwins) -> None:
    it = twins
    one, two, three, _ = it.names.lenders
    a, b, c = it.names.borrowers
    it.lend("deposit", one, 9_000 * U + 1, one)
    it.lend("mint", two, 4_321 * SHARE + 567, two)
    it.lend("add_collateral", a, 0, 100 * COIN + 7, a)
    refused(it.lend("borrow", a, 0, 10 * U - 1, a), "pool: dust loan")
    refused(it.lend("borrow", a, 0, 7_500 * U + 1, a), "pool: too little collateral")
    it.lend("borrow", a, 0, 7_500 * U, b)
    it.lend("add_collateral", b, 1, 2 * 10**7, c)
    it.lend("borrow", c, 1, 4_321 * U + 11, c)
    wait(it, 40 * DAY + 7)
    it.lend("accrue", three)
    wait(it, DAY + 3)
    it.lend("deposit", three, 777 * U + 77, one)
    it.lend("withdraw", one, 99 * U + 9, two, one)
    it.lend("redeem", two, 313 * SHARE + 31, two, two)
    refused(it.lend("redeem", three, SHARE, three, one), "erc20: insufficient allowance")
    it.lend("approve", one, three, 2 * SHARE)
    it.lend("redeem", three, SHARE + 1, three, one)
    it.lend("transfer", one, three, 55 * SHARE)
    refused(it.lend("repay", a, 1, it.pool.debt(1, c) - 10 * U + 1, c), "pool: dust loan")
    it.lend("repay", a, 1, it.pool.debt(1, c) - 10 * U, c)
    it.govern("set_rates", it.names.governance, Rates(300, 900, 20_000, 7_000, 3_333))
    wait(it, 100 * DAY)
    it.lend("collect_fees", a)
    wait(it, 8 * 3_650 * DAY)  # no more than eight years are charged
    it.lend("accrue", a)
    it.lend("repay", a, 1, HUGE, c)
    it.lend("withdraw_collateral", c, 1, 2 * 10**7, a)


def test_lending_story__caps_and_pause__agree(twins: LendingTwins) -> None:
    it = twins
    one, governance = it.names.lenders[0], it.names.governance
    a, b, _ = it.names.borrowers
    refused(it.lend("deposit", one, 60_000 * U + 1, one), "pool: above supply cap")
    it.lend("deposit", one, 60_000 * U, one)
    it.lend("add_collateral", a, 0, 300 * COIN, a)
    refused(it.lend("add_collateral", b, 0, 100 * COIN + 1, b), "pool: above collateral cap")
    it.lend("add_collateral", b, 0, 100 * COIN, b)
    it.lend("borrow", a, 0, 15_000 * U, a)
    it.lend("add_collateral", b, 0, 1, a)  # what saves a loan isn't capped
    refused(it.lend("borrow", b, 0, 5_000 * U, b), "pool: above collateral cap")
    it.govern("set_caps", governance, 0, 500 * COIN, 20_000 * U)
    refused(it.lend("borrow", b, 0, 5_000 * U + 1, b), "pool: above borrow cap")
    it.lend("borrow", b, 0, 5_000 * U, b)
    refused(it.govern("set_caps", governance, 0, 0, 1), "lending: caps out of bounds")
    refused(it.govern("set_limits", governance, 0, 1), "lending: limits out of bounds")
    it.govern("set_limits", governance, 70_000 * U, 30 * U)
    refused(it.govern("set_factors", governance, 0, 7_500, 9_524, 5_000, 500, 2_000), "lending: threshold too high")
    it.govern("set_factors", governance, 0, 7_000, 9_523, 5_000, 500, 2_000)
    it.govern("pause_borrowing", it.names.guardian, DAY)
    refused(it.lend("borrow", b, 0, 30 * U, b), "pool: borrowing paused")
    refused(it.lend("withdraw_collateral", a, 0, 1, a), "pool: borrowing paused")
    it.lend("repay", b, 0, 100 * U, b)
    wait(it, DAY)
    refused(it.govern("pause_borrowing", it.names.guardian, 1), "lending: paused too recently")
    it.lend("withdraw_collateral", a, 0, COIN, b)
    it.wait(HOUR + 1)
    refused(it.lend("borrow", b, 0, 30 * U, b), "feed: stale price")
    it.lend("add_collateral", b, 0, COIN, b)
    it.lend("withdraw", one, 100 * U, one, one)


def insolvent(it: LendingTwins) -> None:
    """Lenders, a reserve of 60 U, and two loans that a gap has made insolvent."""
    one, two, _, _ = it.names.lenders
    a, b, _ = it.names.borrowers
    it.lend("deposit", one, 700 * U, one)
    it.lend("deposit", two, 1_300 * U + 7, two)
    it.fund(0, "contribute", it.names.keeper, 60 * U)
    it.lend("add_collateral", a, 0, 10 * COIN + 3, a)
    it.lend("borrow", a, 0, 700 * U, a)
    it.lend("add_collateral", b, 1, 10**6, b)
    it.lend("borrow", b, 1, 333 * U + 3, b)
    wait(it, 3 * DAY)
    it.price(0, 60 * COIN)
    it.price(1, 20_000 * COIN)


def test_lending_story__liquidation_in_parts__agree(twins: LendingTwins) -> None:
    it = twins
    one, keeper = it.names.lenders[0], it.names.keeper
    a, b, _ = it.names.borrowers
    it.lend("deposit", one, 20_000 * U, one)
    it.lend("add_collateral", a, 0, 10 * COIN + 3, a)
    it.lend("borrow", a, 0, 700 * U, a)
    it.lend("add_collateral", b, 1, 10**6 + 1, b)
    it.lend("borrow", b, 1, 15 * U, b)
    wait(it, 3 * DAY)
    refused(it.lend("liquidate", keeper, 0, a, HUGE, 0), "pool: loan is healthy")
    it.price(0, 83 * COIN)
    refused(it.lend("liquidate", a, 0, a, HUGE, 0), "pool: own loan")
    refused(it.lend("liquidate", keeper, 0, a, 100 * U, 10**30), "pool: too little seized")
    it.lend("liquidate", keeper, 0, a, 100 * U, 0)
    it.lend("liquidate", keeper, 0, a, HUGE, 0)
    it.price(0, 70 * COIN)
    it.price(1, 2_000 * COIN)
    refused(it.lend("liquidate", keeper, 1, b, 10 * U, 0), "pool: dust loan")
    it.lend("liquidate", keeper, 1, b, HUGE, 0)
    assert it.pool.loan(1, b).scaled == 0
    it.lend("collect_fees", keeper)


def test_lending_story__stop_and_bankruptcies__agree(twins: LendingTwins) -> None:
    it = twins
    one, keeper = it.names.lenders[0], it.names.keeper
    a, b, _ = it.names.borrowers
    insolvent(it)
    it.lend("flag", keeper, 0, a)
    refused(it.lend("flag", keeper, 1, b), "pool: already stopped")
    refused(it.lend("redeem", one, SHARE, one, one), "pool: withdrawals stopped")
    refused(it.lend("unflag", keeper, 0, a), "pool: loan is insolvent")
    refused(it.lend("liquidate", keeper, 0, a, 100 * U, 0), "pool: insolvent, whole only")
    it.fund(0, "pause_payouts", it.names.guardian, HOUR // 2)
    refused(it.lend("liquidate", keeper, 0, a, HUGE, 0), "fund: payouts paused")
    wait(it, HOUR // 2)
    it.lend("liquidate", keeper, 0, a, HUGE, 0)  # the reserve pays 60 of it, the lenders the rest
    assert it.events["(covered in part)"] == 1
    it.lend("redeem", one, SHARE, one, one)
    it.lend("flag", keeper, 1, b)  # within the hour that has begun
    wait(it, HOUR // 2)
    it.lend("redeem", one, SHARE, one, one)
    refused(it.lend("flag", keeper, 1, b), "pool: stopped too recently")
    it.fund(0, "set_window", it.names.governance, 30 * U, DAY)
    it.fund(0, "contribute", keeper, 900 * U)
    wait(it, 23 * HOUR)
    it.lend("flag", keeper, 1, b)
    it.lend("add_collateral", one, 1, 10**7, b)
    it.lend("unflag", one, 1, b)
    it.price(1, 300 * COIN)
    it.lend("liquidate", keeper, 1, b, HUGE, 0)
    assert it.events["(window bounds the cover)"] == 1
    it.lend("collect_fees", keeper)


def test_lending_story__no_lenders_and_total_loss__agree(twins: LendingTwins) -> None:
    it = twins
    one, keeper, governance = it.names.lenders[0], it.names.keeper, it.names.governance
    a, b, _ = it.names.borrowers
    it.govern("set_rates", governance, Rates(20_000, 0, 10_000, 8_000, 5_000))
    it.lend("deposit", one, 1_000 * U, one)
    it.lend("add_collateral", a, 0, 20 * COIN, a)
    it.lend("borrow", a, 0, 1_000 * U, a)
    wait(it, 365 * DAY)
    it.lend("repay", a, 0, it.pool.debt(0, a) - 40 * U, a)
    it.lend("redeem", one, it.pool.shares_of(one), one, one)
    assert it.pool.total_shares == 0
    it.price(0, COIN)
    it.lend("liquidate", keeper, 0, a, HUGE, 0)
    assert it.events["(no lenders)"] == 1
    it.lend("repay_bad_debt", b, 3 * U)
    refused(it.lend("repay_bad_debt", b, 40 * U), "fund: above bad debt")
    it.lend("collect_fees", keeper)
    assert it.events["(fees repay bad debt)"] == 1
    it.price(0, PRICES[0])
    it.fund(0, "set_window", governance, 1, DAY)
    it.lend("deposit", one, 1_000 * U, one)
    it.lend("add_collateral", b, 0, 200 * COIN, b)
    it.lend("borrow", b, 0, it.pool.cash, b)
    wait(it, 200 * DAY)
    it.price(0, COIN // 10)
    it.lend("liquidate", keeper, 0, b, HUGE, 0)
    assert it.events["(more than the lenders')"] == 1
    refused(it.lend("deposit", one, U, one), "pool: deposits closed")
