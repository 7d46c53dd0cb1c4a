"""Book what was transferred to a fund without a call."""

from typing import Any

import click

from kana_insurance.cli import (
    AddressType,
    KanaCommand,
    account_option,
    connect,
    json_option,
    raw_option,
    record_option,
    show,
)
from kana_insurance.funds import Funds


@click.command(
    cls=KanaCommand,
    name="skim",
    short_help="Book what was transferred to a fund without a call",
    example="ape run skim --account TEST::9",
)
@account_option(what="Anyone")
@click.option("--fund", type=AddressType(), help="The fund; by default the deployment's own.")
@click.option("--contributor", type=AddressType(), help="For whom it is booked; by default the account.")
@raw_option
@json_option
@record_option
def cli(account: Any, fund: str | None, contributor: str | None, raw: bool, as_json: bool, record: Any) -> None:
    """Book tokens that a fund holds beyond its reserve as a contribution (M6). Do it before a fund is merged: what lies
    in a closed one stays there.
    """
    show(Funds(connect(record)).skim(account, fund, contributor), title="booked", as_json=as_json, raw=raw)
