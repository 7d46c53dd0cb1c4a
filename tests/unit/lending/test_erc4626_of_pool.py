"""The properties that public suites ask of an ERC-4626 vault, of the pool's shares, in every state that it can be in.

One by one, as for the stakers' vault: views agree with each other and with what calls do, rounding is against the
caller, no round trip profits, the maxima can be used whole and not exceeded, and no view that may not revert does.
"""

from __future__ import annotations

import pytest
from ape import chain

from kana_insurance.testing import U, reverts_with
from tests.utils.lending import ETH, ETHER, MAX_AMOUNT, SHARE, YEAR, ZERO, Lending

STATES = ["new", "borrowed", "donated and earned", "lost and earned"]
AMOUNTS = (1, 2, 999, U + 1, 12_345_678_901, 10**15 + 1)
SHARES = (1, SHARE - 1, SHARE + 1, 98_765_432_109_876_543)


@pytest.fixture(params=STATES)
def in_state(lending: Lending, request: pytest.FixtureRequest) -> Lending:
    """The pool at a price, standing still: interest has been booked, and none accrues."""
    state = str(request.param)
    if state == "new":
        return lending
    pool = lending.pool
    lending.lend(lending.ann, 5_000 * U + 3)
    if "donated" in state:
        lending.asset.transfer(pool, 777 * U, sender=lending.other)
    lending.open(lending.borrower, 4 * ETHER, 3_333_333_333)
    if "lost" in state:
        lending.price(700 * 10**8)
        lending.liquidate(lending.borrower)
        lending.price(2_000 * 10**8)
        lending.open(lending.borrower, 4 * ETHER, 1_333_333_333)
    if "earned" in state:
        lending.set_rates(5_000, 0, 0, 8_000, 1_000)
        lending.wait(YEAR)
        lending.set_rates(0, 0, 0, 8_000, 1_000)
    return lending


def price(lending: Lending) -> tuple[int, int]:
    """Assets and shares, the virtual ones among them."""
    return int(lending.pool.totalAssets()) + 1, int(lending.pool.totalSupply()) + SHARE


