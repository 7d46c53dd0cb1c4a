"""The scripts as people run them: against a node that runs already, each once doing its work and once refused.

Most run in this process through click, which is fast; the last tests start ``ape run`` itself. Every refusal is one
line without a traceback, exit code 1 when the chain, the node or the record is the cause and 2 for the command line.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from kana_insurance.anvil import Anvil
from kana_insurance.backends import ROOT
from kana_insurance.backends.rpc import RpcBackend
from kana_insurance.deployment import attach, check, read_record
from kana_insurance.kit import COIN, Kit, U
from tests.scenario.running import SCRIPTS, Run, figures, load, refused

MARGIN = 111_611_112  # a ninth of 1,000 U, rounded up, and the taker's fee of 0.5 U


@pytest.fixture
def opened(kit: Kit) -> Kit:
    """TEST::6 long 10 against TEST::7 at 100, at nine times its margin."""
    kit.open_position(kit.actors.trader, kit.actors.counterparty, 10 * COIN, margin=MARGIN)
    return kit


# ---------------------------------------------------------------------- deploy


def test_deploy__local_chain__writes_a_record_of_a_right_system(deployed: Result, node: Anvil, folder: Path) -> None:
    printed = figures(deployed)
    record = read_record("local")
    assert printed["record"] == str(folder / "local.json")
    assert printed["addresses"]["fund"] == record.addresses["fund"]
    system = attach(RpcBackend(node.url), record)
    check(system)
    assert system.fund.threshold() == 1_000_000 * U
    assert [market.name for market in record.markets] == ["COIN / USD", "ETH / USD"]


def test_deploy__deployer_among_the_roles__refused(run_any: Run, deployed: Result, folder: Path) -> None:
    config = json.loads((folder / "local.json").read_text())["config"]
    path = folder / "own.json"
    path.write_text(json.dumps(config))
    before = (folder / "local.json").read_text()
    refused(run_any("deploy", "--account", "TEST::1", "--config", str(path)), "can't be among treasurer")
    assert deployed.exit_code == 0
    assert (folder / "local.json").read_text() == before


def test_deploy__broken_configuration__names_the_field(run_any: Run, folder: Path) -> None:
    path = folder / "broken.json"
    path.write_text('{"threshold": 5}')
    refused(run_any("deploy", "--account", "TEST::0", "--config", str(path)), "broken.json: proposers: Field required")


# -------------------------------------------------------------------- the fund


def test_faucet__whole_tokens__minted_exactly(run: Run) -> None:
    shown = figures(run("faucet", "12.5", "--account", "TEST::9", "--to", "TEST::10", "--json"))
    assert shown["minted"] == "12.5"
    assert shown["balance"] == "12.5"
    assert figures(run("faucet", "7", "--account", "TEST::10", "--raw", "--json"))["balance"] == str(12_500_007)


def test_faucet__above_its_bound__refused(run: Run) -> None:
    refused(run("faucet", "1000000001", "--account", "TEST::9"), "usdt: above faucet bound")


@pytest.mark.usefixtures("kit")
@pytest.mark.parametrize("permit", [(), ("--permit",)])
def test_contribute__approved_or_by_permit__in_the_reserve(run: Run, permit: tuple[str, ...]) -> None:
    shown = figures(run("contribute", "250.000001", *permit, "--account", "TEST::8", "--json"))
    assert shown["reserve"] == shown["contributed"] == "250.000001"
    assert shown["room"] == "999749.999999"


def test_contribute__too_many_decimals__usage_error(run: Run) -> None:
    refused(run("contribute", "1.0000001", "--account", "TEST::10"), "too many decimals: at most 6", code=2)


@pytest.mark.parametrize("amount", ["1,5", "-3", "1e6", "0", "ten", str(2**112)])
def test_contribute__not_an_amount__usage_error(run: Run, amount: str) -> None:
    assert run("contribute", "--account", "TEST::10", "--", amount).exit_code == 2


def test_contribute__too_few_tokens__says_how_to_get_some(run: Run) -> None:
    refused(
        run("contribute", "5", "--account", "TEST::11"), "holds 0 KanaUSDT, 5 KanaUSDT are needed: 'ape run faucet'"
    )


def test_status__as_table_and_json__the_same_figures(run: Run) -> None:
    shown = figures(run("status", "--json"))
    assert shown["fund"]["threshold"] == "1000000"
    assert shown["fund"]["liquidator_share"] == "30"
    assert [market["max_insurance"] for market in shown["markets"]] == ["50000", "50000"]
    assert figures(run("status", "--json", "--raw"))["fund"]["threshold"] == str(10**12)
    table = run("status")
    assert table.exit_code == 0
    assert "1,000,000 KanaUSDT" in table.output


def test_withdraw_excess__above_the_threshold__to_the_treasury(run: Run, kit: Kit) -> None:
    kit.contribute(kit.actors.contributor, 1_000_100 * U)
    shown = figures(run("withdraw_excess", "40", "--account", "TEST::1", "--json"))
    assert (shown["amount"], shown["excess"], shown["reserve"]) == ("40", "60", "1000060")
    assert figures(run("withdraw_excess", "--account", "TEST::1", "--json"))["excess"] == "0"


def test_withdraw_excess__refused__in_words(run: Run) -> None:
    refused(run("withdraw_excess", "--account", "TEST::1"), "refused: fund: below threshold - nothing is excess")
    refused(run("withdraw_excess", "1", "--account", "TEST::11"), "refused: fund: not treasurer")


# --------------------------------------------------------------------- trading


@pytest.mark.usefixtures("kit")
def test_open__two_accounts__both_positions_and_margins(run: Run) -> None:
    shown = figures(
        run("open", "long", "10", "--account", "TEST::6", "--maker", "TEST::7", "--leverage", "5", "--json")
    )
    assert (shown["price"], shown["size"]) == ("100", "10")
    # 1,000 / 5 and the taker's fee of 0.5 move in; the taker pays 0.5, the maker 0.2.
    assert (shown["taker"]["size"], shown["taker"]["equity"]) == ("10", "200")
    assert (shown["maker"]["size"], shown["maker"]["equity"]) == ("-10", "200.3")
    assert shown["taker"]["state"] == shown["maker"]["state"] == "healthy"


@pytest.mark.usefixtures("kit")
def test_open__named_margins_and_price__taken(run: Run) -> None:
    amounts = ("--price", "101", "--margin", "300", "--maker-margin", "400")
    shown = figures(run("open", "short", "2", "--account", "TEST::6", "--maker", "TEST::7", *amounts, "--json"))
    assert shown["size"] == "-2"
    assert shown["taker"]["balance"] == "501.899"  # 300 + 202 - 0.101
    assert shown["maker"]["balance"] == "197.9596"  # 400 - 202 - 0.0404


@pytest.mark.usefixtures("kit")
def test_open__refused__in_words(run: Run) -> None:
    base = ("open", "long", "10", "--account", "TEST::6", "--maker", "TEST::7")
    refused(run(*base, "--price", "120"), "house: outside fill band - name a --price closer to the mark")
    refused(run(*base, "--margin", "10"), "house: below initial margin")
    refused(run(*base, "--market", "9"), "there is no market 9: ids run from 0 to 1")
    refused(run("open", "up", "10", "--account", "TEST::6", "--maker", "TEST::7"), "Invalid value", code=2)
    refused(run("open", "long", "10", "--account", "TEST::6", "--maker", "TEST::6"), "two different accounts")


@pytest.mark.usefixtures("opened")
def test_close__whole_position__flat_and_paid_out(run: Run) -> None:
    shown = figures(run("close", "--account", "TEST::6", "--maker", "TEST::7", "--json"))
    assert shown["size"] == "-10"
    assert shown["taker"]["state"] == "flat"
    assert shown["maker"]["state"] == "flat"


@pytest.mark.usefixtures("opened")
def test_close__a_part__the_rest_stays(run: Run) -> None:
    shown = figures(run("close", "--account", "TEST::6", "--maker", "TEST::7", "--size", "4", "--json"))
    assert shown["taker"]["size"] == "6"


def test_close__no_position__refused(run: Run) -> None:
    refused(run("close", "--account", "TEST::6", "--maker", "TEST::7"), "has no position in market 0")


def test_set_price__new_price__is_the_mark(run: Run) -> None:
    shown = figures(run("set_price", "85.5", "--account", "TEST::9", "--json"))
    assert (shown["before"], shown["mark"]) == ("100", "85.5")


def test_set_price__more_decimals_than_the_feed__refused(run: Run) -> None:
    refused(run("set_price", "85.000000001", "--account", "TEST::9"), "the aggregator holds 8 decimals only")
    refused(run("set_price", "0", "--account", "TEST::9"), "must be above 0", code=2)


# --------------------------------------------------------------------- keepers


def test_liquidate__below_maintenance__split_and_taken_over(run: Run, opened: Kit) -> None:
    opened.set_price(92 * COIN)
    shown = figures(run("liquidate", "TEST::6", "--account", "TEST::8", "--json"))
    # Equity 1000/9 + 0.5 - 0.5 fee - 80 = 31.111112: the fund gets a fifth.
    assert shown["reserve_change"] == "6.222222"
    assert shown["taken_over"] == "10"
    assert shown["trader"]["state"] == "flat"
    assert shown["liquidator"]["size"] == "10"


@pytest.mark.usefixtures("opened")
def test_liquidate__healthy_position__refused(run: Run) -> None:
    refused(
        run("liquidate", "TEST::6", "--account", "TEST::8"), "house: not liquidatable - the position is at or above"
    )
    refused(run("liquidate", "TEST::9", "--account", "TEST::8"), "house: no position")


def test_deleverage__insolvent__flagged_then_closed_against_the_other_side(run: Run, opened: Kit) -> None:
    opened.set_price(80 * COIN)
    first = figures(run("deleverage", "TEST::6", "--account", "TEST::9", "--json"))
    assert first["state"] == "flagged"
    assert 0 < int(first["seconds_to_wait"]) <= 600
    again = figures(run("deleverage", "TEST::6", "--account", "TEST::9", "--json"))
    assert again["state"] == "flagged"
    done = figures(run("deleverage", "TEST::6", "--account", "TEST::9", "--skip-grace", "--json"))
    assert (done["state"], done["closed"], done["paid_by_fund"]) == ("closed", "10", "0")
    assert [entry["size"] for entry in done["counterparties"]] == ["0"]


def test_deleverage__little_reserve_and_stakers__both_paid(run: Run, opened: Kit) -> None:
    opened.stake(opened.actors.liquidator, 1_000 * U)
    opened.contribute(opened.actors.liquidator, 10 * U)
    opened.set_price(80 * COIN)
    run("deleverage", "TEST::6", "--account", "TEST::9", "--json")
    done = figures(run("deleverage", "TEST::6", "--account", "TEST::9", "--skip-grace", "--json"))
    # Equity as above, at 80.
    assert (done["paid_by_fund"], done["of_it_by_layers"]) == ("88.888888", "78.888888")


@pytest.mark.usefixtures("opened")
def test_deleverage__solvent__refused(run: Run) -> None:
    refused(run("deleverage", "TEST::6", "--account", "TEST::9"), "house: not insolvent")


@pytest.mark.usefixtures("opened")
def test_positions__everyone_or_named__as_the_chain_has_them(run: Run) -> None:
    shown = figures(run("positions", "--json"))
    assert sorted(entry["size"] for entry in shown) == ["-10", "10"]
    assert [entry["size"] for entry in figures(run("positions", "TEST::7", "--market", "0", "--json"))] == ["-10"]
    assert figures(run("positions", "--market", "1", "--json")) == []
    assert "liquidation price" in run("positions").output


def test_positions__unknown_account__usage_error(run: Run) -> None:
    refused(run("positions", "nobody"), "nobody", code=2)


def test_positions__stale_price__shown_without_figures(run: Run, opened: Kit) -> None:
    opened.travel(3_700, refresh=False)
    assert {entry["state"] for entry in figures(run("positions", "--json"))} == {"no good price"}
    refused(run("close", "--account", "TEST::6", "--maker", "TEST::7"), "feed: stale price - publish a fresh price")


# ------------------------------------------------------ nodes, records, options


def test_any_script__no_record__says_how_to_get_one(run_any: Run, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("KANA_DEPLOYMENTS", str(tmp_path))
    refused(run_any("status"), "run 'ape run deploy' on it first")


def test_any_script__record_of_another_node__says_so(run_any: Run, deployed: Result) -> None:
    assert deployed.exit_code == 0
    with Anvil() as other:
        refused(run_any("status", network=other.url), "a local chain forgets everything".capitalize())


def test_any_script__broken_record__says_so(run_any: Run, folder: Path) -> None:
    path = folder / "odd.json"
    path.write_text("{}")
    refused(run_any("status", "--record", str(path)), "odd.json is no deployment record")


@pytest.mark.parametrize("script", sorted(p.stem for p in SCRIPTS.glob("*.py") if p.stem != "replay"))
def test_help__every_script__example_and_options(script: str) -> None:
    command = load(script)
    parts = [[name] for name in command.commands] if isinstance(command, click.Group) else [[]]
    for part in parts:
        result = CliRunner().invoke(command, [*part, "--help"])
        assert result.exit_code == 0
        assert " ".join(["  ape run", script, *part]) in result.output
        assert "--network" in result.output
        assert "--json" in result.output


def ape_run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Start ``ape run`` as people do."""
    command = ["ape", "run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ, check=False, timeout=120)


def test_ape_run__status__prints_json_alone(run: Run, node: Anvil) -> None:
    assert run is not None
    done = ape_run("status", "--json", "--network", node.url)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fund"]["threshold"] == "1000000"


def test_ape_run__refused_by_the_chain__one_line_and_exit_code_1(run: Run, node: Anvil) -> None:
    assert run is not None
    done = ape_run("withdraw_excess", "1", "--account", "TEST::1", "--network", node.url)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("error: refused: fund: below threshold")
    assert "Traceback" not in done.stderr


def test_ape_run__no_node__one_line_and_exit_code_1() -> None:
    done = ape_run("status", "--network", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: no node answers")
    assert "Traceback" not in done.stderr


def test_ape_run__missing_option__exit_code_2() -> None:
    done = ape_run("contribute", "5")
    assert done.returncode == 2
    assert "Missing option '--account'" in done.stderr
