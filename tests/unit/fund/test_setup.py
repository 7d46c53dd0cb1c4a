"""Construction, the deployer's time, and who is who afterwards (M9, M16, M36, T39)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.deployment import ROLES
from kana_insurance.testing import DAY, reverts_with
from tests.unit.fund.desk import MAX_AMOUNT, NOT_OPEN, THRESHOLD, ZERO, Desk

NAMES = (
    "asset",
    "notices",
    "factory",
    "governance",
    "treasurer",
    "guardian",
    "deployer",
    "treasury",
    "threshold",
    "liquidator_bps",
    "fund_bps",
)
Create = Callable[..., Any]


@pytest.fixture
def create(desk: Desk) -> Create:
    """Creates a fund whose setup isn't finished; the creator is an outsider, named nowhere."""
    actors = desk.actors
    plain = (
        desk.asset,
        desk.notices,
        ZERO,
        desk.kit.timelock,
        actors.treasurer,
        actors.guardian,
        actors.deployer,
        actors.treasury,
        THRESHOLD,
        3_000,
        2_000,
    )

    def build(**overrides: Any) -> Any:
        values = {**dict(zip(NAMES, plain, strict=True)), **overrides}
        return desk.kit.backend.deploy("InsuranceFund", *values.values(), sender=actors.outsider)

    return build


def test_constructor__plain__starts_closed_and_empty(desk: Desk, create: Create) -> None:
    fund = create()
    assert (fund.asset(), fund.treasury()) == (address_of(desk.asset), address_of(desk.actors.treasury))
    assert fund.governance() == address_of(desk.kit.timelock)
    assert (fund.notices(), fund.factory(), fund.successor()) == (address_of(desk.notices), ZERO, ZERO)
    assert (fund.reserve(), fund.threshold(), fund.room(), fund.excess()) == (0, THRESHOLD, THRESHOLD, 0)
    assert tuple(fund.split_bps()) == (3_000, 2_000)
    assert tuple(fund.window()) == (0, DAY, 0, 0, MAX_AMOUNT)
    assert (fund.setup_finished(), fund.payouts_paused(), fund.payouts_resume_at()) == (False, True, NOT_OPEN)
    assert (fund.total_contributions(), fund.total_bad_debt()) == (0, 0)


def test_constructor__creator__gets_no_role(desk: Desk, create: Create) -> None:
    """Roles go to the addresses named, never to whoever sends: a factory will."""
    fund, creator = create(), desk.actors.outsider
    holders = {
        "DEFAULT_ADMIN_ROLE": desk.kit.timelock,
        "TREASURER": desk.actors.treasurer,
        "GUARDIAN": desk.actors.guardian,
        "DEPLOYER": desk.actors.deployer,
    }
    for name, role in ROLES.items():
        assert fund.hasRole(role, holders[name])
        assert not fund.hasRole(role, creator)
        assert fund.members(role) == 1
        assert fund.getRoleAdmin(role) == ROLES["DEFAULT_ADMIN_ROLE"]


def test_constructor__events__rebuild_the_parameters(desk: Desk, create: Create) -> None:
    fund = create()
    receipt = fund.creation_metadata.receipt
    events = {event.event_name: event.event_arguments for event in receipt.events}
    assert events["GovernanceTransferred"] == {"old": ZERO, "new": address_of(desk.kit.timelock)}
    assert events["ThresholdSet"] == {"old": 0, "new": THRESHOLD}
    assert events["SplitSet"] == {
        "old_liquidator_bps": 0,
        "old_fund_bps": 0,
        "liquidator_bps": 3_000,
        "fund_bps": 2_000,
    }
    assert "WindowSet" not in events  # it is off, whatever its length


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"treasury": ZERO}, "fund: zero address"),
        ({"notices": ZERO}, "fund: notices without code"),
        ({"treasurer": ZERO}, "roles: zero address"),
        ({"guardian": ZERO}, "roles: zero address"),
        ({"deployer": ZERO}, "roles: zero address"),
        ({"governance": ZERO}, "roles: governor without code"),
        ({"asset": ZERO}, "fund: asset without code"),
        ({"threshold": 0}, "fund: zero threshold"),
        ({"threshold": MAX_AMOUNT + 1}, "fund: amount too large"),
        ({"liquidator_bps": 5_001}, "fund: split out of bounds"),
        ({"fund_bps": 3_001}, "fund: split out of bounds"),
    ],
)
def test_constructor__bad_argument__is_refused(create: Create, overrides: dict[str, Any], reason: str) -> None:
    with reverts_with(reason):
        create(**overrides)


@pytest.mark.parametrize("decimals", [5, 6, 18, 19])
def test_constructor__decimals__six_to_eighteen(desk: Desk, create: Create, decimals: int) -> None:
    """M16, T25."""
    token = desk.kit.backend.deploy("QuirkyToken", decimals, sender=desk.actors.outsider)
    if 6 <= decimals <= 18:
        assert create(asset=token).asset() == address_of(token)
    else:
        with reverts_with("fund: bad decimals"):
            create(asset=token)


