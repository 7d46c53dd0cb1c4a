"""`ape run audit`: silent on sound deployments, and each planted fault found (see ``faults.py``)."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from kana_insurance.anvil import Anvil
from kana_insurance.audit import AREAS, Report, audit
from kana_insurance.audit.code import source
from kana_insurance.audit.findings import Checks
from kana_insurance.audit.site import Site
from kana_insurance.backends import address_of
from kana_insurance.backends.rpc import NodeError, RpcBackend
from kana_insurance.client import Refusal
from kana_insurance.config import FundConfig, MarketConfig, StakersConfig
from kana_insurance.deployment import LOCAL_STAKERS, ROLES
from kana_insurance.kit import COIN, DAY, Kit, U, deploy_kit
from kana_insurance.values import FaucetConfig
from tests.scenario.faults import FAULTS, Fault, node_of, put_code, second_guardian, stale_feed
from tests.scenario.running import Run, refused
from tests.utils.funds import merge

CAPS = {"open_interest_cap": 1_000_000 * COIN, "position_cap": 500_000 * COIN}


def is_silent(report: Report) -> bool:
    """Whether an audit found nothing; what it found is shown otherwise."""
    assert [asdict(finding) for finding in report.checks.findings] == []
    assert all(report.checks.counts[area] > 0 for area in AREAS)
    return True


# ----------------------------------------------------------------------- sound


def test_audit__default_deployment__silent(run: Run) -> None:
    result = run("audit", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert (shown["result"], shown["findings"], shown["balances"]) == ("sound", [], [])
    assert [row["area"] for row in shown["areas"]] == list(AREAS)
    assert sum(int(row["checks"]) for row in shown["areas"]) > 200
    table = run("audit", "--strict")
    assert table.exit_code == 0
    assert table.stdout.splitlines()[-1].startswith("sound: local at block ")


def test_audit__powers__from_the_chain(run: Run, kit: Kit) -> None:
    powers = json.loads(run("audit", "--json").stdout)["powers"]
    rows = {(row["who"], tuple(row["contracts"])): row for row in powers}
    treasurer = rows["treasurer", ("fund",)]
    assert (treasurer["holders"], treasurer["may"]) == ([kit.actors.treasurer.address], ["withdraw_excess"])
    assert rows["governance", ("fund",)]["holders"] == [f"timelock {kit.timelock.address}"]
    assert "set_threshold" in rows["governance", ("fund",)]["may"]
    assert rows["governance", ("fund",)]["after"] == "2 days; a notice for more"
    assert rows["governance", ("underwriter",)]["after"] == "2 days; a notice for more"
    assert rows["governance", ("lending",)]["after"] == "2 days"
    assert rows["executor", ("timelock",)]["holders"] == [kit.actors.proposer.address]
    venues = [f"house {kit.house.address}", f"pool {kit.pool.address}"]
    assert rows["venue", ("fund",)]["holders"] == venues
    assert rows["lending", ("pool",)]["holders"] == [f"lending {kit.lending.address}"]
    assert rows["deployer", ()] == {
        "who": "deployer",
        "holders": [kit.actors.deployer.address],
        "contracts": [],
        "may": ["nothing"],
        "after": "",
    }


def test_audit__worked_deployment__books_add_up(kit: Kit) -> None:
    """Contributions, stakes, exits pending and claimed in part, trades, fees, a liquidation, a slash."""
    actors = kit.actors
    kit.contribute(actors.contributor, 500 * U)
    kit.stake(actors.liquidator, 3_000 * U)
    kit.stake(actors.keeper, 1_001 * U)
    kit.backstop.requestRedeem(
        kit.backstop.balanceOf(actors.liquidator) // 3, actors.liquidator, actors.liquidator, sender=actors.liquidator
    )
    kit.open_position(actors.trader, actors.counterparty, 40 * COIN, margin=(450 * U, 4_000 * U))
    assert is_silent(audit(kit.system))
    kit.house.collect_fees(0, sender=actors.keeper)
    kit.travel(DAY)
    kit.set_price(60 * COIN)
    kit.house.flag(0, actors.trader, sender=actors.keeper)
    kit.travel(601)
    kit.house.deleverage(0, actors.trader, [actors.counterparty], sender=actors.keeper)
    assert kit.fund.reserve() == 0
    assert is_silent(audit(kit.system))
    kit.travel(15 * DAY)
    assert is_silent(audit(kit.system))
    kit.backstop.withdraw(100 * U, actors.liquidator, actors.liquidator, sender=actors.liquidator)
    report = audit(kit.system)
    assert is_silent(report)
    balances = {one.part: one for one in report.balances}
    assert balances["backstop"].held == kit.asset.balanceOf(kit.backstop) > 0
    assert balances["house"].booked == kit.asset.balanceOf(kit.house) > 0


def test_audit__isolated_funds_reinsurance_other_assets__silent(kit: Kit) -> None:
    """M16, M17, M23: every part of a deployment of several funds is audited."""
    markets = [
        MarketConfig(name="COIN / USD", price=100 * COIN, max_insurance=50 * U, **CAPS),
        MarketConfig(name="DOGE / USD", price=COIN, max_insurance=5 * U, isolated=True, threshold=9 * U, **CAPS),
    ]
    other = FundConfig(
        asset=FaucetConfig(name="Kana BTC", symbol="KBTC", decimals=8),
        threshold=10**8,
        stakers=StakersConfig(name="BTC Backstop", symbol="BTCB", limit=10**8),
        markets=[MarketConfig(name="ETH / BTC", price=COIN // 20, **CAPS)],
    )
    wide = deploy_kit(
        kit.backend,
        kit.actors,
        stakers=LOCAL_STAKERS,
        reinsurance=StakersConfig(name="Reinsurance", symbol="REINS", limit=7 * U, window_cap=5 * U, premium_bps=500),
        window_cap=900 * U,
        markets=markets,
        others=[other],
    )
    report = audit(wide.system)
    assert is_silent(report)
    parts = {part for power in report.powers for part in power.parts}
    assert {"KanaUSDT fund of DOGE / USD", "KanaUSDT reinsurance underwriter", "KBTC backstop", "KBTC house"} <= parts


def test_audit__merged_fund__noted(kit: Kit) -> None:
    """M18: a merger isn't a fault; the market is followed to the successor."""
    markets = [
        MarketConfig(name="COIN / USD", **CAPS),
        MarketConfig(name="DOGE / USD", isolated=True, threshold=9 * U, **CAPS),
    ]
    wide = deploy_kit(kit.backend, kit.actors, markets=markets)
    wide.contribute(kit.actors.contributor, 5 * U)
    old = wide.isolated[1]
    merge(wide, old, wide.fund, [1])
    (finding,) = audit(wide.system).off
    assert (finding.area, finding.part) == ("wiring", "DOGE / USD")
    assert finding.what.startswith("its fund at the registry is ")
    wide.registry.replace_fund(1, wide.fund, sender=wide.governance)
    report = audit(wide.system)
    assert report.off == []
    assert [(note.part, note.what) for note in report.notes] == [("fund of DOGE / USD", "it was merged into fund")]
    wide.asset.approve(address_of(old), 1, sender=wide.impersonate(wide.house))
    (finding,) = audit(wide.system).off
    assert finding.what == "it allows fund of DOGE / USD 0.000001 KanaUSDT, must allow nothing"


