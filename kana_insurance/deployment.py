"""Deploys and wires the whole system, checks it, and keeps the record of it in ``deployments/<network>.json``.

One function does it on every chain: scripts, tests, demo and replay all call :func:`deploy`, each with its backend. The
deployer is named in constructors alone and holds no role afterwards (M9, M36); :func:`check` reads that from the chain
and refuses a system for which it doesn't hold.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from eth_utils import keccak, to_checksum_address
from pydantic import BaseModel, ValidationError

from kana_insurance.backends import ROOT, ZERO, Backend, address_of
from kana_insurance.config import (
    DAY,
    FAUCET_TOKEN,
    LOCAL_STAKERS,
    DeploymentConfig,
    MarketConfig,
    Registration,
    StakersConfig,
    local_config,
)

__all__ = [
    "CONTRACT_NAMES",
    "DAY",
    "LOCAL_CHAINS",
    "LOCAL_STAKERS",
    "ROLES",
    "DeploymentConfig",
    "DeploymentError",
    "DeploymentRecord",
    "Layer",
    "MarketConfig",
    "MarketRecord",
    "Registration",
    "StakersConfig",
    "System",
    "attach",
    "check",
    "deploy",
    "local_config",
    "network_name",
    "project_version",
    "read_config",
    "read_record",
    "record_path",
]

#: Chains on which anyone makes the tokens and the prices.
LOCAL_CHAINS = frozenset({1337, 31337})
TEST_CHAINS = frozenset({11155111, 17000, 560048, 84532, 421614, 11155420, 80002})
#: Roles that must end with someone else than the deployer.
ROLES = {
    "DEFAULT_ADMIN_ROLE": b"\x00" * 32,
    "TREASURER": keccak(text="TREASURER"),
    "GUARDIAN": keccak(text="GUARDIAN"),
    "DEPLOYER": keccak(text="DEPLOYER"),
}


class DeploymentError(Exception):
    """A deployment that can't be made, isn't right, or has no usable record; the message says what to do."""


class MarketRecord(BaseModel):
    """Where a market's feed is."""

    market_id: int
    name: str
    feed: str
    aggregator: str
    #: Whether anyone sets the aggregator's answers.
    mock: bool


class DeploymentRecord(BaseModel):
    """What ``deployments/<network>.json`` holds."""

    version: str
    network: str
    chain_id: int
    block: int
    deployer: str
    #: Addresses by part: asset, timelock, notices, fund, underwriter, backstop, registry, gateway, house, lens.
    addresses: dict[str, str]
    markets: list[MarketRecord]
    constructor_args: dict[str, list[Any]]
    config: DeploymentConfig

    def write(self, path: Path | None = None) -> Path:
        """Write the record and return where."""
        path = path or record_path(self.network)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path


def project_version() -> str:
    """The version of the installed project."""
    try:
        return version("kana-insurance")
    except PackageNotFoundError:
        return "unknown"


def network_name(chain_id: int, network: str) -> str:
    """The name that a record goes by: "local" for every local chain, else the network's own, else its chain id."""
    if chain_id in LOCAL_CHAINS:
        return "local"
    return network if network not in ("", "adhoc", "custom", "local") else f"chain-{chain_id}"


def record_path(network: str) -> Path:
    """Where a network's record is; ``KANA_DEPLOYMENTS`` names another folder than ``deployments``."""
    return Path(os.environ.get("KANA_DEPLOYMENTS") or ROOT / "deployments") / f"{network}.json"


def read_record(network: str, path: Path | None = None) -> DeploymentRecord:
    """The record of a network.

    Raises:
        DeploymentError: if there is none, or it can't be read.
    """
    path = path or record_path(network)
    try:
        return DeploymentRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeploymentError(
            f"no deployment on '{network}' is recorded ({path} is missing): run 'ape run deploy' on it first"
        ) from None
    except ValidationError as error:
        raise DeploymentError(f"{path} is no deployment record: {error.errors()[0]['msg']}") from None


