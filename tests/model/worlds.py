"""A small world for the model's tests: one fund, one house, a market at 100 U, as the attacks' default setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kana_insurance.model import Clock, FeedModel, Fill, FundModel, Params, RegistryModel, TokenLedger, VenueModel
from kana_insurance.model import invariants as inv

U = 10**6  # one whole KanaUSDT
COIN = 10**18
PRICE = 10**18  # 1 U for a coin
MARGIN = 10_050 * U  # initial margin of 1,000 coins at 100 U, and the fee of 5 bps


@dataclass
class World:
    """Models that share a clock and a token; ``feed`` is the mark of market 0."""

    clock: Clock
    token: TokenLedger
    fund: FundModel
    registry: RegistryModel
    venue: VenueModel
    feed: FeedModel

    def fund_trader(self, *traders: str, amount: int) -> None:
        """Give each trader a free balance."""
        for trader in traders:
            self.token.mint(trader, amount)
            self.venue.deposit(trader, amount)

    def contribute(self, amount: int) -> None:
        """Bring the reserve up by an amount."""
        self.token.mint("contributor", amount)
        self.fund.contribute("contributor", amount)

    def fill(self, taker: str, maker: str, size: int, price: int, margin: int = 0, **more: Any) -> None:
        """Trade at ``price`` U; both move the same margin in."""
        self.venue.trade(
            "gateway", Fill(0, maker, taker, size, price * PRICE, maker_margin=margin, taker_margin=margin, **more)
        )

    def equity(self, trader: str) -> int:
        """Equity of a position in market 0."""
        return self.venue.equity(0, trader)

    def worth(self, *traders: str) -> int:
        """Free balances and equities together."""
        return sum(self.venue.free[trader] + self.equity(trader) for trader in traders)

    def check(self) -> None:
        """Every invariant of the present state."""
        inv.check_fund(self.fund.state())
        owed = {m: self.fund.bad_debt("house", m) for m in range(self.registry.next_market_id)}
        inv.check_venue(self.venue.state(), owed, donations=0, roundings=self.venue.roundings)
        inv.i3_shortfall_conserved(self.venue.log)


def bare_fund(threshold: int = 1_000_000 * U, decimals: int = 6) -> FundModel:
    """A fund whose setup isn't finished, without markets."""
    return FundModel("fund", TokenLedger(decimals), Clock(), treasury="treasury", threshold=threshold)


def world(
    *,
    limit: int = 50_000 * U,
    reserve: int = 1_000_000 * U,
    threshold: int = 1_000_000 * U,
    markets: int = 1,
    **params: Any,
) -> World:
    """A world ready for money, each market at 100 U with a maximum of ``limit``; ``params`` as ``Params``."""
    fund = bare_fund(threshold)
    clock, token = fund.clock, fund.token
    registry = RegistryModel(clock, fee_recipient="recipient")
    venue = VenueModel("house", token, clock, registry, gateway="gateway")
    feed = FeedModel(clock, 100 * PRICE)
    registry.connect_house("deployer", venue)
    registry.know(fund=fund, feed=("feed", feed))
    for market_id in range(markets):
        fund.register_market("deployer", "house", market_id, True)
        fund.set_max_insurance("deployer", "house", market_id, limit)
        registry.list_market("deployer", Params(feed="feed", fund="fund", **params))
    fund.finish_setup("deployer")
    registry.finish_setup("deployer")
    it = World(clock, token, fund, registry, venue, feed)
    if reserve:
        it.contribute(reserve)
    return it


def pair(it: World, long: str = "long", short: str = "short") -> None:
    """Two keys on opposite sides of 1,000 coins, at full leverage, all they have in the position."""
    it.fund_trader(long, short, amount=MARGIN)
    it.fill(long, short, 1_000 * COIN, 100, MARGIN)


def gap(it: World, price: int) -> None:
    """One update of the mark, to a price in U."""
    it.feed.push(price * PRICE)
