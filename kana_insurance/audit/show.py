"""How an audit is printed: tables for people, red where something is off; the same as JSON for machines."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kana_insurance.amounts import WAD_DECIMALS
from kana_insurance.audit import AREAS, Finding, Level, Report
from kana_insurance.client import Figure
from kana_insurance.deployment import System

#: Where the output is no terminal.
WIDTH = 140
_STYLES = {Level.OFF: "bold red", Level.NOTE: "yellow"}


def verdict(report: Report) -> str:
    """The result in one word: sound, or off."""
    return "off" if report.off else "sound"


def as_data(report: Report, system: System) -> dict[str, Any]:
    """The audit as JSON has it: numbers are decimal strings, amounts base units."""
    record = system.record
    return {
        "result": verdict(report),
        "network": record.network,
        "chain_id": str(record.chain_id),
        "block": str(report.block),
        "time": str(report.time),
        "deployed": {"version": record.version, "block": str(record.block), "deployer": record.deployer},
        "areas": [{name: str(value) for name, value in row.items()} for row in areas(report)],
        "findings": [
            {"level": str(one.level), "area": one.area, "part": one.part, "what": one.what}
            for one in (*report.off, *report.notes)
        ],
        "powers": [
            {
                "who": one.who,
                "holders": list(one.holders),
                "contracts": list(one.parts),
                "may": list(one.may),
                "after": one.after,
            }
            for one in report.powers
        ],
        "balances": [
            {
                "contract": one.part,
                "asset": one.asset,
                "decimals": str(one.decimals),
                "held": str(one.held),
                "booked": str(one.booked),
                "unaccounted": str(one.held - one.booked),
            }
            for one in report.balances
        ],
        "feeds": [
            {
                "market": one.market,
                "feed": one.feed,
                "price": str(one.price),
                "age": str(one.age),
                "max_age": str(one.max_age),
                "sequencer": one.sequencer,
                "problem": one.problem,
            }
            for one in report.prices
        ],
    }


def areas(report: Report) -> list[dict[str, Any]]:
    """What was checked, area by area."""
    rows = []
    for area in AREAS:
        found = [one for one in report.checks.findings if one.area == area]
        off = sum(one.level == Level.OFF for one in found)
        rows.append({"area": area, "checks": report.checks.counts[area], "off": off, "notes": len(found) - off})
    return rows


def show(report: Report, system: System, *, as_json: bool) -> None:
    """Print an audit."""
    if as_json:
        click.echo(json.dumps(as_data(report, system), indent=2))
        return
    console = Console()
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console = Console(width=WIDTH)
    _powers(console, report)
    _balances(console, report)
    _feeds(console, report)
    _areas(console, report)
    for finding in (*report.off, *report.notes):
        console.print(_line(finding), soft_wrap=True)
    _conclude(console, report, system)


def _line(finding: Finding) -> Text:
    style = _STYLES[finding.level]
    return Text(f"{finding.level:<4}  {finding.area}: {finding.part}: {finding.what}", style=style)


def _conclude(console: Console, report: Report, system: System) -> None:
    time = datetime.fromtimestamp(report.time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    off, notes = len(report.off), len(report.notes)
    where = f"{system.record.network} at block {report.block}, {time}"
    made = f"{sum(report.checks.counts.values())} checks"
    text = f"{verdict(report)}: {where}: {made}, {off} off, {notes} to note"
    console.print(Text(text, style="bold red" if off else "bold green"), soft_wrap=True)


def _table(title: str, *columns: str, numeric: tuple[str, ...] = ()) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, justify="right" if name in numeric else "left", overflow="fold")
    return table


def _powers(console: Console, report: Report) -> None:
    table = Table(title="who can do what", title_justify="left", show_lines=True)
    table.add_column("who", no_wrap=True)
    table.add_column("holders", no_wrap=True)
    for name in ("contracts", "may", "after"):
        table.add_column(name, overflow="fold")
    last = ""
    for one in report.powers:
        holders = "\n".join(holder.replace(" 0x", "\n0x") for holder in one.holders)
        who, last = "" if one.who == last else one.who, one.who
        table.add_row(who, holders, ", ".join(one.parts), ", ".join(one.may), one.after)
    console.print(table)


def _balances(console: Console, report: Report) -> None:
    numeric = ("held", "booked", "unaccounted")
    table = _table("balances", "contract", *numeric, numeric=numeric)
    for one in report.balances:
        odd = one.held - one.booked
        style = "bold red" if odd < 0 else "yellow" if odd else ""
        table.add_row(one.part, one.amount(one.held), one.amount(one.booked), Text(one.amount(odd), style=style))
    if report.balances:
        console.print(table)


def _feeds(console: Console, report: Report) -> None:
    table = _table("feeds", "market", "price", "age", "at most", "sequencer feed", "problem", numeric=("price",))
    for one in report.prices:
        price = Figure(one.price, WAD_DECIMALS).text() if one.price else "none"
        watched = one.sequencer if int(one.sequencer, 16) else "none"
        problem = Text(one.problem or "none", style="bold red" if one.problem else "")
        table.add_row(one.market, price, f"{one.age} s", f"{one.max_age} s", watched, problem)
    if report.prices:
        console.print(table)


def _areas(console: Console, report: Report) -> None:
    numeric = ("checks", "off", "notes")
    table = _table("checked", "area", *numeric, numeric=numeric)
    for row in areas(report):
        style = "bold red" if row["off"] else "yellow" if row["notes"] else ""
        table.add_row(*(Text(str(value), style=style) for value in row.values()))
    console.print(table)
