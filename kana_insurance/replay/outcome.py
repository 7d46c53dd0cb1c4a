"""What a replay came to: its figures, its checks, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from kana_insurance.amounts import WAD_DECIMALS, format_amount
from kana_insurance.model.units import BPS
from kana_insurance.replay.checks import Check
from kana_insurance.replay.engine import Replay
from kana_insurance.replay.layers import Staker
from kana_insurance.replay.prices import FEED_DECIMALS
from kana_insurance.replay.thief import Strike

#: Fields of the totals that are amounts; the others are counts.
AMOUNTS = frozenset(
    {
        "collateral",
        "to_liquidator",
        "to_fund",
        "to_trader",
        "shortfall",
        "covered",
        "socialised",
        "bad_debt",
        "charged",
        "fees_to_fund",
        "fees_to_recipient",
        "fees_forwarded",
        "income",
        "from_reserve",
    }
)


@dataclass(frozen=True)
class LayerOutcome:
    """What became of a layer, base units.

    Attributes:
        name: "stakers" or "reinsurance".
        staked: What was staked before the first bar.
        limit: What the fund may draw for life.
        premium_bps: Share of the fund's revenue that it takes before all others.
        paid: What was drawn: of unvested revenue, of pending exits, of the stake.
        revenue: What the fund paid.
        has: What its stakers have in the end, claimed or not.
    """

    name: str
    staked: int
    limit: int
    premium_bps: int
    paid: int
    from_unvested: int
    from_pending: int
    from_stake: int
    revenue: int
    has: int

    @property
    def gain(self) -> int:
        """What its stakers have more than they put in; negative: less."""
        return self.has - self.staked


@dataclass
class Outcome:
    """A finished replay.

    Attributes:
        replay: The replay with its totals, samples and strikes.
        checks: What was checked.
        seconds: How long it took, set-up excluded.
        transactions: Sent to the chain; 0 without a chain.
        gas: Used by them.
    """

    replay: Replay
    checks: list[Check]
    seconds: float
    transactions: int
    gas: int
    #: Tokens by holder at the end, base units: fund, house, treasury, wallets.
    tokens: dict[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether every check held."""
        return all(check.good for check in self.checks)

    @property
    def borne_by(self) -> list[tuple[str, int]]:
        """Who bore the shortfalls, in the order in which they are asked (M10, M11)."""
        totals = self.replay.totals
        return [
            ("reserve", totals.from_reserve),
            *((name, layer.paid) for name, layer in totals.layers.items()),
            ("other traders", totals.socialised),
            ("bad debt", totals.bad_debt),
        ]

    @property
    def layers(self) -> list[LayerOutcome]:
        """The layers behind the reserve, in the order of drawing."""
        replay, found = self.replay, []
        for layer in replay.world.layers:
            totals = replay.totals.layers[layer.name]
            terms = layer.underwriter.terms[replay.world.fund.address]
            found.append(
                LayerOutcome(
                    name=layer.name,
                    staked=replay.settings.stakes[layer.name],
                    limit=terms.limit,
                    premium_bps=terms.premium_bps,
                    from_stake=totals.paid - totals.from_unvested - totals.from_pending,
                    has=sum(self.has(staker) for staker in replay.crowd.of(layer.name)),
                    **asdict(totals),
                )
            )
        return found

    def has(self, staker: Staker) -> int:
        """What a staker has in the end, claimed or not."""
        return self.replay.crowd.has(self.replay.world, staker)

    @property
    def strikes(self) -> list[Strike]:
        """The thief's attempts."""
        return self.replay.thief.strikes

    @property
    def thief_gain(self) -> int:
        """What the thief has more than he brought."""
        return self.replay.thief.worth(self.replay.world) - self.replay.settings.thief_capital

    @property
    def thief_from_fund(self) -> int:
        """What the fund paid for his losing keys."""
        return sum(strike.covered for strike in self.strikes)

    @property
    def thief_from_traders(self) -> int:
        """What the other positions were charged for them."""
        return sum(strike.socialised for strike in self.strikes)

    @property
    def limit_before_thief(self) -> int:
        """What the market could still cost the fund when he first came; all of it if he never did."""
        return self.strikes[0].limit_left if self.strikes else self.replay.settings.max_insurance

    def as_json(self, raw: bool = False) -> dict[str, Any]:
        """All figures; amounts in whole tokens as decimal text, with ``raw`` in base units."""
        replay, world = self.replay, self.replay.world

        def amount(value: int) -> str:
            return str(value) if raw else format_amount(value, 6, group=False)

        def size(value: int) -> str:
            return str(value) if raw else format_amount(value, WAD_DECIMALS, group=False)

        def price(value: int) -> str:
            return format_amount(value, FEED_DECIMALS, group=False)

        totals: Mapping[str, Any] = {
            k: v for k, v in asdict(replay.totals).items() if k not in ("by_hour", "layers", "too_early")
        }
        bars = replay.history.bars
        fund = world.fund
        return {
            "history": replay.history.name,
            "bars": len(bars),
            "from": _moment(bars[0].time),
            "to": _moment(bars[-1].time),
            "highest_close": price(max(bar.close for bar in bars)),
            "lowest_close": price(min(bar.close for bar in bars)),
            "largest_step_bps": replay.history.largest_step_bps(),
            "traders": replay.settings.traders,
            "seed": replay.settings.seed,
            "keeper_capital": amount(replay.settings.keeper_capital),
            "keeper_at_the_end": amount(replay.keeper.worth(world)),
            "threshold": amount(replay.settings.threshold),
            "contributions": amount(replay.settings.contributions),
            "max_insurance": amount(replay.settings.max_insurance),
            "reserve": amount(fund.reserve),
            "limit_left": amount(world.limit_left),
            "bad_debt": amount(fund.total_bad_debt),
            "fills": replay.market.fills,
            **{
                name: amount(value) if name in AMOUNTS else value
                for name, value in totals.items()
                if name != "bad_debt"
            },
            "borne_by": {name: amount(value) for name, value in self.borne_by},
            "layers": [
                {
                    "name": layer.name,
                    "staked": amount(layer.staked),
                    "limit": amount(layer.limit),
                    "premium_bps": layer.premium_bps,
                    "paid": amount(layer.paid),
                    "from_unvested": amount(layer.from_unvested),
                    "from_pending": amount(layer.from_pending),
                    "from_stake": amount(layer.from_stake),
                    "revenue": amount(layer.revenue),
                    "has": amount(layer.has),
                    "gain": amount(layer.gain),
                }
                for layer in self.layers
            ],
            "stakers": [
                {
                    "name": staker.name,
                    "layer": staker.layer,
                    "staked": amount(staker.stake),
                    "asked_to_leave": None if staker.asked_at is None else _moment(bars[staker.asked_at].time),
                    "asked_for": amount(staker.asked_for),
                    "claimed": amount(staker.claimed),
                    "has": amount(self.has(staker)),
                    "gain": amount(self.has(staker) - staker.stake),
                }
                for staker in replay.crowd.stakers
            ],
            "thief": {
                "capital": amount(replay.settings.thief_capital),
                "gain": amount(self.thief_gain),
                "from_fund": amount(self.thief_from_fund),
                "from_other_traders": amount(self.thief_from_traders),
                "limit_left_when_he_came": amount(self.limit_before_thief),
                "strikes": [
                    {
                        "time": _moment(bars[strike.bar].time),
                        "move_bps": strike.move_bps,
                        "size": size(strike.size),
                        "limit_left": amount(strike.limit_left),
                        "from_fund": amount(strike.covered),
                        "from_other_traders": amount(strike.socialised),
                        "gain": amount(strike.gain),
                    }
                    for strike in self.strikes
                ],
            },
            "tokens": {holder: amount(value) for holder, value in self.tokens.items()},
            "transactions": self.transactions,
            "gas": self.gas,
            "seconds": round(self.seconds, 1),
            "checks": [asdict(check) for check in self.checks],
            "good": self.good,
        }


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def share_bps(part: int, whole: int) -> int:
    """A part in basis points of the whole, rounded down; 0 of nothing."""
    return part * BPS // whole if whole else 0
