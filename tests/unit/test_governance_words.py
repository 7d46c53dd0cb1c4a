"""What governance is told and hands out as text: durations, shares, batches for a Safe."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_utils import keccak

from kana_insurance.client import Refusal
from kana_insurance.governance import Misspelt
from kana_insurance.governance.safe import Transaction, batch, checksum, write
from kana_insurance.kit import DAY
from kana_insurance.measures import duration_text, parse_bps, parse_duration

ACCOUNT = "0x00000000000000000000000000000000000000AA"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2d", 172_800), ("2 days 3 hours", 183_600), ("36h", 129_600), ("1d12h", 129_600), ("10m", 600), ("90s", 90)],
)
def test_parse_duration__friendly__seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "d", "2 fortnights", "-2d", "1.5d"])
def test_parse_duration__no_duration__misspelt(text: str) -> None:
    with pytest.raises(Misspelt, match="no duration"):
        parse_duration(text)


def test_duration_text__two_greatest_units() -> None:
    assert [duration_text(n) for n in (0, 1, 61, 183_600, DAY + 5)] == [
        "0 seconds",
        "1 second",
        "1 minute 1 second",
        "2 days 3 hours",
        "1 day 5 seconds",
    ]
    assert parse_duration("7", raw=True) == 7


@pytest.mark.parametrize(("text", "bps"), [("5%", 500), ("0.05 %", 5), ("500bps", 500), ("500", 500), ("0", 0)])
def test_parse_bps__friendly__basis_points(text: str, bps: int) -> None:
    assert parse_bps(text) == bps


@pytest.mark.parametrize("text", ["", "%", "0.005%", "5.5", "-1%", "five"])
def test_parse_bps__no_share__misspelt(text: str) -> None:
    with pytest.raises(Misspelt, match="no share"):
        parse_bps(text)


def test_batch__as_the_builder_loads_it__with_its_checksum() -> None:
    transactions = [Transaction(ACCOUNT, b"\x01\x02", "does something")]
    file = batch(8453, "propose", "raise the threshold", transactions, created=1_700_000_000_000)
    assert (file["version"], file["chainId"]) == ("1.0", "8453")
    assert file["transactions"] == [
        {"to": ACCOUNT, "value": "0", "data": "0x0102", "contractMethod": None, "contractInputsValues": None}
    ]
    serialised = (
        '{["chainId","createdAt","meta","transactions","version"]"8453",1700000000000,'
        '{["createdFromOwnerAddress","createdFromSafeAddress","description","name","txBuilderVersion"]'
        '"","","raise the threshold",null,"1.18.2",},'
        '[{["contractInputsValues","contractMethod","data","to","value"]'
        f'null,null,"0x0102","{ACCOUNT}","0",}}],"1.0",}}'
    )
    assert file["meta"]["checksum"] == "0x" + keccak(text=serialised).hex()
    # The name isn't part of it, everything else is.
    assert checksum({**file, "meta": {**file["meta"], "name": "another"}}) == file["meta"]["checksum"]
    assert checksum({**file, "chainId": "1"}) != file["meta"]["checksum"]


def test_write__no_such_folder__refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="can't be written"):
        write(tmp_path / "none" / "safe.json", {})
