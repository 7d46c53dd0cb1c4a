"""A deployed system: its contracts, and the record of them in ``deployments/<network>.json``."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from eth_utils import keccak
from pydantic import BaseModel, ValidationError

from kana_insurance.backends import ROOT, Backend
from kana_insurance.config import FAUCET_TOKEN, DeploymentConfig, StakersConfig
from kana_insurance.pools import CollateralRecord

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
    #: The fund of its own of an isolated market; None: the shared one's (M17).
    fund: str | None = None


class DeploymentRecord(BaseModel):
    """What ``deployments/<network>.json`` holds."""

    version: str
    network: str
    chain_id: int
    block: int
    deployer: str
    #: Addresses by part: asset, timelock, notices, factory, fund, underwriter, backstop, registry, house, lens, …
    addresses: dict[str, str]
    markets: list[MarketRecord]
    #: Of the lending pool.
    collaterals: list[CollateralRecord] = []
    constructor_args: dict[str, list[Any]]
    config: DeploymentConfig
    #: Of the funds of other assets, with what they share of the addresses (M16).
    others: list[DeploymentRecord] = []

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
    #: The staked layer: what the fund registers, and the vault that stakers talk to.
    underwriter: Any = None
    backstop: Any = None
    #: The same of the layer behind it.
    reinsurance_underwriter: Any = None
    reinsurance_backstop: Any = None
    registry: Any = None
    gateway: Any = None
    house: Any = None
    #: The lending pool and its registry.
    pool: Any = None
    lending: Any = None
    lens: Any = None
    #: Where notices are kept, and what made the funds: one for all assets.
    notices: Any = None
    factory: Any = None
    #: By market id.
    feeds: list[Any] = field(default_factory=list)
    aggregators: list[Any] = field(default_factory=list)
    #: The funds of isolated markets, by market id (M17).
    isolated: dict[int, Any] = field(default_factory=dict)
    #: The funds of other assets, each with its venue (M16).
    others: list[System] = field(default_factory=list)

    @property
    def config(self) -> DeploymentConfig:
        """What it was deployed from."""
        return self.record.config

    def fund_of(self, market_id: int) -> Any:
        """The fund that served a market when it was deployed: its own, or the shared one."""
        return self.isolated.get(market_id, self.fund)

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
    "factory": "FundFactory",
    "fund": "InsuranceFund",
    "underwriter": "Underwriter",
    "backstop": "Backstop",
    "reinsurance_underwriter": "Underwriter",
    "reinsurance_backstop": "Backstop",
    "registry": "MarketRegistry",
    "gateway": "OrderGateway",
    "house": "ClearingHouse",
    "lending": "LendingRegistry",
    "pool": "LendingPool",
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
        isolated={
            market.market_id: backend.at("InsuranceFund", market.fund) for market in record.markets if market.fund
        },
        others=[attach(backend, other) for other in record.others],
        **parts,
    )
