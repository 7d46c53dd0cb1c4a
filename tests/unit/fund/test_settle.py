"""What liquidations and fees bring in: the split, its cap, its batch, bad debt first (M1–M4, M12, M14, M24)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.testing import U, reverts_with
from tests.unit.fund.desk import LENDING, LIMIT, MAX_AMOUNT, OTHER, PERP, THRESHOLD, ZERO, Desk


def split_of(desk: Desk, collateral: int, market_id: int = PERP) -> tuple[int, int, int, int]:
    """Liquidator, fund, trader, repaid: as previewed and as settled, which must agree."""
    preview = desk.fund.preview_split(desk.venue, market_id, collateral)
    settled = desk.fund.settle_liquidation.call(market_id, collateral, sender=desk.venue)
    assert tuple(preview) == tuple(settled)
    return settled.liquidator, settled.fund, settled.trader, settled.repaid


@pytest.mark.parametrize(
    ("collateral", "liquidator", "fund", "trader"),
    [(1000, 300, 200, 500), (101, 30, 20, 51), (4, 1, 0, 3), (1, 0, 0, 1)],
)
def test_settle_liquidation__m1_examples__to_the_unit(
    desk: Desk, collateral: int, liquidator: int, fund: int, trader: int
) -> None:
    assert split_of(desk, collateral) == (liquidator, fund, trader, 0)
    with desk.changes(reserve=fund, tokens=fund, venue=-fund):
        receipt = desk.settle(collateral)
    assert desk.events(receipt) == [
        (
            "LiquidationSettled",
            {
                "venue": address_of(desk.venue),
                "market_id": PERP,
                "collateral": collateral,
                "liquidator": liquidator,
                "fund": fund,
                "repaid": 0,
                "reserve": fund,
            },
        )
    ]


@pytest.mark.parametrize(("room", "split"), [(50, (300, 50, 650, 0)), (0, (300, 0, 700, 0)), (200, (300, 200, 500, 0))])
def test_settle_liquidation__little_room__what_the_cap_keeps_out_is_the_traders(
    desk: Desk, room: int, split: tuple[int, ...]
) -> None:
    """M1, M2: the liquidator gets no more than before."""
    desk.fill(THRESHOLD - room)
    assert split_of(desk, 1000) == split
    with desk.changes(reserve=split[1], tokens=split[1], venue=-split[1]):
        desk.settle(1000)
    assert desk.fund.room() == max(room - 200, 0)


def test_settle_liquidation__above_the_threshold__nothing_to_the_fund(desk: Desk) -> None:
    desk.fill(THRESHOLD + 5 * U)
    assert split_of(desk, 1000) == (300, 0, 700, 0)
    with desk.changes():
        desk.settle(1000)


def test_settle_liquidation__nothing_left__changes_nothing(desk: Desk) -> None:
    """M3: equity 0 is a split of 0."""
    assert split_of(desk, 0) == (0, 0, 0, 0)
    with desk.changes():
        assert desk.events(desk.settle(0)) == []


def test_settle_liquidation__with_bad_debt__repays_it_first_and_leaves_the_tokens(desk: Desk) -> None:
    """M14: repaid stays in the venue; the rest of the slice is booked and lowers the use (M12)."""
    desk.fill(10 * U)
    desk.cover(10 * U)
    desk.owe(150)
    assert split_of(desk, 1000) == (300, 200, 500, 150)
    with desk.changes(reserve=50, tokens=50, venue=-50, debt_0=-150, bad_debt=-150, used_0=-50):
        receipt = desk.settle(1000)
    venue = address_of(desk.venue)
    assert desk.events(receipt) == [
        ("BadDebtRepaid", {"venue": venue, "market_id": 0, "amount": 150, "bad_debt": 0, "total_bad_debt": 0}),
        (
            "LiquidationSettled",
            {
                "venue": venue,
                "market_id": 0,
                "collateral": 1000,
                "liquidator": 300,
                "fund": 200,
                "repaid": 150,
                "reserve": 50,
            },
        ),
    ]


def test_settle_liquidation__bad_debt_above_the_slice__repays_in_part_without_a_pull(desk: Desk) -> None:
    desk.owe(500)
    assert split_of(desk, 1000) == (300, 200, 500, 200)
    with desk.changes(debt_0=-200, bad_debt=-200):
        receipt = desk.settle(1000)
    assert desk.events(receipt)[0][1]["bad_debt"] == 300


def test_settle_liquidation__bad_debt_of_another_market__is_room_but_not_repaid(desk: Desk) -> None:
    """M1: room counts all bad debt, repay only the market's own."""
    desk.fill(THRESHOLD)
    desk.owe(120, OTHER)
    assert desk.fund.room() == 120
    assert split_of(desk, 1000) == (300, 120, 580, 0)
    with desk.changes(reserve=120, tokens=120, venue=-120):
        desk.settle(1000)


