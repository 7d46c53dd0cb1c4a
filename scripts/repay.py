"""Repay a loan."""

from typing import Any

import click

from kana_insurance.cli import AddressType, account_option
from kana_insurance.commands import Desk, collateral_option, permit_option, script
from kana_insurance.lending import Lending


@script(
    "repay",
    "Repay a loan, one's own or another's",
    example="ape run repay all --collateral ETH --account TEST::10",
    more=[
        "ape run repay 250 --collateral ETH --account TEST::10",
        "ape run repay all --for TEST::10 --account TEST::11",
    ],
)
@click.argument("amount", metavar="AMOUNT|all")
@account_option(what="Who pays")
@collateral_option
@click.option("--for", "borrower", type=AddressType(), help="Whose loan, an address or alias; by default one's own.")
@click.option("--bad-debt", is_flag=True, help="Pay for what the pool lost and nobody bore, instead of a loan.")
@permit_option
def cli(
    desk: Desk, amount: str, account: Any, collateral: str, borrower: str | None, bad_debt: bool, permit: bool
) -> None:
    """Repay AMOUNT of a loan, or all of it with its interest. What is left is nothing or at least the least debt."""
    lending = Lending(desk.client)
    if bad_debt:
        if borrower is not None or permit:
            raise click.UsageError("--bad-debt goes without --for and --permit")
        desk.show(lending.repay_bad_debt(account, desk.amount(amount, "AMOUNT")), "repaid")
        return
    units = desk.amount_or_all(amount, "AMOUNT")
    desk.show(lending.repay(account, lending.collateral(collateral), units, borrower, permit=permit), "repaid")
