"""Lend to the pool, and take out what was lent."""

from typing import Any

import click

from kana_insurance.cli import account_option
from kana_insurance.commands import Desk, permit_option, script
from kana_insurance.lending import Lending


@script(
    "lend",
    "Lend to the pool, and take it out again",
    example="ape run lend 5000 --permit --account TEST::10",
    more=[
        "ape run lend 5000 --account TEST::10",
        "ape run lend --withdraw 250.5 --account TEST::10",
        "ape run lend --redeem all --account TEST::10",
    ],
)
@click.argument("amount", required=False)
@account_option(what="The lender")
@click.option("--withdraw", metavar="AMOUNT|all", help="Take so much of the asset out instead.")
@click.option("--redeem", metavar="SHARES|all", help="Take out what so many shares are worth instead.")
@permit_option
def cli(desk: Desk, amount: str | None, account: Any, withdraw: str | None, redeem: str | None, permit: bool) -> None:
    """Lend AMOUNT of the asset for shares of the pool, which grow by the interest that borrowers pay.

    Lenders bear what the fund can't pay of a bankrupt loan, all the same share of what is theirs. Withdrawals need
    cash in the pool; a flagged insolvent loan stops them for at most an hour.
    """
    if [amount, withdraw, redeem].count(None) != 2:
        raise click.UsageError("name AMOUNT, --withdraw or --redeem")
    if permit and amount is None:
        raise click.UsageError("--permit goes with AMOUNT")
    lending = Lending(desk.client)
    if amount is not None:
        desk.show(lending.lend(account, desk.amount(amount, "AMOUNT"), permit=permit), "lent")
    elif withdraw is not None:
        desk.show(lending.withdraw(account, desk.amount_or_all(withdraw, "--withdraw")), "withdrawn")
    elif redeem is not None:
        shares = desk.amount_or_all(redeem, "--redeem", lending.share_decimals)
        desk.show(lending.redeem(account, shares), "redeemed")
