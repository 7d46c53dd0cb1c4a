"""Attacks on the fund and by its admins: T30 to T32, T34 to T37, T39 and T40."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.deployment import ROLES
from kana_insurance.testing import COIN, DAY, Kit, U, reverts_with

THRESHOLD = 1_000_000 * U
LIMIT = 50_000 * U
HOUR = 3_600
WEEK = 7 * DAY
NO_WORD = b"\x00" * 32


@pytest.fixture
def fund_kit(standalone: Kit) -> Kit:
    """A fund with a contract as its venue."""
    return standalone


# ------------------------------------------------------------------------ T30


def test_t30_lower_the_threshold_then_withdraw__not_before_delay_and_notice(fund_kit: Kit) -> None:
    fund, timelock, actors = fund_kit.fund, fund_kit.timelock, fund_kit.actors
    fund_kit.contribute(actors.contributor, 900_000 * U)
    lower = fund_kit.encode(fund, "set_threshold", 1)

    def schedule(contract: Any, payload: bytes, salt: int) -> tuple[Any, ...]:
        operation = (address_of(contract), 0, payload, NO_WORD, salt.to_bytes(32, "big"))
        timelock.schedule(*operation, timelock.get_minimum_delay(), sender=actors.proposer)
        return operation

    announcing = schedule(fund_kit.notices, fund_kit.encode(fund_kit.notices, "announce", fund, lower), 901)
    lowering = schedule(fund, lower, 902)
    fund_kit.travel(2 * DAY - HOUR)
    with reverts_with("timelock_controller: operation is not ready"):
        timelock.execute(*announcing, sender=actors.proposer)
    fund_kit.travel(HOUR)
    # The delay of the lowering itself is over, the notice has not begun.
    with reverts_with("fund: no notice"):
        timelock.execute(*lowering, sender=actors.proposer)
    timelock.execute(*announcing, sender=actors.proposer)
    fund_kit.travel(2 * DAY - HOUR)
    with reverts_with("fund: notice not mature"):
        timelock.execute(*lowering, sender=actors.proposer)
    # The threshold that counts is still the old one.
    with reverts_with("fund: below threshold"):
        fund.withdraw_excess(1, sender=actors.treasurer)
    fund_kit.travel(HOUR)
    timelock.execute(*lowering, sender=actors.proposer)
    fund.withdraw_excess(900_000 * U - 1, sender=actors.treasurer)
    assert (fund.reserve(), fund_kit.asset.balanceOf(actors.treasury)) == (1, 900_000 * U - 1)


def test_t30_notice_left_lying__lapses(fund_kit: Kit) -> None:
    fund, governance = fund_kit.fund, fund_kit.governance
    fund_kit.notices.announce(fund, fund_kit.encode(fund, "set_threshold", 1), sender=governance)
    fund_kit.travel(2 * DAY + WEEK)
    with reverts_with("fund: notice lapsed"):
        fund.set_threshold(1, sender=governance)


def test_t30_notice_of_another_call__does_not_count(fund_kit: Kit) -> None:
    fund, governance = fund_kit.fund, fund_kit.governance
    fund_kit.notices.announce(fund, fund_kit.encode(fund, "set_threshold", 2), sender=governance)
    fund_kit.travel(2 * DAY)
    with reverts_with("fund: no notice"):
        fund.set_threshold(1, sender=governance)


def test_t30_governor_with_a_shorter_delay__refused(fund_kit: Kit) -> None:
    backend, actors, fund = fund_kit.backend, fund_kit.actors, fund_kit.fund
    people = [address_of(actors.proposer)]
    hasty = backend.deploy("Timelock", 2 * DAY - 1, 2 * DAY, people, people, sender=actors.deployer)
    with reverts_with("roles: governor delay too short"):
        fund.set_governance(hasty, sender=fund_kit.governance)
    with reverts_with("roles: governor without code"):
        fund.set_governance(actors.outsider, sender=fund_kit.governance)
    patient = backend.deploy("Timelock", 2 * DAY, 2 * DAY, people, people, sender=actors.deployer)
    fund.set_governance(patient, sender=fund_kit.governance)
    assert fund.governance() == address_of(patient)
    with reverts_with("fund: not governance"):
        fund.set_split(0, 0, sender=fund_kit.governance)


# ------------------------------------------------------------------------ T31


def test_t31_withdraw__four_reasons_and_no_receiver(fund_kit: Kit) -> None:
    fund, actors, venue = fund_kit.fund, fund_kit.actors, fund_kit.venue
    treasurer = actors.treasurer
    fund_kit.contribute(actors.contributor, THRESHOLD)
    with reverts_with("fund: below threshold"):
        fund.withdraw_excess(1, sender=treasurer)
    fund_kit.contribute(actors.contributor, 100 * U)
    fund.record_bad_debt(0, 40 * U, sender=venue)
    assert fund.excess() == 60 * U
    with reverts_with("fund: above excess"):
        fund.withdraw_excess(60 * U + 1, sender=treasurer)
    for account in (actors.outsider, actors.guardian, actors.deployer, fund_kit.governance, venue):
        with reverts_with("fund: not treasurer"):
            fund.withdraw_excess(1, sender=account)
    fund.pause_payouts(HOUR, sender=actors.guardian)
    with reverts_with("fund: payouts paused"):
        fund.withdraw_excess(1, sender=treasurer)
    fund_kit.travel(HOUR)
    fund.withdraw_excess(60 * U, sender=treasurer)
    # Threshold and bad debt stay (I4).
    assert fund.reserve() == THRESHOLD + 40 * U
    assert fund_kit.asset.balanceOf(actors.treasury) == 60 * U
    (inputs,) = [entry.inputs for entry in fund.contract_type.methods if entry.name == "withdraw_excess"]
    assert [str(parameter.type) for parameter in inputs] == ["uint256"]


# ------------------------------------------------------------------------ T32

RETURNS_FALSE, REVERTS, FEE = 1, 2, 4


@pytest.fixture
def quirky_fund(deploy_fund: Callable[..., Kit], fund_kit: Kit) -> Kit:
    """A fund of a token that can be told to misbehave; contributor and venue hold 1,000 tokens each, all allowed."""
    actors = fund_kit.actors
    token = fund_kit.backend.deploy("QuirkyToken", 6, sender=actors.deployer)
    kit = deploy_fund(asset=str(token.address))
    for account in (actors.contributor, kit.venue):
        token.mint(account, 1_000 * U, sender=actors.deployer)
        token.approve(kit.fund, 1_000 * U, sender=account)
    kit.token = token  # type: ignore[attr-defined]
    return kit


@pytest.mark.parametrize(
    ("quirk", "reason"),
    [(RETURNS_FALSE, "fund: transfer failed"), (REVERTS, "quirky: transfers revert"), (FEE, "fund: received less")],
)
def test_t32_credited_but_not_received__refused(quirky_fund: Kit, quirk: int, reason: str) -> None:
    fund, actors, token = quirky_fund.fund, quirky_fund.actors, quirky_fund.token  # type: ignore[attr-defined]
    fund.contribute(500 * U, sender=actors.contributor)
    token.set_quirks(quirk, sender=actors.deployer)
    with reverts_with(reason):
        fund.contribute(100 * U, sender=actors.contributor)
    with reverts_with(reason):
        fund.settle_liquidation(0, 1_000 * U, sender=quirky_fund.venue)
    with reverts_with(reason):
        fund.settle_liquidations([(0, 1_000 * U)], sender=quirky_fund.venue)
    with reverts_with(reason):
        fund.settle_fees(0, 100 * U, sender=quirky_fund.venue)
    assert fund.reserve() == fund.total_contributions() == token.balanceOf(fund) == 500 * U


def test_t32_token_that_returns_nothing__works_on_every_path(deploy_fund: Callable[..., Kit], fund_kit: Kit) -> None:
    actors = fund_kit.actors
    token = fund_kit.backend.deploy("NoReturnToken", 6, sender=actors.deployer)
    kit = deploy_fund(asset=str(token.address), threshold=100 * U)
    fund, venue = kit.fund, kit.venue
    for account in (actors.contributor, venue):
        token.mint(account, 1_000 * U, sender=actors.deployer)
        token.approve(fund, 1_000 * U, sender=account)
    fund.contribute(90 * U, sender=actors.contributor)
    fund.settle_liquidation(0, 25 * U, sender=venue)
    fund.settle_fees(0, 15 * U, sender=venue)
    assert (fund.reserve(), token.balanceOf(fund), token.balanceOf(actors.treasury)) == (100 * U, 100 * U, 10 * U)
    fund.cover_shortfall(0, 30 * U, sender=venue)
    fund.contribute(31 * U, sender=actors.contributor)
    fund.withdraw_excess(U, sender=actors.treasurer)
    assert (fund.reserve(), token.balanceOf(fund)) == (100 * U, 100 * U)


# ------------------------------------------------------------------------ T34


def test_t34_midnight__lifetime_use_never_falls_by_time(fund_kit: Kit) -> None:
    fund, venue = fund_kit.fund, fund_kit.venue
    fund_kit.contribute(fund_kit.actors.contributor, 200_000 * U)
    day_end = (fund_kit.now() // DAY + 1) * DAY
    fund_kit.backend.travel(day_end - 60 - fund_kit.now())
    fund.cover_shortfall(0, LIMIT, sender=venue)
    fund_kit.backend.travel(120)
    for wait in (0, 30 * DAY, 400 * DAY):
        fund_kit.backend.travel(wait)
        assert fund.coverage(venue, 0) == 0
        assert fund.cover_shortfall(0, LIMIT, sender=venue).return_value == 0
        assert fund.market(venue, 0).used == LIMIT
    assert fund.reserve() == 150_000 * U


def test_t34_window__at_most_twice_the_cap_within_one_window(fund_kit: Kit) -> None:
    fund, venue = fund_kit.fund, fund_kit.venue
    fund_kit.contribute(fund_kit.actors.contributor, 200_000 * U)
    fund.set_window(10_000 * U, DAY, sender=fund_kit.governance)
    assert fund.cover_shortfall(0, 40_000 * U, sender=venue).return_value == 10_000 * U
    # Another market finds what a second has drained, no more.
    assert fund.cover_shortfall(1, 40_000 * U, sender=venue).return_value == 10_000 * U // DAY
    fund_kit.backend.travel(DAY // 2)
    half = fund.cover_shortfall(1, 40_000 * U, sender=venue).return_value
    # Half a window has drained half the bucket; a few seconds of blocks come on top.
    assert 5_000 * U <= half <= 5_000 * U + 5 * 10_000 * U // DAY
    fund_kit.backend.travel(DAY // 2)
    paid = half + fund.cover_shortfall(0, 40_000 * U, sender=venue).return_value
    assert paid <= 2 * 10_000 * U


# ------------------------------------------------------------------------ T35


def test_t35_vanishing_bad_debt__recorded_repaid_first_and_kept_back(fund_kit: Kit) -> None:
    fund, venue, actors = fund_kit.fund, fund_kit.venue, fund_kit.actors
    fund_kit.contribute(actors.contributor, THRESHOLD + 500 * U)
    fund.record_bad_debt(0, 300 * U, sender=venue)
    assert (fund.excess(), fund.total_bad_debt(), fund.bad_debt(venue, 0)) == (200 * U, 300 * U, 300 * U)
    # A slice of 200 U, all of it for the debt: it stays with the venue.
    before = fund_kit.asset.balanceOf(venue)
    parts = fund.settle_liquidation(0, 1_000 * U, sender=venue).return_value
    assert (parts.liquidator, parts.fund, parts.trader, parts.repaid) == (300 * U, 200 * U, 500 * U, 200 * U)
    assert fund.settle_fees(0, 150 * U, sender=venue).return_value == 100 * U
    assert (fund.total_bad_debt(), fund.bad_debt(venue, 0)) == (0, 0)
    # Of the fees 50 U were left, and went to the treasury: the reserve has no room.
    assert before - fund_kit.asset.balanceOf(venue) == 50 * U == fund_kit.asset.balanceOf(actors.treasury)
    assert (fund.reserve(), fund.excess()) == (THRESHOLD + 500 * U, 500 * U)
    # Another market's inflow repays nothing of it.
    fund.record_bad_debt(0, 10 * U, sender=venue)
    assert fund.settle_liquidation(1, 1_000 * U, sender=venue).return_value.repaid == 0
    assert fund.bad_debt(venue, 0) == 10 * U


# ------------------------------------------------------------------------ T36


def test_t36_stray_tokens__books_unchanged_and_rescue_moves_other_tokens_only(fund_kit: Kit) -> None:
    fund, actors, asset = fund_kit.fund, fund_kit.actors, fund_kit.asset
    fund_kit.contribute(actors.contributor, 100 * U)
    fund_kit.mint(actors.outsider, 70 * U)
    asset.transfer(fund, 70 * U, sender=actors.outsider)
    assert (fund.reserve(), fund.total_contributions(), fund.excess()) == (100 * U, 100 * U, 0)
    other = fund_kit.backend.deploy("QuirkyToken", 18, sender=actors.deployer)
    other.mint(fund, 5, sender=actors.outsider)
    with reverts_with("fund: asset not rescuable"):
        fund.rescue(asset, 70 * U, sender=fund_kit.governance)
    fund.rescue(other, 5, sender=fund_kit.governance)
    assert (other.balanceOf(actors.treasury), other.balanceOf(fund)) == (5, 0)
    assert (fund.reserve(), asset.balanceOf(fund)) == (100 * U, 170 * U)
    fund.skim(actors.outsider, sender=actors.keeper)
    assert (fund.reserve(), fund.contributions(actors.outsider)) == (170 * U, 70 * U)


# ------------------------------------------------------------------------ T37


def test_t37_impostor_venue__refused_and_replacement_needs_timelock_and_notice(fund_kit: Kit) -> None:
    fund, actors = fund_kit.fund, fund_kit.actors
    fund_kit.contribute(actors.contributor, 100_000 * U)
    fund.cover_shortfall(0, 1_000 * U, sender=fund_kit.venue)
    fund.record_bad_debt(0, 5 * U, sender=fund_kit.venue)
    impostor = fund_kit.impersonate(fund_kit.backend.deploy("Caller", sender=actors.outsider))
    reports = ("cover_shortfall", "settle_liquidation", "settle_fees", "record_bad_debt", "repay_bad_debt")
    for report in reports:
        with reverts_with("fund: unknown market"):
            getattr(fund, report)(0, 1, sender=impostor)
        with reverts_with("fund: unknown market"):
            getattr(fund, report)(7, 1, sender=fund_kit.venue)
    with reverts_with("fund: unknown market"):
        fund.release_market(0, sender=impostor)
    replacement = (fund_kit.venue, 0, impostor)
    with reverts_with("fund: not governance"):
        fund.replace_venue(*replacement, sender=actors.treasurer)
    with reverts_with("fund: no notice"):
        fund.replace_venue(*replacement, sender=fund_kit.governance)
    fund_kit.govern(fund, "replace_venue", *replacement, notice=True)
    moved = fund.market(impostor, 0)
    assert (moved.registered, moved.max_insurance, moved.used, moved.bad_debt) == (True, LIMIT, 1_000 * U, 5 * U)
    assert not fund.market(fund_kit.venue, 0).registered
    with reverts_with("fund: unknown market"):
        fund.cover_shortfall(0, 1, sender=fund_kit.venue)
    assert fund.cover_shortfall(0, 50_000 * U, sender=impostor).return_value == 49_000 * U


# ------------------------------------------------------------------------ T39


def test_t39_takeover__nobody_appoints_himself(fund_kit: Kit) -> None:
    fund, timelock, actors = fund_kit.fund, fund_kit.timelock, fund_kit.actors
    for account in (actors.deployer, actors.treasurer, actors.guardian, actors.proposer, actors.outsider):
        for role in ROLES.values():
            with reverts_with("fund: not governance"):
                fund.grantRole(role, account, sender=account)
        with reverts_with("fund: not governance"):
            fund.set_governance(timelock, sender=account)
        with reverts_with("timelock: not the timelock"):
            timelock.grantRole(timelock.PROPOSER_ROLE(), account, sender=account)
        with reverts_with("fund: setup finished"):
            fund.finish_setup(sender=account)
    # Governance itself can bring back neither the deployer nor a second governor.
    with reverts_with("roles: use set_governance"):
        fund.grantRole(ROLES["DEFAULT_ADMIN_ROLE"], actors.outsider, sender=fund_kit.governance)
    with reverts_with("roles: deployer is fixed"):
        fund.grantRole(ROLES["DEPLOYER"], actors.deployer, sender=fund_kit.governance)


def test_t39_timelock__no_replay_and_no_wrong_predecessor(fund_kit: Kit) -> None:
    fund, timelock, actors = fund_kit.fund, fund_kit.timelock, fund_kit.actors
    payload = fund_kit.encode(fund, "set_split", 1_000, 1_000)
    first = (address_of(fund), 0, payload, NO_WORD, (903).to_bytes(32, "big"))
    after = (address_of(fund), 0, payload, b"\x11" * 32, (904).to_bytes(32, "big"))
    for operation in (first, after):
        timelock.schedule(*operation, 2 * DAY, sender=actors.proposer)
    fund_kit.travel(2 * DAY)
    with reverts_with("access_control: account is missing role"):
        timelock.execute(*first, sender=actors.outsider)
    timelock.execute(*first, sender=actors.proposer)
    with reverts_with("timelock_controller: operation is not ready"):
        timelock.execute(*first, sender=actors.proposer)
    with reverts_with("timelock_controller: operation already scheduled"):
        timelock.schedule(*first, 2 * DAY, sender=actors.proposer)
    with reverts_with("timelock_controller: missing dependency"):
        timelock.execute(*after, sender=actors.proposer)
    assert tuple(fund.split_bps()) == (1_000, 1_000)


# ------------------------------------------------------------------------ T40


def test_t40_endless_pause__expires_and_cannot_be_renewed_within_a_week(fund_kit: Kit) -> None:
    fund, guardian = fund_kit.fund, fund_kit.actors.guardian
    fund_kit.contribute(fund_kit.actors.contributor, 1_000 * U)
    with reverts_with("fund: pause too long"):
        fund.pause_payouts(WEEK + 1, sender=guardian)
    fund.pause_payouts(WEEK, sender=guardian)
    end = fund.payouts_resume_at()
    with reverts_with("fund: paused too recently"):
        fund.pause_payouts(1, sender=guardian)
    with reverts_with("fund: payouts paused"):
        fund.cover_shortfall(0, 1, sender=fund_kit.venue)
    fund_kit.backend.travel(end - fund_kit.now())
    fund.cover_shortfall(0, 1, sender=fund_kit.venue)
    fund_kit.backend.travel(end + WEEK - fund_kit.now() - 60)
    with reverts_with("fund: paused too recently"):
        fund.pause_payouts(1, sender=guardian)
    fund_kit.backend.travel(60)
    fund.pause_payouts(1, sender=guardian)


def test_t40_paused__reductions_withdrawals_and_solvent_liquidations_go_on(kana: Kit) -> None:
    actors, house, fund = kana.actors, kana.house, kana.fund
    kana.contribute(actors.contributor, 1_000 * U)
    kana.deposit(actors.liquidator, 5_000 * U)
    kana.open_position(actors.trader, actors.counterparty, 10 * COIN, margin=(150 * U, 400 * U))
    fund.pause_payouts(WEEK, sender=actors.guardian)
    kana.registry.pause_trading(WEEK, sender=actors.guardian)
    kana.deposit(actors.trader, 10 * U)
    house.withdraw(5 * U, sender=actors.trader)
    house.add_margin(0, 5 * U, sender=actors.trader)
    kana.contribute(actors.contributor, U)
    # A reduction goes through, growth doesn't.
    with reverts_with("house: trading paused"):
        kana.open_position(actors.trader, actors.counterparty, COIN, margin=50 * U)
    kana.open_position(actors.counterparty, actors.trader, COIN, margin=0)
    assert house.position(0, actors.trader).size == 9 * COIN
    kana.set_price(87 * COIN)
    house.liquidate(0, actors.trader, 2 * COIN, 1_000 * U, sender=actors.liquidator)
    assert (house.position(0, actors.trader).size, fund.reserve() > 1_001 * U) == (7 * COIN, True)
    # Resolving an insolvent one waits, so that nothing is socialised that the fund owes.
    kana.set_price(70 * COIN)
    books = tuple(house.books(0))
    with reverts_with("fund: payouts paused"):
        house.liquidate(0, actors.trader, 7 * COIN, sender=actors.liquidator)
    assert tuple(house.books(0)) == books
    fund.resume_payouts(sender=actors.guardian)
    house.liquidate(0, actors.trader, 7 * COIN, sender=actors.liquidator)
    assert house.position(0, actors.trader).size == 0
