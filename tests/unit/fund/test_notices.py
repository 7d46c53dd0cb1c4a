"""What lets more be drawn waits for a notice that the board keeps (M9)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.testing import DAY, U, reverts_with
from tests.unit.fund.desk import ASSET, LIMIT, OTHER, PERP, THRESHOLD, VENUE, ZERO, Desk

NOTICE = 2 * DAY
LIFE = 7 * DAY
CAP = 1_000 * U

Call = tuple[str, tuple[Any, ...]]
#: Every call that needs notice, for a fund whose window has a cap.
NOTICED: dict[str, Call] = {
    "lower_threshold": ("set_threshold", (THRESHOLD - 1,)),
    "raise_maximum": ("set_max_insurance", (VENUE, PERP, LIMIT + 1)),
    "raise_cap": ("set_window", (CAP + 1, DAY)),
    "no_cap": ("set_window", (0, DAY)),
    "shorter_window": ("set_window", (CAP, DAY - 1)),
    "new_market": ("register_market", (VENUE, 7, True)),
    "replace_venue": ("replace_venue", (VENUE, OTHER, ASSET)),
}


@pytest.fixture
def capped(desk: Desk) -> Desk:
    """A fund whose window has a cap."""
    desk.fund.set_window(CAP, DAY, sender=desk.governance)
    return desk


@pytest.fixture(params=NOTICED)
def call(request: pytest.FixtureRequest, capped: Desk) -> Call:
    """One of the calls that need notice."""
    function, arguments = NOTICED[request.param]
    return function, capped.named(arguments)


def make(desk: Desk, call: Call) -> Any:
    return getattr(desk.fund, call[0])(*call[1], sender=desk.governance)


def test_noticed_call__no_notice__is_refused(capped: Desk, call: Call) -> None:
    with capped.changes(), reverts_with("fund: no notice"):
        make(capped, call)


def test_noticed_call__announced__possible_from_maturity_to_lapse(capped: Desk, call: Call) -> None:
    """To the second; then it is used up."""
    notice = capped.announce(call[0], *call[1])
    given = capped.kit.now()
    assert capped.notice(call[0], *call[1]) == (0, NOTICE)
    data = capped.kit.encode(capped.fund, call[0], *call[1])
    for offset, reason in (
        (1, "fund: notice not mature"),
        (NOTICE - 1, "fund: notice not mature"),
        (NOTICE, None),
        (NOTICE + LIFE - 1, None),
        (NOTICE + LIFE, "fund: notice lapsed"),
    ):
        assert capped.reason_at(given + offset, capped.governance, data) == reason
    capped.kit.travel(NOTICE)
    receipt = make(capped, call)
    assert len(capped.events(receipt)) == 1
    assert capped.notice_events(receipt) == [("NoticeUsed", {"fund": capped.fund.address, "id": notice})]
    assert capped.notice(call[0], *call[1]) == (0, 0)


def test_noticed_call__second_time__needs_another_notice(desk: Desk) -> None:
    desk.announced("set_threshold", THRESHOLD - 1)
    desk.fund.set_threshold(THRESHOLD, sender=desk.governance)
    with desk.changes(), reverts_with("fund: no notice"):
        desk.fund.set_threshold(THRESHOLD - 1, sender=desk.governance)


def test_noticed_call__other_arguments__are_not_covered(desk: Desk) -> None:
    """A notice is of one call, to the unit."""
    desk.announce("set_threshold", THRESHOLD - 1)
    desk.kit.travel(NOTICE)
    with desk.changes(), reverts_with("fund: no notice"):
        desk.fund.set_threshold(THRESHOLD - 2, sender=desk.governance)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("set_threshold", (THRESHOLD + 1,)),
        ("set_threshold", (THRESHOLD,)),
        ("set_max_insurance", (VENUE, PERP, LIMIT - 1)),
        ("set_max_insurance", (VENUE, PERP, 0)),
        ("set_window", (CAP - 1, DAY)),
        ("set_window", (CAP, DAY + 1)),
        ("set_window", (1, DAY)),
        ("set_split", (5_000, 3_000)),
        ("set_split", (0, 0)),
    ],
)
def test_call_that_lets_less_be_drawn__is_immediate(capped: Desk, function: str, arguments: tuple[Any, ...]) -> None:
    receipt = getattr(capped.fund, function)(*capped.named(arguments), sender=capped.governance)
    assert capped.notice_events(receipt) == []


def test_set_window__from_no_cap__any_cap_and_length_is_immediate(desk: Desk) -> None:
    """Where nothing bounds payouts, whatever bounds them lets less be drawn."""
    with desk.changes(cap=CAP, length=3_600 - DAY):
        desk.fund.set_window(CAP, 3_600, sender=desk.governance)


# ------------------------------------------------------- giving and withdrawing


def test_announce__says_what_and_for_how_long(desk: Desk) -> None:
    call = desk.kit.encode(desk.fund, "set_threshold", 5)
    notice = desk.id_of("set_threshold", 5)
    assert desk.notices.announce.call(desk.fund, call, sender=desk.governance) == notice
    with desk.changes():
        receipt = desk.notices.announce(desk.fund, call, sender=desk.governance)
    given = {"fund": desk.fund.address, "id": notice, "call": call, "notice_seconds": NOTICE}
    assert desk.notice_events(receipt) == [("NoticeGiven", given)]
    assert desk.events(receipt) == []


def test_announce__running__is_refused_until_it_lapses(desk: Desk) -> None:
    """Announcing anew can't keep a notice open for ever."""
    desk.announce("set_threshold", 5)
    given = desk.kit.now()
    call = desk.kit.encode(desk.fund, "set_threshold", 5)
    announcement = desk.kit.encode(desk.notices, "announce", desk.fund, call)
    for offset in (1, NOTICE, NOTICE + LIFE - 1):
        reason = desk.reason_at(given + offset, desk.governance, announcement, desk.notices)
        assert reason == "notices: notice running"
    assert desk.reason_at(given + NOTICE + LIFE, desk.governance, announcement, desk.notices) is None
    desk.kit.travel(NOTICE + LIFE)
    desk.announce("set_threshold", 5)
    assert tuple(desk.notices.notice(desk.fund, call)) == (0, NOTICE)


