"""The perpetuals venue: what traders and keepers can do (M25 to M31).

Orders and signatures are not modelled: ``trade`` takes what the gateway has verified. The ledgers that these functions
move, and the waterfall of losses, are in ``books``.
"""

from __future__ import annotations

from typing import NamedTuple

from kana_insurance.model.books import PositionKey, VenueBooks
from kana_insurance.model.clock import HOUR
from kana_insurance.model.errors import require
from kana_insurance.model.formulas import Split
from kana_insurance.model.fund import FundModel
from kana_insurance.model.registry import Quote
from kana_insurance.model.state import Account, atomic
from kana_insurance.model.units import (
    BPS,
    MAX_AMOUNT,
    carried,
    cost_up,
    margin_up,
    notional_down,
    piece_down,
    share_up,
    value_down,
)

MAX_COUNTERPARTIES = 64  # of one deleveraging (M28a)
FLAG_LIFE = HOUR  # after its grace (M28a)


class Fill(NamedTuple):
    """A match of two orders, verified by the gateway (M27)."""

    market_id: int
    maker: Account
    taker: Account
    size: int  # the taker's change: > 0 buys
    price: int
    maker_margin: int = 0
    taker_margin: int = 0
    maker_reduce_only: bool = False
    taker_reduce_only: bool = False


