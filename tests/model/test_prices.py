"""Price files of the replay: what is read, what is refused with which line, and the built-in path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kana_insurance.replay.prices import Bar, PriceFileError, built_in, read_prices

Writer = Callable[..., Path]

HEADER = "timestamp_utc,open,high,low,close,volume"
FIRST = "2024-05-01T00:00:00Z,100,101.5,99,100.5,1000"
SECOND = "2024-05-01T00:01:00Z,100.5,100.5,98,98.25,7"
START = 1_714_521_600
UNIT = 10**8


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Writes lines (or bytes) to a file and returns its path."""

    def _write(*lines: str, data: bytes | None = None) -> Path:
        path = tmp_path / "bars.csv"
        path.write_bytes(data if data is not None else ("\n".join(lines) + "\n").encode())
        return path

    return _write


def test_read_prices__good_file__exact_bars(write: Writer) -> None:
    history = read_prices(write(HEADER, FIRST, SECOND))

    assert history.name == "bars.csv"
    assert history.start == START
    assert history.bars == (
        Bar(START, open=100 * UNIT, high=10_150_000_000, low=99 * UNIT, close=10_050_000_000),
        Bar(START + 60, open=10_050_000_000, high=10_050_000_000, low=98 * UNIT, close=9_825_000_000),
    )
    assert history.largest_step_bps() == 223


def test_read_prices__open_outside_low_to_high__accepted(write: Writer) -> None:
    history = read_prices(write(HEADER, FIRST, "2024-05-01T00:01:00Z,120,101,99,100,5"))

    assert history.bars[1].open == 120 * UNIT


def test_read_prices__other_order_spaces_more_columns_bom_empty_lines__accepted(write: Writer) -> None:
    lines = (
        "\ufeffclose, low,high,open,volume,timestamp_utc,trades",
        "100.5,99,101.5,100,1000, 2024-05-01 00:00:00 ,3",
        "",
        "98.25,98,100.5,100.5,7,2024-05-01T02:01:00+02:00,4",
        "",
    )

    assert read_prices(write(*lines)).bars == read_prices(write(HEADER, FIRST, SECOND)).bars


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("2024-05-01T00:01:00Z,1,1,1,1", "5 fields, the header has 6"),
        ("2024-05-01T00:01:00Z,1,1,1,1,1,1", "7 fields, the header has 6"),
        ("yesterday,1,1,1,1,1", "timestamp_utc 'yesterday' is not an ISO 8601 time"),
        ("2024-05-01T00:01:00.5Z,1,1,1,1,1", "timestamp_utc 2024-05-01T00:01:00.5Z is not a whole second"),
        ("1924-05-01T00:01:00Z,1,1,1,1,1", "timestamp_utc 1924-05-01T00:01:00Z is not between 1980 and 2100"),
        ("2024-05-01T00:00:00Z,1,1,1,1,1", "timestamp_utc 2024-05-01T00:00:00Z is not after the bar before it"),
        ("2024-04-30T00:00:00Z,1,1,1,1,1", "timestamp_utc 2024-04-30T00:00:00Z is not after the bar before it"),
        ("2024-05-01T00:01:00Z,1,1,1,,1", "close '' is not a number"),
        ("2024-05-01T00:01:00Z,1,x,1,1,1", "high 'x' is not a number"),
        ("2024-05-01T00:01:00Z,1,1,nan,1,1", "low 'nan' is not a finite number"),
        ("2024-05-01T00:01:00Z,inf,1,1,1,1", "open 'inf' is not a finite number"),
        ("2024-05-01T00:01:00Z,1,1,1,0,1", "close 0 is not above zero"),
        ("2024-05-01T00:01:00Z,-3,1,1,1,1", "open -3 is not above zero"),
        ("2024-05-01T00:01:00Z,1,1,1,0.000000001,1", "close 0.000000001 has more than 8 decimals"),
        ("2024-05-01T00:01:00Z,1,1e13,1,1,1", "high 1e13 is above 1000000000000"),
        ("2024-05-01T00:01:00Z,1,1,2,1,1", "high 1 is below low 2"),
        ("2024-05-01T00:01:00Z,1,5,2,6,1", "close 6 is outside low 2 to high 5"),
        ("2024-05-01T00:01:00Z,1,5,2,1,1", "close 1 is outside low 2 to high 5"),
        ("2024-05-01T00:01:00Z,1,1,1,1,many", "volume 'many' is not a number"),
        ("2024-05-01T00:01:00Z,1,1,1,1,-1", "volume -1 is not zero or more"),
        ('2024-05-01T00:01:00Z,1,1,1,1,"1', "unexpected end of data"),
    ],
)
def test_read_prices__broken_row__named_with_its_line(write: Writer, row: str, what: str) -> None:
    with pytest.raises(PriceFileError) as refusal:
        read_prices(write(HEADER, FIRST, row))

    assert str(refusal.value) == f"line 3: {what}"


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (
            ("time,open,high,low,close",),
            "line 1: the header lacks timestamp_utc, volume; needed: timestamp_utc, open, high, low, close, volume",
        ),
        (("timestamp_utc,open,high,low,close,volume,open", FIRST), "line 1: the header names a column twice"),
        ((HEADER,), "0 bars, at least 2 are needed"),
        ((HEADER, FIRST), "1 bars, at least 2 are needed"),
        (("", ""), "the file is empty"),
    ],
)
def test_read_prices__broken_file__says_what(write: Writer, lines: tuple[str, ...], what: str) -> None:
    with pytest.raises(PriceFileError) as refusal:
        read_prices(write(*lines))

    assert str(refusal.value) == what


def test_read_prices__not_text__named_with_its_line(write: Writer) -> None:
    data = f"{HEADER}\n{FIRST}\n".encode() + b"2024-05-01T00:01:00Z,\xff,1,1,1,1\n"

    with pytest.raises(PriceFileError, match=r"^line 3: not UTF-8 text$"):
        read_prices(write(data=data))


def test_read_prices__missing_file_or_folder__says_so(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match=r"^No such file or directory$"):
        read_prices(tmp_path / "none.csv")
    with pytest.raises(PriceFileError, match=r"^Is a directory$"):
        read_prices(tmp_path)


def test_built_in__every_time__the_same_sound_bars_with_a_crash() -> None:
    history = built_in()

    assert history == built_in()
    assert len(history.bars) == 720
    for before, bar in zip(history.bars, history.bars[1:], strict=False):
        assert bar.time == before.time + 60
        assert bar.open == before.close
        assert bar.low <= min(bar.open, bar.close)
        assert bar.high >= max(bar.open, bar.close)
    assert (history.bars[0].open, history.bars[-1].close) == (8_000 * UNIT, 442_993_000_000)
    assert history.largest_step_bps() == 2_157
