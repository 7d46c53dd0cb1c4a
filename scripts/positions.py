"""Show positions."""

from typing import Any

import click

from kana_insurance.cli import AddressType, KanaCommand, connect, json_option, raw_option, record_option, show


@click.command(cls=KanaCommand, name="positions", short_help="Show positions", example="ape run positions --market 0")
@click.argument("traders", type=AddressType(), nargs=-1)
@click.option("--market", "market_id", type=click.IntRange(min=0), help="One market alone.")
@raw_option
@json_option
@record_option
def cli(traders: tuple[str, ...], market_id: int | None, raw: bool, as_json: bool, record: Any) -> None:
    """Show the positions of TRADERS, addresses or aliases, by default of everyone: size, equity, margin ratio, prices
    of liquidation and bankruptcy.
    """
    show(connect(record).positions(traders, market_id), title="positions", as_json=as_json, raw=raw)
