"""Mint test tokens."""

from typing import Any

import click

from kana_insurance.cli import (
    AddressType,
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
    cls=KanaCommand, name="faucet", short_help="Mint test tokens", example="ape run faucet 1000 --account TEST::10"
)
@click.argument("amount")
@account_option(what="Who calls the faucet")
@click.option("--to", "receiver", type=AddressType(), help="Who receives, an address or alias; by default the caller.")
@raw_option
@json_option
@record_option
def cli(amount: str, account: Any, receiver: str | None, raw: bool, as_json: bool, record: Any) -> None:
    """Mint AMOUNT KanaUSDT, at most a thousand million a call. Local chains and testnets alone."""
    client = connect(record)
    units = amount_of(amount, client.decimals, raw=raw, what="AMOUNT")
    show(client.faucet(account, units or 0, receiver), title="minted", as_json=as_json, raw=raw)
