"""The replay as a user runs it, on the contracts and in the model: figures, files, exit codes, the thief's take."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kana_insurance.model.units import BPS
from kana_insurance.replay import run as runner
from kana_insurance.replay.checks import differences
from kana_insurance.replay.engine import UNIT, Replay, Settings
from kana_insurance.replay.outcome import Outcome
from kana_insurance.replay.prices import FEED_DECIMALS, History, built_in
from kana_insurance.replay.run import run_model
from scripts.replay import cli
from tests.scenario.test_demo import assert_stands_alone

#: The crash of the built-in path.
CRASH = slice(425, 480)


def crash() -> History:
    return History("crash", built_in().bars[CRASH])


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """The crash as a price file, with an open outside low to high, as exchanges publish them."""
    path = tmp_path / "crash.csv"
    lines = ["timestamp_utc,open,high,low,close,volume"]
    unit = 10**FEED_DECIMALS
    for bar in crash().bars:
        figures = (bar.open * 2, bar.high, bar.low, bar.close)
        lines.append(
            f"{datetime.fromtimestamp(bar.time, UTC).isoformat()},"
            + ",".join(f"{f // unit}.{f % unit:08d}" for f in figures)
            + ",1"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def invoke(*arguments: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(cli, list(arguments))


# ------------------------------------------------------------------ on the contracts


def test_replay__price_file__chain_is_the_model_and_the_report_stands_alone(csv: Path, tmp_path: Path) -> None:
    result = invoke("--prices", str(csv), "--traders", "60", "--out", str(tmp_path), "--json")

    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["good"] is True
    assert {check["name"] for check in figures["checks"]} >= {
        "The fund's state on the chain is the model's, to the unit",
        "The house's state on the chain is the model's, to the unit",
        "Every token minted is accounted for, to the unit",
        "The fund never paid the thief more than the limit left when he struck",
    }
    assert figures["bars"] == len(crash().bars)
    assert figures["liquidations"] > 0
    assert figures["thief"]["strikes"]
    assert json.loads((tmp_path / "replay.json").read_text()) == figures
    assert_stands_alone(tmp_path / "replay.html", charts=5)


def test_replay__tables__say_what_the_figures_say(csv: Path, tmp_path: Path) -> None:
    result = invoke("--prices", str(csv), "--traders", "20", "--seed", "3", "--out", str(tmp_path))

    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "replay.json").read_text())
    for words in (
        "Collateral left by liquidations",
        "shortfalls, by layer",
        "The thief",
        f"{figures['transactions']:,}",
    ):
        assert words in result.output
    assert "✗" not in result.output


def test_replay__model_and_chain_differ__named_and_exit_code_1(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted fault: one unit more is contributed in the model than on the chain."""
    begin = Replay.begin

    def one_more(self: Replay) -> None:
        begin(self)
        self.world.token.mint(self.relayer, 1)
        self.world.fund.contribute(self.relayer, 1)

    monkeypatch.setattr(Replay, "begin", one_more)

    result = invoke("--prices", str(csv), "--traders", "4", "--out", str(tmp_path))

    assert result.exit_code == 1
    assert "✗ The fund's state on the chain is the model's, to the unit" in result.output
    assert "reserve: model" in result.output or "contributions" in result.output


