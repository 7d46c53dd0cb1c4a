"""Show the stakers and their layer."""

import click

from kana_insurance.cli import AddressType
from kana_insurance.commands import Desk, script
from kana_insurance.stakers import Stakers


@script("stakers", "Show the stakers and their layer", example="ape run stakers --json")
@click.argument("names", type=AddressType(), nargs=-1)
def cli(desk: Desk, names: tuple[str, ...]) -> None:
    """Show NAMES, addresses or aliases, by default every staker: shares, value, exits by day; and of the whole layer
    what is staked, what the fund may draw, and the yield of the last 7 and 30 days.

    The yield is what was paid in as revenue less what slashes took, in percent of the present stake, not annualised.
    """
    desk.show(Stakers(desk.client).page(names), "stakers")
