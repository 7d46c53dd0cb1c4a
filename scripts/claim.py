"""Claim what has matured."""

from typing import Any

import click

from kana_insurance.cli import (
    KanaCommand,
    account_option,
    connect,
    json_option,
    raw_option,
    record_option,
    show,
)
from kana_insurance.stakers import Stakers


@click.command(
    cls=KanaCommand,
    name="claim",
    short_help="Claim what has matured",
    example="ape run claim --skip-cooldown --account TEST::10",
)
@account_option(what="The staker")
@click.option("--skip-cooldown", is_flag=True, help="Move the local chain's time to the next request's day.")
@raw_option
@json_option
@record_option
def cli(account: Any, skip_cooldown: bool, raw: bool, as_json: bool, record: Any) -> None:
    """Claim every request that has matured."""
    result = Stakers(connect(record)).claim(account, skip_cooldown=skip_cooldown)
    show(result, title="claimed", as_json=as_json, raw=raw)
