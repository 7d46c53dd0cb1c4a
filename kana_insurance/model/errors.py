"""How the model refuses: with the reason the contract reverts with."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - a refusal is an outcome, not a fault
    """A call that the contract would revert; ``reason`` is its reason, verbatim. The state is as before the call."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def require(condition: bool, reason: str) -> None:
    """Refuse with ``reason`` unless the condition holds.

    Raises:
        Refused: when it does not.
    """
    if not condition:
        raise Refused(reason)