class VenueModel(VenueBooks):
    """The clearing house, with its registry."""

    # ------------------------------------------------------------------ traders

    @atomic
    def deposit(self, caller: Account, amount: int, account: Account | None = None) -> None:
        """Pull ``amount`` from the caller into the free balance of ``account``; never paused (M37)."""
        self._check_amount(amount)
        require(self.registry.setup_finished, "house: setup not finished")
        owner = account or caller
        self.token.transfer(caller, self.address, amount)
        self.free[owner] += amount
        self.log("Deposited", account=owner, amount=amount, free=self.free[owner])

    @atomic
    def withdraw(self, caller: Account, amount: int, receiver: Account | None = None) -> None:
        """Send free balance away; never paused, needs no price (M37)."""
        self._check_amount(amount)
        require(amount <= self.free[caller], "house: free balance too low")
        self.free[caller] -= amount
        self.token.transfer(self.address, receiver or caller, amount)
        self.log("Withdrawn", account=caller, receiver=receiver or caller, amount=amount, free=self.free[caller])

    @atomic
    def add_margin(self, caller: Account, market_id: int, amount: int) -> None:
        """Move free balance into the caller's position; never paused, needs no price (M27)."""
        self._check_amount(amount)
        self.registry.params(market_id)
        self._check_no_bad_debt(market_id)
        self._settle(market_id, caller)
        self._move_in(market_id, caller, amount)
        self._check_packed(market_id, caller)

    @atomic
    def release_margin(self, caller: Account, market_id: int, amount: int) -> None:
        """Move margin back while initial margin is kept and the pot pays; from a flat position, its claim (M26a)."""
        self._check_amount(amount)
        key = (market_id, caller)
        quote = self.registry.quote(market_id)
        self._settle(market_id, caller)
        if self.size[key] == 0:
            require(amount <= self.balance[key], "house: above claim")
        else:
            equity = self._equity(key, quote.mark) - amount
            require(equity >= self._initial_margin(key, quote), "house: below initial margin")
            self._unflag(key)
        require(amount <= self.pot[market_id], "house: pot exhausted")
        self._move_out(market_id, caller, amount)
        self._book_dust(market_id)

    @atomic
    def trade(self, caller: Account, fill: Fill) -> None:
        """Execute a match: maker and taker at the maker's price, fees paid or nothing happens (M25, M27)."""
        require(caller == self.gateway, "house: not gateway")
        market_id, size, price = fill.market_id, fill.size, fill.price
        quote = self.registry.quote(market_id)
        mark, params = quote.mark, quote.params
        require(abs(price - mark) * BPS <= mark * params.fill_band_bps, "house: outside fill band")
        self._check_no_bad_debt(market_id)

        maker, taker = (market_id, fill.maker), (market_id, fill.taker)
        before: dict[PositionKey, tuple[int, int]] = {}
        for key, margin in ((maker, fill.maker_margin), (taker, fill.taker_margin)):
            self._settle(*key)
            before[key] = (self.size[key], self._equity(key, mark))
            self._move_in(*key, margin)

        cost = cost_up(size, price, self.scale)
        self._change_size(maker, -size, -cost)
        self._change_size(taker, size, cost)
        maker_fee = margin_up(size, price, params.maker_fee_bps, self.scale)
        taker_fee = margin_up(size, price, params.taker_fee_bps, self.scale)
        require(maker_fee + taker_fee <= self.pot[market_id], "house: pot exhausted")
        self.balance[maker] -= maker_fee
        self.balance[taker] -= taker_fee
        self.pot[market_id] -= maker_fee + taker_fee
        self.fees[market_id] += maker_fee + taker_fee

        open_interest = self.open_interest[market_id]
        if sum(abs(self.size[key]) - abs(size_before) for key, (size_before, _) in before.items()) > 0:
            require(open_interest <= params.open_interest_cap, "house: above open interest cap")
            require(notional_down(open_interest, mark, self.scale) <= MAX_AMOUNT, "house: notional too large")
        self.log(
            "Traded",
            market_id=market_id,
            maker=fill.maker,
            taker=fill.taker,
            size=size,
            price=price,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            open_interest=open_interest,
        )
        self._check_trader(maker, before[maker], fill.maker_reduce_only, quote)
        self._check_trader(taker, before[taker], fill.taker_reduce_only, quote)
        self._book_dust(market_id)

    # ------------------------------------------------------------------ keepers

    @atomic
    def settle(self, caller: Account, market_id: int, trader: Account) -> None:  # noqa: ARG002 - anyone
        """Charge a position what the loss index asks of it (M29)."""
        self._settle(market_id, trader)
        self._check_packed(market_id, trader)

    @atomic
    def liquidate(self, caller: Account, market_id: int, trader: Account, size: int, margin: int = 0) -> None:
        """Take over up to ``size`` of a liquidatable position at mark (M28).

        A solvent position goes in pieces of at least ``min_notional`` or the whole rest (M5), an insolvent one whole
        and without reward (M3, M29).
        """
        quote = self.registry.quote(market_id)
        self._settle(market_id, caller)
        self._move_in(market_id, caller, margin)
        require(trader != caller, "house: own position")
        key = (market_id, trader)
        require(self.size[key] != 0, "house: no position")
        require(self._is_liquidatable(key, quote), "house: not liquidatable")
        self._take_over(caller, key, size, quote)
        self._book_dust(market_id)

    @atomic
    def liquidate_batch(
        self, caller: Account, market_id: int, liquidations: list[tuple[Account, int]], margin: int = 0
    ) -> None:
        """Make the single calls in that order (M4), leaving out what is not liquidatable or waits for payouts (M28)."""
        quote = self.registry.quote(market_id)
        fund = self.registry.fund_of(market_id)
        self._settle(market_id, caller)
        self._move_in(market_id, caller, margin)
        for trader, size in liquidations:
            key = (market_id, trader)
            require(trader != caller, "house: own position")
            liquidatable = self._is_liquidatable(key, quote)
            if not liquidatable or (fund.payouts_paused() and self._settled_equity(key, quote.mark) < 0):
                self.log("LiquidationSkipped", market_id=market_id, trader=trader, payouts_paused=liquidatable)
                continue
            self._take_over(caller, key, size, quote)
        self._book_dust(market_id)

    @atomic
    def flag(self, caller: Account, market_id: int, trader: Account) -> None:  # noqa: ARG002 - anyone
        """Mark an insolvent position for deleveraging after the grace (M28a)."""
        quote = self.registry.quote(market_id)
        grace, key = quote.params.grace, (market_id, trader)
        self._settle(market_id, trader)
        require(self._equity(key, quote.mark) < 0, "house: not insolvent")
        flagged_at = self.flagged_at[key]
        require(flagged_at == 0 or self.clock.now > flagged_at + grace + FLAG_LIFE, "house: already flagged")
        self.flagged_at[key] = self.clock.now
        deleverage_from = self.clock.now + grace
        self.log(
            "Flagged",
            market_id=market_id,
            trader=trader,
            deleverage_from=deleverage_from,
            deleverage_until=deleverage_from + FLAG_LIFE,
        )

    @atomic
    def unflag(self, caller: Account, market_id: int, trader: Account) -> None:  # noqa: ARG002 - anyone
        """Remove the flag of a position that is solvent again (M28a)."""
        key = (market_id, trader)
        quote = self.registry.quote(market_id)
        self._settle(market_id, trader)
        require(self.flagged_at[key] > 0, "house: not flagged")
        require(self._equity(key, quote.mark) >= 0, "house: still insolvent")
        self._unflag(key)

    @atomic
    def deleverage(self, caller: Account, market_id: int, trader: Account, counterparties: list[Account]) -> None:  # noqa: ARG002
        """Close a flagged insolvent position at mark against named positions of the other side (M28a, M29)."""
        quote = self.registry.quote(market_id)
        mark, grace, key = quote.mark, quote.params.grace, (market_id, trader)
        self._settle(market_id, trader)
        flagged_at = self.flagged_at[key]
        require(flagged_at > 0, "house: not flagged")
        require(self.clock.now >= flagged_at + grace, "house: grace running")
        require(self.clock.now <= flagged_at + grace + FLAG_LIFE, "house: flag lapsed")
        shortfall = -self._equity(key, mark)
        require(shortfall > 0, "house: not insolvent")
        whole = self.size[key]
        closed = self._closable(key, counterparties)
        part = share_up(shortfall, closed, abs(whole))
        for counterparty in counterparties:
            self._settle(market_id, counterparty)

        # The whole size is out while the loss is shared, so that no part of it bears its own loss.
        self._change_size(key, -whole, -value_down(whole, mark, self.scale))
        self._pay_shortfall(key, part)
        left = whole
        for counterparty in counterparties:
            left -= self._hand_over(left, (market_id, counterparty), trader, mark)
        self.size[key], self.index[key] = left, self.loss_index[market_id]
        self.open_interest[market_id] += abs(left)
        self.balance[key] -= value_down(left, mark, self.scale)
        if left == 0:
            self._unflag(key)

        for counterparty in counterparties:
            self._see((market_id, counterparty), mark)
            self._leave_if_flat((market_id, counterparty))
        self._book_dust(market_id)

    @atomic
    def collect_fees(self, caller: Account, market_id: int) -> None:  # noqa: ARG002 - anyone
        """Send the fund its part of the fees, dust included, and credit the rest to the fee recipient (M24, M26)."""
        params = self.registry.params(market_id)
        fees, dust_fees = self.fees[market_id], self.dust_fees[market_id]
        require(fees + dust_fees > 0, "house: nothing to collect")
        to_recipient = fees * (BPS - params.fund_fee_bps) // BPS
        to_fund = fees - to_recipient + dust_fees
        self.fees[market_id] = self.dust_fees[market_id] = 0
        self.free[self.registry.fee_recipient] += to_recipient
        repaid = self.registry.fund_of(market_id).settle_fees(self.address, market_id, to_fund)
        self.pot[market_id] += repaid
        self.log("FeesCollected", market_id=market_id, to_fund=to_fund, repaid=repaid, to_recipient=to_recipient)
        self._book_dust(market_id)

    @atomic
    def repay_bad_debt(self, caller: Account, market_id: int, amount: int) -> None:
        """Pull ``amount`` from the caller into the market's pot and report it to the fund (M14)."""
        self._check_amount(amount)
        fund = self.registry.fund_of(market_id)
        fund.repay_bad_debt(self.address, market_id, amount)
        self.token.transfer(caller, self.address, amount)
        self.pot[market_id] += amount
        self.log("BadDebtRepaid", market_id=market_id, payer=caller, amount=amount, pot=self.pot[market_id])
        self._book_dust(market_id)

    @atomic
    def close_market(self, market_id: int, fund: FundModel) -> None:
        """Refuse unless the market is empty, then release it at its fund; the registry calls it (M31)."""
        books = (self.open_interest, self.pot, self.fees, self.dust_fees)
        require(all(book[market_id] == 0 for book in books), "house: market not empty")
        fund.release_market(self.address, market_id)

    # ------------------------------------------------------------------ internals: checks

    def _check_amount(self, amount: int) -> None:
        """An amount that enters is positive and fits 112 bits."""
        require(amount > 0, "house: zero amount")
        require(amount <= MAX_AMOUNT, "house: amount too large")

    def _check_trader(self, key: PositionKey, before: tuple[int, int], reduce_only: bool, quote: Quote) -> None:
        """What a voluntary trade must leave behind on each side (M27)."""
        size_before, equity_before = before
        size = self.size[key]
        reduces = abs(size) < abs(size_before) and size * size_before >= 0
        require(reduces or not reduce_only, "house: reduce only")
        if size == 0:
            require(self.balance[key] >= 0, "house: negative equity")
            self._leave_if_flat(key)
            return
        params, equity = quote.params, self._equity(key, quote.mark)
        require(notional_down(size, quote.mark, self.scale) >= params.min_notional, "house: below min notional")
        if _grew(size_before, size):
            require(not quote.trading_paused, "house: trading paused")
            require(abs(size) <= params.position_cap, "house: above position cap")
            require(equity >= self._initial_margin(key, quote), "house: below initial margin")
        else:
            require(equity >= 0, "house: negative equity")
            kept = equity * abs(size_before) >= equity_before * abs(size)
            require(kept or equity >= self._maintenance_margin(key, quote), "house: below maintenance")
        self._unflag(key)
        self._check_packed(*key)

    # ------------------------------------------------------------------ internals: liquidation

    def _take_over(self, caller: Account, key: PositionKey, size: int, quote: Quote) -> None:
        """Liquidate one position that is below maintenance margin (M28)."""
        market_id, trader = key
        own = (market_id, caller)
        self._settle(market_id, trader)
        self._settle(market_id, caller)
        size_before, whole = self.size[own], self.size[key]
        part = min(size, abs(whole))
        require(part > 0, "house: zero size")
        taken = part if whole > 0 else -part
        equity = self._equity(key, quote.mark)
        collateral, split = 0, Split()
        if equity < 0:
            require(taken == whole, "house: insolvent, whole only")
            self._change_size(key, -whole, -value_down(whole, quote.mark, self.scale))
            self._pay_shortfall(key, -equity)
            self._settle(market_id, caller)
            self._change_size(own, whole, value_down(whole, quote.mark, self.scale))
        else:
            notional = notional_down(part, quote.mark, self.scale)
            require(taken == whole or notional >= quote.params.min_notional, "house: piece too small")
            value = carried(whole, whole - taken, quote.mark, self.scale)
            self._change_size(key, -taken, -value)
            self._change_size(own, taken, value)
            collateral = min(piece_down(equity, part, abs(whole)), self.pot[market_id])
            split = self._split(key, caller, collateral)
        self.log(
            "Liquidated",
            market_id=market_id,
            trader=trader,
            liquidator=caller,
            size=taken,
            mark=quote.mark,
            collateral=collateral,
            to_liquidator=split.liquidator,
            to_fund=split.fund,
            to_trader=split.trader,
        )
        self._see(key, quote.mark)
        self._check_packed(*key)
        if _grew(size_before, self.size[own]):
            enough = self._equity(own, quote.mark) >= self._initial_margin(own, quote)
            require(enough, "house: liquidator below margin")
        self._see(own, quote.mark)
        self._leave_if_flat(own)
        self._check_packed(*own)

    def _split(self, key: PositionKey, liquidator: Account, collateral: int) -> Split:
        """Split collateral through the fund (M1); credits, so that no receiver can block a liquidation (M28)."""
        if collateral == 0:
            return Split()
        market_id, trader = key
        self.balance[key] -= collateral
        split = self.registry.fund_of(market_id).settle_liquidation(self.address, market_id, collateral)
        self.pot[market_id] += split.repaid - collateral
        self.free[liquidator] += split.liquidator
        self.free[trader] += split.trader
        return split

    def _hand_over(self, left: int, taker: PositionKey, trader: Account, mark: int) -> int:
        """Close what one named counterparty can take of ``left``; return the signed size taken (M26, M28a)."""
        market_id, counterparty = taker
        self._settle(market_id, counterparty)
        part = min(abs(left), abs(self.size[taker]))
        taken = part if left > 0 else -part
        value = carried(left, left - taken, mark, self.scale)
        self._change_size(taker, taken, value)
        # The position left behind has already given its whole value: what stays with it is given back at the end.
        self.log("Deleveraged", market_id=market_id, trader=trader, counterparty=counterparty, size=taken, mark=mark)
        return taken

    def _closable(self, key: PositionKey, counterparties: list[Account]) -> int:
        """How much of a position the named can close: all, or what 64 of them hold (M28a)."""
        market_id = key[0]
        size, available = self.size[key], 0
        named: set[Account] = set()
        for counterparty in counterparties:
            other = self.size[market_id, counterparty]
            require(other * size < 0, "house: not opposite side")
            require(counterparty not in named, "house: duplicate counterparty")
            require(available < abs(size), "house: too many counterparties")
            named.add(counterparty)
            available += abs(other)
        enough = available >= abs(size) or len(counterparties) == MAX_COUNTERPARTIES
        require(enough, "house: not the whole size")
        return min(available, abs(size))


def _grew(size_before: int, size_after: int) -> bool:
    """Whether a position's risk grew: larger, or flipped (M27)."""
    return abs(size_after) > abs(size_before) or size_after * size_before < 0
