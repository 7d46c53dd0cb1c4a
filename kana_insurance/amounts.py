"""Amounts as people write them: exact decimals in, exact decimals out. Everything inside the project is an ``int``."""

from __future__ import annotations

import re

#: Decimals of prices, base sizes and other WAD figures.
WAD_DECIMALS = 18
WAD = 10**WAD_DECIMALS
#: The most that a contract stores of any amount (112 bits).
MAX_AMOUNT = 2**112 - 1

_DECIMAL = re.compile(r"(?P<whole>\d+)(?:\.(?P<fraction>\d+))?")
_INTEGER = re.compile(r"\d+")


class AmountError(ValueError):
    """A text that is no amount, or one that the unit can't hold exactly."""


def parse_amount(text: str, decimals: int, *, raw: bool = False) -> int:
    """Base units of a decimal text, exactly.

    Args:
        text: Digits with at most one point, such as ``1000`` or ``0.25``; underscores may group digits.
        decimals: Decimals of the unit.
        raw: Whether ``text`` counts base units already; then it must be whole.

    Raises:
        AmountError: if the text is no such number, has more decimals than the unit, or passes 112 bits.
    """
    plain = text.strip().replace("_", "")
    if raw:
        if not _INTEGER.fullmatch(plain):
            raise AmountError(f"'{text}' is not a whole number of base units")
        value = int(plain)
    else:
        match = _DECIMAL.fullmatch(plain)
        if match is None:
            raise AmountError(f"'{text}' is not an amount: write digits and at most one point, such as 1000 or 0.25")
        fraction = match["fraction"] or ""
        if len(fraction.rstrip("0")) > decimals:
            raise AmountError(f"'{text}' has too many decimals: at most {decimals} are possible")
        value = int(match["whole"]) * 10**decimals + int(fraction.rstrip("0").ljust(decimals, "0") or "0")
    if value > MAX_AMOUNT:
        raise AmountError(f"'{text}' is too large: at most {MAX_AMOUNT} base units are possible")
    return value


def format_amount(value: int, decimals: int, *, places: int = 0, group: bool = True) -> str:
    """The exact decimal text of base units.

    Args:
        value: Base units, negative ones too.
        decimals: Decimals of the unit.
        places: Decimals to show at least; further ones are shown as far as they aren't zero.
        group: Whether to group thousands by commas.
    """
    whole, fraction = divmod(abs(value), 10**decimals)
    digits = str(fraction).rjust(decimals, "0") if decimals else ""
    digits = digits.rstrip("0").ljust(min(places, decimals), "0")
    text = f"{whole:,}" if group else str(whole)
    return f"{'-' if value < 0 else ''}{text}{'.' + digits if digits else ''}"


def to_units(tokens: int | str, decimals: int = 6) -> int:
    """Base units of whole tokens given as a number of tokens or a decimal text."""
    return tokens * 10**decimals if isinstance(tokens, int) else parse_amount(tokens, decimals)


def quote_scale(decimals: int) -> int:
    """Scale of ``size * price`` for an asset with so many decimals: notional = size * price // scale."""
    return 10 ** (36 - decimals)
