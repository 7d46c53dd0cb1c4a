"""The real contracts beside the model: every call goes to both and must do the same to the unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boa
from boa.contracts.event_decoder import RawLogEntry
from boa.environment import Env
from eth_utils import keccak

from kana_insurance import reader
from kana_insurance.deployment import MarketConfig, System
from kana_insurance.kit import Kit
from kana_insurance.model import Fill, Refused
from kana_insurance.orders import Order
from kana_insurance.testing import boa_system
from tests.stateful.chain import Cached, Chain
from tests.stateful.side import ISOLATED, ISOLATED_LIMIT, LIMITS, MARKETS, RICHES, SHARED, START, ModelSide, Names

NEVER = 2**64
# Logged by the contracts and not by the model (the state that they tell of is compared), or with other fields.
UNCOMPARED = frozenset({"PositionChanged", "NoticeGiven", "NoticeUsed", "NoticeCancelled"})


class DifferentError(AssertionError):
    """Chain and model don't agree."""


@contextmanager
def own_chain() -> Iterator[None]:
    """An environment of titanoboa's that nobody else uses."""
    with boa.swap_env(Env()):
        yield


def deploy(crowd: Sequence[str] = ()) -> tuple[Kit, Any]:
    """The system, by the code of ``ape run deploy``; the second market has a fund of its own (M17), returned too.

    ``crowd`` are more traders than the machine's, who can't sign.
    """
    boa.env.evm.patch.timestamp = START
    markets = [
        MarketConfig(
            name=f"COIN {number} / USD",
            max_insurance=ISOLATED_LIMIT if number == 1 else limit,
            isolated=number == 1,
            threshold=ISOLATED["threshold"] if number == 1 else None,
            **params,
        )
        for number, (limit, params) in enumerate(zip(LIMITS, MARKETS, strict=True))
    ]
    kit = boa_system(markets=markets, **SHARED)
    isolated = kit.system.isolated[1]
    isolated.set_split(ISOLATED["liquidator_bps"], ISOLATED["fund_bps"], sender=kit.timelock.address)
    for person in [*people(kit), *crowd]:
        kit.mint(person, RICHES)
        for spender in (kit.fund, isolated, kit.house):
            kit.asset.approve(spender.address, 2**256 - 1, sender=person)
    return kit, isolated


def traders(kit: Kit) -> list[Any]:
    """Who trades."""
    actors = kit.actors
    return [actors.trader, actors.counterparty, actors.liquidator, *actors.others[:4]]


def people(kit: Kit) -> list[Any]:
    """Who starts with tokens."""
    actors = kit.actors
    return [*traders(kit), actors.contributor, actors.keeper, actors.fee_recipient, actors.treasury]


def names_of(kit: Kit, isolated: Any, crowd: Sequence[str]) -> Names:
    """The model's names: addresses."""
    actors = kit.actors
    roles = ("contributor", "keeper", "fee_recipient", "treasury", "treasurer", "guardian")
    return Names(
        traders=(*(str(trader) for trader in traders(kit)), *crowd),
        **{role: str(getattr(actors, role)) for role in roles},
        governance=str(kit.timelock.address),
        house=str(kit.house.address),
        gateway=str(kit.gateway.address),
        funds=(str(kit.fund.address), str(isolated.address)),
        feeds=tuple(str(feed.address) for feed in kit.feeds),
    )