def test_settle_liquidation__after_a_cover__use_falls_to_zero_and_no_lower(desk: Desk) -> None:
    """M12: 1:1 by what is booked, of that market alone."""
    desk.fill(100)
    desk.cover(50)
    desk.cover(30, OTHER)
    with desk.changes(reserve=40, tokens=40, venue=-40, used_0=-40):
        desk.settle(200)
    with desk.changes(reserve=40, tokens=40, venue=-40, used_0=-10):
        desk.settle(200)


def test_settle_liquidation__lending_market__never_has_a_use(desk: Desk) -> None:
    desk.fill(100)
    desk.cover(50, LENDING)
    with desk.changes(reserve=40, tokens=40, venue=-40):
        desk.settle(200, LENDING)


def test_settle_liquidation__while_payouts_are_paused__goes_on(desk: Desk) -> None:
    """M37: the liquidation of a solvent position is never stopped."""
    desk.fund.pause_payouts(60, sender=desk.actors.guardian)
    with desk.changes(reserve=200, tokens=200, venue=-200):
        desk.settle(1000)


@pytest.mark.parametrize(
    ("collateral", "reason"), [(MAX_AMOUNT + 1, "fund: amount too large"), (2**256 - 1, "fund: amount too large")]
)
def test_settle_liquidation__too_wide__is_refused(desk: Desk, collateral: int, reason: str) -> None:
    for view in (desk.fund.preview_split, None):
        with desk.changes(), reverts_with(reason):
            desk.settle(collateral) if view is None else view(desk.venue, PERP, collateral)


def test_settle_liquidation__impostor__is_refused(desk: Desk) -> None:
    """T37."""
    with desk.changes(), reverts_with("fund: unknown market"):
        desk.fund.settle_liquidation(PERP, 1000, sender=desk.actors.outsider)
    with desk.changes(), reverts_with("fund: unknown market"):
        desk.settle(1000, 77)
    with reverts_with("fund: unknown market"):
        desk.fund.preview_split(desk.actors.outsider, PERP, 1000)


def test_settle_liquidation__reserve_beyond_112_bits__is_refused(desk: Desk, deploy_fund: Any) -> None:
    """T72: threshold and bad debt may each be the widest amount, what is stored stays within it."""
    token = desk.kit.backend.deploy("QuirkyToken", 18, sender=desk.actors.deployer)
    big = Desk(deploy_fund(asset=address_of(token), threshold=MAX_AMOUNT))
    giver = desk.actors.contributor
    token.mint(giver, MAX_AMOUNT, sender=giver)
    token.approve(big.fund, MAX_AMOUNT, sender=giver)
    big.fund.contribute(MAX_AMOUNT, sender=giver)
    big.owe(MAX_AMOUNT, OTHER)
    assert big.fund.room() == MAX_AMOUNT
    with reverts_with("fund: amount too large"):
        big.settle(1000)


# -------------------------------------------------------------------- batch


