"""Money that is given: contributions, permits, donations (M6, M7, T32, T36)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance import orders
from kana_insurance.backends import address_of
from kana_insurance.testing import U, reverts_with
from tests.unit.fund.desk import MAX_AMOUNT, MAX_WORD, THRESHOLD, ZERO, Desk

FOREVER = 2**40


def permit(desk: Desk, owner: Any, amount: int, deadline: int = FOREVER) -> tuple[int, bytes, bytes]:
    """The owner's permit of `amount` to the fund, split."""
    data = orders.permit_data(
        address_of(desk.asset),
        "Kana USDT",
        "1",
        desk.kit.backend.chain_id(),
        address_of(owner),
        address_of(desk.fund),
        amount,
        desk.asset.nonces(owner),
        deadline,
    )
    return orders.split_signature(orders.sign_typed(data, owner))


def test_contribute__first__books_and_pulls(desk: Desk) -> None:
    contributor = desk.actors.contributor
    desk.kit.provide(contributor, desk.fund, 70 * U)
    with desk.changes(reserve=70 * U, contributions=70 * U, by_contributor=70 * U, tokens=70 * U, contributor=-70 * U):
        receipt = desk.fund.contribute(70 * U, sender=contributor)
    assert desk.events(receipt) == [
        ("Contributed", {"contributor": contributor, "amount": 70 * U, "contributed": 70 * U, "reserve": 70 * U})
    ]


def test_contribute__again__adds_up(desk: Desk) -> None:
    contributor = desk.actors.contributor
    desk.fill(5 * U)
    desk.kit.contribute(contributor, 1)
    receipt = desk.kit.contribute(contributor, 2)
    assert desk.events(receipt) == [
        ("Contributed", {"contributor": contributor, "amount": 2, "contributed": 3, "reserve": 5 * U + 3})
    ]
    assert desk.fund.contributions(contributor) == 3
    assert desk.fund.total_contributions() == 5 * U + 3


def test_contribute__for_another__is_recorded_for_that_one(desk: Desk) -> None:
    contributor, other = desk.actors.contributor, desk.actors.outsider
    desk.kit.provide(contributor, desk.fund, 9)
    with desk.changes(reserve=9, contributions=9, by_outsider=9, tokens=9, contributor=-9):
        receipt = desk.fund.contribute(9, other, sender=contributor)
    assert desk.events(receipt)[0][1]["contributor"] == other


def test_contribute__above_the_threshold__is_accepted(desk: Desk) -> None:
    desk.fill(THRESHOLD)
    contributor = desk.actors.contributor
    desk.kit.provide(contributor, desk.fund, 3 * U)
    with desk.changes(reserve=3 * U, contributions=3 * U, by_contributor=3 * U, tokens=3 * U, contributor=-3 * U):
        desk.fund.contribute(3 * U, sender=contributor)
    assert desk.fund.excess() == 3 * U


@pytest.mark.parametrize(
    ("amount", "to_nobody", "reason"),
    [
        (0, False, "fund: zero amount"),
        (MAX_AMOUNT + 1, False, "fund: amount too large"),
        (MAX_WORD, False, "fund: amount too large"),
        (1, True, "fund: zero address"),
    ],
)
def test_contribute__bad_input__is_refused(desk: Desk, amount: int, to_nobody: bool, reason: str) -> None:
    contributor = desk.actors.contributor
    desk.kit.provide(contributor, desk.fund, 10)
    with desk.changes(), reverts_with(reason):
        desk.fund.contribute(amount, ZERO if to_nobody else contributor, sender=contributor)


def test_contribute__without_allowance__is_refused(desk: Desk) -> None:
    desk.kit.mint(desk.actors.contributor, 10)
    with desk.changes(), reverts_with("erc20: insufficient allowance"):
        desk.fund.contribute(10, sender=desk.actors.contributor)


def test_contribute__to_the_widest_reserve__fills_112_bits_and_no_more(desk: Desk, deploy_fund: Any) -> None:
    """T72: the bound itself is reached, one unit more is refused."""
    token = desk.kit.backend.deploy("QuirkyToken", 18, sender=desk.actors.deployer)
    giver = desk.actors.contributor
    fund = Desk(deploy_fund(asset=address_of(token))).fund
    token.mint(giver, MAX_WORD, sender=giver)
    token.approve(fund, MAX_WORD, sender=giver)
    fund.contribute(MAX_AMOUNT, sender=giver)
    assert (fund.reserve(), fund.total_contributions(), fund.payouts_resume_at()) == (MAX_AMOUNT, MAX_AMOUNT, 0)
    with reverts_with("fund: amount too large"):
        fund.contribute(1, sender=giver)


# ------------------------------------------------------------------ permits


def test_contribute_with_permit__valid__needs_no_approval(desk: Desk) -> None:
    contributor = desk.actors.contributor
    desk.kit.mint(contributor, 40 * U)
    signature = permit(desk, contributor, 40 * U)
    with desk.changes(reserve=40 * U, contributions=40 * U, by_contributor=40 * U, tokens=40 * U, contributor=-40 * U):
        receipt = desk.fund.contribute_with_permit(40 * U, FOREVER, *signature, sender=contributor)
    assert [name for name, _ in desk.events(receipt)] == ["Contributed"]
    assert desk.asset.nonces(contributor) == 1


