"""Deploys and wires the whole system, checks it, and keeps the record of it in ``deployments/<network>.json``.

One function does it on every chain: scripts, tests, demo and replay all call :func:`deploy`, each with its backend. The
deployer is named in constructors alone and holds no role afterwards (M9, M36); :func:`check` reads that from the chain
and refuses a system for which it doesn't hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_utils import keccak, to_checksum_address

from kana_insurance.backends import ZERO, Backend, address_of
from kana_insurance.config import (
    DAY,
    LOCAL_STAKERS,
    DeploymentConfig,
    FundConfig,
    MarketConfig,
    Registration,
    StakersConfig,
    local_config,
)
from kana_insurance.pools import check_pool, deploy_pool, make_feed
from kana_insurance.system import (
    CONTRACT_NAMES,
    LOCAL_CHAINS,
    ROLES,
    TEST_CHAINS,
    DeploymentError,
    DeploymentRecord,
    Layer,
    MarketRecord,
    System,
    attach,
    find_record,
    network_name,
    project_version,
    read_config,
    read_record,
    record_path,
)
from kana_insurance.values import FAUCET_TOKEN, FaucetConfig

__all__ = [
    "CONTRACT_NAMES",
    "DAY",
    "LOCAL_CHAINS",
    "LOCAL_STAKERS",
    "ROLES",
    "DeploymentConfig",
    "DeploymentError",
    "DeploymentRecord",
    "FaucetConfig",
    "FundConfig",
    "Layer",
    "MarketConfig",
    "MarketRecord",
    "Registration",
    "StakersConfig",
    "System",
    "attach",
    "check",
    "deploy",
    "find_record",
    "fund_terms",
    "layer_terms",
    "local_config",
    "network_name",
    "project_version",
    "read_config",
    "read_record",
    "record_path",
    "wire_layer",
]


def _refuse_test_parts(config: DeploymentConfig, chain_id: int) -> None:
    if chain_id in LOCAL_CHAINS | TEST_CHAINS:
        return
    for fund in (config, *config.others):
        if fund.has_faucet:
            raise DeploymentError(
                f"chain {chain_id} is no test network: name a real token as 'asset', anyone mints KanaUSDT"
            )
        collaterals = [] if fund.pool is None else fund.pool.collaterals
        priced = [(one.name, one.aggregator) for one in fund.markets] + [
            (one.name, one.aggregator) for one in collaterals
        ]
        for name, aggregator in priced:
            if aggregator is None:
                raise DeploymentError(
                    f"chain {chain_id} is no test network: name a real 'aggregator' for {name}, anyone sets a "
                    "mock's price"
                )
        for collateral in collaterals:
            if collateral.address is None:
                raise DeploymentError(
                    f"chain {chain_id} is no test network: name a real 'token' for {collateral.name}, anyone mints "
                    "this one"
                )


def fund_terms(config: DeploymentConfig, asset: str, deployer: str, threshold: int | None = None) -> tuple[Any, ...]:
    """The factory's ``FundTerms`` of a fund with the roles and shares of a configuration.

    Args:
        config: Whose roles and shares.
        asset: The token's address.
        deployer: Who wires the fund and finishes its setup.
        threshold: Base units; by default the configuration's.
    """
    return (
        asset,
        config.treasurer,
        config.guardian,
        deployer,
        config.treasury,
        config.threshold if threshold is None else threshold,
        config.liquidator_bps,
        config.fund_bps,
    )


@dataclass
class _Site:
    """What the deployment of every part needs, and what all funds share."""

    backend: Backend
    deployer: Any
    progress: Callable[[str], None]
    #: Arguments of every constructor, by part, of the fund being deployed.
    args: dict[str, list[Any]] = field(default_factory=dict)
    timelock: Any = None
    notices: Any = None
    factory: Any = None
    #: How many funds the factory has made. Not asked of it: resumed, a deployment must call what it called before.
    funds: int = 0

    def make(self, part: str, contract: str, *values: Any) -> Any:
        """Deploy a contract and note its arguments."""
        self.progress(f"deploying {part}")
        self.args[part] = list(values)
        return self.backend.deploy(contract, *values, sender=self.deployer)

    @property
    def governance(self) -> str:
        """The timelock's address."""
        return address_of(self.timelock)

    @property
    def me(self) -> str:
        """The deployer's address."""
        return str(to_checksum_address(address_of(self.deployer)))


