"""Show the lending pool, its loans and its lenders."""

import click

from kana_insurance.cli import AddressType
from kana_insurance.commands import Desk, script
from kana_insurance.lending import Lending


@script("loans", "Show the lending pool, its loans and its lenders", example="ape run loans --json")
@click.argument("names", type=AddressType(), nargs=-1)
@click.option("--collateral", help="Loans against one collateral alone: its name, its token's symbol, or its id.")
def cli(desk: Desk, names: tuple[str, ...], collateral: str | None) -> None:
    """Show the pool: cash, debt, rates a year, what the fund is owed and would pay, whether withdrawals are stopped;
    its collaterals; and the loans and shares of NAMES, addresses or aliases, by default of everyone.

    A loan is liquidatable when its health falls below 1, which is at its liquidation price. Rates are nominal: what is
    charged compounds by the second.
    """
    desk.show(Lending(desk.client).page(names, collateral), "lending")
