"""What always holds for stakers, as functions of plain state: the model's, or the same read from a chain (I6, I7, I11).

State is what ``BackstopModel.state`` gives; events are those of one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kana_insurance.model.state import Account, Event
from kana_insurance.model.units import ceil_div

State = Mapping[str, Any]
RequestKey = tuple[Account, int]  # controller, day
VIRTUAL_SHARES = 10**6  # (M19)


def price(state: State) -> tuple[int, int]:
    """Assets and shares whose quotient is the price of a share (M19)."""
    return state["staked"] + 1, state["total_shares"] + VIRTUAL_SHARES


def i6_price_holds(before: State, after: State, events: Iterable[Event]) -> None:
    """I6: the price of a share falls only in a slash."""
    if any(event.name == "Slashed" for event in events):
        return
    (assets, shares), (more, fewer) = price(before), price(after)
    assert more * shares >= assets * fewer, f"I6: the price of a share fell from {assets, shares} to {more, fewer}"


class ExitsWatched:
    """I6 over a run: no exit is worth more than at its request, and claims alone change what is claimable."""

    def __init__(self) -> None:
        self.requested: dict[RequestKey, int] = {}  # worth at the request, less what was claimed
        self.fixed: dict[RequestKey, int] = {}  # what is claimable

    def follow(self, after: State, events: Iterable[Event]) -> None:
        """Check a state that these events led to."""
        claims: dict[Account, int] = {}
        key = "", 0
        for event in events:
            fields = event.fields
            if event.name == "RedeemRequest":
                key = fields["controller"], fields["requestId"]
            elif event.name == "ExitPriced":
                self.requested[key] = self.requested.get(key, 0) + fields["assets"]
            elif event.name == "RequestCancelled":
                del self.requested[fields["controller"], fields["request_id"]]
            elif event.name == "Withdraw":
                claims[fields["owner"]] = claims.get(fields["owner"], 0) + fields["assets"]
        fixed = {key: worth for key, (_, claimable, worth) in after["requests"].items() if claimable}
        paid = dict.fromkeys(claims, 0)
        for key, worth in self.fixed.items():
            less = worth - fixed.get(key, 0)
            assert less == 0 or (key[0] in claims and less > 0), f"I6: what is claimable changed: {key}, by {-less}"
            if key[0] in claims:
                paid[key[0]] += less
                self.requested[key] -= less
        assert paid == claims, f"I6: claims paid {claims} and took {paid}"
        self.fixed = fixed
        for key, (_, _, worth) in after["requests"].items():
            assert worth <= self.requested[key], f"I6: {key} is worth more than at its request"


def m21_slash(before: State, after: State, events: Iterable[Event], unit: int) -> None:
    """M21: unvested revenue pays first; stake and pending lose at one rate, pending rounded up; one unit is left."""
    for fields in (event.fields for event in events if event.name == "Slashed"):
        assert fields["from_unvested"] == min(fields["paid"], before["stream"]["unvested"]), "M21: revenue pays first"
        rest = fields["paid"] - fields["from_unvested"]
        pending = after["exit_pool"][0] + fields["from_pending"]
        at_risk = after["staked"] + rest - fields["from_pending"] + pending
        assert fields["from_pending"] == (ceil_div(rest * pending, at_risk) if rest else 0), "M21: at one rate"
        assert rest == 0 or at_risk - rest >= unit, "M21: less than a unit is left"


def shares_conserved(state: State) -> None:
    """The balances of shares sum to their total."""
    assert sum(state["shares"].values()) == state["total_shares"], "shares aren't conserved"


def tokens_cover(state: State, donated: int, roundings: int) -> None:
    """Tokens = stake + unvested + pending + claimable + donations, and what flooring left of matured days."""
    claimable = sum(worth for waiting, _, worth in state["requests"].values() if not waiting)
    owed = state["staked"] + state["stream"]["unvested"] + state["exit_pool"][0] + claimable
    surplus = state["tokens"] - donated - owed
    assert 0 <= surplus <= roundings, f"{surplus} tokens more than the books say"
