"""Moves of chain and model together, chosen by a seed.

What a move does is chosen from small numbers and the present state, so that it still means something when the moves
before it are left out; most choices aim at an edge: just enough margin, one unit less, the whole, one wei.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from kana_insurance.kit import COIN, DAY, U
from kana_insurance.model import Fill, Refused
from kana_insurance.model.units import BPS, MAX_AMOUNT, ceil_div, margin_up
from tests.stateful.moves import Moves, between, move, one_of, some
from tests.stateful.side import ModelSide

T = TypeVar("T")
HOUR = 3_600
HUGE = MAX_AMOUNT + 1


small = between(0, 11)
trader = between(0, 6)
market = one_of(0, 0, 2, 2, 1)  # the isolated one less often
mostly = one_of(True, True, True, False)
moves = one_of(30, -30, 200, -200, 600, -600, 900, -900, 1_500, -1_500, -3_000, 4_000)
amounts = one_of(0, 1, 777_777, 90 * U, 4_000 * U, HUGE)
edge = one_of(0, 0, 0, 1, -1, 7, -13, 10**6)


def pick(items: Sequence[T], number: int) -> T:
    """One of some."""
    return items[number % len(items)]


class Machine:
    """Deposits, trades, price moves, liquidations, flags, deleverages, fees, bad debt, pauses, notices, time."""

    def __init__(self, side: ModelSide) -> None:
        self.it = side
        self.traders = list(side.names.traders)
        self.announced: list[tuple[int, tuple[Any, ...]]] = []

    # ------------------------------------------------------------------ what the moves look at

    def who(self, number: int) -> str:
        """A trader."""
        return pick(self.traders, number)

    def holders(self, market_id: int) -> list[str]:
        """Traders with a position; everybody if there is none."""
        size = self.it.venue.size
        return [name for name in self.traders if size[market_id, name]] or self.traders

    def below(self, market_id: int, *, insolvent: bool = False) -> list[str]:
        """Traders who may be liquidated, or are insolvent."""
        venue, mark = self.it.venue, self.mark(market_id)
        found = []
        for name in self.traders:
            size = venue.size[market_id, name]
            equity = venue._settled_equity((market_id, name), mark)
            needed = 0 if insolvent else self.requirement(market_id, size, "maintenance_margin_bps")
            if size and equity < needed:
                found.append(name)
        return found

    def mark(self, market_id: int) -> int:
        """The latest price, good or not."""
        return self.it.feeds[market_id].latest

    def requirement(self, market_id: int, size: int, name: str, price: int = 0) -> int:
        """A margin or a fee of a size at mark."""
        bps = getattr(self.it.registry.markets[market_id], name)
        return margin_up(size, price or self.mark(market_id), bps, self.it.venue.scale)

    # ------------------------------------------------------------------ traders

    @move(0, money=between(20, 4_000), reserve=one_of(0, 300, 5_000, 19_990, 20_000, 21_500), crowd=one_of(3, 3, 5, 7))
    def begin(self, money: int, reserve: int, crowd: int) -> None:
        """Money in; who takes part."""
        self.traders = self.traders[:crowd]
        for number, name in enumerate(self.traders):
            self.it.house("deposit", name, (money * (number + 1) % 4_000 + 20) * U + money)
        for number, amount in enumerate((reserve * U, reserve * U // 20 + 1)):
            if amount > 0:
                self.it.fund(number, "contribute", self.it.names.contributor, amount)

    @move(2, number=trader, other=trader, amount=one_of(0, 1, 7 * U + 3, 500 * U, 3_000 * U + 1, 3_000 * U, HUGE))
    def deposit(self, number: int, other: int, amount: int) -> None:
        self.it.house("deposit", self.who(number), amount, self.who(other))

    @move(2, number=trader, part=between(0, 10), more=edge)
    def withdraw(self, number: int, part: int, more: int) -> None:
        name = self.who(number)
        self.it.house("withdraw", name, max(self.it.venue.free[name] * part // 10 + more, 0))

    @move(3, market_id=market, number=trader, part=between(0, 10), more=edge)
    def add_margin(self, market_id: int, number: int, part: int, more: int) -> None:
        name = self.who(number)
        self.it.house("add_margin", name, market_id, max(self.it.venue.free[name] * part // 10 + more, 0))

    @move(4, market_id=market, number=trader, more=edge)
    def release_margin(self, market_id: int, number: int, more: int) -> None:
        """As much as initial margin lets go, or a whole claim, and a little more or less."""
        self.populate(market_id, number)
        venue = self.it.venue
        name = pick(self.holders(market_id), number)
        key = (market_id, name)
        size = venue.size[key]
        equity = venue._settled_equity(key, self.mark(market_id)) if size else venue.balance[key]
        spare = equity - self.requirement(market_id, size, "initial_margin_bps")
        self.it.house("release_margin", name, market_id, max(min(spare, venue.pot[market_id] + 1) + more, 1))

    @move(
        16,
        market_id=market,
        maker=trader,
        taker=trader,
        tenths=one_of(1, 2, 5, 8, 10, 10, 10, 11),
        buys=one_of(True, False),
        off=one_of(0, 0, 0, 17, -123, 299, -300, 301),
        extra=one_of(2, 2, 2, 2, 1, 0, -1, 10**9),
        kind=between(0, 31),
    )
    def open(
        self, market_id: int, maker: int, taker: int, tenths: int, buys: bool, off: int, extra: int, kind: int
    ) -> None:
        """A trade of some of what both can afford, with just enough margin (or more, or one unit less)."""
        sides = self.who(maker), self.who(taker if taker != maker else taker + 1)
        price = self.mark(market_id) * (BPS + off) // BPS
        for name in sides:
            if kind % 4 and self.it.venue.free[name] < 30 * U:
                self.it.house("deposit", name, 300 * U + kind)
        size = self.affordable(market_id, sides, not buys, buys) * tenths // 10 + kind % 3
        size = size if buys else -size
        margins = [
            self.margin_for(market_id, name, change, price, fee, extra)
            for name, change, fee in zip(sides, (-size, size), ("maker_fee_bps", "taker_fee_bps"), strict=True)
        ]
        self.trade(market_id, sides, size, price, margins, kind)

    def affordable(self, market_id: int, names: Sequence[str], *buys: bool) -> int:
        """About the largest size for which all have initial margin, each buying or selling."""
        venue, mark, params = self.it.venue, self.mark(market_id), self.it.registry.markets[market_id]
        bps = params.initial_margin_bps + params.taker_fee_bps + params.maker_fee_bps + 20
        sizes = [300 * COIN]
        for name, is_long in zip(names, buys, strict=True):
            means = max(venue.free[name] + venue._settled_equity((market_id, name), mark), 0)
            held = venue.size[market_id, name] * (1 if is_long else -1)
            sizes.append(means * BPS // bps * venue.scale // mark - held)
        return max(min(sizes), 0)

    def populate(self, market_id: int, number: int) -> None:
        """Let two trade if nobody has a position."""
        if self.it.venue.open_interest[market_id] == 0:
            owed = self.it.fund_of(market_id).bad_debt(self.it.venue.address, market_id)
            if owed > 0 and number % 3 == 0:
                self.repay_bad_debt(market_id, number, 1, 0)
            self.open(market_id, number, number + 1, 10, number % 2 == 0, 0, 2, 0)

    def margin_for(self, market_id: int, name: str, change: int, price: int, fee: str, extra: int) -> int:
        """What brings a side to initial margin after a trade, but for up to two units of rounding, and some extra."""
        venue, mark = self.it.venue, self.mark(market_id)
        key = (market_id, name)
        needed = self.requirement(market_id, venue.size[key] + change, "initial_margin_bps")
        needed += self.requirement(market_id, change, fee, price) - venue._settled_equity(key, mark)
        needed += abs(change) * abs(price - mark) // venue.scale
        return min(max(needed + extra, 0), venue.free[name])

    def trade(
        self, market_id: int, sides: tuple[str, str], size: int, price: int, margins: Sequence[int], kind: int
    ) -> None:
        """A fill; the gateway refuses a self match, and a size of 0, before the house is asked."""
        if sides[0] == sides[1] or size == 0:
            return
        fill = Fill(market_id, sides[0], sides[1], size, price, margins[0], margins[1], kind % 16 == 1, kind % 16 == 2)
        self.it.trade(fill, signed=kind % 8 == 7)

    @move(
        8,
        market_id=market,
        number=trader,
        other=trader,
        part=one_of(1, 2, 2, 2, 3, 4),
        off=one_of(0, 0, 100, -100, 300, -300),
        kind=between(0, 31),
    )
    def close(self, market_id: int, number: int, other: int, part: int, off: int, kind: int) -> None:
        """Half, the whole, one and a half of a position, preferably against its opposite."""
        self.populate(market_id, number)
        venue = self.it.venue
        name = pick(self.holders(market_id), number)
        held = venue.size[market_id, name]
        opposite = [one for one in self.traders if venue.size[market_id, one] * held < 0] or self.traders
        against = pick(opposite, other)
        size = -held * part // 2
        if part == 2 and kind % 2:
            size = -held // abs(held or 1) * min(abs(held), abs(venue.size[market_id, against]) or abs(held))
        price = self.mark(market_id) * (BPS + off) // BPS
        margins = [0, 0]
        if part > 2 or kind % 3 == 0:
            margins[0] = self.margin_for(market_id, against, -size, price, "maker_fee_bps", 2)
            margins[1] = self.margin_for(market_id, name, size, price, "taker_fee_bps", 2)
        self.trade(market_id, (against, name), size, price, margins, kind)

    @move(14, market_id=market, bps=one_of(30, -30, 200, -200, 600, -600, 900, -900, 1_500, -1_500, -3_000, 4_000))
    def move_price(self, market_id: int, bps: int) -> None:
        price = self.mark(market_id) * (BPS + bps) // BPS
        self.it.price(market_id, max(price // 10**10, 100) * 10**10)

    @move(12, market_id=market, whom=trader, aim=one_of("below", "below", "zero", "minus one", "deep", "deep", "abyss"))
    def aim_price(self, market_id: int, whom: int, aim: str) -> None:
        """To where somebody's equity is just below maintenance margin, nothing, a unit less, or far below."""
        self.populate(market_id, whom)
        venue = self.it.venue
        key = (market_id, pick(self.holders(market_id), whom))
        size, mark = venue.size[key], self.mark(market_id)
        if size == 0:
            return
        part = self.requirement(market_id, size, "maintenance_margin_bps")
        wanted = {"below": part * 9 // 10, "zero": 0, "minus one": -1, "deep": -part // 3, "abyss": -part * 3}[aim]
        price = (wanted - venue.balance[key] + venue.pending_charge(*key)) * venue.scale // size
        price = min(max(price, mark * 6 // 10), mark * 14 // 10)
        # Of the 8 decimals that the aggregator has, the last against the position.
        self.it.price(market_id, (price // 10**10 + (size < 0)) * 10**10)

    @move(7, market_id=market, whom=trader, fresh=trader, part=one_of(1, 2, 2, 2))
    def flee(self, market_id: int, whom: int, fresh: int, part: int) -> None:
        """After a gap, before its loser is resolved, a winner closes against somebody new (T14)."""
        self.aim_price(market_id, whom, "abyss")
        venue = self.it.venue
        mark, size = self.mark(market_id), venue.size
        winner = max(self.traders, key=lambda name: venue._settled_equity((market_id, name), mark))
        newcomers = [name for name in self.traders if size[market_id, name] == 0] or self.traders
        richest = sorted(newcomers, key=lambda name: -venue.free[name])[:2]
        sides = pick(richest, fresh), winner
        held = size[market_id, winner]
        most = self.affordable(market_id, sides[:1], held > 0)
        change = -min(abs(held) * part // 2, most) * (1 if held > 0 else -1)
        margin = self.margin_for(market_id, sides[0], -change, mark, "maker_fee_bps", 2)
        self.trade(market_id, sides, change, mark, (margin, 0), 0)

    # ------------------------------------------------------------------ keepers

    @move(
        12,
        market_id=market,
        whom=trader,
        caller=trader,
        kind=one_of("whole", "whole", "whole", "half", "least", "all but one", "none"),
        bring=one_of(0, 1, 1, 1, 2),
    )
    def liquidate(self, market_id: int, whom: int, caller: int, kind: str, bring: int) -> None:
        self.populate(market_id, caller)
        if bring and not self.below(market_id):
            self.aim_price(market_id, whom, "below" if caller % 3 else "deep")
        name = pick(self.below(market_id) or self.holders(market_id), whom)
        size = self.piece(market_id, name, kind)
        liquidator = self.who(caller)
        if liquidator == name and bring:
            liquidator = self.who(caller + 1)
        margin = self.takeover_margin(market_id, liquidator, size, bring)
        self.it.house("liquidate", liquidator, market_id, name, size, margin)

    def piece(self, market_id: int, name: str, kind: str) -> int:
        """Some of a position."""
        whole = abs(self.it.venue.size[market_id, name])
        least = ceil_div(self.it.registry.markets[market_id].min_notional * self.it.venue.scale, self.mark(market_id))
        sizes = {"whole": MAX_AMOUNT, "half": whole // 2, "least": least, "all but one": max(whole - 1, 0), "none": 0}
        return sizes[kind]

    def takeover_margin(self, market_id: int, name: str, size: int, bring: int) -> int:
        """Margin for taking a size over: none, enough for it alone, all."""
        free = self.it.venue.free[name]
        enough = self.requirement(market_id, min(size, 100 * COIN), "initial_margin_bps") + 2
        return (0, min(enough, free), free)[bring]

    @move(
        6,
        market_id=market,
        several=some(trader, 5),
        caller=trader,
        kind=one_of("whole", "whole", "whole", "half", "least"),
        healthy=one_of(True, False),
    )
    def liquidate_batch(self, market_id: int, several: list[int], caller: int, kind: str, healthy: bool) -> None:
        self.populate(market_id, caller)
        liquidator = self.who(caller)
        names = (not healthy and self.below(market_id)) or self.traders
        chosen = [pick(names, target) for target in several]
        entries = [(name, self.piece(market_id, name, kind)) for name in chosen if name != liquidator or several == [0]]
        self.it.house("liquidate_batch", liquidator, market_id, entries, self.it.venue.free[liquidator])

    @move(3, market_id=market, whom=trader)
    def flag(self, market_id: int, whom: int) -> None:
        self.populate(market_id, whom)
        self.it.house(
            "flag",
            self.it.names.keeper,
            market_id,
            pick(self.below(market_id, insolvent=True) or self.holders(market_id), whom),
        )

    @move(1, market_id=market, whom=trader)
    def unflag(self, market_id: int, whom: int) -> None:
        flagged = self.flagged(market_id)
        self.it.house("unflag", self.it.names.keeper, market_id, pick(flagged or self.traders, whom))

    def flagged(self, market_id: int) -> list[str]:
        """Traders with a flag."""
        return [name for name in self.traders if self.it.venue.flagged_at[market_id, name]]

    @move(
        10,
        market_id=market,
        whom=trader,
        seconds=one_of(600, 600, 600, 599, 4_200, 4_201),
        fault=one_of("", "", "", "", "", "one less", "one more", "twice", "other side"),
        turn=trader,
    )
    def deleverage(self, market_id: int, whom: int, seconds: int, fault: str, turn: int) -> None:
        """Flag if need be, wait for the grace, close against enough of the other side."""
        venue = self.it.venue
        grace = self.it.registry.markets[market_id].grace
        running = [
            name
            for name in self.flagged(market_id)
            if venue.flagged_at[market_id, name] + grace + HOUR > self.it.clock.now
        ]
        if not running:
            self.aim_price(market_id, whom, "deep")
            self.flag(market_id, whom)
        flagged = running or self.flagged(market_id)
        name = pick(flagged or self.traders, whom)
        if flagged:
            due = venue.flagged_at[market_id, name] + seconds - self.it.clock.now
            if due > 0:
                self.it.wait(due)
                self.it.price(market_id, self.mark(market_id))
        held = venue.size[market_id, name]
        opposite = [one for one in self.traders if venue.size[market_id, one] * held < 0]
        opposite = opposite[turn % (len(opposite) or 1) :] + opposite[: turn % (len(opposite) or 1)]
        names, left = [], abs(held)
        while left > 0 and opposite:
            names.append(opposite.pop(0))
            left -= abs(venue.size[market_id, names[-1]])
        names = {
            "": names,
            "one less": names[:-1],
            "one more": names + opposite[:1],
            "twice": names[:1] * 2,
            "other side": [name],
        }[fault]
        self.it.house("deleverage", self.it.names.keeper, market_id, name, names)

    @move(4, market_id=one_of(0, 1, 2, 2), whom=trader, fresh=trader, after=small)
    def ruin(self, market_id: int, whom: int, fresh: int, after: int) -> None:
        """A winner flees, the loser is closed against whoever is left; then the fund is asked for money."""
        self.flee(market_id, whom, fresh, 2)
        self.deleverage(market_id, whom, 600, "", fresh)
        fund = self.it.fund_of(market_id)
        number = self.it.funds.index(fund)
        if after < 4:
            self.contribute(number, whom, whom, max(fund.room(), 1) + after % 2 * 50 * U)
        if after < 6:
            self.withdraw_excess(number, after % 3, 0)
        if after > 2:
            self.liquidate(market_id ^ 2 if market_id != 1 else 1, whom, fresh, "whole", 1)

    @move(2, market_id=market, number=trader)
    def settle(self, market_id: int, number: int) -> None:
        self.it.house("settle", self.it.names.keeper, market_id, pick(self.holders(market_id), number))

    @move(1, market_id=market)
    def collect_fees(self, market_id: int) -> None:
        self.it.house("collect_fees", self.it.names.keeper, market_id)

    @move(2, market_id=market, number=trader, part=one_of(1, 1, 3), more=edge)
    def repay_bad_debt(self, market_id: int, number: int, part: int, more: int) -> None:
        owed = self.it.fund_of(market_id).bad_debt(self.it.venue.address, market_id)
        if owed == 0 and part == 1:
            return
        self.it.house("repay_bad_debt", self.who(number), market_id, max(owed // part + more * (owed > 0), 0))

    # ------------------------------------------------------------------ time

    @move(3, seconds=one_of(1, 60, 600, 1_800, HOUR, HOUR + 1), fresh=one_of(True, True, True, False))
    def wait(self, seconds: int, fresh: bool) -> None:
        self.it.wait(seconds)
        if fresh:
            self.refresh()

    @move(1, days=between(1, 9))
    def wait_days(self, days: int) -> None:
        self.it.wait(days * DAY)
        self.refresh()

    def refresh(self) -> None:
        """The same prices again."""
        for market_id in range(len(self.it.feeds)):
            self.it.price(market_id, self.mark(market_id))

    # ------------------------------------------------------------------ the fund and its people

    @move(
        2,
        number=between(0, 1),
        who=trader,
        other=trader,
        amount=one_of(0, 1, 777_777, 90 * U, 4_000 * U, HUGE),
    )
    def contribute(self, number: int, who: int, other: int, amount: int) -> None:
        self.it.fund(number, "contribute", self.who(who), amount, self.who(other))

    @move(2, number=between(0, 1), share=between(0, 2), more=edge)
    def withdraw_excess(self, number: int, share: int, more: int) -> None:
        excess = self.it.funds[number].excess()
        amount = max(excess * share // 2 + more, 0)
        self.it.fund(number, "withdraw_excess", self.it.names.treasurer, amount)

    @move(1, number=between(0, 1), who=trader, amount=between(1, 10**7), skim=one_of(True, False))
    def donate(self, number: int, who: int, amount: int, skim: bool) -> None:
        fund = self.it.funds[number].address
        self.it.donate(self.it.venue.address if amount % 3 == 0 else fund, amount, self.who(who))
        if skim:
            self.it.skim(number, self.who(who), self.who(who + 1))

    @move(2, what=small, number=between(0, 1), hours=one_of(0, 1, 1, 5, 168, 169))
    def pause(self, what: int, number: int, hours: int) -> None:
        """Of payouts or of trading, and its end."""
        guardian = self.it.names.guardian
        if what < 3:
            self.it.fund(number, "pause_payouts", guardian, hours * HOUR)
        elif what < 6:
            self.it.fund(number, "resume_payouts", guardian)
        elif what < 9:
            self.it.govern("pause_trading", guardian, hours * HOUR)
        else:
            self.it.govern("resume_trading", guardian)

    @move(4, what=small, number=between(0, 1), amount=one_of(0, 1, 37 * U, 900 * U, 2_500 * U, 30_000 * U))
    def govern_fund(self, what: int, number: int, amount: int) -> None:
        """A setter of a fund, by its notice where one is running; else an announcement first, one time of two."""
        house = self.it.venue.address
        calls: list[tuple[Any, ...]] = [
            ("set_threshold", amount),
            ("set_max_insurance", house, number, amount),
            ("set_max_insurance", house, number or 2, amount),
            ("set_window", amount, HOUR * (1 + amount % 7)),
            ("set_split", amount % 5_003, amount % 3_001),
        ]
        call = pick(calls, what)
        if what >= 5 and call[0] != "set_split":
            if not isinstance(self.it.announce(number, call), Refused):
                self.announced.append((number, call))
            return
        self.it.fund(number, call[0], self.it.names.governance, *call[1:])

    @move(3, which=small, days=one_of(0, 1, 2, 2, 2, 3, 8, 9), keep=mostly)
    def use_notice(self, which: int, days: int, keep: bool) -> None:
        """Make an announced call, after waiting; or withdraw its notice."""
        if not self.announced:
            return
        number, call = pick(self.announced, which)
        if not keep:
            self.it.cancel(number, call)
            return
        if days:
            self.wait_days(days)
        self.it.fund(number, call[0], self.it.names.governance, *call[1:])

    @move(2, what=small, market_id=market, number=between(0, 12))
    def govern_market(self, what: int, market_id: int, number: int) -> None:
        """Parameters of a market."""
        caps = (500 + 300 * number) * COIN, (100 + 150 * number) * COIN, max(number * U * 2, 1)
        calls: list[tuple[str, tuple[int, ...]]] = [
            ("set_margins", (600 + 100 * number, 300 + 60 * number, 290 + 5 * number)),
            ("set_fees", (number * 9, number, number * 450)),
            ("set_caps", caps),
            ("set_grace", (60 * number,)),
        ]
        setter, values = pick(calls, what)
        self.it.govern(setter, self.it.names.governance, market_id, *values)

    @move(1, who=trader, amount=between(0, 10**9))
    def impostor(self, who: int, amount: int) -> None:
        """What only a venue may do (T37)."""
        names = ("settle_liquidation", "cover_shortfall", "settle_fees", "record_bad_debt", "repay_bad_debt")
        self.it.fund(amount % 2, pick(names, amount), self.who(who), 0, amount)


MOVES = Moves(Machine)
