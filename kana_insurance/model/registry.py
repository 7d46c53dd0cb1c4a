"""A venue's markets: parameters, feed and mark (M27, M28a, M30, M31)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kana_insurance.model.clock import DAY, HOUR, Clock
from kana_insurance.model.errors import Refused, require
from kana_insurance.model.fund import FundModel
from kana_insurance.model.state import Account, Log, Stateful, atomic
from kana_insurance.model.units import BPS, MAX_AMOUNT

if TYPE_CHECKING:
    from kana_insurance.model.factory import FactoryModel
    from kana_insurance.model.venue import VenueModel

MAX_FEE_BPS, MAX_FUND_FEE_BPS = 100, 5_000
MIN_GRACE, MAX_GRACE = 60, HOUR
MAX_PAUSE, REST = 7 * DAY, 7 * DAY  # of a pause of trading (M37)
MAX_PRICE = 10**30
MAX_MIN_NOTIONAL = 2**80 - 1


class FeedModel:
    """A price source: the mark of the markets that read it, good for ``max_age`` seconds (M30)."""

    def __init__(self, clock: Clock, price: int, max_age: int = HOUR) -> None:
        self.clock = clock
        self.max_age = max_age
        self.push(price)

    def push(self, price: int) -> None:
        """Publish a price, quote per whole base with 18 decimals (M30)."""
        self.latest, self.updated_at = price, self.clock.now

    def price(self) -> int:
        """The price now (M30).

        Raises:
            Refused: when there is no good one.
        """
        require(self.clock.now - self.updated_at <= self.max_age, "feed: stale price")
        require(self.latest > 0, "feed: price not positive")
        require(self.latest <= MAX_PRICE, "feed: price too large")
        return self.latest


class Params(NamedTuple):
    """A market's parameters; ``feed`` and ``fund`` are addresses. Defaults are those of the parameter table."""

    feed: Account
    fund: Account
    initial_margin_bps: int = 1_000
    maintenance_margin_bps: int = 500
    fill_band_bps: int = 300
    taker_fee_bps: int = 5
    maker_fee_bps: int = 2
    fund_fee_bps: int = 5_000
    grace: int = 600  # seconds between flag and deleveraging
    min_notional: int = 10 * 10**6
    open_interest_cap: int = MAX_AMOUNT  # base size, both sides
    position_cap: int = MAX_AMOUNT  # base size of one account


class Quote(NamedTuple):
    """All that the house needs to act at the mark."""

    mark: int
    params: Params
    trading_paused: bool


