"""The script of governance against a node that runs already: what is done with it, and what is refused (M9)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kana_insurance.anvil import Anvil
from kana_insurance.backends.rpc import RpcBackend
from kana_insurance.governance import catalogue
from kana_insurance.kit import DAY, Kit, U
from tests.scenario.running import Run, figures, load, refused

PROPOSER = ("--account", "TEST::3")


def propose(run: Run, *words: str) -> list[dict[str, Any]]:
    """Propose without being asked; what was scheduled."""
    return list(figures(run("govern", "propose", *words, *PROPOSER, "--yes", "--json"))["scheduled"])


def listed(run: Run, *options: str) -> dict[str, Any]:
    """What the list says."""
    page: dict[str, Any] = figures(run("govern", "list", *options, "--json"))
    return page


def test_threshold__lowered__announced_waited_for_and_set(run: Run, kit: Kit) -> None:
    """From the proposal to the new value, with the delay and the notice of the stakers' cooldown and three days."""
    shown = run("govern", "propose", "set-threshold", "500000", *PROPOSER, "--yes")
    assert shown.exit_code == 0, shown.output
    for words in (
        "1,000,000 KanaUSDT",
        "500,000 KanaUSDT",
        "cap of the reserve",
        "announced first, 17 days",
        "notices.announce(fund, fund.set-threshold(500,000 KanaUSDT))",
        "0x01d5062a",
    ):
        assert words in shown.output
    first, last = listed(run)["operations"]
    assert (first["state"], last["state"]) == ("waiting", f"after {first['operation'][:10]}")
    assert (first["time_left"], last["calls"]) == (str(2 * DAY), "fund.set-threshold(500,000 KanaUSDT)")
    refused(run("govern", "execute", first["operation"], *PROPOSER), "its delay runs: it may be executed from 20")
    kit.travel(2 * DAY)
    assert figures(run("govern", "execute", first["operation"][:10], *PROPOSER, "--json"))["state"] == "done"
    kit.travel(4 * DAY)
    refused(run("govern", "execute", last["operation"], *PROPOSER), "fund: notice not mature; notice of fund: 4 days")
    page = listed(run)
    assert page["operations"][0]["state"] == "notice running"
    assert page["notices"][0]["call"] == "fund.set-threshold(500,000 KanaUSDT)"
    assert kit.fund.threshold() == 1_000_000 * U
    kit.travel(13 * DAY)
    assert listed(run)["operations"][0]["state"] == "ready"
    table = run("govern", "execute", *PROPOSER)
    assert table.exit_code == 0, table.output
    assert "500,000 KanaUSDT" in table.output
    assert kit.fund.threshold() == 500_000 * U
    assert listed(run)["operations"] == listed(run)["notices"] == []
    assert [one["state"] for one in listed(run, "--all")["operations"]] == ["done", "done"]


def test_threshold__skip_delay__all_at_once(run: Run, kit: Kit) -> None:
    propose(run, "set-threshold", "500000")
    shown = figures(run("govern", "execute", "--skip-delay", *PROPOSER, "--json"))
    assert shown["changes"] == [{"parameter": "threshold", "before": "1000000", "now": "500000"}]
    assert kit.fund.threshold() == 500_000 * U


def test_cancel__proposed__struck(run: Run, kit: Kit) -> None:
    (row,) = propose(run, "set-fees", "COIN / USD", "taker_fee_bps=0.1%")
    assert row["state"] == "waiting"
    shown = run("govern", "cancel", row["operation"][:10], *PROPOSER)
    assert shown.exit_code == 0, shown.output
    assert "registry.set-fees(0 (COIN / USD), 0.1 %, 0.02 %, 50 %)" in shown.output
    assert listed(run)["operations"] == []
    refused(run("govern", "cancel", row["operation"], *PROPOSER), "is cancelled already")
    refused(run("govern", "execute", row["operation"], *PROPOSER), "is cancelled already")
    kit.travel(2 * DAY)
    refused(run("govern", "execute", *PROPOSER), "nothing is ready")


@pytest.mark.usefixtures("kit")
def test_propose__asked__no_means_nothing_is_sent(run: Run, node: Anvil) -> None:
    """The question is asked after old and new value were shown."""
    arguments = ["propose", "set-threshold", "2000000", *PROPOSER, "--network", node.url]
    for answer, code, count in (("n\n", 1, 0), ("y\n", 0, 1)):
        result: Result = CliRunner().invoke(load("govern"), arguments, input=answer)
        assert result.exit_code == code, result.output
        assert result.output.index("2,000,000 KanaUSDT") < result.output.index("schedule this?")
        assert len(listed(run)["operations"]) == count


