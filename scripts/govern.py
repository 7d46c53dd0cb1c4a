"""Propose, list, cancel and execute what governance may call."""

from pathlib import Path
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
from kana_insurance.governance import Governance, Misspelt, catalogue
from kana_insurance.governance.console import check_safe, hand_out, safe_option, spell_out

skip_option = click.option(
    "--skip-delay",
    is_flag=True,
    help="Move the local chain's time past delay and notice; take what comes before along.",
)


def _alias(text: str) -> str:
    """The address of an account's alias."""
    try:
        return AddressType().convert(text, None, None)
    except click.BadParameter:
        raise Misspelt(f"'{text}' is no address, no contract of the deployment and no account's alias") from None


def _governance(record: Path | None, raw: bool) -> Governance:
    return Governance(connect(record), _alias, raw=raw)


@click.group(name="govern", short_help="Propose, list, cancel and execute what governance may call")
def cli() -> None:
    """Change what governance may change, by name, through the timelock: propose, wait, execute.

    Whoever proposes and executes holds these roles at the timelock; everybody may look.
    """


@cli.command(
    cls=KanaCommand,
    short_help="Schedule a call, with the notice that it needs",
    example="ape run govern propose set-threshold 2000000 --account TEST::3",
)
@click.argument("name")
@click.argument("values", nargs=-1)
@click.option("--on", help="The contract, by name or address, where several have the call; a market's name: its fund.")
@account_option(what="A proposer of the timelock", required=False)
@safe_option
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--anyway", is_flag=True, help="Propose also what would be refused as things stand.")
@raw_option
@json_option
@record_option
def propose(
    name: str,
    values: tuple[str, ...],
    on: str | None,
    account: Any,
    safe: Path | None,
    yes: bool,
    anyway: bool,
    raw: bool,
    as_json: bool,
    record: Any,
) -> None:
    """Show what the call NAME would change and what that means, ask, and schedule it in the timelock.

    VALUES come in the order of its arguments, or as argument=value; what is left out of a setter stays as it is. 'ape
    run govern calls NAME' says how they are written. Whatever lets more be drawn needs a notice, so that stakers can
    leave first: it is announced through the timelock before the call (M9).
    """
    check_safe(account, safe)
    if as_json and account is not None and not yes:
        raise click.UsageError("--json asks nothing: add --yes")
    governance = _governance(record, raw)
    try:
        plan = governance.plan(name, values, on, anyway=anyway)
    except Misspelt as error:
        raise click.UsageError(str(error)) from error
    page, steps = governance.page_of(plan), governance.schedule_steps(plan)
    if not as_json:
        show(page, title="proposal", raw=raw)
    if account is None:
        hand_out(governance.backend, f"propose {plan.action.name}", steps, safe, quiet=as_json)
    elif not as_json:
        spell_out(steps)
    scheduled: list[dict[str, Any]] = []
    if account is not None:
        if not yes:
            click.confirm("\nschedule this?", abort=True)
        scheduled = governance.propose(plan, account)
    if as_json:
        show({**page, "transactions": [one.page() for one in steps], "scheduled": scheduled}, title="", as_json=True)
    elif scheduled:
        show(scheduled, title="scheduled")
        for row in scheduled:
            click.echo(f"when it is ready: ape run govern execute {row['operation'][:10]}")


@cli.command(
    "list",
    cls=KanaCommand,
    short_help="Show what is proposed and which notices run",
    example="ape run govern list",
)
@click.option("--all", "every", is_flag=True, help="Also what was executed or cancelled.")
@raw_option
@json_option
@record_option
def list_(every: bool, raw: bool, as_json: bool, record: Any) -> None:
    """Show each operation of the timelock, its state, the time left and its calls, and the notices running (M9).

    The clock of a notice stands still while exits are held (M37): the time left is what is left of its clock.
    """
    page = _governance(record, raw).page(every=every)
    if not as_json:
        for row in page["operations"]:
            row["operation"] = row["operation"][:10]
        for row in page["notices"]:
            row["id"] = row["id"][:10]
    show(page, title="governance", as_json=as_json, raw=raw)


@cli.command(
    cls=KanaCommand, short_help="Strike a proposed operation", example="ape run govern cancel 0x1234 --account TEST::3"
)
@click.argument("operation")
@account_option(what="A proposer or canceller of the timelock", required=False)
@safe_option
@raw_option
@json_option
@record_option
def cancel(operation: str, account: Any, safe: Path | None, raw: bool, as_json: bool, record: Any) -> None:
    """Strike OPERATION, named by its id or the beginning of it, before it is executed."""
    check_safe(account, safe)
    governance = _governance(record, raw)
    step = governance.cancel(operation, account)
    result = {**step.shown, "transactions": [step.transaction.page()]} if as_json else step.shown
    show(result, title="cancelled" if account is not None else "to be cancelled", as_json=as_json, raw=raw)
    if account is None:
        hand_out(governance.backend, "cancel", [step.transaction], safe, quiet=as_json)


@cli.command(
    cls=KanaCommand,
    short_help="Execute an operation whose delay has passed",
    example="ape run govern execute --skip-delay --account TEST::3",
)
@click.argument("operation", required=False)
@account_option(what="An executor of the timelock", required=False)
@safe_option
@skip_option
@raw_option
@json_option
@record_option
def execute(
    operation: str | None,
    account: Any,
    safe: Path | None,
    skip_delay: bool,
    raw: bool,
    as_json: bool,
    record: Any,
) -> None:
    """Execute OPERATION, named by its id or the beginning of it; by default the only one that is ready."""
    check_safe(account, safe)
    governance = _governance(record, raw)
    step = governance.execute(operation, account, skip_delay=skip_delay)
    result = {**step.shown, "transactions": [step.transaction.page()]} if as_json else step.shown
    show(result, title="executed" if account is not None else "to be executed", as_json=as_json, raw=raw)
    if account is None:
        hand_out(governance.backend, "execute", [step.transaction], safe, quiet=as_json)


@cli.command(
    cls=KanaCommand, short_help="List the calls by name, or explain one", example="ape run govern calls set-window"
)
@click.argument("name", required=False)
@json_option
def calls(name: str | None, as_json: bool) -> None:
    """List every call of governance, or with NAME its arguments and how they are written."""
    rows = catalogue(name)
    if name is None and not as_json:
        rows = [{key: value for key, value in row.items() if key != "arguments"} for row in rows]
    show(rows, title="calls" if name is None else f"arguments of {name}", as_json=as_json)
