"""Show the stakers and their layer."""

from typing import Any

import click

from kana_insurance.cli import AddressType, KanaCommand, connect, json_option, raw_option, record_option, show
from kana_insurance.stakers import Stakers


@click.command(
    cls=KanaCommand, name="stakers", short_help="Show the stakers and their layer", example="ape run stakers --json"
)
@click.argument("names", type=AddressType(), nargs=-1)
@raw_option
@json_option
@record_option
def cli(names: tuple[str, ...], raw: bool, as_json: bool, record: Any) -> None:
    """Show NAMES, addresses or aliases, by default every staker: shares, value, exits by day; and of the whole layer
    what is staked, what the fund may draw, and the yield of the last 7 and 30 days.

    The yield is what was paid in as revenue less what slashes took, in percent of the present stake, not annualised.
    """
    show(Stakers(connect(record)).page(names), title="stakers", as_json=as_json, raw=raw)
