"""A fund is handed over to its successor, once, and closed for ever (M18)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.kit import merger_call
from kana_insurance.testing import DAY, U, logs, reverts_with
from tests.unit.fund.desk import LENDING, LIMIT, OTHER, PERP, ZERO, Desk

CLOSED = 2**32 - 2
NOTICE = 2 * DAY
#: Of the old fund and of its successor.
THRESHOLDS = (1_000_000 * U, 2_000 * U)
GIVEN, USED, OWED = 3_000 * U, 700 * U, 40 * U
#: No market.
NONE = (ZERO, 0)


@dataclass(frozen=True)
class Pair:
    """An old fund with a market that has cost something and is owed something, and its successor, which has 500 U."""

    desk: Desk
    factory: Any
    old: Any
    new: Any

    @property
    def key(self) -> tuple[str, int]:
        """The old fund's perpetual market."""
        return address_of(self.desk.venue), PERP

    def announce(self, fund: Any, function: str, other: Any) -> None:
        """Give notice of one half of a merger."""
        self.desk.notices.announce(fund, merger_call(function, other), sender=self.desk.governance)

    def announced(self) -> None:
        """Notice of both halves is given and has matured."""
        self.announce(self.old, "hand_over", self.new)
        self.announce(self.new, "adopt", self.old)
        self.desk.kit.travel(NOTICE)

    def hand_over(self, *key: Any) -> tuple[Any, Any]:
        """The first half: what it returns, and its receipt."""
        arguments = (self.new, *(key or self.key))
        handed = self.old.hand_over.call(*arguments, sender=self.factory)
        return tuple(handed), self.old.hand_over(*arguments, sender=self.factory)

    def merge(self, *key: Any) -> None:
        """Both halves, as a factory does them."""
        handed, _ = self.hand_over(*key)
        self.new.adopt(self.old, handed, sender=self.factory)


@pytest.fixture
def create(desk: Desk) -> Callable[..., Any]:
    """Creates an open fund of the desk's governance, board and asset; the factory is an account."""
    actors, factory = desk.actors, desk.actors.others[0]
    roles = (desk.kit.timelock, actors.treasurer, actors.guardian, actors.deployer, actors.treasury)

    def build(threshold: int, opened: bool = True) -> Any:
        arguments = (desk.asset, desk.notices, factory, *roles, threshold, 3_000, 2_000)
        fund = desk.kit.backend.deploy("InsuranceFund", *arguments, sender=actors.outsider)
        if opened:
            fund.finish_setup(sender=actors.deployer)
        desk.asset.approve(fund, 2**256 - 1, sender=desk.venue)
        return fund

    return build


@pytest.fixture
def pair(desk: Desk, create: Callable[..., Any]) -> Pair:
    """Two funds that may be merged."""
    old, new = create(THRESHOLDS[0], opened=False), create(THRESHOLDS[1])
    actors, venue = desk.actors, desk.venue
    for number in (PERP, OTHER, LENDING):
        old.register_market(venue, number, number != LENDING, sender=actors.deployer)
        old.set_max_insurance(venue, number, LIMIT, sender=actors.deployer)
    old.finish_setup(sender=actors.deployer)
    for fund, amount in ((old, GIVEN), (new, 500 * U)):
        desk.kit.provide(actors.contributor, fund, amount)
        fund.contribute(amount, sender=actors.contributor)
    old.cover_shortfall(PERP, USED, sender=venue)
    old.record_bad_debt(PERP, OWED, sender=venue)
    old.record_bad_debt(OTHER, 1, sender=venue)
    return Pair(desk, actors.others[0], old, new)


def test_hand_over__first__closes_and_sends_everything(pair: Pair) -> None:
    old, asset = pair.old, pair.desk.asset
    pair.announced()
    before = asset.balanceOf(pair.new)
    handed, receipt = pair.hand_over()
    reserve = GIVEN - USED
    assert handed[:4] == (reserve, GIVEN, *pair.key)
    assert handed[5] == OWED
    assert logs(receipt, old) == [
        ("HandedOver", {"successor": pair.new.address, "reserve": reserve, "contributions": GIVEN}),
        (
            "MarketHandedOver",
            {"venue": pair.key[0], "market_id": PERP, "bad_debt": OWED, "total_bad_debt": 1},
        ),
    ]
    assert [name for name, _ in pair.desk.notice_events(receipt)] == ["NoticeUsed"]
    assert (asset.balanceOf(old), asset.balanceOf(pair.new)) == (0, before + reserve)
    assert (old.reserve(), old.total_contributions(), old.contributions(pair.desk.actors.contributor)) == (
        0,
        GIVEN,
        GIVEN,
    )
    assert (old.successor(), old.payouts_resume_at(), old.total_bad_debt()) == (pair.new.address, CLOSED, 1)
    assert (old.setup_finished(), old.payouts_paused(), old.coverage(*pair.key)) == (True, True, 0)
    assert tuple(old.market(*pair.key)) == (False, False, 0, 0, 0)
    assert tuple(old.market(pair.key[0], OTHER)) == (True, True, LIMIT, 0, 1)


