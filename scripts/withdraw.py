"""Withdraw free balance from the house."""

from typing import Any

import click

from kana_insurance.cli import (
    KanaCommand,
    account_option,
    amount_of,
    connect,
    json_option,
    raw_option,
    record_option,
    show,
)


@click.command(
    cls=KanaCommand,
    name="withdraw",
    short_help="Withdraw free balance from the house",
    example="ape run withdraw --account TEST::6",
)
@click.argument("amount", required=False)
@account_option(what="The trader")
@raw_option
@json_option
@record_option
def cli(amount: str | None, account: Any, raw: bool, as_json: bool, record: Any) -> None:
    """Send AMOUNT, by default all, of the trader's free balance to his wallet: never paused, without a price."""
    client = connect(record)
    units = amount_of(amount, client.decimals, raw=raw, what="AMOUNT")
    show(client.withdraw(account, units), title="withdrawn", as_json=as_json, raw=raw)
