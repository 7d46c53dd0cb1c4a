"""Begin the exit of staked shares."""

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
    name="request",
    short_help="Begin the exit of staked shares",
    example="ape run request --all --account TEST::10",
)
@click.argument("shares", required=False)
@account_option(what="The staker")
@click.option("--all", "everything", is_flag=True, help="All shares that the account holds.")
@raw_option
@json_option
@record_option
def cli(shares: str | None, account: Any, everything: bool, raw: bool, as_json: bool, record: Any) -> None:
    """Take SHARES out of the stake at the present price. They earn nothing more, a slash can still take of them, and
    they are free from the first day that begins at least one cooldown later.
    """
    if everything == (shares is not None):
        raise click.UsageError("name SHARES or --all")
    stakers = Stakers(connect(record))
    wanted = amount_of(shares, stakers.share_decimals, raw=raw, what="SHARES")
    show(stakers.request(account, wanted), title="requested", as_json=as_json, raw=raw)