class Twins(ModelSide):
    """Chain and model of one system."""

    def __init__(self, kit: Kit, isolated: Any, chain: Chain, crowd: Sequence[str] = ()) -> None:
        self.kit, self.chain = kit, chain
        names = names_of(kit, isolated, crowd)
        self.keys = {str(trader): trader for trader in traders(kit)}
        self.parts = {"house": kit.house, "registry": kit.registry, "board": kit.notices}
        self.parts |= {names.funds[0]: kit.fund, names.funds[1]: isolated}
        self.nonce = 0
        parts = ("asset", "fund", "registry", "house")
        views: dict[str, Any] = {name: Cached(chain, getattr(kit.system, name)) for name in parts}
        self.system: System = replace(kit.system, **views)
        self.fund_views = {address: Cached(chain, self.parts[address]) for address in names.funds}
        super().__init__(names)

    def begin(self) -> None:
        """The chain is at its beginning; so is the model."""
        self.chain.forget()
        super().begin()
        self._compare_states()

    @contextmanager
    def played(self) -> Iterator[None]:
        """A run of its own, from the beginning, undone afterwards."""
        with boa.env.anchor():
            boa.env.evm.patch.timestamp = START
            self.begin()
            yield

    # ------------------------------------------------------------------ steps

    def step(self, part: str, model: Callable[..., Any], sender: str, *args: Any) -> Any:
        """A call on both sides."""
        function = getattr(self.parts[part], model.__name__)
        return self.both(lambda: model(sender, *args), function, args, sender)

    def trade(self, fill: Fill, *, signed: bool) -> Any:
        """A fill on both sides."""

        def model() -> None:
            self.venue.trade(self.names.gateway, fill)

        if signed:
            return self.both(model, self.kit.gateway.fill, self._signed(fill), self.names.keeper)
        return self.both(model, self.kit.house.trade, (tuple(fill),), self.names.gateway)

    def _signed(self, fill: Fill) -> tuple[Any, ...]:
        orders: list[Any] = []
        buys = fill.size > 0
        sides = (
            (fill.maker, not buys, fill.maker_margin, fill.maker_reduce_only),
            (fill.taker, buys, fill.taker_margin, fill.taker_reduce_only),
        )
        size, price = abs(fill.size), fill.price
        for trader, is_buy, margin, reduce_only in sides:
            self.nonce += 1
            order = Order(trader, fill.market_id, is_buy, size, price, margin, NEVER, self.nonce, reduce_only)
            orders += [order.as_tuple(), self.kit.sign(order, self.keys[trader])]
        return (*orders, size)

    def announce(self, number: int, call: tuple[Any, ...]) -> Any:
        """Notice on both sides; the contract returns its id."""
        data, governance = self._calldata(number, call), self.names.governance

        def model() -> bytes:
            self.board.announce(governance, self.funds[number], call)
            return keccak(data)

        return self.both(model, self.kit.notices.announce, (self.names.funds[number], data), governance)

    def cancel(self, number: int, call: tuple[Any, ...]) -> Any:
        """That notice withdrawn on both sides."""
        fund, governance = self.funds[number], self.names.governance
        arguments = (fund.address, keccak(self._calldata(number, call)))
        return self.both(
            lambda: self.board.cancel(governance, fund, call), self.kit.notices.cancel, arguments, governance
        )

    def _calldata(self, number: int, call: tuple[Any, ...]) -> bytes:
        return bytes(getattr(self.parts[self.names.funds[number]], call[0]).prepare_calldata(*call[1:]))

    def wait(self, seconds: int) -> None:
        """Let time pass on both sides."""
        super().wait(seconds)
        boa.env.evm.patch.timestamp = self.clock.now

    def price(self, market_id: int, price: int) -> None:
        """Publish a price on both sides."""
        super().price(market_id, price)
        aggregator = self.kit.aggregators[market_id]
        went, reason, _ = self.chain.execute(aggregator.push, price // 10**10, sender=self.names.keeper)
        assert went, reason

    def donate(self, receiver: str, amount: int, sender: str) -> None:
        """A plain transfer on both sides."""
        self._donated[receiver] += amount

        def model() -> bool:
            self.token.transfer(sender, receiver, amount)
            return True

        self.both(model, self.kit.asset.transfer, (receiver, amount), sender)

    def both(self, model: Callable[[], Any], function: Any, args: Iterable[Any], sender: str) -> Any:
        """Run both sides, compare outcome, events and whole states, check the invariants on the chain's state."""
        expected = self._model(model)
        went, found, raw = self.chain.execute(function, *args, sender=sender)
        wanted = expected.reason if isinstance(expected, Refused) else expected
        if went == isinstance(expected, Refused) or _plain(found) != _plain(wanted):
            raise DifferentError(f"{function.func_t.name}: chain {found!r}, model {wanted!r}")
        if went:
            self._compare_events(raw)
        self._compare_states()
        self._check_invariants(changed=went)
        return expected

    # ------------------------------------------------------------------ comparisons

    def chain_state(self) -> dict[str, Any]:
        """What ``model_state`` gives, from the contracts' views."""
        system, people = self.system, self.names.people
        funds = {address: replace(system, fund=fund) for address, fund in self.fund_views.items()}
        return {
            "venue": reader.venue_state(system, people),
            "registry": reader.registry_state(system),
            "tokens": {person: system.asset.balanceOf(person) for person in people},
            **{address: reader.fund_state(with_fund, people) for address, with_fund in funds.items()},
        }

    def _compare_states(self) -> None:
        self.before, self.state = self.state, self.chain_state()
        expected = self.model_state()
        if self.state != expected:
            parts = [f"{path}: chain {a!r}, model {b!r}" for path, a, b in _differences(self.state, expected)]
            raise DifferentError("; ".join(parts))

    def _compare_events(self, raw: list[tuple[Any, ...]]) -> None:
        sides = {"house": self.venue.log, "board": self.board.log, **{fund.address: fund.log for fund in self.funds}}
        found: dict[str, list[Any]] = {part: [] for part in sides}
        by_address = {self.parts[part].address.canonical_address: part for part in sides}
        for entry in sorted(raw):
            log = RawLogEntry(*entry)
            part = by_address.get(log.address)
            if part is None:
                continue
            event = self.parts[part].decode_log(log)
            name = type(event).__name__
            if name not in UNCOMPARED:
                fields = {key: _plain(value) for key, value in event._asdict().items() if key != "address"}
                found[part].append((name, fields))
        for part, log_of_model in sides.items():
            expected = [(event.name, event.fields) for event in log_of_model if event.name not in UNCOMPARED]
            if _counted(found[part]) != _counted(expected):
                raise DifferentError(f"events: chain {found[part]}, model {expected}")


def _plain(value: Any) -> Any:
    """Structs as tuples, addresses as strings."""
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, str) else value


def _counted(events: Iterable[tuple[str, dict[str, Any]]]) -> Counter[Any]:
    return Counter((name, tuple(sorted(fields.items()))) for name, fields in events)


def _differences(found: Any, expected: Any, path: str = "") -> Iterable[tuple[str, Any, Any]]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys(), key=str):
            yield from _differences(found.get(key), expected.get(key), f"{path}/{key}")
    elif found != expected:
        yield path, found, expected
