"""Restake a pending request."""

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
from kana_insurance.stakers import Stakers, parse_day


@click.command(
    cls=KanaCommand,
    name="cancel",
    short_help="Restake a pending request",
    example="ape run cancel --account TEST::10",
)
@click.argument("day", required=False)
@account_option(what="The staker")
@raw_option
@json_option
@record_option
def cli(day: str | None, account: Any, raw: bool, as_json: bool, record: Any) -> None:
    """Restake, at the present price, the pending request that matures on DAY: a date such as 2026-12-05, or the
    request's number. Without DAY the only one.
    """
    stakers = Stakers(connect(record))
    result = stakers.cancel(account, None if day is None else parse_day(day))
    show(result, title="cancelled", as_json=as_json, raw=raw)
