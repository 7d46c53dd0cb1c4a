"""The stakers' vault: deposits by permit, operators, claims, standards, refusals (M19, M20, M38)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance import orders
from kana_insurance.backends import address_of
from kana_insurance.testing import DAY, Actors, U, logs, reverts_with
from tests.unit.stakers.conftest import COOLDOWN, MIN_STAKED, STREAM, Pool

SHARE = 10**12
FOREVER = 2**255
NOBODY = "0x" + "00" * 20


def permit(pool: Pool, owner: Any, amount: int) -> tuple[int, bytes, bytes]:
    """The owner's permit of `amount` to the vault, split."""
    domain = pool.asset.eip712Domain()
    data = orders.permit_data(
        address_of(pool.asset),
        str(domain[1]),
        str(domain[2]),
        pool.backend.chain_id(),
        address_of(owner),
        address_of(pool.vault),
        amount,
        int(pool.asset.nonces(owner)),
        FOREVER,
    )
    return orders.split_signature(orders.sign_typed(data, owner))


# ---------------------------------------------------------------- construction


def test_constructor__plain__has_terms_and_no_owner(pool: Pool) -> None:
    vault = pool.vault
    assert (vault.name(), vault.symbol(), vault.decimals()) == ("Staked Kana USDT", "sKUSD", 12)
    assert vault.asset() == address_of(pool.asset)
    assert vault.share() == address_of(vault)
    assert vault.underwriter() == address_of(pool.layer)
    assert (vault.cooldown_days(), vault.closed(), vault.totalSupply()) == (COOLDOWN, False, 0)
    assert tuple(vault.stream()) == (0, 0, False, STREAM, MIN_STAKED)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"asset": NOBODY}, "backstop: asset without code"),
        ({"underwriter": NOBODY}, "backstop: no underwriter"),
        ({"cooldown_days": 6}, "backstop: cooldown out of bounds"),
        ({"cooldown_days": 31}, "backstop: cooldown out of bounds"),
        ({"stream_length": DAY - 1}, "backstop: stream out of bounds"),
        ({"stream_length": 30 * DAY + 1}, "backstop: stream out of bounds"),
        ({"min_staked": 2**96}, "backstop: amount too large"),
    ],
)
def test_constructor__out_of_bounds__is_refused(pool: Pool, overrides: dict[str, Any], reason: str) -> None:
    with reverts_with(reason):
        pool.vault_of(pool.layer, **overrides)


@pytest.mark.parametrize("decimals", [5, 19])
def test_constructor__other_decimals__is_refused(pool: Pool, decimals: int) -> None:
    token = pool.backend.deploy("QuirkyToken", decimals, sender=pool.actors.deployer)
    with reverts_with("backstop: bad decimals"):
        pool.vault_of(pool.layer, asset=address_of(token))


def test_deposit__not_open__is_refused(pool: Pool, staker: Any) -> None:
    _, vault = pool.bare()
    assert vault.maxDeposit(staker) == vault.maxMint(staker) == 0
    for function in (vault.deposit, vault.mint):
        with reverts_with("backstop: not open"):
            function(1, staker, sender=staker)


# ------------------------------------------------------------------ deposits


def test_deposit__for_another__says_who_and_what(pool: Pool, staker: Any, friend: Any) -> None:
    pool.provide(staker, 40 * U)
    receipt = pool.vault.deposit(40 * U, friend, sender=staker)
    moved, deposited = logs(receipt, pool.vault)
    assert moved == ("Transfer", {"sender": NOBODY, "receiver": address_of(friend), "value": 40 * SHARE})
    fields = {"sender": address_of(staker), "owner": address_of(friend), "assets": 40 * U, "shares": 40 * SHARE}
    assert deposited == ("Deposit", fields)
    assert pool.vault.balanceOf(friend) == pool.vault.totalSupply() == 40 * SHARE
    assert pool.asset.balanceOf(pool.vault) == pool.vault.totalAssets() == 40 * U


