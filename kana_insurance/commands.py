"""The head that commands share: a decorator for class and options, an object for what goes in and comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

import click

from kana_insurance.cli import KanaCommand, amount_of, connect, json_option, raw_option, record_option, show
from kana_insurance.client import Client

#: What stands for everything in place of an amount.
ALL = "all"
permit_option = click.option(
    "--permit", is_flag=True, help="Sign a permit instead of approving first: one transaction."
)

collateral_option = click.option(
    "--collateral",
    default="0",
    metavar="NAME",
    help="The collateral: its name, its token's symbol, or its id; by default the first.",
)


@dataclass(frozen=True)
class Desk:
    """What a command reads amounts with and shows results on.

    Attributes:
        raw: Whether amounts are base units, in and out.
        as_json: Whether results are shown as JSON.
        record: The deployment's record; None: the network's own.
    """

    raw: bool
    as_json: bool
    record: Path | None

    @cached_property
    def client(self) -> Client:
        """The deployment's client."""
        return connect(self.record)

    def amount(self, text: str, what: str, decimals: int | None = None) -> int:
        """A positive amount, of the asset unless ``decimals`` says otherwise.

        Raises:
            click.UsageError: if it is none.
        """
        places = self.client.decimals if decimals is None else decimals
        return amount_of(text, places, raw=self.raw, what=what) or 0

    def amount_or_all(self, text: str, what: str, decimals: int | None = None) -> int | None:
        """The same, where "all" is understood too: None."""
        return None if text.strip().lower() == ALL else self.amount(text, what, decimals)

    def show(self, result: Any, title: str) -> None:
        """Print a result."""
        show(result, title=title, as_json=self.as_json, raw=self.raw)


def script(
    name: str, short_help: str, *, example: str, more: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Any]:
    """Make a function the command of a script: with --network, --raw, --json and --record, its failures told in words.

    Args:
        name: The command's.
        short_help: What it does, in the list of commands.
        example: A command line that works on the local chain.
        more: Further ones.
    """

    def decorate(function: Callable[..., None]) -> Any:
        @wraps(function)
        def run(raw: bool, as_json: bool, record: Path | None, **values: Any) -> None:
            function(Desk(raw, as_json, record), **values)

        command = click.command(cls=KanaCommand, name=name, short_help=short_help, example="\n".join((example, *more)))
        return command(_with_options(run))

    return decorate


def _with_options(function: Any) -> Any:
    """The options that every command has, after its own."""
    own = list(getattr(function, "__click_params__", []))
    function.__click_params__ = []
    for option in (record_option, json_option, raw_option):
        function = option(function)
    function.__click_params__ = [*function.__click_params__, *own]
    return function
