"""What is checked at the end of a replay: the model's books, and that the chain holds the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kana_insurance.mirror import LayerMirror
from kana_insurance.replay.engine import Replay


@dataclass(frozen=True)
class Check:
    """Something that must hold, and whether it does; ``detail`` says how far it is off."""

    name: str
    good: bool
    detail: str = ""


def model_checks(replay: Replay) -> list[Check]:
    """What must hold of the model's books at the end, to the unit."""
    world, totals = replay.world, replay.totals
    venue, fund, market = world.venue, world.fund, world.market_id
    thief = replay.thief.strikes
    settings = replay.settings
    held = sum(venue.free.values()) + sum(venue.balance.values()) + venue.fees[market] + venue.dust_fees[market]
    owed = world.token.balances[venue.address] + fund.total_bad_debt
    split = totals.to_liquidator + totals.to_fund + totals.to_trader
    drawn = totals.from_reserve + sum(layer.paid for layer in totals.layers.values())
    paid = drawn + totals.socialised + totals.bad_debt
    return [
        _equal("Every long has its short: the sizes sum to zero", sum(venue.size.values()), 0),
        _equal(
            "Free balances, positions, fees and dust are the house's tokens and its bad debt",
            held + venue.dust[market],
            owed,
        ),
        _equal("The house's tokens are what its books say", venue.accounted(), world.token.balances[venue.address]),
        _equal("The fund's tokens are its reserve", world.token.balances[fund.address], fund.reserve),
        _equal(
            "The reserve is what was contributed and came in, less what it paid",
            settings.contributions + totals.income - totals.from_reserve,
            fund.reserve,
        ),
        _equal("Liquidator, fund and trader got exactly the collateral that was left", split, totals.collateral),
        _equal("Reserve, layers, other traders and bad debt bore exactly the shortfalls", paid, totals.shortfall),
        Check(
            "At no moment had the market cost the fund more than its limit",
            replay.most_used <= settings.max_insurance,
        ),
        Check("No layer paid while one before it had anything left", totals.too_early == 0),
        Check("No slice lifted the reserve above its threshold", replay.overfull == 0),
        Check(
            "The fund never paid the thief more than the limit left when he struck",
            all(strike.covered <= strike.limit_left for strike in thief),
        ),
        Check(
            "What the thief won came from that limit or from the market's own traders",
            all(strike.gain <= strike.covered + strike.socialised for strike in thief),
        ),
        *(check for layer in world.layers for check in _layer_checks(replay, layer)),
    ]


def _layer_checks(replay: Replay, layer: LayerMirror) -> list[Check]:
    """What must hold of a layer at the end."""
    world, crowd, name = replay.world, replay.crowd.of(layer.name), layer.name
    backstop, totals = layer.backstop, replay.totals.layers[name]
    terms = layer.underwriter.terms[world.fund.address]
    tokens = world.token.balances[backstop.address]
    claimed = sum(staker.claimed for staker in crowd)
    rest = tokens - backstop.unvested() - sum(replay.crowd.has(world, staker) - staker.claimed for staker in crowd)
    dust = 0 <= rest <= 2 * len(crowd) + 2
    return [
        _equal(
            f"{name}: the vault's tokens are what was staked and paid in, less what was drawn and claimed",
            replay.settings.stakes[name] + totals.revenue - totals.paid - claimed,
            tokens,
        ),
        # Each share and each exit is worth less than a unit less than its part; so are the virtual shares.
        Check(
            f"{name}: all of it is the stakers', but for rounding",
            dust,
            "" if dust else f"{rest} base units are left over",
        ),
        Check(f"{name}: the fund never drew more than it may", terms.used == totals.paid <= terms.limit),
        Check(
            f"{name}: no exit paid more than it was worth when asked for",
            all(staker.claimed <= staker.asked_for for staker in crowd),
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