@pytest.mark.parametrize(
    ("function", "amount", "receiver", "reason"),
    [
        ("deposit", 0, None, "backstop: zero amount"),
        ("mint", 0, None, "backstop: zero amount"),
        ("deposit", 1, NOBODY, "backstop: zero address"),
        ("mint", 1, NOBODY, "backstop: zero address"),
        ("deposit", 2**96, None, "backstop: amount too large"),
        ("deposit", 2**256 - 1, None, "backstop: amount too large"),
        ("mint", 2**136, None, "backstop: amount too large"),
        ("mint", 2**136 - 1, None, "backstop: amount too large"),
    ],
)
def test_deposit__senseless__is_refused(
    pool: Pool, staker: Any, function: str, amount: int, receiver: str | None, reason: str
) -> None:
    with reverts_with(reason):
        getattr(pool.vault, function)(amount, receiver or staker, sender=staker)


def test_deposit__more_than_the_word_holds_with_the_stake__is_refused(pool: Pool, staker: Any) -> None:
    pool.stake(staker, 2 * U)
    assert pool.vault.maxDeposit(staker) == 2**96 - 1 - 2 * U
    with reverts_with("backstop: amount too large"):
        pool.vault.deposit(2**96 - 2 * U, staker, sender=staker)


def test_deposit__price_above_the_deposit__gives_no_shares_and_is_refused(pool: Pool, staker: Any, friend: Any) -> None:
    pool.layer.set_stream(STREAM, 0, sender=pool.governance)
    pool.stake(staker, 1)
    pool.pay(10**8 * U)
    pool.backend.travel(STREAM)
    pool.provide(friend, 40 * U)
    with reverts_with("backstop: zero shares"):
        pool.vault.deposit(40 * U, friend, sender=friend)


def test_deposit_with_permit__valid__needs_no_approval(pool: Pool, actors: Actors) -> None:
    staker = actors.others[2]
    pool.asset.faucet_to(staker, 40 * U, sender=staker)
    signature = permit(pool, staker, 40 * U)
    pool.vault.deposit_with_permit(40 * U, staker, FOREVER, *signature, sender=staker)
    assert pool.vault.balanceOf(staker) == 40 * SHARE


def test_deposit_with_permit__used_by_someone_else_first__still_stakes(pool: Pool, actors: Actors) -> None:
    staker = actors.others[2]
    pool.asset.faucet_to(staker, 40 * U, sender=staker)
    signature = permit(pool, staker, 40 * U)
    pool.asset.permit(staker, pool.vault, 40 * U, FOREVER, *signature, sender=actors.outsider)
    pool.vault.deposit_with_permit(40 * U, staker, FOREVER, *signature, sender=staker)
    assert pool.vault.balanceOf(staker) == 40 * SHARE


def test_mint_with_permit__costs_at_most_what_was_signed(pool: Pool, actors: Actors) -> None:
    staker = actors.others[2]
    pool.asset.faucet_to(staker, 40 * U, sender=staker)
    signature = permit(pool, staker, 40 * U)
    with reverts_with("backstop: above max assets"):
        pool.vault.mint_with_permit(40 * SHARE + 1, staker, 40 * U, FOREVER, *signature, sender=staker)
    pool.vault.mint_with_permit(30 * SHARE, staker, 40 * U, FOREVER, *signature, sender=staker)
    assert pool.vault.balanceOf(staker) == 30 * SHARE
    assert pool.asset.balanceOf(staker) == 10 * U


# ---------------------------------------------------------- whose shares (7540)


