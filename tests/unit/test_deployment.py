"""Deployment: what is wired, what the deployer keeps (nothing), what is refused, what is recorded (M9, M36, T39)."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kana_insurance import reader
from kana_insurance.amounts import WAD
from kana_insurance.backends import CONTRACTS, ROOT, ZERO, address_of, reach_tools
from kana_insurance.cli import HINTS
from kana_insurance.deployment import (
    LOCAL_STAKERS,
    ROLES,
    DeploymentConfig,
    DeploymentError,
    DeploymentRecord,
    FaucetConfig,
    FundConfig,
    MarketConfig,
    StakersConfig,
    attach,
    check,
    deploy,
    network_name,
    read_config,
    read_record,
    record_path,
)
from kana_insurance.testing import COIN, DAY, Actors, Kit, U, reverts_with

CAPS = {"open_interest_cap": 1_000 * WAD, "position_cap": 100 * WAD}


def test_deploy__local_configuration__whole_system_as_configured(kana: Kit, actors: Actors) -> None:
    fund, house, registry = kana.fund, kana.house, kana.registry
    assert fund.asset() == house.asset() == kana.asset.address
    assert fund.governance() == registry.governance() == kana.timelock.address
    assert fund.treasury() == actors.treasury.address
    assert fund.threshold() == 1_000_000 * U
    assert tuple(fund.split_bps()) == (3_000, 2_000)
    assert registry.fee_recipient() == actors.fee_recipient.address
    assert registry.house() == house.address
    assert kana.gateway.registry() == house.registry() == registry.address
    assert house.gateway() == kana.gateway.address
    assert kana.timelock.MIN_DELAY_FLOOR() == kana.timelock.get_minimum_delay() == 2 * DAY
    for number, price in enumerate((100 * WAD, 2_000 * WAD)):
        assert registry.mark(number) == price
        assert fund.market(house.address, number).max_insurance == 50_000 * U
        assert kana.asset.allowance(house.address, fund.address) == 2**256 - 1


def test_deploy__afterwards__deployer_holds_no_role(kana: Kit, deployer: Any, outsider: Any) -> None:
    """M9, M36, T39: every role of every governed contract is read."""
    for contract in (kana.fund, kana.registry):
        for role, word in ROLES.items():
            assert not contract.hasRole(word, deployer.address), role
            assert not contract.hasRole(word, outsider.address), role
    for role in ("PROPOSER_ROLE", "EXECUTOR_ROLE", "CANCELLER_ROLE", "DEFAULT_ADMIN_ROLE"):
        assert not kana.timelock.hasRole(getattr(kana.timelock, role)(), deployer.address)
    with reverts_with("fund: setup finished"):
        kana.fund.finish_setup(sender=deployer)
    with reverts_with("fund: not governance"):
        kana.fund.set_threshold(1, sender=deployer)
    with reverts_with("registry: not governance"):
        kana.registry.set_grace(0, 60, sender=deployer)


@pytest.mark.parametrize("role", ["treasurer", "guardian", "treasury", "fee_recipient", "proposers", "executors"])
def test_deploy__deployer_named_in_a_role__refused(backend: Any, actors: Actors, role: str) -> None:
    me = actors.deployer.address
    config = actors.config(**{role: [me] if role in ("proposers", "executors") else me})
    with pytest.raises(DeploymentError, match="it keeps no role"):
        deploy(config, backend, actors.deployer)


def test_deploy__fund_alone__markets_of_the_own_venue_registered(standalone: Kit) -> None:
    assert standalone.house is None
    venue = standalone.venue.address
    assert standalone.fund.market(venue, 0).max_insurance == 50_000 * U
    assert not standalone.fund.market(venue, 2).is_perp
    assert standalone.fund.payouts_resume_at() == 0


def test_deploy__window_and_other_terms__set_before_the_setup_ends(deploy_fund: Any) -> None:
    kit = deploy_fund(window_cap=7 * U, window=2 * DAY, threshold=5 * U, liquidator_bps=1_000, fund_bps=500)
    assert (kit.fund.window().cap, kit.fund.window().length) == (7 * U, 2 * DAY)
    assert (kit.fund.threshold(), tuple(kit.fund.split_bps())) == (5 * U, (1_000, 500))


def test_deploy__market_parameters__as_configured(deploy_system: Any) -> None:
    market = MarketConfig(
        name="X / USD",
        price=7 * WAD,
        feed_decimals=18,
        max_age=60,
        initial_margin_bps=500,
        maintenance_margin_bps=250,
        fill_band_bps=200,
        grace=120,
        min_notional=3 * U,
        **CAPS,
    )
    kit = deploy_system(markets=[market])
    params = kit.registry.params(0)
    assert kit.registry.next_market_id() == 1
    assert (params.initial_margin_bps, params.maintenance_margin_bps, params.fill_band_bps) == (500, 250, 200)
    assert (params.grace, params.min_notional, params.position_cap) == (120, 3 * U, 100 * WAD)
    assert (kit.mark(), kit.feeds[0].max_age(), kit.feeds[0].decimals()) == (7 * WAD, 60, 18)
    assert kit.fund.market(kit.house.address, 0).max_insurance == 0


def test_deploy__isolated_market__fund_of_its_own(deploy_system: Any) -> None:
    """M17: with the shared fund's roles and shares, a threshold of its own, nothing of the shared fund's markets."""
    markets = [
        MarketConfig(name="A / USD", max_insurance=7 * U, **CAPS),
        MarketConfig(name="B / USD", isolated=True, threshold=9 * U, max_insurance=3 * U, **CAPS),
    ]
    kit = deploy_system(markets=markets)
    own, house = kit.isolated[1], kit.house.address
    assert (kit.registry.fund_of(0), kit.registry.fund_of(1)) == (kit.fund.address, own.address)
    assert (own.threshold(), own.market(house, 1).max_insurance, own.setup_finished()) == (9 * U, 3 * U, True)
    assert not own.market(house, 0).registered
    assert not kit.fund.market(house, 1).registered
    assert [tuple(entry) for entry in kit.factory.funds(0, 9)] == [
        (kit.fund.address, False, 1, ZERO),
        (own.address, True, 1, ZERO),
    ]
    assert kit.asset.allowance(house, own) == 2**256 - 1
    assert attach(kit.backend, kit.system.record).isolated[1].address == own.address


def test_deploy__other_assets__each_with_fund_and_venue(deploy_system: Any) -> None:
    """M16: one timelock, board, factory and lens for all."""
    market = MarketConfig(name="A / BTC", **CAPS)
    btc = FaucetConfig(name="Kana BTC", symbol="KBTC", decimals=8)
    kit = deploy_system(others=[FundConfig(asset=btc, threshold=5 * 10**8, markets=[market])])
    other = kit.of(0)
    assert (other.asset.decimals(), other.fund.threshold(), other.fund.asset()) == (8, 5 * 10**8, other.asset.address)
    for part in ("timelock", "notices", "factory", "lens"):
        assert getattr(kit.system, part).address == getattr(other.system, part).address
    assert kit.factory.shared_fund(other.asset) == other.fund.address
    assert (other.house.asset(), other.registry.fund_of(0)) == (other.asset.address, other.fund.address)
    assert other.house.quote_scale() == 10**28
    record = kit.system.record
    assert DeploymentRecord.model_validate_json(record.model_dump_json()) == record
    assert attach(kit.backend, record).others[0].fund.address == other.fund.address


def fund_arguments(kit: Kit) -> list[Any]:
    """Constructor arguments of a fund like the kit's, but of no factory."""
    actors = kit.actors
    roles = (kit.timelock, actors.treasurer, actors.guardian, actors.deployer, actors.treasury)
    return [*map(address_of, (kit.asset, kit.notices)), ZERO, *map(address_of, roles), 1_000_000 * U, 3_000, 2_000]


