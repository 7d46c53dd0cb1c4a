"""Liquidation of loans, flags and the stop of withdrawals that they bring (M32, M33)."""

from __future__ import annotations

import pytest

from kana_insurance.backends import address_of
from kana_insurance.testing import U, logs, reverts_with
from tests.utils.lending import (
    BTC,
    COIN_8,
    ETH,
    ETHER,
    UNLIMITED,
    ZERO,
    Lending,
    joined,
    paid,
)
from tests.utils.venue import next_block_at

HOUR = 3_600
COINS = {ETH: ("ETH", ETHER), BTC: ("BTC", COIN_8)}


@pytest.fixture
def lent_out(lending: Lending) -> Lending:
    """Lent 10,000 U; a loan of 1,500 U against a whole ether, the most at 2,000."""
    lending.lend(lending.ann, 10_000 * U)
    lending.open(lending.borrower, ETHER, 1_500 * U)
    return lending


def taken(repaid: int, to_fund: int, seized: int, number: int = ETH) -> dict[str, int]:
    """What a liquidation that leaves a loan, or all of it repaid, changes."""
    coin = COINS[number][0]
    return joined(
        {"cash": repaid + to_fund, "fees": to_fund, "total_debt": -repaid},
        {f"{coin} debt of borrower": -repaid, f"{coin} debts": -repaid},
        {f"{coin} loan of borrower": -seized, f"{coin} in loans": -seized},
        paid("liquidator", "pool", repaid + to_fund),
        paid("pool", "liquidator", seized, coin),
    )


# ---------------------------------------------------------------------- solvent


def test_liquidate__up_to_the_close_factor__premium_is_split(lent_out: Lending) -> None:
    pool = lent_out.pool
    lent_out.price(1_850 * 10**8)
    # 750 U for 787.5 U of ether, and the fund's fifth of the premium besides.
    seized = 787_500_000 * 10**30 // (1_850 * ETHER)
    assert seized == 425_675_675_675_675_675
    with lent_out.moves(taken(750 * U, 7_500_000, seized)):
        receipt = lent_out.liquidate(lent_out.borrower)
    assert tuple(receipt.return_value) == (750 * U, seized)
    event = {
        "collateral_id": ETH,
        "borrower": address_of(lent_out.borrower),
        "liquidator": address_of(lent_out.liquidator),
        "repaid": 750 * U,
        "to_fund": 7_500_000,
        "seized": seized,
        "debt": 750 * U,
        "collateral": ETHER - seized,
    }
    assert logs(receipt, pool) == [("Liquidated", event)]
    # It is healthy again.
    assert not pool.is_liquidatable(ETH, lent_out.borrower)
    with reverts_with("pool: loan is healthy"):
        lent_out.liquidate(lent_out.borrower)


