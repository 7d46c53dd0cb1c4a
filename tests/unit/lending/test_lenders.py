"""Lenders of a pool: deposits, withdrawals, their bounds and roundings, shares (M32, M33, M38)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.testing import U, logs, reverts_with
from tests.utils.lending import (
    ETH,
    ETHER,
    FOREVER,
    MAX_AMOUNT,
    SHARE,
    ZERO,
    Lending,
    joined,
    paid,
)

MAX_SHARES = 2**136 - 1


def lent(name: str, amount: int, shares: int, payer: str = "") -> dict[str, int]:
    """What a deposit changes; a withdrawal the other way round."""
    return joined(
        {"cash": amount, "assets": amount, "supply": shares, f"shares of {name}": shares},
        paid(payer or name, "pool", amount),
    )


def fall(lending: Lending) -> None:
    """Cost the lenders a tenth: 1,000 U lent, 908 owed for collateral of 840 U, of which 808 are repaid."""
    lending.lend(lending.ann, 1_000 * U)
    lending.open(lending.borrower, ETHER, 908 * U)
    lending.price(840 * 10**8)
    lending.liquidate(lending.borrower)
    assert lending.pool.totalAssets() == 900 * U


# -------------------------------------------------------------------- deposits


def test_deposit__first__a_million_shares_a_unit(lending: Lending) -> None:
    pool, ann = lending.pool, lending.ann
    with lending.moves(lent("ann", 1_000 * U, 1_000 * U * SHARE)):
        receipt = lending.lend(ann, 1_000 * U)
    assert receipt.return_value == 1_000 * U * SHARE
    me = address_of(ann)
    assert logs(receipt, pool) == [
        ("Transfer", {"sender": ZERO, "receiver": me, "value": 1_000 * U * SHARE}),
        ("Deposit", {"sender": me, "owner": me, "assets": 1_000 * U, "shares": 1_000 * U * SHARE}),
    ]
    assert (pool.totalAssets(), lending.worth(ann)) == (1_000 * U, 1_000 * U)


def test_deposit__for_another_after_a_loss__rounds_shares_down(lending: Lending) -> None:
    fall(lending)
    pool = lending.pool
    # 7 * (10**15 + 10**6) // (900 * 10**6 + 1)
    with lending.moves(lent("bob", 7, 7_777_777, payer="cid")):
        receipt = pool.deposit(7, lending.bob, sender=lending.cid)
    assert receipt.return_value == 7_777_777
    event = dict(logs(receipt, pool))["Deposit"]
    assert (event["sender"], event["owner"]) == (address_of(lending.cid), address_of(lending.bob))


def test_mint__after_a_loss__rounds_assets_up(lending: Lending) -> None:
    fall(lending)
    for shares, cost in ((1, 1), (1_111_110, 1), (1_111_112, 2), (10**12, 900_001)):
        assert lending.pool.previewMint(shares) == cost
        with lending.moves(lent("bob", cost, shares)):
            assert lending.pool.mint(shares, lending.bob, sender=lending.bob).return_value == cost


@pytest.mark.parametrize("function", ["deposit", "mint"])
def test_deposit__refused__in_this_order(lending: Lending, function: str) -> None:
    pool, ann = lending.pool, lending.ann
    call = getattr(pool, function)
    width = MAX_AMOUNT if function == "deposit" else MAX_SHARES
    for amount, receiver, reason in (
        (0, ZERO, "pool: zero amount"),
        (width + 1, ZERO, "pool: zero address"),
        (width + 1, ann, "pool: amount too large"),
        (2**256 - 1, ann, "pool: amount too large"),
        (width, ann, "pool: above supply cap"),
    ):
        with reverts_with(reason):
            call(amount, receiver, sender=ann)


def test_deposit__supply_cap__can_be_filled_and_no_more(lending: Lending) -> None:
    pool, ann, bob = lending.pool, lending.ann, lending.bob
    lending.set_limits(supply_cap=1_500 * U)
    lending.lend(ann, 1_000 * U)
    assert (pool.maxDeposit(bob), pool.maxMint(bob)) == (500 * U, 500 * U * SHARE)
    with reverts_with("pool: above supply cap"):
        lending.lend(bob, 500 * U + 1)
    with reverts_with("pool: above supply cap"):
        pool.mint(500 * U * SHARE + 1, bob, sender=bob)
    lending.lend(bob, 500 * U)
    assert (pool.maxDeposit(bob), pool.maxMint(bob)) == (0, 0)
    # Lowered below what is there: nothing more, and no harm.
    lending.set_limits(supply_cap=100 * U)
    assert (pool.maxDeposit(bob), pool.maxMint(bob)) == (0, 0)
    pool.withdraw(500 * U, bob, bob, sender=bob)


def test_deposit__share_dearer_than_it__is_refused(lending: Lending) -> None:
    pool, ann, bob = lending.pool, lending.ann, lending.bob
    lending.set_limits(supply_cap=MAX_AMOUNT)
    lending.set_rates(30_000, 0, 0, 8_000, 0)
    lending.lend(ann, 10 * U)
    lending.open(lending.borrower, ETHER, 10 * U)
    lending.wait(8 * 31_536_000)
    # Eight years of 300 % make 10 U of debt some 2.6 * 10**17 units, for 10**13 shares.
    assert pool.previewDeposit(1) == 0
    with reverts_with("pool: zero shares"):
        lending.lend(bob, 1)
    lending.lend(bob, 100 * U)
    assert lending.worth(bob) <= 100 * U


def test_deposit__share_of_a_millionth__closed(lending: Lending) -> None:
    pool, ann, bob = lending.pool, lending.ann, lending.bob
    lending.lend(ann, 1_000 * U)
    lending.open(lending.borrower, ETHER, 1_000 * U)
    lending.price(1)
    lending.liquidate(lending.borrower)
    # A unit was repaid; a share is worth 2 / 10**15.
    assert (pool.totalAssets(), pool.maxDeposit(bob), pool.maxMint(bob)) == (1, 0, 0)
    for function in (pool.deposit, pool.mint):
        with reverts_with("pool: deposits closed"):
            function(100 * U, bob, sender=bob)
    # The one unit can be taken; then there are shares that are worth nothing.
    held = pool.balanceOf(ann)
    assert pool.maxWithdraw(ann) == 1
    pool.redeem(held // 2 + 10**6, ann, ann, sender=ann)
    with reverts_with("pool: zero assets"):
        pool.redeem(1, ann, ann, sender=ann)


def test_deposit__with_a_millionth_left__open(lending: Lending) -> None:
    pool, ann, bob = lending.pool, lending.ann, lending.bob
    lending.lend(ann, 1_000 * U)
    lending.set_terms(premium_fund_bps=0)
    lending.open(lending.borrower, ETHER, 1_000 * U)
    # Collateral of 1,050 units, for which 1,000 are repaid: (1,000 + 1) * 10**12 is just not below 10**15 + 10**6.
    lending.price(105_000)
    lending.liquidate(lending.borrower)
    assert pool.totalAssets() == 1_000
    assert pool.maxDeposit(bob) == lending.registry.terms().supply_cap - 1_000
    lending.lend(bob, 100 * U)
    assert 100 * U - 1 <= lending.worth(bob) <= 100 * U


def test_deposit_with_permit__used_or_spent_before__lends(lending: Lending) -> None:
    pool, asset, ann = lending.pool, lending.asset, lending.ann
    asset.approve(pool, 0, sender=ann)
    signature = lending.permit(ann, 50 * U)
    with lending.moves(lent("ann", 50 * U, 50 * U * SHARE)):
        pool.deposit_with_permit(50 * U, ann, FOREVER, *signature, sender=ann)
    assert asset.allowance(ann, pool) == 0
    # Somebody sends the permit first: the deposit goes on with the allowance that this made.
    signature = lending.permit(ann, 50 * U)
    asset.permit(ann, pool, 50 * U, FOREVER, *signature, sender=lending.actors.outsider)
    with lending.moves(lent("bob", 50 * U, 50 * U * SHARE, payer="ann")):
        pool.deposit_with_permit(50 * U, lending.bob, FOREVER, *signature, sender=ann)
    with reverts_with("pool: zero amount"):
        pool.deposit_with_permit(0, ann, FOREVER, *signature, sender=ann)


# ----------------------------------------------------------------- withdrawals


def test_withdraw__after_a_loss__rounds_shares_up(lending: Lending) -> None:
    fall(lending)
    pool, ann = lending.pool, lending.ann
    # 100 * (10**15 + 10**6) / (900 * 10**6 + 1), rounded up
    shares = -(-100 * (10**15 + 10**6) // (900 * U + 1))
    changes = {"cash": -100, "assets": -100, "supply": -shares, "shares of ann": -shares}
    with lending.moves(joined(changes, paid("pool", "bob", 100))):
        receipt = pool.withdraw(100, lending.bob, ann, sender=ann)
    assert receipt.return_value == shares == 111_111_112
    event = dict(logs(receipt, pool))["Withdraw"]
    assert event == {
        "sender": address_of(ann),
        "receiver": address_of(lending.bob),
        "owner": address_of(ann),
        "assets": 100,
        "shares": shares,
    }


def test_redeem__after_a_loss__rounds_assets_down(lending: Lending) -> None:
    fall(lending)
    pool, ann = lending.pool, lending.ann
    shares = 10**12 + 1
    changes = {"cash": -900_000, "assets": -900_000, "supply": -shares, "shares of ann": -shares}
    with lending.moves(joined(changes, paid("pool", "ann", 900_000))):
        assert pool.redeem(shares, ann, ann, sender=ann).return_value == 900_000


def test_withdraw__by_another__spends_the_allowance(lending: Lending) -> None:
    pool, ann, bob = lending.pool, lending.ann, lending.bob
    lending.lend(ann, 1_000 * U)
    for function in (pool.withdraw, pool.redeem):
        with reverts_with("erc20: insufficient allowance"):
            function(10 * SHARE, bob, ann, sender=bob)
    pool.approve(bob, 30 * SHARE, sender=ann)
    pool.withdraw(10, bob, ann, sender=bob)
    pool.redeem(15 * SHARE, bob, ann, sender=bob)
    assert pool.allowance(ann, bob) == 5 * SHARE
    with reverts_with("erc20: insufficient allowance"):
        pool.withdraw(6, bob, ann, sender=bob)
    # The owner needs none.
    pool.redeem(pool.balanceOf(ann), ann, ann, sender=ann)
    assert (pool.totalSupply(), pool.totalAssets()) == (0, 0)


@pytest.mark.parametrize("function", ["withdraw", "redeem"])
def test_withdraw__refused__in_this_order(lending: Lending, function: str) -> None:
    pool, ann, bob = lending.pool, lending.ann, lending.bob
    call = getattr(pool, function)
    unit = 1 if function == "withdraw" else SHARE
    lending.lend(ann, 1_000 * U)
    lending.open(lending.borrower, ETHER, 900 * U)
    lending.price(800 * 10**8)
    pool.flag(ETH, lending.borrower, sender=bob)
    for amount, receiver, sender, reason in (
        (0, ZERO, bob, "pool: zero amount"),
        (101 * U * unit, ZERO, bob, "pool: zero address"),
        (101 * U * unit, bob, bob, "pool: withdrawals stopped"),
    ):
        with reverts_with(reason):
            call(amount, receiver, ann, sender=sender)
    assert (pool.maxWithdraw(ann), pool.maxRedeem(ann)) == (0, 0)
    lending.price(2_000 * 10**8)
    pool.unflag(ETH, lending.borrower, sender=bob)
    with reverts_with("erc20: insufficient allowance"):
        call(101 * U * unit, bob, ann, sender=bob)
    with reverts_with("pool: not enough cash"):
        call(101 * U * unit, bob, ann, sender=ann)
    assert (pool.maxWithdraw(ann), pool.maxRedeem(ann)) == (100 * U, 100 * U * SHARE)
    call(100 * U * unit, bob, ann, sender=ann)
    assert (pool.maxWithdraw(ann), pool.maxRedeem(ann), pool.books().cash) == (0, 0, 0)


def test_redeem__less_than_a_unit__is_refused(lending: Lending) -> None:
    lending.lend(lending.ann, 1_000 * U)
    with reverts_with("pool: zero assets"):
        lending.pool.redeem(SHARE - 1, lending.ann, lending.ann, sender=lending.ann)
    with reverts_with("erc20: burn amount exceeds balance"):
        lending.pool.redeem(2 * SHARE, lending.bob, lending.bob, sender=lending.bob)


# ---------------------------------------------------------------------- shares


def test_shares__plain_token__without_minters_and_owner(lending: Lending) -> None:
    pool, ann, bob = lending.pool, lending.ann, lending.bob
    assert (pool.name(), pool.symbol(), pool.decimals()) == ("Kana Lending", "KLEND", 12)
    assert (pool.asset(), pool.registry()) == (address_of(lending.asset), address_of(lending.registry))
    for left_out in ("mint_to", "is_minter", "set_minter", "burn", "burn_from", "owner", "transfer_ownership"):
        assert not hasattr(pool, left_out)
    lending.lend(ann, 10)
    with lending.moves({"shares of ann": -4 * SHARE, "shares of bob": 4 * SHARE}):
        assert pool.transfer(bob, 4 * SHARE, sender=ann).return_value
    pool.approve(ann, SHARE, sender=bob)
    with lending.moves({"shares of ann": SHARE, "shares of bob": -SHARE}):
        assert pool.transferFrom(bob, ann, SHARE, sender=ann).return_value
    with reverts_with("erc20: insufficient allowance"):
        pool.transferFrom(bob, ann, 1, sender=ann)


def test_views__others_than_the_owner__make_no_difference(lending: Lending) -> None:
    pool = lending.pool
    lending.lend(lending.ann, 1_000 * U)
    people: list[Any] = [lending.ann, lending.bob, ZERO]
    assert len({pool.maxDeposit(account) for account in people}) == 1
    assert len({pool.maxMint(account) for account in people}) == 1
    assert [pool.maxWithdraw(account) for account in people] == [1_000 * U, 0, 0]
    assert [pool.maxRedeem(account) for account in people] == [1_000 * U * SHARE, 0, 0]
