"""Contribute to the fund's reserve."""

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
    name="contribute",
    short_help="Contribute to the fund's reserve",
    example="ape run contribute 250.5 --permit --account TEST::10",
)
@click.argument("amount")
@account_option(what="The contributor")
@click.option("--permit", is_flag=True, help="Sign a permit instead of approving first: one transaction.")
@raw_option
@json_option
@record_option
def cli(amount: str, account: Any, permit: bool, raw: bool, as_json: bool, record: Any) -> None:
    """Contribute AMOUNT of the asset to the reserve. Contributions are recorded and not refundable."""
    client = connect(record)
    units = amount_of(amount, client.decimals, raw=raw, what="AMOUNT")
    show(client.contribute(account, units or 0, permit=permit), title="contributed", as_json=as_json, raw=raw)