class RegistryModel(Stateful):
    """Parameters and marks of the markets of one venue. Without a factory any fund that has a market may serve it."""

    def __init__(self, clock: Clock, *, fee_recipient: Account, factory: FactoryModel | None = None) -> None:
        self.clock = clock
        self.factory = factory
        self.fee_recipient = fee_recipient
        self.log = Log()
        self.house: VenueModel | None = None
        self.funds: dict[Account, FundModel] = {}
        self.feeds: dict[Account, FeedModel] = {}
        self.markets: dict[int, Params] = {}
        self.next_market_id = 0
        self.trading_resume_at = 0
        self.setup_finished = False

    def _touched(self) -> tuple[Stateful, ...]:
        return (self, *self._house()._touched())

    # ------------------------------------------------------------------ wiring

    def know(self, *, fund: FundModel | None = None, feed: tuple[Account, FeedModel] | None = None) -> None:
        """Make a fund or a feed reachable by its address, as any contract is on a chain (M16, M30)."""
        if fund is not None:
            self.funds[fund.address] = fund
        if feed is not None:
            self.feeds[feed[0]] = feed[1]

    def connect_house(self, caller: Account, house: VenueModel) -> None:  # noqa: ARG002 - the deployer
        """Name the one house whose markets these are, once (M9)."""
        require(self.house is None, "registry: house connected")
        self.house = house

    # ------------------------------------------------------------------ governance

    @atomic
    def finish_setup(self, caller: Account) -> None:  # noqa: ARG002 - the deployer
        """Open the venue for money and end the deployer's power, once (M9)."""
        require(not self.setup_finished, "registry: setup finished")
        self.setup_finished = True
        self.log("SetupFinished")

    @atomic
    def list_market(self, caller: Account, params: Params) -> int:  # noqa: ARG002 - governance
        """List a market that its fund has registered under the next id; return that id (M31)."""
        market_id = self.next_market_id
        self._check_margins(params.initial_margin_bps, params.maintenance_margin_bps, params.fill_band_bps)
        self._check_fees(params.taker_fee_bps, params.maker_fee_bps, params.fund_fee_bps)
        self._check_caps(params.open_interest_cap, params.position_cap, params.min_notional)
        self._check_grace(params.grace)
        self._check_fund(market_id, params.fund)
        self.feeds[params.feed].price()
        self.markets[market_id] = params
        self.next_market_id += 1
        return market_id

    @atomic
    def remove_market(self, caller: Account, market_id: int) -> None:  # noqa: ARG002 - governance
        """Remove a market without open interest, claims, fees and bad debt (M31)."""
        params = self.params(market_id)
        self._house().close_market(market_id, self.funds[params.fund])
        del self.markets[market_id]

    @atomic
    def set_margins(self, caller: Account, market_id: int, initial: int, maintenance: int, band: int) -> None:  # noqa: ARG002
        """Set margins and fill band: band < maintenance < initial (M27)."""
        params = self.params(market_id)
        self._check_margins(initial, maintenance, band)
        self.markets[market_id] = params._replace(
            initial_margin_bps=initial, maintenance_margin_bps=maintenance, fill_band_bps=band
        )

    @atomic
    def set_fees(self, caller: Account, market_id: int, taker: int, maker: int, fund: int) -> None:  # noqa: ARG002
        """Set the trading fees and the fund's part of them (M24)."""
        params = self.params(market_id)
        self._check_fees(taker, maker, fund)
        self.markets[market_id] = params._replace(taker_fee_bps=taker, maker_fee_bps=maker, fund_fee_bps=fund)

    @atomic
    def set_caps(self, caller: Account, market_id: int, open_interest: int, position: int, min_notional: int) -> None:  # noqa: ARG002
        """Set the caps that every voluntary trade keeps (M27, M31)."""
        params = self.params(market_id)
        self._check_caps(open_interest, position, min_notional)
        self.markets[market_id] = params._replace(
            open_interest_cap=open_interest, position_cap=position, min_notional=min_notional
        )

    @atomic
    def set_grace(self, caller: Account, market_id: int, grace: int) -> None:  # noqa: ARG002 - governance
        """Set the time between flag and deleveraging (M28a)."""
        params = self.params(market_id)
        self._check_grace(grace)
        self.markets[market_id] = params._replace(grace=grace)

    @atomic
    def set_feed(self, caller: Account, market_id: int, feed: Account) -> None:  # noqa: ARG002 - governance
        """Replace a market's feed by one that gives a price now (M30)."""
        params = self.params(market_id)
        self.feeds[feed].price()
        self.markets[market_id] = params._replace(feed=feed)

    @atomic
    def replace_fund(self, caller: Account, market_id: int, fund: Account) -> None:  # noqa: ARG002 - governance
        """Move a market to the fund that serves it now (M16, M18)."""
        params = self.params(market_id)
        require(fund != params.fund, "registry: same fund")
        self._check_fund(market_id, fund)
        self.markets[market_id] = params._replace(fund=fund)

    @atomic
    def set_fee_recipient(self, caller: Account, fee_recipient: Account) -> None:  # noqa: ARG002 - governance
        """Name who is credited the part of the fees that isn't the fund's (M24)."""
        self.fee_recipient = fee_recipient

    # ------------------------------------------------------------------ guardian

    @atomic
    def pause_trading(self, caller: Account, duration: int) -> None:
        """Stop trades that add risk for at most 7 days, not within 7 days of the last pause's end (M37)."""
        require(duration > 0, "registry: zero duration")
        require(duration <= MAX_PAUSE, "registry: pause too long")
        require(self.clock.now >= self.trading_resume_at + REST, "registry: paused too recently")
        self.trading_resume_at = self.clock.now + duration
        self.log("TradingPaused", guardian=caller, resume_at=self.trading_resume_at)

    @atomic
    def resume_trading(self, caller: Account) -> None:
        """End a pause early (M37)."""
        require(self.clock.now < self.trading_resume_at, "registry: not paused")
        self.trading_resume_at = self.clock.now
        self.log("TradingResumed", account=caller)

    # ------------------------------------------------------------------ views

    def params(self, market_id: int) -> Params:
        """Parameters of a listed market (M31).

        Raises:
            Refused: when it is not listed.
        """
        if market_id not in self.markets:
            raise Refused("registry: unknown market")
        return self.markets[market_id]

    def fund_of(self, market_id: int) -> FundModel:
        """The fund that insures a listed market (M16)."""
        return self.funds[self.params(market_id).fund]

    def quote(self, market_id: int) -> Quote:
        """Mark and parameters of a listed market.

        Raises:
            Refused: when it is not listed or has no good price (M30).
        """
        params = self.params(market_id)
        return Quote(self.feeds[params.feed].price(), params, self.clock.now < self.trading_resume_at)

    def state(self) -> dict[str, Any]:
        """All parameters (M31), as a reader of the chain sees them too."""
        return {
            "markets": {market_id: params._asdict() for market_id, params in self.markets.items()},
            "next_market_id": self.next_market_id,
            "trading_resume_at": self.trading_resume_at,
            "fee_recipient": self.fee_recipient,
            "setup_finished": self.setup_finished,
        }

    # ------------------------------------------------------------------ internals

    def _house(self) -> VenueModel:
        """The house, once it is connected (M9)."""
        if self.house is None:
            raise Refused("registry: no house")
        return self.house

    def _check_fund(self, market_id: int, fund: Account) -> None:
        """The fund serves the market, has registered it as a perp, and is in the house's asset (M15, M16, M18)."""
        if self.factory is not None:
            server = self.factory.fund_of(self._house().address, market_id)
            require(server is not None, "registry: market unassigned")
            require(server == fund, "registry: other fund's market")
        market = self.funds[fund].markets.get((self._house().address, market_id))
        require(market is not None and market.is_perp, "registry: not at the fund")
        require(self.funds[fund].token is self._house().token, "registry: other asset")

    def _check_margins(self, initial: int, maintenance: int, band: int) -> None:
        """Fill band < maintenance < initial <= 100 % (M27)."""
        require(band < maintenance < initial <= BPS, "registry: margins out of bounds")

    def _check_fees(self, taker: int, maker: int, fund: int) -> None:
        """Fees, and the fund's part of them, within their bounds (M24)."""
        within = max(taker, maker) <= MAX_FEE_BPS and fund <= MAX_FUND_FEE_BPS
        require(within, "registry: fees out of bounds")

    def _check_caps(self, open_interest: int, position: int, min_notional: int) -> None:
        """Caps and least notional are positive and fit their fields (M27, M31)."""
        within = min(open_interest, position) > 0 and max(open_interest, position) <= MAX_AMOUNT
        within = within and 0 < min_notional <= MAX_MIN_NOTIONAL
        require(within, "registry: caps out of bounds")

    def _check_grace(self, grace: int) -> None:
        """A flagged position waits between a minute and an hour (M28a)."""
        require(MIN_GRACE <= grace <= MAX_GRACE, "registry: grace out of bounds")
