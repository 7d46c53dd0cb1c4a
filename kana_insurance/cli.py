"""What the scripts share: the command class that turns every refusal into words and an exit code, options, output.

Exit codes: 0 done, 1 refused or failed (the chain, the node, a missing record), 2 a command line that makes no sense.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
from ape.cli import AccountAliasPromptChoice, ConnectedProviderCommand
from ape.logging import LogLevel, logger
from click.core import ParameterSource
from eth_utils import is_address, to_checksum_address
from rich.console import Console
from rich.table import Table

from kana_insurance.amounts import WAD_DECIMALS, AmountError, parse_amount
from kana_insurance.anvil import AnvilError
from kana_insurance.backends import ContractMissing, reach_tools, revert_reason
from kana_insurance.backends.rpc import NodeError
from kana_insurance.client import Client, Figure, Refusal
from kana_insurance.deployment import DeploymentError, System, attach, find_record, network_name, read_record

LOCAL_NODE = "http://127.0.0.1:8545"
OWN_NODE = (
    "this command started a node of its own, which knows nothing of earlier ones and ends with it: run "
    f"'anvil --accounts 20' in another terminal and add --network {LOCAL_NODE}"
)
#: What to do about a refusal, by its reason.
HINTS = {
    "fund: below threshold": "nothing is excess: the reserve doesn't exceed the threshold and the bad debt",
    "fund: above excess": "ask for at most the excess that 'ape run status' shows",
    "fund: not treasurer": "use the treasurer's --account",
    "fund: payouts paused": "a guardian has paused payouts; wait or let it be ended",
    "fund: zero amount": "name an amount above 0",
    "fund: amount too large": "name a smaller amount",
    "backstop: nothing pending": "'ape run stakers' shows the requests and their days; matured ones are claimed",
    "backstop: deposits closed": "a slash took nearly all that was staked: nobody can stake here again",
    "backstop: zero assets": "name more shares: these are worth less than one base unit",
    "usdt: above faucet bound": "one call mints at most a thousand million tokens; ask for less",
    "gateway: limit not met": "the two limits don't cross",
    "gateway: self match": "name two different accounts",
    "house: outside fill band": "name a --price closer to the mark",
    "house: free balance too low": "deposit more, or move less margin",
    "house: below initial margin": "move more --margin, or trade a smaller --size",
    "house: below maintenance": "move more --margin, or trade a smaller --size",
    "house: liquidator below margin": "move more --margin, or take over a smaller --size",
    "house: below min notional": "trade a greater --size, or close the whole position",
    "house: above open interest cap": "trade a smaller --size",
    "house: above position cap": "trade a smaller --size",
    "house: not liquidatable": "the position is at or above its maintenance margin",
    "fund: pause too long": "a pause lasts at most 7 days",
    "fund: paused too recently": "the next pause may begin 7 days after the last one's end",
    "fund: not guardian": "use a guardian's --account",
    "registry: pause too long": "a pause lasts at most 7 days",
    "registry: paused too recently": "the next pause may begin 7 days after the last one's end",
    "registry: not guardian": "use a guardian's --account",
    "house: no position": "see 'ape run positions' for who has one",
    "house: own position": "use another --account than the trader's",
    "house: insolvent, whole only": "leave --size out: an insolvent position is taken over whole",
    "house: piece too small": "take over a greater --size, or the whole",
    "house: not insolvent": "the position has equity: it can be liquidated at most",
    "house: grace running": "wait for the grace to end",
    "house: not the whole size": "name more counterparties, or none to have them picked",
    "house: too many counterparties": "name fewer counterparties, or none to have them picked",
    "house: market has bad debt": "'ape run status' shows it; the market takes new positions once it is repaid",
    "house: trading paused": "a guardian has paused trading; only reductions are possible",
    "house: pot exhausted": "the market's pot can't pay this now; claims wait until losers are resolved",
    "pool: not enough cash": "borrowers have the rest: take less ('ape run loans' shows the cash), or wait",
    "pool: withdrawals stopped": "a loan is flagged: liquidate it ('ape run loans' shows it), or wait its hour",
    "pool: above supply cap": "'ape run loans' shows the cap and what lenders have: lend less",
    "pool: deposits closed": "the lenders lost nearly all: nobody can lend here again",
    "pool: zero shares": "name more: this is worth less than one share",
    "pool: zero assets": "name more shares: these are worth less than one base unit",
    "pool: too little collateral": "add collateral, or ask for less: 'ape run loans' shows what can be borrowed",
    "pool: collateral too low": "the loan doesn't have so much: 'ape run loans' shows it",
    "pool: above collateral cap": "the pool takes no more of this collateral: 'ape run loans' shows the cap",
    "pool: above borrow cap": "the pool lends no more against this collateral: 'ape run loans' shows the cap",
    "pool: borrowing paused": "a guardian has paused what adds risk; repaying and adding collateral go on",
    "pool: dust loan": "a loan owes nothing or at least the least debt that 'ape run loans' shows",
    "pool: no debt": "this loan owes nothing; name another --collateral",
    "pool: loan is healthy": "its health is 1 or more: 'ape run loans' shows it",
    "pool: own loan": "use another --account than the borrower's; repay your own",
    "pool: insolvent, whole only": "leave --debt out: an insolvent loan is liquidated whole",
    "pool: too little seized": "name a lower --min-seized",
    "pool: loan is solvent": "only an insolvent loan stops withdrawals",
    "pool: loan is insolvent": "it must be solvent first, or liquidated",
    "pool: already stopped": "a flag is on: 'ape run loans' shows until when",
    "pool: stopped too recently": "withdrawals can be stopped again 23 hours after the last stop's end",
    "pool: not flagged": "'ape run loans' shows the flagged loan, if there is one",
    "pool: nothing to collect": "the fund is owed nothing now, or there is no cash",
    "fund: above bad debt": "ask for at most the bad debt that 'ape run loans' shows",
    "lending: price out of range": "one of the feeds gives a price that can't be right",
    "feed: stale price": "publish a fresh price: 'ape run set_price' on local chains",
    "feed: price not positive": "publish a good price",
}


class Failed(click.ClickException):
    """A refusal or a failure, told in one line; exit code 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print it to stderr."""
        click.echo(f"error: {self.format_message()}", err=True, file=file)


def explain(error: BaseException) -> str | None:
    """An error that can be told in words; None for a fault of the program."""
    if isinstance(error, (DeploymentError, Refusal, ContractMissing, NodeError, AnvilError)):
        return str(error)
    if (reason := revert_reason(error)) is not None:
        if not reason:
            return "the chain refused the call and gave no reason"
        return f"refused: {reason}" + (f" - {HINTS[reason]}" if reason in HINTS else "")
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"ProviderNotConnectedError", "ProviderError", "ConnectionError", "SubprocessError", "RPCTimeoutError"}:
        return f"no node answers ({_first_line(error)}): start one with 'anvil', or name another --network"
    if "SignatureError" in names or "AccountsError" in names:
        return f"the account can't sign: {_first_line(error)}"
    if "VirtualMachineError" in names or "TransactionError" in names or "ApeException" in names:
        return _first_line(error)
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def told() -> Iterator[None]:
    """Turn what can be told in words into :class:`Failed`."""
    try:
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:
        if (words := explain(error)) is None:
            raise
        raise Failed(words) from error


class KanaCommand(ConnectedProviderCommand):
    """A command with Ape's --network whose failures are told in one line.

    Args:
        example: A command line that works on the local chain, or several, a line each, shown by ``--help``.
    """

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the example in one line, so that it can be copied."""
        super().format_epilog(ctx, formatter)
        if self.example:
            lines = "".join(f"  {line} --network {LOCAL_NODE}\n" for line in self.example.splitlines())
            formatter.write(f"\nExample, with 'anvil --accounts 20' running:\n{lines}")

    def invoke(self, ctx: click.Context) -> Any:
        """Connect and run; of Ape's own messages only warnings are shown, unless --verbosity asks for more."""
        if ctx.get_parameter_source("verbosity") in (None, ParameterSource.DEFAULT):
            logger.set_level(LogLevel.WARNING)
        with told():
            return super().invoke(ctx)

    def _invoke(self, ctx: click.Context, provider: Any = None) -> Any:
        from kana_insurance.backends.ape import probed

        with probed(provider) if provider is not None else nullcontext():
            return super()._invoke(ctx, provider)


