"""The reference model behind the moves: a system of three markets, one isolated, with every invariant watched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kana_insurance.kit import COIN, U
from kana_insurance.model import (
    Clock,
    FeedModel,
    Fill,
    FundModel,
    NoticeBoardModel,
    Params,
    Refused,
    RegistryModel,
    TokenLedger,
    VenueModel,
)
from kana_insurance.model import invariants as inv

START = 1_800_000_000
RICHES = 10**9 * U
# The terms of the two funds, and what each market may cost its fund.
SHARED = {"threshold": 20_000 * U, "liquidator_bps": 3_000, "fund_bps": 2_000}
ISOLATED = {"threshold": 1_000 * U, "liquidator_bps": 2_500, "fund_bps": 1_500}
# Limits of the shared fund's markets: the second is covered by its own fund alone, the third is new.
LIMITS, ISOLATED_LIMIT = (3_000 * U, 0, 0), 500 * U
CAPS = {"open_interest_cap": 4_000 * COIN, "position_cap": 1_500 * COIN}
# Parameters of the markets but for feed and fund, which are the addresses'.
MARKETS: tuple[dict[str, Any], ...] = (CAPS, {**CAPS, "taker_fee_bps": 0, "maker_fee_bps": 0}, CAPS)
PRICE = 100 * COIN


@dataclass(frozen=True)
class Names:
    """What everybody and everything is called: addresses, where there is a chain."""

    traders: tuple[str, ...] = tuple(f"trader {number}" for number in range(7))
    contributor: str = "contributor"
    keeper: str = "keeper"
    fee_recipient: str = "fee recipient"
    treasury: str = "treasury"
    treasurer: str = "treasurer"
    guardian: str = "guardian"
    governance: str = "governance"
    house: str = "house"
    gateway: str = "gateway"
    funds: tuple[str, str] = ("shared", "isolated")
    feeds: tuple[str, ...] = ("feed 0", "feed 1", "feed 2")

    @property
    def people(self) -> list[str]:
        """Everybody who may hold anything."""
        return [*self.traders, self.contributor, self.keeper, self.fee_recipient, self.treasury]


@dataclass
class Count:
    """What the steps of all runs came to."""

    steps: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()


COUNT = Count()


class ModelSide:
    """The model, moved step by step; every step is followed by all invariants."""

    def __init__(self, names: Names | None = None) -> None:
        self.names = names or Names()
        self.count = Count()
        self.begin()

    def begin(self) -> None:
        """Go back to the beginning: nobody has done anything."""
        self._make_model()
        self._paid_in: Counter[tuple[str, int]] = Counter()
        self._covered: Counter[tuple[str, int]] = Counter()
        self._donated: Counter[str] = Counter()
        self._limit = {
            number: self.fund_of(number).markets[self._key(number)].max_insurance for number in range(len(MARKETS))
        }
        self.state = self.before = self.model_state()

    @property
    def steps(self) -> int:
        """How many steps all runs have made."""
        return self.count.steps

    @contextmanager
    def played(self) -> Iterator[None]:
        """A run of its own, from the beginning."""
        self.begin()
        yield

    def _make_model(self) -> None:
        names = self.names
        self.clock = Clock(START)
        self.token = TokenLedger(6)
        for person in names.people:
            self.token.mint(person, RICHES)
        self.board = NoticeBoardModel(self.clock)
        self.funds = [
            FundModel(address, self.token, self.clock, treasury=names.treasury, notices=self.board, **terms)
            for address, terms in zip(names.funds, (SHARED, ISOLATED), strict=True)
        ]
        shared, isolated = self.funds
        self.registry = RegistryModel(self.clock, fee_recipient=names.fee_recipient)
        self.venue = VenueModel(names.house, self.token, self.clock, self.registry, gateway=names.gateway)
        self.registry.connect_house("deployer", self.venue)
        self.registry.know(fund=shared)
        self.registry.know(fund=isolated)
        self.feeds = [FeedModel(self.clock, PRICE) for _ in MARKETS]
        for market_id, (address, params) in enumerate(zip(names.feeds, MARKETS, strict=True)):
            self.registry.know(feed=(address, self.feeds[market_id]))
            fund, limit = (isolated, ISOLATED_LIMIT) if market_id == 1 else (shared, LIMITS[market_id])
            fund.register_market("deployer", names.house, market_id, True)
            fund.set_max_insurance("deployer", names.house, market_id, limit)
            self.registry.list_market("deployer", Params(address, fund.address, **params))
        for part in (shared, isolated, self.registry):
            part.finish_setup("deployer")

    def _key(self, market_id: int) -> tuple[str, int]:
        return self.venue.address, market_id

    def fund_of(self, market_id: int) -> FundModel:
        """The model of the fund that insures a market."""
        return self.registry.fund_of(market_id)

    # ------------------------------------------------------------------ steps

    def house(self, function: str, sender: str, *args: Any) -> Any:
        """A call of the house; the result, or a ``Refused``."""
        return self.step("house", getattr(self.venue, function), sender, *args)

    def fund(self, number: int, function: str, sender: str, *args: Any) -> Any:
        """A call of a fund."""
        return self.step(self.names.funds[number], getattr(self.funds[number], function), sender, *args)

    def govern(self, function: str, sender: str, *args: Any) -> Any:
        """A call of the registry."""
        return self.step("registry", getattr(self.registry, function), sender, *args)

    def step(self, part: str, model: Callable[..., Any], sender: str, *args: Any) -> Any:  # noqa: ARG002 - for the chain
        """A call of a part; ``model``'s name is the function's, its first argument the caller."""
        return self._take(lambda: model(sender, *args), model.__name__)

    def trade(self, fill: Fill, *, signed: bool) -> Any:  # noqa: ARG002 - for the chain
        """A fill, from the gateway's address or through the gateway itself with two signatures."""
        return self._take(lambda: self.venue.trade(self.names.gateway, fill), "trade")

    def announce(self, number: int, call: tuple[Any, ...]) -> Any:
        """Notice of a call to a fund (M9)."""
        return self._take(lambda: self.board.announce(self.names.governance, self.funds[number], call), "announce")

    def cancel(self, number: int, call: tuple[Any, ...]) -> Any:
        """That notice withdrawn."""
        return self._take(lambda: self.board.cancel(self.names.governance, self.funds[number], call), "cancel")

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.count.steps += 1

    def price(self, market_id: int, price: int) -> None:
        """Publish a price, a multiple of 10**10: the aggregators have 8 decimals."""
        self.feeds[market_id].push(price)
        self.count.steps += 1

    def donate(self, receiver: str, amount: int, sender: str) -> None:
        """A plain transfer to a contract; it belongs to nobody until it is skimmed (M6)."""
        self._donated[receiver] += amount
        self._take(lambda: self.token.transfer(sender, receiver, amount), "transfer")

    def skim(self, number: int, sender: str, contributor: str) -> None:
        """Book a donation (M6)."""
        if not isinstance(self.fund(number, "skim", sender, contributor), Refused):
            address = self.names.funds[number]
            self._donated[address] = 0
            inv.i1_tokens_back_the_reserve(self.state[address], 0)

    def _take(self, model: Callable[[], Any], function: str) -> Any:  # noqa: ARG002 - for the chain
        """Make a step and check what it did."""
        result = self._model(model)
        self.before, self.state = self.state, self.model_state()
        self._check_invariants(changed=not isinstance(result, Refused))
        return result

    def _model(self, model: Callable[[], Any]) -> Any:
        logs = self.venue.log, self.board.log, *(fund.log for fund in self.funds)
        for log in logs:
            log.clear()
        self.count.steps += 1
        try:
            result = model()
        except Refused as refused:
            self.count.refused += 1
            self.count.reasons[refused.reason] += 1
            return refused
        for log in logs:
            self.count.events.update(event.name for event in log)
        return result

    # ------------------------------------------------------------------ what must hold

    def model_state(self) -> dict[str, Any]:
        balances = self.token.balances
        return {
            "venue": self.venue.state(),
            "registry": self.registry.state(),
            "tokens": {person: balances[person] for person in self.names.people},
            **{fund.address: fund.state() for fund in self.funds},
        }

    def _check_invariants(self, *, changed: bool) -> None:
        """On ``state``, which is the chain's where there is one."""
        if not changed:
            assert self.state == self.before, "I14: a refused call changed something"
            return
        owed = {market_id: self.fund_of(market_id).bad_debt(*self._key(market_id)) for market_id in range(len(MARKETS))}
        venue, donated = self.state["venue"], self._donated[self.names.house]
        inv.check_venue(venue, owed, donations=donated, roundings=self.venue.roundings)
        inv.i3_shortfall_conserved(self.venue.log)
        inv.i10_index_never_falls(self.before["venue"], venue)
        for fund in self.funds:
            before, after = self.before[fund.address], self.state[fund.address]
            # A skim books what was donated in this very step.
            booked = bool(fund.log.named("Contributed"))
            inv.check_fund(after, None if booked else self._donated[fund.address])
            inv.i2_i4_i5_trace(before, after, fund.log)
            if len(fund.log) == 0:
                inv.i8_isolated_untouched({**before, "tokens": 0}, {**after, "tokens": 0})
            self._check_limits(fund)

    def _check_limits(self, fund: FundModel) -> None:
        """I12, over the whole run."""
        for event in fund.log:
            fields = event.fields
            key = fund.address, fields.get("market_id", -1)
            if event.name == "ShortfallCovered":
                self._covered[key] += fields["covered"]
            elif event.name == "LiquidationSettled":
                self._paid_in[key] += fields["fund"] - fields["repaid"]
            elif event.name == "FeesSettled":
                self._paid_in[key] += fields["booked"]
            elif event.name == "MaxInsuranceSet":
                self._limit[fields["market_id"]] = max(self._limit[fields["market_id"]], fields["new"])
        for market_id, highest in self._limit.items():
            key = fund.address, market_id
            inv.i12_limit_bounds_loss(self._covered[key], self._paid_in[key], highest)
