"""Stake behind the fund."""

from typing import Any

import click

from kana_insurance.cli import account_option
from kana_insurance.commands import Desk, permit_option, script
from kana_insurance.stakers import Stakers


@script("stake", "Stake behind the fund", example="ape run stake 5000 --permit --account TEST::10")
@click.argument("amount")
@account_option(what="The staker")
@permit_option
def cli(desk: Desk, amount: str, account: Any, permit: bool) -> None:
    """Stake AMOUNT of the asset for shares of the fund's backstop.

    Stakers earn a share of the fund's revenue and carry the shortfalls that its reserve can't: all that is staked can
    be lost. What is staked is free only after a request and its cooldown (14 days by default).
    """
    units = desk.amount(amount, "AMOUNT")
    desk.show(Stakers(desk.client).stake(account, units, permit=permit), "staked")
