"""Reads a deployment from the chain and tells whether it is what its record and this source say.

Read-only, on any node: :func:`audit` sends nothing. What it checks, area by area, is in ``docs/audit.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kana_insurance.audit.code import check_code
from kana_insurance.audit.feeds import Price, check_feeds
from kana_insurance.audit.findings import Checks, Finding, Level
from kana_insurance.audit.money import Balance, check_allowances, check_balances
from kana_insurance.audit.parameters import check_parameters
from kana_insurance.audit.powers import Power, powers
from kana_insurance.audit.roles import check_delays, check_roles, check_setup
from kana_insurance.audit.site import Site
from kana_insurance.audit.wiring import check_layers, check_wiring
from kana_insurance.deployment import System

__all__ = ["AREAS", "Balance", "Finding", "Level", "Power", "Price", "Report", "audit"]

#: What is checked, in order.
AREAS = (
    "code",
    "setup",
    "roles",
    "delays",
    "wiring",
    "layers",
    "parameters",
    "allowances",
    "balances",
    "feeds",
)


@dataclass
class Report:
    """What an audit found.

    Attributes:
        checks: How much was checked, and the findings.
        block, time: The latest block when it began, and its time, Unix seconds.
        powers, prices, balances: The tables.
    """

    checks: Checks
    block: int
    time: int
    powers: list[Power] = field(default_factory=list)
    prices: list[Price] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)

    @property
    def off(self) -> list[Finding]:
        """What isn't as it must be."""
        return self.checks.of(Level.OFF)

    @property
    def notes(self) -> list[Finding]:
        """What an operator should know."""
        return self.checks.of(Level.NOTE)


def audit(system: System, from_block: int | None = None, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Check a deployed system.

    Args:
        system: The system, attached from its record.
        from_block: Where to read events from; by default from the first block with the timelock.
        progress: Told of every area.

    Raises:
        Exception: the backend's own where the node doesn't answer.
    """
    progress("reading what there is")
    checks = Checks()
    report = Report(checks, system.backend.block_number(), system.backend.timestamp())
    site = Site(system, checks, from_block)

    def prices() -> None:
        report.prices = check_feeds(site, checks)

    def balances() -> None:
        report.balances = check_balances(site, checks)

    steps: dict[str, Callable[[], None]] = {
        "code": lambda: check_code(site, checks),
        "setup": lambda: check_setup(site, checks),
        "roles": lambda: check_roles(site, checks),
        "delays": lambda: check_delays(site, checks),
        "wiring": lambda: check_wiring(site, checks),
        "layers": lambda: check_layers(site, checks),
        "parameters": lambda: check_parameters(site, checks),
        "allowances": lambda: check_allowances(site, checks),
        "balances": balances,
        "feeds": prices,
    }
    for area in AREAS:
        progress(f"checking {area}")
        checks.area = area
        steps[area]()
    progress("reading who can do what")
    report.powers = powers(site)
    return report
