"""The real contracts and the reference model side by side: every call goes to both and must do the same to the unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import boa
from boa.contracts.event_decoder import RawLogEntry
from boa.environment import Env
from eth_utils import keccak

from kana_insurance import reader
from kana_insurance.deployment import MarketConfig, System
from kana_insurance.kit import COIN, Kit, U
from kana_insurance.model import (
    Clock,
    FeedModel,
    Fill,
    FundModel,
    Params,
    Refused,
    RegistryModel,
    TokenLedger,
    VenueModel,
)
from kana_insurance.model import invariants as inv
from kana_insurance.orders import Order
from kana_insurance.testing import boa_system
from tests.stateful.chain import Cached, Chain

START = 1_800_000_000
RICHES = 10**9 * U
NEVER = 2**64
# Logged by the contracts and not by the model (the state that they tell of is compared), or with other fields.
UNCOMPARED = frozenset({"PositionChanged", "NoticeGiven", "NoticeUsed", "NoticeCancelled"})
MARKET = {"open_interest_cap": 4_000 * COIN, "position_cap": 1_500 * COIN}


class DifferentError(AssertionError):
    """Chain and model don't agree."""


@dataclass
class Count:
    """What the steps of all runs came to."""

    steps: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()


COUNT = Count()


def deploy() -> tuple[Kit, Any]:
    """The system with two markets, the second isolated in a fund of its own (M17); that fund too."""
    boa.env.evm.patch.timestamp = START
    kit = boa_system(
        threshold=20_000 * U,
        markets=[
            MarketConfig(name="SHARED / USD", max_insurance=3_000 * U, **MARKET),
            MarketConfig(name="ISOLATED / USD", max_insurance=0, taker_fee_bps=0, maker_fee_bps=0, **MARKET),
        ],
    )
    config, me = kit.system.config, kit.actors.deployer
    isolated = kit.backend.deploy(
        "InsuranceFund",
        *(kit.asset.address, kit.timelock.address, config.treasurer, config.guardian, me, config.treasury),
        *(1_000 * U, 2_500, 1_500),
        sender=me,
    )
    isolated.register_market(kit.house.address, 1, True, sender=me)
    isolated.set_max_insurance(kit.house.address, 1, 500 * U, sender=me)
    isolated.finish_setup(sender=me)
    kit.registry.replace_fund(1, isolated.address, sender=kit.timelock.address)
    for person in people(kit):
        kit.mint(person, RICHES)
        for spender in (kit.fund, isolated, kit.house):
            kit.asset.approve(spender.address, 2**256 - 1, sender=person)
    return kit, isolated


def traders(kit: Kit) -> list[Any]:
    """Who trades."""
    actors = kit.actors
    return [actors.trader, actors.counterparty, actors.liquidator, *actors.others[:4]]


def people(kit: Kit) -> list[Any]:
    """Everybody who may hold anything."""
    actors = kit.actors
    return [*traders(kit), actors.contributor, actors.keeper, actors.fee_recipient, actors.treasury]


@contextmanager
def own_chain() -> Any:
    """An environment of titanoboa's that nobody else uses."""
    with boa.swap_env(Env()):
        yield