# --------------------------------------------------------------------- options


def account_option(name: str = "--account", *, what: str, required: bool = True) -> Callable[[Any], Any]:
    """An account of Ape by alias, or TEST::0 to TEST::19 on local chains; without a required one nothing is sent."""
    return click.option(
        name,
        required=required,
        type=AccountAliasPromptChoice(),
        callback=_autosign,
        metavar="ALIAS",
        help=f"{what}: an Ape account's alias, or TEST::0 to TEST::19 on local chains."
        + ("" if required else " Without one nothing is sent."),
    )


def _autosign(_context: click.Context, _parameter: click.Parameter, account: Any) -> Any:
    """Let a keyfile account sign without asking where its passphrase is in the environment."""
    alias = getattr(account, "alias", None) or ""
    if hasattr(account, "set_autosign") and os.environ.get(f"APE_ACCOUNTS_{alias}_PASSPHRASE"):
        with told():
            account.set_autosign(True)
    return account


class AddressType(click.ParamType):
    """An address, or an account's alias."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The checksum address."""
        if is_address(value):
            return to_checksum_address(value)
        return str(AccountAliasPromptChoice().convert(value, param, ctx).address)


raw_option = click.option("--raw", is_flag=True, help="Amounts, sizes and prices are base units, in and out.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, exact, as strings.")
market_option = click.option(
    "--market", "market_id", type=click.IntRange(min=0), default=0, show_default=True, help="The market's id."
)
record_option = click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The deployment's record, by default deployments/<network>.json.",
)


