"""Close a position, or a part of it, against another account."""

from typing import Any

import click

from kana_insurance.cli import (
    KanaCommand,
    account_option,
    amount_of,
    connect,
    json_option,
    market_option,
    price_of,
    raw_option,
    record_option,
    show,
    size_of,
)


@click.command(
    cls=KanaCommand,
    name="close",
    short_help="Close a position against another account",
    example="ape run close --account TEST::6 --maker TEST::7",
)
@account_option(what="The trader, who takes and submits")
@account_option("--maker", what="The account on the other side")
@market_option
@click.option("--size", help="Base size to close; by default all of it.")
@click.option("--price", help="Limit of both orders; by default the mark.")
@click.option("--maker-margin", help="Moved into the maker's position, where that grows; by default nothing.")
@raw_option
@json_option
@record_option
def cli(
    account: Any,
    maker: Any,
    market_id: int,
    size: str | None,
    price: str | None,
    maker_margin: str | None,
    raw: bool,
    as_json: bool,
    record: Any,
) -> None:
    """Sign a reduce-only order of the trader and one of the maker, and match them. What a closed position is worth goes
    to the trader's free balance.
    """
    client = connect(record)
    margin = amount_of(maker_margin, client.decimals, raw=raw, what="--maker-margin", zero=True) or 0
    result = client.close(
        account, maker, market_id, size=size_of(size, raw=raw), price=price_of(price, raw=raw), margin=margin
    )
    show(result, title="closed", as_json=as_json, raw=raw)
