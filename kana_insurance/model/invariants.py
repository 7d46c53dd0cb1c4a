"""The invariants, each asserting exactly its formula, over plain state: the model's, or the same read from a chain.

``fund`` and ``venue`` are what ``FundModel.state()`` and ``VenueModel.state()`` return; ``events`` is what was logged
between two states. I6, I7 and I11 speak of layers and stakers, I14 and I15 of who may call and when: a state alone
can't show them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from kana_insurance.model.fund import MarketKey
from kana_insurance.model.state import Event
from kana_insurance.model.units import BPS, charge_up

State = Mapping[str, Any]

# ---------------------------------------------------------------------- fund, one state


def i1_tokens_back_the_reserve(fund: State, donations: int | None = None) -> None:
    """I1: tokens >= reserve; the difference is only donations, where those are known."""
    surplus = fund["tokens"] - fund["reserve"]
    assert surplus >= 0, f"I1: {-surplus} tokens are missing"
    assert donations is None or surplus == donations, f"I1: {surplus} above the books, donated {donations}"


def i13_contributions_add_up(fund: State) -> None:
    """I13: the contributions by contributor sum to their total."""
    total = sum(fund["contributions"].values())
    assert total == fund["total_contributions"], f"I13: {total} by contributor, {fund['total_contributions']} in total"


def m14_bad_debts_add_up(fund: State) -> None:
    """M14: the bad debts of the markets sum to the total that is kept back."""
    total = sum(market["bad_debt"] for market in fund["markets"].values())
    assert total == fund["total_bad_debt"], f"M14: {total} by market, {fund['total_bad_debt']} in total"


# ---------------------------------------------------------------------- fund, between two states


class FundTrace:
    """Follows a fund event by event from a state, checking I2, I4 and I5 at each; ``matches`` the state it ends in."""

    def __init__(self, before: State) -> None:
        self.reserve = before["reserve"]
        self.threshold = before["threshold"]
        self.split_bps = before["liquidator_bps"], before["fund_bps"]
        self.bad_debt: dict[MarketKey, int] = defaultdict(int)
        self.used: dict[MarketKey, int] = defaultdict(int)
        self.limit: dict[MarketKey, int | None] = {}
        self.from_layers = 0
        for key, market in before["markets"].items():
            self.bad_debt[key] = market["bad_debt"]
            self.used[key] = market["used"]
            self.limit[key] = market["max_insurance"] if market["is_perp"] else None

    def follow(self, events: Iterable[Event]) -> None:
        """Check the events in order."""
        for event in events:
            step = getattr(self, "_" + event.name, None)
            if step is not None:
                step(event.fields)

    def matches(self, after: State) -> None:
        """The events rebuild reserve, bad debts and uses (I5: a use moves by covers and M12 alone)."""
        assert self.reserve == after["reserve"], f"events give a reserve of {self.reserve}, not {after['reserve']}"
        for key, market in after["markets"].items():
            assert self.bad_debt[key] == market["bad_debt"], f"bad debt of {key}"
            assert self.used[key] == market["used"], f"I5: use of {key}: {self.used[key]}, not {market['used']}"

    def _ceiling(self) -> int:
        return self.threshold + sum(self.bad_debt.values())

    def _LiquidationSettled(self, event: State) -> None:  # noqa: N802 - named as the event
        """I2: the parts sum; the fund's is M1's; the reserve isn't lifted above threshold + bad debt."""
        key = (event["venue"], event["market_id"])
        collateral, repaid = event["collateral"], event["repaid"]
        slice_ = collateral * self.split_bps[1] // BPS
        # The repayment was logged just before, so the books already lack it.
        assert repaid == min(slice_, self.bad_debt[key] + repaid), "I2: repays bad debt first"
        room = max(self._ceiling() - self.reserve, 0)
        assert event["fund"] == repaid + min(slice_ - repaid, room), "I2: the fund's part is M1's"
        assert event["liquidator"] == collateral * self.split_bps[0] // BPS, "I2: the liquidator's part is M1's"
        trader = collateral - event["liquidator"] - event["fund"]
        assert trader >= 0, "I2: the parts sum to the collateral"
        self._income(key, event["fund"] - repaid)

    def _FeesSettled(self, event: State) -> None:  # noqa: N802 - named as the event
        """I2, M24: fees are divided to the unit and don't lift the reserve above threshold + bad debt."""
        key, amount, repaid = (event["venue"], event["market_id"]), event["amount"], event["repaid"]
        assert repaid == min(amount, self.bad_debt[key] + repaid), "M24: repays bad debt first"
        room = max(self._ceiling() - self.reserve, 0)
        shared = event["premiums"] + event["streamed"]
        if shared == 0:
            assert event["booked"] == min(amount - repaid, room), "M24: then the reserve up to its room"
        assert event["booked"] <= room, "M24: the reserve up to its room"
        assert event["forwarded"] == amount - repaid - shared - event["booked"], "M24: the rest to the treasury"
        self._income(key, event["booked"])

    def _income(self, key: MarketKey, amount: int) -> None:
        self.reserve += amount
        assert amount == 0 or self.reserve <= self._ceiling(), "I2: the reserve is lifted above threshold + bad debt"
        self.used[key] -= min(self.used[key], amount)

    def _LayerPaid(self, event: State) -> None:  # noqa: N802 - named as the event
        """What a layer paid of the cover that is logged next."""
        self.from_layers += event["amount"]

    def _ShortfallCovered(self, event: State) -> None:  # noqa: N802 - named as the event
        """I5: no cover of a perp market raises its use above its maximum."""
        key, covered = (event["venue"], event["market_id"]), event["covered"]
        self.reserve -= covered - self.from_layers
        assert self.from_layers == 0 or self.reserve == 0, "I7: a layer was touched before the reserve was 0"
        self.from_layers = 0
        limit = self.limit[key]
        if limit is None:
            return
        self.used[key] += covered
        assert covered == 0 or self.used[key] <= limit, f"I5: use {self.used[key]} above the maximum {limit}"

    def _BadDebtRecorded(self, event: State) -> None:  # noqa: N802 - named as the event
        self.bad_debt[event["venue"], event["market_id"]] += event["amount"]

    def _BadDebtRepaid(self, event: State) -> None:  # noqa: N802 - named as the event
        self.bad_debt[event["venue"], event["market_id"]] -= event["amount"]

    def _Contributed(self, event: State) -> None:  # noqa: N802 - named as the event
        self.reserve += event["amount"]

    def _ExcessWithdrawn(self, event: State) -> None:  # noqa: N802 - named as the event
        """I4: an admin withdrawal leaves reserve >= threshold + bad debt."""
        self.reserve -= event["amount"]
        assert self.reserve >= self._ceiling(), "I4: the withdrawal goes below threshold + bad debt"

    def _ThresholdSet(self, event: State) -> None:  # noqa: N802 - named as the event
        self.threshold = event["new"]

    def _SplitSet(self, event: State) -> None:  # noqa: N802 - named as the event
        self.split_bps = event["liquidator_bps"], event["fund_bps"]

    def _MaxInsuranceSet(self, event: State) -> None:  # noqa: N802 - named as the event
        self.limit[event["venue"], event["market_id"]] = event["new"]

    def _MarketRegistered(self, event: State) -> None:  # noqa: N802 - named as the event
        key = (event["venue"], event["market_id"])
        self.limit[key] = 0 if event["is_perp"] else None
        self.used[key] = 0

    def _VenueReplaced(self, event: State) -> None:  # noqa: N802 - named as the event
        old, new = (event["venue"], event["market_id"]), (event["new_venue"], event["market_id"])
        self.limit[new] = self.limit.pop(old)
        self.used[new], self.bad_debt[new] = self.used.pop(old, 0), self.bad_debt.pop(old, 0)


