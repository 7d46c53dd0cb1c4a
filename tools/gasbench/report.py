"""Measured operations as docs/gas.md, docs/gas.json and a table on the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from tools.gasbench.costs import COMPILED, COST, MEANING
from tools.gasbench.results import MAX_GROWTH, MAX_RATIO, Result, figure

#: Columns of a terminal from which on the whole table fits.
WIDE = 130

_HEAD = f"""# Gas

What every operation costs on a fresh local chain (Anvil, its default hard fork), as the receipt says it, measured by
`make gas` on the system that `ape run deploy` deploys. Gas is deterministic there: the same sources give the same
figures. "Repeat" means that the account has done it before; "first" that its storage is still empty. A fund's venue is
a contract, so the fund's operations are called by the leanest one, `contracts/testing/BenchVenue.vy`. The asset is
KanaUSDT.

## How to read it

- **floor**: the least that an operation can cost: the transaction and its call data, the storage that must be read and
  written with all global state in one word, the calls, a minimal event, and a token that does no more than it must.
- **named extras**: what the rules of [mechanics.md](mechanics.md) ask beyond that, each with its rule: a slot, a field
  of an event, a call. They are counts of the prices at the end of this page, never fitted to a measurement: floor and
  extras together are exactly the priced work in the transaction's trace, contract by contract, or `make gas` fails.
  The few prices of what the compiler makes of a sum or a check can't be counted in a trace; they are opcodes summed.
  One line is measured from the trace: what the calling contract computes, which isn't the fund's.
- **KanaUSDT**: what this token itself spends beyond the least of a token. Floors and targets are those of such a least
  token, so this is taken off before gas is compared with either.
- **ratio**: (gas - KanaUSDT) / (floor + named extras), at most {MAX_RATIO}. What is left above 1 is arithmetic, memory
  and control flow.
- **target**: the most that the operation may cost, KanaUSDT taken off.

`make gas` fails when an operation misses its target or its ratio, or grew by more than {MAX_GROWTH / 100} % over the
accepted figure in `docs/gas.json`; `python tools/gas.py --accept` accepts new figures on purpose.
"""


def _table(rows: Sequence[Sequence[str]], right: int = 1) -> str:
    """A Markdown table; columns from the `right`-th on are figures."""
    head, *body = rows
    rule = ["---" if i < right else "---:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *body]) + "\n"


def _rows(results: Sequence[Result]) -> list[list[str]]:
    rows = []
    for result in results:
        operation, bound, ratio = result.operation, result.bound, result.ratio
        floor = "–" if operation.floor is None else figure(result.floor)
        extras = "–" if bound is None else figure(bound - result.floor)
        target = "–" if operation.target is None else f"{operation.target:,}" + ("*" if operation.missed else "")
        share = "–" if ratio is None else f"{ratio:.3f}"
        own = "–" if bound is None else figure(result.own)
        rows.append([operation.title, figure(result.gas), own, floor, extras, share, target])
    return rows


_COLUMNS = ["operation", "gas", "KanaUSDT", "floor", "named extras", "ratio", "target"]


def markdown(results: Sequence[Result]) -> str:
    """docs/gas.md."""
    bounded = [result for result in results if result.operation.target is not None or result.bound is not None]
    watched = [result for result in results if result not in bounded]
    parts = [_HEAD, "## Operations\n", _table([_COLUMNS, *_rows(bounded)])]
    parts += ["Watched, without a target:\n", _table([_COLUMNS[:2], *(row[:2] for row in _rows(watched))])]
    notes = [f"- {result.operation.title}: {result.operation.note}" for result in results if result.operation.note]
    notes += [
        f"- \\* {result.operation.title} is {figure(result.judged)} without KanaUSDT's own; {result.operation.missed}"
        for result in results
        if result.operation.missed
    ]
    parts += ["\n".join(notes) + "\n", "## Named extras\n"]
    for result in results:
        if result.bound is None:
            continue
        rows = [["what", "rule", "gas"]]
        rows += [[line.what, line.rule or "–", figure(line.gas)] for line in result.extras]
        parts += [f"### {result.operation.title}\n", _table(rows, right=2), _floor(result)]
        if result.operation.refund:
            parts.append(f"Before a refund of {result.operation.refund:,}, at most a fifth of the whole.\n")
    parts += ["## Where the gas goes\n", _where(results), "## Prices\n"]
    prices = [["unit", "what it is", "gas"]]
    prices += [[kind, MEANING[kind], f"{price:,}"] for kind, price in COST.items()]
    compiled = [prices[0], *([kind, MEANING[kind], f"{price:,}"] for kind, price in COMPILED.items())]
    parts += [_table(prices, right=2), "What Vyper 0.4.3 makes of it:\n", _table(compiled, right=2)]
    return "\n".join(parts)


def _floor(result: Result) -> str:
    """The floor's parts in a sentence."""
    items = result.operation.items
    parts = [f"transaction and call {figure(result.call)}"]
    parts += [f"{part.what} {figure(part.gas / items)}" for part in result.operation.parts]
    return f"Its floor: {'; '.join(parts)}.\n"


def _where(results: Sequence[Result]) -> str:
    """Gas by contract, in brackets the part that has no price."""
    rows = [["operation", "contract: gas (of it arithmetic, memory, control flow)"]]
    for result in results:
        items = result.operation.items
        cells = (f"{c.name} {figure(c.gas / items)} ({figure(c.rest / items)})" for c in result.contracts)
        rows.append([result.operation.title, ", ".join(cells)])
    return "What each contract spends itself, without its calls.\n\n" + _table(rows, right=2)


def record(results: Sequence[Result], accepted: dict[str, float]) -> str:
    """docs/gas.json."""
    entries: dict[str, Any] = {result.operation.id: result.record(accepted[result.operation.id]) for result in results}
    return json.dumps({"prices": COST | COMPILED, "operations": entries}, indent=1) + "\n"


def terminal(results: Sequence[Result], accepted: dict[str, float], width: int) -> Table:
    """The table for a terminal of that many columns; a narrow one shows gas, ratio and target alone."""
    shown = range(len(_COLUMNS)) if width >= WIDE else (0, 1, 5, 6)
    table = Table(title="Gas", caption="* missed for a reason: see docs/gas.md")
    for i in shown:
        table.add_column(_COLUMNS[i], justify="right" if i else "left", no_wrap=i > 0)
    table.add_column("change", justify="right", no_wrap=True)
    for result, row in zip(results, _rows(results), strict=True):
        before = accepted.get(result.operation.id)
        change = "new" if before is None else f"{(result.gas / before - 1) * 100:+.2f} %"
        table.add_row(*(row[i] for i in shown), change, style="red" if result.misses else None)
    return table