def test_audit__fund_for_venues_of_ones_own__silent(kit: Kit) -> None:
    venue = address_of(kit.backend.deploy("Caller", sender=kit.actors.deployer))
    registrations: list[dict[str, Any]] = [
        {"venue": venue, "market_id": 0, "max_insurance": 50 * U},
        {"venue": venue, "market_id": 2, "is_perp": False},
    ]
    alone = deploy_kit(kit.backend, kit.actors, venue=False, registrations=registrations)
    report = audit(alone.system)
    assert [asdict(finding) for finding in report.checks.findings] == []
    assert [power.holders for power in report.powers if power.who == "venue"] == [(venue,)]


# ---------------------------------------------------------------------- faults


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_audit__planted_fault__found(kit: Kit, fault: Fault) -> None:
    """The finding names area, contract and fact; nothing is said in areas that the fault doesn't touch."""
    other = fault.plant(kit)
    report = audit(other or kit.system)
    people = ("outsider", "deployer", "treasurer", "treasury")
    words = fault.words.format(**{name: address_of(getattr(kit.actors, name)) for name in people})
    shown = [f"{finding.area}: {finding.part}: {finding.what}" for finding in report.off]
    found = [
        finding
        for finding in report.off
        if finding.area == fault.area and finding.part.startswith(fault.part) and words in finding.what
    ]
    assert len(found) == 1, shown
    assert {finding.area for finding in report.off} == {fault.area, *fault.also}, shown


