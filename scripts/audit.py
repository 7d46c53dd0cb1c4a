"""Re-read a deployment from the chain and check it."""

from pathlib import Path

import click

from kana_insurance.cli import KanaCommand, json_option, record_option, run_audit


@click.command(
    cls=KanaCommand,
    name="audit",
    short_help="Re-read a deployment from the chain and check it",
    example="ape run audit",
)
@click.option(
    "--from-block",
    type=click.IntRange(min=0),
    help="Read events from here on; by default from the deployment, which a node without old states can't find.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 for notes too.")
@json_option
@record_option
def cli(from_block: int | None, strict: bool, as_json: bool, record: Path | None) -> None:
    """Check a deployment against its record and this source; nothing is sent, any node will do.

    Checked are: the code of every contract and its immutables, set-ups, the holders of every role, the timelock's
    delay, how contracts name each other, layers on both sides, the bounds of parameters, allowances, balances against
    the books, feeds. Shown is who can do what.

    What is off is printed in red, and the exit code is 1. Notes, in yellow, are what is in order but should be known,
    such as a parameter that governance has changed since.
    """
    run_audit(record, from_block, strict=strict, as_json=as_json)
