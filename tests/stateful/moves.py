"""Random moves: what a machine can do, what seeds make of it, playing it, and cutting a failure down to what it needs.

A machine is a class whose methods are marked as moves; it is made of the side that it moves: the model alone, or the
model and the chain together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from random import Random
from typing import Any

#: Chooses an argument.
Choice = Callable[[Random], Any]
#: A method of a machine, with its arguments.
Move = tuple[str, dict[str, Any]]


def one_of(*values: Any) -> Choice:
    """Chooses one of these, the repeated ones more often."""
    return lambda random: random.choice(values)


def between(least: int, most: int) -> Choice:
    """Chooses an integer."""
    return lambda random: random.randint(least, most)


def some(choice: Choice, most: int) -> Choice:
    """Chooses up to so many."""
    return lambda random: [choice(random) for _ in range(random.randint(1, most))]


def move(weight: int, **choices: Choice) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a method a move, chosen as often as its weight says, with arguments so chosen."""

    def mark(method: Callable[..., None]) -> Callable[..., None]:
        method.weight, method.choices = weight, choices  # type: ignore[attr-defined]
        return method

    return mark


class Moves:
    """The moves of a machine.

    Args:
        machine: The class; its move "begin" brings money in.
    """

    def __init__(self, machine: Callable[[Any], Any]) -> None:
        self.machine = machine
        self.methods: dict[str, Any] = {
            name: method for name, method in vars(machine).items() if hasattr(method, "weight")
        }

    def of(self, seed: int, name: str = "") -> Move:
        """The move of a seed: that of a name, or any."""
        random = Random(seed)
        if not name:
            (name,) = random.choices(list(self.methods), [method.weight for method in self.methods.values()])
        return name, {key: choice(random) for key, choice in self.methods[name].choices.items()}

    def of_all(self, seeds: Iterable[int]) -> list[Move]:
        """The moves of seeds: the first one's brings money in."""
        first, *others = seeds
        return [self.of(first, "begin"), *map(self.of, others)]

    def play(self, side: Any, moves: Sequence[Move]) -> None:
        """Make moves from the beginning."""
        with side.played():
            machine = self.machine(side)
            for name, arguments in moves:
                getattr(machine, name)(**arguments)

    def fails(self, side: Any, moves: Sequence[Move]) -> AssertionError | None:
        """What goes wrong with these moves, if anything does."""
        try:
            self.play(side, moves)
        except AssertionError as error:
            return error
        return None

    def cut_down(self, side: Any, moves: list[Move]) -> list[Move]:
        """The failing moves without those that the failure doesn't need."""
        size = len(moves) // 2
        while size > 0:
            start = 0
            while start < len(moves):
                fewer = moves[:start] + moves[start + size :]
                if self.fails(side, fewer):
                    moves = fewer
                else:
                    start += size
            size //= 2
        return moves

    def run(self, side: Any, steps: int, length: int = 120) -> int:
        """Play seed after seed until the side has made so many steps; return how many runs that took.

        Raises:
            AssertionError: with the moves that a failure needs.
        """
        for number in count():
            if side.steps >= steps:
                return number
            moves = self.of_all(range(number * length, (number + 1) * length))
            error = self.fails(side, moves)
            if error is not None:
                needed = "\n".join(f"  {name}({arguments})" for name, arguments in self.cut_down(side, moves))
                raise AssertionError(f"run {number}: {error}\nmoves:\n{needed}") from error
        raise AssertionError("unreachable")
