"""What a replay came to: its figures, its checks, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from kana_insurance.amounts import WAD_DECIMALS, format_amount
from kana_insurance.model.units import BPS
from kana_insurance.replay.engine import Replay
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
    }
)


@dataclass(frozen=True)
class Check:
    """Something that must hold, and whether it does; ``detail`` says how far it is off."""

    name: str
    good: bool
    detail: str = ""


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

        totals: Mapping[str, Any] = {k: v for k, v in asdict(replay.totals).items() if k != "by_hour"}
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


def model_checks(replay: Replay) -> list[Check]:
    """What must hold of the model's books at the end, to the unit."""
    world, totals = replay.world, replay.totals
    venue, fund, market = world.venue, world.fund, world.market_id
    thief = replay.thief.strikes
    held = sum(venue.free.values()) + sum(venue.balance.values()) + venue.fees[market] + venue.dust_fees[market]
    owed = world.token.balances[venue.address] + fund.total_bad_debt
    split = totals.to_liquidator + totals.to_fund + totals.to_trader
    paid = totals.covered + totals.socialised + totals.bad_debt
    return [
        _equal("Every long has its short: the sizes sum to zero", sum(venue.size.values()), 0),
        _equal(
            "Free balances, positions, fees and dust are the house's tokens and its bad debt",
            held + venue.dust[market],
            owed,
        ),
        _equal("The house's tokens are what its books say", venue.accounted(), world.token.balances[venue.address]),
        _equal("The fund's tokens are its reserve", world.token.balances[fund.address], fund.reserve),
        _equal("Liquidator, fund and trader got exactly the collateral that was left", split, totals.collateral),
        _equal("Reserve, other traders and bad debt bore exactly the shortfalls", paid, totals.shortfall),
        Check(
            "At no moment had the market cost the fund more than its limit",
            replay.most_used <= replay.settings.max_insurance,
        ),
        Check("No slice lifted the reserve above its threshold", replay.overfull == 0),
        Check(
            "The fund never paid the thief more than the limit left when he struck",
            all(strike.covered <= strike.limit_left for strike in thief),
        ),
        Check(
            "What the thief won came from that limit or from the market's own traders",
            all(strike.gain <= strike.covered + strike.socialised for strike in thief),
        ),
    ]


def differences(model: Any, chain: Any, path: str = "") -> list[str]:
    """Where two states differ, as ``path: model …, chain …``."""
    if isinstance(model, dict) and isinstance(chain, dict):
        found = []
        for key in sorted(model.keys() | chain.keys(), key=str):
            found += differences(model.get(key), chain.get(key), f"{path}.{key}" if path else str(key))
        return found
    return [] if model == chain else [f"{path}: model {model}, chain {chain}"]


def same_state(name: str, model: dict[str, Any], chain: dict[str, Any]) -> Check:
    """Whether the chain holds what the model holds, every figure to the unit."""
    found = differences(model, chain)
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return Check(name, not found, found[0] + more if found else "")


def _equal(name: str, one: int, other: int) -> Check:
    return Check(name, one == other, "" if one == other else f"off by {one - other} base units")


def share_bps(part: int, whole: int) -> int:
    """A part in basis points of the whole, rounded down; 0 of nothing."""
    return part * BPS // whole if whole else 0
