"""How a replay writes times, sizes and shares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from kana_insurance.amounts import WAD_DECIMALS, format_amount


def date_axis(axes: Any, ticks: tuple[int, int] = (4, 9)) -> None:
    """Label an axis of times; ``ticks`` bounds how many there are."""
    locator = AutoDateLocator(minticks=ticks[0], maxticks=ticks[1])
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def percent(bps: int) -> str:
    """Basis points as percent: 1,554 is 15.54 %."""
    return f"{format_amount(bps, 2, places=2)} %"


def base_size(size: int) -> str:
    """A base size with at most four decimals that count."""
    text = format_amount(size, WAD_DECIMALS)
    whole, point, digits = text.partition(".")
    zeros = len(digits) - len(digits.lstrip("0")) if whole == "0" else 0
    return f"{whole}{point}{digits[: zeros + 4]}".rstrip("0").rstrip(".") if point else text


def moment(seconds: int) -> str:
    """A time as day and minute, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b %H:%M")
