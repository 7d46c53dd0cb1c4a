"""Show every fund of the factory."""

from typing import Any

import click

from kana_insurance.cli import AddressType, KanaCommand, connect, json_option, raw_option, record_option, show
from kana_insurance.funds import Funds


@click.command(
    cls=KanaCommand, name="funds", short_help="Show every fund of the factory", example="ape run funds --json"
)
@click.argument("names", type=AddressType(), nargs=-1)
@raw_option
@json_option
@record_option
def cli(names: tuple[str, ...], raw: bool, as_json: bool, record: Any) -> None:
    """Show NAMES, addresses of funds, by default all of them: asset, reserve, threshold, what each could pay now, its
    layers, the markets that it serves, its bad debt.

    A shared fund serves every market of its asset that has none of its own; an isolated one serves one market. What a
    fund could pay is its reserve and its layers, within its window; a single market's maximum may be lower.
    """
    show(Funds(connect(record)).page(names), title="funds", as_json=as_json, raw=raw)