@pytest.mark.parametrize("call", [b"", b"\x12\x34\x56", b"\x00" * 228])
def test_announce__whatever_it_is__lets_nothing_else_be_done(desk: Desk, call: bytes) -> None:
    """A notice of a call that the fund doesn't have is of no use, and of no harm."""
    with desk.changes():
        desk.notices.announce(desk.fund, call, sender=desk.governance)
    desk.kit.travel(NOTICE)
    with desk.changes(), reverts_with("fund: no notice"):
        desk.fund.set_threshold(5, sender=desk.governance)


def test_announce__not_governance__is_refused(desk: Desk) -> None:
    call = desk.kit.encode(desk.fund, "set_threshold", 5)
    for account in (desk.actors.deployer, desk.actors.guardian, desk.actors.treasurer, desk.actors.outsider):
        with reverts_with("notices: not governance"):
            desk.notices.announce(desk.fund, call, sender=account)


def test_announce__at_another_board__is_refused(desk: Desk) -> None:
    """A notice there would be of no use, and who watches the fund's own board wouldn't see it."""
    other = desk.kit.backend.deploy("NoticeBoard", sender=desk.actors.outsider)
    with reverts_with("notices: another board"):
        other.announce(desk.fund, desk.kit.encode(desk.fund, "set_threshold", 5), sender=desk.governance)


def test_announce__two_funds__each_has_notices_of_its_own(desk: Desk) -> None:
    """The same call, announced to one fund, can't be made to another one of the same governance and board."""
    kit, config = desk.kit, desk.kit.system.config
    roles = (kit.timelock, config.treasurer, config.guardian, desk.actors.deployer, config.treasury)
    terms = (config.threshold, config.liquidator_bps, config.fund_bps)
    arguments = [value if isinstance(value, int) else address_of(value) for value in (*roles, *terms)]
    other = kit.backend.deploy("InsuranceFund", desk.asset, desk.notices, ZERO, *arguments, sender=desk.actors.outsider)
    other.finish_setup(sender=desk.actors.deployer)
    desk.announce("set_threshold", 5)
    kit.travel(NOTICE)
    assert tuple(desk.notices.notice(other, kit.encode(other, "set_threshold", 5))) == (0, 0)
    with reverts_with("fund: no notice"):
        other.set_threshold(5, sender=desk.governance)
    desk.fund.set_threshold(5, sender=desk.governance)


@pytest.mark.parametrize("caller", ["governance", "outsider"])
def test_use_and_hold__by_someone_else__concern_him_alone(desk: Desk, caller: str) -> None:
    """What isn't the fund itself can neither use its notices up nor hold its clock."""
    sender = desk.governance if caller == "governance" else desk.actors.outsider
    notice = desk.announce("set_threshold", 5)
    given = desk.kit.now()
    desk.notices.hold(2**32, sender=sender)
    with reverts_with("fund: no notice"):
        desk.notices.use(notice, [ZERO, ZERO], True, sender=sender)
    desk.kit.travel(NOTICE)
    assert desk.notice("set_threshold", 5) == (desk.kit.now() - given, NOTICE)
    desk.fund.set_threshold(5, sender=desk.governance)


def test_cancel_notice__given__is_gone(desk: Desk) -> None:
    notice = desk.announce("set_threshold", 5)
    with reverts_with("notices: not governance"):
        desk.notices.cancel(desk.fund, notice, sender=desk.actors.guardian)
    receipt = desk.notices.cancel(desk.fund, notice, sender=desk.governance)
    assert desk.notice_events(receipt) == [("NoticeCancelled", {"fund": desk.fund.address, "id": notice})]
    assert desk.notice("set_threshold", 5) == (0, 0)
    desk.kit.travel(NOTICE)
    with reverts_with("fund: no notice"):
        desk.fund.set_threshold(5, sender=desk.governance)
    with reverts_with("notices: no notice"):
        desk.notices.cancel(desk.fund, notice, sender=desk.governance)


