"""One replay, bar by bar: thief, keeper, traders, fees; figures of what happened. The model decides and does it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kana_insurance.mirror import LayerMirror
from kana_insurance.model import Clock, FeedModel, FundModel, Params, RegistryModel, TokenLedger, VenueModel
from kana_insurance.model.units import BPS
from kana_insurance.replay.book import Book, Trader, Want, account_of
from kana_insurance.replay.keeper import Keeper
from kana_insurance.replay.layers import AFTERWARDS, Crowd, LayerTotals, open_layers
from kana_insurance.replay.market import Market, submit
from kana_insurance.replay.prices import FEED_DECIMALS, History
from kana_insurance.replay.thief import Thief, order_of
from kana_insurance.replay.world import WAD_OF_FEED, Addresses, World

UNIT = 10**6
#: Bars between two collections of fees.
FEES_EVERY = 60
#: Bars between two points of the charts.
SAMPLE_EVERY = 4


@dataclass(frozen=True)
class Settings:
    """What a replay is made of; base units of a 6-decimal asset, sizes with 18 decimals."""

    traders: int = 200
    seed: int = 7
    threshold: int = 150_000 * UNIT
    contributions: int = 140_000 * UNIT
    max_insurance: int = 60_000 * UNIT
    keeper_capital: int = 180_000 * UNIT
    thief_capital: int = 30_000 * UNIT
    initial_margin_bps: int = 500
    maintenance_margin_bps: int = 250
    fill_band_bps: int = 200
    #: Caps of the market and of an account, by what they are worth at the first price.
    open_interest_worth: int = 40_000_000 * UNIT
    position_worth: int = 150_000 * UNIT
    #: What is staked behind the reserve; 0: there is no such layer.
    stakers: int = 0
    reinsurance: int = 0

    @classmethod
    def split(cls, stakers: int, reinsurance: int, **others: Any) -> Settings:
        """The same money in other places: what stands in the layers isn't in the reserve, whose threshold is as much
        lower.

        Raises:
            ValueError: if the layers take more than there is.
        """
        moved = stakers + reinsurance
        if moved > cls.contributions:
            raise ValueError("the layers take more than there is")
        return cls(
            threshold=cls.threshold - moved,
            contributions=cls.contributions - moved,
            stakers=stakers,
            reinsurance=reinsurance,
            **others,
        )

    @property
    def stakes(self) -> dict[str, int]:
        """The layers that there are, in the order of drawing, and what is staked in them."""
        both = {"stakers": self.stakers, "reinsurance": self.reinsurance}
        return {name: stake for name, stake in both.items() if stake}


@dataclass(frozen=True)
class Sizes:
    """Base sizes of a replay, 18 decimals, fitted to the first price so that any price history works."""

    open_interest_cap: int
    position_cap: int
    #: Traders' sizes are multiples of this: the power of ten that is worth a U or less.
    lot: int

    @classmethod
    def of(cls, settings: Settings, history: History) -> Sizes:
        """Sizes for a history."""

        def worth(amount: int) -> int:
            return amount * 10 ** (FEED_DECIMALS + 12) // history.bars[0].close

        return cls(
            worth(settings.open_interest_worth), worth(settings.position_worth), 10 ** (len(str(worth(UNIT))) - 1)
        )


@dataclass(frozen=True)
class Accounts:
    """Private keys of those who act beside the traders."""

    relayer: bytes
    keeper: bytes
    long: bytes
    short: bytes
    #: By layer: the stakers, the reinsurer.
    stakers: dict[str, list[bytes]]


@dataclass(frozen=True)
class Sample:
    """One point of the charts; base units, price in feed units, size in base."""

    time: int
    price: int
    reserve: int
    target: int
    limit_left: int
    open_interest: int
    covered: int
    socialised: int
    keeper: int
    thief: int
    #: Of what was covered, the layers' parts.
    from_stakers: int
    from_reinsurance: int
    #: What the fund could draw from them now.
    stakers_left: int
    reinsurance_left: int
    #: The stakers' money by where it is, and what a U staked at the start is worth.
    staked: int
    leaving: int
    unvested: int
    share_price: int


@dataclass
class Totals:
    """Sums over the whole replay, base units."""

    liquidations: int = 0
    insolvent: int = 0
    partial: int = 0
    deleveraged: int = 0
    flags: int = 0
    collateral: int = 0
    to_liquidator: int = 0
    to_fund: int = 0
    to_trader: int = 0
    slices_full: int = 0
    slices_cut: int = 0
    slices_none: int = 0
    shortfalls: int = 0
    shortfall: int = 0
    covered: int = 0
    socialised: int = 0
    bad_debt: int = 0
    charges: int = 0
    charged: int = 0
    fees_to_fund: int = 0
    fees_to_recipient: int = 0
    fees_forwarded: int = 0
    refunds: int = 0
    #: What the reserve took in and what it paid out.
    income: int = 0
    from_reserve: int = 0
    #: What was drawn from a layer while one before it still had something; must stay 0 (I7).
    too_early: int = 0
    layers: dict[str, LayerTotals] = field(default_factory=dict)
    by_hour: dict[int, Counter[str]] = field(default_factory=dict)


def make_world(history: History, settings: Settings, addresses: Addresses) -> World:
    """The model as the deployment leaves it: one market, setup finished."""
    clock = Clock(history.start)
    token = TokenLedger(6)
    fund = FundModel(addresses.fund, token, clock, treasury=addresses.treasury, threshold=settings.threshold)
    registry = RegistryModel(clock, fee_recipient=addresses.fee_recipient)
    layers = open_layers(settings.stakes, addresses.layers, fund, token, clock)
    venue = VenueModel(addresses.house, token, clock, registry, gateway=addresses.gateway)
    feed = FeedModel(clock, history.bars[0].open * WAD_OF_FEED)
    registry.know(fund=fund, feed=(addresses.feed, feed))
    registry.connect_house("deployer", venue)
    fund.register_market("deployer", addresses.house, 0, True)
    fund.set_max_insurance("deployer", addresses.house, 0, settings.max_insurance)
    registry.list_market("deployer", market_params(settings, Sizes.of(settings, history), addresses))
    registry.finish_setup("deployer")
    fund.finish_setup("deployer")
    return World(clock, token, feed, fund, registry, venue, addresses, layers)


def market_params(settings: Settings, sizes: Sizes, addresses: Addresses) -> Params:
    """The replay's market."""
    return Params(
        addresses.feed,
        addresses.fund,
        initial_margin_bps=settings.initial_margin_bps,
        maintenance_margin_bps=settings.maintenance_margin_bps,
        fill_band_bps=settings.fill_band_bps,
        open_interest_cap=sizes.open_interest_cap,
        position_cap=sizes.position_cap,
    )


