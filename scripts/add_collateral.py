"""Add collateral to a loan, and take it out again."""

from typing import Any

import click

from kana_insurance.cli import AddressType, account_option
from kana_insurance.commands import Desk, collateral_option, script
from kana_insurance.lending import Lending


@script(
    "add_collateral",
    "Add collateral to a loan, or withdraw it",
    example="ape run add_collateral 1.5 --collateral ETH --account TEST::10",
    more=["ape run add_collateral all --withdraw --collateral ETH --account TEST::10"],
)
@click.argument("amount", metavar="AMOUNT|all")
@account_option(what="Who pays, and with --withdraw the borrower")
@collateral_option
@click.option("--for", "borrower", type=AddressType(), help="Whose loan, an address or alias; by default one's own.")
@click.option("--withdraw", is_flag=True, help="Take AMOUNT, or all, out of one's own loan instead.")
def cli(desk: Desk, amount: str, account: Any, collateral: str, borrower: str | None, withdraw: bool) -> None:
    """Put AMOUNT of a collateral into a loan. Each loan is against one collateral; it can borrow once it has some.

    With debt, what is withdrawn must leave the debt within the collateral's factor.
    """
    lending = Lending(desk.client)
    which = lending.collateral(collateral)
    units = desk.amount_or_all(amount, "AMOUNT", which.decimals)
    if withdraw:
        if borrower is not None:
            raise click.UsageError("collateral is withdrawn from one's own loan alone: leave --for out")
        desk.show(lending.withdraw_collateral(account, which, units), "withdrawn")
        return
    if units is None:
        raise click.UsageError("AMOUNT: name an amount; 'all' goes with --withdraw")
    desk.show(lending.add_collateral(account, which, units, borrower), "added")
