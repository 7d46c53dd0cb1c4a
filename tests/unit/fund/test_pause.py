"""A pause stops payouts for a while, nothing else, and can't be chained (M37, T40, I14)."""

from __future__ import annotations

from kana_insurance.testing import DAY, U, reverts_with
from tests.unit.fund.desk import PERP, THRESHOLD, Desk

WEEK = 7 * DAY


def test_pause_payouts__says_until_when(desk: Desk) -> None:
    receipt = desk.fund.pause_payouts(3 * DAY, sender=desk.actors.guardian)
    until = desk.kit.now() + 3 * DAY
    assert desk.events(receipt) == [("PayoutsPaused", {"guardian": desk.actors.guardian, "resume_at": until})]
    assert (desk.fund.payouts_resume_at(), desk.fund.payouts_paused()) == (until, True)


def test_pause_payouts__expires_by_itself(desk: Desk) -> None:
    """To the second."""
    desk.fill(THRESHOLD + 5)
    desk.fund.pause_payouts(WEEK, sender=desk.actors.guardian)
    paused = desk.kit.now()
    withdrawal = desk.kit.encode(desk.fund, "withdraw_excess", 1)
    cover = desk.kit.encode(desk.fund, "cover_shortfall", PERP, 1)
    for caller, call in ((desk.actors.treasurer, withdrawal), (desk.venue, cover)):
        assert desk.reason_at(paused + WEEK - 1, caller, call) == "fund: payouts paused"
        assert desk.reason_at(paused + WEEK, caller, call) is None
    desk.kit.travel(WEEK)
    assert desk.fund.payouts_paused() is False
    assert desk.fund.payouts_resume_at() == paused + WEEK


def test_pause_payouts__stops_nothing_else(desk: Desk) -> None:
    """Contributions, settlements, fees, bad debt, skim and what lessens risk go on."""
    desk.fund.pause_payouts(WEEK, sender=desk.actors.guardian)
    contributor = desk.actors.contributor
    with desk.changes(reserve=5 * U, tokens=5 * U, contributions=5 * U, by_contributor=5 * U):
        desk.kit.contribute(contributor, 5 * U)
    with desk.changes(debt_0=30, bad_debt=30):
        desk.owe(30)
    with desk.changes(reserve=170, tokens=170, venue=-170, debt_0=-30, bad_debt=-30):
        desk.settle(1_000)
    with desk.changes(reserve=9, tokens=9, venue=-9):
        desk.fund.settle_fees(PERP, 9, sender=desk.venue)
    with desk.changes(max_0=-desk.fund.market(desk.venue, PERP).max_insurance):
        desk.fund.set_max_insurance(desk.venue, PERP, 0, sender=desk.governance)


def test_pause_payouts__during_a_pause__is_refused(desk: Desk) -> None:
    desk.fund.pause_payouts(DAY, sender=desk.actors.guardian)
    with desk.changes(), reverts_with("fund: paused too recently"):
        desk.fund.pause_payouts(DAY, sender=desk.actors.guardian)


def test_pause_payouts__within_a_week_of_the_end__is_refused(desk: Desk) -> None:
    """T40: no endless pause."""
    desk.fund.pause_payouts(WEEK, sender=desk.actors.guardian)
    paused = desk.kit.now()
    again = desk.kit.encode(desk.fund, "pause_payouts", WEEK)
    assert desk.reason_at(paused + 2 * WEEK - 1, desk.actors.guardian, again) == "fund: paused too recently"
    assert desk.reason_at(paused + 2 * WEEK, desk.actors.guardian, again) is None


def test_pause_payouts__after_an_early_end__rests_from_there(desk: Desk) -> None:
    desk.fund.pause_payouts(WEEK, sender=desk.actors.guardian)
    desk.fund.resume_payouts(sender=desk.actors.guardian)
    ended = desk.kit.now()
    again = desk.kit.encode(desk.fund, "pause_payouts", 1)
    assert desk.reason_at(ended + WEEK - 1, desk.actors.guardian, again) == "fund: paused too recently"
    assert desk.reason_at(ended + WEEK, desk.actors.guardian, again) is None


def test_pause_payouts__bad_duration__is_refused(desk: Desk) -> None:
    for duration, reason in ((0, "fund: zero duration"), (WEEK + 1, "fund: pause too long")):
        with desk.changes(), reverts_with(reason):
            desk.fund.pause_payouts(duration, sender=desk.actors.guardian)


def test_pause_payouts__not_a_guardian__is_refused(desk: Desk) -> None:
    """Governance neither: a pause is the guardian's alone (M36)."""
    for account in (desk.governance, desk.actors.treasurer, desk.actors.outsider, desk.venue):
        with desk.changes(), reverts_with("fund: not guardian"):
            desk.fund.pause_payouts(DAY, sender=account)


def test_resume_payouts__guardian_or_governance__ends_it_now(desk: Desk) -> None:
    desk.fill(100)
    for account in (desk.actors.guardian, desk.governance):
        snapshot = desk.snapshot()
        desk.fund.pause_payouts(WEEK, sender=desk.actors.guardian)
        receipt = desk.fund.resume_payouts(sender=account)
        assert desk.events(receipt) == [("PayoutsResumed", {"account": account.address})]
        assert (desk.fund.payouts_resume_at(), desk.fund.payouts_paused()) == (desk.kit.now(), False)
        desk.cover(1)
        desk.restore(snapshot)


def test_resume_payouts__not_paused__is_refused(desk: Desk) -> None:
    with desk.changes(), reverts_with("fund: not paused"):
        desk.fund.resume_payouts(sender=desk.actors.guardian)
    desk.fund.pause_payouts(60, sender=desk.actors.guardian)
    desk.kit.travel(60)
    with desk.changes(), reverts_with("fund: not paused"):
        desk.fund.resume_payouts(sender=desk.actors.guardian)


def test_resume_payouts__anyone_else__is_refused(desk: Desk) -> None:
    desk.fund.pause_payouts(60, sender=desk.actors.guardian)
    for account in (desk.actors.treasurer, desk.actors.outsider, desk.actors.deployer):
        with desk.changes(), reverts_with("fund: not guardian"):
            desk.fund.resume_payouts(sender=account)