def test_request__for_a_controller__is_his_to_cancel_and_claim(pool: Pool, staker: Any, friend: Any) -> None:
    pool.stake(staker, 40 * U)
    receipt = pool.vault.requestRedeem(10 * SHARE, friend, staker, sender=staker)
    (day,) = pool.vault.request_ids(friend)
    moved, requested, priced = logs(receipt, pool.vault)
    assert moved[1] == {"sender": address_of(staker), "receiver": NOBODY, "value": 10 * SHARE}
    assert requested == (
        "RedeemRequest",
        {
            "controller": address_of(friend),
            "owner": address_of(staker),
            "requestId": day,
            "sender": address_of(staker),
            "shares": 10 * SHARE,
        },
    )
    assert priced[1] == {"controller": address_of(friend), "assets": 10 * U}
    assert pool.vault.pendingRedeemRequest(day, friend) == 10 * SHARE
    assert pool.vault.pendingRedeemRequest(day, staker) == 0
    with reverts_with("backstop: not operator"):
        pool.vault.cancel_request(day, friend, sender=staker)
    pool.travel_to(day)
    with reverts_with("backstop: not operator"):
        pool.vault.redeem(10 * SHARE, staker, friend, sender=staker)
    pool.vault.redeem(10 * SHARE, staker, friend, sender=friend)
    assert pool.asset.balanceOf(staker) == 10 * U


def test_request__by_allowance__spends_it(pool: Pool, staker: Any, friend: Any) -> None:
    pool.stake(staker, 40 * U)
    with reverts_with("erc20: insufficient allowance"):
        pool.vault.requestRedeem(SHARE, friend, staker, sender=friend)
    pool.vault.approve(friend, 3 * SHARE, sender=staker)
    pool.vault.requestRedeem(2 * SHARE, friend, staker, sender=friend)
    assert pool.vault.allowance(staker, friend) == SHARE
    with reverts_with("erc20: insufficient allowance"):
        pool.vault.requestRedeem(2 * SHARE, friend, staker, sender=friend)


def test_operator__may_request_cancel_and_claim_until_dismissed(pool: Pool, staker: Any, friend: Any) -> None:
    vault = pool.vault
    pool.stake(staker, 40 * U)
    receipt = vault.setOperator(friend, True, sender=staker)
    fields = {"controller": address_of(staker), "operator": address_of(friend), "approved": True}
    assert logs(receipt, vault) == [("OperatorSet", fields)]
    assert vault.isOperator(staker, friend)
    vault.requestRedeem(10 * SHARE, staker, staker, sender=friend)
    (day,) = vault.request_ids(staker)
    vault.cancel_request(day, staker, sender=friend)
    vault.requestRedeem(10 * SHARE, staker, staker, sender=friend)
    pool.travel_to(day)
    vault.withdraw(4 * U, staker, staker, sender=friend)
    vault.setOperator(friend, False, sender=staker)
    with reverts_with("backstop: not operator"):
        vault.withdraw(4 * U, friend, staker, sender=friend)
    with reverts_with("erc20: insufficient allowance"):
        vault.requestRedeem(1, staker, staker, sender=friend)


@pytest.mark.parametrize(
    ("shares", "controller", "reason"),
    [
        (0, None, "backstop: zero amount"),
        (SHARE, NOBODY, "backstop: zero address"),
        (40 * SHARE + 1, None, "backstop: balance too low"),
        (1, None, "backstop: zero assets"),
    ],
)
def test_request__senseless__is_refused(
    pool: Pool, staker: Any, shares: int, controller: str | None, reason: str
) -> None:
    pool.stake(staker, 40 * U)
    with reverts_with(reason):
        pool.vault.requestRedeem(shares, controller or staker, staker, sender=staker)


def test_share__transfer_and_permit__work_as_tokens_do(pool: Pool, staker: Any, friend: Any) -> None:
    pool.stake(staker, 40 * U)
    pool.vault.transfer(friend, SHARE, sender=staker)
    pool.vault.approve(friend, SHARE, sender=staker)
    pool.vault.transferFrom(staker, friend, SHARE, sender=friend)
    assert pool.vault.balanceOf(friend) == 2 * SHARE
    with reverts_with("erc20: transfer amount exceeds balance"):
        pool.vault.transfer(staker, 3 * SHARE, sender=friend)
    with reverts_with("erc20: insufficient allowance"):
        pool.vault.transferFrom(staker, friend, 1, sender=friend)


