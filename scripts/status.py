"""Show the fund, its layers and its markets."""

from typing import Any

import click

from kana_insurance.cli import KanaCommand, connect, json_option, raw_option, record_option, show


@click.command(
    cls=KanaCommand,
    name="status",
    short_help="Show the fund, its layers and its markets",
    example="ape run status --json",
)
@raw_option
@json_option
@record_option
def cli(raw: bool, as_json: bool, record: Any) -> None:
    """Show reserve, threshold, room and excess of the fund, what each layer behind it has and would pay now, and what
    each market has cost and may cost it.
    """
    show(connect(record).status(), title="deployment", as_json=as_json, raw=raw)
