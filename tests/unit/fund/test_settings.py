"""What governance sets, within which bounds, and which markets it lets in (M1, M11, M12, M14, M31)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.testing import DAY, U, reverts_with
from tests.unit.fund.desk import ASSET, LIMIT, MAX_AMOUNT, MAX_WORD, OTHER, PERP, THRESHOLD, VENUE, Desk

HOUR = 3_600
BAD_SPLIT, BAD_WINDOW = "fund: split out of bounds", "fund: window out of bounds"
TOO_LARGE = "fund: amount too large"


def test_set_threshold__raised__changes_room(desk: Desk) -> None:
    with desk.changes(threshold=5):
        receipt = desk.fund.set_threshold(THRESHOLD + 5, sender=desk.governance)
    assert desk.events(receipt) == [("ThresholdSet", {"old": THRESHOLD, "new": THRESHOLD + 5})]
    assert desk.fund.room() == THRESHOLD + 5


def test_set_threshold__keeps_bad_debt_and_split(desk: Desk) -> None:
    """They share a word."""
    desk.owe(77)
    with desk.changes(threshold=MAX_AMOUNT - THRESHOLD):
        desk.fund.set_threshold(MAX_AMOUNT, sender=desk.governance)


@pytest.mark.parametrize(
    ("threshold", "reason"), [(0, "fund: zero threshold"), (MAX_AMOUNT + 1, TOO_LARGE), (MAX_WORD, TOO_LARGE)]
)
def test_set_threshold__out_of_bounds__is_refused(desk: Desk, threshold: int, reason: str) -> None:
    with desk.changes(), reverts_with(reason):
        desk.fund.set_threshold(threshold, sender=desk.governance)


@pytest.mark.parametrize(("liquidator_bps", "fund_bps"), [(5_000, 3_000), (0, 0), (1, 2_999)])
def test_set_split__within_bounds__is_what_settlements_use(desk: Desk, liquidator_bps: int, fund_bps: int) -> None:
    desk.owe(77)
    with desk.changes(liquidator_bps=liquidator_bps - 3_000, fund_bps=fund_bps - 2_000):
        receipt = desk.fund.set_split(liquidator_bps, fund_bps, sender=desk.governance)
    fields = {"liquidator_bps": liquidator_bps, "fund_bps": fund_bps}
    assert desk.events(receipt) == [("SplitSet", {"old_liquidator_bps": 3_000, "old_fund_bps": 2_000, **fields})]
    split = desk.fund.preview_split(desk.venue, OTHER, 10_000)
    assert (split.liquidator, split.fund) == (liquidator_bps, fund_bps)


@pytest.mark.parametrize(("liquidator_bps", "fund_bps"), [(5_001, 0), (0, 3_001), (2**16, 0), (0, MAX_WORD)])
def test_set_split__out_of_bounds__is_refused(desk: Desk, liquidator_bps: int, fund_bps: int) -> None:
    with desk.changes(), reverts_with(BAD_SPLIT):
        desk.fund.set_split(liquidator_bps, fund_bps, sender=desk.governance)


@pytest.mark.parametrize(("cap", "length"), [(1, HOUR), (MAX_AMOUNT, 30 * DAY)])
def test_set_window__within_bounds__is_kept(desk: Desk, cap: int, length: int) -> None:
    with desk.changes(cap=cap, length=length - DAY):
        receipt = desk.fund.set_window(cap, length, sender=desk.governance)
    assert desk.events(receipt) == [("WindowSet", {"old_cap": 0, "old_length": DAY, "cap": cap, "length": length})]


def test_set_window__keeps_level_and_time_of_the_last_payment(desk: Desk) -> None:
    desk.fill(THRESHOLD)
    desk.fund.set_window(100, DAY, sender=desk.governance)
    desk.cover(60)
    with desk.changes(cap=-50, length=DAY):
        desk.fund.set_window(50, 2 * DAY, sender=desk.governance)
    assert desk.fund.window().left == 0


@pytest.mark.parametrize(
    ("cap", "length", "reason"),
    [
        (0, HOUR - 1, BAD_WINDOW),
        (1, 30 * DAY + 1, BAD_WINDOW),
        (1, MAX_WORD, BAD_WINDOW),
        (MAX_AMOUNT + 1, DAY, TOO_LARGE),
    ],
)
def test_set_window__out_of_bounds__is_refused(desk: Desk, cap: int, length: int, reason: str) -> None:
    with desk.changes(), reverts_with(reason):
        desk.fund.set_window(cap, length, sender=desk.governance)


def test_set_max_insurance__lowered__keeps_use_and_bad_debt(desk: Desk) -> None:
    desk.fill(100)
    desk.cover(60)
    desk.owe(5)
    with desk.changes(max_0=40 - LIMIT):
        receipt = desk.fund.set_max_insurance(desk.venue, PERP, 40, sender=desk.governance)
    fields = {"venue": address_of(desk.venue), "market_id": PERP, "old": LIMIT, "new": 40}
    assert desk.events(receipt) == [("MaxInsuranceSet", fields)]


def test_set_max_insurance__to_the_widest__is_kept(desk: Desk) -> None:
    desk.announced("set_max_insurance", address_of(desk.venue), PERP, MAX_AMOUNT)
    assert desk.fund.market(desk.venue, PERP).max_insurance == MAX_AMOUNT


def test_set_max_insurance__bad_input__is_refused(desk: Desk) -> None:
    with desk.changes(), reverts_with(TOO_LARGE):
        desk.fund.set_max_insurance(desk.venue, PERP, MAX_AMOUNT + 1, sender=desk.governance)
    with desk.changes(), reverts_with("fund: unknown market"):
        desk.fund.set_max_insurance(desk.venue, 77, 1, sender=desk.governance)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("set_threshold", (2 * THRESHOLD,)),
        ("set_split", (1, 1)),
        ("set_window", (1, DAY)),
        ("set_max_insurance", (VENUE, PERP, 0)),
        ("register_market", (VENUE, 7, True)),
        ("replace_venue", (VENUE, PERP, ASSET)),
    ],
)
def test_setter__not_governance__is_refused(desk: Desk, function: str, arguments: tuple[Any, ...]) -> None:
    """I15."""
    actors = desk.actors
    for account in (actors.outsider, actors.deployer, actors.treasurer, actors.guardian, desk.venue):
        with desk.changes(), reverts_with("fund: not governance"):
            getattr(desk.fund, function)(*desk.named(arguments), sender=account)


# ------------------------------------------------------------------ markets


def test_register_market__with_notice__starts_with_nothing(desk: Desk) -> None:
    venue = address_of(desk.venue)
    receipt = desk.announced("register_market", venue, 7, True)
    assert desk.events(receipt)[0] == ("MarketRegistered", {"venue": venue, "market_id": 7, "is_perp": True})
    assert tuple(desk.fund.market(venue, 7)) == (True, True, 0, 0, 0)
    desk.announced("register_market", venue, MAX_WORD, False)
    assert tuple(desk.fund.market(venue, MAX_WORD)) == (True, False, 0, 0, 0)


def test_register_market__bad_input__is_refused(desk: Desk) -> None:
    with desk.changes(), reverts_with("fund: market registered"):
        desk.fund.register_market(desk.venue, PERP, False, sender=desk.governance)
    with desk.changes(), reverts_with("fund: venue without code"):
        desk.fund.register_market(desk.actors.outsider, PERP, True, sender=desk.governance)


def test_replace_venue__hands_over_maximum_use_and_bad_debt(desk: Desk) -> None:
    """T37: after notice the old venue is nobody, the new one goes on where it stopped."""
    desk.fill(100)
    desk.cover(60)
    desk.owe(30)
    new = desk.kit.backend.deploy("Caller", sender=desk.actors.deployer)
    old_venue, new_venue = address_of(desk.venue), address_of(new)
    receipt = desk.announced("replace_venue", old_venue, PERP, new_venue)
    fields = {"venue": old_venue, "market_id": PERP, "new_venue": new_venue}
    assert desk.events(receipt)[0] == ("VenueReplaced", fields)
    assert tuple(desk.fund.market(old_venue, PERP)) == (False, False, 0, 0, 0)
    assert tuple(desk.fund.market(new_venue, PERP)) == (True, True, LIMIT, 60, 30)
    assert (desk.fund.bad_debt(old_venue, PERP), desk.fund.total_bad_debt()) == (0, 30)
    with reverts_with("fund: unknown market"):
        desk.cover(1)
    successor = desk.kit.impersonate(new_venue)
    desk.fund.repay_bad_debt(PERP, 30, sender=successor)
    desk.fund.cover_shortfall(PERP, 10, sender=successor)
    assert tuple(desk.fund.market(new_venue, PERP)) == (True, True, LIMIT, 70, 0)
    assert desk.asset.balanceOf(new_venue) == 10


def test_replace_venue__bad_input__is_refused(desk: Desk) -> None:
    venue, token = desk.venue, desk.asset
    for arguments, reason in (
        ((venue, 77, token), "fund: unknown market"),
        ((token, PERP, venue), "fund: unknown market"),
        ((venue, PERP, venue), "fund: market registered"),
        ((venue, PERP, desk.actors.outsider), "fund: venue without code"),
    ):
        with desk.changes(), reverts_with(reason):
            desk.fund.replace_venue(*arguments, sender=desk.governance)


def test_release_market__own_and_owing_nothing__is_forgotten(desk: Desk) -> None:
    """T41: a market that comes back starts anew with a maximum of 0."""
    desk.fill(100)
    desk.cover(60)
    with desk.changes(registered_0=-1, perp_0=-1, max_0=-LIMIT, used_0=-60):
        receipt = desk.fund.release_market(PERP, sender=desk.venue)
    assert desk.events(receipt) == [("MarketReleased", {"venue": address_of(desk.venue), "market_id": PERP})]
    with reverts_with("fund: unknown market"):
        desk.settle(1_000)
    desk.announced("register_market", address_of(desk.venue), PERP, True)
    assert desk.fund.coverage(desk.venue, PERP) == 0


def test_release_market__with_bad_debt__is_refused(desk: Desk) -> None:
    """T41."""
    desk.owe(1)
    with desk.changes(), reverts_with("fund: market has bad debt"):
        desk.fund.release_market(PERP, sender=desk.venue)
    desk.fund.repay_bad_debt(PERP, 1, sender=desk.venue)
    with desk.changes(registered_0=-1, perp_0=-1, max_0=-LIMIT):
        desk.fund.release_market(PERP, sender=desk.venue)


def test_release_market__not_the_venue__is_refused(desk: Desk) -> None:
    for account in (desk.governance, desk.actors.outsider):
        with desk.changes(), reverts_with("fund: unknown market"):
            desk.fund.release_market(PERP, sender=account)


def test_coverage__is_the_least_of_limit_window_and_reserve(desk: Desk) -> None:
    """M11, as a view."""
    desk.fill(40 * U)
    assert desk.fund.coverage(desk.venue, PERP) == 40 * U
    desk.fund.set_window(30 * U, DAY, sender=desk.governance)
    assert desk.fund.coverage(desk.venue, PERP) == 30 * U
    desk.fund.set_max_insurance(desk.venue, PERP, 20 * U, sender=desk.governance)
    assert desk.fund.coverage(desk.venue, PERP) == 20 * U
    assert desk.fund.coverage(desk.venue, 77) == 0
