"""What there is to audit: every contract of a deployment, those of the record and those that governance added since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from eth_utils import to_checksum_address

from kana_insurance.audit.findings import Checks, is_fatal, same, words_of
from kana_insurance.backends import ZERO, Backend, address_of
from kana_insurance.client import Refusal
from kana_insurance.config import DeploymentConfig, MarketConfig, StakersConfig
from kana_insurance.deployment import LOCAL_CHAINS, DeploymentRecord, System
from kana_insurance.pools import CollateralConfig, FeedConfig, PoolConfig

#: Funds in one page of the factory.
PAGE = 64
#: What the factory makes, in the order of its constructor's last arguments.
BLUEPRINTS = ("InsuranceFund", "Underwriter", "Backstop")
#: A merger of a merger of …: more than there can be.
MAX_SUCCESSORS = 64


@dataclass(frozen=True)
class Part:
    """A contract to be audited: what it is called, its source, where it is."""

    name: str
    contract: str
    instance: Any

    @property
    def address(self) -> str:
        """Its address, in checksum form."""
        return str(to_checksum_address(address_of(self.instance)))


@dataclass(frozen=True)
class Fund(Part):
    """A fund and who must hold its roles.

    Attributes:
        asset: Its token.
        treasurer, guardian, treasury: As the record has them, or the terms it was created with.
        isolated: Whether it is of one market alone, as recorded; None where the record doesn't have the fund.
        config: What it was deployed from; None where the record doesn't have it.
    """

    asset: Any = None
    treasurer: str = ZERO
    guardian: str = ZERO
    treasury: str = ZERO
    isolated: bool | None = None
    config: DeploymentConfig | None = None


@dataclass(frozen=True)
class Layer:
    """Underwriter and backstop of a layer; ``terms`` and ``fund`` as deployed, None where the record lacks it."""

    underwriter: Part
    backstop: Part
    asset: Any
    terms: StakersConfig | None = None
    fund: Fund | None = None
    #: "staked" or "reinsurance": its place at the fund.
    place: str = ""


@dataclass(frozen=True)
class Market:
    """A market of a venue; ``config`` is None where the record doesn't have it."""

    number: int
    name: str
    feed: Part
    fund: Fund | None = None
    aggregator: str = ZERO
    config: MarketConfig | None = None


@dataclass(frozen=True)
class PoolCollateral:
    """A collateral of a lending pool; ``config`` is None where the record doesn't have it."""

    number: int
    name: str
    token: Any
    feed: Part
    config: CollateralConfig | None = None


@dataclass(frozen=True)
class Pool:
    """A lending pool, its registry and its collaterals; ``debt_feed`` prices the asset, if anything does."""

    registry: Part
    pool: Part
    asset: Any
    fund: Fund | None
    config: PoolConfig
    debt_feed: Part | None = None
    collaterals: list[PoolCollateral] = field(default_factory=list)


@dataclass(frozen=True)
class Priced:
    """What a feed prices, as an audit tells of it: its name, what the feed reads and how strictly, as recorded."""

    name: str
    aggregator: str = ZERO
    config: MarketConfig | FeedConfig | None = None
    #: Whether anyone sets the aggregator's answers.
    mock: bool = False


@dataclass(frozen=True)
class Venue:
    """A venue: its three contracts and its markets."""

    registry: Part
    gateway: Part
    house: Part
    asset: Any
    config: DeploymentConfig
    markets: list[Market] = field(default_factory=list)