def test_constructor__governor_that_could_hurry__is_refused(desk: Desk, create: Create) -> None:
    """M9, T30: the floor of its delay counts, not the delay."""
    proposer = address_of(desk.actors.proposer)
    hasty = desk.kit.backend.deploy(
        "Timelock", 2 * DAY - 1, 30 * DAY, [proposer], [proposer], sender=desk.actors.outsider
    )
    with reverts_with("roles: governor delay too short"):
        create(governance=hasty)


# ------------------------------------------------------------ before the finish


def test_before_finish__no_money_is_accepted(desk: Desk, create: Create) -> None:
    """M9."""
    fund, actors, venue = create(), desk.actors, desk.venue
    fund.register_market(venue, 0, True, sender=actors.deployer)
    desk.kit.provide(actors.contributor, fund, 10)
    desk.kit.mint(fund, 10)
    for function, arguments, sender in (
        ("contribute", (10,), actors.contributor),
        ("contribute_with_permit", (10, 0, 0, b"", b""), actors.contributor),
        ("skim", (actors.contributor,), actors.contributor),
        ("settle_liquidation", (0, 1_000), venue),
        ("settle_liquidations", ([(0, 1_000)],), venue),
        ("settle_fees", (0, 10), venue),
        ("cover_shortfall", (0, 10), venue),
        ("record_bad_debt", (0, 10), venue),
        ("repay_bad_debt", (0, 10), venue),
        ("withdraw_excess", (1,), actors.treasurer),
        ("pause_payouts", (1,), actors.guardian),
        ("resume_payouts", (), actors.guardian),
    ):
        with reverts_with("fund: setup not finished"):
            getattr(fund, function)(*arguments, sender=sender)
    with reverts_with("notices: setup not finished"):
        desk.notices.announce(fund, desk.kit.encode(fund, "set_threshold", 1), sender=desk.governance)
    assert (fund.reserve(), desk.asset.balanceOf(fund)) == (0, 10)
    assert fund.coverage(venue, 0) == 0


def test_before_finish__deployer_or_governance__wires_without_notice(desk: Desk, create: Create) -> None:
    fund = create()
    for number, account in enumerate((desk.actors.deployer, desk.governance)):
        fund.register_market(desk.venue, number, True, sender=account)
        fund.set_max_insurance(desk.venue, number, 5, sender=account)
        fund.set_threshold(THRESHOLD - 1 - number, sender=account)
        fund.set_window(5, DAY, sender=account)
        fund.set_window(0, DAY, sender=account)
        assert fund.market(desk.venue, number).max_insurance == 5
    with reverts_with("fund: not governance"):
        fund.set_threshold(1, sender=desk.actors.outsider)


def test_finish_setup__opens_and_ends_the_deployer(desk: Desk, create: Create) -> None:
    """T39."""
    fund, deployer = create(), desk.actors.deployer
    with reverts_with("fund: not deployer"):
        fund.finish_setup(sender=desk.governance)
    receipt = fund.finish_setup(sender=deployer)
    assert [event.event_name for event in receipt.events] == ["RoleRevoked", "SetupFinished"]
    assert (fund.setup_finished(), fund.payouts_paused(), fund.payouts_resume_at()) == (True, False, 0)
    for role in ROLES.values():
        assert not fund.hasRole(role, deployer)
    assert fund.members(ROLES["DEPLOYER"]) == 0
    with reverts_with("fund: setup finished"):
        fund.finish_setup(sender=deployer)
    with reverts_with("fund: not governance"):
        fund.set_threshold(THRESHOLD + 1, sender=deployer)


# -------------------------------------------------------------------- roles


def test_grant_and_revoke__governance__any_number_of_treasurers(desk: Desk) -> None:
    """M36: the treasurer may be several addresses."""
    fund, role, outsider = desk.fund, ROLES["TREASURER"], desk.actors.outsider
    desk.fill(THRESHOLD + 5)
    receipt = fund.grantRole(role, outsider, sender=desk.governance)
    sender = desk.governance.address
    assert desk.events(receipt) == [("RoleGranted", {"role": role, "account": outsider, "sender": sender})]
    assert fund.members(role) == 2
    fund.grantRole(role, outsider, sender=desk.governance)
    assert fund.members(role) == 2
    fund.withdraw_excess(1, sender=outsider)
    receipt = fund.revokeRole(role, outsider, sender=desk.governance)
    assert desk.events(receipt) == [("RoleRevoked", {"role": role, "account": outsider, "sender": sender})]
    fund.revokeRole(role, outsider, sender=desk.governance)
    assert fund.members(role) == 1
    with reverts_with("fund: not treasurer"):
        fund.withdraw_excess(1, sender=outsider)


