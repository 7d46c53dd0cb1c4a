"""The demo as a user runs it: it holds, it fails when something is wrong, its page stands alone."""

from __future__ import annotations

import os
import re
import urllib.request
from pathlib import Path

import pytest

from kana_insurance import anvil
from kana_insurance.anvil import Anvil, AnvilError, find_anvil
from kana_insurance.demo.__main__ import main
from kana_insurance.demo.story import Story, Tale
from kana_insurance.model import FundModel

#: What a page would load from elsewhere; a namespace is only a name.
ELSEWHERE = re.compile(r"<(?:script|link|img|iframe)\b|@import|url\((?!#)|(?:src|href)=\"(?!#)")


def assert_stands_alone(page: Path, charts: int) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<figure>") == text.count("<svg ") == charts
    assert ELSEWHERE.search(text) is None
    names = re.findall(r'\bid="([^"]+)"', text)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', text)) <= set(names)


def test_demo__whole_story__every_claim_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "demo.html"

    assert main(["--out", str(page)]) == 0

    told = capsys.readouterr().out
    assert "✗" not in told
    for sentence in (
        "long A: 400 U = 120 to the liquidator + 80 to the fund + 200 back",
        "long C: 2,000 U = 600 to the liquidator + 20 to the fund + 1,380 back",
        "long D: 1,000 U = 300 to the liquidator + 0 to the fund + 700 back",
        "refused, “fund: below threshold”",
        "refused, “fund: above excess”",
        "refused, “fund: no notice”",
        "refused, “fund: notice not mature”",
        "the liquidator's reward is 0",
        "the limit is used up: 500 of 500 U",
        "short T was closed at the mark and lost nothing",
        "every token minted is found",
    ):
        assert f"✓ {sentence}" in told or f"{sentence}\n" in told
    assert_stands_alone(page, charts=3)


def test_demo__model_and_chain_differ__red_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted fault: the model books one unit less than was contributed."""
    book = FundModel._book_contribution
    monkeypatch.setattr(FundModel, "_book_contribution", lambda self, who, amount: book(self, who, amount - 1))

    def first_act_alone(self: Story) -> Tale:
        self.contributions()
        self.positions()
        self.crash()
        self.first_liquidation()
        return self.tale

    monkeypatch.setattr(Story, "tell", first_act_alone)
    monkeypatch.setattr("kana_insurance.demo.page.build", lambda *_: _NoPage())

    assert main(["--out", str(tmp_path / "demo.html")]) == 1
    told = capsys.readouterr().out
    assert "✗ fund, house and registry: the chain is the model, to the unit: fund.reserve" in told.replace("\n", " ")
    assert "claims failed" in told


class _NoPage:
    """Stands in for the page, which needs the whole story."""

    def write(self, path: Path, _footer: str) -> Path:
        return path


def test_demo__chain_refuses_what_the_story_needs__reason_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def impossible(self: Story) -> Tale:
        self.stage.act("house", "withdraw", self.liquidator, 1)
        return self.tale

    monkeypatch.setattr(Story, "tell", impossible)

    assert main(["--out", str(tmp_path / "demo.html")]) == 1
    assert "house.withdraw was refused on the chain: house: free balance too low" in capsys.readouterr().err


def test_anvil__missing__says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anvil, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(AnvilError, match="run 'make setup'"):
        find_anvil()


def test_anvil__found_in_node_modules__without_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "node_modules" / ".bin" / "anvil"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setattr(anvil, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)

    assert find_anvil() == tool


def test_anvil__ends_at_once__its_words_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "anvil"
    tool.write_text("#!/bin/sh\necho no such option\nexit 2\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(AnvilError, match="anvil did not start: no such option"):
        Anvil()


def test_anvil__stopped__nothing_answers_and_nothing_is_left() -> None:
    with Anvil(timestamp=1_600_000_000) as node:
        request = urllib.request.Request(
            node.url,
            b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}',
            {"content-type": "application/json"},
        )
        assert b"0x7a69" in urllib.request.urlopen(request, timeout=10).read()
        group = node.pid

    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(request, timeout=10)
    alive = [pid for pid in Path("/proc").glob("[0-9]*") if _in_group(pid, group)]
    assert alive == []


def _in_group(process: Path, group: int) -> bool:
    """Whether a process of /proc is alive and belongs to a process group; False on systems without /proc."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] != "Z" and int(fields[2]) == group
