"""Set the price of a market with a mock aggregator."""

from typing import Any

import click

from kana_insurance.cli import (
    KanaCommand,
    account_option,
    connect,
    json_option,
    market_option,
    price_of,
    raw_option,
    record_option,
    show,
)


@click.command(
    cls=KanaCommand,
    name="set_price",
    short_help="Set the price of a market with a mock aggregator",
    example="ape run set_price 85.5 --account TEST::9",
)
@click.argument("price")
@account_option(what="Who publishes; anyone may")
@market_option
@raw_option
@json_option
@record_option
def cli(price: str, account: Any, market_id: int, raw: bool, as_json: bool, record: Any) -> None:
    """Publish PRICE, quote per whole base, as a new round. Local chains and testnets alone; good for an hour."""
    client = connect(record)
    show(client.set_price(account, market_id, price_of(price, raw=raw) or 0), title="price", as_json=as_json, raw=raw)
