"""Stake behind the fund."""

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
from kana_insurance.stakers import Stakers


@click.command(
    cls=KanaCommand,
    name="stake",
    short_help="Stake behind the fund",
    example="ape run stake 5000 --permit --account TEST::10",
)
@click.argument("amount")
@account_option(what="The staker")
@click.option("--permit", is_flag=True, help="Sign a permit instead of approving first: one transaction.")
@raw_option
@json_option
@record_option
def cli(amount: str, account: Any, permit: bool, raw: bool, as_json: bool, record: Any) -> None:
    """Stake AMOUNT of the asset for shares of the fund's backstop.

    Stakers earn a share of the fund's revenue and carry the shortfalls that its reserve can't: all that is staked can
    be lost. What is staked is free only after a request and its cooldown (14 days by default).
    """
    client = connect(record)
    units = amount_of(amount, client.decimals, raw=raw, what="AMOUNT")
    show(Stakers(client).stake(account, units or 0, permit=permit), title="staked", as_json=as_json, raw=raw)