class Replay:
    """A replay in the making.

    Args:
        history: The bars.
        settings: Market, book, capital.
        accounts: Who acts beside the traders.
        world: The model, as :func:`make_world` makes it.
    """

    def __init__(self, history: History, settings: Settings, accounts: Accounts, world: World) -> None:
        self.history = history
        self.settings = settings
        self.world = world
        self.relayer = account_of(accounts.relayer)
        sizes = Sizes.of(settings, history)
        self.book = Book(settings.traders, settings.seed, UNIT, sizes.position_cap, sizes.lot)
        self.market = Market(world, self.book, self.relayer)
        keeper = account_of(accounts.keeper)
        self.keeper = Keeper(keeper, self.relayer, settings.keeper_capital)
        self.thief = Thief(account_of(accounts.long), account_of(accounts.short), settings.thief_capital, sizes.lot)
        self._keys = accounts
        self._dealer = Trader("keeper", accounts.keeper, 1, settings.keeper_capital)
        self.crowd = Crowd(settings.stakes, accounts.stakers, settings.seed)
        self.totals = Totals(layers={name: LayerTotals() for name in settings.stakes})
        self._layer_at = {layer.underwriter.address: layer.name for layer in world.layers}
        self.samples: list[Sample] = []
        #: The most that the market had cost the fund at any moment, base units.
        self.most_used = 0
        #: By how much the reserve ever stood above threshold and bad debt after a bar, base units.
        self.overfull = 0

    # ------------------------------------------------------------------ the course of things

    def begin(self) -> None:
        """Money comes in: contributions, the stakers', the traders' capital, the keeper's, the thief's."""
        world, relayer = self.world, self.relayer
        world.clock.now = self.history.start
        total = self.settings.contributions + self.settings.keeper_capital
        total += sum(trader.capital for trader in self.book.traders)
        world.mint(relayer, total, relayer)
        for account in (relayer, self.thief.long, self.thief.short):
            world.record("token", "approve", account, world.addresses.house, 2**256 - 1)
        world.record("token", "approve", relayer, world.addresses.fund, 2**256 - 1)
        if self.settings.contributions:
            world.contribute(relayer, self.settings.contributions)
        self.crowd.begin(world, relayer)
        world.must("deposit", relayer, self.settings.keeper_capital, self.keeper.account)
        for trader in self.book.traders:
            self._deposit(trader)
        for key in (self.thief.long, self.thief.short):
            world.mint(key, self.settings.thief_capital // 2, relayer)

    def _deposit(self, trader: Trader) -> None:
        self.world.must("deposit", self.relayer, trader.capital, trader.account)
        trader.deposited += trader.capital

    def bars(self) -> Iterator[int]:
        """Play the bars; yields after each the time of its block, when :meth:`World.take_calls` has its calls."""
        for number, bar in enumerate(self.history.bars):
            time = bar.time + 60
            self.world.push(time, bar.close)
            self.world.record("feed", "push", self.relayer, bar.close)
            self.thief.strike(self.world, number)
            self.keeper.act(self.world)
            self._forget_the_liquidated()
            self._trade(number == 0)
            if number + 1 < len(self.history.bars):
                self._let_the_thief_in(number, bar.close, self.history.bars[number + 1].close)
            else:
                self.thief.withdraw(self.world)
            self.crowd.act(self.world, number, bar.close)
            self._watch_the_order()
            if number % FEES_EVERY == FEES_EVERY - 1:
                self.world.house("collect_fees", self.relayer, self.world.market_id)
            self._count(number)
            if number % SAMPLE_EVERY == 0 or number == len(self.history.bars) - 1:
                self._sample(bar.time, bar.close)
            yield time

    def afterwards(self) -> int | None:
        """When all is over, those who asked to leave claim; returns the time of that block, None without layers."""
        if not self.world.layers:
            return None
        last = self.history.bars[-1]
        time = last.time + 60 + AFTERWARDS
        self.world.push(time, last.close)
        self.world.record("feed", "push", self.relayer, last.close)
        self.crowd.claim(self.world)
        return time

    def _forget_the_liquidated(self) -> None:
        """Who was liquidated or closed against wants nothing for now."""
        for event in self.world.venue.log:
            if event.name in ("Liquidated", "Deleveraged"):
                self.market.drop(event.fields["trader"])
        self.market.tidy()

    def _trade(self, opening: bool) -> None:
        """The keeper offers what he took over; traders come, go, and are matched."""
        world = self.world
        held = world.size(self.keeper.account)
        self.market.offer(self._dealer, Want(self._dealer, -held, 0, closing=True) if held else None)
        for trader in self.book.traders:
            standing = world.standing(trader.account)
            if self.book.returns(trader, standing):
                world.mint(self.relayer, trader.capital, self.relayer)
                self._deposit(trader)
                self.totals.refunds += 1
            if not self.market.wants(trader.account):
                want = self.book.want(trader, standing, world.mark, world.scale, opening)
                if want is not None:
                    self.market.take(want)

    def _let_the_thief_in(self, number: int, close: int, following: int) -> None:
        """The thief opens both sides against himself if the next bar is worth it."""
        fill = self.thief.prepare(self.world, number, close, following)
        if fill is None:
            return
        expiry = self.world.clock.now + 60
        orders = (order_of(fill, True, number, expiry), order_of(fill, False, number, expiry))
        keys = (self._keys.short, self._keys.long)
        if not submit(self.world, self.relayer, fill, orders, keys):
            self.thief.give_up()
            self.thief.withdraw(self.world)

    # ------------------------------------------------------------------ figures

    def _count(self, number: int) -> None:
        """Add what the bar's events say to the totals, and forget them."""
        fund = self.world.fund
        self.overfull = max(self.overfull, fund.reserve - fund.threshold - fund.total_bad_debt)
        hour = self.totals.by_hour.setdefault(number // 60, Counter())
        for event in self.world.venue.log:
            self._count_event(event.name, event.fields, hour)
        for event in fund.log:
            self._count_fund_event(event.name, event.fields)
        for layer in self.world.layers:
            self._count_layer(layer)
        for part in (self.world.venue, fund, self.world.registry):
            part.log.clear()

    def _count_fund_event(self, name: str, fields: dict[str, Any]) -> None:
        totals = self.totals
        if name == "ShortfallCovered":
            self.most_used = max(self.most_used, fields["used"])
            totals.from_reserve += fields["covered"]
        elif name == "LayerPaid":
            totals.from_reserve -= fields["amount"]
        elif name == "LiquidationSettled":
            totals.income += fields["fund"] - fields["repaid"]
        elif name == "FeesSettled":
            totals.income += fields["booked"]
            totals.fees_to_fund += fields["booked"] + fields["repaid"]
            totals.fees_forwarded += fields["forwarded"]

    def _count_layer(self, layer: LayerMirror) -> None:
        """What a layer paid and was paid in a bar, as its own events say."""
        totals = self.totals.layers[layer.name]
        for fields in layer.backstop.log.named("Slashed"):
            for part in ("paid", "from_unvested", "from_pending"):
                setattr(totals, part, getattr(totals, part) + fields[part])
        totals.revenue += sum(fields["amount"] for fields in layer.underwriter.log.named("RevenuePassed"))
        layer.backstop.log.clear()
        layer.underwriter.log.clear()

    def _watch_the_order(self) -> None:
        """A layer pays when the reserve is empty, the reinsurance when the stakers may be drawn on no more (I7)."""
        drawn: set[str] = set()
        last = 0
        for event in self.world.fund.log:
            if event.name == "LayerPaid":
                last = event.fields["amount"]
                drawn.add(self._layer_at[event.fields["layer"]])
            elif event.name == "ShortfallCovered":
                self.totals.too_early += min(last, event.fields["reserve"])
                last = 0
        if "reinsurance" in drawn:
            self.totals.too_early += self.world.left_in("stakers")

    def _count_event(self, name: str, fields: dict[str, Any], hour: Counter[str]) -> None:
        totals = self.totals
        if name == "Liquidated":
            totals.liquidations += 1
            totals.collateral += fields["collateral"]
            totals.to_liquidator += fields["to_liquidator"]
            totals.to_fund += fields["to_fund"]
            totals.to_trader += fields["to_trader"]
            whole = fields["collateral"] * self.world.fund.fund_bps // BPS
            if whole:
                kind = "full" if fields["to_fund"] == whole else "cut" if fields["to_fund"] else "none"
                setattr(totals, f"slices_{kind}", getattr(totals, f"slices_{kind}") + 1)
            solvent = fields["collateral"] > 0
            totals.partial += solvent and self.world.size(fields["trader"]) != 0
            hour["solvent" if solvent else "insolvent"] += 1
            totals.insolvent += not solvent
        elif name == "Deleveraged":
            totals.deleveraged += 1
            hour["deleveraged"] += 1
        elif name == "Flagged":
            totals.flags += 1
        elif name == "ShortfallResolved":
            totals.shortfalls += 1
            for part in ("shortfall", "covered", "socialised", "bad_debt"):
                setattr(totals, part, getattr(totals, part) + fields[part])
        elif name == "ChargeSettled":
            totals.charges += 1
            totals.charged += fields["charge"]
        elif name == "FeesCollected":
            totals.fees_to_recipient += fields["to_recipient"]

    def _sample(self, time: int, price: int) -> None:
        world, fund, totals = self.world, self.world.fund, self.totals
        paid = {name: layer.paid for name, layer in totals.layers.items()}
        backstops = [layer.backstop for layer in world.layers if layer.name == "stakers"]
        self.samples.append(
            Sample(
                time=time,
                price=price,
                reserve=fund.reserve,
                target=fund.threshold + fund.total_bad_debt,
                limit_left=world.limit_left,
                open_interest=world.venue.open_interest[world.market_id],
                covered=totals.covered,
                socialised=totals.socialised,
                keeper=self.keeper.worth(world),
                thief=self.thief.worth(world) - self.settings.thief_capital,
                from_stakers=paid.get("stakers", 0),
                from_reinsurance=paid.get("reinsurance", 0),
                stakers_left=world.left_in("stakers"),
                reinsurance_left=world.left_in("reinsurance"),
                staked=sum(backstop.staked() for backstop in backstops),
                leaving=sum(backstop.exits.assets for backstop in backstops),
                unvested=sum(backstop.unvested() for backstop in backstops),
                share_price=sum(backstop.to_assets_down(UNIT * backstop.first_price) for backstop in backstops),
            )
        )
