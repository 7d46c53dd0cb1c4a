"""Open or enlarge a position against another account."""

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
    name="open",
    short_help="Trade a position against another account",
    example="ape run open long 10 --account TEST::6 --maker TEST::7",
)
@click.argument("side", type=click.Choice(["long", "short"]))
@click.argument("size")
@account_option(what="The trader, who takes and submits")
@account_option("--maker", what="The account on the other side")
@market_option
@click.option("--price", help="Limit of both orders; by default the mark.")
@click.option("--margin", help="Moved into the trader's position; by default the notional / --leverage, and the fee.")
@click.option("--maker-margin", help="Moved into the maker's position; by default as --margin's default.")
@click.option(
    "--leverage", type=click.IntRange(1, 100), default=5, show_default=True, help="For margins that aren't named."
)
@raw_option
@json_option
@record_option
def cli(
    side: str,
    size: str,
    account: Any,
    maker: Any,
    market_id: int,
    price: str | None,
    margin: str | None,
    maker_margin: str | None,
    leverage: int,
    raw: bool,
    as_json: bool,
    record: Any,
) -> None:
    """Sign an order of each account and match them: the trader goes SIDE by SIZE base.

    Margin that the free balance at the venue lacks is deposited from the account's wallet.
    """
    client = connect(record)
    amount, limit = size_of(size, raw=raw) or 0, price_of(price, raw=raw)
    margins = [
        amount_of(text, client.decimals, raw=raw, what=what, zero=True)
        for text, what in ((margin, "--margin"), (maker_margin, "--maker-margin"))
    ]
    usual = client.default_margin(market_id, amount, limit, leverage) if None in margins else 0
    own, other = (usual if one is None else one for one in margins)
    result = client.trade(account, maker, market_id, side == "long", amount, price=limit, margins=(own, other))
    show(result, title="traded", as_json=as_json, raw=raw)