# -------------------------------------------------------- pauses hold notices


def test_notice__pause_within__stands_still_until_a_day_after_it(desk: Desk) -> None:
    """M37: whoever can't leave during a pause loses nothing of the notice."""
    desk.announce("set_threshold", 5)
    given = desk.kit.now()
    desk.kit.travel(DAY)
    desk.fund.pause_payouts(3 * DAY, sender=desk.actors.guardian)
    paused = desk.kit.now()
    desk.kit.travel(2 * DAY)
    assert desk.notice("set_threshold", 5) == (paused - given, NOTICE)
    call = desk.kit.encode(desk.fund, "set_threshold", 5)
    for moment in (given + NOTICE, paused + 3 * DAY, paused + 4 * DAY, given + NOTICE + 4 * DAY - 1):
        assert desk.reason_at(moment, desk.governance, call) == "fund: notice not mature"
    assert desk.reason_at(given + NOTICE + 4 * DAY, desk.governance, call) is None


def test_notice__pause_ended_early__the_hold_ends_a_day_after_that(desk: Desk) -> None:
    desk.announce("set_threshold", 5)
    given = desk.kit.now()
    desk.fund.pause_payouts(7 * DAY, sender=desk.actors.guardian)
    paused = desk.kit.now()
    desk.kit.travel(DAY)
    desk.fund.resume_payouts(sender=desk.actors.guardian)
    held = desk.kit.now() + DAY - paused
    assert desk.notice("set_threshold", 5) == (paused - given, NOTICE)
    call = desk.kit.encode(desk.fund, "set_threshold", 5)
    assert desk.reason_at(given + NOTICE + held - 1, desk.governance, call) == "fund: notice not mature"
    assert desk.reason_at(given + NOTICE + held, desk.governance, call) is None


def test_notice__mature_before_a_pause__lives_longer_by_the_hold(desk: Desk) -> None:
    desk.announce("set_threshold", 5)
    given = desk.kit.now()
    desk.kit.travel(NOTICE)
    desk.fund.pause_payouts(DAY, sender=desk.actors.guardian)
    assert desk.notice("set_threshold", 5) == (desk.kit.now() - given, NOTICE)
    call = desk.kit.encode(desk.fund, "set_threshold", 5)
    assert desk.reason_at(given + NOTICE + LIFE + 2 * DAY - 1, desk.governance, call) is None
    assert desk.reason_at(given + NOTICE + LIFE + 2 * DAY, desk.governance, call) == "fund: notice lapsed"


def test_notice__given_during_a_hold__starts_when_the_hold_ends(desk: Desk) -> None:
    desk.fund.pause_payouts(DAY, sender=desk.actors.guardian)
    paused = desk.kit.now()
    desk.kit.travel(DAY + 3_600)  # the pause is over, the day after it isn't
    desk.announce("set_threshold", 5)
    assert desk.notice("set_threshold", 5) == (0, NOTICE)
    call = desk.kit.encode(desk.fund, "set_threshold", 5)
    assert desk.reason_at(paused + 2 * DAY + NOTICE - 1, desk.governance, call) == "fund: notice not mature"
    assert desk.reason_at(paused + 2 * DAY + NOTICE, desk.governance, call) is None


def test_notice__second_pause__adds_its_hold_to_the_first(desk: Desk) -> None:
    desk.fund.pause_payouts(DAY, sender=desk.actors.guardian)
    desk.kit.travel(8 * DAY)
    desk.announce("set_threshold", 5)
    given = desk.kit.now()
    assert desk.notice("set_threshold", 5) == (0, NOTICE)
    desk.kit.travel(3_600)
    desk.fund.pause_payouts(2 * DAY, sender=desk.actors.guardian)
    desk.kit.travel(DAY)
    assert desk.notice("set_threshold", 5)[0] < 3_600 + 60
    call = desk.kit.encode(desk.fund, "set_threshold", 5)
    assert desk.reason_at(given + NOTICE + 3 * DAY - 1, desk.governance, call) == "fund: notice not mature"
    assert desk.reason_at(given + NOTICE + 3 * DAY, desk.governance, call) is None


def test_lower_the_threshold_then_withdraw__takes_timelock_and_notice(desk: Desk) -> None:
    """T30, through the real timelock: announced, matured, scheduled, executed; then the excess is there."""
    desk.fill(THRESHOLD)
    given = desk.kit.now()
    with reverts_with("fund: no notice"):
        desk.kit.govern(desk.fund, "set_threshold", THRESHOLD // 2)
    desk.kit.govern(desk.fund, "set_threshold", THRESHOLD // 2, notice=True)
    assert desk.kit.now() - given >= 3 * NOTICE
    desk.fund.withdraw_excess(THRESHOLD // 2, sender=desk.actors.treasurer)
    assert desk.fund.reserve() == THRESHOLD // 2
