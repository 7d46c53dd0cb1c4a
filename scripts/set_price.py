"""Set the price of a market or a collateral with a mock aggregator."""

from typing import Any

import click

from kana_insurance.amounts import WAD_DECIMALS
from kana_insurance.cli import account_option, market_option
from kana_insurance.commands import Desk, script
from kana_insurance.lending import set_collateral_price


@script(
    "set_price",
    "Set the price of a market or a collateral with a mock aggregator",
    example="ape run set_price 85.5 --account TEST::9",
    more=["ape run set_price 1800 --collateral ETH --account TEST::9"],
)
@click.argument("price")
@account_option(what="Who publishes; anyone may")
@market_option
@click.option("--collateral", help="A collateral of the lending pool instead of a market, by name or id.")
def cli(desk: Desk, price: str, account: Any, market_id: int, collateral: str | None) -> None:
    """Publish PRICE, quote per whole base, as a new round. Local chains and testnets alone; good for an hour."""
    wad = desk.amount(price, "price", WAD_DECIMALS)
    if collateral is None:
        result = desk.client.set_price(account, market_id, wad)
    else:
        result = set_collateral_price(desk.client, account, collateral, wad)
    desk.show(result, "price")
