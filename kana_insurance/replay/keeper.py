"""The keeper: resolves at each bar what is liquidatable, as far as his capital reaches, and calls for deleveraging.

He takes over size at mark (M28), so what he liquidates becomes his own position; he sells it to traders afterwards.
Flags and deleveraging need no capital: anybody sends them, here the relayer.
"""

from __future__ import annotations

from dataclasses import dataclass

from kana_insurance.model.units import BPS
from kana_insurance.replay.world import World

#: Entries of a batch, and names of a deleveraging, at most (the contract's bounds).
MAX_ENTRIES = 64
#: Margin that the keeper wants on his position after a takeover, when he tops it up, and above which he takes it back.
TARGET_BPS, FLOOR_BPS, CEILING_BPS = 1_200, 800, 2_000
#: Margin on the largest position he lets himself hold with all he has.
LIMIT_BPS = 2_000
#: A flag lapses so long after its grace (M28a), seconds.
FLAG_LIFE = 3_600


@dataclass
class Keeper:
    """The keeper and the relayer who flags and deleverages.

    Args:
        account: The keeper.
        relayer: Sends what needs no capital.
        capital: What he brought along, base units.
    """

    account: str
    relayer: str
    capital: int

    def act(self, world: World) -> None:
        """Everything at a bar: his own margin, takeovers, flags, deleveraging."""
        self._tend(world)
        due = self._due(world)
        if due:
            self._take_over(world, due)
        for account in [*due, self.account]:
            if world.size(account) and world.equity(account) < 0:
                self._resolve_without_taker(world, account)

    def worth(self, world: World) -> int:
        """All that the keeper has at the venue, base units."""
        standing = world.standing(self.account)
        return standing.free + standing.equity

    # ------------------------------------------------------------------ his own position

    def _tend(self, world: World) -> None:
        """Keep the margin of the keeper's own position between floor and ceiling."""
        standing = world.standing(self.account)
        if standing.size == 0:
            return
        wanted = world.requirement(standing.size, TARGET_BPS)
        if standing.equity < world.requirement(standing.size, FLOOR_BPS):
            amount = min(wanted - standing.equity, standing.free)
            if amount > 0:
                world.house("add_margin", self.account, world.market_id, amount)
        elif standing.equity > world.requirement(standing.size, CEILING_BPS):
            world.house("release_margin", self.account, world.market_id, standing.equity - wanted)

    # ------------------------------------------------------------------ takeovers

    def _due(self, world: World) -> list[str]:
        """Who is liquidatable, the largest equity first: that is where rewards are; the insolvent come last."""
        bps = world.params.maintenance_margin_bps
        found = []
        for account in world.holders():
            if account != self.account:
                equity = world.equity(account)
                if equity < world.requirement(world.size(account), bps):
                    found.append((-equity, account))
        return [account for _, account in sorted(found)]

    def _take_over(self, world: World, due: list[str]) -> None:
        """Liquidate what fits within the keeper's limit, in batches.

        What lessens his position comes first: it makes room for the rest.
        """
        held = world.size(self.account)
        due = sorted(due, key=lambda account: world.size(account) * held >= 0)
        limit = self.worth(world) * BPS // LIMIT_BPS * world.scale // world.mark
        entries: list[tuple[str, int]] = []
        peak = abs(held)
        for account in due:
            size = world.size(account)
            part = self._fitting(world, size, held, limit, insolvent=world.equity(account) < 0)
            if part:
                entries.append((account, part))
                held += part if size > 0 else -part
                peak = max(peak, abs(held))
        for start in range(0, len(entries), MAX_ENTRIES):
            self._send(world, entries[start : start + MAX_ENTRIES], peak)

    def _fitting(self, world: World, size: int, held: int, limit: int, insolvent: bool) -> int:
        """How much of a position the keeper takes: all, or of a solvent one the piece that he can carry (M5)."""
        space = limit - held if size > 0 else limit + held
        if abs(size) <= space:
            return abs(size)
        least = world.params.min_notional
        piece = max(space, 0)
        rest = abs(size) - piece
        if insolvent or world.notional(piece) < least or world.notional(rest) < least:
            return 0
        return piece

    def _send(self, world: World, entries: list[tuple[str, int]], peak: int) -> None:
        """One batch with the margin that its largest position needs; a shorter one if that is refused."""
        standing = world.standing(self.account)
        margin = min(max(world.requirement(peak, TARGET_BPS) - standing.equity, 0), standing.free)
        while entries and world.house("liquidate_batch", self.account, world.market_id, entries, margin):
            entries = entries[: len(entries) // 2]

    # ------------------------------------------------------------------ without capital

    def _resolve_without_taker(self, world: World, account: str) -> None:
        """Flag an insolvent position, and deleverage it once its grace is over (M28a)."""
        flagged_at = world.venue.flagged_at[world.market_id, account]
        due_from = flagged_at + world.params.grace
        if flagged_at == 0 or world.clock.now > due_from + FLAG_LIFE:
            world.house("flag", self.relayer, world.market_id, account)
        elif world.clock.now >= due_from:
            names = self._counterparties(world, account)
            world.house("deleverage", self.relayer, world.market_id, account, names)

    def _counterparties(self, world: World, account: str) -> list[str]:
        """Positions of the other side that suffice, largest first, so that few are touched."""
        size = world.size(account)
        others = [other for other in world.holders() if world.size(other) * size < 0]
        others.sort(key=lambda other: (-abs(world.size(other)), other))
        names: list[str] = []
        rest = abs(size)
        for other in others[:MAX_ENTRIES]:
            if rest <= 0:
                break
            names.append(other)
            rest -= abs(world.size(other))
        return names
