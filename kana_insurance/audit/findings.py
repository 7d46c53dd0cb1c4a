"""What an audit writes down: how much it checked, and what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from eth_utils import is_address, to_checksum_address

from kana_insurance.backends import address_of, revert_reason

#: A node that is gone is no finding, and a fault of this program isn't either.
_NO_ANSWER = {
    "ConnectionError",
    "ProviderNotConnectedError",
    "RPCTimeoutError",
    "SubprocessError",
    "Timeout",
}
_OWN_FAULTS = (TypeError, AttributeError, KeyError, NameError, AssertionError, ImportError)


class Level(StrEnum):
    """How bad a finding is: off is not as it must be, a note is what an operator should know."""

    OFF = "off"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        level: How bad.
        area: What was being checked, one of the table's areas.
        part: The contract, as the record calls it.
        what: What is so, in words, with the figures.
    """

    level: Level
    area: str
    part: str
    what: str


def is_fatal(error: Exception) -> bool:
    """Whether an error ends the audit: no node answers, or the program is wrong."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, _OWN_FAULTS) or names & _NO_ANSWER:
        return True
    return str(error).startswith("no node answers")


def words_of(error: Exception) -> str:
    """Why a call failed, in a few words."""
    reason = revert_reason(error)
    if reason is not None:
        return reason or "the call is refused without a reason"
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def same(one: Any, other: Any) -> bool:
    """Whether two accounts or contracts are the same address."""
    first, second = address_of(one), address_of(other)
    return is_address(first) and is_address(second) and to_checksum_address(first) == to_checksum_address(second)


@dataclass
class Checks:
    """Counts what is checked and keeps what is found, by area."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    #: What is being checked.
    area: str = ""

    def demand(self, holds: bool, part: str, what: str) -> bool:
        """Check that something holds; ``what`` tells what is so where it doesn't."""
        return self._check(holds, Level.OFF, part, what)

    def expect(self, holds: bool, part: str, what: str) -> bool:
        """The same of something that may be otherwise, but should be known."""
        return self._check(holds, Level.NOTE, part, what)

    def points_at(self, part: str, name: str, found: Any, wanted: Any) -> bool:
        """Check an address that a contract names."""
        return self.demand(same(found, wanted), part, f"{name} is {address_of(found)}, must be {address_of(wanted)}")

    def within(self, part: str, name: str, value: int, least: int, most: int) -> bool:
        """Check the bounds of a parameter, both included."""
        return self.demand(least <= value <= most, part, f"{name} is {value}, must be {least} to {most}")

    def recorded(self, part: str, name: str, found: int, wanted: int) -> bool:
        """Tell a parameter that isn't the record's any more: governance may have set it."""
        return self.expect(found == wanted, part, f"{name} is {found}, was deployed with {wanted}")

    def _check(self, holds: bool, level: Level, part: str, what: str) -> bool:
        self.counts[self.area] += 1
        if not holds:
            self.findings.append(Finding(level, self.area, part, what))
        return holds

    @contextmanager
    def reading(self, part: str) -> Iterator[None]:
        """Turn what a contract doesn't answer as it must into a finding."""
        try:
            yield
        except Exception as error:
            if is_fatal(error):
                raise
            self.demand(False, part, f"it does not answer as it must: {words_of(error)}")

    def of(self, level: Level) -> list[Finding]:
        """The findings of a level."""
        return [finding for finding in self.findings if finding.level == level]