def amount_of(text: str | None, decimals: int, *, raw: bool, what: str, zero: bool = False) -> int | None:
    """An amount from the command line; None stays None.

    Raises:
        click.UsageError: if it isn't one.
    """
    if text is None:
        return None
    try:
        value = parse_amount(text, decimals, raw=raw)
    except AmountError as error:
        raise click.UsageError(f"{what}: {error}") from error
    if value == 0 and not zero:
        raise click.UsageError(f"{what}: must be above 0")
    return value


def size_of(text: str | None, *, raw: bool) -> int | None:
    """A base size from the command line."""
    return amount_of(text, WAD_DECIMALS, raw=raw, what="--size")


def price_of(text: str | None, *, raw: bool) -> int | None:
    """A price from the command line."""
    return amount_of(text, WAD_DECIMALS, raw=raw, what="price")


# ---------------------------------------------------------------------- client


def connect(record: Path | None = None) -> Client:
    """The client of the deployment on the network that the command is connected to.

    Raises:
        DeploymentError: if there is none; the message says how to get it.
    """
    return Client(recorded(record))


def recorded(record: Path | None = None) -> System:
    """The deployment on that network as its record has it: with funds that were merged since, too.

    Raises:
        DeploymentError: if there is none; the message says how to get it.
    """
    from ape import chain

    from kana_insurance.backends.ape import ApeBackend

    backend = ApeBackend()
    name = network_name(backend.chain_id(), str(chain.provider.network.name))
    found = read_record(name, record or find_record(backend.chain_id(), name))
    try:
        return attach(backend, found)
    except DeploymentError as error:
        if is_own_node():
            raise DeploymentError(OWN_NODE) from error
        raise


def is_own_node() -> bool:
    """Whether Ape started the node for this command alone."""
    from ape import chain

    return getattr(chain.provider, "process", None) is not None


def run_audit(record: Path | None, from_block: int | None, *, strict: bool, as_json: bool) -> None:
    """Audit the deployment on the connected network and print what was found.

    Raises:
        click.exceptions.Exit: with 1 if something is off; with ``strict`` if there is a note.
    """
    from kana_insurance.audit import audit
    from kana_insurance.audit.show import show as show_audit

    refresh_build()
    system = recorded(record)
    with Console(stderr=True).status("auditing") as line:
        report = audit(system, from_block, line.update)
    show_audit(report, system, as_json=as_json)
    if report.off or (strict and report.notes):
        raise click.exceptions.Exit(1)


def refresh_build() -> None:
    """Compile what changed, imports included: Ape alone would deploy old code after an edit of a module."""
    reach_tools()
    try:
        from tools.build import BuildError, refresh
    except ImportError:  # not run in the project's folder
        return
    from kana_insurance.backends.ape import container

    try:
        if refresh():
            container.cache_clear()
    except BuildError as error:
        raise DeploymentError(f"not everything compiles: {error}") from error


# ---------------------------------------------------------------------- output


def _plain(value: Any, raw: bool) -> Any:
    if isinstance(value, Figure):
        return value.plain(raw)
    if isinstance(value, dict):
        return {key: _plain(item, raw) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, raw) for item in value]
    return value


def _text(value: Any, raw: bool) -> str:
    if isinstance(value, Figure):
        return value.plain(True) if raw else value.text()
    return "" if value is None else str(value)


def _title(name: str) -> str:
    return name.replace("_", " ")


def show(result: Any, *, title: str, as_json: bool = False, raw: bool = False) -> None:
    """Print a result: a table of names and figures, a table for each list and each part; or all of it as JSON."""
    if as_json:
        click.echo(json.dumps(_plain(result, raw), indent=2))
        return
    console = Console(width=None if os.environ.get("COLUMNS") else _width(result, raw))
    if isinstance(result, list):
        _list(console, result, title, raw)
        return
    nested = {name: value for name, value in result.items() if isinstance(value, (dict, list))}
    plain = {name: value for name, value in result.items() if name not in nested}
    if plain:
        _pairs(console, plain, title, raw)
    for name, value in nested.items():
        if isinstance(value, dict):
            _pairs(console, value, _title(name), raw)
        else:
            _list(console, value, _title(name), raw)


def _width(result: Any, raw: bool) -> int | None:
    """Wide enough for the widest table where the output is no terminal, so that nothing is cut."""
    if Console().is_terminal:
        return None
    lists = [result] if isinstance(result, list) else [part for part in result.values() if isinstance(part, list)]
    widths = [100]
    for rows in lists:
        columns: dict[str, int] = {}
        for row in rows:
            for name, value in row.items():
                columns[name] = max(columns.get(name, len(name)), len(_text(value, raw)))
        widths.append(sum(width + 3 for width in columns.values()) + 1)
    return max(widths)


def _pairs(console: Console, values: dict[str, Any], title: str, raw: bool) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in values.items():
        table.add_row(_title(name), _text(value, raw))
    console.print(table)


def _list(console: Console, rows: Sequence[dict[str, Any]], title: str, raw: bool) -> None:
    if not rows:
        console.print(f"{title}: none")
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(title=title, title_justify="left")
    for name in names:
        numeric = any(isinstance(row.get(name), Figure) for row in rows)
        table.add_column(_title(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(row.get(name), raw) for name in names))
    console.print(table)
