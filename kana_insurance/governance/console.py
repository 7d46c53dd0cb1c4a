"""What the scripts share that act for governance and for guardians: transactions for somebody else to send."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kana_insurance.backends import Backend
from kana_insurance.governance.safe import Transaction, batch, write

safe_option = click.option(
    "--safe",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the transactions to this file, for the transaction builder of a Safe; nothing is sent.",
)


def check_safe(account: Any, safe: Path | None) -> None:
    """Refuse to send and to write at once.

    Raises:
        click.UsageError: if both are asked for.
    """
    if account is not None and safe is not None:
        raise click.UsageError("--safe sends nothing: leave --account out, the Safe's owners sign")


def spell_out(transactions: Sequence[Transaction]) -> None:
    """Print what is sent, or what somebody else sends."""
    for number, one in enumerate(transactions, 1):
        click.echo(f"\ntransaction {number} of {len(transactions)}, to {one.to}: {one.does}\n0x{one.data.hex()}")


def hand_out(
    backend: Backend, name: str, transactions: Sequence[Transaction], safe: Path | None, *, quiet: bool
) -> None:
    """Print the transactions that somebody else sends, and write them for a Safe."""
    if not quiet:
        spell_out(transactions)
    if safe is not None:
        does = "; ".join(one.does for one in transactions)
        write(safe, batch(backend.chain_id(), name, does, transactions))
    if not quiet and safe is not None:
        click.echo(f"\nwritten to {safe}: load it in the Safe's transaction builder")
    elif not quiet:
        click.echo("\nnothing was sent: name an --account, or --safe FILE for a multisig")