def test_liquidate__of_a_coin_of_8_decimals__rounds_for_the_pool(lending: Lending) -> None:
    lending.lend(lending.ann, 10_000 * U)
    lending.open(lending.borrower, COIN_8 // 10, 4_500 * U, BTC)
    lending.price(55_000 * 10**8, BTC)
    # 123,456,789 units * 1.05 / (55,000 * 10**28 / 10**30) a unit; 1 % of them is the fund's.
    with lending.moves(taken(123_456_789, 1_234_567, 235_690, BTC)):
        lending.liquidate(lending.borrower, 123_456_789, BTC)
    assert 123_456_789 * 105 // 100 // 550 == 235_690


def test_liquidate__at_the_threshold__is_healthy_to_the_unit(lent_out: Lending) -> None:
    pool, borrower = lent_out.pool, lent_out.borrower
    lent_out.price(1_875 * 10**8)
    assert not pool.is_liquidatable(ETH, borrower)
    with reverts_with("pool: loan is healthy"):
        lent_out.liquidate(borrower)
    # 10**-8 less is worth less than a unit less: 80 % of the value rounded down is 1,499,999,999.
    lent_out.price(1_875 * 10**8 - 1)
    assert pool.is_liquidatable(ETH, borrower)
    assert not pool.is_insolvent(ETH, borrower)
    lent_out.liquidate(borrower)


def test_liquidate__refused__in_this_order(lent_out: Lending) -> None:
    pool, borrower, liquidator = lent_out.pool, lent_out.borrower, lent_out.liquidator
    with reverts_with("pool: own loan"):
        pool.liquidate(9, borrower, 0, sender=borrower)
    for number, account, debt, reason in (
        (9, ZERO, 0, "pool: zero amount"),
        (9, ZERO, 1, "pool: zero address"),
        (9, borrower, 1, "lending: unknown collateral"),
        (ETH, lent_out.other, 1, "pool: no debt"),
        (BTC, borrower, 1, "pool: no debt"),
        (ETH, borrower, 1, "pool: loan is healthy"),
    ):
        with reverts_with(reason):
            pool.liquidate(number, account, debt, UNLIMITED, sender=liquidator)
    lent_out.price(1_850 * 10**8)
    seized = 787_500_000 * 10**30 // (1_850 * ETHER)
    with reverts_with("pool: too little seized"):
        lent_out.liquidate(borrower, 750 * U, ETH, seized + 1)
    lent_out.kit.travel(HOUR + 1, refresh=False)
    with reverts_with("feed: stale price"):
        lent_out.liquidate(borrower, 750 * U, ETH, seized)
    lent_out.price(1_850 * 10**8)
    lent_out.liquidate(borrower, 750 * U, ETH, seized)


def test_liquidate__small_loan__whole_or_leaving_no_dust(lending: Lending) -> None:
    lending.lend(lending.ann, 1_000 * U)
    lending.open(lending.borrower, ETHER // 100, 15 * U)
    lending.price(1_850 * 10**8)
    # The close factor would leave 7.5 U, less than the least debt: so all may go.
    for part in (5 * U + 1, 7_500_000, 15 * U - 1):
        with reverts_with("pool: dust loan"):
            lending.liquidate(lending.borrower, part)
    seized = 15_750_000 * 10**30 // (1_850 * ETHER)
    with lending.moves(taken(15 * U, 150_000, seized)):
        lending.liquidate(lending.borrower)


def test_liquidate__small_part__seizes_what_it_is_worth(lent_out: Lending) -> None:
    lent_out.price(1_850 * 10**8)
    # A unit: worth 5.67 * 10**8 units of ether with the premium; the fund's part of it rounds to nothing.
    with lent_out.moves(taken(1, 0, 105 * 10**10 // 1_850)):
        lent_out.liquidate(lent_out.borrower, 1)


def test_liquidate__nothing_seized__is_refused(lending: Lending) -> None:
    # A whole coin of eight decimals at 105,000,000 U has units worth more than one of KanaUSDT.
    lending.lend(lending.ann, 100_000 * U)
    lending.open(lending.borrower, COIN_8, 45_000 * U, BTC)
    lending.price(56_249 * 10**8, BTC)
    with reverts_with("pool: too little seized"):
        lending.liquidate(lending.borrower, 500, BTC)
    lending.liquidate(lending.borrower, 600, BTC)


def test_liquidate__while_borrowing_is_paused__goes_on(lent_out: Lending) -> None:
    lent_out.pause()
    lent_out.price(1_850 * 10**8)
    lent_out.liquidate(lent_out.borrower)


def test_liquidate__other_parameters__are_those_of_now(lent_out: Lending) -> None:
    lent_out.set_terms(close_factor_bps=10_000, premium_bps=1_000, premium_fund_bps=5_000)
    lent_out.price(1_850 * 10**8)
    with lent_out.moves(taken(1_500 * U, 75 * U, 1_650 * U * 10**30 // (1_850 * ETHER))):
        lent_out.liquidate(lent_out.borrower)


# -------------------------------------------------------------------- insolvent


def test_liquidate__insolvent__whole_only_and_the_fund_earns_nothing(lent_out: Lending) -> None:
    pool, borrower = lent_out.pool, lent_out.borrower
    lent_out.price(1_575 * 10**8)
    # 1,500 U and the premium are worth just the collateral: solvent still.
    assert not pool.is_insolvent(ETH, borrower)
    lent_out.price(1_575 * 10**8 - 10**8)
    assert pool.is_insolvent(ETH, borrower)
    # 1,574 / 1.05, rounded up; 1 % more, which repays the debt too.
    whole, more = 1_499_047_620, 14_990_476
    with reverts_with("pool: insolvent, whole only"):
        lent_out.liquidate(borrower, whole - 1)
    # All of the debt is repaid by less than both: what is left of the fund's part is the fund's.
    rest = whole + more - 1_500 * U
    with lent_out.moves(taken(1_500 * U, rest, ETHER)):
        receipt = lent_out.liquidate(borrower, whole)
    assert tuple(receipt.return_value) == (1_500 * U, ETHER)
    assert logs(receipt, pool)[0][1]["to_fund"] == rest


def test_liquidate__insolvent__min_seized_is_kept(lent_out: Lending) -> None:
    lent_out.price(1_500 * 10**8)
    with reverts_with("pool: too little seized"):
        lent_out.liquidate(lent_out.borrower, UNLIMITED, ETH, ETHER + 1)
    lent_out.liquidate(lent_out.borrower, UNLIMITED, ETH, ETHER)


def test_is_insolvent__views__revert_without_prices(lent_out: Lending) -> None:
    lent_out.kit.travel(HOUR + 1, refresh=False)
    for view in (lent_out.pool.is_liquidatable, lent_out.pool.is_insolvent):
        with reverts_with("feed: stale price"):
            view(ETH, lent_out.borrower)


# --------------------------------------------------------------- flag and unflag


def bankrupt(lending: Lending) -> None:
    """The price at which the loan of 1,500 U is insolvent."""
    lending.price(1_500 * 10**8)


def stopped(lending: Lending, until: int) -> dict[str, int]:
    """What a flag changes."""
    return {"flagged": int(address_of(lending.borrower), 16), "until": until}


def at(lending: Lending, time: int) -> None:
    """Put the next transaction at this second, with prices of just before."""
    if time - lending.kit.now() > 100:
        lending.wait(time - 50 - lending.kit.now())
    next_block_at(time)


def test_flag__insolvent_loan__stops_lenders_for_an_hour(lent_out: Lending) -> None:
    pool, borrower = lent_out.pool, lent_out.borrower
    assert (pool.stop().until, pool.withdrawals_stopped()) == (0, False)
    bankrupt(lent_out)
    until = lent_out.kit.now() + 1 + HOUR
    with lent_out.moves(stopped(lent_out, until)):
        receipt = pool.flag(ETH, borrower, sender=lent_out.bob)
    event = {"collateral_id": ETH, "borrower": address_of(borrower), "until": until}
    assert logs(receipt, pool) == [("LoanFlagged", event)]
    assert (pool.stop().collateral_id, pool.stop().borrower) == (ETH, address_of(borrower))
    assert pool.withdrawals_stopped()
    with reverts_with("pool: withdrawals stopped"):
        pool.redeem(10**6, lent_out.ann, lent_out.ann, sender=lent_out.ann)
    # Everything else goes on.
    lent_out.lend(lent_out.bob, 100 * U)
    lent_out.open(lent_out.other, ETHER, 100 * U)
    pool.repay(ETH, 50 * U, sender=lent_out.other)
    with reverts_with("pool: already stopped"):
        pool.flag(ETH, borrower, sender=lent_out.bob)
    at(lent_out, until - 1)
    with reverts_with("pool: withdrawals stopped"):
        pool.redeem(10**6, lent_out.ann, lent_out.ann, sender=lent_out.ann)
    at(lent_out, until)
    pool.redeem(10**6, lent_out.ann, lent_out.ann, sender=lent_out.ann)


def test_flag__refused__in_this_order(lent_out: Lending) -> None:
    pool, borrower, keeper = lent_out.pool, lent_out.borrower, lent_out.actors.keeper
    with reverts_with("lending: unknown collateral"):
        pool.flag(9, borrower, sender=keeper)
    for account in (borrower, lent_out.other, ZERO):
        with reverts_with("pool: loan is solvent"):
            pool.flag(ETH, account, sender=keeper)
    lent_out.price(1_700 * 10**8)
    # Liquidatable, but all of its debt can be repaid for its collateral.
    with reverts_with("pool: loan is solvent"):
        pool.flag(ETH, borrower, sender=keeper)
    lent_out.kit.travel(HOUR + 1, refresh=False)
    with reverts_with("feed: stale price"):
        pool.flag(ETH, borrower, sender=keeper)


def test_flag__again__23_hours_after_the_end(lent_out: Lending) -> None:
    pool, borrower, keeper = lent_out.pool, lent_out.borrower, lent_out.actors.keeper
    bankrupt(lent_out)
    pool.flag(ETH, borrower, sender=keeper)
    until = int(pool.stop().until)
    for time in (until, until + 23 * HOUR - 1):
        at(lent_out, time)
        with reverts_with("pool: stopped too recently"):
            pool.flag(ETH, borrower, sender=keeper)
    at(lent_out, until + 23 * HOUR)
    pool.flag(ETH, borrower, sender=keeper)
    assert pool.stop().until == until + 24 * HOUR


def test_flag__hour_of_a_resolved_loan__serves_the_next_one(lent_out: Lending) -> None:
    pool, keeper = lent_out.pool, lent_out.actors.keeper
    lent_out.open(lent_out.other, ETHER, 1_500 * U)
    bankrupt(lent_out)
    pool.flag(ETH, lent_out.borrower, sender=keeper)
    until = pool.stop().until
    receipt = lent_out.liquidate(lent_out.borrower)
    unflagged = {"collateral_id": ETH, "borrower": address_of(lent_out.borrower)}
    assert ("LoanUnflagged", unflagged) in logs(receipt, pool)
    assert (pool.stop().borrower, pool.stop().until, pool.withdrawals_stopped()) == (ZERO, until, False)
    lent_out.wait(1_000)
    pool.flag(ETH, lent_out.other, sender=keeper)
    assert (pool.stop().until, pool.withdrawals_stopped()) == (until, True)
    lent_out.liquidate(lent_out.other)
    lent_out.open(lent_out.cid, ETHER, 1_100 * U)
    lent_out.price(1_000 * 10**8)
    lent_out.wait(HOUR)
    with reverts_with("pool: stopped too recently"):
        pool.flag(ETH, lent_out.cid, sender=keeper)


def test_unflag__solvent_again__ends_the_stop(lent_out: Lending) -> None:
    pool, borrower, keeper = lent_out.pool, lent_out.borrower, lent_out.actors.keeper
    with reverts_with("pool: not flagged"):
        pool.unflag(ETH, borrower, sender=keeper)
    bankrupt(lent_out)
    pool.flag(ETH, borrower, sender=keeper)
    for number, account, reason in (
        (BTC, borrower, "pool: not flagged"),
        (ETH, lent_out.other, "pool: not flagged"),
        (ETH, borrower, "pool: loan is insolvent"),
    ):
        with reverts_with(reason):
            pool.unflag(number, account, sender=keeper)
    lent_out.price(1_600 * 10**8)
    with lent_out.moves({"flagged": -int(address_of(borrower), 16)}):
        receipt = pool.unflag(ETH, borrower, sender=keeper)
    event = {"collateral_id": ETH, "borrower": address_of(borrower)}
    assert logs(receipt, pool) == [("LoanUnflagged", event)]
    with reverts_with("pool: not flagged"):
        pool.unflag(ETH, borrower, sender=keeper)
    pool.redeem(10**6, lent_out.ann, lent_out.ann, sender=lent_out.ann)


@pytest.mark.parametrize("ending", ["repay", "borrow", "withdraw_collateral", "liquidate a part"])
def test_flag__loan_mended__ends(lent_out: Lending, ending: str) -> None:
    pool, borrower = lent_out.pool, lent_out.borrower
    bankrupt(lent_out)
    pool.flag(ETH, borrower, sender=lent_out.bob)
    # Part of the debt, or collateral alone, doesn't end it.
    pool.repay(ETH, 100 * U, sender=borrower)
    pool.add_collateral(ETH, ETHER // 100, sender=borrower)
    assert pool.withdrawals_stopped()
    if ending == "liquidate a part":
        lent_out.price(1_600 * 10**8)
        lent_out.liquidate(borrower, 100 * U)
    elif ending == "repay":
        pool.repay(ETH, UNLIMITED, sender=borrower)
    else:
        lent_out.price(2_000 * 10**8)
        getattr(pool, ending)(ETH, 1, sender=borrower)
    assert not pool.withdrawals_stopped()
    assert pool.stop().borrower == ZERO