def test_check__fund_that_isnt_the_factorys__refused(kana: Kit, deploy_system: Any) -> None:
    other = deploy_system().system
    wrong = {"fund": "isn't governed by the timelock", "factory": "factory isn't governed", "notices": "another notice"}
    for part, words in wrong.items():
        with pytest.raises(DeploymentError, match=words):
            check(replace(kana.system, **{part: getattr(other, part)}))
    fund = kana.backend.deploy("InsuranceFund", *fund_arguments(kana), sender=kana.actors.outsider)
    fund.finish_setup(sender=kana.actors.deployer)
    with pytest.raises(DeploymentError, match="another shared fund"):
        check(replace(kana.system, fund=fund))


def test_deploy__real_asset_without_code__refused(backend: Any, actors: Actors, outsider: Any) -> None:
    with pytest.raises(DeploymentError, match="there is no token at"):
        deploy(actors.config(asset=outsider.address), backend, actors.deployer)


class PublicChain:
    """A backend that says it is a public chain and must not be deployed to."""

    def chain_id(self) -> int:
        return 1


@pytest.mark.parametrize(("asset", "words"), [("KanaUSDT", "name a real token"), ("0x" + "11" * 20, "'aggregator'")])
def test_deploy__test_parts_on_a_public_chain__refused(actors: Actors, asset: str, words: str) -> None:
    with pytest.raises(DeploymentError, match=words):
        deploy(actors.config(asset=asset), PublicChain(), actors.deployer)  # type: ignore[arg-type]


