"""The insurance fund: split, reserve, waterfall, fees, excess, notices, pause (M1 to M16, M24, M37).

One fund is one pot of one asset. A market is known by (venue, market id); a venue's function is called with the venue
as ``caller``. Roles are not modelled: who may call what is a matter of the contract's access table. The layers behind
the reserve are kept in ``layers``.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple, cast

from kana_insurance.model.clock import DAY, HOUR, Clock
from kana_insurance.model.errors import require
from kana_insurance.model.formulas import Market, Split, coverable, excess_of, leaked, room_of, split_collateral
from kana_insurance.model.layers import Layer, LayersModel, Pair
from kana_insurance.model.ledger import TokenLedger
from kana_insurance.model.state import Account, Log, Stateful, atomic
from kana_insurance.model.units import MAX_AMOUNT, MAX_DECIMALS, MIN_DECIMALS

MAX_LIQUIDATOR_BPS, MAX_FUND_BPS, MAX_SPLIT_BPS = 5_000, 3_000, 8_000
MAX_PAUSE, REST, HOLD_AFTER = 7 * DAY, 7 * DAY, DAY  # of a pause of payouts (M37)
BEFORE_SETUP = 2**32 - 1  # `payouts_resume_at` until `finish_setup`
LAPSE = 7 * DAY  # from maturity of a notice (M9)
MIN_WINDOW, MAX_WINDOW = HOUR, 30 * DAY

MarketKey = tuple[Account, int]
Call = tuple[Any, ...]  # name of a function and its arguments, for a notice


class Notice(NamedTuple):
    """When notice of a call was given: by the chain, by the fund's clock, by the exit clocks that it concerns (M9)."""

    at: int
    clock: int
    exits: tuple[int, int]


