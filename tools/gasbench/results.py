"""Measured operations against their floors, targets and the committed figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tools.gasbench.bench import Measured
from tools.gasbench.costs import COMPILED, COST, Work, total
from tools.gasbench.operations import Operation
from tools.gasbench.trace import net

#: Most that an operation may cost over floor and named extras.
MAX_RATIO = 1.05
#: How much an operation may grow over its committed figure, in ten thousandths.
MAX_GROWTH = 50
#: How far the floor's itemisation may be off the floor, in ten thousandths.
MAX_FLOOR_ERROR = 100


@dataclass(frozen=True)
class Line:
    """A named extra, for the table."""

    what: str
    rule: str
    gas: float


@dataclass(frozen=True)
class Contract:
    """What a contract did itself in an operation: its priced work, and the gas of all else."""

    name: str
    gas: int
    rest: int
    work: dict[str, int]


@dataclass
class Result:
    """One operation, measured. Figures of a batch are per entry.

    Attributes:
        operation: What was measured.
        gas: Of the receipt.
        own: What KanaUSDT spent beyond the least of a token, as far as that is known; after the refund.
        floor: The floor after the refund.
        call: The transaction's 21,000 and its call data.
        bound: Floor and named extras, after the refund; None without a floor.
        extras: The named extras.
        contracts: What each contract did.
        faults: Where trace and itemisation differ; a fault of the table.
    """

    operation: Operation
    gas: float
    own: float = 0
    floor: float = 0
    call: float = 0
    bound: float | None = None
    extras: list[Line] = field(default_factory=list)
    contracts: list[Contract] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def judged(self) -> float:
        """Gas with a token that does no more than it must: what is compared with floor and target."""
        return self.gas - self.own

    @property
    def ratio(self) -> float | None:
        """Judged gas over floor and named extras."""
        return None if self.bound is None else self.judged / self.bound

    @property
    def misses(self) -> list[str]:
        """What the operation breaks: its target, its ratio, its table."""
        target, ratio, title = self.operation.target, self.ratio, self.operation.title
        found = [f"{title}: {fault}" for fault in self.faults]
        if target is not None and self.judged > target and not self.operation.missed:
            over = figure(self.judged - target)
            found.append(f"{title}: {figure(self.judged)} gas, over the target of {target:,} by {over}")
        if ratio is not None and ratio > MAX_RATIO:
            found.append(f"{title}: {ratio:.4f} of floor and named extras, over {MAX_RATIO}")
        return found

    def record(self, accepted: float) -> dict[str, Any]:
        """The entry of docs/gas.json; `accepted` is the figure that later runs are compared with."""
        operation = self.operation
        entry: dict[str, Any] = {"title": operation.title, "gas": plain(self.gas), "accepted": plain(accepted)}
        if operation.target is not None:
            entry["target"] = operation.target
        if self.bound is not None and self.ratio is not None:
            entry["token"] = plain(self.own)
            entry["floor"] = plain(self.floor)
            entry["extras"] = [{"what": x.what, "rule": x.rule, "gas": plain(x.gas)} for x in self.extras]
            entry["floor_and_extras"] = plain(self.bound)
            entry["ratio"] = round(self.ratio, 4)
        entry["contracts"] = {
            item.name: {"gas": item.gas, "unpriced": item.rest, "work": item.work} for item in self.contracts
        }
        return entry


def figure(gas: float) -> str:
    """Gas for people: a batch's entry has a fraction."""
    return f"{round(gas):,}"


def plain(gas: float) -> int | float:
    """Gas for JSON."""
    return int(gas) if gas == int(gas) else round(gas, 2)


def _by_name(measured: Measured, done: dict[str, Any]) -> dict[str, Any]:
    """Figures by contract name; several contracts of one name are added up."""
    result: dict[str, Any] = {}
    for address, value in done.items():
        name = measured.names.get(address, address)
        if name not in result:
            result[name] = value
        elif isinstance(value, int):
            result[name] += value
        else:
            result[name] = result[name] + value
    return result


def _differences(expected: dict[str, Work], found: dict[str, Work]) -> list[str]:
    """Priced work that the table lacks or has too much of, by contract."""
    faults = []
    for name in sorted({*expected, *found} - {"call"}):
        want, have = expected.get(name, Counter()), found.get(name, Counter())
        for kind in COST:
            if want[kind] != have[kind]:
                faults.append(f"the {name}'s trace shows {have[kind]} × {kind}, the table names {want[kind]}")
    return faults


def evaluate(operation: Operation, measured: Measured) -> Result:
    """An operation's figures, and whether its table is what its trace shows."""
    trace, items = measured.trace, operation.items
    found = _by_name(measured, trace.work)
    spent = _by_name(measured, trace.spent)
    contracts = []
    for name, gas in sorted(spent.items()):
        done = found.get(name, Counter())
        shown = {kind: done[kind] for kind in COST if done[kind]}
        contracts.append(Contract(name, gas, gas - total(done), shown))
    result = Result(operation, trace.gas / items, contracts=contracts)
    if operation.floor is None:
        return result

    result.faults = _differences(operation.expected(COST), found)
    for name, done in operation.expected(COMPILED).items():
        rest = next((item.rest for item in contracts if item.name == name), 0)
        if total(done) > rest:
            result.faults.append(f"the table names {total(done):,} gas of arithmetic, the {name} has {rest:,}")
    floor = operation.floor * items
    itemised = total(trace.call) + sum(part.gas for part in operation.parts)
    if abs(itemised - floor) * 10_000 > floor * MAX_FLOOR_ERROR:
        result.faults.append(f"the floor's parts sum to {itemised / items:,.0f}, the floor is {operation.floor:,}")
    if trace.refund != operation.refund:
        result.faults.append(f"the refund is {trace.refund:,}, the table names {operation.refund:,}")

    result.call = total(trace.call) / items
    result.floor = net(floor, operation.refund) / items
    result.extras = [Line(part.what, part.rule, part.gas / items) for part in operation.extras]
    unpriced = {item.name: item.rest for item in contracts}
    if caller := unpriced.get("venue"):
        result.extras.append(Line("the calling contract's own work", "", caller / items))
    own = sum(part.gas for part in operation.own) + unpriced.get("token", 0)
    result.own = (trace.gas - net(trace.gross - own, operation.refund)) / items
    gross = floor + sum(line.gas for line in result.extras) * items
    result.bound = net(round(gross), operation.refund) / items
    return result
