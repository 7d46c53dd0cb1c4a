"""Pause and resume, as guardians may."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kana_insurance.cli import KanaCommand, account_option, connect, json_option, record_option, show
from kana_insurance.governance.console import check_safe, hand_out, safe_option
from kana_insurance.guardian import ACTS, PLACES, Guardian
from kana_insurance.measures import Misspelt, parse_duration


class DurationType(click.ParamType):
    """A duration, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds of a text such as 2d or 36h."""
        try:
            return value if isinstance(value, int) else parse_duration(value)
        except Misspelt as error:
            self.fail(str(error), param, ctx)


for_option = click.option(
    "--for", "duration", type=DurationType(), required=True, help="How long, such as 2d or 36h; 7 days at most."
)
layer_argument = click.argument("layer", type=click.Choice(PLACES))


def sending(function: Callable[..., None]) -> Callable[..., None]:
    """The options of every act."""
    on = click.option(
        "--on", help="The fund or registry, by name or address; a market's name: its fund. By default the shared one."
    )
    account = account_option(what="A guardian", required=False)
    yes = click.option("--yes", is_flag=True, help="Don't ask.")
    for option in (record_option, json_option, yes, safe_option, account, on):
        function = option(function)
    return function


@click.group(name="guard", short_help="Pause and resume, as guardians may")
def cli() -> None:
    """Stop payouts, trading, borrowing or one layer at once, for a while, and let them go on again.

    A pause ends by itself after 7 days at most, and the next may begin 7 days after its end (M37).
    """


def _act(
    name: str,
    on: str | None,
    account: Any,
    safe: Path | None,
    yes: bool,
    as_json: bool,
    record: Any,
    layer: str | None = None,
    duration: int = 0,
) -> None:
    """Show what an act does, ask, do it, and show what has come of it."""
    check_safe(account, safe)
    if as_json and account is not None and not yes:
        raise click.UsageError("--json asks nothing: add --yes")
    guardian = Guardian(connect(record))
    move = guardian.plan(name, on=on, place=layer, duration=duration)
    guardian.check(move, account)
    if not as_json:
        show(move.page, title="guardian")
    done: dict[str, Any] = {}
    if account is None:
        hand_out(guardian.backend, f"guard {name}", [move.transaction], safe, quiet=as_json)
    else:
        if not yes:
            click.confirm(f"\n{move.transaction.does}: do this?", abort=True)
        done = guardian.carry_out(move, account)
    if as_json:
        show({**move.page, "transactions": [move.transaction.page()], "done": done}, title="", as_json=True)
    elif done:
        show(done, title="done")


def _command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """A command of the group for an act."""
    act = ACTS[name]
    layer = " stakers" if "layer" in name else ""
    words = f"ape run guard {name}{layer}{' --for 2d' if act.is_pause else ''} --account TEST::2"
    what = f"Stop {re.split('[,;:]', act.stops)[0]}" if act.is_pause else f"Let go on again: {act.goes_on}"
    return cli.command(name, cls=KanaCommand, short_help=what, example=words)


@_command("pause-payouts")
@for_option
@sending
def pause_payouts(**options: Any) -> None:
    """Let a fund pay nothing for a while. Insolvent positions wait: nothing is socialised that the fund owes."""
    _act("pause-payouts", **options)


@_command("resume-payouts")
@sending
def resume_payouts(**options: Any) -> None:
    """End a pause of payouts early. Notices and exits go on a day later."""
    _act("resume-payouts", **options)


@_command("suspend-layer")
@layer_argument
@for_option
@sending
def suspend_layer(**options: Any) -> None:
    """Let a fund's LAYER count as empty for a while, where it fails and so stops every cover (M10)."""
    _act("suspend-layer", **options)


@_command("resume-layer")
@layer_argument
@sending
def resume_layer(**options: Any) -> None:
    """End the suspension of a fund's LAYER early. Anyone may, once it has ended by itself, which tells it of pauses."""
    _act("resume-layer", **options)


@_command("pause-trading")
@for_option
@sending
def pause_trading(**options: Any) -> None:
    """Let no risk grow in a venue's markets for a while. Everybody may reduce, withdraw, liquidate."""
    _act("pause-trading", **options)


@_command("resume-trading")
@sending
def resume_trading(**options: Any) -> None:
    """End a pause of trading early."""
    _act("resume-trading", **options)


@_command("pause-borrowing")
@for_option
@sending
def pause_borrowing(**options: Any) -> None:
    """Let no risk grow in a lending pool for a while. Everybody may lend, withdraw, repay, liquidate."""
    _act("pause-borrowing", **options)


@_command("resume-borrowing")
@sending
def resume_borrowing(**options: Any) -> None:
    """End a pause of borrowing early."""
    _act("resume-borrowing", **options)