# ----------------------------------------------------------- several requests


def test_requests__of_several_days__are_listed_claimed_and_cancelled_one_by_one(pool: Pool, staker: Any) -> None:
    vault = pool.vault
    pool.stake(staker, 100 * U)
    days = []
    for _ in range(4):
        days.append(pool.request(staker, 10 * SHARE))
        pool.backend.travel(DAY)
    assert list(vault.request_ids(staker)) == days[::-1]
    vault.cancel_request(days[2], staker, sender=staker)
    assert list(vault.request_ids(staker)) == [days[3], days[1], days[0]]
    pool.travel_to(days[1])
    assert vault.maxRedeem(staker) == 20 * SHARE
    vault.redeem(15 * SHARE, staker, staker, sender=staker)
    assert vault.claimableRedeemRequest(days[1], staker) == 0
    assert vault.claimableRedeemRequest(days[0], staker) == 5 * SHARE
    assert vault.pendingRedeemRequest(days[3], staker) == 10 * SHARE
    assert list(vault.request_ids(staker)) == [days[3], days[0]]
    with reverts_with("backstop: above claimable"):
        vault.withdraw(5 * U + 1, staker, staker, sender=staker)
    vault.withdraw(5 * U, staker, staker, sender=staker)
    with reverts_with("backstop: nothing pending"):
        vault.cancel_request(days[0], staker, sender=staker)
    vault.cancel_request(days[3], staker, sender=staker)
    assert list(vault.request_ids(staker)) == []
    assert vault.balanceOf(staker) == 80 * SHARE


def test_requests__after_a_shorter_cooldown__are_sorted_in(pool: Pool, staker: Any) -> None:
    pool.stake(staker, 100 * U)
    late = pool.request(staker, SHARE)
    pool.backend.travel(DAY)
    later = pool.request(staker, SHARE)
    pool.layer.set_cooldown(7, sender=pool.governance)
    assert pool.vault.cooldown_days() == 7
    pool.vault.requestRedeem(SHARE, staker, staker, sender=staker)
    pool.vault.requestRedeem(SHARE, staker, staker, sender=staker)
    early = later - 7
    assert list(pool.vault.request_ids(staker)) == [later, late, early]
    assert pool.vault.pendingRedeemRequest(early, staker) == 2 * SHARE
    pool.travel_to(early)
    assert pool.vault.maxWithdraw(staker) == 2 * U
    pool.vault.redeem(2 * SHARE, staker, staker, sender=staker)
    assert list(pool.vault.request_ids(staker)) == [later, late]


def test_roll__due_day__is_fixed_once_and_logged(pool: Pool, staker: Any) -> None:
    pool.stake(staker, 100 * U)
    day = pool.request(staker, 25 * SHARE)
    assert tuple(pool.vault.day(day)) == (25 * U, 25 * U, False)
    assert tuple(pool.vault.exit_pool_state()) == (25 * U, 25 * U)
    pool.travel_to(day)
    assert tuple(pool.vault.exit_pool_state()) == (0, 0)
    receipt = pool.vault.roll(sender=staker)
    assert logs(receipt, pool.vault) == [("DayMatured", {"request_id": day, "assets": 25 * U})]
    assert tuple(pool.vault.day(day)) == (25 * U, 25 * U, True)
    assert logs(pool.vault.roll(sender=staker), pool.vault) == []


@pytest.mark.parametrize("function", ["redeem", "withdraw"])
def test_claim__senseless__is_refused(pool: Pool, staker: Any, function: str) -> None:
    claim = getattr(pool.vault, function)
    with reverts_with("backstop: zero amount"):
        claim(0, staker, staker, sender=staker)
    with reverts_with("backstop: zero address"):
        claim(1, NOBODY, staker, sender=staker)
    with reverts_with("backstop: above claimable"):
        claim(1, staker, staker, sender=staker)