def test_contribute_with_permit__used_by_someone_else_first__still_contributes(desk: Desk) -> None:
    """M7: whoever submits the permit ahead of its owner achieves nothing."""
    contributor = desk.actors.contributor
    desk.kit.mint(contributor, 40 * U)
    signature = permit(desk, contributor, 40 * U)
    desk.asset.permit(contributor, desk.fund, 40 * U, FOREVER, *signature, sender=desk.actors.outsider)
    with desk.changes(reserve=40 * U, contributions=40 * U, by_contributor=40 * U, tokens=40 * U, contributor=-40 * U):
        desk.fund.contribute_with_permit(40 * U, FOREVER, *signature, sender=contributor)


def test_contribute_with_permit__of_another_account__is_refused(desk: Desk) -> None:
    contributor = desk.actors.contributor
    desk.kit.mint(contributor, 40 * U)
    signature = permit(desk, contributor, 40 * U)
    with desk.changes(), reverts_with("erc20: invalid signature"):
        desk.fund.contribute_with_permit(40 * U, FOREVER, *signature, sender=desk.actors.outsider)


def test_contribute_with_permit__expired__is_refused(desk: Desk) -> None:
    contributor = desk.actors.contributor
    desk.kit.mint(contributor, 40 * U)
    deadline = desk.kit.now() - 1
    signature = permit(desk, contributor, 40 * U, deadline)
    with desk.changes(), reverts_with("erc20: expired deadline"):
        desk.fund.contribute_with_permit(40 * U, deadline, *signature, sender=contributor)


def test_contribute_with_permit__zero__is_refused(desk: Desk) -> None:
    with desk.changes(), reverts_with("fund: zero amount"):
        desk.fund.contribute_with_permit(0, 0, 0, b"", b"", sender=desk.actors.contributor)


# ---------------------------------------------------------------- donations


def test_skim__after_a_donation__books_it_for_the_account_named(desk: Desk) -> None:
    """M6: a plain transfer changes nothing until anyone books it."""
    contributor = desk.actors.contributor
    desk.kit.mint(contributor, 8 * U)
    with desk.changes(tokens=8 * U, contributor=-8 * U):
        desk.asset.transfer(desk.fund, 8 * U, sender=contributor)
    assert desk.fund.skim.call(contributor, sender=desk.actors.outsider) == 8 * U
    with desk.changes(reserve=8 * U, contributions=8 * U, by_contributor=8 * U):
        receipt = desk.fund.skim(contributor, sender=desk.actors.outsider)
    assert desk.events(receipt) == [
        ("Contributed", {"contributor": contributor, "amount": 8 * U, "contributed": 8 * U, "reserve": 8 * U})
    ]


def test_skim__nothing_there__is_refused(desk: Desk) -> None:
    desk.fill(5 * U)
    with desk.changes(), reverts_with("fund: nothing to skim"):
        desk.fund.skim(desk.actors.contributor, sender=desk.actors.outsider)


def test_skim__for_nobody__is_refused(desk: Desk) -> None:
    desk.kit.mint(desk.fund, 1)
    with desk.changes(), reverts_with("fund: zero address"):
        desk.fund.skim(ZERO, sender=desk.actors.outsider)


def test_donation__no_operation_sees_it(desk: Desk) -> None:
    """T36: split, cover and excess go by the books."""
    desk.kit.mint(desk.fund, 5 * THRESHOLD)
    assert (desk.fund.reserve(), desk.fund.excess(), desk.fund.room()) == (0, 0, THRESHOLD)
    assert desk.fund.coverage(desk.venue, 0) == 0
    with desk.changes():
        desk.cover(U)
    with desk.changes(reserve=200, tokens=200, venue=-200):
        desk.settle(1_000)


# ------------------------------------------------------------ quirky tokens


@pytest.mark.parametrize(
    ("quirks", "reason"),
    [(1, "fund: transfer failed"), (2, "quirky: transfers revert"), (4, "fund: received less")],
)
def test_contribute__token_that_does_not_deliver__is_refused(
    desk: Desk, deploy_fund: Any, quirks: int, reason: str
) -> None:
    """T32: what is booked was received."""
    token = desk.kit.backend.deploy("QuirkyToken", 8, sender=desk.actors.deployer)
    fund, giver = deploy_fund(asset=address_of(token)).fund, desk.actors.contributor
    token.mint(giver, 10**10, sender=giver)
    token.approve(fund, 10**10, sender=giver)
    # A surplus from an earlier donation must not make up for what is missing.
    token.mint(fund, 10**10, sender=giver)
    token.set_quirks(quirks, sender=giver)
    with reverts_with(reason):
        fund.contribute(10**9, sender=giver)
    token.set_quirks(0, sender=giver)
    fund.contribute(10**9, sender=giver)
    assert fund.reserve() == fund.contributions(giver) == 10**9


def test_contribute__token_that_returns_nothing__is_accepted(desk: Desk, deploy_fund: Any) -> None:
    """M38, T32: the oldest stablecoins work, in and out."""
    token = desk.kit.backend.deploy("NoReturnToken", 6, sender=desk.actors.deployer)
    kit, giver = deploy_fund(asset=address_of(token)), desk.actors.contributor
    token.mint(giver, 50 * U, sender=giver)
    token.approve(kit.fund, 50 * U, sender=giver)
    kit.fund.contribute(50 * U, sender=giver)
    kit.fund.cover_shortfall(0, 20 * U, sender=kit.venue)
    assert token.balanceOf(kit.venue) == 20 * U
    assert token.balanceOf(kit.fund) == kit.fund.reserve() == 30 * U
