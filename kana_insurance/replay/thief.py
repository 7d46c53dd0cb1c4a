"""The thief: one mind, two keys on opposite sides, full leverage, and he knows the next bar.

Before a move that is larger than the margin he opens both sides against himself. The losing key goes bankrupt, the
winning key liquidates it first in the block, so that nobody need trade with him, and he withdraws all he can.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kana_insurance.model import Fill
from kana_insurance.model.units import BPS
from kana_insurance.orders import Order
from kana_insurance.replay.world import World

#: What a strike costs him beyond the margin of the losing key, rounded up: both fees (5 and 2 bps).
COSTS_BPS = 20


@dataclass(frozen=True)
class Strike:
    """One attempt, in base units: what he could take at most, and what came of it.

    Attributes:
        bar: Index of the bar whose move he used.
        move_bps: That move.
        size: Base size of each key.
        limit_left: What the market could still cost the fund when he came.
        covered: What the fund paid for the losing key.
        socialised: What the other positions are charged for it.
        gain: What his two keys have more than before; negative: they lost.
    """

    bar: int
    move_bps: int
    size: int
    limit_left: int
    covered: int
    socialised: int
    gain: int


@dataclass
class Thief:
    """Two keys and their story.

    Args:
        long, short: The keys; whichever loses is given up.
        capital: Base units he brings along for both together.
        lot: His sizes are multiples of this.
    """

    long: str
    short: str
    capital: int
    lot: int
    strikes: list[Strike] = field(default_factory=list)
    _open: tuple[int, int, int, int] | None = None

    def wallet(self, world: World) -> int:
        """What he holds outside the venue, base units."""
        return world.token.balances[self.long] + world.token.balances[self.short]

    def worth(self, world: World) -> int:
        """All that is his: tokens, free balances, positions or claims."""
        keys = (self.long, self.short)
        return self.wallet(world) + sum(world.free(key) + world.equity(key) for key in keys)

    def prepare(self, world: World, bar: int, close: int, following: int) -> Fill | None:
        """At the end of a bar: the fill that opens both sides, if the next bar moves enough; None: he waits.

        Args:
            world: The venue.
            bar: Index of the bar that ends.
            close: Its price, feed units.
            following: The next one's.
        """
        move = abs(following - close) * BPS // close
        if self._open or move <= world.params.initial_margin_bps + COSTS_BPS:
            return None
        per_key = self.wallet(world) // 2
        size = per_key * BPS * world.scale // (world.mark * (world.params.initial_margin_bps + COSTS_BPS))
        room = (world.params.open_interest_cap - world.venue.open_interest[world.market_id]) // 2
        size = min(size, world.params.position_cap, room) // self.lot * self.lot
        if size <= 0 or world.notional(size) < world.params.min_notional:
            return None
        margin = world.requirement(size, world.params.initial_margin_bps + COSTS_BPS)
        before = self.worth(world)
        self._fund(world, margin)
        self._open = (bar + 1, move, size, before)
        return Fill(world.market_id, self.short, self.long, size, world.mark, margin, margin, False, False)

    def _fund(self, world: World, margin: int) -> None:
        """Bring the tokens of either key to the venue, as much for each."""
        for key in (self.long, self.short):
            rest = margin
            for payer in (key, self.long, self.short):
                amount = min(rest, world.token.balances[payer])
                if amount:
                    world.must("deposit", payer, amount, key)
                    rest -= amount

    def give_up(self) -> None:
        """The fill was refused: there is nothing to win at this bar."""
        self._open = None

    def strike(self, world: World, bar: int) -> None:
        """First in the block after the move: the winning key takes over the losing one; then all is withdrawn."""
        if self._open is None or self._open[0] != bar:
            return
        _, move, size, before = self._open
        limit_left = world.limit_left
        loser, winner = sorted((self.long, self.short), key=world.equity)
        logged = len(world.venue.log)
        world.house("liquidate", winner, world.market_id, loser, abs(world.size(loser)), 0)
        resolved = [event.fields for event in list(world.venue.log)[logged:] if event.name == "ShortfallResolved"]
        covered = sum(fields["covered"] for fields in resolved if fields["trader"] in (loser, winner))
        socialised = sum(fields["socialised"] for fields in resolved if fields["trader"] in (loser, winner))
        self._open = None
        self.withdraw(world)
        gain = self.worth(world) - before
        self.strikes.append(Strike(bar, move, size, limit_left, covered, socialised, gain))

    def withdraw(self, world: World) -> None:
        """Take out all that the venue lets go."""
        for key in (self.long, self.short):
            if world.size(key) == 0 and world.equity(key) > 0:
                claim = min(world.equity(key), world.venue.pot[world.market_id])
                if claim:
                    world.must("release_margin", key, world.market_id, claim)
            if world.free(key):
                world.must("withdraw", key, world.free(key), key)


def order_of(fill: Fill, is_maker: bool, nonce: int, expiry: int) -> Order:
    """One side of the thief's fill as the order that he signs."""
    return Order(
        trader=fill.maker if is_maker else fill.taker,
        market_id=fill.market_id,
        is_buy=not is_maker,
        size=abs(fill.size),
        limit_price=fill.price,
        margin=fill.maker_margin if is_maker else fill.taker_margin,
        expiry=expiry,
        nonce=nonce,
    )
