"""Claim what has matured."""

from typing import Any

import click

from kana_insurance.cli import account_option
from kana_insurance.commands import Desk, script
from kana_insurance.stakers import Stakers


@script("claim", "Claim what has matured", example="ape run claim --skip-cooldown --account TEST::10")
@account_option(what="The staker")
@click.option("--skip-cooldown", is_flag=True, help="Move the local chain's time to the next request's day.")
def cli(desk: Desk, account: Any, skip_cooldown: bool) -> None:
    """Claim every request that has matured."""
    desk.show(Stakers(desk.client).claim(account, skip_cooldown=skip_cooldown), "claimed")