class Twins:
    """Chain and model of one system."""

    def __init__(self, kit: Kit, isolated: Any, chain: Chain) -> None:
        self.kit, self.isolated, self.chain = kit, isolated, chain
        self.traders = [str(trader) for trader in traders(kit)]
        self.people = [str(person) for person in people(kit)]
        self.keys = {str(trader): trader for trader in traders(kit)}
        self.governance = str(kit.timelock.address)
        self.funds_on_chain = {str(fund.address): fund for fund in (kit.fund, isolated)}
        views: dict[str, Any] = {
            name: Cached(chain, getattr(kit.system, name)) for name in ("asset", "fund", "registry", "house")
        }
        self.system: System = replace(kit.system, **views)
        self.views = {address: Cached(chain, fund) for address, fund in self.funds_on_chain.items()}
        self.nonce = 0
        self._make_model()
        self._paid_in: Counter[str] = Counter()
        self._covered: Counter[str] = Counter()
        self._limit = {number: self.fund_of(number).markets[self._key(number)].max_insurance for number in (0, 1)}
        self._donated: Counter[str] = Counter()
        self.state = self._model_state()
        self._compare_states()

    # ------------------------------------------------------------------ the model

    def _make_model(self) -> None:
        self.clock = Clock(START)
        self.token = TokenLedger(6)
        for person in self.people:
            self.token.mint(person, RICHES)
        kit, config = self.kit, self.kit.system.config
        terms = {"threshold": config.threshold, "liquidator_bps": config.liquidator_bps, "fund_bps": config.fund_bps}
        of_its_own = {"threshold": 1_000 * U, "liquidator_bps": 2_500, "fund_bps": 1_500}
        self.funds = [
            FundModel(address, self.token, self.clock, treasury=config.treasury, **more)
            for address, more in zip(self.funds_on_chain, (terms, of_its_own), strict=True)
        ]
        self.registry = RegistryModel(self.clock, fee_recipient=config.fee_recipient)
        house = str(kit.house.address)
        self.venue = VenueModel(house, self.token, self.clock, self.registry, gateway=str(kit.gateway.address))
        self.registry.connect_house("deployer", self.venue)
        self.feeds = []
        shared, isolated = self.funds
        for fund in self.funds:
            self.registry.know(fund=fund)
        for market_id, (market, limit) in enumerate(zip(config.markets, (3_000 * U, 0), strict=True)):
            feed = FeedModel(self.clock, market.price, market.max_age)
            self.feeds.append(feed)
            address = str(kit.feeds[market_id].address)
            self.registry.know(feed=(address, feed))
            shared.register_market("deployer", house, market_id, True)
            shared.set_max_insurance("deployer", house, market_id, limit)
            names = set(Params._fields) - {"feed", "fund", "min_notional"}
            values = {name: getattr(market, name) for name in names}
            self.registry.list_market("deployer", Params(address, shared.address, **values))
        isolated.register_market("deployer", house, 1, True)
        isolated.set_max_insurance("deployer", house, 1, 500 * U)
        for fund in self.funds:
            fund.finish_setup("deployer")
        self.registry.finish_setup("deployer")
        self.registry.replace_fund("governance", 1, isolated.address)
        for log in (self.venue.log, *(fund.log for fund in self.funds)):
            log.clear()

    def _key(self, market_id: int) -> tuple[str, int]:
        return self.venue.address, market_id

    def fund_of(self, market_id: int) -> FundModel:
        """The model of the fund that insures a market."""
        return self.registry.fund_of(market_id)

    def anew(self) -> Twins:
        """Twins of the same contracts, whose chain is back at its beginning."""
        self.chain.forget()
        return Twins(self.kit, self.isolated, self.chain)

    def announced(self, fund: FundModel, call: tuple[Any, ...]) -> bytes:
        """Notice in the model; its id, as the contract returns it."""
        fund.announce(self.governance, call)
        return keccak(self.calldata(self.funds.index(fund), call))

    # ------------------------------------------------------------------ both

    def call(self, model: Callable[..., Any], contract: Any, sender: str, *args: Any) -> Any:
        """Make a call on both sides; ``model``'s name is the function's, its first argument the caller.

        Returns the result, or the reason as ``Refused``.
        """
        function = getattr(contract, model.__name__)
        return self.both(lambda: model(sender, *args), function, args, sender)

    def house(self, function: str, sender: str, *args: Any) -> Any:
        """``call`` of the house."""
        return self.call(getattr(self.venue, function), self.kit.house, sender, *args)

    def fund(self, number: int, function: str, sender: str, *args: Any) -> Any:
        """``call`` of a fund."""
        fund = self.funds[number]
        return self.call(getattr(fund, function), self.funds_on_chain[fund.address], sender, *args)

    def trade(self, fill: Fill, *, signed: bool) -> Any:
        """A fill, from the gateway's address or through the gateway itself with two signatures."""

        def model() -> None:
            self.venue.trade(self.venue.gateway, fill)

        if not signed:
            return self.both(model, self.kit.house.trade, (tuple(fill),), self.venue.gateway)
        return self.both(model, self.kit.gateway.fill, self._signed(fill), self.people[-1])

    def _signed(self, fill: Fill) -> tuple[Any, ...]:
        orders = []
        buys = fill.size > 0
        sides = (
            (fill.maker, not buys, fill.maker_margin, fill.maker_reduce_only),
            (fill.taker, buys, fill.taker_margin, fill.taker_reduce_only),
        )
        for trader, is_buy, margin, reduce_only in sides:
            self.nonce += 1
            order = Order(
                trader, fill.market_id, is_buy, abs(fill.size), fill.price, margin, NEVER, self.nonce, reduce_only
            )
            orders += [order.as_tuple(), self.kit.sign(order, self.keys[trader])]
        return (*orders, abs(fill.size))

    def both(self, model: Callable[[], Any], function: Any, args: Iterable[Any], sender: str) -> Any:
        """Run both sides, compare outcome, events and whole states, check the invariants."""
        logs = self.venue.log, *(fund.log for fund in self.funds)
        for log in logs:
            log.clear()
        try:
            expected: Any = model()
            went = True
        except Refused as refused:
            expected, went = refused.reason, False
        succeeded, found, raw = self.chain.execute(function, *args, sender=sender)
        plain = tuple(found) if isinstance(found, tuple) else found
        if (succeeded, plain) != (went, tuple(expected) if isinstance(expected, tuple) else expected):
            raise DifferentError(f"{function.func_t.name}: chain {plain!r}, model {expected!r}")
        COUNT.steps += 1
        if went:
            self._compare_events(raw)
        else:
            COUNT.refused += 1
            COUNT.reasons[expected] += 1
        self._compare_states()
        self._check_invariants(changed=went)
        return expected if went else Refused(expected)

    # ------------------------------------------------------------------ time, prices, gifts

    def wait(self, seconds: int) -> None:
        """Let time pass on both sides."""
        self.clock.advance(seconds)
        boa.env.evm.patch.timestamp = self.clock.now
        COUNT.steps += 1

    def price(self, market_id: int, price: int) -> None:
        """Publish a price, a multiple of 10**10."""
        aggregator = self.kit.aggregators[market_id]
        went, reason, _ = self.chain.execute(aggregator.push, price // 10**10, sender=self.people[0])
        assert went, reason
        self.feeds[market_id].push(price)
        COUNT.steps += 1

    def donate(self, receiver: str, amount: int, sender: str) -> None:
        """A plain transfer to a contract; it belongs to nobody until it is skimmed (M6)."""
        self._donated[receiver] += amount

        def model() -> bool:
            self.token.transfer(sender, receiver, amount)
            return True

        self.both(model, self.kit.asset.transfer, (receiver, amount), sender)

    def skim(self, number: int, sender: str, contributor: str) -> None:
        """Book a donation (M6)."""
        if not isinstance(self.fund(number, "skim", sender, contributor), Refused):
            self._donated[self.funds[number].address] = 0
            inv.i1_tokens_back_the_reserve(self.state[self.funds[number].address], 0)

    def calldata(self, number: int, call: tuple[Any, ...]) -> bytes:
        """What `announce` is given for a call."""
        fund = self.funds_on_chain[self.funds[number].address]
        return bytes(getattr(fund, call[0]).prepare_calldata(*call[1:]))

    # ------------------------------------------------------------------ comparisons

    def _model_state(self) -> dict[str, Any]:
        balances = self.token.balances
        return {
            "venue": self.venue.state(),
            "registry": self.registry.state(),
            "tokens": {person: balances[person] for person in self.people},
            **{fund.address: fund.state() for fund in self.funds},
        }

    def _chain_state(self) -> dict[str, Any]:
        system, asset = self.system, self.system.asset
        return {
            "venue": reader.venue_state(system, self.people),
            "registry": reader.registry_state(system),
            "tokens": {person: asset.balanceOf(person) for person in self.people},
            **{
                address: reader.fund_state(replace(system, fund=fund), self.people)
                for address, fund in self.views.items()
            },
        }

    def _compare_states(self) -> None:
        self.before, self.state = self.state, self._chain_state()
        expected = self._model_state()
        if self.state != expected:
            parts = [f"{path}: chain {a!r}, model {b!r}" for path, a, b in _differences(self.state, expected)]
            raise DifferentError("; ".join(parts))

    def _compare_events(self, raw: list[tuple[Any, ...]]) -> None:
        sources: dict[bytes, Any] = {self.kit.house.address.canonical_address: self.kit.house}
        models: dict[bytes, Any] = {self.kit.house.address.canonical_address: self.venue}
        for fund in self.funds:
            contract = self.funds_on_chain[fund.address]
            sources[contract.address.canonical_address] = contract
            models[contract.address.canonical_address] = fund
        found: dict[bytes, list[Any]] = {address: [] for address in sources}
        for entry in sorted(raw):
            log = RawLogEntry(*entry)
            contract = sources.get(log.address)
            if contract is None:
                continue
            event = contract.decode_log(log)
            name = type(event).__name__
            COUNT.events[name] += 1
            if name not in UNCOMPARED:
                found[log.address].append((name, _plain(event)))
        for address, model in models.items():
            expected = [(event.name, event.fields) for event in model.log if event.name not in UNCOMPARED]
            if _counted(found[address]) != _counted(expected):
                raise DifferentError(f"events: chain {found[address]}, model {expected}")

    def _check_invariants(self, *, changed: bool) -> None:
        """On what was read from the chain."""
        if not changed:
            assert self.state == self.before, "I14: a refused call changed something"
            return
        owed = {market_id: self.fund_of(market_id).bad_debt(*self._key(market_id)) for market_id in (0, 1)}
        venue = self.state["venue"]
        inv.check_venue(venue, owed, donations=self._donated[self.venue.address], roundings=self.venue.roundings)
        inv.i3_shortfall_conserved(self.venue.log)
        inv.i10_index_never_falls(self.before["venue"], venue)
        for fund in self.funds:
            inv.check_fund(self.state[fund.address], self._donated_to(fund))
            inv.i2_i4_i5_trace(self.before[fund.address], self.state[fund.address], fund.log)
            if not len(fund.log):
                self._check_isolation(fund)
            self._check_limits(fund)

    def _check_isolation(self, fund: FundModel) -> None:
        before, after = dict(self.before[fund.address]), dict(self.state[fund.address])
        if self._donated[fund.address]:
            before.pop("tokens"), after.pop("tokens")
        inv.i8_isolated_untouched(before, after)

    def _donated_to(self, fund: FundModel) -> int | None:
        """What lies there unbooked; a skim in this very step has just booked it."""
        return None if fund.log.named("Contributed") else self._donated[fund.address]

    def _check_limits(self, fund: FundModel) -> None:
        """I12, over the whole run."""
        for event in fund.log:
            fields = event.fields
            key = f"{fund.address} {fields.get('market_id')}"
            if event.name == "ShortfallCovered":
                self._covered[key] += fields["covered"]
            elif event.name == "LiquidationSettled":
                self._paid_in[key] += fields["fund"] - fields["repaid"]
            elif event.name == "FeesSettled":
                self._paid_in[key] += fields["booked"]
            elif event.name == "MaxInsuranceSet":
                self._limit[fields["market_id"]] = max(self._limit[fields["market_id"]], fields["new"])
        for market_id, highest in self._limit.items():
            key = f"{fund.address} {market_id}"
            inv.i12_limit_bounds_loss(self._covered[key], self._paid_in[key], highest)


def _plain(event: Any) -> dict[str, Any]:
    fields = {name: str(value) if isinstance(value, str) else value for name, value in event._asdict().items()}
    del fields["address"]  # whose event it is
    return fields


def _counted(events: Iterable[tuple[str, dict[str, Any]]]) -> Counter[Any]:
    return Counter((name, tuple(sorted(fields.items()))) for name, fields in events)


def _differences(found: Any, expected: Any, path: str = "") -> Iterable[tuple[str, Any, Any]]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys(), key=str):
            yield from _differences(found.get(key), expected.get(key), f"{path}/{key}")
    elif found != expected:
        yield path, found, expected