def test_revoke__last_holder__governance_may(desk: Desk) -> None:
    """It can grant the role anew; only renouncing into nothing is refused."""
    desk.fund.revokeRole(ROLES["GUARDIAN"], desk.actors.guardian, sender=desk.governance)
    assert desk.fund.members(ROLES["GUARDIAN"]) == 0
    desk.fund.grantRole(ROLES["GUARDIAN"], desk.actors.outsider, sender=desk.governance)
    desk.fund.pause_payouts(1, sender=desk.actors.outsider)


@pytest.mark.parametrize("function", ["grantRole", "revokeRole"])
def test_grant_and_revoke__bad_input__is_refused(desk: Desk, function: str) -> None:
    change, outsider = getattr(desk.fund, function), desk.actors.outsider
    for account in (desk.actors.treasurer, desk.actors.guardian, desk.actors.deployer, outsider):
        with reverts_with("fund: not governance"):
            change(ROLES["TREASURER"], outsider, sender=account)
    with reverts_with("roles: use set_governance"):
        change(ROLES["DEFAULT_ADMIN_ROLE"], outsider, sender=desk.governance)
    with reverts_with("roles: deployer is fixed"):
        change(ROLES["DEPLOYER"], outsider, sender=desk.governance)


def test_grant__zero_address__is_refused(desk: Desk) -> None:
    with reverts_with("roles: zero address"):
        desk.fund.grantRole(ROLES["TREASURER"], ZERO, sender=desk.governance)


def test_renounce__one_of_two__leaves_the_other(desk: Desk) -> None:
    fund, role, outsider = desk.fund, ROLES["GUARDIAN"], desk.actors.outsider
    fund.grantRole(role, outsider, sender=desk.governance)
    receipt = fund.renounceRole(role, outsider, sender=outsider)
    assert desk.events(receipt) == [("RoleRevoked", {"role": role, "account": outsider, "sender": outsider})]
    assert (fund.hasRole(role, outsider), fund.members(role)) == (False, 1)
    # Who isn't a member renounces nothing.
    assert desk.events(fund.renounceRole(role, outsider, sender=outsider)) == []


def test_renounce__into_nothing__is_refused(desk: Desk) -> None:
    """M36."""
    guardian = desk.actors.guardian
    with reverts_with("roles: last holder"):
        desk.fund.renounceRole(ROLES["GUARDIAN"], guardian, sender=guardian)
    with reverts_with("roles: only for oneself"):
        desk.fund.renounceRole(ROLES["GUARDIAN"], guardian, sender=desk.actors.outsider)
    with reverts_with("roles: use set_governance"):
        desk.fund.renounceRole(ROLES["DEFAULT_ADMIN_ROLE"], desk.governance, sender=desk.governance)


def test_renounce__deployer_in_the_setup__is_refused(desk: Desk, create: Create) -> None:
    deployer = desk.actors.deployer
    with reverts_with("roles: deployer is fixed"):
        create().renounceRole(ROLES["DEPLOYER"], deployer, sender=deployer)


def test_set_governance__to_another_timelock__in_one_step(desk: Desk) -> None:
    proposer, old = address_of(desk.actors.proposer), desk.governance.address
    new = desk.kit.backend.deploy("Timelock", 2 * DAY, 2 * DAY, [proposer], [proposer], sender=desk.actors.deployer)
    receipt = desk.fund.set_governance(new, sender=desk.governance)
    events = desk.events(receipt)
    assert [name for name, _ in events] == ["RoleRevoked", "RoleGranted", "GovernanceTransferred"]
    assert events[-1][1] == {"old": old, "new": address_of(new)}
    assert desk.fund.governance() == address_of(new)
    admin = ROLES["DEFAULT_ADMIN_ROLE"]
    assert (desk.fund.hasRole(admin, old), desk.fund.hasRole(admin, new), desk.fund.members(admin)) == (False, True, 1)
    with reverts_with("fund: not governance"):
        desk.fund.set_threshold(THRESHOLD + 1, sender=desk.governance)
    desk.fund.set_threshold(THRESHOLD + 1, sender=desk.kit.impersonate(new))


def test_set_governance__bad_governor__is_refused(desk: Desk) -> None:
    """T30: nobody's key, and no timelock that could be made to hurry, governs."""
    proposer = address_of(desk.actors.proposer)
    hasty = desk.kit.backend.deploy("Timelock", DAY, 2 * DAY, [proposer], [proposer], sender=desk.actors.deployer)
    with reverts_with("roles: governor delay too short"):
        desk.fund.set_governance(hasty, sender=desk.governance)
    with reverts_with("roles: governor without code"):
        desk.fund.set_governance(desk.actors.outsider, sender=desk.governance)
    with reverts_with("fund: not governance"):
        desk.fund.set_governance(desk.kit.timelock, sender=desk.actors.deployer)


def test_supports_interface__erc165_and_access_control(desk: Desk) -> None:
    answers = {"0x01ffc9a7": True, "0x7965db0b": True, "0xffffffff": False}
    assert {name: desk.fund.supportsInterface(name) for name in answers} == answers
