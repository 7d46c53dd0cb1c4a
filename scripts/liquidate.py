"""Liquidate a position below its maintenance margin."""

from typing import Any

import click

from kana_insurance.cli import (
    AddressType,
    KanaCommand,
    account_option,
    amount_of,
    connect,
    json_option,
    market_option,
    raw_option,
    record_option,
    show,
    size_of,
)


@click.command(
    cls=KanaCommand,
    name="liquidate",
    short_help="Liquidate a position",
    example="ape run liquidate TEST::6 --account TEST::8",
)
@click.argument("trader", type=AddressType())
@account_option(what="The liquidator, who takes the position over at mark")
@market_option
@click.option("--size", help="Base size to take over; by default all of it.")
@click.option("--margin", help="Moved into the liquidator's position first; by default the initial margin of the size.")
@raw_option
@json_option
@record_option
def cli(
    trader: str,
    account: Any,
    market_id: int,
    size: str | None,
    margin: str | None,
    raw: bool,
    as_json: bool,
    record: Any,
) -> None:
    """Take over the position of TRADER, an address or alias. Of what is left of its margin, the liquidator and the fund
    get their shares and the trader the rest; an insolvent position brings no reward.
    """
    client = connect(record)
    result = client.liquidate(
        account,
        market_id,
        trader,
        size=size_of(size, raw=raw),
        margin=amount_of(margin, client.decimals, raw=raw, what="--margin", zero=True),
    )
    show(result, title="liquidated", as_json=as_json, raw=raw)