def i2_i4_i5_trace(before: State, after: State, events: Iterable[Event]) -> None:
    """I2, I4, I5 at each event between two states of a fund, and that the events rebuild the second."""
    trace = FundTrace(before)
    trace.follow(events)
    trace.matches(after)


def i3_shortfall_conserved(events: Iterable[Event]) -> None:
    """I3, M13: reserve (and layer) parts + socialised + bad debt = shortfall, for each one that the venue resolved."""
    for event in events:
        if event.name == "ShortfallResolved":
            fields = event.fields
            total = fields["covered"] + fields["socialised"] + fields["bad_debt"]
            assert total == fields["shortfall"], f"I3: {total} of a shortfall of {fields['shortfall']}"


def i8_isolated_untouched(before: State, after: State) -> None:
    """I8: a call that concerns another fund's market changes nothing of this one, not one unit."""
    assert before == after, "I8: another market moved an isolated fund"


def i12_limit_bounds_loss(covered: int, paid_in: int, highest_limit: int) -> None:
    """I12: what a market took, net of what it paid into the reserve, is within the highest limit it ever had."""
    assert covered - paid_in <= highest_limit, f"I12: lost {covered - paid_in}, limit {highest_limit}"


# ---------------------------------------------------------------------- venue


def i9_sizes_cancel(venue: State) -> None:
    """I9: the sizes of a market sum to 0, their absolute values to its open interest (M26)."""
    for market_id, book in venue["books"].items():
        sizes = [position["size"] for (market, _), position in venue["positions"].items() if market == market_id]
        assert sum(sizes) == 0, f"I9: sizes of market {market_id} sum to {sum(sizes)}"
        total = sum(abs(size) for size in sizes)
        assert total == book["open_interest"], f"I9: open interest {book['open_interest']}, sizes {total}"


