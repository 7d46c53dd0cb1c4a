"""The traders of a replay and what they want, drawn from a seed: who opens, who closes, how large, how leveraged.

Integers and Python's own generator alone, so that a seed means the same everywhere.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cached_property

from coincurve import PrivateKey
from eth_utils import keccak, to_checksum_address

from kana_insurance.model.units import BPS

#: What traders bring along, whole tokens, smallest accounts commonest.
CAPITALS = (500, 500, 1_000, 1_000, 1_000, 2_000, 2_000, 5_000, 10_000, 25_000)
#: Leverages, 2x to 20x; 20x is all that an initial margin of 5 % allows.
LEVERAGES = (2, 3, 4, 5, 5, 7, 8, 10, 10, 12, 15, 20, 20)
#: Of what its margin could carry at its leverage, a new position uses so much: room for fees and slippage.
FILL_OF_MARGIN_BPS = 9_500

# Chances a bar, one in so many.
_OPENS = 60  # a flat trader comes in
_CLOSES = 360  # a trader goes home
_TAKES_PROFIT = 60  # one who has made half his margin
_GIVES_UP = 90  # one who has lost half of it
_RETURNS = 240  # one who has lost nearly all brings the same again


def account_of(key: bytes) -> str:
    """The address of a private key."""
    public = PrivateKey(key).public_key.format(compressed=False)
    return to_checksum_address(keccak(public[1:])[12:])


@dataclass
class Trader:
    """One trader: a private key, a habit, and what he has put in."""

    name: str
    key: bytes
    leverage: int
    capital: int
    #: Margin moved into the open position, base units; measures his return.
    margin: int = 0
    #: All he ever deposited, base units.
    deposited: int = 0

    @cached_property
    def account(self) -> str:
        """His address."""
        return account_of(self.key)


@dataclass
class Want:
    """What a trader wants to trade: signed size, all of it sooner or later.

    Attributes:
        trader: Who.
        size: Base size, > 0 buys; what is still wanted.
        margin: Free balance to move in with all of it.
        closing: Whether it may only reduce the position.
    """

    trader: Trader
    size: int
    margin: int
    closing: bool


@dataclass(frozen=True)
class Standing:
    """Where a trader stands at a bar: base units, size in base."""

    size: int
    equity: int
    free: int


@dataclass
class Book:
    """The traders and their dice.

    Args:
        count: How many traders.
        seed: Decides everything about them.
        unit: Base units of a whole token.
        position_cap: Largest base size of an account.
        lot: Sizes are multiples of this.
    """

    count: int
    seed: int
    unit: int
    position_cap: int
    lot: int
    traders: list[Trader] = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self.traders = [
            Trader(
                name=f"trader {index + 1}",
                key=keccak(text=f"kana replay, seed {self.seed}, trader {index}"),
                leverage=self._dice.choice(LEVERAGES),
                capital=self._dice.choice(CAPITALS) * self.unit,
            )
            for index in range(self.count)
        ]

    def _one_in(self, chances: int) -> bool:
        return self._dice.randrange(chances) == 0

    def slippage(self, price: int) -> int:
        """A limit price near ``price``: up to 10 basis points away, either side."""
        return price * (BPS * 10 + self._dice.randint(-100, 100)) // (BPS * 10)

    def returns(self, trader: Trader, standing: Standing) -> bool:
        """Whether a trader who has lost nine tenths of his capital brings it again now."""
        ruined = standing.size == 0 and standing.free < trader.capital // 10
        return ruined and self._one_in(_RETURNS)

    def want(self, trader: Trader, standing: Standing, mark: int, scale: int, opening: bool) -> Want | None:
        """What a trader decides at a bar; None: nothing.

        Args:
            trader: Who.
            standing: Where he stands.
            mark: Price, WAD.
            scale: Quote scale of the asset.
            opening: Whether the venue opens now and everybody comes in.
        """
        if standing.size == 0:
            if standing.free < trader.capital // 10 or not (opening or self._one_in(_OPENS)):
                return None
            return self._entry(trader, standing.free, mark, scale)
        if trader.margin and standing.equity * 2 > trader.margin * 3:
            chances = _TAKES_PROFIT
        elif standing.equity * 2 < trader.margin:
            chances = _GIVES_UP
        else:
            chances = _CLOSES
        return Want(trader, -standing.size, 0, closing=True) if self._one_in(chances) else None

    def _entry(self, trader: Trader, free: int, mark: int, scale: int) -> Want | None:
        """A position of the trader's leverage on nearly all he has, long or short by the dice."""
        notional = free * trader.leverage * FILL_OF_MARGIN_BPS // BPS
        size = min(notional * scale // mark, self.position_cap) // self.lot * self.lot
        if size == 0:
            return None
        needed = size * mark // scale * BPS // (trader.leverage * FILL_OF_MARGIN_BPS)
        return Want(trader, size if self._one_in(2) else -size, min(needed, free), closing=False)
