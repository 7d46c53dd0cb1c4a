"""The layers behind a fund's reserve: who pays next, who shares the revenue, whose exits a notice waits for.

A fund has up to two, drawn on in this order: the staked layer, which takes the stream too, and a reinsurance (M10,
M24). The guardian may suspend one, which then counts as empty.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from kana_insurance.model.clock import DAY, Clock
from kana_insurance.model.errors import require
from kana_insurance.model.state import Account, Stateful
from kana_insurance.model.units import BPS

MAX_PREMIUM = 3_000  # bps of a fund's revenue, for one layer (M23)
NO_LAYER_NOTICE = 2 * DAY  # with no staked layer (M9)
AFTER_COOLDOWN = 3 * DAY  # beyond the longest cooldown of the staked layers (M9)


class Layer(Protocol):
    """What a fund asks of a layer; a backstop is one."""

    address: Account

    def absorb(self, caller: Account, amount: int) -> int:
        """Pay the calling fund at most ``amount``; return what was paid (M21)."""

    def add_revenue(self, caller: Account, amount: int) -> None:
        """Take revenue from the calling fund (M22)."""

    def hold(self, caller: Account, resume_at: int) -> None:
        """Let no exit mature until a day after ``resume_at`` (M37)."""

    def capacity(self, fund: Account) -> int:
        """What ``absorb`` would pay that fund at most, now."""

    def revenue_terms(self, fund: Account) -> tuple[int, bool]:
        """Premium, bps, and whether revenue is taken now (M23)."""

    def exit_clock(self) -> int:
        """The chain's time less the time for which exits were held (M37)."""

    def longest_cooldown(self, since: int) -> int:
        """The longest cooldown in force at any time from ``since`` on, seconds (M9)."""

    def _touched(self) -> tuple[Stateful, ...]: ...


Pair = tuple[Layer | None, Layer | None]


class Shares(NamedTuple):
    """Where revenue goes that repays no bad debt (M24)."""

    premiums: tuple[int, int] = (0, 0)
    streamed: int = 0
    takes: bool = False  # whether the stream takes what the reserve has no room for


class LayersModel(Stateful):
    """The layers of one fund."""

    def __init__(self, fund: Account, clock: Clock) -> None:
        self.fund = fund
        self.clock = clock
        self.pair: Pair = (None, None)  # staked layer, reinsurance
        self.suspended_until: tuple[int, int] = (0, 0)
        self.staker_bps = 0

    def touched(self) -> tuple[Stateful, ...]:
        """Every object that a call to a layer may change, and these books."""
        return self, *(part for layer in self.pair if layer is not None for part in layer._touched())

    def state(self) -> dict[str, Any]:
        """Addresses, ends of suspensions, the stakers' share."""
        staked, reinsurance = (layer.address if layer is not None else None for layer in self.pair)
        return {
            "staked": staked,
            "reinsurance": reinsurance,
            "suspended_until": self.suspended_until,
            "staker_bps": self.staker_bps,
        }

    def open(self) -> list[tuple[int, Layer]]:
        """The layers that aren't suspended, in order, with their places (M10)."""
        return [
            (place, layer)
            for place, layer in enumerate(self.pair)
            if layer is not None and self.clock.now >= self.suspended_until[place]
        ]

    def means(self) -> int:
        """What the layers would pay now (M11)."""
        return sum(layer.capacity(self.fund) for _, layer in self.open())

    def draw(self, amount: int) -> list[tuple[Account, int]]:
        """Ask the layers in order for what the earlier ones didn't pay; what each paid, if it did (M10, I7)."""
        paid = []
        for _, layer in self.open():
            if amount == 0:
                break
            part = layer.absorb(self.fund, amount)
            amount -= part
            if part > 0:
                paid.append((layer.address, part))
        return paid

    def shares(self, revenue: int) -> Shares:
        """Premiums of both layers, then the stakers' share of what is left (M24); all rounded down."""
        premiums, takes_stream = [0, 0], False
        for place, layer in self.open():
            bps, takes = layer.revenue_terms(self.fund)
            if takes:
                premiums[place] = revenue * min(bps, MAX_PREMIUM) // BPS
                takes_stream = takes_stream or place == 0
        streamed = (revenue - sum(premiums)) * self.staker_bps // BPS if takes_stream else 0
        return Shares((premiums[0], premiums[1]), streamed, takes_stream)

    def feed(self, payments: tuple[int, int]) -> None:
        """Pay the layers revenue."""
        for layer, amount in zip(self.pair, payments, strict=True):
            if amount > 0:
                assert layer is not None
                layer.add_revenue(self.fund, amount)

    def hold(self, resume_at: int) -> None:
        """Hold the exits of the layers that aren't suspended (M37)."""
        for _, layer in self.open():
            layer.hold(self.fund, resume_at)

    def check(self, staked: Layer | None, reinsurance: Layer | None, staker_bps: int) -> bool:
        """Whether the fund could have these layers; returns whether one of them would be new (M9)."""
        require(staker_bps <= BPS, "fund: staker bps out of bounds")
        require(staked is None or staked is not reinsurance, "fund: layer twice")
        return bool(self.new_places((staked, reinsurance)))

    def new_places(self, pair: Pair) -> tuple[int, ...]:
        """The places that would be taken by another layer than now."""
        return tuple(place for place in (0, 1) if pair[place] is not None and pair[place] is not self.pair[place])

    def set(self, pair: Pair, staker_bps: int) -> bool:
        """Replace the layers; one that stays in its place stays suspended. Returns whether one is new there."""
        new = self.new_places(pair)
        kept = [until if pair[at] is self.pair[at] else 0 for at, until in enumerate(self.suspended_until)]
        self.pair, self.suspended_until, self.staker_bps = pair, (kept[0], kept[1]), staker_bps
        return bool(new)

    def suspend(self, place: int, until: int) -> None:
        """Let a layer count as empty until some time."""
        both = list(self.suspended_until)
        both[place] = until
        self.suspended_until = (both[0], both[1])

    @staticmethod
    def readings(concerned: Pair) -> tuple[int, int]:
        """The exit clocks of the layers that a notice concerns, 0 for none (M9)."""
        first, second = (layer.exit_clock() if layer is not None else 0 for layer in concerned)
        return first, second

    @staticmethod
    def notice_length(concerned: Pair, since: int) -> int:
        """How long a notice given at ``since`` is that concerns these layers (M9)."""
        cooldowns = [layer.longest_cooldown(since) for layer in concerned if layer is not None]
        return max(cooldowns) + AFTER_COOLDOWN if cooldowns else NO_LAYER_NOTICE