def test_settle_liquidations__any_order__is_what_single_calls_give(desk: Desk) -> None:
    """M4: entry by entry, across the cap, bad debt and use, with one pull."""
    desk.fill(THRESHOLD - 1_000)
    desk.cover(400)
    desk.owe(100, OTHER)
    entries = [(PERP, 1001), (OTHER, 99), (PERP, 0), (OTHER, 2_345), (LENDING, 777), (PERP, 9_999), (PERP, 1)]
    before = desk.state()
    snapshot = desk.snapshot()
    singles, single_events = [], []
    for market_id, collateral in entries:
        singles.append(tuple(desk.fund.settle_liquidation.call(market_id, collateral, sender=desk.venue)))
        single_events += desk.events(desk.settle(collateral, market_id))
    after_singles = desk.state()
    desk.restore(snapshot)
    assert desk.state() == before

    batch = desk.fund.settle_liquidations.call(entries, sender=desk.venue)
    receipt = desk.fund.settle_liquidations(entries, sender=desk.venue)
    assert [tuple(split) for split in batch] == singles
    assert desk.events(receipt) == single_events
    assert desk.state() == after_singles
    assert [sum(split[:3]) for split in singles] == [collateral for _, collateral in entries]
    assert len([1 for entry in receipt.events if entry.event_name == "Transfer"]) == 1


def test_settle_liquidations__empty_or_all_zero__changes_nothing(desk: Desk) -> None:
    with desk.changes():
        assert desk.events(desk.fund.settle_liquidations([], sender=desk.venue)) == []
        assert desk.events(desk.fund.settle_liquidations([(PERP, 0)] * 3, sender=desk.venue)) == []


def test_settle_liquidations__sixty_four__is_the_most(desk: Desk) -> None:
    with desk.changes(reserve=64 * 200, tokens=64 * 200, venue=-64 * 200):
        receipt = desk.fund.settle_liquidations([(PERP, 1000)] * 64, sender=desk.venue)
    assert len(desk.events(receipt)) == 64


def test_settle_liquidations__one_unknown_market__refuses_all(desk: Desk) -> None:
    with desk.changes(), reverts_with("fund: unknown market"):
        desk.fund.settle_liquidations([(PERP, 1000), (77, 1000)], sender=desk.venue)


# --------------------------------------------------------------------- fees


def fees_event(desk: Desk, amount: int, repaid: int, booked: int, forwarded: int, reserve: int) -> tuple[str, Any]:
    return (
        "FeesSettled",
        {
            "venue": address_of(desk.venue),
            "market_id": PERP,
            "amount": amount,
            "repaid": repaid,
            "premiums": 0,
            "streamed": 0,
            "booked": booked,
            "forwarded": forwarded,
            "reserve": reserve,
        },
    )


def test_settle_fees__room__all_to_the_reserve_and_off_the_use(desk: Desk) -> None:
    """M24, M12."""
    desk.fill(100)
    desk.cover(60)
    assert desk.fund.settle_fees.call(PERP, 40, sender=desk.venue) == 0
    with desk.changes(reserve=40, tokens=40, venue=-40, used_0=-40):
        receipt = desk.fund.settle_fees(PERP, 40, sender=desk.venue)
    assert desk.events(receipt) == [fees_event(desk, 40, 0, 40, 0, 80)]


def test_settle_fees__all_destinations__in_the_order_of_m24(desk: Desk) -> None:
    """Bad debt, room, treasury; what repays stays in the venue."""
    desk.fill(100)
    desk.cover(50)
    desk.owe(30)
    desk.fill(THRESHOLD - 20)
    assert desk.fund.settle_fees.call(PERP, 100, sender=desk.venue) == 30
    with desk.changes(reserve=20, tokens=20, venue=-70, treasury=50, debt_0=-30, bad_debt=-30, used_0=-20):
        receipt = desk.fund.settle_fees(PERP, 100, sender=desk.venue)
    repaid = {"venue": address_of(desk.venue), "market_id": PERP, "amount": 30, "bad_debt": 0, "total_bad_debt": 0}
    assert desk.events(receipt) == [("BadDebtRepaid", repaid), fees_event(desk, 100, 30, 20, 50, THRESHOLD)]