class Site:
    """A deployment's parts, found once.

    Attributes:
        system: The deployed system of the record.
        checks: Where what can't be read is told.
        funds, layers, venues, pools: What the checks go through.
        feeds: Every feed that is read, with what it prices.
    """

    def __init__(self, system: System, checks: Checks, from_block: int | None = None) -> None:
        self.system = system
        self.checks = checks
        self.backend: Backend = system.backend
        #: The block from which events are read.
        self.from_block = self._first_block() if from_block is None else from_block
        checks.area = "wiring"
        self.funds = [fund for one in self.systems for fund in _recorded_funds(one, self._of(one))]
        with checks.reading("factory"):
            self.funds += self._later_funds()
        self.layers = [layer for one in self.systems for layer in self._recorded_layers(one)]
        for fund in self.funds:
            with checks.reading(fund.name):
                self.layers += self._later_layers(fund)
        self.venues: list[Venue] = []
        for one in self.systems:
            if one.registry is not None:
                self.venues.append(self._venue(one))
        self.pools: list[Pool] = []
        self.feeds: list[tuple[Priced, Part]] = []
        mocks = {kept.feed: kept.mock for one in self.systems for kept in one.record.markets}
        for venue in self.venues:
            for market in venue.markets:
                mock = mocks.get(market.feed.address, False)
                self.feeds.append((Priced(market.name, market.aggregator, market.config, mock), market.feed))
        for one in self.systems:
            if one.pool is not None:
                self.pools.append(self._pool(one))

    # ------------------------------------------------------------------- shared

    @property
    def systems(self) -> list[System]:
        """The system of the first asset and those of the others (M16)."""
        return [self.system, *self.system.others]

    @property
    def record(self) -> DeploymentRecord:
        """The deployment's record."""
        return self.system.record

    @property
    def config(self) -> DeploymentConfig:
        """What it was deployed from."""
        return self.system.config

    @cached_property
    def timelock(self) -> Part:
        """Governance."""
        return Part("timelock", "Timelock", self.system.timelock)

    @cached_property
    def factory(self) -> Part:
        """What made the funds."""
        return Part("factory", "FundFactory", self.system.factory)

    @cached_property
    def notices(self) -> Part:
        """The funds' notice board."""
        return Part("notices", "NoticeBoard", self.system.notices)

    @property
    def blueprints(self) -> dict[str, str]:
        """Where the record says that the factory's blueprints are, by contract."""
        arguments = self.record.constructor_args.get("factory", [])
        return {contract: str(address) for contract, address in zip(BLUEPRINTS, arguments[3:], strict=False)}

    def parts(self) -> list[Part]:
        """Every contract whose source is the project's, once."""
        found: dict[str, Part] = {}
        every = [self.timelock, self.notices, self.factory, *self.funds]
        every += [part for layer in self.layers for part in (layer.underwriter, layer.backstop)]
        every += [part for venue in self.venues for part in (venue.registry, venue.gateway, venue.house)]
        every += [part for pool in self.pools for part in (pool.registry, pool.pool)]
        every += [feed for _, feed in self.feeds]
        if self.system.lens is not None:
            every.append(Part("lens", "Lens", self.system.lens))
        for part in every:
            found.setdefault(part.address, part)
        return list(found.values())

    def assets(self) -> dict[str, Any]:
        """The tokens by address."""
        tokens = [system.asset for system in self.systems] + [fund.asset for fund in self.funds]
        return {str(to_checksum_address(address_of(token))): token for token in tokens}

    def name_of(self, address: Any) -> str:
        """What an address is called here: the part's name, or the address itself."""
        for part in self.parts():
            if same(part, address):
                return part.name
        return address_of(address)

    def fund_at(self, address: Any) -> Fund | None:
        """The fund of that address."""
        return next((fund for fund in self.funds if same(fund, address)), None)

    def successors(self, fund: Any) -> list[str]:
        """A fund and those that it was merged into, one after the other, as the factory says (M18)."""
        chain = [str(to_checksum_address(address_of(fund)))]
        while len(chain) < MAX_SUCCESSORS:
            following = str(self.factory.instance.successor(chain[-1]))
            if following == ZERO:
                break
            chain.append(following)
        return chain

    def _first_block(self) -> int:
        """The first block with a timelock.

        Raises:
            Refusal: if the node doesn't keep old states.
        """
        if self.backend.chain_id() in LOCAL_CHAINS:
            return 0
        try:
            return first_block(self.backend, self.timelock.address, self.record.block)
        except Exception as error:
            if is_fatal(error):
                raise
            raise Refusal(
                f"the node has no old states ({words_of(error)}): name --from-block, the deployment's first block; it "
                f"was complete in block {self.record.block}"
            ) from error

    def events(self, contract: Any, name: str) -> list[dict[str, Any]]:
        """A contract's events of one name since the deployment."""
        return self.backend.events(contract, name, self.from_block)

    # -------------------------------------------------------------------- parts

    def _of(self, system: System) -> Callable[[str], str]:
        """How the parts of a system are called: with the asset's symbol where there are several."""
        if not self.system.others:
            return lambda name: name
        symbol = str(system.asset.symbol())
        return lambda name: f"{symbol} {name}"

    def _later_funds(self) -> list[Fund]:
        """The factory's funds that the record doesn't have, with the terms they were created with."""
        factory, known = self.factory.instance, {fund.address for fund in self.funds}
        entries: list[Any] = []
        count = int(factory.fund_count())
        while len(entries) < count:
            page = factory.funds(len(entries), PAGE)
            if not page:
                break
            entries += page
        later = [str(entry.fund) for entry in entries if str(entry.fund) not in known]
        if not later:
            return []
        created = {str(event["fund"]): event["terms"] for event in self.events(factory, "FundCreated")}
        found = []
        for address in later:
            instance = self.backend.at("InsuranceFund", address)
            asset = self.backend.at("KanaUSDT", str(instance.asset()))
            # FundTerms: asset, treasurer, guardian, deployer, treasury, …
            terms = list(created[address]) if address in created else [ZERO] * 5
            treasurer, guardian, treasury = (str(terms[place]) for place in (1, 2, 4))
            name = f"fund {address}"
            found.append(Fund(name, "InsuranceFund", instance, asset, treasurer, guardian, treasury))
            self.checks.expect(False, name, "the record doesn't have this fund: governance created it since")
        return found

    def _recorded_layers(self, system: System) -> list[Layer]:
        called, fund = self._of(system), next(fund for fund in self.funds if same(fund, system.fund))
        found = []
        for layer, place in zip(system.layers, _places(system), strict=True):
            prefix = "" if place == "staked" else "reinsurance "
            underwriter = Part(called(f"{prefix}underwriter"), "Underwriter", layer.underwriter)
            backstop = Part(called(f"{prefix}backstop"), "Backstop", layer.backstop)
            found.append(Layer(underwriter, backstop, system.asset, layer.config, fund, place))
        return found

    def _later_layers(self, fund: Fund) -> list[Layer]:
        """Layers that a fund names and the record doesn't have."""
        known = {layer.underwriter.address for layer in self.layers}
        placed, found = fund.instance.layers(), []
        for place in ("staked", "reinsurance"):
            address = str(getattr(placed, place))
            if address == ZERO or to_checksum_address(address) in known:
                continue
            underwriter = self.backend.at("Underwriter", address)
            backstop = self.backend.at("Backstop", str(underwriter.backstop()))
            parts = [
                Part(f"{name} of {fund.name}", name.capitalize(), contract)
                for name, contract in (("underwriter", underwriter), ("backstop", backstop))
            ]
            found.append(Layer(parts[0], parts[1], fund.asset))
        return found

    def _venue(self, system: System) -> Venue:
        called, record = self._of(system), system.record
        venue = Venue(
            Part(called("registry"), "MarketRegistry", system.registry),
            Part(called("gateway"), "OrderGateway", system.gateway),
            Part(called("house"), "ClearingHouse", system.house),
            system.asset,
            system.config,
        )
        for kept in record.markets:
            venue.markets.append(
                Market(
                    kept.market_id,
                    kept.name,
                    Part(called(f"feed of {kept.name}"), "PriceFeed", system.feeds[kept.market_id]),
                    self.fund_at(system.fund_of(kept.market_id)),
                    kept.aggregator,
                    system.config.markets[kept.market_id],
                )
            )
        with self.checks.reading(venue.registry.name):
            registry = venue.registry.instance
            for number in range(len(record.markets), int(registry.next_market_id())):
                name = called(f"market {number}")
                self.checks.expect(False, name, "the record doesn't have this market: governance listed it since")
                if not registry.listed(number):
                    continue
                feed = self.backend.at("PriceFeed", str(registry.params(number).feed))
                part = Part(f"feed of {name}", "PriceFeed", feed)
                venue.markets.append(Market(number, name, part, aggregator=str(feed.aggregator())))
        return venue

    def _pool(self, system: System) -> Pool:
        """A recorded pool, with the collaterals that governance listed since."""
        called, backend = self._of(system), self.backend
        config = system.config.pool or PoolConfig(supply_cap=1)
        registry = Part(called("lending"), "LendingRegistry", system.lending)
        pool = Part(called("pool"), "LendingPool", system.pool)
        debt_feed = None
        if config.debt_feed is not None:
            at = str(system.record.constructor_args["lending"][5])
            aggregator = str(system.record.constructor_args["feed_debt"][0])
            debt_feed = self._feed(called(f"feed of {system.asset.symbol()}"), at, aggregator, config.debt_feed)
        found = Pool(registry, pool, system.asset, self.fund_at(system.fund), config, debt_feed)
        for kept, terms in zip(system.record.collaterals, config.collaterals, strict=True):
            name = called(f"collateral {kept.name}")
            feed = self._feed(f"feed of {name}", kept.feed, kept.aggregator, terms)
            token = backend.at("FaucetToken", kept.token)
            found.collaterals.append(PoolCollateral(kept.collateral_id, name, token, feed, terms))
        with self.checks.reading(registry.name):
            for number in range(len(config.collaterals), int(system.lending.next_collateral_id())):
                name = called(f"collateral {number}")
                self.checks.expect(False, name, "the record doesn't have this collateral: governance listed it since")
                if system.lending.listed(number):
                    listed = system.lending.collateral(number)
                    aggregator = str(backend.at("PriceFeed", str(listed.feed)).aggregator())
                    feed = self._feed(f"feed of {name}", str(listed.feed), aggregator)
                    token = backend.at("FaucetToken", str(listed.asset))
                    found.collaterals.append(PoolCollateral(number, name, token, feed))
        return found

    def _feed(self, name: str, address: str, aggregator: str, config: FeedConfig | None = None) -> Part:
        """A feed of a pool, noted among all feeds."""
        part = Part(name, "PriceFeed", self.backend.at("PriceFeed", address))
        mock = config is not None and config.aggregator is None
        self.feeds.append((Priced(name.removeprefix("feed of "), aggregator, config, mock), part))
        return part


def _places(system: System) -> list[str]:
    return ["staked" if layer.name == "stakers" else "reinsurance" for layer in system.layers]


def _recorded_funds(system: System, called: Callable[[str], str]) -> list[Fund]:
    """The shared fund of a system, and those of its isolated markets."""
    config = system.config
    kept = [(called("fund"), system.fund, False)]
    kept += [
        (called(f"fund of {config.markets[number].name}"), contract, True)
        for number, contract in system.isolated.items()
    ]
    return [
        Fund(
            name,
            "InsuranceFund",
            contract,
            system.asset,
            config.treasurer,
            config.guardian,
            config.treasury,
            isolated,
            config,
        )
        for name, contract, isolated in kept
    ]


def first_block(backend: Backend, address: str, latest: int) -> int:
    """The first block in which there is code at an address that has some in ``latest``."""
    low, high = 0, latest
    while low < high:
        middle = (low + high) // 2
        if backend.code(address, middle):
            high = middle
        else:
            low = middle + 1
    return low
