"""Contribute to the fund's reserve."""

from typing import Any

import click

from kana_insurance.cli import account_option
from kana_insurance.commands import Desk, permit_option, script


@script(
    "contribute",
    "Contribute to the fund's reserve",
    example="ape run contribute 250.5 --permit --account TEST::10",
)
@click.argument("amount")
@account_option(what="The contributor")
@permit_option
def cli(desk: Desk, amount: str, account: Any, permit: bool) -> None:
    """Contribute AMOUNT of the asset to the reserve. Contributions are recorded and not refundable."""
    desk.show(desk.client.contribute(account, desk.amount(amount, "AMOUNT"), permit=permit), "contributed")