def read_config(path: Path) -> DeploymentConfig:
    """A configuration from a JSON file; a record's ``config`` is one.

    Raises:
        DeploymentError: if it can't be read or isn't one; with the field and what is wrong.
    """
    try:
        return DeploymentConfig.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DeploymentError(f"{path} can't be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise DeploymentError(f"{path} is no JSON: line {error.lineno}: {error.msg}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "configuration"
        raise DeploymentError(f"{path}: {where}: {first['msg']}") from None


@dataclass(frozen=True)
class System:
    """A deployed system: its contracts, reached through one backend."""

    backend: Backend
    record: DeploymentRecord
    asset: Any
    timelock: Any
    #: Keeps the notices of the fund.
    notices: Any
    fund: Any
    #: The staked layer: what the fund registers, and the vault that stakers talk to.
    underwriter: Any = None
    backstop: Any = None
    #: The same of the layer behind it.
    reinsurance_underwriter: Any = None
    reinsurance_backstop: Any = None
    registry: Any = None
    gateway: Any = None
    house: Any = None
    lens: Any = None
    #: By market id.
    feeds: list[Any] = field(default_factory=list)
    aggregators: list[Any] = field(default_factory=list)

    @property
    def config(self) -> DeploymentConfig:
        """What it was deployed from."""
        return self.record.config

    @property
    def layers(self) -> list[Layer]:
        """The layers deployed with the fund, in the order in which it draws on them."""
        config = self.config
        places = (
            ("stakers", config.stakers, self.underwriter, self.backstop),
            ("reinsurance", config.reinsurance, self.reinsurance_underwriter, self.reinsurance_backstop),
        )
        return [Layer(name, terms, *parts) for name, terms, *parts in places if terms is not None]


@dataclass(frozen=True)
class Layer:
    """A layer behind the reserve.

    Attributes:
        name: "stakers" or "reinsurance", as in the configuration.
        config: What it was deployed from.
        underwriter: What the fund registers.
        backstop: The stakers' vault.
    """

    name: str
    config: StakersConfig
    underwriter: Any
    backstop: Any


CONTRACT_NAMES = {
    "asset": FAUCET_TOKEN,
    "timelock": "Timelock",
    "notices": "NoticeBoard",
    "fund": "InsuranceFund",
    "underwriter": "Underwriter",
    "backstop": "Backstop",
    "reinsurance_underwriter": "Underwriter",
    "reinsurance_backstop": "Backstop",
    "registry": "MarketRegistry",
    "gateway": "OrderGateway",
    "house": "ClearingHouse",
    "lens": "Lens",
}


def attach(backend: Backend, record: DeploymentRecord) -> System:
    """The recorded system on the chain that the backend reaches.

    Raises:
        DeploymentError: if it isn't there: another chain, or a local node that was started anew.
    """
    if backend.chain_id() != record.chain_id:
        raise DeploymentError(
            f"the record is of chain {record.chain_id}, the node is chain {backend.chain_id()}: name the right "
            "--network"
        )
    for part, address in record.addresses.items():
        if not backend.has_code(address):
            raise DeploymentError(
                f"there is no {part} at {address}: the node isn't the one that was deployed to. A local chain forgets "
                "everything when it ends: run 'ape run deploy' again"
            )
    parts = {part: backend.at(CONTRACT_NAMES[part], address) for part, address in record.addresses.items()}
    return System(
        backend=backend,
        record=record,
        feeds=[backend.at("PriceFeed", market.feed) for market in record.markets],
        aggregators=[backend.at("MockAggregator", market.aggregator) for market in record.markets],
        **parts,
    )


def _refuse_test_parts(config: DeploymentConfig, chain_id: int) -> None:
    if chain_id in LOCAL_CHAINS | TEST_CHAINS:
        return
    if config.asset == FAUCET_TOKEN:
        raise DeploymentError(
            f"chain {chain_id} is no test network: name a real token as 'asset', anyone mints KanaUSDT"
        )
    for market in config.markets:
        if market.aggregator is None:
            raise DeploymentError(
                f"chain {chain_id} is no test network: name a real 'aggregator' for {market.name}, anyone sets a "
                "mock's price"
            )


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
    chain_id = backend.chain_id()
    me = to_checksum_address(address_of(deployer))
    _refuse_test_parts(config, chain_id)
    for role, holders in config.holders().items():
        if me in holders:
            raise DeploymentError(f"the deployer {me} can't be among {role}: it keeps no role (M9)")

    args: dict[str, list[Any]] = {}

    def make(part: str, contract: str, *values: Any) -> Any:
        progress(f"deploying {part}")
        args[part] = list(values)
        return backend.deploy(contract, *values, sender=deployer)

    if config.asset == FAUCET_TOKEN:
        asset = make("asset", FAUCET_TOKEN)
    else:
        if not backend.has_code(config.asset):
            raise DeploymentError(f"there is no token at {config.asset}")
        asset = backend.at(FAUCET_TOKEN, config.asset)
    token = address_of(asset)
    timelock = make(
        "timelock",
        "Timelock",
        config.timelock_floor,
        config.timelock_delay,
        config.proposers,
        config.executors,
    )
    governance = address_of(timelock)
    notices = make("notices", "NoticeBoard")
    fund = make(
        "fund",
        "InsuranceFund",
        token,
        address_of(notices),
        ZERO,
        governance,
        config.treasurer,
        config.guardian,
        me,
        config.treasury,
        config.threshold,
        config.liquidator_bps,
        config.fund_bps,
    )
    parts: dict[str, Any] = {"asset": asset, "timelock": timelock, "notices": notices, "fund": fund}
    for prefix, stakers in (("", config.stakers), ("reinsurance_", config.reinsurance)):
        if stakers is None:
            continue
        underwriter = make(f"{prefix}underwriter", "Underwriter", token, governance, me)
        least = 1_000 * 10 ** int(asset.decimals()) if stakers.min_staked is None else stakers.min_staked
        backstop = make(
            f"{prefix}backstop",
            "Backstop",
            token,
            stakers.name,
            stakers.symbol,
            address_of(underwriter),
            stakers.cooldown_days,
            stakers.stream_length,
            least,
        )
        progress(f"connecting the {prefix}backstop")
        terms = (stakers.limit, stakers.window_cap, stakers.window, stakers.premium_bps)
        underwriter.connect_backstop(address_of(backstop), sender=deployer)
        underwriter.set_fund(address_of(fund), *terms, sender=deployer)
        underwriter.finish_setup(sender=deployer)
        parts |= {f"{prefix}underwriter": underwriter, f"{prefix}backstop": backstop}
    layers = [address_of(parts.get(name, ZERO)) for name in ("underwriter", "reinsurance_underwriter")]
    if layers != [ZERO, ZERO]:
        fund.set_layers(*layers, config.staker_bps, sender=deployer)
    feeds, aggregators = [], []
    for number, market in enumerate(config.markets):
        if market.aggregator is None:
            answer = market.price // 10 ** (18 - market.feed_decimals)
            source = make(f"aggregator_{number}", "MockAggregator", market.feed_decimals, market.name, answer)
        else:
            source = backend.at("MockAggregator", market.aggregator)
        aggregators.append(source)
        feeds.append(
            make(
                f"feed_{number}",
                "PriceFeed",
                address_of(source),
                market.max_age,
                market.sequencer,
                market.sequencer_grace,
            )
        )
    if config.window_cap > 0:
        fund.set_window(config.window_cap, config.window, sender=deployer)
    for entry in config.registrations:
        progress(f"registering market {entry.market_id} of {entry.venue}")
        fund.register_market(entry.venue, entry.market_id, entry.is_perp, sender=deployer)
        if entry.max_insurance > 0:
            fund.set_max_insurance(entry.venue, entry.market_id, entry.max_insurance, sender=deployer)
    if config.venue:
        registry = make("registry", "MarketRegistry", governance, config.guardian, me, config.fee_recipient)
        gateway = make("gateway", "OrderGateway", address_of(registry))
        house = make("house", "ClearingHouse", token, address_of(registry), address_of(gateway))
        progress("connecting the house")
        registry.connect_house(address_of(house), sender=deployer)
        min_notional = 10 * 10 ** int(asset.decimals())
        for number, market in enumerate(config.markets):
            progress(f"listing {market.name}")
            fund.register_market(address_of(house), number, True, sender=deployer)
            if market.max_insurance > 0:
                fund.set_max_insurance(address_of(house), number, market.max_insurance, sender=deployer)
            registry.list_market(_params(market, address_of(feeds[number]), fund, min_notional), sender=deployer)
        registry.finish_setup(sender=deployer)
        parts |= {"registry": registry, "gateway": gateway, "house": house}
    progress("ending the deployer's power")
    fund.finish_setup(sender=deployer)
    if backend.has_contract("Lens"):
        parts["lens"] = make("lens", "Lens")

    record = DeploymentRecord(
        version=project_version(),
        network=network_name(chain_id, network),
        chain_id=chain_id,
        block=backend.block_number(),
        deployer=me,
        addresses={part: address_of(contract) for part, contract in parts.items()},
        markets=[
            MarketRecord(
                market_id=number,
                name=market.name,
                feed=address_of(feeds[number]),
                aggregator=address_of(aggregators[number]),
                mock=market.aggregator is None,
            )
            for number, market in enumerate(config.markets)
        ],
        constructor_args={part: [_jsonable(value) for value in values] for part, values in args.items()},
        config=config,
    )
    system = System(backend=backend, record=record, feeds=feeds, aggregators=aggregators, **parts)
    progress("checking roles and wiring")
    check(system)
    return system


def _jsonable(value: Any) -> Any:
    """An argument as the record holds it: numbers as decimal strings, addresses in checksum form."""
    if isinstance(value, list):
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

    def demand(holds: bool, what: str) -> None:
        if not holds:
            raise DeploymentError(f"the deployment is not right, don't use it: {what}")

    def same(one: Any, other: Any) -> bool:
        return to_checksum_address(address_of(one)) == to_checksum_address(address_of(other))

    for name, contract in governed.items():
        for role, word in ROLES.items():
            demand(not contract.hasRole(word, deployer), f"the deployer still holds {role} of the {name}")
        demand(same(contract.governance(), governance), f"the {name} isn't governed by the timelock")
        demand(contract.hasRole(ROLES["DEFAULT_ADMIN_ROLE"], governance), f"the timelock isn't admin of the {name}")
        demand(contract.hasRole(ROLES["GUARDIAN"], config.guardian), f"the guardian isn't guardian of the {name}")
    for role in ("PROPOSER_ROLE", "EXECUTOR_ROLE", "CANCELLER_ROLE", "DEFAULT_ADMIN_ROLE"):
        word = getattr(system.timelock, role)()
        demand(not system.timelock.hasRole(word, deployer), f"the deployer still holds {role} of the timelock")
    demand(int(system.timelock.MIN_DELAY_FLOOR()) >= 2 * DAY, "the timelock's floor is below 2 days")
    demand(fund.hasRole(ROLES["TREASURER"], config.treasurer), "the treasurer isn't treasurer of the fund")
    demand(same(fund.asset(), system.asset), "the fund holds another asset")
    demand(same(fund.treasury(), config.treasury), "the fund pays another treasury")
    demand(same(fund.notices(), system.notices), "the fund's notices are kept elsewhere")
    demand(int(fund.threshold()) == config.threshold, "the fund has another threshold")
    demand(int(fund.payouts_resume_at()) != 2**32 - 1, "the fund's setup isn't finished")
    _check_layers(system, demand, same)
    if not config.venue:
        return
    demand(bool(registry.setup_finished()), "the registry's setup isn't finished")
    demand(same(registry.house(), house), "the registry knows another house")
    demand(same(house.registry(), registry) and same(gateway.registry(), registry), "a part knows another registry")
    demand(same(house.gateway(), gateway), "the house knows another gateway")
    demand(same(house.asset(), system.asset), "the house holds another asset")
    demand(int(registry.next_market_id()) == len(config.markets), "another number of markets is listed")
    for number, market in enumerate(config.markets):
        kept = fund.market(address_of(house), number)
        demand(bool(kept.registered) and bool(kept.is_perp), f"market {number} isn't registered at the fund")
        demand(int(kept.max_insurance) == market.max_insurance, f"market {number} has another maximum")
        demand(same(registry.fund_of(number), fund), f"market {number} has another fund")
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
        kept, wanted = underwriter.terms(address_of(fund)), layer.config
        demand(bool(kept.registered), f"the fund isn't registered with the {whose} layer")
        terms = (int(kept.limit), int(kept.window_cap), int(kept.window_length), int(kept.premium_bps))
        demand(
            terms == (wanted.limit, wanted.window_cap, wanted.window, wanted.premium_bps),
            f"the {whose} layer has other terms",
        )
        demand(int(backstop.cooldown_days()) == wanted.cooldown_days, f"the {whose} cooldown is another")