def send(kit: Kit, entry: dict[str, str]) -> None:
    """Send a transaction of a Safe's file, as the proposer that the Safe is."""
    assert isinstance(kit.backend, RpcBackend)
    kit.backend.send(kit.actors.proposer, entry["to"], bytes.fromhex(entry["data"][2:]))


def test_propose__safe__file_whose_transactions_do_it(run: Run, kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "batch.json"
    shown = run("govern", "propose", "set-max-insurance", "ETH / USD", "60000", "--safe", str(path))
    assert shown.exit_code == 0, shown.output
    assert f"written to {path}" in shown.output
    assert listed(run)["operations"] == []
    file = json.loads(path.read_text())
    assert (file["chainId"], len(file["transactions"])) == ("31337", 2)
    for entry in file["transactions"]:
        assert entry["data"] in shown.output
        send(kit, entry)
    assert [one["calls"] for one in listed(run)["operations"]] == [
        "notices.announce(fund, fund.set-max-insurance(house, 1 (ETH / USD), 60,000 KanaUSDT))",
        "fund.set-max-insurance(house, 1 (ETH / USD), 60,000 KanaUSDT)",
    ]
    operation = listed(run)["operations"][0]["operation"]
    cancelled = run("govern", "cancel", operation, "--safe", str(path), "--json")
    assert json.loads(path.read_text())["transactions"][0]["data"] == figures(cancelled)["transactions"][0]["data"]
    kit.travel(2 * DAY)
    assert run("govern", "execute", operation, "--safe", str(path)).exit_code == 0
    entry = json.loads(path.read_text())["transactions"][0]
    send(kit, entry)
    assert len(listed(run)["notices"]) == 1


@pytest.mark.usefixtures("kit")
def test_propose__without_account__shown_and_not_sent(run: Run) -> None:
    shown = run("govern", "propose", "update-delay", "3d")
    assert shown.exit_code == 0, shown.output
    assert "nothing was sent" in shown.output
    assert listed(run)["operations"] == []
    assert figures(run("govern", "propose", "update-delay", "3d", "--json"))["changes"][0]["proposed"] == str(3 * DAY)


@pytest.mark.usefixtures("kit")
@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (("propose", "set-treshold", "5"), "governance has no call 'set-treshold' (is set-threshold", 1),
        (("propose", "set-threshold", "much"), "threshold: 'much' is not an amount", 2),
        (("propose", "set-threshold"), "set-threshold needs threshold: it takes threshold (an amount in whole", 2),
        (("propose", "set-window", "5000", "day"), "length: 'day' is no duration", 2),
        (("propose", "set-threshold", "0"), "as things stand it would be refused: fund: zero threshold", 1),
        (("propose", "set-fees", "7", "5", "2", "50%"), "refused: registry: unknown market", 1),
        (("propose", "grant-role", "guardian", "TEST::5"), "several contracts have grant-role", 1),
        (("propose", "grant-role", "guardian", "TEST::99", "--on", "fund"), "account: 'TEST::99' is no address", 2),
        (("propose", "set-threshold", "5", "--on", "registry"), "'registry' has no set-threshold", 1),
        (("propose", "set-threshold", "2000000", "--account", "TEST::5", "--yes"), "is no proposer", 1),
        (("propose", "set-threshold", "2000000", *PROPOSER, "--json"), "--json asks nothing: add --yes", 2),
        (("propose", "update-delay", "1d"), "timelock: below floor", 1),
        (("cancel", "0xabcdef", *PROPOSER), "no operation was announced whose id begins with 0xabcdef", 1),
        (("cancel", "0xabcdef", "--safe", "x.json", *PROPOSER), "--safe sends nothing", 2),
        (("execute", *PROPOSER), "nothing is ready", 1),
        (("execute", "--skip-delay"), "nothing is ready", 1),
        (("calls", "set-treshold"), "is set-threshold", 1),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else None,
)
def test_govern__user_errors__told_in_words(run: Run, words: tuple[str, ...], message: str, code: int) -> None:
    if words[0] == "calls":
        result = CliRunner().invoke(load("govern"), list(words))
        assert result.exit_code == code
        assert message in result.output
    else:
        refused(run("govern", *words), message, code)


def test_calls__all_and_one__listed(run: Run) -> None:
    assert run is not None
    table = CliRunner().invoke(load("govern"), ["calls"])
    assert all(row["name"] in table.output for row in catalogue())
    one = CliRunner().invoke(load("govern"), ["calls", "set-window", "--json"])
    assert [row["argument"] for row in json.loads(one.stdout)] == ["cap", "length"]
