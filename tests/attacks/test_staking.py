"""Attacks on stakers and by them, T60 to T67, and the properties of a vault that the public suites ask for."""

from __future__ import annotations

import os
from typing import Any

import pytest

from kana_insurance.testing import DAY, Actors, U, reverts_with
from tests.attacks.stakers import COOLDOWN, FIRST, MIN_STAKED, STREAM, THRESHOLD, Stakers, day_of_request

ROUNDS = 10_000 if os.environ.get("KANA_DEEP") else 120


@pytest.fixture(scope="module")
def stakers(backend: Any, actors: Actors) -> Stakers:
    """One fund with an empty reserve and one layer."""
    return Stakers(backend, actors)


@pytest.fixture
def first(actors: Actors) -> Any:
    """A staker."""
    return actors.others[0]


@pytest.fixture
def second(actors: Actors) -> Any:
    """Another one."""
    return actors.others[1]


# ------------------------------------------------------------------------ T60


def test_t60_inflation__a_donation_does_not_move_the_price(stakers: Stakers, first: Any, second: Any) -> None:
    asset, vault = stakers.asset, stakers.vault
    assert stakers.stake(first, 1) == FIRST
    asset.faucet_to(first, 20_000 * U, sender=first)
    asset.transfer(vault, 10_000 * U, sender=first)
    asset.transfer(stakers.underwriter, 10_000 * U, sender=first)
    assert (vault.totalAssets(), stakers.worth(first)) == (1, 1)
    assert stakers.stake(second, 10_000 * U) == 10_000 * U * FIRST
    assert stakers.worth(second) == 10_000 * U
    day = stakers.request(second, 10_000 * U * FIRST)
    stakers.travel_to(day * DAY)
    assert stakers.claim_all(second) == 10_000 * U
    assert stakers.worth(first) == 1


def test_t60_inflation_by_revenue__victim_loses_at_most_a_millionth(
    backend: Any, actors: Actors, first: Any, second: Any
) -> None:
    # Where nothing need be staked for revenue to stream, revenue is a donation that does move the price.
    stakers = Stakers(backend, actors, min_staked=0)
    stakers.stake(first, 1)
    stakers.fees(20_000 * U)
    stakers.travel_to(stakers.now() + STREAM)
    assert stakers.vault.totalAssets() == 10_000 * U + 1
    assert stakers.stake(second, 10_000 * U) == 1_999_999
    # Lost: 2,500 units, a quarter of a millionth. The first has given 10,000 U and holds half of that.
    assert (stakers.worth(second), stakers.worth(first)) == (9_999_997_500, 5_000_001_250)
    day = stakers.request(second, 1_999_999)
    stakers.travel_to(day * DAY)
    assert stakers.claim_all(second) == 9_999_997_500 >= 10_000 * U - 10_000 * U // 10**6


# ------------------------------------------------------------------------ T61


def test_t61_just_in_time__in_and_out_around_a_payment_gains_nothing(stakers: Stakers, first: Any, second: Any) -> None:
    stakers.stake(first, 10_000 * U)
    stakers.give(second, 10_000 * U, stakers.vault)
    stakers.asset.faucet_to(stakers.venue, 2_000 * U, sender=second)
    time = stakers.now() + 100
    stakers.at(time)
    stakers.vault.deposit(10_000 * U, second, sender=second)
    stakers.at(time)
    stakers.fund.settle_fees(0, 2_000 * U, sender=stakers.venue)
    day = stakers.request(second, 10_000 * U * FIRST, time=time)
    assert (stakers.now(), stakers.vault.stream().unvested) == (time, 1_000 * U)
    assert stakers.vault.request_assets(day, second) == 10_000 * U
    stakers.travel_to(day * DAY)
    assert stakers.claim_all(second) == 10_000 * U
    # All of it went to the one who stayed, less what rounding keeps.
    assert stakers.worth(first) == 11_000 * U - 1


def test_t61_just_in_time__nothing_from_before(stakers: Stakers, first: Any, second: Any) -> None:
    stakers.stake(first, 10_000 * U)
    paid_at = stakers.now() + 100
    stakers.fees(2_000 * U, time=paid_at)
    half = paid_at + STREAM // 2
    shares = stakers.stake(second, 10_000 * U, time=half)
    # 500 U are earned: (10**16 + 10**6) * 10**10 // (10_500 * 10**6 + 1).
    assert shares == 9_523_809_523_854_875
    assert (stakers.worth(first), stakers.worth(second)) == (10_499_999_999, 9_999_999_999)
    stakers.travel_to(paid_at + STREAM)
    # The other 500 U fall to 10,500 and 10,000.
    assert (stakers.worth(first), stakers.worth(second)) == (10_756_097_560, 10_243_902_439)


