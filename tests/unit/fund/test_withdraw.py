"""What admins can take out: the excess to the treasury, other tokens, nothing else (M8, M38, T31)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.testing import U, reverts_with
from tests.unit.fund.desk import MAX_WORD, THRESHOLD, Desk


def test_withdraw_excess__all_of_it__goes_to_the_treasury(desk: Desk) -> None:
    desk.fill(THRESHOLD + 90 * U)
    with desk.changes(reserve=-90 * U, tokens=-90 * U, treasury=90 * U):
        receipt = desk.fund.withdraw_excess(90 * U, sender=desk.actors.treasurer)
    assert desk.events(receipt) == [
        ("ExcessWithdrawn", {"treasurer": desk.actors.treasurer, "amount": 90 * U, "reserve": THRESHOLD})
    ]
    assert desk.fund.excess() == 0


def test_withdraw_excess__part__leaves_the_rest(desk: Desk) -> None:
    desk.fill(THRESHOLD + 90)
    with desk.changes(reserve=-1, tokens=-1, treasury=1):
        desk.fund.withdraw_excess(1, sender=desk.actors.treasurer)
    assert desk.fund.excess() == 89


def test_withdraw_excess__without_the_role__is_refused(desk: Desk) -> None:
    """T31, M36: governance and guardian can't either."""
    desk.fill(THRESHOLD + 90)
    for account in (desk.actors.outsider, desk.actors.guardian, desk.governance, desk.actors.treasury):
        with desk.changes(), reverts_with("fund: not treasurer"):
            desk.fund.withdraw_excess(1, sender=account)


def test_withdraw_excess__while_paused__is_refused(desk: Desk) -> None:
    """T31."""
    desk.fill(THRESHOLD + 90)
    desk.fund.pause_payouts(60, sender=desk.actors.guardian)
    with desk.changes(), reverts_with("fund: payouts paused"):
        desk.fund.withdraw_excess(1, sender=desk.actors.treasurer)


@pytest.mark.parametrize("reserve", [0, THRESHOLD - 1, THRESHOLD])
def test_withdraw_excess__at_or_below_the_threshold__is_refused(desk: Desk, reserve: int) -> None:
    """T31: at the threshold there is nothing, one unit above it there is one."""
    if reserve:
        desk.fill(reserve)
    with desk.changes(), reverts_with("fund: below threshold"):
        desk.fund.withdraw_excess(1, sender=desk.actors.treasurer)


@pytest.mark.parametrize("amount", [91, 90 + THRESHOLD, MAX_WORD])
def test_withdraw_excess__above_the_excess__is_refused(desk: Desk, amount: int) -> None:
    """T31."""
    desk.fill(THRESHOLD + 90)
    with desk.changes(), reverts_with("fund: above excess"):
        desk.fund.withdraw_excess(amount, sender=desk.actors.treasurer)


def test_withdraw_excess__bad_debt_is_kept_back(desk: Desk) -> None:
    """T31, T35, I4."""
    desk.fill(THRESHOLD + 90)
    desk.owe(60)
    with desk.changes(), reverts_with("fund: above excess"):
        desk.fund.withdraw_excess(31, sender=desk.actors.treasurer)
    with desk.changes(reserve=-30, tokens=-30, treasury=30):
        desk.fund.withdraw_excess(30, sender=desk.actors.treasurer)
    with desk.changes(), reverts_with("fund: below threshold"):
        desk.fund.withdraw_excess(1, sender=desk.actors.treasurer)


def test_withdraw_excess__zero__is_refused(desk: Desk) -> None:
    desk.fill(THRESHOLD + 90)
    with desk.changes(), reverts_with("fund: zero amount"):
        desk.fund.withdraw_excess(0, sender=desk.actors.treasurer)


def test_withdraw_excess__names_no_receiver(desk: Desk) -> None:
    """T31: the treasury is fixed; nothing in the ABI redirects it."""
    abi = desk.fund.contract_type.mutable_methods
    (withdrawal,) = [entry for entry in abi if entry.name == "withdraw_excess"]
    assert [(part.name, part.type) for part in withdrawal.inputs] == [("amount", "uint256")]
    assert not [entry.name for entry in abi if "treasury" in entry.name]


def test_withdraw_excess__lowered_threshold_under_notice__counts_the_old_one(desk: Desk) -> None:
    """M8, T30."""
    desk.fill(THRESHOLD + 5)
    desk.announce("set_threshold", 1)
    with desk.changes(), reverts_with("fund: above excess"):
        desk.fund.withdraw_excess(6, sender=desk.actors.treasurer)


def test_withdraw_excess__token_that_returns_false__is_refused(desk: Desk, deploy_fund: Any) -> None:
    token = desk.kit.backend.deploy("QuirkyToken", 6, sender=desk.actors.deployer)
    odd, giver = Desk(deploy_fund(asset=address_of(token), threshold=10)), desk.actors.contributor
    token.mint(giver, 100, sender=giver)
    token.approve(odd.fund, 100, sender=giver)
    odd.fund.contribute(100, sender=giver)
    token.set_quirks(1, sender=giver)
    with odd.changes(), reverts_with("fund: transfer failed"):
        odd.fund.withdraw_excess(1, sender=odd.actors.treasurer)
    with odd.changes(), reverts_with("fund: transfer failed"):
        odd.cover(1)


# ------------------------------------------------------------------- rescue


@pytest.fixture
def stray(desk: Desk) -> Any:
    """Another token of which 50 units lie in the fund."""
    token = desk.kit.backend.deploy("QuirkyToken", 18, sender=desk.actors.deployer)
    token.mint(desk.fund, 50, sender=desk.actors.outsider)
    return token


def test_rescue__other_token__goes_to_the_treasury(desk: Desk, stray: Any) -> None:
    """M38, T36."""
    with desk.changes():
        receipt = desk.fund.rescue(stray, 50, sender=desk.governance)
    assert desk.events(receipt) == [("Rescued", {"token": address_of(stray), "amount": 50})]
    assert (stray.balanceOf(desk.fund), stray.balanceOf(desk.actors.treasury)) == (0, 50)


def test_rescue__wider_than_112_bits__is_fine(desk: Desk, stray: Any) -> None:
    stray.mint(desk.fund, 2**200, sender=desk.actors.outsider)
    desk.fund.rescue(stray, 2**200, sender=desk.governance)
    assert stray.balanceOf(desk.actors.treasury) == 2**200


def test_rescue__the_asset__is_refused(desk: Desk) -> None:
    """M38: donations included."""
    desk.kit.mint(desk.fund, 50)
    with desk.changes(), reverts_with("fund: asset not rescuable"):
        desk.fund.rescue(desk.asset, 50, sender=desk.governance)


def test_rescue__bad_input__is_refused(desk: Desk, stray: Any) -> None:
    with reverts_with("fund: zero amount"):
        desk.fund.rescue(stray, 0, sender=desk.governance)
    with reverts_with("fund: not governance"):
        desk.fund.rescue(stray, 1, sender=desk.actors.treasurer)
    stray.set_quirks(1, sender=desk.actors.outsider)
    with reverts_with("fund: transfer failed"):
        desk.fund.rescue(stray, 1, sender=desk.governance)


def test_fund__refuses_ether(desk: Desk) -> None:
    """M38, T71: no function is payable, and there is no default function."""
    outsider = desk.actors.outsider
    assert desk.sends_ether(b"") is None
    assert desk.sends_ether(desk.kit.encode(desk.fund, "skim", outsider)) is None
    assert not [entry.name for entry in desk.fund.contract_type.methods if entry.is_payable]
