"""The scripts of a lending pool against a node that runs already: each doing its work and refused (M32, M33)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kana_insurance.amounts import format_amount
from kana_insurance.audit import audit
from kana_insurance.client import moment
from kana_insurance.kit import COIN, DAY, Kit, U
from tests.scenario.running import Run, figures, refused

LENDER = ("--account", "TEST::6", "--json")
BORROWER = ("--account", "TEST::7", "--json")
KEEPER = ("--account", "TEST::8", "--json")
ETH = ("--collateral", "ETH")


@pytest.fixture
def lent(kit: Kit) -> Kit:
    """TEST::6 lends 4,000 U; TEST::7 owes 1,500 U against 1 ETH of 2,000 U."""
    kit.lend(kit.actors.trader, 4_000 * U)
    kit.add_collateral(kit.actors.counterparty, COIN)
    kit.pool.borrow(0, 1_500 * U, sender=kit.actors.counterparty)
    return kit


def the_loan(run: Run, *options: str) -> dict[str, Any]:
    """The only loan that the table shows."""
    (row,) = figures(run("loans", "--json", *options))["loans"]
    return dict(row)


@pytest.mark.usefixtures("kit")
@pytest.mark.parametrize("permit", [(), ("--permit",)])
def test_lend__approved_or_by_permit__shares_at_once_and_out_again(run: Run, permit: tuple[str, ...]) -> None:
    shown = figures(run("lend", "250.000001", *permit, *LENDER))
    assert shown["shares"] == shown["held"] == shown["value"] == shown["lent"] == "250.000001"
    assert figures(run("lend", "--withdraw", "100", *LENDER))["value"] == "150.000001"
    assert figures(run("lend", "--redeem", "50", *LENDER))["received"] == "50"
    shown = figures(run("lend", "--withdraw", "all", *LENDER))
    assert (shown["received"], shown["held"]) == ("100.000001", "0")


def test_lend__unclear_too_much_or_nothing__refused(run: Run, lent: Kit) -> None:
    refused(run("lend", *LENDER), "name AMOUNT, --withdraw or --redeem", code=2)
    refused(run("lend", "5", "--redeem", "all", *LENDER), "name AMOUNT", code=2)
    refused(run("lend", "--redeem", "all", "--permit", *LENDER), "--permit goes with AMOUNT", code=2)
    refused(run("lend", "5", "--account", "TEST::11"), "holds 0 KanaUSDT, 5 KanaUSDT are needed: 'ape run faucet'")
    refused(run("lend", "--withdraw", "all", *KEEPER), "lends nothing")
    refused(run("lend", "--redeem", "4001", *LENDER), "holds 4,000 KLEND")
    refused(run("lend", "--withdraw", "2500.000001", *LENDER), "pool: not enough cash - borrowers have the rest")
    lent.lending.set_limits(4_001 * U, 10 * U, sender=lent.governance)
    refused(run("lend", "5", *KEEPER), "pool: above supply cap - ")


@pytest.mark.usefixtures("kit")
def test_borrow_and_repay__a_loan_from_its_beginning_to_its_end(run: Run) -> None:
    run("lend", "4000", *LENDER)
    assert figures(run("faucet", "0.05", "--token", "btc", *BORROWER))["balance"] == "0.05"
    shown = figures(run("add_collateral", "0.05", "--collateral", "KBTC", *BORROWER))
    assert (shown["collateral"], shown["value"], shown["can_borrow"]) == ("0.05", "3000", "2250")
    assert (shown["state"], shown["health"]) == ("no debt", "")
    shown = figures(run("borrow", "1500", "--collateral", "1", *BORROWER))
    assert (shown["borrowed"], shown["debt"], shown["health"]) == ("1500", "1500", "1.6")
    assert (shown["liquidation_price"], shown["state"]) == ("37500", "healthy")
    shown = figures(run("repay", "400", "--collateral", "BTC", "--permit", *BORROWER))
    # Interest of the seconds since, if any passed.
    assert (shown["repaid"], 1_149 < float(shown["can_borrow"]) <= 1_150) == ("400", True)
    shown = figures(run("repay", "all", "--collateral", "BTC", "--for", "TEST::7", *KEEPER))
    assert (shown["debt"], 1_100 <= float(shown["repaid"]) < 1_101) == ("0", True)
    shown = figures(run("add_collateral", "all", "--withdraw", "--collateral", "BTC", *BORROWER))
    assert (shown["withdrawn"], shown["collateral"], shown["state"]) == ("0.05", "0", "none")
    assert figures(run("loans", "--json"))["loans"] == []


def test_borrow_and_repay__against_the_rules__refused_with_what_to_do(run: Run, lent: Kit) -> None:
    refused(run("borrow", "1", *ETH, *BORROWER), "pool: too little collateral - add collateral")
    refused(run("borrow", "1", "--collateral", "DOGE", *BORROWER), "'DOGE' is no collateral of the pool: it takes ETH")
    refused(run("repay", "1495", *ETH, *BORROWER), "pool: dust loan - a loan owes nothing or at least the least debt")
    refused(run("repay", "all", "--collateral", "BTC", *BORROWER), "pool: no debt - ")
    refused(run("add_collateral", "1", *ETH, *BORROWER), "0 KETH, 1 KETH are needed: 'ape run faucet --token ETH'")
    refused(run("add_collateral", "all", *ETH, *BORROWER), "'all' goes with --withdraw", code=2)
    refused(run("add_collateral", "1", "--withdraw", "--for", "TEST::8", *BORROWER), "one's own loan alone", code=2)
    refused(run("add_collateral", "all", "--withdraw", *ETH, *BORROWER), "pool: too little collateral")
    refused(run("add_collateral", "all", "--withdraw", "--collateral", "BTC", *BORROWER), "pool: collateral too low")
    lent.lending.pause_borrowing(DAY, sender=lent.actors.guardian)
    refused(run("borrow", "1", *ETH, *BORROWER), "pool: borrowing paused - a guardian has paused")
    until = moment(lent.now() + DAY)
    assert figures(run("loans", "--json"))["pool"]["borrowing"] == f"paused until {until}"


def test_loans__as_the_chain_has_them(run: Run, lent: Kit) -> None:
    shown = figures(run("loans", "--json"))
    pool, (eth, btc) = shown["pool"], shown["collaterals"]
    # Utilisation 37.5 %: 4 % * 37.5 / 80 a year, of which 90 % of the interest on 1,500 U is for 4,000 U.
    assert (pool["cash"], pool["debt"], pool["utilisation"]) == ("2500", "1500", "37.5")
    assert (pool["borrowers_pay_a_year"], pool["lenders_get_a_year"]) == ("1.8749", "0.6328")
    assert (pool["fund_part_of_interest"], pool["bad_debt"], pool["withdrawals"]) == ("10", "0", "open")
    assert (eth["collateral"], eth["price"], eth["held"], eth["debt"]) == ("ETH", "2000", "1", "1500")
    assert (btc["price"], btc["borrow_up_to"], btc["liquidated_above"], btc["premium"]) == ("60000", "75", "80", "5")
    (loan,) = shown["loans"]
    assert (loan["borrower"], loan["health"]) == (lent.actors.counterparty.address, "1.0666")
    assert (loan["liquidation_price"], loan["can_borrow"]) == ("1875", "0")
    (lender,) = shown["lenders"]
    assert (lender["lender"], lender["held"], lender["value"]) == (lent.actors.trader.address, "4000", "4000")
    assert figures(run("loans", "TEST::6", "--json"))["loans"] == []
    assert figures(run("loans", "--collateral", "BTC", "--json"))["loans"] == []
    assert the_loan(run, "--raw")["debt"] == str(1_500 * U)
    table = run("loans")
    assert table.exit_code == 0
    assert "1,875 KanaUSDT" in table.output
    lent.travel(2 * DAY, refresh=False)
    loan = the_loan(run)
    assert (loan["value"], loan["health"], loan["state"]) == ("no good price", "", "no good price")
    (eth, _) = figures(run("status", "--json"))["collaterals"]
    assert eth["price"] == "no good price"


def test_liquidate_loan__solvent__half_of_it_and_the_funds_part(run: Run, lent: Kit) -> None:
    refused(run("liquidate_loan", "TEST::7", *ETH, *KEEPER), "pool: loan is healthy - its health is 1 or more")
    run("set_price", "1700", *ETH, *KEEPER)
    loan = the_loan(run)
    assert (loan["state"], loan["health"]) == ("liquidatable", "0.9066")
    refused(run("liquidate_loan", "TEST::7", "--account", "TEST::7"), "pool: own loan")
    refused(run("liquidate_loan", "TEST::7", "--min-seized", "1", *KEEPER), "pool: too little seized - name a lower")
    refused(run("liquidate_loan", "TEST::7", "--flag", *KEEPER), "pool: loan is solvent")
    shown = figures(run("liquidate_loan", "TEST::7", "--debt", "340", *ETH, *KEEPER))
    # 340 * 105 % of ETH at 1,700, and 20 % of the premium of 17 besides.
    assert (shown["repaid"], shown["to_the_fund"], shown["seized"]) == ("340", "3.4", "0.21")
    assert (shown["worth"], shown["gain"]) == ("357", "13.6")
    shown = figures(run("liquidate_loan", "TEST::7", *ETH, *KEEPER))
    assert (shown["repaid"][:4], shown["state"]) == ("580.", "healthy")
    assert figures(run("collect_fees", *KEEPER))["reserve"] == whole(lent.fund.reserve())
    refused(run("collect_fees", *KEEPER), "pool: nothing to collect")


def whole(units: int) -> str:
    """Base units in whole tokens."""
    return format_amount(units, 6, group=False)


def test_liquidate_loan__insolvent__flagged_then_borne_by_the_fund_and_the_lenders(run: Run, lent: Kit) -> None:
    lent.contribute(lent.actors.contributor, 60 * U)
    run("set_price", "1050", *ETH, *KEEPER)
    assert the_loan(run)["state"] == "insolvent"
    shown = figures(run("liquidate_loan", "TEST::7", "--flag", *KEEPER))
    assert (shown["state"], shown["withdrawals"][:14]) == ("flagged", "stopped until ")
    refused(run("lend", "--withdraw", "1", *LENDER), "pool: withdrawals stopped - a loan is flagged")
    refused(run("liquidate_loan", "TEST::7", "--unflag", *KEEPER), "pool: loan is insolvent")
    refused(run("liquidate_loan", "TEST::7", "--flag", *KEEPER), "pool: already stopped")
    refused(run("liquidate_loan", "TEST::7", "--flag", "--debt", "5", *KEEPER), "go alone", code=2)
    refused(run("liquidate_loan", "TEST::7", "--debt", "5", *KEEPER), "pool: insolvent, whole only - leave --debt out")
    shown = figures(run("liquidate_loan", "TEST::7", *ETH, *KEEPER))
    # 1 ETH of 1,050 for 1,000; the fund's part of the premium, 10, repays the loan first: 490 are left.
    assert (shown["repaid"], shown["to_the_fund"], shown["seized"], shown["gain"]) == ("1010", "0", "1", "40")
    assert (shown["shortfall"][:4], shown["covered"], shown["bad_debt"]) == ("490.", "60", "0")
    assert (shown["lenders_loss"][:4], shown["state"]) == ("430.", "none")
    assert figures(run("loans", "--json"))["pool"]["withdrawals"] == "open"
    # 4,000 less 430, in cash again, and less the fund's part of the interest of the seconds since.
    assert 3_569.99 < float(figures(run("lend", "--redeem", "all", *LENDER))["received"]) <= 3_570
    assert [finding.what for finding in audit(lent.system).off] == []


def test_repay__bad_debt_that_nobody_can_bear__paid_back(run: Run, lent: Kit) -> None:
    """M14: the fund's part of a year's interest on a debt that is lost was never anybody's; what lacks is bad debt."""
    lent.add_collateral(lent.actors.counterparty, COIN)
    lent.pool.borrow(0, 1_490 * U, sender=lent.actors.counterparty)
    lent.pool.withdraw(1_000 * U, lent.actors.trader, lent.actors.trader, sender=lent.actors.trader)
    lent.travel(365 * DAY)
    run("set_price", "0.01", *ETH, *KEEPER)
    shown = figures(run("liquidate_loan", "TEST::7", *KEEPER))
    bad_debt = lent.pool.books().bad_debt
    assert 10 * U < bad_debt == lent.fund.total_bad_debt()
    assert shown["bad_debt"] == whole(bad_debt) == figures(run("loans", "--json"))["pool"]["bad_debt"]
    shown = figures(run("repay", "10", "--bad-debt", *KEEPER))
    assert (shown["repaid"], shown["bad_debt"]) == ("10", whole(bad_debt - 10 * U))


