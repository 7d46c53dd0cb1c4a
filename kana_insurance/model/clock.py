"""Time, in Unix seconds, shared by all models of one chain."""

from __future__ import annotations

from dataclasses import dataclass

HOUR = 3_600
DAY = 86_400


@dataclass(slots=True)
class Clock:
    """The timestamp of the block in which the next call runs."""

    now: int = 1_800_000_000

    def advance(self, seconds: int) -> None:
        """Let time pass; it never runs backwards.

        Raises:
            ValueError: when ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError("time never runs backwards")
        self.now += seconds