# ------------------------------------------------------------------------ T62


def test_t62_request_before_the_slash__pending_bears_it(stakers: Stakers, first: Any) -> None:
    stakers.stake(first, 100_000 * U)
    assert stakers.cover(100_000 * U // 19) == 5_263_157_894
    day = stakers.request(first, 33_333_333_333 * FIRST)
    assert stakers.vault.request_assets(day, first) == 31_578_947_368
    assert stakers.cover(47_368_421_053) == 47_368_421_053
    assert stakers.vault.request_assets(day, first) == 15_789_473_684
    assert tuple(stakers.vault.exit_pool_state()) == (15_789_473_684, 31_578_947_368)
    assert stakers.vault.totalAssets() == 31_578_947_369
    stakers.travel_to(day * DAY)
    assert stakers.claim_all(first) == 15_789_473_684


def test_t62_request_in_the_second_of_the_slash__same_rate_as_the_stake(
    stakers: Stakers, first: Any, second: Any
) -> None:
    stakers.stake(first, 10_000 * U)
    stakers.stake(second, 10_000 * U)
    time = stakers.now() + 100
    day = stakers.request(first, 10_000 * U * FIRST, time=time)
    assert stakers.cover(5_000 * U, time=time) == 5_000 * U
    assert stakers.vault.request_assets(day, first) == 7_500 * U
    assert stakers.worth(second) == 7_500 * U
    # Back into the stake: no better than to have stayed, and a unit of rounding worse.
    stakers.vault.cancel_request(day, first, sender=first)
    assert (stakers.worth(first), stakers.worth(second)) == (7_499_999_999, 7_500 * U)


# ------------------------------------------------------------------------ T63


def test_t63_standing_exit_option__the_day_is_fixed_at_the_request(stakers: Stakers, first: Any, second: Any) -> None:
    vault, governance = stakers.vault, stakers.governance
    begin = stakers.next_day() + 10 * DAY
    for account in (first, second):
        stakers.stake(account, 10_000 * U)
    shares = 2_000 * U * FIRST
    # On the first second of a day: 14 days later; one second on: a day more.
    assert stakers.request(first, shares, time=begin) == begin // DAY + 14
    assert stakers.request(first, shares, time=begin + 1) == begin // DAY + 15
    stakers.underwriter.set_cooldown(7, sender=governance)
    assert stakers.request(second, shares, time=begin + 3) == begin // DAY + 8
    # A shorter cooldown brings no earlier request forward, a longer one puts none back.
    stakers.underwriter.set_cooldown(30, sender=governance)
    assert list(vault.request_ids(first)) == [begin // DAY + 15, begin // DAY + 14]
    stakers.travel_to(begin + 14 * DAY - 1)
    assert (vault.maxRedeem(first), vault.maxRedeem(second)) == (0, shares)
    stakers.at(begin + 14 * DAY - 1)
    with reverts_with("backstop: above claimable"):
        vault.redeem(1, first, first, sender=first)
    stakers.travel_to(begin + 14 * DAY)
    assert vault.maxRedeem(first) == shares
    # What has matured can't go back into the stake, nor does it earn: it is no option on the next payment.
    with reverts_with("backstop: nothing pending"):
        vault.cancel_request(begin // DAY + 14, first, sender=first)
    stakers.fees(2_000 * U)
    stakers.travel_to(begin + 30 * DAY)
    assert vault.maxWithdraw(first) == 4_000 * U
    assert stakers.claim_all(first) == 4_000 * U


# ------------------------------------------------------------------------ T64


def test_t64_claim_at_the_old_rate__pending_pays_and_claimable_is_fixed(
    stakers: Stakers, first: Any, second: Any
) -> None:
    vault = stakers.vault
    begin = stakers.next_day() + DAY
    for account in (first, second):
        stakers.stake(account, 10_000 * U)
    early = stakers.request(first, 4_000 * U * FIRST, time=begin)
    late = stakers.request(second, 4_000 * U * FIRST, time=begin + DAY)
    assert (early, late) == (begin // DAY + COOLDOWN, begin // DAY + COOLDOWN + 1)
    # The first one's day has begun and nobody has touched the vault since: it matures before the slash.
    assert stakers.cover(8_000 * U, time=early * DAY) == 8_000 * U
    assert (vault.maxWithdraw(first), vault.request_assets(late, second)) == (4_000 * U, 2_000 * U)
    assert vault.totalAssets() == 6_000 * U
    # A second slash before the claims, a second after the other's day has begun.
    assert stakers.cover(3_000 * U, time=late * DAY + 1) == 3_000 * U
    assert (vault.maxWithdraw(first), vault.maxWithdraw(second)) == (4_000 * U, 2_000 * U)
    assert (stakers.claim_all(first), stakers.claim_all(second)) == (4_000 * U, 2_000 * U)
    assert stakers.asset.balanceOf(vault) == vault.totalAssets() == 3_000 * U


# ------------------------------------------------------------------------ T65


def test_t65_slash_to_nothing_then_deposit__one_unit_is_left_and_the_newcomer_keeps_his(
    stakers: Stakers, first: Any, second: Any
) -> None:
    vault = stakers.vault
    stakers.stake(first, 10_000 * U)
    assert vault.total_capacity() == 9_999 * U
    assert stakers.cover(20_000 * U) == 9_999 * U
    assert (vault.totalAssets(), vault.total_capacity(), vault.closed(), stakers.cover(U)) == (U, 0, False, 0)
    stakers.stake(second, 10_000 * U)
    assert (stakers.worth(first), stakers.worth(second)) == (U, 9_999_999_999)


@pytest.mark.parametrize(("staked", "closes"), [(1_000_001 * U, False), (1_000_001 * U + 1, True)])
def test_t65_price_below_a_millionth__deposits_are_closed_for_good(
    stakers: Stakers, first: Any, second: Any, staked: int, closes: bool
) -> None:
    vault = stakers.vault
    shares = stakers.stake(first, staked)
    # One unit is pending, so a unit less is staked; a millionth of 1,000,001 U less a unit is 1 U and a unit, the
    # virtual one.
    day = stakers.request(first, FIRST)
    assert stakers.cover(2 * staked) == staked - U
    assert vault.closed() == closes
    if not closes:
        stakers.stake(second, 10_000 * U)
        return
    assert (vault.maxDeposit(second), vault.maxMint(second)) == (0, 0)
    stakers.give(second, 10_000 * U, vault)
    with reverts_with("backstop: deposits closed"):
        vault.deposit(10_000 * U, second, sender=second)
    with reverts_with("backstop: deposits closed"):
        vault.mint(10_000 * U, second, sender=second)
    with reverts_with("backstop: deposits closed"):
        vault.cancel_request(day, first, sender=first)
    # Whoever is in gets out with what is left.
    day = stakers.request(first, shares - FIRST)
    stakers.travel_to(day * DAY)
    assert stakers.claim_all(first) == U


def test_t65_pool_slashed_to_nothing__stays_worth_nothing_and_touches_no_later_request(
    stakers: Stakers, first: Any, second: Any
) -> None:
    vault = stakers.vault
    begin = stakers.next_day() + DAY
    shares = stakers.stake(first, 10_000 * U)
    stakers.stake(second, 1)
    day = stakers.request(second, FIRST, time=begin + 10)
    assert vault.request_assets(day, second) == 1
    assert stakers.cover(10 * U) == 10 * U
    # Pending is rounded up: its one unit is gone, and the pool dead.
    assert (vault.request_assets(day, second), tuple(vault.exit_pool_state())) == (0, (0, 0))
    assert stakers.request(first, shares // 10, time=begin + 100) == day
    assert vault.request_assets(day, first) == 999 * U
    stakers.travel_to(day * DAY)
    assert (stakers.claim_all(second), stakers.claim_all(first)) == (0, 999 * U)


# ------------------------------------------------------------------------ T66


def _price(vault: Any) -> tuple[int, int]:
    return int(vault.totalAssets()) + 1, int(vault.totalSupply()) + FIRST


def test_t66_dust_by_many_tiny_operations__never_profits(stakers: Stakers, first: Any, second: Any) -> None:
    asset, vault = stakers.asset, stakers.vault
    # An odd price and an odd rate of the pool.
    stakers.stake(first, 10_000 * U + 7)
    stakers.request(first, 3_000 * U * FIRST + 11)
    stakers.cover(1_234_567_891)
    stakers.give(second, 10_000 * U, vault)
    others = stakers.worth(first) + sum(vault.request_assets(day, first) for day in vault.request_ids(first))
    value, supply = _price(vault)
    for i in range(ROUNDS):
        if i % 3 == 0:
            vault.deposit(i % 7 + 1, second, sender=second)
        elif i % 3 == 1:
            vault.mint(FIRST * (i % 5) + i % 11 + 1, second, sender=second)
        elif i % 2 == 0:
            shares = vault.balanceOf(second) // 2 + i % 13
            if vault.convertToAssets(shares) > 0:
                day = stakers.request(second, shares)
                if i % 4 == 0 and vault.request_assets(day, second) > 1:
                    vault.cancel_request(day, second, sender=second)
        else:
            claimable = vault.maxWithdraw(second)
            if claimable > 1:
                vault.withdraw(i % (claimable - 1) + 1, second, second, sender=second)
            elif vault.maxRedeem(second) > 0:
                vault.redeem(1, second, second, sender=second)
            stakers.travel_to(stakers.now() + DAY // 2)
        now_value, now_supply = _price(vault)
        # The price of a share never falls without a slash (I6).
        assert now_value * supply >= value * now_supply
        value, supply = now_value, now_supply
    stakers.request(second, vault.balanceOf(second))
    stakers.travel_to(stakers.now() + (COOLDOWN + 2) * DAY)
    while vault.maxWithdraw(second) > 0:
        vault.withdraw(-(-vault.maxWithdraw(second) // 3), second, second, sender=second)
    assert 10_000 * U - ROUNDS * 4 <= asset.balanceOf(second) < 10_000 * U
    # Nobody else has paid for it, and the books hold.
    assert stakers.worth(first) + vault.maxWithdraw(first) >= others
    assert asset.balanceOf(vault) >= vault.totalAssets() + vault.maxWithdraw(first)


# ------------------------------------------------------------------------ T67


@pytest.mark.parametrize("staked", [0, MIN_STAKED - 1])
def test_t67_revenue_with_too_little_staked__none_of_it_streams(
    backend: Any, actors: Actors, first: Any, staked: int
) -> None:
    stakers = Stakers(backend, actors, premium_bps=1_000)
    if staked > 0:
        stakers.stake(first, staked)
    stakers.fees(1_000 * U)
    assert (stakers.fund.reserve(), stakers.vault.stream().unvested) == (1_000 * U, 0)
    stakers.contribute(THRESHOLD - 1_400 * U)
    # 400 U of room; the rest goes to the treasury, not to stakers that aren't there.
    stakers.fees(1_000 * U)
    assert (stakers.fund.reserve(), stakers.asset.balanceOf(actors.treasury)) == (THRESHOLD, 600 * U)
    assert (stakers.asset.balanceOf(stakers.vault), stakers.asset.balanceOf(stakers.underwriter)) == (staked, 0)
    # Who comes then has no part in it.
    stakers.stake(first, 10_000 * U)
    stakers.travel_to(stakers.now() + STREAM)
    assert stakers.worth(first) == staked + 10_000 * U


def test_t67_revenue_with_just_enough_staked__streams_and_stops_below(
    backend: Any, actors: Actors, first: Any, second: Any
) -> None:
    stakers = Stakers(backend, actors, premium_bps=1_000)
    vault = stakers.vault
    stakers.stake(first, MIN_STAKED)
    paid_at = stakers.now() + 100
    # A premium of 100 U, half of the other 900 U, and 450 U for the reserve.
    stakers.fees(1_000 * U, time=paid_at)
    assert (stakers.fund.reserve(), vault.stream().unvested) == (450 * U, 550 * U)
    # Half of it has streamed when the stake falls to 925 U: the rest waits for stakers.
    shares = vault.balanceOf(first)
    stakers.request(first, shares // 51 * 14, time=paid_at + STREAM // 2)
    assert vault.totalAssets() == 1_275 * U - 350 * U + 1
    stakers.travel_to(stakers.now() + 40 * DAY)
    stream = vault.stream()
    assert (stream.unvested, stream.remaining, stream.running) == (275 * U, STREAM // 2, False)
    stakers.stake(second, 74_999_999)
    assert vault.stream().running
    stakers.travel_to(stakers.now() + STREAM // 4)
    assert vault.stream().unvested == 137_500_000


# -------------------------------------------------------------------- ERC-4626


STATES = ["new", "staked", "earned", "slashed", "slashed and earned"]


def _bring(stakers: Stakers, state: str, account: Any) -> None:
    """Bring the vault to a price."""
    if state == "new":
        return
    stakers.stake(account, 5_000 * U + 3)
    if "slashed" in state:
        stakers.cover(1_777_777_777)
    if "earned" in state:
        stakers.fees(1_234_567_891)
        stakers.travel_to(stakers.now() + STREAM)


@pytest.mark.parametrize("state", STATES)
def test_erc4626_conversions__agree_and_round_against_the_caller(stakers: Stakers, first: Any, state: str) -> None:
    vault = stakers.vault
    _bring(stakers, state, first)
    value, supply = _price(vault)
    for assets in (1, 2, 999, U + 1, 12_345_678_901, 10**15 + 1):
        shares = assets * supply // value
        assert vault.convertToShares(assets) == vault.previewDeposit(assets) == shares
        assert vault.convertToAssets(shares) <= assets
        assert shares <= vault.previewDeposit(vault.previewMint(shares))
        assert vault.previewMint(shares) <= assets
    for shares in (1, FIRST - 1, FIRST + 1, 98_765_432_109_876_543):
        assert vault.convertToAssets(shares) == shares * value // supply
        assert vault.previewMint(shares) == -(-shares * value // supply)
        assert vault.previewDeposit(vault.previewMint(shares)) >= shares


@pytest.mark.parametrize("state", STATES)
def test_erc4626_round_trips__never_profit_and_previews_are_kept(
    stakers: Stakers, first: Any, second: Any, state: str
) -> None:
    asset, vault = stakers.asset, stakers.vault
    _bring(stakers, state, first)
    paid = 0
    for assets in (3, 1_000_003, 777 * U + 1):
        promised = vault.previewDeposit(assets)
        assert stakers.stake(second, assets) == promised
        paid += assets
    for shares in (FIRST + 1, 333_333_333_333_333):
        promised = vault.previewMint(shares)
        stakers.give(second, promised, vault)
        vault.mint(shares, second, sender=second)
        assert asset.balanceOf(second) == 0
        paid += promised
    assert stakers.worth(second) <= paid
    for preview in ("previewRedeem", "previewWithdraw"):
        with reverts_with("backstop: exits are asynchronous"):
            getattr(vault, preview)(1)
    held = vault.balanceOf(second)
    day = stakers.request(second, held // 3)
    stakers.request(second, held - held // 3)
    worth = vault.request_assets(day, second)
    stakers.travel_to(max(vault.request_ids(second)) * DAY)
    # By assets, then by shares; never more than the maxima say.
    assert vault.maxWithdraw(second) <= paid
    with reverts_with("backstop: above claimable"):
        vault.withdraw(vault.maxWithdraw(second) + 1, second, second, sender=second)
    with reverts_with("backstop: above claimable"):
        vault.redeem(vault.maxRedeem(second) + 1, second, second, sender=second)
    whole = vault.maxWithdraw(second)
    vault.withdraw(whole // 3, second, second, sender=second)
    assert (asset.balanceOf(second), vault.maxWithdraw(second)) == (whole // 3, whole - whole // 3)
    stakers.claim_all(second)
    assert worth <= asset.balanceOf(second) == whole <= paid
    # Rounding takes at most a unit an operation, where a share isn't worth more than a unit.
    assert whole >= paid - 7


@pytest.mark.parametrize("state", ["new", "staked", "earned", "slashed"])
def test_erc4626_maxima__can_be_used_whole(stakers: Stakers, first: Any, second: Any, state: str) -> None:
    vault = stakers.vault
    _bring(stakers, state, first)
    assert vault.maxRedeem(first) == vault.maxWithdraw(first) == 0
    most, shares = vault.maxDeposit(second), vault.maxMint(second)
    assert most == 2**96 - 1 - vault.totalAssets()
    with reverts_with("backstop: amount too large"):
        vault.deposit(most + 1, second, sender=second)
    # Nobody has as many tokens: the vault agrees and the token refuses.
    with reverts_with("erc20: insufficient allowance"):
        vault.deposit(most, second, sender=second)
    with reverts_with("erc20: insufficient allowance"):
        vault.mint(shares, second, sender=second)


def test_erc4626_day_of_request__is_the_first_that_begins_a_cooldown_later(stakers: Stakers, first: Any) -> None:
    stakers.stake(first, 10 * U)
    time = stakers.now() + 12_345
    assert stakers.request(first, FIRST, time=time) == day_of_request(time)
    assert day_of_request(time) * DAY - time in range(COOLDOWN * DAY, (COOLDOWN + 1) * DAY)
