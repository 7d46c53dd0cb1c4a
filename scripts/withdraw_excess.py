"""Withdraw what the fund holds above its threshold."""

from typing import Any

import click

from kana_insurance.cli import account_option
from kana_insurance.commands import Desk, script


@script(
    "withdraw_excess",
    "Withdraw the excess to the treasury",
    example="ape run withdraw_excess 100 --account TEST::1",
)
@click.argument("amount", required=False)
@account_option(what="A treasurer")
def cli(desk: Desk, amount: str | None, account: Any) -> None:
    """Send AMOUNT, by default the whole excess, to the treasury.

    The excess is what the reserve holds above the threshold and the bad debt. Refused without one, above it, while
    payouts are paused, and for anyone but a treasurer.
    """
    units = None if amount is None else desk.amount(amount, "AMOUNT")
    desk.show(desk.client.withdraw_excess(account, units), "withdrawn")