# ------------------------------------------------------------------ standards


@pytest.mark.parametrize("function", ["previewRedeem", "previewWithdraw"])
def test_preview_of_an_exit__always__reverts(pool: Pool, function: str) -> None:
    with reverts_with("backstop: exits are asynchronous"):
        getattr(pool.vault, function)(1)


@pytest.mark.parametrize(
    ("interface", "supported"),
    [
        ("01ffc9a7", True),  # ERC-165
        ("e3bc4e65", True),  # ERC-7540, operators
        ("620ee8e4", True),  # ERC-7540, redemption
        ("2f0a18c5", True),  # ERC-7575
        ("ce3bbe50", False),  # ERC-7540, deposits
        ("ffffffff", False),
    ],
)
def test_supports_interface__says_what_is_there(pool: Pool, interface: str, supported: bool) -> None:
    assert pool.vault.supportsInterface(bytes.fromhex(interface)) == supported


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("open", ()),
        ("slash", (1, NOBODY)),
        ("book_revenue", (1,)),
        ("hold", (0, 1)),
        ("set_cooldown", (7,)),
        ("set_stream", (DAY, 0)),
        ("rescue", (NOBODY, NOBODY, 1)),
    ],
)
def test_underwriters_functions__anybody_else__is_refused(
    pool: Pool, function: str, arguments: tuple[Any, ...]
) -> None:
    for sender in (pool.actors.outsider, pool.governance, pool.fund_sender):
        with reverts_with("backstop: not underwriter"):
            getattr(pool.vault, function)(*arguments, sender=sender)


@pytest.fixture
def quirky_pool(backend: Any, actors: Actors) -> Pool:
    """A backstop of a token that may misbehave."""
    return Pool(backend, actors, backend.deploy("QuirkyToken", 6, sender=actors.deployer))


def test_deposit__token_delivers_less_or_says_no__is_refused(quirky_pool: Pool, staker: Any) -> None:
    token = quirky_pool.asset
    quirky_pool.provide(staker, 40 * U)
    for quirk, reason in (
        (token.RETURNS_FALSE(), "backstop: transfer failed"),
        (token.TAKES_FEE(), "backstop: received less"),
    ):
        token.set_quirks(quirk, sender=staker)
        with reverts_with(reason):
            quirky_pool.vault.deposit(40 * U, staker, sender=staker)
    assert quirky_pool.vault.totalAssets() == 0


def test_revenue__token_delivers_less_or_says_no__is_refused(quirky_pool: Pool, staker: Any) -> None:
    token = quirky_pool.asset
    quirky_pool.stake(staker, 2_000 * U)
    quirky_pool.provide(quirky_pool.fund_sender, 40 * U, quirky_pool.layer)
    for quirk, reason in (
        (token.RETURNS_FALSE(), "layer: transfer failed"),
        (token.TAKES_FEE(), "layer: received less"),
    ):
        token.set_quirks(quirk, sender=staker)
        with reverts_with(reason):
            quirky_pool.layer.add_revenue(40 * U, sender=quirky_pool.fund_sender)
    assert quirky_pool.vault.stream().unvested == 0


def test_claim__token_says_no__is_refused_and_stays_claimable(quirky_pool: Pool, staker: Any) -> None:
    quirky_pool.stake(staker, 40 * U)
    day = quirky_pool.request(staker, SHARE)
    quirky_pool.travel_to(day)
    quirky_pool.asset.set_quirks(quirky_pool.asset.RETURNS_FALSE(), sender=staker)
    with reverts_with("backstop: transfer failed"):
        quirky_pool.vault.redeem(SHARE, staker, staker, sender=staker)
    assert quirky_pool.vault.maxRedeem(staker) == SHARE
