"""Restake a pending request."""

from typing import Any

import click

from kana_insurance.cli import account_option
from kana_insurance.commands import Desk, script
from kana_insurance.stakers import Stakers, parse_day


@script("cancel", "Restake a pending request", example="ape run cancel --account TEST::10")
@click.argument("day", required=False)
@account_option(what="The staker")
def cli(desk: Desk, day: str | None, account: Any) -> None:
    """Restake, at the present price, the pending request that matures on DAY: a date such as 2026-12-05, or the
    request's number. Without DAY the only one.
    """
    stakers = Stakers(desk.client)
    desk.show(stakers.cancel(account, None if day is None else parse_day(day)), "cancelled")