def m26_market_sums(venue: State, bad_debts: Mapping[int, int]) -> None:
    """M26, M26a, per market: sum of balances + dust = pot + bad debt, and the pot is never negative."""
    balances: dict[int, int] = defaultdict(int)
    for (market_id, _), position in venue["positions"].items():
        balances[market_id] += position["balance"]
    for market_id, book in venue["books"].items():
        owed = balances[market_id] + book["dust"]
        held = book["pot"] + bad_debts.get(market_id, 0)
        assert owed == held, f"M26: market {market_id} owes {owed}, holds {held}"
        assert min(book["pot"], book["fees"], book["dust_fees"]) >= 0, f"M26a: market {market_id} is overdrawn"


def m26_total_sum(venue: State, bad_debts: Mapping[int, int], donations: int | None = None) -> None:
    """M26: sum(free + balance) + fees + dust = accounted tokens + bad debt. I9: pots + free + fees <= tokens."""
    free = sum(venue["free"].values())
    assert min(venue["free"].values(), default=0) >= 0, "I9: a free balance is negative"
    balances = sum(position["balance"] for position in venue["positions"].values())
    fees = sum(book["fees"] + book["dust_fees"] for book in venue["books"].values())
    dust = sum(book["dust"] for book in venue["books"].values())
    pots = sum(book["pot"] for book in venue["books"].values())
    stray = venue["tokens"] - (free + pots + fees)
    assert stray >= 0, f"I9: {-stray} tokens are missing"
    assert donations is None or stray == donations, f"I9: {stray} tokens above the books, donated {donations}"
    accounted = venue["tokens"] - stray
    assert free + balances + fees + dust == accounted + sum(bad_debts.values()), "M26: the sum of everything"


def i9_dust_bounds(venue: State, roundings: Mapping[int, int]) -> None:
    """I9: with all settled, 0 <= dust <= charging settlements + socialisations (``roundings``: those so far).

    A market whose dust was booked begins anew.
    """
    for market_id, book in venue["books"].items():
        pending = [
            charge_up(position["size"], book["loss_index"] - position["index"])
            for (market, _), position in venue["positions"].items()
            if market == market_id and position["size"] != 0
        ]
        dust = book["dust"] + sum(pending)
        most = roundings.get(market_id, 0) + sum(1 for charge in pending if charge > 0)
        assert 0 <= dust <= most, f"I9: dust of market {market_id} is {dust}, at most {most}"


def i10_index_never_falls(before: State, after: State) -> None:
    """I10: the loss index of a market never falls."""
    for market_id, book in before["books"].items():
        assert after["books"][market_id]["loss_index"] >= book["loss_index"], f"I10: index of market {market_id} fell"


def check_fund(fund: State, donations: int | None = None) -> None:
    """All that holds of a fund at any moment: I1, I13, M14."""
    i1_tokens_back_the_reserve(fund, donations)
    i13_contributions_add_up(fund)
    m14_bad_debts_add_up(fund)


def check_venue(
    venue: State,
    bad_debts: Mapping[int, int],
    *,
    donations: int | None = None,
    roundings: Mapping[int, int] | None = None,
) -> None:
    """All that holds of a venue at any moment: I9 and M26 with M26a; ``bad_debts`` by market id."""
    i9_sizes_cancel(venue)
    m26_market_sums(venue, bad_debts)
    m26_total_sum(venue, bad_debts, donations)
    if roundings is not None:
        i9_dust_bounds(venue, roundings)
