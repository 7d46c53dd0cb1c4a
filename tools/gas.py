"""Measure every operation on a fresh chain, against floors, targets and the committed figures.

``python tools/gas.py`` starts an Anvil of its own, deploys the system as ``ape run deploy`` does, measures, and writes
docs/gas.md and docs/gas.json. Nothing is written and the exit code is 1 when an operation misses its target, costs more
than 1.05 times its floor and named extras, isn't what the table of its work says, or grew by more than 0.5 % over the
accepted figure; ``--accept`` writes all the same and makes the new figures the accepted ones.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from tools.build import ROOT, prepare_environment
from tools.gasbench import report
from tools.gasbench.bench import Measured, bench
from tools.gasbench.funds import CREATION, FundsBench
from tools.gasbench.house import HouseBench
from tools.gasbench.layers import LayersBench
from tools.gasbench.lending import LendingBench
from tools.gasbench.lending_table import LENDING_OPERATIONS
from tools.gasbench.operations import OPERATIONS
from tools.gasbench.results import MAX_GROWTH, Result, evaluate, figure, plain
from tools.gasbench.staking import StakingBench
from tools.gasbench.staking_table import STAKING_OPERATIONS

PAGE = ROOT / "docs" / "gas.md"
RECORD = ROOT / "docs" / "gas.json"
#: Everything that is measured, in the order of the page.
TABLE = (*OPERATIONS, *STAKING_OPERATIONS, *LENDING_OPERATIONS, CREATION)


def measured(progress: Callable[[str], None]) -> Iterator[tuple[str, Measured]]:
    """All operations by id, on one chain."""
    with bench(progress) as chain:
        yield from chain.fund_operations()
        house = HouseBench(chain)
        progress("measuring the house: traders")
        yield from house.trading()
        progress("measuring the house: liquidations")
        yield from house.liquidations()
        progress("measuring the house: shortfalls")
        yield from house.shortfalls()
        yield "withdraw_excess", chain.withdraw_excess()
        yield from LayersBench(chain).covers()
        yield from StakingBench(chain).operations()
        yield from FundsBench(chain).operations()
        yield from LendingBench(chain).operations()


def results(progress: Callable[[str], None]) -> list[Result]:
    """Every operation, measured, in the order of the table.

    Raises:
        RuntimeError: if the table and the measured operations aren't the same.
    """
    found = dict(measured(progress))
    if missing := {operation.id for operation in TABLE} ^ set(found):
        raise RuntimeError("measured or listed, but not both: " + ", ".join(sorted(missing)))
    return [evaluate(operation, found[operation.id]) for operation in TABLE]


def read_accepted(path: Path) -> dict[str, float]:
    """Accepted figures by operation; none where there is no record yet."""
    if not path.is_file():
        return {}
    entries = json.loads(path.read_text(encoding="utf-8"))["operations"]
    return {name: entry["accepted"] for name, entry in entries.items()}


def growth(found: list[Result], accepted: dict[str, float]) -> list[str]:
    """The operations that grew by more than they may."""
    grown = []
    for result in found:
        before = accepted.get(result.operation.id)
        if before is not None and (result.gas - before) * 10_000 > before * MAX_GROWTH:
            percent = (result.gas / before - 1) * 100
            grown.append(f"{result.operation.title}: {figure(before)} -> {figure(result.gas)} gas, {percent:+.2f} %")
    return grown


def next_accepted(found: list[Result], accepted: dict[str, float], accept: bool) -> dict[str, float]:
    """The figures to compare later runs with: the least that was seen, so that small growth doesn't add up."""
    return {
        result.operation.id: (
            plain(result.gas)
            if accept
            else min(plain(result.gas), accepted.get(result.operation.id, plain(result.gas)))
        )
        for result in found
    }


def main(argv: list[str] | None = None) -> int:
    """Measure, compare, write; 1 when something is over its bound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--accept", action="store_true", help="write the figures although they grew or miss their bounds"
    )
    parser.add_argument("--json", action="store_true", help="print docs/gas.json instead of the table")
    options = parser.parse_args(argv)
    prepare_environment()
    errors = Console(stderr=True)
    with errors.status("starting the chain") as status:
        found = results(status.update)
    accepted = read_accepted(RECORD)
    misses = [miss for result in found for miss in result.misses]
    grown = growth(found, accepted)
    record = report.record(found, next_accepted(found, accepted, options.accept))
    if options.json:
        sys.stdout.write(record)
    else:
        console = Console()
        console.print(report.terminal(found, accepted, console.width))
    for miss in misses:
        errors.print(f"[red]misses[/red] {miss}", highlight=False, soft_wrap=True)
    for line in grown:
        errors.print(f"[red]grew[/red] {line}", highlight=False, soft_wrap=True)
    if options.accept or not (misses or grown):
        PAGE.write_text(report.markdown(found), encoding="utf-8")
        RECORD.write_text(record, encoding="utf-8")
        errors.print(f"wrote {PAGE.relative_to(ROOT)} and {RECORD.relative_to(ROOT)}")
    elif grown:
        errors.print("nothing was written; 'python tools/gas.py --accept' accepts the new figures")
    return 1 if misses or (grown and not options.accept) else 0


if __name__ == "__main__":
    sys.exit(main())
