"""The insurance fund: split, reserve, waterfall, fees, excess, pause, merger (M1 to M18, M24, M37).

One fund is one pot of one asset. A market is known by (venue, market id); a venue's function is called with the venue
as ``caller``. Roles are not modelled: who may call what is a matter of the contract's access table. The layers behind
the reserve are kept in ``layers``, the notices by a ``board``.
"""

from __future__ import annotations

from typing import NamedTuple

from kana_insurance.model.board import BEFORE_SETUP
from kana_insurance.model.errors import require
from kana_insurance.model.formulas import Market, Split, coverable
from kana_insurance.model.fund_state import (
    CLOSED,
    MAX_FUND_BPS,
    MAX_LIQUIDATOR_BPS,
    MAX_PAUSE,
    MAX_SPLIT_BPS,
    MAX_WINDOW,
    MIN_WINDOW,
    REST,
    FundState,
    MarketKey,
)
from kana_insurance.model.layers import Layer
from kana_insurance.model.state import Account, atomic
from kana_insurance.model.units import MAX_AMOUNT

__all__ = [
    "BEFORE_SETUP",
    "CLOSED",
    "MAX_FUND_BPS",
    "MAX_LIQUIDATOR_BPS",
    "MAX_PAUSE",
    "MAX_SPLIT_BPS",
    "MAX_WINDOW",
    "MIN_WINDOW",
    "REST",
    "FundModel",
    "HandOver",
    "MarketKey",
]


class HandOver(NamedTuple):
    """What a closed fund hands its successor: once reserve and all contributions, each time a market if any (M18)."""

    reserve: int
    contributions: int
    key: MarketKey | None
    market: Market | None