def test_adopt__first__takes_over_reserve_contributions_and_market(pair: Pair) -> None:
    new, reserve = pair.new, GIVEN - USED
    pair.announced()
    handed, _ = pair.hand_over()
    receipt = new.adopt(pair.old, handed, sender=pair.factory)
    adopted = {"old": pair.old.address, "amount": reserve, "contributions": GIVEN, "reserve": 500 * U + reserve}
    market = {"is_perp": True, "max_insurance": LIMIT, "used": USED, "bad_debt": OWED, "total_bad_debt": OWED}
    assert logs(receipt, new) == [
        ("Adopted", adopted),
        ("MarketAdopted", {"venue": pair.key[0], "market_id": PERP, **market}),
    ]
    assert (new.reserve(), pair.desk.asset.balanceOf(new)) == (500 * U + reserve, 500 * U + reserve)
    assert (new.total_contributions(), new.contributions(pair.old)) == (500 * U + GIVEN, GIVEN)
    assert (new.total_bad_debt(), tuple(new.market(*pair.key))) == (OWED, (True, True, LIMIT, USED, OWED))
    # What lies above threshold and bad debt may go, as any excess.
    excess = 500 * U + reserve - THRESHOLDS[1] - OWED
    assert (new.excess(), new.room()) == (excess, 0)
    new.withdraw_excess(excess, sender=pair.desk.actors.treasurer)
    # The venue goes on where it was.
    assert new.settle_liquidation.call(PERP, 1_000, sender=pair.desk.venue).repaid == 200
    new.cover_shortfall(PERP, USED, sender=pair.desk.venue)
    assert new.market(*pair.key).used == 2 * USED


def test_hand_over__without_a_market__carries_the_reserve_alone(pair: Pair) -> None:
    pair.announced()
    handed, receipt = pair.hand_over(*NONE)
    assert handed == (GIVEN - USED, GIVEN, ZERO, 0, 0, 0)
    assert [name for name, _ in logs(receipt, pair.old)] == ["HandedOver"]
    receipt = pair.new.adopt(pair.old, handed, sender=pair.factory)
    assert [name for name, _ in logs(receipt, pair.new)] == ["Adopted"]


def test_hand_over__later__moves_further_markets_to_the_same_one_only(pair: Pair, create: Callable[..., Any]) -> None:
    """Each market once, with no further notice, and no money a second time."""
    old, new, venue = pair.old, pair.new, pair.key[0]
    pair.announced()
    pair.merge()
    reserve, given = new.reserve(), new.total_contributions()
    for number, (is_perp, debt) in {OTHER: (True, 1), LENDING: (False, 0)}.items():
        handed, _ = pair.hand_over(venue, number)
        assert handed[:2] == (0, 0)
        new.adopt(old, handed, sender=pair.factory)
        assert tuple(new.market(venue, number)) == (True, is_perp, LIMIT, 0, debt)
        with reverts_with("fund: unknown market"):
            old.hand_over(new, venue, number, sender=pair.factory)
        with reverts_with("fund: market registered"):
            new.adopt(old, handed, sender=pair.factory)
    assert (new.reserve(), new.total_contributions(), new.contributions(old)) == (reserve, given, GIVEN)
    assert (old.total_bad_debt(), new.total_bad_debt()) == (0, OWED + 1)
    with reverts_with("fund: closed"):
        old.hand_over(create(U), *NONE, sender=pair.factory)


def test_hand_over__no_notice__is_refused(pair: Pair, create: Callable[..., Any]) -> None:
    with reverts_with("fund: no notice"):
        pair.hand_over()
    other = create(U)
    pair.announce(pair.old, "hand_over", other)
    pair.announce(pair.old, "adopt", pair.new)
    with reverts_with("fund: no notice"):
        pair.hand_over()
    pair.announce(pair.old, "hand_over", pair.new)
    given = pair.desk.kit.now()
    with reverts_with("fund: notice not mature"):
        pair.hand_over()
    call = pair.desk.kit.encode(pair.old, "hand_over", pair.new, *NONE)
    for offset, reason in (
        (NOTICE - 1, "fund: notice not mature"),
        (NOTICE, None),
        (NOTICE + 7 * DAY, "fund: notice lapsed"),
    ):
        assert pair.desk.reason_at(given + offset, pair.factory, call, pair.old) == reason


def test_adopt__no_notice__is_refused(pair: Pair) -> None:
    """Stakers behind the successor are asked too: the old fund's markets will be theirs to insure."""
    pair.announce(pair.old, "hand_over", pair.new)
    pair.announce(pair.new, "hand_over", pair.old)
    pair.desk.kit.travel(NOTICE)
    handed, _ = pair.hand_over()
    with reverts_with("fund: no notice"):
        pair.new.adopt(pair.old, handed, sender=pair.factory)