def test_set_price_and_faucet__what_is_no_mock__refused(run: Run, kit: Kit, folder: Path) -> None:
    shown = figures(run("set_price", "1800.5", *ETH, *KEEPER))
    assert (shown["before"], shown["price"], kit.lending.price(0)) == ("2000", "1800.5", 1_800_500_000 * 10**12)
    refused(run("set_price", "1.123456789", *ETH, *KEEPER), "the aggregator holds 8 decimals only")
    record = json.loads((folder / "local.json").read_text())
    record["collaterals"][0] |= {"mock": False, "faucet": False}
    path = folder / "real.json"
    path.write_text(json.dumps(record))
    refused(run("set_price", "5", *ETH, *KEEPER, "--record", str(path)), "comes from a real aggregator")
    refused(run("faucet", "5", "--token", "ETH", *KEEPER, "--record", str(path)), "a token without a faucet")


@pytest.mark.usefixtures("kit")
def test_lending__no_pool__refused(run: Run, folder: Path) -> None:
    record = json.loads((folder / "local.json").read_text())
    record["config"]["pool"], record["collaterals"] = None, []
    for part in ("pool", "lending"):
        del record["addresses"][part]
    path = folder / "poolless.json"
    path.write_text(json.dumps(record))
    refused(run("loans", "--record", str(path)), "this deployment has no lending pool")
    assert "pool" not in figures(run("status", "--json", "--record", str(path)))


def test_status__pool__beside_fund_and_markets(run: Run, lent: Kit) -> None:
    shown = figures(run("status", "--json"))
    assert (shown["pool"]["address"], shown["pool"]["cash"]) == (lent.pool.address, "2500")
    assert [row["collateral"] for row in shown["collaterals"]] == ["ETH", "BTC"]
    (fund,) = json.loads(run("funds", "--json").stdout)
    assert fund["markets"] == "COIN / USD, ETH / USD, lending of KanaUSDT"
