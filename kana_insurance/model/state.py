"""All or nothing: a refused call leaves no trace, as on chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast

from kana_insurance.model.errors import Refused

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Stateful")

Account = str


class Event(NamedTuple):
    """What a contract logs: the event's name and its fields."""

    name: str
    fields: dict[str, Any]


class Log:
    """The events of one contract, oldest first; whoever reads them may ``clear`` them between calls."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def __call__(self, name: str, **fields: Any) -> None:
        """Append an event."""
        self._events.append(Event(name, fields))

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def named(self, name: str) -> list[dict[str, Any]]:
        """The fields of all events of one name."""
        return [event.fields for event in self._events if event.name == name]

    def clear(self) -> None:
        """Forget what was logged."""
        self._events.clear()

    def cut(self, length: int) -> None:
        """Drop what came after the first ``length`` events."""
        del self._events[length:]


class Stateful:
    """An object whose whole state is integers, other immutables and flat dictionaries of them, and a log.

    So a snapshot is a copy of a handful of dictionaries: some microseconds.
    """

    def snapshot(self) -> dict[str, Any]:
        """Return what ``restore`` needs to bring the present state back."""
        return {name: _saved(value) for name, value in vars(self).items()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go back to a snapshot."""
        for name, value in saved.items():
            if isinstance(value, _Length):
                getattr(self, name).cut(value)
            else:
                setattr(self, name, value)

    def _touched(self) -> tuple[Stateful, ...]:
        """Every object that a call to this one may change, itself included."""
        return (self,)


class _Length(int):
    """How long a log was."""


def _saved(value: Any) -> Any:
    if isinstance(value, dict):
        return value.copy()
    return _Length(len(value)) if isinstance(value, Log) else value


def atomic(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make a state-changing method all or nothing."""

    @wraps(method)
    def call(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        saved = [(part, part.snapshot()) for part in self._touched()]
        try:
            return method(self, *args, **kwargs)
        except Refused:
            for part, state in saved:
                part.restore(state)
            raise

    return cast(Callable[Concatenate[S, P], R], call)
