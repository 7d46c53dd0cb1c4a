"""Mint test tokens."""

from typing import Any

import click

from kana_insurance.cli import AddressType, account_option
from kana_insurance.commands import Desk, script
from kana_insurance.lending import find_collateral, mint_collateral


@script(
    "faucet",
    "Mint test tokens",
    example="ape run faucet 1000 --account TEST::10",
    more=["ape run faucet 2.5 --token ETH --account TEST::10"],
)
@click.argument("amount")
@account_option(what="Who calls the faucet")
@click.option("--to", "receiver", type=AddressType(), help="Who receives, an address or alias; by default the caller.")
@click.option("--token", help="A collateral of the lending pool, by name or id; by default the fund's asset.")
def cli(desk: Desk, amount: str, account: Any, receiver: str | None, token: str | None) -> None:
    """Mint AMOUNT KanaUSDT, or of a collateral of the lending pool. Local chains and testnets alone; one call mints at
    most a thousand million tokens.
    """
    if token is None:
        result = desk.client.faucet(account, desk.amount(amount, "AMOUNT"), receiver)
    else:
        units = desk.amount(amount, "AMOUNT", find_collateral(desk.client.system, token).decimals)
        result = mint_collateral(desk.client, account, token, units, receiver)
    desk.show(result, "minted")
