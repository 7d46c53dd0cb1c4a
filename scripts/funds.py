"""Show every fund of the factory."""

import click

from kana_insurance.cli import AddressType
from kana_insurance.commands import Desk, script
from kana_insurance.funds import Funds


@script("funds", "Show every fund of the factory", example="ape run funds --json")
@click.argument("names", type=AddressType(), nargs=-1)
def cli(desk: Desk, names: tuple[str, ...]) -> None:
    """Show NAMES, addresses of funds, by default all of them: asset, reserve, threshold, what each could pay now, its
    layers, the markets and pools that it serves, its bad debt.

    A shared fund serves every market of its asset that has none of its own, and the asset's lending pool; an isolated
    one serves one market. What a fund could pay is its reserve and its layers, within its window; a single market's
    maximum may be lower.
    """
    desk.show(Funds(desk.client).page(names), "funds")