def test_deploy__staked_layer__wired_and_open(deploy_system: Any, actors: Actors) -> None:
    stakers = StakersConfig(
        name="Staked USDT",
        symbol="sUSDT",
        cooldown_days=9,
        stream_length=3 * DAY,
        min_staked=7 * U,
        limit=400 * U,
        window_cap=50 * U,
        window=2 * DAY,
        premium_bps=250,
    )
    kit = deploy_system(stakers=stakers, staker_bps=4_000)
    fund, underwriter, backstop = kit.fund, kit.underwriter, kit.backstop
    layers = fund.layers()
    assert (layers.staked, layers.reinsurance, layers.staker_bps) == (underwriter.address, ZERO, 4_000)
    assert (underwriter.backstop(), backstop.underwriter()) == (backstop.address, underwriter.address)
    assert fund.asset() == underwriter.asset() == backstop.asset() == kit.asset.address
    assert underwriter.governance() == kit.timelock.address
    assert (backstop.name(), backstop.symbol(), backstop.cooldown_days()) == ("Staked USDT", "sUSDT", 9)
    assert (backstop.stream().length, backstop.stream().min_staked) == (3 * DAY, 7 * U)
    terms = underwriter.terms(fund)
    assert (terms.registered, terms.limit, terms.premium_bps) == (True, 400 * U, 250)
    assert (terms.window_cap, terms.window_length) == (50 * U, 2 * DAY)
    kit.stake(actors.contributor, 30 * U)
    assert backstop.totalAssets() == 30 * U
    assert underwriter.capacity(fund) == 29 * U
    assert kit.system.record.addresses["backstop"] == backstop.address
    assert set(kit.system.record.constructor_args) >= {"underwriter", "backstop"}


def test_deploy__reinsurance_too__asked_after_the_stakers(deploy_fund: Any, actors: Actors) -> None:
    kit = deploy_fund(stakers=LOCAL_STAKERS, reinsurance=StakersConfig(limit=500 * U, min_staked=0))
    first, second = kit.system.layers
    assert (first.name, second.name) == ("stakers", "reinsurance")
    layers = kit.fund.layers()
    assert (layers.staked, layers.reinsurance) == (first.underwriter.address, second.underwriter.address)
    kit.stake(actors.contributor, 31 * U)
    kit.stake(actors.contributor, 41 * U, second.backstop)
    kit.contribute(actors.contributor, 20 * U)
    assert kit.fund.coverage(kit.venue, 0) == (20 + 30 + 40) * U
    assert kit.fund.cover_shortfall(0, 60 * U, sender=kit.venue).return_value == 60 * U
    assert (kit.fund.reserve(), first.backstop.totalAssets(), second.backstop.totalAssets()) == (0, U, 31 * U)


def test_deploy__without_stakers__no_layer(kana: Kit) -> None:
    assert kana.system.layers == []
    assert kana.backstop is None
    assert tuple(kana.fund.layers()) == (ZERO, 0, ZERO, 0, 0)


# ------------------------------------------------------------------------ check


def test_check__another_configuration_than_deployed__each_difference_named(kana: Kit, actors: Actors) -> None:
    check(kana.system)
    changes = {
        "another treasury": {"treasury": actors.outsider.address},
        "isn't treasurer": {"treasurer": actors.outsider.address},
        "isn't guardian of the fund": {"guardian": actors.outsider.address},
        "another threshold": {"threshold": 1},
        "another number of markets": {"markets": []},
    }
    for words, change in changes.items():
        config = kana.system.config.model_copy(update=change)
        wrong = replace(kana.system, record=kana.system.record.model_copy(update={"config": config}))
        with pytest.raises(DeploymentError, match=words):
            check(wrong)