def test_audit__any_contract_replaced__found_and_all_others_checked(kit: Kit) -> None:
    """Whatever one contract answers, the audit comes to its end and names it."""
    parts = Site(kit.system, Checks()).parts()
    assert len(parts) == 16
    for part in parts:
        snapshot = node_of(kit).rpc("evm_snapshot")
        put_code(kit, part, source("Caller").runtime)
        report = audit(kit.system)
        said = [finding.what for finding in report.off if (finding.area, finding.part) == ("code", part.name)]
        assert said
        assert said[0].startswith(f"the code at {part.address} is not {part.contract} of this source"), said
        node_of(kit).rpc("evm_revert", snapshot)


def test_audit__planted_faults__one_at_least_in_every_area() -> None:
    assert {fault.area for fault in FAULTS} == set(AREAS)
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) > 12


def test_audit__sequencer__down_and_missing(kit: Kit) -> None:
    """M30: where a sequencer is watched, its outage is found."""
    sequencer = kit.backend.deploy("MockAggregator", 0, "sequencer", 0, sender=kit.actors.deployer)
    market = MarketConfig(name="COIN / USD", sequencer=address_of(sequencer), **CAPS)
    kit.travel(2 * 3_600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kana_insurance.audit.feeds.SEQUENCED", frozenset({31337}))
        said = [finding.what for finding in audit(kit.system).off]
        assert said == ["chain 31337 has a sequencer, and the feed heeds none"] * 4
        watched = deploy_kit(kit.backend, kit.actors, markets=[market.model_copy(update={"max_age": 10**6})])
        assert [finding.what for finding in audit(watched.system).off] == []
    sequencer.push(1, sender=kit.actors.keeper)
    (finding,) = audit(watched.system).off
    assert (finding.area, finding.what.split(",")[0]) == ("feeds", "it gives no price: feed: sequencer down")


# ------------------------------------------------------------------- as a user


def test_audit__something_off__red_lines_and_exit_code_1(run: Run, kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    stale_feed(kit)
    line = "off   feeds: feed of COIN / USD: it gives no price: feed: stale price"
    result = run("audit")
    refused(result, line)
    assert result.stdout.splitlines()[-1].startswith("off: local at block ")
    result = run("audit", "--json")
    assert (result.exit_code, json.loads(result.stdout)["result"]) == (1, "off")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert f"\x1b[1;31m{line}" in run("audit").stdout


def test_audit__stray_tokens_and_new_parameters__noted(run: Run, kit: Kit) -> None:
    """Neither is a fault: anyone can send tokens, and governance may set parameters; `--strict` fails for them."""
    kit.mint(kit.fund, 5)
    kit.mint(kit.gateway, 7 * U)
    kit.fund.set_threshold(2_000_000 * U, sender=kit.governance)
    kit.fund.set_max_insurance(address_of(kit.house), 1, 40_000 * U, sender=kit.governance)
    result = run("audit", "--json")
    assert result.exit_code == 0, result.output
    said = [(row["level"], row["area"], row["part"], row["what"]) for row in json.loads(result.stdout)["findings"]]
    assert said == [
        ("note", "parameters", "fund", "threshold is 2000000000000, was deployed with 1000000000000"),
        ("note", "parameters", "ETH / USD", "max_insurance is 40000000000, was deployed with 50000000000"),
        ("note", "balances", "fund", "it holds 0.000005 KanaUSDT that no book accounts for"),
        ("note", "balances", "gateway", "it holds 7 KanaUSDT that no book accounts for"),
    ]
    refused(run("audit", "--strict"), "note  balances: fund: it holds 0.000005 KanaUSDT")


@pytest.mark.usefixtures("kit")
def test_audit__fund_created_since__audited_too(run: Run, kit: Kit) -> None:
    """A fund that governance added is no fault once it is finished, and is checked like others."""
    new = ("--threshold", "5000", "--salt", "DOGE / USD", "--isolated", "--stakers", "300", "--travel")
    made = run("create_fund", *new, "--account", "TEST::3", "--json")
    assert made.exit_code == 0, made.output
    fund = json.loads(made.stdout)["fund"]
    kit.refresh_prices()
    shown = json.loads(run("audit", "--json").stdout)
    assert (shown["result"], [row["part"] for row in shown["findings"]]) == ("sound", [f"fund {fund}"])
    made = kit.backend.at("InsuranceFund", fund)
    made.grantRole(ROLES["GUARDIAN"], kit.actors.outsider, sender=kit.governance)
    assert [finding.part for finding in audit(kit.system).off] == [f"fund {fund}"]


@pytest.mark.usefixtures("deployed")
def test_audit__record_of_another_node__refused(run_any: Run, folder: Path) -> None:
    record = json.loads((folder / "local.json").read_text())
    record["addresses"]["house"] = "0x" + "11" * 20
    path = folder / "other.json"
    path.write_text(json.dumps(record))
    refused(run_any("audit", "--record", str(path)), "there is no house at 0x1111")


def test_audit__public_chain__events_from_the_first_block(kit: Kit) -> None:
    """Elsewhere than on local chains the first block with code is looked for; it is the timelock's."""
    with Anvil(arguments=("--accounts", "20", "--chain-id", "11155111")) as node:
        backend = RpcBackend(node.url)
        backend.rpc("anvil_mine", "0x40")
        remote = deploy_kit(backend, kit.actors, stakers=LOCAL_STAKERS)
        assert Site(remote.system, Checks()).from_block == 0x40 + 1
        assert is_silent(audit(remote.system))


def test_audit__node_without_old_states__asks_for_the_first_block(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    read = RpcBackend.code

    def code(self: RpcBackend, address: str, block: int | None = None) -> bytes:
        if block is not None:
            raise NodeError("eth_getCode: missing trie node")
        return read(self, address, None)

    monkeypatch.setattr(RpcBackend, "code", code)
    monkeypatch.setattr("kana_insurance.audit.site.LOCAL_CHAINS", frozenset())
    with pytest.raises(Refusal, match=r"no old states \(eth_getCode: missing trie node\): name --from-block"):
        audit(kit.system)
    assert is_silent(audit(kit.system, from_block=0))


def test_audit__node_without_events__says_what_it_could_not_see(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs no events is still checked, a stranger in a role too; the rest is noted."""
    second_guardian(kit)

    def refuse(*_: object) -> None:
        raise NodeError("eth_getLogs: query returned more than 10000 results")

    monkeypatch.setattr(RpcBackend, "logs", refuse)
    monkeypatch.setattr(RpcBackend, "events", refuse)
    report = audit(kit.system)
    (finding,) = report.off
    assert finding.what.startswith("GUARDIAN has 2 members, 1 of them in the record; who, the node's events don't say")
    assert {note.area for note in report.notes} == {"allowances", "balances"}
    assert all("query returned more than 10000 results" in note.what for note in report.notes)


def test_audit__node_gone__no_finding(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that doesn't answer says nothing about a deployment."""

    def refuse(*_: object) -> None:
        raise NodeError("no node answers at http://127.0.0.1:1: refused")

    monkeypatch.setattr(RpcBackend, "eth_calls", refuse)
    with pytest.raises(NodeError, match="no node answers"):
        audit(kit.system)
