"""Liquidate a loan, or flag it."""

from typing import Any

import click

from kana_insurance.cli import AddressType, account_option
from kana_insurance.commands import Desk, collateral_option, script
from kana_insurance.lending import Lending


@script(
    "liquidate_loan",
    "Liquidate a loan, or flag it",
    example="ape run liquidate_loan TEST::10 --collateral ETH --account TEST::8",
)
@click.argument("borrower", type=AddressType())
@account_option(what="The liquidator, who repays debt and gets collateral")
@collateral_option
@click.option("--debt", help="Most of the debt to repay; by default as much as one liquidation may.")
@click.option("--min-seized", help="Least collateral to get for it; by default whatever comes.")
@click.option("--flag", is_flag=True, help="Instead stop lenders' withdrawals, because the loan is insolvent.")
@click.option("--unflag", is_flag=True, help="Instead end such a stop, because the loan is solvent again.")
def cli(
    desk: Desk,
    borrower: str,
    account: Any,
    collateral: str,
    debt: str | None,
    min_seized: str | None,
    flag: bool,
    unflag: bool,
) -> None:
    """Liquidate the loan of BORROWER, an address or alias: repay of its debt up to the close factor for collateral of
    that worth and the premium, of which a part goes to the fund.

    An insolvent loan goes whole, and what its collateral doesn't repay is borne at once by the fund, then by the
    lenders. Until somebody does that, --flag stops lenders from leaving before the others, for at most an hour a day.
    """
    if flag + unflag + (debt is not None or min_seized is not None) > 1:
        raise click.UsageError("--flag and --unflag go alone")
    lending = Lending(desk.client)
    which = lending.collateral(collateral)
    if flag or unflag:
        act = lending.flag if flag else lending.unflag
        desk.show(act(account, which, borrower), "flagged" if flag else "unflagged")
        return
    most = None if debt is None else desk.amount(debt, "--debt")
    least = 0 if min_seized is None else desk.amount(min_seized, "--min-seized", which.decimals)
    desk.show(lending.liquidate(account, which, borrower, most, least), "liquidated")