def test_check__deployer_with_a_role__refused(kana: Kit, actors: Actors) -> None:
    """A record whose deployer still holds a role is never written: here the treasurer stands in for one."""
    record = kana.system.record.model_copy(update={"deployer": actors.treasurer.address})
    with pytest.raises(DeploymentError, match="still holds TREASURER of the fund"):
        check(replace(kana.system, record=record))
    record = kana.system.record.model_copy(update={"deployer": actors.proposer.address})
    with pytest.raises(DeploymentError, match="still holds PROPOSER_ROLE of the timelock"):
        check(replace(kana.system, record=record))


@pytest.fixture
def staked(deploy_fund: Any) -> Kit:
    """A fund with a staked layer."""
    kit: Kit = deploy_fund(stakers=LOCAL_STAKERS)
    return kit


def test_check__another_layer_than_deployed__each_difference_named(staked: Kit, deploy_fund: Any) -> None:
    check(staked.system)
    config = staked.system.config
    changes: dict[str, dict[str, Any]] = {
        "another staked layer": {"stakers": None},
        "the stakers' share of revenue": {"staker_bps": 1},
        "other terms": {"stakers": LOCAL_STAKERS.model_copy(update={"limit": 1})},
        "the stakers' cooldown is another": {"stakers": LOCAL_STAKERS.model_copy(update={"cooldown_days": 7})},
    }
    for words, change in changes.items():
        record = staked.system.record.model_copy(update={"config": config.model_copy(update=change)})
        with pytest.raises(DeploymentError, match=words):
            check(replace(staked.system, record=record))
    other = deploy_fund(stakers=LOCAL_STAKERS)
    with pytest.raises(DeploymentError, match="knows another backstop"):
        check(replace(staked.system, backstop=other.backstop))


def test_check__layer_whose_setup_isnt_finished__refused(staked: Kit, backend: Any, actors: Actors) -> None:
    token, me = staked.asset.address, actors.deployer
    other = backend.deploy("Underwriter", token, staked.timelock.address, me.address, sender=me)
    staked.fund.set_layers(ZERO, ZERO, 5_000, sender=staked.governance)
    call = ("set_layers", other.address, ZERO, 5_000)
    vault = backend.deploy("Backstop", token, "A", "B", other.address, 14, DAY, 0, sender=me)
    other.connect_backstop(vault.address, sender=me)
    staked.govern(staked.fund, *call, notice=True)
    with pytest.raises(DeploymentError, match="still holds DEPLOYER of the stakers' layer"):
        check(replace(staked.system, underwriter=other, backstop=vault))


def test_check__setup_not_finished__refused(deploy_system: Any, backend: Any, actors: Actors) -> None:
    kit = deploy_system()
    other = backend.deploy("InsuranceFund", *fund_arguments(kit), sender=actors.deployer)
    with pytest.raises(DeploymentError, match="still holds DEPLOYER of the fund"):
        check(replace(kit.system, fund=other))


# ----------------------------------------------------------------------- record


def test_record__written_and_read__the_same(kana: Kit, tmp_path: Path, backend: Any) -> None:
    path = kana.system.record.write(tmp_path / "local.json")
    found = read_record("local", path)
    assert found == kana.system.record
    assert found.network == "local"
    assert found.chain_id == 31337
    assert set(found.constructor_args) >= {"asset", "timelock", "fund", "registry", "gateway", "house", "feed_1"}
    text = json.loads(path.read_text())
    assert text["config"]["threshold"] == str(10**12)
    assert text["constructor_args"]["fund"][0] == kana.asset.address
    assert attach(backend, found).fund.address == kana.fund.address


def test_attach__other_chain_or_missing_contract__says_what_to_do(kana: Kit, backend: Any, outsider: Any) -> None:
    record = kana.system.record
    with pytest.raises(DeploymentError, match="the record is of chain 1"):
        attach(backend, record.model_copy(update={"chain_id": 1}))
    addresses = {**record.addresses, "house": outsider.address}
    with pytest.raises(DeploymentError, match="there is no house at"):
        attach(backend, record.model_copy(update={"addresses": addresses}))


def test_read_record__missing_or_broken__says_so(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="run 'ape run deploy'"):
        read_record("nowhere", tmp_path / "nowhere.json")
    (tmp_path / "broken.json").write_text('{"version": 1')
    with pytest.raises(DeploymentError, match="no deployment record"):
        read_record("broken", tmp_path / "broken.json")