def test_erc4626_views__agree_and_round_against_the_caller(in_state: Lending) -> None:
    pool = in_state.pool
    value, supply = price(in_state)
    for assets in AMOUNTS:
        shares = assets * supply // value
        assert pool.convertToShares(assets) == pool.previewDeposit(assets) == shares
        assert pool.convertToShares(assets, sender=in_state.bob) == shares
        assert pool.convertToAssets(shares) <= assets
        assert pool.previewMint(shares) <= assets
        assert pool.previewWithdraw(assets) == -(-assets * supply // value) >= shares
        assert pool.previewRedeem(pool.previewWithdraw(assets)) >= assets
    for shares in SHARES:
        assets = shares * value // supply
        assert pool.convertToAssets(shares) == pool.previewRedeem(shares) == assets
        assert pool.convertToAssets(shares, sender=in_state.bob) == assets
        assert pool.previewMint(shares) == -(-shares * value // supply) >= assets
        assert pool.previewDeposit(pool.previewMint(shares)) >= shares
        assert pool.previewWithdraw(assets) <= shares
    assert pool.previewDeposit(0) == pool.previewMint(0) == pool.previewWithdraw(0) == pool.previewRedeem(0) == 0


def test_erc4626_views__never_revert_without_a_price_or_cash(in_state: Lending) -> None:
    pool, ann = in_state.pool, in_state.ann
    in_state.pause()
    in_state.kit.travel(10 * YEAR, refresh=False)
    for account in (ann, ZERO):
        for view in (pool.maxDeposit, pool.maxMint, pool.maxWithdraw, pool.maxRedeem):
            assert view(account) >= 0
    assert pool.totalAssets() >= 0
    for amount in (0, 1, MAX_AMOUNT):
        assert pool.convertToShares(amount) >= 0
        assert pool.convertToAssets(amount) >= 0
    assert pool.asset() == in_state.asset.address


def test_erc4626_calls__do_what_the_previews_say(in_state: Lending) -> None:
    pool, bob = in_state.pool, in_state.bob
    held = int(in_state.asset.balanceOf(bob))
    for assets in (3, 1_000_003):
        promised = pool.previewDeposit(assets)
        assert in_state.lend(bob, assets).return_value == promised
    for shares in (SHARE + 1, 333_333_333_333_333):
        promised = pool.previewMint(shares)
        assert pool.mint(shares, bob, sender=bob).return_value == promised
    for assets in (2, 500_001):
        promised = pool.previewWithdraw(assets)
        assert pool.withdraw(assets, bob, bob, sender=bob).return_value == promised
    promised = pool.previewRedeem(pool.balanceOf(bob))
    assert pool.redeem(pool.balanceOf(bob), bob, bob, sender=bob).return_value == promised
    # Six operations lose a unit each at most, and never win one.
    assert 0 <= held - in_state.asset.balanceOf(bob) <= 6
    assert pool.balanceOf(bob) == 0


def test_erc4626_round_trips__never_profit(in_state: Lending) -> None:
    pool, bob = in_state.pool, in_state.bob
    before = int(in_state.asset.balanceOf(bob)), int(pool.convertToAssets(10**18))
    for amount, way_in, way_out in (
        (1, "deposit", "withdraw"),
        (1_234_567, "deposit", "redeem"),
        (2, "mint", "redeem"),
        (7_654_321, "mint", "withdraw"),
    ):
        if way_in == "deposit":
            in_state.lend(bob, amount)
        else:
            pool.mint(pool.previewDeposit(amount), bob, sender=bob)
        if way_out == "redeem":
            if pool.maxWithdraw(bob) > 0:
                pool.redeem(pool.balanceOf(bob), bob, bob, sender=bob)
        elif pool.maxWithdraw(bob) > 0:
            pool.withdraw(pool.maxWithdraw(bob), bob, bob, sender=bob)
    assert before[0] - 8 <= in_state.asset.balanceOf(bob) + in_state.worth(bob) <= before[0]
    # The others have lost nothing.
    assert pool.convertToAssets(10**18) >= before[1]


def test_erc4626_maxima__can_be_used_whole_and_not_exceeded(in_state: Lending) -> None:
    pool, ann, bob = in_state.pool, in_state.ann, in_state.bob
    in_state.set_limits(supply_cap=20_000 * U)
    # As many shares as two units are worth: what a maximum of shares may leave.
    shares = 2 * int(pool.previewWithdraw(1))
    for name, account, least in (
        ("Deposit", bob, 1),
        ("Mint", bob, shares),
        ("Withdraw", ann, 1),
        ("Redeem", ann, shares),
    ):
        most = int(getattr(pool, f"max{name}")(account))
        args = (account,) if account == bob else (account, account)
        with chain.isolate():
            with reverts_with("pool: above supply cap" if account == bob else "pool: not enough cash"):
                getattr(pool, name.lower())(most + least, *args, sender=account)
            if most == 0:
                assert pool.totalSupply() == 0
                continue
            getattr(pool, name.lower())(most, *args, sender=account)
            assert getattr(pool, f"max{name}")(account) <= least


def test_erc4626_withdrawals__of_another__need_his_allowance(in_state: Lending) -> None:
    pool, ann, bob = in_state.pool, in_state.ann, in_state.bob
    if pool.totalSupply() == 0:
        in_state.lend(ann, 10 * U)
    for call, amount in ((pool.withdraw, 1), (pool.redeem, 2 * SHARE)):
        with reverts_with("erc20: insufficient allowance"):
            call(amount, bob, ann, sender=bob)
    pool.approve(bob, pool.previewWithdraw(1), sender=ann)
    pool.withdraw(1, bob, ann, sender=bob)
    assert pool.allowance(ann, bob) == 0


def test_erc4626_withdrawals__of_all__leave_only_what_rounding_keeps(in_state: Lending) -> None:
    pool, ann, borrower = in_state.pool, in_state.ann, in_state.borrower
    if in_state.debt(borrower) > 0:
        pool.repay(ETH, 2**256 - 1, sender=borrower)
    if pool.balanceOf(ann) > 0:
        pool.redeem(pool.balanceOf(ann), ann, ann, sender=ann)
    assert (pool.totalSupply(), pool.totalAssets() <= 3) == (0, True)
