"""Runs the model's own functions on unknown integers, so that z3 proves them and not a copy of them.

A comparison of unknowns asks for a decision; ``prove`` runs the claim once for every possible sequence of decisions and
lets z3 refute it under what was decided. A claim may ``assume`` first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import z3


class _Path:
    """Decisions of the present run, and what they say."""

    def __init__(self) -> None:
        self.decisions: list[bool] = []
        self.taken = 0
        self.solver = z3.Solver()

    def decide(self, condition: Any) -> bool:
        """Take the next decision; the first time, the first that is possible."""
        if self.taken == len(self.decisions):
            self.decisions.append(self._possible(condition))
        decision = self.decisions[self.taken]
        self.taken += 1
        self.solver.add(condition if decision else z3.Not(condition))
        return decision

    def _possible(self, condition: Any) -> bool:
        return bool(self.solver.check(condition) != z3.unsat)


_path = _Path()


class Unknown:
    """An integer that may be any."""

    def __init__(self, term: Any) -> None:
        self.term = term

    def __add__(self, other: Any) -> Unknown:
        return Unknown(self.term + term_of(other))

    def __sub__(self, other: Any) -> Unknown:
        return Unknown(self.term - term_of(other))

    def __rsub__(self, other: Any) -> Unknown:
        return Unknown(term_of(other) - self.term)

    def __mul__(self, other: Any) -> Unknown:
        return Unknown(self.term * term_of(other))

    __radd__, __rmul__ = __add__, __mul__

    def __floordiv__(self, other: Any) -> Unknown:
        # z3's integer division rounds down for positive divisors, and all of ours are.
        return Unknown(self.term / term_of(other))

    def __neg__(self) -> Unknown:
        return Unknown(-self.term)

    def __abs__(self) -> Unknown:
        return -self if self < 0 else self

    def __lt__(self, other: Any) -> bool:
        return _path.decide(self.term < term_of(other))

    def __le__(self, other: Any) -> bool:
        return _path.decide(self.term <= term_of(other))

    def __gt__(self, other: Any) -> bool:
        return _path.decide(self.term > term_of(other))

    def __ge__(self, other: Any) -> bool:
        return _path.decide(self.term >= term_of(other))


def term_of(value: Any) -> Any:
    """What z3 computes with."""
    return value.term if isinstance(value, Unknown) else value


def unknown(name: str, *, least: int | None = 0) -> Any:
    """An integer of at least ``least``, or any at all."""
    it = Unknown(z3.Int(name))
    if least is not None:
        _path.solver.add(it.term >= least)
    return it


def assume(condition: Any) -> None:
    """Look only where a z3 condition holds."""
    _path.solver.add(condition)


def prove(claim: Callable[[], Any], seconds: int = 20) -> int:
    """Prove that the z3 condition which ``claim`` returns holds on every path; return how many paths there are.

    Raises:
        AssertionError: with a counterexample, or when z3 finds no answer in time.
    """
    _path.decisions, paths = [], 0
    while True:
        _path.taken, _path.solver = 0, z3.Solver()
        _path.solver.set("timeout", seconds * 1_000)
        wanted = claim()
        paths += 1
        _path.solver.add(z3.Not(wanted))
        answer = _path.solver.check()
        assert answer != z3.sat, f"refuted by {_path.solver.model()}"
        assert answer == z3.unsat, f"no answer: {_path.solver.reason_unknown()}"
        while _path.decisions and not _path.decisions[-1]:
            _path.decisions.pop()
        if not _path.decisions:
            return paths
        _path.decisions[-1] = False