def test_read_config__broken__names_place_and_cause(tmp_path: Path, kana: Kit) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(DeploymentError, match="can't be read"):
        read_config(path)
    path.write_text("{\n oops")
    with pytest.raises(DeploymentError, match="no JSON: line 2"):
        read_config(path)
    path.write_text('{"treasury": "0x12"}')
    with pytest.raises(DeploymentError, match="threshold: Field required"):
        read_config(path)
    path.write_text(kana.system.config.model_dump_json())
    assert read_config(path) == kana.system.config


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 0},
        {"timelock_floor": DAY},
        {"timelock_delay": 2 * DAY, "timelock_floor": 3 * DAY},
        {"liquidator_bps": 5_001},
        {"fund_bps": 3_001},
        {"window": 3_599},
        {"treasury": "0x12"},
        {"unknown": 1},
        {"venue": False, "markets": [MarketConfig(name="X", **CAPS)]},
    ],
)
def test_config__out_of_bounds__refused(actors: Actors, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        actors.config(**change)


def test_network_name__local_chains__one_name() -> None:
    assert network_name(31337, "adhoc") == "local"
    assert network_name(11155111, "sepolia") == "sepolia"
    assert network_name(5, "adhoc") == "chain-5"


def test_record_path__folder_from_the_environment(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("KANA_DEPLOYMENTS", str(tmp_path))
    assert record_path("local") == tmp_path / "local.json"


def test_hints__of_the_scripts__for_reasons_that_contracts_give() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in CONTRACTS.rglob("*.vy"))
    assert [reason for reason in HINTS if f'"{reason}"' not in sources] == []


# ------------------------------------------------------------- fixtures and reader


def test_kit__governed_change_with_notice__takes_effect(kana: Kit) -> None:
    """M9: a lower threshold needs the timelock and the fund's own notice."""
    with reverts_with("fund: no notice"):
        kana.govern(kana.fund, "set_threshold", 5 * U)
    kana.govern(kana.fund, "set_threshold", 5 * U, notice=True)
    assert kana.fund.threshold() == 5 * U
    assert kana.mark() == 100 * WAD


def test_reverts_with__wrong_or_no_revert__fails(kana: Kit, outsider: Any) -> None:
    with pytest.raises(AssertionError, match="got 'fund: not treasurer'"), reverts_with("fund: below threshold"):
        kana.fund.withdraw_excess(1, sender=outsider)
    with pytest.raises(AssertionError, match="nothing reverted"), reverts_with("fund: below threshold"):
        kana.mint(outsider, 1)
    assert kana.asset.balanceOf(outsider) == 1
    with pytest.raises(ZeroDivisionError), reverts_with("fund: below threshold"):
        _ = 1 // 0


def test_reader__after_trades__the_books_of_the_chain(kana: Kit, trader: Any, counterparty: Any) -> None:
    kana.contribute(counterparty, 3 * U)
    kana.open_position(trader, counterparty, 10 * COIN, margin=(200 * U, 300 * U))
    people = reader.accounts_seen(kana.system)
    assert {trader.address, counterparty.address} <= set(people)
    fund = reader.fund_state(kana.system, people)
    assert (fund["reserve"], fund["contributions"]) == (3 * U, {counterparty.address: 3 * U})
    assert fund["markets"][kana.house.address, 1]["max_insurance"] == 50_000 * U
    venue = reader.venue_state(kana.system, people)
    assert venue["tokens"] == 500 * U
    assert venue["positions"][0, trader.address] == {
        "size": 10 * COIN,
        "balance": 200 * U - 1_000 * U - 500_000,
        "index": 0,
        "flagged_at": 0,
    }
    assert venue["books"][0]["open_interest"] == 20 * COIN
    assert venue["books"][0]["fees"] == 700_000
    registry = reader.registry_state(kana.system)
    assert registry["markets"][0]["feed"] == kana.feeds[0].address
    assert registry["setup_finished"]


def test_config__json_round_trip__equal(kana: Kit) -> None:
    again = DeploymentConfig.model_validate_json(kana.system.config.model_dump_json())
    assert again == kana.system.config


def test_reach_tools__own_folder_off_the_path__put_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`ape run` takes it off: deploy would then find nothing to compile stale code with. Elsewhere it stays off."""
    without = [entry for entry in sys.path if entry not in ("", str(ROOT))]
    monkeypatch.setattr(sys, "path", list(without))
    monkeypatch.chdir(tmp_path)
    reach_tools()
    assert sys.path == without
    monkeypatch.chdir(ROOT)
    reach_tools()
    reach_tools()
    assert sys.path == [*without, str(ROOT)]
