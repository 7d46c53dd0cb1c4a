"""The layers behind the reserve in a replay: who stakes, who asks to leave as prices fall, what becomes of the money.

A layer is deployed with the terms that :func:`terms` gives it. Whoever stakes does so before the first bar; some ask to
leave once the price has fallen so far from its highest close, and claim when all is over.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cached_property

from kana_insurance.config import DAY, StakersConfig
from kana_insurance.deployment import Layer
from kana_insurance.mirror import LayerMirror, layer_of
from kana_insurance.model import Clock, FundModel, TokenLedger
from kana_insurance.model.units import BPS
from kana_insurance.replay.book import account_of
from kana_insurance.replay.world import PART_OF_LAYER, World

#: What the fund may draw of a layer, in basis points of what is staked there at first.
LIMIT_BPS = 5_000
#: The reinsurance's premium on the fund's revenue, and the stakers' share of the rest (M24).
PREMIUM_BPS, STAKER_BPS = 1_000, 5_000
#: Stakers by how far, in basis points, the price falls from its highest close before they ask to leave; 0: they stay.
NERVES = (0, 0, 0, 0, 0, 0, 0, 1_000, 2_000, 3_000, 4_000, 5_000)
#: How much larger than another a stake may be.
WEIGHTS = (1, 1, 1, 2, 2, 3, 5, 8)
#: From the last bar to the claims: by then every cooldown is over and every payment has been streamed.
AFTERWARDS = 15 * DAY


def terms(name: str, stake: int) -> StakersConfig:
    """What a layer with so much stake is deployed with.

    Args:
        name: "stakers" or "reinsurance".
        stake: Base units.
    """
    limit = stake * LIMIT_BPS // BPS
    if name == "stakers":
        return StakersConfig(limit=limit)
    return StakersConfig(name="Kana Reinsurance", symbol="KREIN", limit=limit, premium_bps=PREMIUM_BPS)


def open_layers(
    stakes: dict[str, int], addresses: dict[str, tuple[str, str]], fund: FundModel, token: TokenLedger, clock: Clock
) -> tuple[LayerMirror, ...]:
    """The layers in the model, wired to a fund that isn't open yet.

    Args:
        stakes: What will be staked, by layer in the order of drawing, base units.
        addresses: Underwriter and backstop of each.
        fund: Who draws on them.
        token: The asset.
        clock: The time.
    """
    made = tuple(
        layer_of(Layer(name, terms(name, stake), *addresses[name]), fund, token, clock)
        for name, stake in stakes.items()
    )
    if made:
        drawn = {layer.name: layer.underwriter for layer in made}
        fund.set_layers("deployer", drawn.get("stakers"), drawn.get("reinsurance"), STAKER_BPS)
    return made


@dataclass
class Staker:
    """One who stakes.

    Attributes:
        name: For the report.
        key: His private key.
        layer: "stakers" or "reinsurance".
        stake: What he puts in, base units.
        nerve: The fall, in basis points, at which he asks to leave; 0: he stays.
        asked_at: Index of the bar at which he asked.
        asked_for: What his shares were worth then.
        claimed: What he got in the end.
    """

    name: str
    key: bytes
    layer: str
    stake: int
    nerve: int = 0
    asked_at: int | None = None
    asked_for: int = 0
    claimed: int = 0

    @cached_property
    def account(self) -> str:
        """His address."""
        return account_of(self.key)


@dataclass
class Crowd:
    """All stakers of a replay, the reinsurer among them.

    Args:
        stakes: What is staked, by layer, base units.
        keys: Private keys of the stakers and of the reinsurer.
        seed: Decides who stakes how much and who has which nerve.
    """

    stakes: dict[str, int]
    keys: dict[str, list[bytes]]
    seed: int
    stakers: list[Staker] = field(default_factory=list)
    _highest: int = 0

    def __post_init__(self) -> None:
        # Dice of their own: the traders do the same with stakers and without.
        dice = random.Random(f"stakers, seed {self.seed}")
        for layer, total in self.stakes.items():
            keys = self.keys[layer]
            alone = len(keys) == 1
            weights = [1 if alone else dice.choice(WEIGHTS) for _ in keys]
            nerves = [0] if alone else dice.sample(NERVES, len(keys))
            left, heavy = total, sum(weights)
            for number, (key, weight, nerve) in enumerate(zip(keys, weights, nerves, strict=True), 1):
                stake = left if number == len(keys) else total * weight // heavy
                left -= stake
                name = "reinsurer" if layer == "reinsurance" else f"staker {number}"
                self.stakers.append(Staker(name, key, layer, stake, nerve))

    def of(self, layer: str) -> list[Staker]:
        """Who stakes in a layer."""
        return [staker for staker in self.stakers if staker.layer == layer]

    def begin(self, world: World, relayer: str) -> None:
        """Everybody stakes."""
        for staker in self.stakers:
            backstop = world.layer(staker.layer).backstop
            world.mint(staker.account, staker.stake, relayer)
            world.record("token", "approve", staker.account, backstop.address, 2**256 - 1)
            backstop.deposit(staker.account, staker.stake, staker.account)
            world.record(PART_OF_LAYER[staker.layer], "deposit", staker.account, staker.stake, staker.account)

    def act(self, world: World, bar: int, close: int) -> None:
        """Whoever has had enough asks to leave with all of his shares (M20)."""
        self._highest = max(self._highest, close)
        fall = (self._highest - close) * BPS // self._highest
        for staker in self.stakers:
            if staker.asked_at is None and 0 < staker.nerve <= fall:
                backstop, me = world.layer(staker.layer).backstop, staker.account
                shares = backstop.shares_of(me)
                staker.asked_at, staker.asked_for = bar, backstop.to_assets_down(shares)
                backstop.request_redeem(me, shares, me, me)
                world.record(PART_OF_LAYER[staker.layer], "requestRedeem", me, shares, me, me)

    def claim(self, world: World) -> None:
        """Whoever asked to leave takes what there is for him."""
        for staker in self.stakers:
            backstop, me = world.layer(staker.layer).backstop, staker.account
            shares = backstop.max_redeem(me)
            if shares:
                staker.claimed = backstop.redeem(me, shares, me, me)
                world.record(PART_OF_LAYER[staker.layer], "redeem", me, shares, me, me)

    def has(self, world: World, staker: Staker) -> int:
        """What a staker has now: shares, exits, and what he claimed; base units."""
        backstop = world.layer(staker.layer).backstop
        days = backstop.exits.request_days(staker.account)
        exits = sum(backstop.exits.request_assets(day, staker.account) for day in days)
        return backstop.to_assets_down(backstop.shares_of(staker.account)) + exits + staker.claimed


@dataclass
class LayerTotals:
    """Sums of one layer over a replay, base units."""

    paid: int = 0
    from_unvested: int = 0
    from_pending: int = 0
    revenue: int = 0
