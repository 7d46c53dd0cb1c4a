"""Deploy a price feed over an aggregator, for a market to be moved to."""

from typing import Any

import click

from kana_insurance.cli import (
    AddressType,
    KanaCommand,
    account_option,
    connect,
    json_option,
    record_option,
    refresh_build,
    show,
)
from kana_insurance.feeds import create_feed
from kana_insurance.measures import Misspelt, parse_duration


def seconds(context: click.Context, parameter: click.Parameter, text: str) -> int:
    """Seconds of a text such as 1h."""
    try:
        return parse_duration(text)
    except Misspelt as error:
        raise click.BadParameter(str(error), context, parameter) from error


@click.command(
    cls=KanaCommand,
    name="create_feed",
    short_help="Deploy a price feed over an aggregator",
    example="ape run create_feed AGGREGATOR --max-age 1h --account TEST::9",
)
@click.argument("aggregator", type=AddressType())
@account_option(what="Who deploys; it has no power over the feed")
@click.option("--max-age", default="1h", show_default=True, callback=seconds, help="Greatest age of a good price.")
@click.option("--sequencer", type=AddressType(), help="The sequencer feed, where the chain has one.")
@click.option("--sequencer-grace", default="1h", show_default=True, callback=seconds, help="Wait after its restart.")
@json_option
@record_option
def cli(
    aggregator: str,
    account: Any,
    max_age: int,
    sequencer: str | None,
    sequencer_grace: int,
    as_json: bool,
    record: Any,
) -> None:
    """Deploy a feed that reads AGGREGATOR, and show the price that it gives.

    What it reads and how strictly never changes (M30); governance moves a market to it by 'govern propose set-feed'.
    """
    refresh_build()
    result = create_feed(connect(record), account, aggregator, max_age, sequencer, sequencer_grace)
    show(result, title="feed", as_json=as_json)