def test_replay__chain_refuses_what_the_model_did__call_and_reason(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted fault: the chain is asked for a withdrawal that the model never made."""
    begin = Replay.begin

    def one_call_more(self: Replay) -> None:
        begin(self)
        self.world.record("house", "withdraw", self.keeper.account, 10**18, self.keeper.account)

    monkeypatch.setattr(Replay, "begin", one_call_more)

    result = invoke("--prices", str(csv), "--traders", "4", "--out", str(tmp_path))

    assert result.exit_code == 1
    assert "house.withdraw" in result.stderr
    assert "house: free balance too low" in result.stderr


# ------------------------------------------------------------------ wrong input


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("2024-01-01T07:06:00Z,1,1,1,zero,1", "line 3: close 'zero' is not a number"),
        ("2024-01-01T07:05:00Z,1,1,1,1,1", "line 3: timestamp_utc 2024-01-01T07:05:00Z is not after the bar before it"),
        ("2024-01-01T07:06:00Z,1,1", "line 3: 3 fields, the header has 6"),
    ],
)
def test_replay__broken_price_file__line_and_what_and_exit_code_2(csv: Path, row: str, what: str) -> None:
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join([*lines[:2], row, *lines[2:]]))

    result = invoke("--prices", str(csv))

    assert result.exit_code == 2
    assert result.stderr.strip() == f"{csv}: {what}"


def test_replay__missing_price_file__says_so_and_exit_code_2(tmp_path: Path) -> None:
    result = invoke("--prices", str(tmp_path / "none.csv"))

    assert result.exit_code == 2
    assert result.stderr.strip() == f"{tmp_path / 'none.csv'}: No such file or directory"


@pytest.mark.parametrize("arguments", [("--traders", "1"), ("--seed", "x"), ("--network", "ethereum:mainnet:node")])
def test_replay__wrong_option__exit_code_2(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments).exit_code == 2


# ------------------------------------------------------------------ in the model alone


def figures(outcome: Outcome) -> dict[str, Any]:
    return {name: value for name, value in outcome.as_json(raw=True).items() if name != "seconds"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_replay__other_seeds__every_check_holds(seed: int) -> None:
    outcome = run_model(crash(), Settings(seed=seed))

    assert [check.name for check in outcome.checks if not check.good] == []
    assert outcome.replay.totals.liquidations > 0


def test_replay__same_seed__same_figures_and_another_seed_others() -> None:
    first = figures(run_model(crash(), Settings()))

    assert figures(run_model(crash(), Settings())) == first
    assert figures(run_model(crash(), Settings(seed=8))) != first


def test_replay__no_limit_left__the_thief_gets_nothing_from_the_fund() -> None:
    outcome = run_model(crash(), Settings(max_insurance=0))

    assert outcome.strikes
    assert outcome.thief_from_fund == outcome.replay.totals.covered == 0
    assert outcome.replay.world.fund.reserve >= outcome.replay.settings.contributions


@pytest.mark.parametrize("limit", [100, 1_000, 10_000])
def test_replay__small_limits__bind_the_fund_whatever_the_thief_does(limit: int) -> None:
    settings = Settings(max_insurance=limit * UNIT)
    outcome = run_model(crash(), settings)

    for strike in outcome.strikes:
        assert strike.covered <= strike.limit_left
        assert strike.gain <= strike.covered + strike.socialised
    fund = outcome.replay.world.fund
    paid_in = outcome.replay.totals.to_fund + outcome.replay.totals.fees_to_fund
    assert outcome.replay.totals.covered <= settings.max_insurance + paid_in
    assert fund.reserve >= settings.contributions - settings.max_insurance


def test_replay__covered_in_full__the_thief_gains_the_cover_less_his_fees() -> None:
    """I12: what two keys win from a gap is what the fund pays for the losing one, and they lose their fees."""
    deep = Settings(max_insurance=10**6 * UNIT, threshold=10**6 * UNIT, contributions=10**6 * UNIT)
    outcome = run_model(crash(), deep)
    bars = outcome.replay.history.bars

    assert len(outcome.strikes) >= 3
    for strike in outcome.strikes:
        notional = strike.size * bars[strike.bar - 1].close * UNIT // 10 ** (18 + FEED_DECIMALS)
        fees = notional * 7 // BPS
        assert strike.socialised == 0
        assert abs(strike.covered - fees - strike.gain) <= 4


def test_replay__keeper_without_capital__insolvent_positions_are_deleveraged() -> None:
    outcome = run_model(History("crash", built_in().bars[430:520]), Settings(keeper_capital=2_000 * UNIT))

    totals = outcome.replay.totals
    assert outcome.good
    assert totals.flags > 0
    assert totals.deleveraged > 0


def test_replay__states_that_differ__every_difference_is_named() -> None:
    one = {"a": 1, "b": {"c": 2, "d": 3}}
    other = {"a": 1, "b": {"c": 4}, "e": 5}

    assert differences(one, other) == ["b.c: model 2, chain 4", "b.d: model 3, chain None", "e: model None, chain 5"]
    assert differences(one, one) == []


def test_run__progress__is_told_of_every_bar() -> None:
    told: list[tuple[str, int, int]] = []
    runner.run_model(crash(), Settings(traders=4), lambda *stage: told.append(stage))

    count = len(crash().bars)
    assert told == [("replaying", number, count) for number in range(1, count + 1)]
