"""Begin the exit of staked shares."""

from typing import Any

import click

from kana_insurance.cli import account_option
from kana_insurance.commands import Desk, script
from kana_insurance.stakers import Stakers


@script("request", "Begin the exit of staked shares", example="ape run request --all --account TEST::10")
@click.argument("shares", required=False)
@account_option(what="The staker")
@click.option("--all", "everything", is_flag=True, help="All shares that the account holds.")
def cli(desk: Desk, shares: str | None, account: Any, everything: bool) -> None:
    """Take SHARES out of the stake at the present price. They earn nothing more, a slash can still take of them, and
    they are free from the first day that begins at least one cooldown later.
    """
    if everything == (shares is not None):
        raise click.UsageError("name SHARES or --all")
    stakers = Stakers(desk.client)
    wanted = None if shares is None else desk.amount(shares, "SHARES", stakers.share_decimals)
    desk.show(stakers.request(account, wanted), "requested")
