"""A replay in the terminal: progress while it runs, tables when it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from kana_insurance.replay import run
from kana_insurance.replay.outcome import Outcome, share_bps
from kana_insurance.replay.prices import FEED_DECIMALS
from kana_insurance.replay.text import base_size, moment, percent
from kana_insurance.report import tokens


@contextmanager
def bar(console: Console) -> Iterator[run.Progress]:
    """A progress bar as what a replay reports to."""
    columns = (
        TextColumn("{task.description:26}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("starting", total=None)

        def tell(stage: str, done: int, total: int) -> None:
            shown.update(task, description=stage, completed=done, total=total)

        yield tell


def _table(title: str, *columns: str) -> Table:
    """A table in the common style; columns that begin with ``>`` are right-aligned."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=True)
    return table


def show(outcome: Outcome, console: Console) -> None:
    """Print what happened."""
    replay, totals, world = outcome.replay, outcome.replay.totals, outcome.replay.world
    bars, settings = replay.history.bars, replay.settings
    closes = [bar_.close // 10**FEED_DECIMALS for bar_ in bars]
    console.print(
        f"[bold]{replay.history.name}[/]: {len(bars):,} bars, {moment(bars[0].time)} to {moment(bars[-1].time)} UTC, "
        f"{max(closes):,} → {min(closes):,} USD, largest step {percent(replay.history.largest_step_bps())}",
        highlight=False,
    )
    console.print(
        f"{settings.traders} traders, seed {settings.seed}: {replay.market.fills:,} fills, "
        f"{totals.liquidations} liquidations ({totals.partial} in part, {totals.insolvent} without reward), "
        f"{totals.flags} flags, {totals.deleveraged} closed by deleveraging\n",
        highlight=False,
    )

    table = _table("Collateral left by liquidations", "to", ">U", ">share")
    for name, value in (("traders", totals.to_trader), ("liquidators", totals.to_liquidator), ("fund", totals.to_fund)):
        table.add_row(name, tokens(value), percent(share_bps(value, totals.collateral)))
    table.add_row("[bold]all[/]", f"[bold]{tokens(totals.collateral)}[/]", "")
    console.print(table)
    console.print(
        f"slices: {totals.slices_full} whole, {totals.slices_cut} cut by the threshold, {totals.slices_none} kept out "
        "by it\n",
        style="dim",
        highlight=False,
    )

    table = _table(f"{totals.shortfalls} shortfalls, by layer", "borne by", ">U", ">share")
    for name, value in outcome.borne_by:
        table.add_row(name, tokens(value), percent(share_bps(value, totals.shortfall)))
    table.add_row("[bold]all[/]", f"[bold]{tokens(totals.shortfall)}[/]", "")
    console.print(table)
    console.print()

    _show_layers(outcome, console)
    _show_thief(outcome, console)

    table = _table("At the end", "", ">U")
    for name, value in (
        ("reserve", world.fund.reserve),
        ("threshold", world.fund.threshold),
        ("limit of the market", settings.max_insurance),
        ("limit left", world.limit_left),
        ("fees to the fund", totals.fees_to_fund),
        ("keeper, came with", settings.keeper_capital),
        ("keeper, has now", replay.keeper.worth(world)),
        *((f"tokens: {name}", value) for name, value in outcome.tokens.items()),
    ):
        table.add_row(name, tokens(value))
    console.print(table)
    console.print()
    for check in outcome.checks:
        mark = "[green]✓[/]" if check.good else "[bold red]✗[/]"
        style = "" if check.good else "red"
        detail = f": {check.detail}" if check.detail else ""
        console.print(f"{mark} {check.name}{detail}", style=style, highlight=False)
    console.print(
        f"\n{outcome.transactions:,} transactions, {outcome.gas:,} gas, {outcome.seconds:.1f} s", highlight=False
    )


def _show_layers(outcome: Outcome, console: Console) -> None:
    """What the layers earned and lost, and who left."""
    if not outcome.layers:
        return
    columns = ("layer", ">staked, U", ">limit", ">drawn", ">fees earned", ">left", ">gain, U")
    table = _table("The layers behind the reserve", *columns)
    for one in outcome.layers:
        amounts = (one.staked, one.limit, one.paid, one.revenue, one.has, one.gain)
        table.add_row(one.name, *(tokens(value, 6, 2) for value in amounts))
    console.print(table)
    console.print()
    left = [staker for staker in outcome.replay.crowd.stakers if staker.asked_at is not None]
    if not left:
        return
    table = _table("Who asked to leave", "", ">staked, U", "asked", ">worth then", ">claimed", ">gain, U")
    for staker in left:
        assert staker.asked_at is not None
        table.add_row(
            staker.name,
            tokens(staker.stake, 6, 2),
            moment(outcome.replay.history.bars[staker.asked_at].time),
            *(tokens(v, 6, 2) for v in (staker.asked_for, staker.claimed, outcome.has(staker) - staker.stake)),
        )
    console.print(table)
    console.print()


def _show_thief(outcome: Outcome, console: Console) -> None:
    """What the thief tried and what he got."""
    if not outcome.strikes:
        console.print("The thief never came: no bar moved by more than his margin.\n")
        return
    table = _table("The thief", "minute", ">move", ">size", ">limit left", ">fund paid", ">traders paid", ">gain, U")
    for strike in outcome.strikes:
        table.add_row(
            moment(outcome.replay.history.bars[strike.bar].time),
            percent(strike.move_bps),
            base_size(strike.size),
            *(tokens(value, 6, 2) for value in (strike.limit_left, strike.covered, strike.socialised, strike.gain)),
        )
    sums = (outcome.thief_from_fund, outcome.thief_from_traders, outcome.thief_gain)
    table.add_row(
        "[bold]all[/]", "", "", tokens(outcome.limit_before_thief, 6, 2), *(f"[bold]{tokens(s, 6, 2)}[/]" for s in sums)
    )
    console.print(table)
    console.print(
        "limit left: what the market could still cost the fund when he struck, in the last line when he first came; "
        "fund paid: with its layers\n",
        style="dim",
        highlight=False,
    )
