"""The guardian's script against a node that runs already: asked, for a Safe, refused (M37)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kana_insurance.anvil import Anvil
from kana_insurance.backends.rpc import RpcBackend
from kana_insurance.kit import DAY, Kit
from tests.scenario.running import Run, figures, load, refused

GUARDIAN = ("--account", "TEST::2")


def test_guard__asked__no_means_nothing_is_sent(run: Run, kit: Kit, node: Anvil) -> None:
    assert run is not None
    arguments = ["pause-payouts", "--for", "2d", *GUARDIAN, "--network", node.url]
    for answer, code in (("n\n", 1), ("y\n", 0)):
        result = CliRunner().invoke(load("guard"), arguments, input=answer)
        assert result.exit_code == code, result.output
        assert result.output.index("notices stand still") < result.output.index("do this?")
        assert kit.fund.payouts_paused() == (code == 0)
    done = figures(run("guard", "resume-payouts", *GUARDIAN, "--yes", "--json"))["done"]
    assert done["now"].startswith("open")


def test_guard__safe__file_that_does_it(run: Run, kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "batch.json"
    shown = run("guard", "pause-trading", "--for", "36h", "--safe", str(path))
    assert shown.exit_code == 0, shown.output
    (entry,) = json.loads(path.read_text())["transactions"]
    assert entry["data"] in shown.output
    assert kit.registry.trading_resume_at() == 0
    assert isinstance(kit.backend, RpcBackend)
    kit.backend.send(kit.actors.guardian, entry["to"], bytes.fromhex(entry["data"][2:]))
    assert kit.registry.trading_resume_at() == kit.now() + 3 * DAY // 2


@pytest.mark.usefixtures("kit")
@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (("pause-payouts", *GUARDIAN), "Missing option '--for'", 2),
        (("pause-payouts", "--for", "soon", *GUARDIAN), "'soon' is no duration", 2),
        (("pause-payouts", "--for", "8d", *GUARDIAN), "fund: pause too long - a pause lasts at most 7 days", 1),
        (("pause-payouts", "--for", "1d", "--account", "TEST::3"), "refused: fund: not guardian", 1),
        (("suspend-layer", "reinsurance", "--for", "1d", *GUARDIAN), "fund has no reinsurance", 1),
        (("suspend-layer", "all", "--for", "1d", *GUARDIAN), "'all' is not one of", 2),
        (("resume-trading", *GUARDIAN), "registry: not paused", 1),
        (("resume-payouts", "--on", "house", *GUARDIAN), "'house' has no resume-payouts", 1),
        (("pause-trading", "--for", "1d", *GUARDIAN, "--json"), "--json asks nothing: add --yes", 2),
        (("pause-trading", "--for", "1d", *GUARDIAN, "--safe", "x.json"), "--safe sends nothing", 2),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else None,
)
def test_guard__user_errors__told_in_words(run: Run, words: tuple[str, ...], message: str, code: int) -> None:
    refused(run("guard", *words), message, code)


@pytest.mark.usefixtures("kit")
def test_withdraw_skim_create_feed__nothing_there__told_in_words(run: Run, kit: Kit) -> None:
    refused(run("withdraw", "--account", "TEST::11"), "has no free balance")
    refused(run("withdraw", "5", "--account", "TEST::11"), "refused: house: free balance too low")
    refused(run("skim", "--account", "TEST::9"), "refused: fund: nothing to skim")
    house = kit.house.address
    refused(run("create_feed", kit.actors.outsider.address, "--account", "TEST::9"), "there is no aggregator at")
    refused(run("create_feed", house, "--max-age", "long", "--account", "TEST::9"), "'long' is no duration", 2)
    assert (
        "there are: stakers"
        in run("create_fund", "--threshold", "5", "--salt", "x", "--staked", "house", "--account", "TEST::3").output
    )
