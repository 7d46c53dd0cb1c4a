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
        funds, layers, venues: What the checks go through.
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

    @cached_property
    def feeds(self) -> list[tuple[Market, Part]]:
        """Every feed that a market reads, with the market."""
        return [(market, market.feed) for venue in self.venues for market in venue.markets]

    def parts(self) -> list[Part]:
        """Every contract whose source is the project's, once."""
        found: dict[str, Part] = {}
        every = [self.timelock, self.notices, self.factory, *self.funds]
        every += [part for layer in self.layers for part in (layer.underwriter, layer.backstop)]
        every += [part for venue in self.venues for part in (venue.registry, venue.gateway, venue.house)]
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