def test_merger__not_the_factory__is_refused(pair: Pair, desk: Desk) -> None:
    pair.announced()
    handed = (0, 0, ZERO, 0, 0, 0)
    actors = desk.actors
    for account in (desk.governance, actors.deployer, actors.treasurer, actors.guardian, actors.outsider, desk.venue):
        with reverts_with("fund: not factory"):
            pair.old.hand_over(pair.new, *pair.key, sender=account)
        with reverts_with("fund: not factory"):
            pair.new.adopt(pair.old, handed, sender=account)
    # Another factory than a fund's own is nobody to it.
    assert desk.fund.factory() == address_of(desk.kit.factory)
    with reverts_with("fund: not factory"):
        desk.fund.hand_over(pair.new, *NONE, sender=pair.factory)


def test_hand_over__payouts_paused__is_refused(pair: Pair) -> None:
    """Stakers whose exits are held can't leave before it."""
    pair.announced()
    pair.old.pause_payouts(DAY, sender=pair.desk.actors.guardian)
    with reverts_with("fund: payouts paused"):
        pair.hand_over()


def test_hand_over__setup_not_finished__is_refused(pair: Pair, create: Callable[..., Any]) -> None:
    early = create(U, opened=False)
    with reverts_with("fund: setup not finished"):
        early.hand_over(pair.new, *NONE, sender=pair.factory)
    with reverts_with("fund: setup not finished"):
        early.adopt(pair.old, (0, 0, ZERO, 0, 0, 0), sender=pair.factory)


def test_adopt__tokens_that_did_not_come__are_refused(pair: Pair) -> None:
    """M6, I1: the tokens are looked for, whatever the factory says."""
    pair.announced()
    handed, _ = pair.hand_over()
    with reverts_with("fund: received less"):
        pair.new.adopt(pair.old, (handed[0] + 1, *handed[1:]), sender=pair.factory)
    pair.new.adopt(pair.old, handed, sender=pair.factory)
    reserve = pair.new.reserve()
    pair.new.adopt(pair.old, (*handed[:2], *NONE, 0, 0), sender=pair.factory)
    assert pair.new.reserve() == reserve  # the first call alone brings any


def test_closed_fund__takes_nothing_more_and_pays_nothing(pair: Pair, desk: Desk) -> None:
    pair.announced()
    pair.merge()
    old, venue, actors = pair.old, desk.venue, desk.actors
    desk.kit.provide(actors.contributor, old, U)
    for function, arguments, sender in (
        ("contribute", (U,), actors.contributor),
        ("contribute_with_permit", (U, 0, 0, b"", b""), actors.contributor),
        ("skim", (actors.contributor,), actors.contributor),
        ("settle_liquidation", (OTHER, 1_000), venue),
        ("settle_liquidations", ([(OTHER, 1_000)],), venue),
        ("settle_fees", (OTHER, 10), venue),
        ("cover_shortfall", (OTHER, 10), venue),
        ("record_bad_debt", (OTHER, 10), venue),
        ("repay_bad_debt", (OTHER, 1), venue),
        ("withdraw_excess", (1,), actors.treasurer),
        ("pause_payouts", (1,), actors.guardian),
        ("resume_payouts", (), actors.guardian),
        ("suspend_layer", (0, 1), actors.guardian),
        ("resume_layer", (0,), actors.guardian),
        ("register_market", (venue, 9, True), desk.governance),
        ("replace_venue", (venue, OTHER, desk.asset), desk.governance),
        ("set_max_insurance", (venue, OTHER, 0), desk.governance),
        ("set_threshold", (2 * THRESHOLDS[0],), desk.governance),
        ("set_split", (0, 0), desk.governance),
        ("set_window", (1, DAY), desk.governance),
        ("set_layers", (ZERO, ZERO, 0), desk.governance),
        ("adopt", (pair.new, (0, 0, ZERO, 0, 0, 0)), pair.factory),
    ):
        with reverts_with("fund: closed"):
            getattr(old, function)(*arguments, sender=sender)
    with reverts_with("fund: setup finished"):
        old.finish_setup(sender=actors.deployer)
    assert old.total_contributions() == GIVEN


def test_closed_fund__market_that_owes_nothing__can_still_be_released(pair: Pair, desk: Desk) -> None:
    pair.announced()
    pair.merge()
    pair.old.release_market(LENDING, sender=desk.venue)
    assert not pair.old.market(desk.venue, LENDING).registered
    with reverts_with("fund: unknown market"):
        pair.hand_over(address_of(desk.venue), LENDING)


def test_closed_fund__donation_to_the_successor_meanwhile__is_a_donation(pair: Pair, desk: Desk) -> None:
    """Between the halves nobody can book the reserve as his own without the merger being undone."""
    pair.announced()
    handed, _ = pair.hand_over()
    pair.new.skim(desk.actors.outsider, sender=desk.actors.outsider)
    with reverts_with("fund: received less"):
        pair.new.adopt(pair.old, handed, sender=pair.factory)
