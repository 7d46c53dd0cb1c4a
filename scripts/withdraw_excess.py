"""Withdraw what the fund holds above its threshold."""

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
    name="withdraw_excess",
    short_help="Withdraw the excess to the treasury",
    example="ape run withdraw_excess 100 --account TEST::1",
)
@click.argument("amount", required=False)
@account_option(what="A treasurer")
@raw_option
@json_option
@record_option
def cli(amount: str | None, account: Any, raw: bool, as_json: bool, record: Any) -> None:
    """Send AMOUNT, by default the whole excess, to the treasury.

    The excess is what the reserve holds above the threshold and the bad debt. Refused without one, above it, while
    payouts are paused, and for anyone but a treasurer.
    """
    client = connect(record)
    units = amount_of(amount, client.decimals, raw=raw, what="AMOUNT")
    show(client.withdraw_excess(account, units), title="withdrawn", as_json=as_json, raw=raw)
