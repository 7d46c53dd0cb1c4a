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
from typing import Annotated, Any

from eth_utils import is_address, keccak, to_checksum_address
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from kana_insurance.amounts import MAX_AMOUNT, WAD
from kana_insurance.backends import ROOT, ZERO, Backend, address_of

DAY = 86_400
#: Chains on which anyone makes the tokens and the prices.
LOCAL_CHAINS = frozenset({1337, 31337})
TEST_CHAINS = frozenset({11155111, 17000, 560048, 84532, 421614, 11155420, 80002})
FAUCET_TOKEN = "KanaUSDT"
#: Roles that must end with someone else than the deployer.
ROLES = {
    "DEFAULT_ADMIN_ROLE": b"\x00" * 32,
    "TREASURER": keccak(text="TREASURER"),
    "GUARDIAN": keccak(text="GUARDIAN"),
    "DEPLOYER": keccak(text="DEPLOYER"),
}


class DeploymentError(Exception):
    """A deployment that can't be made, isn't right, or has no usable record; the message says what to do."""


def _address(value: str) -> str:
    if not is_address(value):
        raise ValueError(f"'{value}' is no address")
    return to_checksum_address(value)


def _asset(value: str) -> str:
    return value if value == FAUCET_TOKEN else _address(value)


# Amounts are decimal strings in JSON: they pass what other languages read as numbers.
Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT), PlainSerializer(str, return_type=str, when_used="json")]
Price = Annotated[int, Field(gt=0, le=10**30), PlainSerializer(str, return_type=str, when_used="json")]
Bps = Annotated[int, Field(ge=0, le=10_000)]
Address = Annotated[str, AfterValidator(_address)]


class MarketConfig(BaseModel):
    """One market: what it is, its price feed, its parameters. Sizes and prices have 18 decimals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=128)
    #: An existing aggregator; None deploys a mock whose answers anyone sets (local chains and testnets alone).
    aggregator: Address | None = None
    #: The mock's first answer, and its decimals.
    price: Price = 100 * WAD
    feed_decimals: Annotated[int, Field(ge=0, le=18)] = 8
    max_age: Annotated[int, Field(gt=0)] = 3_600
    sequencer: Address = ZERO
    sequencer_grace: Annotated[int, Field(ge=0)] = 3_600
    #: What the market may cost the fund for life, base units (M31).
    max_insurance: Amount = 0
    initial_margin_bps: Bps = 1_000
    maintenance_margin_bps: Bps = 500
    fill_band_bps: Bps = 300
    taker_fee_bps: Bps = 5
    maker_fee_bps: Bps = 2
    fund_fee_bps: Bps = 5_000
    grace: int = 600
    #: Base units; None is 10 whole tokens.
    min_notional: Amount | None = None
    open_interest_cap: Amount
    position_cap: Amount


class Registration(BaseModel):
    """A market of a venue of one's own, registered at the fund during setup, where it needs no notice yet (M9)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    venue: Address
    market_id: Annotated[int, Field(ge=0)]
    #: False: a lending pool, without a maximum (M15).
    is_perp: bool = True
    #: Base units.
    max_insurance: Amount = 0


class DeploymentConfig(BaseModel):
    """All that a deployment is made of. Amounts are base units of the asset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: An existing token, or "KanaUSDT" for a new faucet token (local chains and testnets alone).
    asset: Annotated[str, AfterValidator(_asset)] = FAUCET_TOKEN
    proposers: Annotated[list[Address], Field(min_length=1)]
    executors: Annotated[list[Address], Field(min_length=1)]
    treasurer: Address
    guardian: Address
    treasury: Address
    fee_recipient: Address
    timelock_floor: Annotated[int, Field(ge=2 * DAY, le=30 * DAY)] = 2 * DAY
    timelock_delay: Annotated[int, Field(ge=2 * DAY, le=30 * DAY)] = 2 * DAY
    threshold: Annotated[Amount, Field(gt=0)]
    liquidator_bps: Annotated[int, Field(ge=0, le=5_000)] = 3_000
    fund_bps: Annotated[int, Field(ge=0, le=3_000)] = 2_000
    window_cap: Amount = 0
    window: Annotated[int, Field(ge=3_600, le=30 * DAY)] = DAY
    #: False deploys the fund alone, for venues of one's own.
    venue: bool = True
    #: The markets of the venue deployed here, by id.
    markets: list[MarketConfig] = []
    #: Markets of other venues.
    registrations: list[Registration] = []

    @model_validator(mode="after")
    def _consistent(self) -> DeploymentConfig:
        if self.markets and not self.venue:
            raise ValueError("markets need the venue")
        if self.timelock_delay < self.timelock_floor:
            raise ValueError("timelock_delay is below timelock_floor")
        return self

    def holders(self) -> dict[str, list[str]]:
        """The accounts by role."""
        single = ("treasurer", "guardian", "treasury", "fee_recipient")
        return {
            "proposers": self.proposers,
            "executors": self.executors,
            **{name: [getattr(self, name)] for name in single},
        }


def local_config(accounts: list[str], **overrides: Any) -> DeploymentConfig:
    """The configuration of local chains, from at least five addresses that aren't the deployer's.

    In order: treasurer, guardian, proposer (who executes too), fee recipient, treasury. Threshold 1,000,000 U and two
    markets of 50,000 U insurance each, marked 100 U and 2,000 U.
    """
    unit = 10**6
    treasurer, guardian, proposer, fee_recipient, treasury = accounts[:5]
    caps = {"open_interest_cap": 1_000_000 * WAD, "position_cap": 500_000 * WAD, "max_insurance": 50_000 * unit}
    values: dict[str, Any] = {
        "proposers": [proposer],
        "executors": [proposer],
        "treasurer": treasurer,
        "guardian": guardian,
        "treasury": treasury,
        "fee_recipient": fee_recipient,
        "threshold": 1_000_000 * unit,
        "markets": [
            MarketConfig(name="COIN / USD", price=100 * WAD, **caps),
            MarketConfig(name="ETH / USD", price=2_000 * WAD, **caps),
        ],
    }
    if overrides.get("venue") is False:
        values["markets"] = []
    return DeploymentConfig(**{**values, **overrides})


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
    #: Addresses by part: asset, timelock, fund, registry, gateway, house, lens.
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
    fund: Any
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


CONTRACT_NAMES = {
    "asset": FAUCET_TOKEN,
    "timelock": "Timelock",
    "fund": "InsuranceFund",
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
    fund = make(
        "fund",
        "InsuranceFund",
        token,
        governance,
        config.treasurer,
        config.guardian,
        me,
        config.treasury,
        config.threshold,
        config.liquidator_bps,
        config.fund_bps,
    )
    parts: dict[str, Any] = {"asset": asset, "timelock": timelock, "fund": fund}
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
    demand(int(fund.threshold()) == config.threshold, "the fund has another threshold")
    demand(int(fund.payouts_resume_at()) != 2**32 - 1, "the fund's setup isn't finished")
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
