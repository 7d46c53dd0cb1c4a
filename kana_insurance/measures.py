"""Durations and shares as people write them: "2d12h" in, seconds out; "5%" in, basis points out."""

from __future__ import annotations

import re

from kana_insurance.amounts import AmountError, parse_amount

DAY = 86_400
_SECONDS = {"d": DAY, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+)\s*(d|h|m|s)[a-z]*")


class Misspelt(ValueError):  # noqa: N818 - what happened, not a fault of the program
    """A value that isn't one of its kind; the message says how it is written."""


def duration_text(seconds: int) -> str:
    """Seconds in words, the two greatest units: 183600 is "2 days 3 hours"."""
    parts, left = [], seconds
    for name, size in (("day", DAY), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"


def parse_duration(text: str, *, raw: bool = False) -> int:
    """Seconds of a text such as 2d, 36h, 2d12h or "10 minutes"; with ``raw`` of a number of seconds.

    Raises:
        Misspelt: if it is none.
    """
    plain = text.strip().lower()
    if raw and plain.isdecimal():
        return int(plain)
    found = _PART.findall(plain)
    if not found or _PART.sub("", plain).strip():
        raise Misspelt(f"'{text}' is no duration: write 2d, 36h, 10m or 90s")
    return sum(int(count) * _SECONDS[unit] for count, unit in found)


def parse_days(text: str) -> int:
    """Days of a bare number of them, or of a duration that is a whole number of days.

    Raises:
        Misspelt: if it is none.
    """
    seconds = int(text) * DAY if text.isdecimal() else parse_duration(text)
    if seconds % DAY:
        raise Misspelt(f"'{text}' isn't a whole number of days")
    return seconds // DAY


def parse_bps(text: str) -> int:
    """Basis points of a text such as 5%, 0.05% or 500bps; a bare number counts basis points.

    Raises:
        Misspelt: if it is none, or finer than a basis point.
    """
    plain = text.strip().lower().replace(" ", "")
    try:
        if plain.endswith("%"):
            return parse_amount(plain[:-1], 2)
        return parse_amount(plain.removesuffix("bps"), 0, raw=True)
    except AmountError:
        raise Misspelt(f"'{text}' is no share: write 5%, 0.05% or 500bps; a basis point is the least") from None