def deploy(
    config: DeploymentConfig,
    backend: Backend,
    deployer: Any,
    network: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> System:
    """Deploy and wire everything, end the deployer's power, check the result.

    Args:
        config: What to deploy.
        backend: Where.
        deployer: The account that pays and sends, in the backend's terms. It may hold no role in ``config``.
        network: The network's name for the record.
        progress: Told of every step.

    Raises:
        DeploymentError: if the configuration doesn't fit the chain or names the deployer, or the result isn't right.
    """
    _refuse_test_parts(config, backend.chain_id())
    site = _Site(backend, deployer, progress)
    for role, holders in config.holders().items():
        if site.me in holders:
            raise DeploymentError(f"the deployer {site.me} can't be among {role}: it keeps no role (M9)")
    roles = (config.timelock_floor, config.timelock_delay, config.proposers, config.executors)
    site.timelock = site.make("timelock", "Timelock", *roles)
    site.notices = site.make("notices", "NoticeBoard")
    blueprints = []
    for contract in ("InsuranceFund", "Underwriter", "Backstop"):
        progress(f"deploying the blueprint {contract}")
        blueprints.append(backend.deploy_blueprint(contract, sender=deployer))
    site.factory = site.make("factory", "FundFactory", site.governance, site.me, address_of(site.notices), *blueprints)
    lens = site.make("lens", "Lens") if backend.has_contract("Lens") else None
    shared = dict(site.args)
    systems = []
    for one in (config, *(config.of(other) for other in config.others)):
        site.args = dict(shared)
        systems.append(_deploy_fund(one, site, lens, network))
    progress("ending the deployer's power over the factory")
    site.factory.finish_setup(sender=deployer)
    system, *others = systems
    system.others.extend(others)
    system.record.others.extend(other.record for other in others)
    progress("checking roles and wiring")
    for deployed in systems:
        check(deployed)
    return system


def _deploy_fund(config: DeploymentConfig, site: _Site, lens: Any, network: str) -> System:
    """Deploy the fund of one asset, its layers, its venue and the funds of its isolated markets."""
    backend, deployer = site.backend, site.deployer
    asset = _asset(config, site)
    fund = _create_fund(config, site, asset, "fund")
    parts: dict[str, Any] = {
        "asset": asset,
        "timelock": site.timelock,
        "notices": site.notices,
        "factory": site.factory,
        "fund": fund,
    }
    layers = []
    for prefix, stakers in (("", config.stakers), ("reinsurance_", config.reinsurance)):
        if stakers is None:
            layers.append(ZERO)
            continue
        underwriter, backstop = _create_layer(stakers, fund, asset, site, prefix)
        layers.append(address_of(underwriter))
        parts |= {f"{prefix}underwriter": underwriter, f"{prefix}backstop": backstop}
    if layers != [ZERO, ZERO]:
        fund.set_layers(*layers, config.staker_bps, sender=deployer)
    feeds, aggregators = _make_feeds(config, site)
    if config.window_cap > 0:
        fund.set_window(config.window_cap, config.window, sender=deployer)
    for entry in config.registrations:
        site.progress(f"registering market {entry.market_id} of {entry.venue}")
        _serve(site, fund, entry.venue, entry.market_id, entry.is_perp, entry.max_insurance)
    isolated = _deploy_venue(config, site, parts, feeds) if config.venue else {}
    collaterals = [] if config.pool is None else deploy_pool(config.pool, config.guardian, site, parts, _serve)
    site.progress("ending the deployer's power")
    for one in (fund, *isolated.values()):
        one.finish_setup(sender=deployer)
    if lens is not None:
        parts["lens"] = lens
    record = DeploymentRecord(
        version=project_version(),
        network=network_name(backend.chain_id(), network),
        chain_id=backend.chain_id(),
        block=backend.block_number(),
        deployer=site.me,
        addresses={part: address_of(contract) for part, contract in parts.items()},
        markets=[
            MarketRecord(
                market_id=number,
                name=market.name,
                feed=address_of(feeds[number]),
                aggregator=address_of(aggregators[number]),
                mock=market.aggregator is None,
                fund=address_of(isolated[number]) if number in isolated else None,
            )
            for number, market in enumerate(config.markets)
        ],
        collaterals=collaterals,
        constructor_args={part: [_jsonable(value) for value in values] for part, values in site.args.items()},
        config=config,
    )
    return System(backend=backend, record=record, feeds=feeds, aggregators=aggregators, isolated=isolated, **parts)


def _asset(config: DeploymentConfig, site: _Site) -> Any:
    """The fund's asset: a new faucet token, or the one that is named."""
    if isinstance(config.asset, FaucetConfig):
        return site.make("asset", "FaucetToken", config.asset.name, config.asset.symbol, config.asset.decimals)
    if config.asset == FAUCET_TOKEN:
        return site.make("asset", FAUCET_TOKEN)
    address = str(config.token)
    if not site.backend.has_code(address):
        raise DeploymentError(f"there is no token at {address}")
    return site.backend.at(FAUCET_TOKEN, address)


def _create_fund(config: DeploymentConfig, site: _Site, asset: Any, part: str, threshold: int | None = None) -> Any:
    """Have the factory create a fund, at the address that it foretells; its number is its salt."""
    site.progress(f"creating the {part}")
    terms = fund_terms(config, address_of(asset), site.me, threshold)
    salt = site.funds.to_bytes(32, "big")
    site.funds += 1
    is_isolated = part != "fund"
    address = str(site.factory.fund_address(terms, salt))
    site.factory.create_fund(terms, is_isolated, salt, sender=site.deployer)
    shared = (address_of(site.notices), address_of(site.factory), site.governance)
    site.args[part] = [terms[0], *shared, *terms[1:]]
    return site.backend.at("InsuranceFund", address)


def layer_terms(stakers: StakersConfig, asset: Any, deployer: str) -> tuple[Any, ...]:
    """The factory's ``LayerTerms`` of a layer.

    Args:
        stakers: Its configuration.
        asset: The token.
        deployer: Who wires it, and holds no role afterwards.
    """
    least = 1_000 * 10 ** int(asset.decimals()) if stakers.min_staked is None else stakers.min_staked
    names = (stakers.name, stakers.symbol)
    return (address_of(asset), deployer, *names, stakers.cooldown_days, stakers.stream_length, least)


def wire_layer(underwriter: Any, backstop: Any, fund: Any, stakers: StakersConfig, deployer: Any) -> None:
    """Connect a layer's two parts, register a fund with it, end its setup; the fund doesn't know it yet."""
    terms = (stakers.limit, stakers.window_cap, stakers.window, stakers.premium_bps)
    underwriter.connect_backstop(address_of(backstop), sender=deployer)
    underwriter.set_fund(address_of(fund), *terms, sender=deployer)
    underwriter.finish_setup(sender=deployer)


def _create_layer(stakers: StakersConfig, fund: Any, asset: Any, site: _Site, prefix: str) -> tuple[Any, Any]:
    """Have the factory create a layer, at the addresses that it foretells, and wire it."""
    site.progress(f"creating the {prefix}backstop")
    terms, salt = layer_terms(stakers, asset, site.me), keccak(text=f"{prefix}layer of {address_of(fund)}")
    found = [str(address) for address in site.factory.layer_addresses(terms, salt)]
    site.factory.create_layer(terms, salt, sender=site.deployer)
    underwriter, backstop = site.backend.at("Underwriter", found[0]), site.backend.at("Backstop", found[1])
    site.args[f"{prefix}underwriter"] = [terms[0], site.governance, site.me]
    site.args[f"{prefix}backstop"] = [terms[0], *terms[2:4], found[0], *terms[4:]]
    wire_layer(underwriter, backstop, fund, stakers, site.deployer)
    return underwriter, backstop


def _make_feeds(config: DeploymentConfig, site: _Site) -> tuple[list[Any], list[Any]]:
    """Price feeds and what they read, by market id."""
    made = [make_feed(market, str(number), market.name, site) for number, market in enumerate(config.markets)]
    return [feed for feed, _ in made], [source for _, source in made]


def _serve(site: _Site, fund: Any, venue: str, market_id: int, is_perp: bool, max_insurance: int) -> None:
    """Register a market at a fund and assign it."""
    fund.register_market(venue, market_id, is_perp, sender=site.deployer)
    if max_insurance > 0:
        fund.set_max_insurance(venue, market_id, max_insurance, sender=site.deployer)
    site.factory.assign(venue, market_id, address_of(fund), sender=site.deployer)


def _deploy_venue(config: DeploymentConfig, site: _Site, parts: dict[str, Any], feeds: list[Any]) -> dict[int, Any]:
    """Deploy registry, gateway and house, list the markets; the funds of the isolated ones, by market id."""
    deployer, token = site.deployer, address_of(parts["asset"])
    registry = site.make(
        "registry",
        "MarketRegistry",
        site.governance,
        config.guardian,
        site.me,
        config.fee_recipient,
        address_of(site.factory),
    )
    gateway = site.make("gateway", "OrderGateway", address_of(registry))
    house = site.make("house", "ClearingHouse", token, address_of(registry), address_of(gateway))
    site.progress("connecting the house")
    registry.connect_house(address_of(house), sender=deployer)
    min_notional = 10 * 10 ** int(parts["asset"].decimals())
    isolated: dict[int, Any] = {}
    for number, market in enumerate(config.markets):
        fund = parts["fund"]
        if market.isolated:
            fund = isolated[number] = _create_fund(
                config, site, parts["asset"], f"fund of {market.name}", market.threshold
            )
        site.progress(f"listing {market.name}")
        _serve(site, fund, address_of(house), number, True, market.max_insurance)
        registry.list_market(_params(market, address_of(feeds[number]), fund, min_notional), sender=deployer)
    registry.finish_setup(sender=deployer)
    parts |= {"registry": registry, "gateway": gateway, "house": house}
    return isolated


def _jsonable(value: Any) -> Any:
    """An argument as the record holds it: numbers as decimal strings, addresses in checksum form."""
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _params(market: MarketConfig, feed: str, fund: Any, min_notional: int) -> tuple[Any, ...]:
    """The registry's ``Params`` of a market."""
    return (
        feed,
        address_of(fund),
        market.initial_margin_bps,
        market.maintenance_margin_bps,
        market.fill_band_bps,
        market.taker_fee_bps,
        market.maker_fee_bps,
        market.fund_fee_bps,
        market.grace,
        min_notional if market.min_notional is None else market.min_notional,
        market.open_interest_cap,
        market.position_cap,
    )


def check(system: System) -> None:
    """Read from the chain that the system is wired as recorded and that the deployer has no power left.

    Raises:
        DeploymentError: for the first thing that isn't so.
    """
    config, deployer = system.config, system.record.deployer
    fund, registry, house, gateway = system.fund, system.registry, system.house, system.gateway
    governance = address_of(system.timelock)
    governed = {"fund": fund} | ({"registry": registry} if config.venue else {})
    own = {f"fund of market {number}": contract for number, contract in system.isolated.items()}
    factory = system.factory

    def demand(holds: bool, what: str) -> None:
        if not holds:
            raise DeploymentError(f"the deployment is not right, don't use it: {what}")

    def same(one: Any, other: Any) -> bool:
        return to_checksum_address(address_of(one)) == to_checksum_address(address_of(other))

    for name, contract in (governed | own).items():
        for role, word in ROLES.items():
            demand(not contract.hasRole(word, deployer), f"the deployer still holds {role} of the {name}")
        demand(same(contract.governance(), governance), f"the {name} isn't governed by the timelock")
        demand(contract.hasRole(ROLES["DEFAULT_ADMIN_ROLE"], governance), f"the timelock isn't admin of the {name}")
        demand(contract.hasRole(ROLES["GUARDIAN"], config.guardian), f"the guardian isn't guardian of the {name}")
    demand(same(factory.governance(), governance), "the factory isn't governed by the timelock")
    demand(bool(factory.setup_finished()), "the factory's setup isn't finished")
    demand(same(factory.notices(), system.notices), "the factory knows another notice board")
    demand(same(factory.shared_fund(address_of(system.asset)), fund), "the factory knows another shared fund")
    for role in ("PROPOSER_ROLE", "EXECUTOR_ROLE", "CANCELLER_ROLE", "DEFAULT_ADMIN_ROLE"):
        word = getattr(system.timelock, role)()
        demand(not system.timelock.hasRole(word, deployer), f"the deployer still holds {role} of the timelock")
    demand(int(system.timelock.MIN_DELAY_FLOOR()) >= 2 * DAY, "the timelock's floor is below 2 days")
    thresholds = {number: config.markets[number].threshold for number in system.isolated}
    wanted = [config.threshold, *(limit or config.threshold for limit in thresholds.values())]
    for (name, one), threshold in zip({"fund": fund, **own}.items(), wanted, strict=True):
        demand(bool(factory.is_fund(address_of(one))), f"the {name} isn't the factory's")
        demand(bool(factory.is_isolated(address_of(one))) == (name != "fund"), f"the {name} is of another kind")
        demand(one.hasRole(ROLES["TREASURER"], config.treasurer), f"the treasurer isn't treasurer of the {name}")
        demand(same(one.asset(), system.asset), f"the {name} holds another asset")
        demand(same(one.treasury(), config.treasury), f"the {name} pays another treasury")
        demand(same(one.notices(), system.notices), f"the notices of the {name} are kept elsewhere")
        demand(int(one.threshold()) == threshold, f"the {name} has another threshold")
        demand(int(one.payouts_resume_at()) != 2**32 - 1, f"the {name}'s setup isn't finished")
    _check_layers(system, demand, same)
    if system.pool is not None:
        check_pool(system, ROLES, demand, same)
    if not config.venue:
        return
    demand(bool(registry.setup_finished()), "the registry's setup isn't finished")
    demand(same(registry.house(), house), "the registry knows another house")
    demand(same(house.registry(), registry) and same(gateway.registry(), registry), "a part knows another registry")
    demand(same(registry.factory(), factory), "the registry knows another factory")
    demand(same(house.gateway(), gateway), "the house knows another gateway")
    demand(same(house.asset(), system.asset), "the house holds another asset")
    demand(int(registry.next_market_id()) == len(config.markets), "another number of markets is listed")
    for number, market in enumerate(config.markets):
        insurer = system.fund_of(number)
        kept = insurer.market(address_of(house), number)
        demand(bool(kept.registered) and bool(kept.is_perp), f"market {number} isn't registered at the fund")
        demand(int(kept.max_insurance) == market.max_insurance, f"market {number} has another maximum")
        demand(same(registry.fund_of(number), insurer), f"market {number} has another fund")
        demand(same(factory.fund_of(address_of(house), number), insurer), f"market {number} is assigned elsewhere")
        demand(same(registry.params(number).feed, system.feeds[number]), f"market {number} has another feed")


def _check_layers(system: System, demand: Callable[[bool, str], None], same: Callable[[Any, Any], bool]) -> None:
    """The part of :func:`check` about the layers behind the reserve."""
    fund, deployer, governance = system.fund, system.record.deployer, address_of(system.timelock)
    placed = {layer.name: layer.underwriter for layer in system.layers}
    found = fund.layers()
    demand(same(found.staked, placed.get("stakers", ZERO)), "the fund has another staked layer")
    demand(same(found.reinsurance, placed.get("reinsurance", ZERO)), "the fund has another reinsurance")
    if placed:
        demand(int(found.staker_bps) == system.config.staker_bps, "the stakers' share of revenue is another")
    for layer in system.layers:
        whose = "stakers'" if layer.name == "stakers" else "reinsurance's"
        underwriter, backstop = layer.underwriter, layer.backstop
        for role in ("DEFAULT_ADMIN_ROLE", "DEPLOYER"):
            demand(
                not underwriter.hasRole(ROLES[role], deployer), f"the deployer still holds {role} of the {whose} layer"
            )
        demand(same(underwriter.governance(), governance), f"the {whose} layer isn't governed by the timelock")
        demand(bool(underwriter.setup_finished()), f"the setup of the {whose} layer isn't finished")
        demand(same(underwriter.backstop(), backstop), f"the {whose} layer knows another backstop")
        demand(same(backstop.underwriter(), underwriter), f"the {whose} backstop obeys another underwriter")
        demand(same(backstop.asset(), system.asset), f"the {whose} backstop holds another asset")
        made = system.factory.backstop_of(address_of(underwriter))
        demand(same(made, backstop), f"the {whose} layer isn't the factory's")
        kept, wanted = underwriter.terms(address_of(fund)), layer.config
        demand(bool(kept.registered), f"the fund isn't registered with the {whose} layer")
        terms = (int(kept.limit), int(kept.window_cap), int(kept.window_length), int(kept.premium_bps))
        demand(
            terms == (wanted.limit, wanted.window_cap, wanted.window, wanted.premium_bps),
            f"the {whose} layer has other terms",
        )
        demand(int(backstop.cooldown_days()) == wanted.cooldown_days, f"the {whose} cooldown is another")