def test_settle_fees__at_the_cap__all_to_the_treasury_and_nothing_off_the_use(desk: Desk) -> None:
    desk.fill(50)
    desk.cover(50)
    desk.fill(THRESHOLD)
    with desk.changes(venue=-9, treasury=9):
        receipt = desk.fund.settle_fees(PERP, 9, sender=desk.venue)
    assert desk.events(receipt) == [fees_event(desk, 9, 0, 0, 9, THRESHOLD)]


def test_settle_fees__less_than_the_bad_debt__moves_no_token(desk: Desk) -> None:
    desk.owe(30)
    assert desk.fund.settle_fees.call(PERP, 12, sender=desk.venue) == 12
    with desk.changes(debt_0=-12, bad_debt=-12):
        desk.fund.settle_fees(PERP, 12, sender=desk.venue)


def test_settle_fees__zero__changes_nothing(desk: Desk) -> None:
    with desk.changes():
        assert desk.events(desk.fund.settle_fees(PERP, 0, sender=desk.venue)) == []


def test_settle_fees__bad_input__is_refused(desk: Desk) -> None:
    with desk.changes(), reverts_with("fund: amount too large"):
        desk.fund.settle_fees(PERP, MAX_AMOUNT + 1, sender=desk.venue)
    with desk.changes(), reverts_with("fund: unknown market"):
        desk.fund.settle_fees(PERP, 1, sender=desk.actors.outsider)


@pytest.mark.parametrize("room", [0, 10])
@pytest.mark.parametrize(("quirks", "reason"), [(1, "fund: transfer failed"), (4, "fund: received less")])
def test_settle__token_that_does_not_deliver__is_refused(
    desk: Desk, deploy_fund: Any, room: int, quirks: int, reason: str
) -> None:
    """M6, T32: of a slice, of fees booked and of fees that go on to the treasury."""
    token = desk.kit.backend.deploy("QuirkyToken", 6, sender=desk.actors.deployer)
    odd, giver = Desk(deploy_fund(asset=address_of(token), threshold=100)), desk.actors.contributor
    for holder in (giver, odd.venue):
        token.mint(holder, 10**6, sender=giver)
        token.approve(odd.fund, 10**6, sender=holder)
    odd.fund.contribute(100 - room, sender=giver)
    token.set_quirks(quirks, sender=giver)
    with odd.changes(), reverts_with(reason):
        odd.fund.settle_fees(PERP, 10, sender=odd.venue)
    if room:
        with odd.changes(), reverts_with(reason):
            odd.settle(1000)
    token.set_quirks(0, sender=giver)
    with odd.changes(reserve=room, tokens=room, treasury=10 - room, venue=-10):
        odd.fund.settle_fees(PERP, 10, sender=odd.venue)


def test_isolated_fund__feeds_and_pays_its_own_market_alone(desk: Desk, deploy_fund: Any) -> None:
    """M16, M17: the fund of an isolated market is one of its own; neither sees the other."""
    isolated = Desk(deploy_fund(markets={PERP: LIMIT}))
    isolated.fill(10 * U)
    desk.fill(500 * U)
    before = desk.fund.reserve(), desk.fund.market(desk.venue, PERP).used
    assert isolated.fund.cover_shortfall.call(PERP, 1_000 * U, sender=isolated.venue) == 10 * U
    isolated.cover(1_000 * U)
    isolated.settle(1_000)
    assert isolated.fund.reserve() == 200
    assert (desk.fund.reserve(), desk.fund.market(desk.venue, PERP).used) == before
    with reverts_with("fund: unknown market"):
        desk.fund.cover_shortfall(PERP, 1, sender=isolated.venue)
    assert desk.fund.coverage(isolated.venue, PERP) == 0
    assert isolated.fund.market(ZERO, PERP).registered is False
