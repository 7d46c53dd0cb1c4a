"""Price histories: bars from a CSV file, checked line by line, or the built-in path.

Prices are ``int`` in units of the feed, which has :data:`FEED_DECIMALS` decimals; times are Unix seconds.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

#: Decimals of the price feed that the bars are pushed to.
FEED_DECIMALS = 8
#: The columns that a file must have, in any order; others are ignored.
COLUMNS = ("timestamp_utc", "open", "high", "low", "close", "volume")
#: Largest price that the feed adapter accepts (M30): 10**12 quote per base.
MAX_PRICE = 10**12 * 10**FEED_DECIMALS
#: Fewest bars of a replay: something has to move.
MIN_BARS = 2

_EARLIEST = int(datetime(1980, 1, 1, tzinfo=UTC).timestamp())
_LATEST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())


class PriceFileError(ValueError):
    """A price file that can't be used; the message says where (``line 7: …``) and what is wrong."""


@dataclass(frozen=True)
class Bar:
    """One bar: its start, and its prices in feed units. ``open`` may lie outside ``low`` to ``high``."""

    time: int
    open: int
    high: int
    low: int
    close: int


@dataclass(frozen=True)
class History:
    """A named run of bars in order of time."""

    name: str
    bars: tuple[Bar, ...]

    @property
    def start(self) -> int:
        """Start of the first bar, Unix seconds."""
        return self.bars[0].time

    def largest_step_bps(self) -> int:
        """Largest move between two closes, in basis points of the earlier, rounded down."""
        pairs = zip(self.bars, self.bars[1:], strict=False)
        return max(abs(b.close - a.close) * 10_000 // a.close for a, b in pairs)


def _price(text: str, column: str) -> int:
    """A price in feed units.

    Raises:
        PriceFileError: without the line, which the caller knows.
    """
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise PriceFileError(f"{column} {text!r} is not a number") from None
    if not value.is_finite():
        raise PriceFileError(f"{column} {text!r} is not a finite number")
    if value <= 0:
        raise PriceFileError(f"{column} {text.strip()} is not above zero")
    if value > MAX_PRICE // 10**FEED_DECIMALS:
        raise PriceFileError(f"{column} {text.strip()} is above {MAX_PRICE // 10**FEED_DECIMALS}")
    units = value.scaleb(FEED_DECIMALS)
    if units != int(units):
        raise PriceFileError(f"{column} {text.strip()} has more than {FEED_DECIMALS} decimals")
    return int(units)


def _time(text: str) -> int:
    """A start of bar, Unix seconds; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise PriceFileError(f"timestamp_utc {text!r} is not an ISO 8601 time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = moment.timestamp()
    if seconds != int(seconds):
        raise PriceFileError(f"timestamp_utc {text.strip()} is not a whole second")
    if not _EARLIEST <= seconds < _LATEST:
        raise PriceFileError(f"timestamp_utc {text.strip()} is not between 1980 and 2100")
    return int(seconds)


def _bar(row: dict[str, str], after: Bar | None) -> Bar:
    """One row as a bar that follows ``after``."""
    time = _time(row["timestamp_utc"])
    if after is not None and time <= after.time:
        raise PriceFileError(f"timestamp_utc {row['timestamp_utc'].strip()} is not after the bar before it")
    prices = {column: _price(row[column], column) for column in ("open", "high", "low", "close")}
    if prices["high"] < prices["low"]:
        raise PriceFileError(f"high {row['high'].strip()} is below low {row['low'].strip()}")
    if not prices["low"] <= prices["close"] <= prices["high"]:
        raise PriceFileError(
            f"close {row['close'].strip()} is outside low {row['low'].strip()} to high {row['high'].strip()}"
        )
    try:
        volume = Decimal(row["volume"].strip())
    except InvalidOperation:
        raise PriceFileError(f"volume {row['volume']!r} is not a number") from None
    if not volume.is_finite() or volume < 0:
        raise PriceFileError(f"volume {row['volume'].strip()} is not zero or more")
    return Bar(time, **prices)


def _rows(lines: Iterator[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows by column name with their line numbers; empty lines are skipped."""
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise PriceFileError(f"line {reader.line_num}: {error}") from None
        if not any(field.strip() for field in fields):
            continue
        if header is None:
            header = [field.strip() for field in fields]
            if missing := [column for column in COLUMNS if column not in header]:
                raise PriceFileError(
                    f"line {reader.line_num}: the header lacks {', '.join(missing)}; needed: {', '.join(COLUMNS)}"
                )
            if len(set(header)) < len(header):
                raise PriceFileError(f"line {reader.line_num}: the header names a column twice")
        elif len(fields) != len(header):
            raise PriceFileError(f"line {reader.line_num}: {len(fields)} fields, the header has {len(header)}")
        else:
            yield reader.line_num, dict(zip(header, fields, strict=True))
    if header is None:
        raise PriceFileError("the file is empty")


def read_prices(path: Path) -> History:
    """The bars of a CSV file with the columns :data:`COLUMNS`.

    Raises:
        PriceFileError: if the file is missing, unreadable, or broken; with the number of the first bad line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PriceFileError(error.strerror or str(error)) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PriceFileError(f"line {line}: not UTF-8 text") from None
    bars: list[Bar] = []
    for number, row in _rows(io.StringIO(text, newline="")):
        try:
            bars.append(_bar(row, bars[-1] if bars else None))
        except PriceFileError as error:
            raise PriceFileError(f"line {number}: {error}") from None
    if len(bars) < MIN_BARS:
        raise PriceFileError(f"{len(bars)} bars, at least {MIN_BARS} are needed")
    return History(path.name, tuple(bars))


#: The phases of the built-in path: bars, drift of a bar and largest chance move around it, both in hundredths of a
#: basis point.
_PHASES = (
    (180, -20, 700),  # a quiet night
    (120, -500, 1_600),  # selling begins
    (60, -2_200, 5_000),  # it becomes a slide
    (40, 2_000, 4_500),  # relief
    (60, -3_600, 8_000),  # the crash
    (60, 3_000, 7_000),  # rebound
    (200, 150, 2_000),  # aftershocks, the last of them violent
)
#: Single jumps of the built-in path, by bar, in basis points.
_JUMPS = {349: -310, 436: -560, 441: -450, 447: -740, 455: -580, 459: -2_100, 462: 1_300, 586: 1_100, 589: -1_600}


def built_in() -> History:
    """The path of a replay without a file: twelve hours of one-minute bars from 8,000, with a crash in the middle.

    Integer steps from a fixed seed, so that it is the same on every machine.
    """
    chance = random.Random(20_200_312)
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    unit = 10 ** (FEED_DECIMALS - 2)
    price = 8_000 * 100
    bars: list[Bar] = []
    for length, drift, spread in _PHASES:
        for _ in range(length):
            before, low, high = price, price, price
            for _ in range(4):
                step = drift // 4 + chance.randint(-spread // 2, spread // 2)
                price = price * (1_000_000 + step) // 1_000_000
                low, high = min(low, price), max(high, price)
            price = price * (10_000 + _JUMPS.get(len(bars), 0)) // 10_000
            low, high = min(low, price), max(high, price)
            bars.append(
                Bar(start + 60 * len(bars), open=before * unit, high=high * unit, low=low * unit, close=price * unit)
            )
    return History("built-in path", tuple(bars))
