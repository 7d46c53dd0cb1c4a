"""Borrow against collateral."""

from typing import Any

import click

from kana_insurance.cli import account_option
from kana_insurance.commands import Desk, collateral_option, script
from kana_insurance.lending import Lending


@script("borrow", "Borrow against collateral", example="ape run borrow 1000 --collateral ETH --account TEST::10")
@click.argument("amount")
@account_option(what="The borrower, who has added collateral")
@collateral_option
def cli(desk: Desk, amount: str, account: Any, collateral: str) -> None:
    """Borrow AMOUNT of the asset against the account's collateral, up to its factor of what that is worth.

    Interest compounds by the second, at a rate that follows from how much of the pool is lent. A loan whose debt
    exceeds the liquidation threshold of its collateral can be liquidated by anyone.
    """
    lending = Lending(desk.client)
    units = desk.amount(amount, "AMOUNT")
    desk.show(lending.borrow(account, lending.collateral(collateral), units), "borrowed")
