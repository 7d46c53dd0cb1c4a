"""What an insurance fund keeps, what it answers, and what its calls have in common (M1 to M16, M18, M24, M37)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

from kana_insurance.model.board import BEFORE_SETUP, NoticeBoardModel
from kana_insurance.model.clock import DAY, HOUR, Clock
from kana_insurance.model.errors import require
from kana_insurance.model.formulas import Market, Split, coverable, excess_of, leaked, room_of, split_collateral
from kana_insurance.model.layers import Layer, LayersModel
from kana_insurance.model.ledger import TokenLedger
from kana_insurance.model.state import Account, Log, Stateful
from kana_insurance.model.units import MAX_AMOUNT, MAX_DECIMALS, MIN_DECIMALS

MAX_LIQUIDATOR_BPS, MAX_FUND_BPS, MAX_SPLIT_BPS = 5_000, 3_000, 8_000
MAX_PAUSE, REST = 7 * DAY, 7 * DAY  # of a pause of payouts (M37)
CLOSED = 2**32 - 2  # `payouts_resume_at` of a fund that was handed over (M18)
MIN_WINDOW, MAX_WINDOW = HOUR, 30 * DAY

MarketKey = tuple[Account, int]


class FundState(Stateful):
    """The books of an insurance fund of one asset (M16) at ``address``.

    ``notices`` is the board that keeps its notices; it has one for itself unless one is named.
    """

    def __init__(
        self,
        address: Account,
        token: TokenLedger,
        clock: Clock,
        *,
        treasury: Account,
        threshold: int,
        liquidator_bps: int = 3_000,
        fund_bps: int = 2_000,
        notices: NoticeBoardModel | None = None,
    ) -> None:
        require(MIN_DECIMALS <= token.decimals <= MAX_DECIMALS, "fund: bad decimals")
        self.address = address
        self.token = token
        self.clock = clock
        self.treasury = treasury
        self.log = Log()
        self.reserve = 0
        self.total_contributions = 0
        self.contributions: dict[Account, int] = defaultdict(int)
        self.markets: dict[MarketKey, Market] = {}
        self.total_bad_debt = 0
        self.window_cap, self.window_length = 0, DAY
        self.window_spent, self.window_last = 0, 0
        self.payouts_resume_at = BEFORE_SETUP
        self.notices = notices if notices is not None else NoticeBoardModel(clock)
        self.successor: Account | None = None
        self.adopted: dict[Account, bool] = {}
        self.layers = LayersModel(address, clock)
        self._check_threshold(threshold)
        self._check_split(liquidator_bps, fund_bps)
        self.threshold = threshold
        self.liquidator_bps, self.fund_bps = liquidator_bps, fund_bps

    def _touched(self) -> tuple[Stateful, ...]:
        return self, self.token, self.notices, *self.layers.touched()

    # ------------------------------------------------------------------ views

    def room(self) -> int:
        """What the reserve lacks to threshold and bad debt (M1)."""
        return room_of(self.threshold, self.total_bad_debt, self.reserve)

    def excess(self) -> int:
        """What a treasurer may withdraw (M8)."""
        return excess_of(self.threshold, self.total_bad_debt, self.reserve)

    def payouts_paused(self) -> bool:
        """Whether covers and withdrawals are stopped now (M37)."""
        return self.clock.now < self.payouts_resume_at

    def bad_debt(self, venue: Account, market_id: int) -> int:
        """What a market is owed (M14)."""
        return self.markets[venue, market_id].bad_debt if (venue, market_id) in self.markets else 0

    def preview_split(self, venue: Account, market_id: int, collateral: int) -> Split:
        """What ``settle_liquidation`` would give now (M1)."""
        return split_collateral(
            collateral,
            self.liquidator_bps,
            self.fund_bps,
            self.bad_debt(venue, market_id),
            self.threshold,
            self.total_bad_debt,
            self.reserve,
        )

    def coverage(self, venue: Account, market_id: int) -> int:
        """The most that a shortfall of a market would be paid now; 0 while payouts are paused (M11)."""
        market = self.markets.get((venue, market_id))
        if market is None or self.payouts_paused():
            return 0
        means = self.reserve + self.layers.means()
        return coverable(MAX_AMOUNT, self._limit_left(market), self._window_left(), means)

    def state(self) -> dict[str, Any]:
        """Everything that a reader of the chain sees too, zeros left out (I1 to I5, I13)."""
        state = {
            "reserve": self.reserve,
            "threshold": self.threshold,
            "liquidator_bps": self.liquidator_bps,
            "fund_bps": self.fund_bps,
            "total_contributions": self.total_contributions,
            "contributions": {account: amount for account, amount in self.contributions.items() if amount},
            "total_bad_debt": self.total_bad_debt,
            "payouts_resume_at": self.payouts_resume_at,
            "markets": {key: market._asdict() for key, market in self.markets.items()},
            "window": {
                "cap": self.window_cap,
                "length": self.window_length,
                "spent": self.window_spent,
                "last": self.window_last,
            },
            "tokens": self.token.balances[self.address],
        }
        if self.successor is not None:
            state["successor"] = self.successor
        if any(self.layers.pair):
            state["layers"] = self.layers.state()
        return state

    # ------------------------------------------------------------------ internals

    def _check_open(self) -> None:
        """No money before `finish_setup` (M9), nor once the fund is closed (M18)."""
        self._check_not_closed()
        require(self.payouts_resume_at != BEFORE_SETUP, "fund: setup not finished")

    def _check_not_closed(self) -> None:
        """A fund that was handed over takes nothing more (M18)."""
        require(self.payouts_resume_at != CLOSED, "fund: closed")

    def _check_not_paused(self) -> None:
        """No cover and no withdrawal while payouts are paused (M37)."""
        require(not self.payouts_paused(), "fund: payouts paused")

    def _check_amount(self, amount: int) -> None:
        """An amount that enters is positive and fits 112 bits."""
        require(amount > 0, "fund: zero amount")
        require(amount <= MAX_AMOUNT, "fund: amount too large")

    def _check_threshold(self, threshold: int) -> None:
        """The threshold is positive (M1)."""
        require(threshold > 0, "fund: zero threshold")
        require(threshold <= MAX_AMOUNT, "fund: amount too large")

    def _check_split(self, liquidator_bps: int, fund_bps: int) -> None:
        """Shares within their bounds, together too (M1)."""
        within = liquidator_bps <= MAX_LIQUIDATOR_BPS and fund_bps <= MAX_FUND_BPS
        require(within and liquidator_bps + fund_bps <= MAX_SPLIT_BPS, "fund: split out of bounds")

    def _market_of(self, venue: Account, market_id: int) -> Market:
        """The caller's own registered market (M36)."""
        self._check_open()
        require((venue, market_id) in self.markets, "fund: unknown market")
        return self.markets[venue, market_id]

    def _book_contribution(self, contributor: Account, amount: int) -> None:
        """Add to the reserve and to the contributor's total (M7)."""
        require(self.total_contributions + amount <= MAX_AMOUNT, "fund: amount too large")
        self.reserve += amount
        self.total_contributions += amount
        self.contributions[contributor] += amount
        self.log(
            "Contributed",
            contributor=contributor,
            amount=amount,
            contributed=self.contributions[contributor],
            reserve=self.reserve,
        )

    def _book_income(self, venue: Account, market_id: int, amount: int) -> None:
        """Pull a slice or fees into the reserve; the market's use falls by as much (M12)."""
        if amount == 0:
            return
        market = self.markets[venue, market_id]
        self.markets[venue, market_id] = market._replace(used=market.used - min(market.used, amount))
        self.reserve += amount
        self.token.transfer(venue, self.address, amount)

    def _repay(self, venue: Account, market_id: int, amount: int) -> None:
        """Take repaid bad debt off the books (M14)."""
        if amount == 0:
            return
        market = self.markets[venue, market_id]
        bad_debt = market.bad_debt - amount
        self.markets[venue, market_id] = market._replace(bad_debt=bad_debt)
        self.total_bad_debt -= amount
        self.log(
            "BadDebtRepaid",
            venue=venue,
            market_id=market_id,
            amount=amount,
            bad_debt=bad_debt,
            total_bad_debt=self.total_bad_debt,
        )

    def _draw(self, amount: int) -> int:
        """Take ``amount`` out of reserve, then layers; return what they gave (M10, I7)."""
        from_reserve = min(amount, self.reserve)
        self.reserve -= from_reserve
        paid = from_reserve
        for layer, part in self.layers.draw(amount - from_reserve):
            self.log("LayerPaid", layer=layer, amount=part)
            paid += part
        return paid

    def _next_resume_at(self, last: int, duration: int) -> int:
        """When a pause or suspension that begins now ends; ``last`` is the end of the one before (M37)."""
        require(duration > 0, "fund: zero duration")
        require(duration <= MAX_PAUSE, "fund: pause too long")
        require(self.clock.now >= last + REST, "fund: paused too recently")
        return self.clock.now + duration

    def _layer_at(self, place: int) -> Layer:
        """The layer at a place: 0 staked, 1 reinsurance."""
        layer = self.layers.pair[place] if place < len(self.layers.pair) else None
        require(layer is not None, "fund: no layer")
        return cast(Layer, layer)

    def _hold_layers(self) -> None:
        """Layers that begin to count are held until a day after payouts resume, or resumed, like the others (M37)."""
        if self.payouts_resume_at != BEFORE_SETUP:
            self.layers.hold(self.payouts_resume_at)

    def _limit_left(self, market: Market) -> int:
        """Below 0 after a maximum was lowered; a lending pool has none (M12, M15)."""
        return market.max_insurance - market.used if market.is_perp else MAX_AMOUNT

    def _window_level(self) -> int:
        """Level of the bucket now (M11)."""
        return leaked(self.window_spent, self.window_cap, self.clock.now - self.window_last, self.window_length)

    def _window_left(self) -> int:
        """What the bucket lets through now; everything without a cap (M11)."""
        return self.window_cap - self._window_level() if self.window_cap > 0 else MAX_AMOUNT

    def _use_notice(self, *call: Any) -> None:
        """Consume the notice of this very call; before `finish_setup` none is needed (M9)."""
        if self.payouts_resume_at != BEFORE_SETUP:
            self.notices.use(self, call)
