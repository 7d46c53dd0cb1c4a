"""Close an insolvent position against the other side, without capital."""

from typing import Any

import click

from kana_insurance.cli import (
    AddressType,
    KanaCommand,
    account_option,
    connect,
    json_option,
    market_option,
    raw_option,
    record_option,
    show,
)


@click.command(
    cls=KanaCommand,
    name="deleverage",
    short_help="Close an insolvent position against the other side",
    example="ape run deleverage TEST::6 --account TEST::9",
)
@click.argument("trader", type=AddressType())
@account_option(what="Who calls; anyone may")
@market_option
@click.option(
    "--against",
    "counterparties",
    type=AddressType(),
    multiple=True,
    help="A counterparty, an address or alias, repeatable; by default the largest positions of the other side.",
)
@click.option("--skip-grace", is_flag=True, help="Move the local chain's time to the end of the grace.")
@raw_option
@json_option
@record_option
def cli(
    trader: str,
    account: Any,
    market_id: int,
    counterparties: tuple[str, ...],
    skip_grace: bool,
    raw: bool,
    as_json: bool,
    record: Any,
) -> None:
    """Deleverage the insolvent position of TRADER, an address or alias.

    The first call flags it; once the grace has passed (10 minutes by default) the next one closes it at mark against
    positions of the other side. A flag holds for an hour after its grace.
    """
    result = connect(record).deleverage(account, market_id, trader, counterparties, skip_grace=skip_grace)
    show(result, title="deleveraging", as_json=as_json, raw=raw)
