"""The demo as a user runs it: it holds, it fails when something is wrong, its page stands alone."""

from __future__ import annotations

import os
import re
import time
import urllib.request
from pathlib import Path

import pytest

from kana_insurance import anvil
from kana_insurance.anvil import Anvil, AnvilError, find_anvil
from kana_insurance.demo.__main__ import main
from kana_insurance.demo.cast import LAYERS
from kana_insurance.demo.story import Story, Tale
from kana_insurance.model import FundModel
from kana_insurance.model.backstop import BackstopModel

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

    told = " ".join(capsys.readouterr().out.split())
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
        "DOGE's fund paid all it had: 10 of 1,000 U",
        "the shared fund and its layers are what they were, to the unit",
        "asking the shared fund for DOGE: refused, “fund: unknown market”",
        "COIN: 105.945 U = 10.5945 premium + 47.67525 stream + 47.67525 reserve",
        "after half of the time half is the stakers', to the second",
        "staker 3 pays the price of the moment: 994.07",
        "claiming at once: refused, “backstop: above claimable”",
        "the reserve paid all it had, 9,259.93025 U",
        "the stakers paid exactly the fund's limit there, 2,000 U",
        "the reinsurance paid exactly 1,000 U",
        "who stays and who is leaving lost the same 39.23 % of the stake",
        "the rest, 740.06975 U, is socialised; no bad debt",
        "both layers' exits are held until a day after the pause",
        "claiming on the day, held: refused, “backstop: above claimable”",
        "36 hours on, the notice stands still, on the chain and in the model",
        "no claim pays more than its request was worth",
        "KEUR: leaving before the loss is counted: refused, “pool: withdrawals stopped”",
        "KEUR: the fund paid 60, the lenders bear 40",
        "KEUR: lender 3 gets 96 % of what he lent",
        "KGBP: the fund paid 0, the lenders bear 100",
        "KGBP: lender 1 gets 90 % of what he lent",
        "every token minted is found",
    ):
        assert sentence in told
    assert_stands_alone(page, charts=6)
    text = page.read_text(encoding="utf-8")
    for heading in ("One loss through every layer", "What a staker earned and lost", "A loan that failed in two pools"):
        assert f"<h2>{heading}</h2>" in text
    paid = ("10,000.000000", "9,259.930250", "2,000.000000", "1,000.000000", "740.069750", "0.000000", "23,000.000000")
    rows = re.findall(r'<td>([^<]*)</td><td class="n">([^<]*)</td></tr>', text)
    first = rows.index((LAYERS[0], paid[0]))
    assert rows[first : first + len(paid)] == [*zip((*LAYERS, "the loss"), paid, strict=True)]
    staker_2 = ("1,000.000000", "11.804888", "397.018546", "614.786342")
    assert "<td>staker 2</td>" + "".join(f'<td class="n">{amount}</td>' for amount in staker_2) in text


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
    told = " ".join(capsys.readouterr().out.split())
    assert "✗ funds, layers, house and registry: the chain is the model, to the unit: fund.reserve" in told
    assert "claims failed" in told


def test_demo__model_gives_a_share_too_many__red_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted fault: the model gives a depositor one share too many."""
    shares = BackstopModel.to_shares_down
    monkeypatch.setattr(BackstopModel, "to_shares_down", lambda self, assets: shares(self, assets) + 1)

    def staking_alone(self: Story) -> Tale:
        self.staking()
        return self.tale

    monkeypatch.setattr(Story, "tell", staking_alone)
    monkeypatch.setattr("kana_insurance.demo.page.build", lambda *_: _NoPage())

    assert main(["--out", str(tmp_path / "demo.html")]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "layers.stakers.backstop.total_shares: model" in told


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
    # On a busy machine the last of them may take a moment to go.
    deadline = time.monotonic() + 10
    while alive := [pid for pid in Path("/proc").glob("[0-9]*") if _in_group(pid, group)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


def _in_group(process: Path, group: int) -> bool:
    """Whether a process of /proc is alive and belongs to a process group; False on systems without /proc."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] != "Z" and int(fields[2]) == group