class FundModel(FundState):
    """An insurance fund of one asset (M16) at ``address``: what is done to its books."""

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
        self.payouts_resume_at = self._next_resume_at(self.payouts_resume_at, duration)
        self.log("PayoutsPaused", guardian=caller, resume_at=self.payouts_resume_at)
        self.notices.hold(self.address, self.payouts_resume_at)
        self.layers.hold(self.payouts_resume_at)

    @atomic
    def resume_payouts(self, caller: Account) -> None:
        """End a pause early (M37)."""
        self._check_open()
        require(self.payouts_paused(), "fund: not paused")
        self.payouts_resume_at = self.clock.now
        self.log("PayoutsResumed", account=caller)
        self.notices.hold(self.address, self.payouts_resume_at)
        self.layers.hold(self.payouts_resume_at)

    @atomic
    def suspend_layer(self, caller: Account, place: int, duration: int) -> None:
        """Let a layer count as empty for as long, and as often, as a pause may be (M10, M37)."""
        self._check_not_closed()
        layer = self._layer_at(place)
        resume_at = self._next_resume_at(self.layers.suspended_until[place], duration)
        self.layers.suspend(place, resume_at)
        self.log("LayerSuspended", layer=layer.address, guardian=caller, resume_at=resume_at)

    @atomic
    def resume_layer(self, caller: Account, place: int) -> None:
        """End a suspension; while payouts are held, so are the layer's exits from now on (M37).

        One that has ended by itself isn't refused: so a layer can be told to hold its exits after it.
        """
        self._check_not_closed()
        layer = self._layer_at(place)
        self.layers.suspend(place, min(self.layers.suspended_until[place], self.clock.now))
        self.log("LayerResumed", layer=layer.address, account=caller)
        self._hold_while_held()

    # ------------------------------------------------------------------ factory

    @atomic
    def hand_over(self, caller: Account, successor: Account, key: MarketKey | None = None) -> HandOver:  # noqa: ARG002
        """Close the fund and send its reserve to the successor, once; hand it a market, if one is named (M18)."""
        reserve = contributions = 0
        if self.successor is None:
            self._check_open()
            self._check_not_paused()
            self._use_notice("hand_over", successor)
            reserve, contributions = self.reserve, self.total_contributions
            self.successor, self.payouts_resume_at, self.reserve = successor, CLOSED, 0
            self.log("HandedOver", successor=successor, reserve=reserve, contributions=contributions)
        require(successor == self.successor, "fund: closed")
        market = None
        if key is not None:
            require(key in self.markets, "fund: unknown market")
            market = self.markets.pop(key)
            self.total_bad_debt -= market.bad_debt
            self.log(
                "MarketHandedOver",
                venue=key[0],
                market_id=key[1],
                bad_debt=market.bad_debt,
                total_bad_debt=self.total_bad_debt,
            )
        if reserve > 0:
            self.token.transfer(self.address, successor, reserve)
        return HandOver(reserve, contributions, key, market)

    @atomic
    def adopt(self, caller: Account, old: Account, handed: HandOver) -> None:  # noqa: ARG002 - the factory
        """Take over what another fund handed over, above the threshold too; its reserve has come (M18)."""
        self._check_open()
        if old not in self.adopted:
            self.adopted[old] = True
            self._use_notice("adopt", old)
            require(self.reserve + handed.reserve <= MAX_AMOUNT, "fund: amount too large")
            require(self.total_contributions + handed.contributions <= MAX_AMOUNT, "fund: amount too large")
            self.reserve += handed.reserve
            self.total_contributions += handed.contributions
            self.contributions[old] += handed.contributions
            self.log(
                "Adopted", old=old, amount=handed.reserve, contributions=handed.contributions, reserve=self.reserve
            )
        if handed.key is not None and handed.market is not None:
            require(handed.key not in self.markets, "fund: market registered")
            self.markets[handed.key] = handed.market
            self.total_bad_debt += handed.market.bad_debt
            require(self.total_bad_debt <= MAX_AMOUNT, "fund: amount too large")
            self.log(
                "MarketAdopted",
                venue=handed.key[0],
                market_id=handed.key[1],
                **handed.market._asdict(),
                total_bad_debt=self.total_bad_debt,
            )
        require(self.token.balances[self.address] >= self.reserve, "fund: received less")

    # ------------------------------------------------------------------ governance

    @atomic
    def finish_setup(self, caller: Account) -> None:  # noqa: ARG002 - the deployer
        """Open the fund for money; from now on what lets more be drawn needs notice (M9)."""
        require(self.payouts_resume_at == BEFORE_SETUP, "fund: setup finished")
        self.payouts_resume_at = 0
        self.log("SetupFinished")

    @atomic
    def register_market(self, caller: Account, venue: Account, market_id: int, is_perp: bool) -> None:  # noqa: ARG002
        """Let a venue report for a market; its maximum starts at 0 (M9, M12)."""
        self._check_not_closed()
        require((venue, market_id) not in self.markets, "fund: market registered")
        self._use_notice("register_market", venue, market_id, is_perp)
        self.markets[venue, market_id] = Market(is_perp)
        self.log("MarketRegistered", venue=venue, market_id=market_id, is_perp=is_perp)

    @atomic
    def replace_venue(self, caller: Account, venue: Account, market_id: int, new_venue: Account) -> None:  # noqa: ARG002
        """Hand a market with its maximum, use and bad debt to another venue (M9)."""
        self._check_not_closed()
        require((venue, market_id) in self.markets, "fund: unknown market")
        require((new_venue, market_id) not in self.markets, "fund: market registered")
        self._use_notice("replace_venue", venue, market_id, new_venue)
        self.markets[new_venue, market_id] = self.markets.pop((venue, market_id))
        self.log("VenueReplaced", venue=venue, market_id=market_id, new_venue=new_venue)

    @atomic
    def set_max_insurance(self, caller: Account, venue: Account, market_id: int, max_insurance: int) -> None:  # noqa: ARG002
        """Set what a market may cost for life; below its use nothing is left (M9, M12, M31)."""
        self._check_not_closed()
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
        self._check_not_closed()
        self._check_threshold(threshold)
        if threshold < self.threshold:
            self._use_notice("set_threshold", threshold)
        self.log("ThresholdSet", old=self.threshold, new=threshold)
        self.threshold = threshold

    @atomic
    def set_split(self, caller: Account, liquidator_bps: int, fund_bps: int) -> None:  # noqa: ARG002 - governance
        """Set the shares of a liquidation (M1)."""
        self._check_not_closed()
        self._check_split(liquidator_bps, fund_bps)
        self.log(
            "SplitSet",
            old_liquidator_bps=self.liquidator_bps,
            old_fund_bps=self.fund_bps,
            liquidator_bps=liquidator_bps,
            fund_bps=fund_bps,
        )
        self.liquidator_bps, self.fund_bps = liquidator_bps, fund_bps

    @atomic
    def set_window(self, caller: Account, cap: int, length: int) -> None:  # noqa: ARG002 - governance
        """Set the leaky bucket of payouts; notice for a higher cap, none, or a shorter window (M9, M11)."""
        self._check_not_closed()
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
        self._check_not_closed()
        if self.layers.check(staked, reinsurance, staker_bps):
            self._use_notice("set_layers", staked, reinsurance, staker_bps)
        old = self.layers.state()
        new = self.layers.set((staked, reinsurance), staker_bps)
        named = {key: value for key, value in self.layers.state().items() if key != "suspended_until"}
        self.log("LayersSet", **{f"old_{key}": old[key] for key in named}, **named)
        if new:
            self._hold_while_held()