class FundModel(Stateful):
    """An insurance fund of one asset (M16) at ``address``."""

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
        self.paused_at = 0  # begin of the last pause
        self.held = 0  # seconds for which earlier pauses held the notices
        self.notices: dict[Call, Notice] = {}
        self.layers = LayersModel(address, clock)
        self._check_threshold(threshold)
        self._check_split(liquidator_bps, fund_bps)
        self.threshold = threshold
        self.liquidator_bps, self.fund_bps = liquidator_bps, fund_bps

    def _touched(self) -> tuple[Stateful, ...]:
        return self, self.token, *self.layers.touched()

    # ------------------------------------------------------------------ contributors

    @atomic
    def contribute(self, caller: Account, amount: int, contributor: Account | None = None) -> None:
        """Pull ``amount`` from the caller into the reserve for ``contributor``; no threshold binds it (M7)."""
        self._check_open()
        self._check_amount(amount)
        self.token.transfer(caller, self.address, amount)
        self._book_contribution(contributor or caller, amount)

    @atomic
    def skim(self, caller: Account, contributor: Account) -> int:  # noqa: ARG002 - anyone may
        """Book what was transferred by mistake as a contribution of ``contributor``; return it (M6)."""
        self._check_open()
        amount = self.token.balances[self.address] - self.reserve
        require(amount > 0, "fund: nothing to skim")
        self._book_contribution(contributor, amount)
        return amount

    # ------------------------------------------------------------------ venues

    @atomic
    def settle_liquidation(self, caller: Account, market_id: int, collateral: int) -> Split:
        """Split what a liquidation left and pull the fund's part, but for what repays bad debt (M1, M4, M14)."""
        self._market_of(caller, market_id)
        require(collateral <= MAX_AMOUNT, "fund: amount too large")
        split = self.preview_split(caller, market_id, collateral)
        pulled = split.fund - split.repaid
        self._repay(caller, market_id, split.repaid)
        self._book_income(caller, market_id, pulled)
        if collateral > 0:
            self.log(
                "LiquidationSettled",
                venue=caller,
                market_id=market_id,
                collateral=collateral,
                liquidator=split.liquidator,
                fund=split.fund,
                repaid=split.repaid,
                reserve=self.reserve,
            )
        assert split.liquidator + split.fund + split.trader == collateral
        return split

    @atomic
    def settle_liquidations(self, caller: Account, settlements: list[tuple[int, int]]) -> list[Split]:
        """Settle (market id, collateral) one by one in that order (M4)."""
        return [self.settle_liquidation(caller, market_id, collateral) for market_id, collateral in settlements]

    @atomic
    def cover_shortfall(self, caller: Account, market_id: int, shortfall: int) -> int:
        """Pay the venue what limit, window and means allow of a shortfall; return what was paid (M10, M11, M15)."""
        market = self._market_of(caller, market_id)
        self._check_not_paused()
        require(shortfall <= MAX_AMOUNT, "fund: amount too large")
        paid = self._draw(coverable(shortfall, self._limit_left(market), self._window_left(), MAX_AMOUNT))
        if paid > 0 and self.window_cap > 0:
            self.window_spent = self._window_level() + paid
            self.window_last = self.clock.now
        if market.is_perp:
            market = market._replace(used=market.used + paid)
            self.markets[caller, market_id] = market
        if paid > 0:
            self.token.transfer(self.address, caller, paid)
        if shortfall > 0:
            self.log(
                "ShortfallCovered",
                venue=caller,
                market_id=market_id,
                shortfall=shortfall,
                covered=paid,
                used=market.used,
                reserve=self.reserve,
            )
        return paid

    @atomic
    def settle_fees(self, caller: Account, market_id: int, amount: int) -> int:
        """Take the fund's part of a market's fees (M24).

        It goes to bad debt, premiums, the stakers' share, the reserve up to its room, then the stream or the treasury.
        Returns what repaid bad debt; those tokens stay in the venue, the others are pulled (M14).
        """
        market = self._market_of(caller, market_id)
        require(amount <= MAX_AMOUNT, "fund: amount too large")
        repaid = min(amount, market.bad_debt)
        self._repay(caller, market_id, repaid)
        premiums, streamed, takes = self.layers.shares(amount - repaid)
        left = amount - repaid - sum(premiums) - streamed
        booked = min(left, self.room())
        if takes:
            streamed += left - booked
        forwarded = amount - repaid - sum(premiums) - streamed - booked
        self._book_income(caller, market_id, booked)
        self.token.transfer(caller, self.address, sum(premiums) + streamed)
        self.layers.feed((premiums[0] + streamed, premiums[1]))
        self.token.transfer(caller, self.treasury, forwarded)
        if amount > 0:
            self.log(
                "FeesSettled",
                venue=caller,
                market_id=market_id,
                amount=amount,
                repaid=repaid,
                premiums=sum(premiums),
                streamed=streamed,
                booked=booked,
                forwarded=forwarded,
                reserve=self.reserve,
            )
        return repaid

    @atomic
    def record_bad_debt(self, caller: Account, market_id: int, amount: int) -> None:
        """Record a shortfall that the fund did not pay and that nobody is left to bear (M14)."""
        market = self._market_of(caller, market_id)
        self._check_amount(amount)
        require(self.total_bad_debt + amount <= MAX_AMOUNT, "fund: amount too large")
        bad_debt = market.bad_debt + amount
        self.markets[caller, market_id] = market._replace(bad_debt=bad_debt)
        self.total_bad_debt += amount
        self.log(
            "BadDebtRecorded",
            venue=caller,
            market_id=market_id,
            amount=amount,
            bad_debt=bad_debt,
            total_bad_debt=self.total_bad_debt,
        )

    @atomic
    def repay_bad_debt(self, caller: Account, market_id: int, amount: int) -> None:
        """Book what the venue took from somebody to repay bad debt of its market; moves no token (M14)."""
        market = self._market_of(caller, market_id)
        self._check_amount(amount)
        require(amount <= market.bad_debt, "fund: above bad debt")
        self._repay(caller, market_id, amount)

    @atomic
    def release_market(self, caller: Account, market_id: int) -> None:
        """End the registration of the caller's own market, which holds no bad debt (M31)."""
        require((caller, market_id) in self.markets, "fund: unknown market")
        require(self.bad_debt(caller, market_id) == 0, "fund: market has bad debt")
        del self.markets[caller, market_id]
        self.log("MarketReleased", venue=caller, market_id=market_id)

    # ------------------------------------------------------------------ treasurer and guardian

    @atomic
    def withdraw_excess(self, caller: Account, amount: int) -> None:
        """Send at most the excess to the treasury, never while payouts are paused (M8)."""
        self._check_open()
        self._check_not_paused()
        require(amount > 0, "fund: zero amount")
        require(self.excess() > 0, "fund: below threshold")
        require(amount <= self.excess(), "fund: above excess")
        self.reserve -= amount
        self.token.transfer(self.address, self.treasury, amount)
        self.log("ExcessWithdrawn", treasurer=caller, amount=amount, reserve=self.reserve)

    @atomic
    def pause_payouts(self, caller: Account, duration: int) -> None:
        """Stop covers and withdrawals for at most 7 days, not within 7 days of the last pause's end (M37)."""
        self._check_open()
        resume_at = self._next_resume_at(self.payouts_resume_at, duration)
        if self.paused_at > 0:
            self.held += self.payouts_resume_at + HOLD_AFTER - self.paused_at
        self.paused_at = self.clock.now
        self.payouts_resume_at = resume_at
        self.log("PayoutsPaused", guardian=caller, resume_at=self.payouts_resume_at)
        self.layers.hold(self.payouts_resume_at)

    @atomic
    def resume_payouts(self, caller: Account) -> None:
        """End a pause early (M37)."""
        self._check_open()
        require(self.payouts_paused(), "fund: not paused")
        self.payouts_resume_at = self.clock.now
        self.log("PayoutsResumed", account=caller)
        self.layers.hold(self.payouts_resume_at)

    @atomic
    def suspend_layer(self, caller: Account, place: int, duration: int) -> None:
        """Let a layer count as empty for as long, and as often, as a pause may be (M10, M37)."""
        layer = self._layer_at(place)
        resume_at = self._next_resume_at(self.layers.suspended_until[place], duration)
        self.layers.suspend(place, resume_at)
        self.log("LayerSuspended", layer=layer.address, guardian=caller, resume_at=resume_at)

    @atomic
    def resume_layer(self, caller: Account, place: int) -> None:
        """End a suspension; while payouts are held, so are the layer's exits from now on (M37).

        Where it has ended by itself anyone may, since nobody else tells a layer that counts again of the pause.
        """
        layer = self._layer_at(place)
        until = self.layers.suspended_until[place]
        self.layers.suspend(place, min(until, self.clock.now))
        self.log("LayerResumed", layer=layer.address, account=caller)
        self._hold_while_held()

    # ------------------------------------------------------------------ governance

    @atomic
    def finish_setup(self, caller: Account) -> None:  # noqa: ARG002 - the deployer
        """Open the fund for money; from now on what lets more be drawn needs notice (M9)."""
        require(self.payouts_resume_at == BEFORE_SETUP, "fund: setup finished")
        self.payouts_resume_at = 0
        self.log("SetupFinished")

    @atomic
    def announce(self, caller: Account, call: Call) -> None:  # noqa: ARG002 - governance
        """Give notice of a later call to this fund that lets more be drawn; not at the time of a join (M9)."""
        require(not self._is_given(call) or self._is_lapsed(call), "fund: notice running")
        require(self.clock.now > self.layers.joined_at, "fund: layer joined just now")
        concerned = self._concerned(call)
        self.notices[call] = Notice(self.clock.now, self.notice_clock(), self.layers.readings(concerned))
        self.log("NoticeGiven", call=call, notice_seconds=self.layers.notice_length(concerned, self.clock.now))

    @atomic
    def cancel_notice(self, caller: Account, call: Call) -> None:  # noqa: ARG002 - governance
        """Withdraw a notice (M9)."""
        require(self._is_given(call), "fund: no notice")
        del self.notices[call]
        self.log("NoticeCancelled", call=call)

    @atomic
    def register_market(self, caller: Account, venue: Account, market_id: int, is_perp: bool) -> None:  # noqa: ARG002
        """Let a venue report for a market; its maximum starts at 0 (M9, M12)."""
        require((venue, market_id) not in self.markets, "fund: market registered")
        self._use_notice("register_market", venue, market_id, is_perp)
        self.markets[venue, market_id] = Market(is_perp)
        self.log("MarketRegistered", venue=venue, market_id=market_id, is_perp=is_perp)

    @atomic
    def replace_venue(self, caller: Account, venue: Account, market_id: int, new_venue: Account) -> None:  # noqa: ARG002
        """Hand a market with its maximum, use and bad debt to another venue (M9)."""
        require((venue, market_id) in self.markets, "fund: unknown market")
        require((new_venue, market_id) not in self.markets, "fund: market registered")
        self._use_notice("replace_venue", venue, market_id, new_venue)
        self.markets[new_venue, market_id] = self.markets.pop((venue, market_id))
        self.log("VenueReplaced", venue=venue, market_id=market_id, new_venue=new_venue)

    @atomic
    def set_max_insurance(self, caller: Account, venue: Account, market_id: int, max_insurance: int) -> None:  # noqa: ARG002
        """Set what a market may cost for life; below its use nothing is left (M9, M12, M31)."""
        require((venue, market_id) in self.markets, "fund: unknown market")
        require(max_insurance <= MAX_AMOUNT, "fund: amount too large")
        market = self.markets[venue, market_id]
        if max_insurance > market.max_insurance:
            self._use_notice("set_max_insurance", venue, market_id, max_insurance)
        self.markets[venue, market_id] = market._replace(max_insurance=max_insurance)
        self.log("MaxInsuranceSet", venue=venue, market_id=market_id, old=market.max_insurance, new=max_insurance)

    @atomic
    def set_threshold(self, caller: Account, threshold: int) -> None:  # noqa: ARG002 - governance
        """Set the cap of the reserve; notice to lower it (M8, M9)."""
        self._check_threshold(threshold)
        if threshold < self.threshold:
            self._use_notice("set_threshold", threshold)
        if threshold != self.threshold:
            self.log("ThresholdSet", old=self.threshold, new=threshold)
        self.threshold = threshold

    @atomic
    def set_split(self, caller: Account, liquidator_bps: int, fund_bps: int) -> None:  # noqa: ARG002 - governance
        """Set the shares of a liquidation (M1)."""
        self._check_split(liquidator_bps, fund_bps)
        old, new = (self.liquidator_bps, self.fund_bps), (liquidator_bps, fund_bps)
        if new != old:
            self.log(
                "SplitSet",
                old_liquidator_bps=old[0],
                old_fund_bps=old[1],
                liquidator_bps=liquidator_bps,
                fund_bps=fund_bps,
            )
        self.liquidator_bps, self.fund_bps = liquidator_bps, fund_bps

    @atomic
    def set_window(self, caller: Account, cap: int, length: int) -> None:  # noqa: ARG002 - governance
        """Set the leaky bucket of payouts; notice for a higher cap, none, or a shorter window (M9, M11)."""
        require(cap <= MAX_AMOUNT, "fund: amount too large")
        require(MIN_WINDOW <= length <= MAX_WINDOW, "fund: window out of bounds")
        was_on = self.window_cap > 0
        if was_on and (cap == 0 or cap > self.window_cap or length < self.window_length):
            self._use_notice("set_window", cap, length)
        self.log("WindowSet", old_cap=self.window_cap, old_length=self.window_length, cap=cap, length=length)
        self.window_cap, self.window_length = cap, length

    @atomic
    def set_layers(self, caller: Account, staked: Layer | None, reinsurance: Layer | None, staker_bps: int) -> None:  # noqa: ARG002
        """Name the layers and the stakers' share; notice for a layer that is new in its place (M9, M10, M24)."""
        if self.layers.check(staked, reinsurance, staker_bps):
            self._use_notice("set_layers", staked, reinsurance, staker_bps)
        old = self.layers.state()
        new = self.layers.set((staked, reinsurance), staker_bps)
        if new and self.payouts_resume_at != BEFORE_SETUP:
            self.layers.joined_at = self.clock.now
        named = {key: value for key, value in self.layers.state().items() if key != "suspended_until"}
        self.log("LayersSet", **{f"old_{key}": old[key] for key in named}, **named)
        if new:
            self._hold_while_held()

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

    def notice(self, call: Call) -> tuple[int, int]:
        """How far a notice has come and how long it is, seconds; zeros without one (M9).

        It stands still while the fund's payouts are paused and a day longer, and while exits of a layer are held.
        """
        if not self._is_given(call):
            return 0, 0
        given, concerned = self.notices[call], self._concerned(call)
        passed = self.notice_clock() - given.clock
        for layer, reading in zip(concerned, given.exits, strict=True):
            if layer is not None:
                passed = min(passed, layer.exit_clock() - reading)
        return passed, self.layers.notice_length(concerned, given.at)

    def notice_clock(self) -> int:
        """Time as notices count it: it stands still from a pause until one day after its end (M9, M37)."""
        now = self.clock.now
        holding = min(now, self.payouts_resume_at + HOLD_AFTER) - self.paused_at if self.paused_at > 0 else 0
        return now - self.held - holding

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
        if any(self.layers.pair):
            state["layers"] = self.layers.state()
        return state

    # ------------------------------------------------------------------ internals

    def _check_open(self) -> None:
        """No money before `finish_setup` (M9)."""
        require(self.payouts_resume_at != BEFORE_SETUP, "fund: setup not finished")

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

    def _hold_while_held(self) -> None:
        """Layers that begin to count while payouts are paused or held a day longer are held like the others (M37)."""
        if BEFORE_SETUP > self.payouts_resume_at > self.clock.now - HOLD_AFTER:
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

    def _concerned(self, call: Call) -> Pair:
        """The layers whose stakers a call concerns: the present ones, of new layers these (M9)."""
        return (call[1], call[2]) if call[0] == "set_layers" else self.layers.pair

    def _is_given(self, call: Call) -> bool:
        """Whether there is a notice; a layer that joins voids those before, which its stakers couldn't leave on."""
        return call in self.notices and self.notices[call].at > self.layers.joined_at

    def _is_lapsed(self, call: Call) -> bool:
        """Whether the notice of a call is over unused (M9)."""
        passed, length = self.notice(call)
        return passed >= length + LAPSE

    def _use_notice(self, *call: Any) -> None:
        """Consume the notice of this very call; before `finish_setup` none is needed (M9)."""
        if self.payouts_resume_at == BEFORE_SETUP:
            return
        require(self._is_given(call), "fund: no notice")
        passed, length = self.notice(call)
        require(passed >= length, "fund: notice not mature")
        require(passed < length + LAPSE, "fund: notice lapsed")
        del self.notices[call]
        self.log("NoticeUsed", call=call)
