"""The replay as a user runs it, on the contracts and in the model: figures, files, exit codes, the thief's take."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kana_insurance.model.layers import LayersModel
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
CRASH = slice(425, 490)


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
        "stakers: the state on the chain is the model's, to the unit",
        "reinsurance: the state on the chain is the model's, to the unit",
        "Every token minted is accounted for, to the unit",
        "The fund never paid the thief more than the limit left when he struck",
    }
    assert figures["bars"] == len(crash().bars)
    assert figures["liquidations"] > 0
    assert figures["thief"]["strikes"]
    assert all(float(figures["borne_by"][name]) > 0 for name in ("reserve", "stakers", "reinsurance"))
    assert all(float(layer["revenue"]) > 0 for layer in figures["layers"])
    assert any(float(staker["claimed"]) > 0 for staker in figures["stakers"])
    assert json.loads((tmp_path / "replay.json").read_text()) == figures
    assert_stands_alone(tmp_path / "replay.html", charts=8)


def test_replay__tables__say_what_the_figures_say(csv: Path, tmp_path: Path) -> None:
    result = invoke("--prices", str(csv), "--traders", "20", "--seed", "3", "--out", str(tmp_path))

    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "replay.json").read_text())
    for words in (
        "Collateral left by liquidations",
        "shortfalls, by layer",
        "The layers behind the reserve",
        "Who asked to leave",
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


def test_replay__without_layers__the_fund_alone(csv: Path, tmp_path: Path) -> None:
    result = invoke(
        "--prices", str(csv), "--traders", "20", "--stakers", "0", "--reinsurance", "0", "--out", str(tmp_path)
    )

    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "replay.json").read_text())
    assert (figures["contributions"], figures["threshold"]) == ("140000", "150000")
    assert figures["layers"] == figures["stakers"] == []
    assert list(figures["borne_by"]) == ["reserve", "other traders", "bad debt"]
    assert "layers behind" not in result.output
    assert_stands_alone(tmp_path / "replay.html", charts=6)


def test_replay__model_and_chain_differ_in_a_layer__named_and_exit_code_1(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted fault: one unit more is staked in the model than on the chain."""
    begin = Replay.begin

    def one_more(self: Replay) -> None:
        begin(self)
        self.world.token.mint(self.relayer, 1)
        self.world.layer("reinsurance").backstop.deposit(self.relayer, 1, self.relayer)

    monkeypatch.setattr(Replay, "begin", one_more)

    result = invoke("--prices", str(csv), "--traders", "4", "--out", str(tmp_path))

    assert result.exit_code == 1
    assert "✗ reinsurance: the state on the chain is the model's, to the unit" in result.output
    assert "✗ stakers" not in result.output


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


@pytest.mark.parametrize(
    "arguments",
    [
        ("--traders", "1"),
        ("--seed", "x"),
        ("--network", "ethereum:mainnet:node"),
        ("--stakers", "-1"),
        ("--stakers", "70001", "--reinsurance", "70000"),
    ],
)
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


def layered(stakers: int = 50_000, reinsurance: int = 80_000, **others: Any) -> Settings:
    return Settings.split(stakers * UNIT, reinsurance * UNIT, **others)


def failed(outcome: Outcome) -> list[str]:
    return [check.name for check in outcome.checks if not check.good]


@pytest.mark.parametrize("seed", [1, 2, 3, 7])
def test_replay__layers__every_check_holds_and_each_pays_in_its_turn(seed: int) -> None:
    outcome = run_model(crash(), layered(seed=seed))

    assert failed(outcome) == []
    borne_by = dict(outcome.borne_by)
    stakers, reinsurance = outcome.layers
    assert min(borne_by["reserve"], borne_by["stakers"]) > 0
    assert reinsurance.paid == 0 or stakers.paid == stakers.limit
    assert borne_by["other traders"] == 0 or reinsurance.paid > 0


def test_replay__one_layer_alone__pays_what_the_reserve_lacks() -> None:
    stakers = run_model(crash(), layered(130_000, 0))
    reinsurance = run_model(crash(), layered(0, 130_000))

    assert failed(stakers) == failed(reinsurance) == []
    assert [layer.name for layer in stakers.layers] == ["stakers"]
    assert [layer.name for layer in reinsurance.layers] == ["reinsurance"]
    # Stakers have a share of the revenue, a reinsurance its premium alone.
    assert stakers.layers[0].paid == reinsurance.layers[0].paid > 0
    assert stakers.layers[0].revenue > reinsurance.layers[0].revenue > 0


def test_replay__no_layers__as_if_there_had_never_been_any() -> None:
    assert Settings.split(0, 0) == Settings()
    outcome = run_model(crash(), Settings.split(0, 0))
    assert outcome.layers == []
    assert outcome.replay.crowd.stakers == []
    assert outcome.replay.totals.covered == dict(outcome.borne_by)["reserve"]


def test_replay__layers_beyond_what_there_is__refused() -> None:
    with pytest.raises(ValueError, match="more than there is"):
        layered(100_000, 40_001)


def test_replay__nothing_but_stakers__the_reserve_begins_empty() -> None:
    outcome = run_model(crash(), layered(140_000, 0))

    assert failed(outcome) == []
    assert outcome.replay.settings.contributions == 0
    assert outcome.layers[0].paid > 0


def test_replay__stake_of_one_token__earns_nothing_and_is_never_drawn_on() -> None:
    outcome = run_model(crash(), layered(1, 0))

    assert failed(outcome) == []
    assert (outcome.layers[0].paid, outcome.layers[0].revenue) == (0, 0)


def test_replay__leavers__bear_what_is_drawn_before_they_are_out() -> None:
    """M20, M21: who asked before the drawing loses at the rate of those who stay, and claims after the cooldown."""
    outcome = run_model(crash(), layered())
    crowd = outcome.replay.crowd.of("stakers")
    leavers = [staker for staker in crowd if staker.asked_at is not None]
    stayers = [staker for staker in crowd if staker.asked_at is None]

    assert len(leavers) >= 2
    assert stayers
    for staker in leavers:
        assert staker.claimed == outcome.has(staker) == outcome.replay.world.token.balances[staker.account]
        assert 0 < staker.claimed < staker.asked_for
    # What stays earns fees afterwards.
    worst = min(outcome.has(staker) * BPS // staker.stake for staker in stayers)
    assert all(staker.claimed * BPS // staker.stake <= worst for staker in leavers)


def test_replay__layers_asked_in_the_wrong_order__found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: the fund asks the reinsurance before the stakers."""
    in_order = LayersModel.open
    monkeypatch.setattr(LayersModel, "open", lambda self: in_order(self)[::-1])

    assert failed(run_model(crash(), layered())) == ["No layer paid while one before it had anything left"]


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
