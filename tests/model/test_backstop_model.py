"""The backstop's model against numbers worked by hand (M9, M19 to M23, M37; I6, I7, I11; T60 to T67)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kana_insurance.model import DAY, Clock, Refused, TokenLedger
from kana_insurance.model.backstop import BackstopModel
from kana_insurance.model.underwriter import UnderwriterModel

U = 10**6
SHARE = 10**12  # shares for one U at first
NOON = 20_833 * DAY + DAY // 2  # of a Unix day
HOUR = 3_600


@dataclass
class World:
    """A backstop of 14 days and its underwriter, with two funds; stakers have what they need."""

    clock: Clock
    token: TokenLedger
    vault: BackstopModel
    layer: UnderwriterModel

    def stake(self, staker: str, amount: int) -> int:
        """Deposit for oneself."""
        self.token.mint(staker, amount)
        return self.vault.deposit(staker, amount, staker)

    def request(self, staker: str, shares: int) -> int:
        """Request for oneself."""
        return self.vault.request_redeem(staker, shares, staker, staker)

    def earn(self, amount: int) -> None:
        """Revenue, all of it streamed."""
        self.token.mint("fund", amount)
        self.layer.add_revenue("fund", amount)
        self.clock.advance(self.vault.stream_length)

    def claim(self, staker: str) -> int:
        """All that is claimable."""
        return self.vault.redeem(staker, self.vault.max_redeem(staker), staker, staker)

    def go_to(self, day: int, seconds: int = 0) -> None:
        """Wait for a day."""
        self.clock.advance(day * DAY + seconds - self.clock.now)


def world(offset: int = 6, limit: int = 10**15, min_staked: int = 0, cooldown_days: int = 14) -> World:
    """A world at noon."""
    clock, token = Clock(NOON), TokenLedger()
    vault = BackstopModel("vault", token, clock, offset=offset, min_staked=min_staked, cooldown_days=cooldown_days)
    layer = UnderwriterModel("layer", vault, clock)
    layer.set_fund("deployer", "fund", limit, 0, DAY, 0)
    layer.set_fund("deployer", "other", 500 * U, 100 * U, DAY, 1_000)
    layer.finish_setup("deployer")
    return World(clock, token, vault, layer)


# ---------------------------------------------------------------- M20's worked examples


@pytest.mark.parametrize(("offset", "shares"), [(0, 33_333_333_333), (6, 33_333_333_333 * U)])
def test_request__slashed_before_and_after__claims_what_is_left(offset: int, shares: int) -> None:
    it = world(offset)
    it.stake("staker", 100_000 * U)
    it.layer.absorb("fund", 100_000 * U // 19)
    day = it.request("staker", shares)
    assert it.vault.exits.request_assets(day, "staker") == 31_578_947_368
    at_risk = it.vault.staked() + 31_578_947_368
    assert it.layer.absorb("fund", at_risk // 2) == 47_368_421_053
    it.go_to(day)
    assert it.claim("staker") == 15_789_473_684


@pytest.mark.parametrize(
    ("offset", "staked", "revenue", "shares"),
    [
        (0, 1_000 * U, 100_000_001, 89_999_999),
        (0, 2_000 * U, 19_000_000_001, 9_090_908),
        # (900e12 + 1e6) * 99,999,999 // 1,000,000,002 and (1,900e12 + 1e6) * 99,999,999 // 20,900,000,002
        (6, 1_000 * U, 100_000_001, 89_999_999_020_000),
        (6, 2_000 * U, 19_000_000_001, 9_090_909_003_914),
    ],
)
def test_cancel__price_rose_and_pending_was_slashed__restakes_at_present_price(
    offset: int, staked: int, revenue: int, shares: int
) -> None:
    it = world(offset)
    it.stake("staker", staked)
    day = it.request("staker", 100 * U * 10**offset)
    it.earn(revenue)
    assert it.layer.absorb("fund", 1) == 1  # all of it the pending's, which is rounded up
    assert it.vault.exits.request_assets(day, "staker") == 99_999_999
    assert it.vault.staked() == staked - 100 * U + revenue
    assert it.vault.cancel_request("staker", day, "staker") == shares
    assert it.vault.shares_of("staker") == (staked - 100 * U) * 10**offset + shares


# ---------------------------------------------------------------- stake and price (M19)


def test_deposit__empty__gives_a_million_shares_a_unit() -> None:
    it = world()
    assert it.stake("staker", 5 * U) == 5 * SHARE
    it.token.mint("staker", 3)
    assert it.vault.mint("staker", 2_000_001, "staker") == 3


def test_t60_inflation__donation_by_transfer__moves_no_price() -> None:
    it = world()
    it.stake("thief", 1)
    it.token.mint("vault", 10_000 * U)
    shares = it.stake("victim", 10_000 * U)
    assert it.vault.to_assets_down(shares) == 10_000 * U


def test_t60_inflation__through_revenue__victim_loses_a_millionth_at_most() -> None:
    it = world()
    it.stake("thief", 1)
    it.earn(10_000 * U)
    shares = it.stake("victim", 10_000 * U)
    assert 10_000 * U - it.vault.to_assets_down(shares) <= 10_000


# ---------------------------------------------------------------- exits (M20, T62 to T64)


def test_request__id__is_the_first_day_that_begins_a_cooldown_later() -> None:
    it = world()
    it.stake("staker", 100 * U)
    assert it.request("staker", SHARE) == 20_833 + 15
    it.go_to(20_834)
    assert it.request("staker", SHARE) == 20_834 + 14
    it.clock.advance(1)
    assert it.request("staker", SHARE) == 20_834 + 15
    assert it.vault.pending(20_848, "staker") == 2 * SHARE
    assert it.vault.pending(20_849, "staker") == SHARE
    assert it.vault.exits.request_days("staker") == [20_849, 20_848]


def test_request__maturity__comes_with_its_day_and_not_a_second_earlier() -> None:
    it = world()
    it.stake("staker", 100 * U)
    day = it.request("staker", 40 * SHARE)
    it.go_to(day, -1)
    assert it.vault.pending(day, "staker") == 40 * SHARE
    assert it.vault.max_redeem("staker") == it.vault.max_withdraw("staker") == 0
    with pytest.raises(Refused, match="backstop: above claimable"):
        it.vault.redeem("staker", 1, "staker", "staker")
    it.clock.advance(1)
    assert it.vault.claimable(day, "staker") == 40 * SHARE
    assert it.vault.max_withdraw("staker") == 40 * U


def test_t62_t64__slashes_before_and_after_maturity__only_pending_bears() -> None:
    it = world()
    it.stake("staker", 100 * U)
    early = it.request("staker", 50 * SHARE)
    assert it.layer.absorb("fund", 40 * U) == 40 * U
    it.go_to(early)
    late = it.request("staker", 25 * SHARE)
    assert it.layer.absorb("fund", 15 * U) == 15 * U
    # 100 - 40: 30 and 30; of the 30 staked half are requested; 15 of 30 are taken: 7.5 and 7.5
    assert it.vault.exits.request_assets(early, "staker") == 30 * U
    assert it.vault.exits.request_assets(late, "staker") == 7_500_000
    it.go_to(late)
    assert it.vault.withdraw("staker", 37_500_000, "staker", "staker") == 75 * SHARE


def test_claim__in_pieces__sums_to_the_whole() -> None:
    it = world()
    it.stake("staker", 100 * U)
    day = it.request("staker", 10 * SHARE + 7)
    it.layer.absorb("fund", 33_333_333)
    it.go_to(day)
    whole = it.vault.max_withdraw("staker")
    paid = it.vault.redeem("staker", 3 * SHARE + 1, "staker", "staker")
    assert it.vault.max_withdraw("staker") == whole - paid
    it.vault.withdraw("staker", 1_234_567, "staker", "staker")
    assert it.vault.max_withdraw("staker") == whole - paid - 1_234_567
    assert paid + 1_234_567 + it.claim("staker") == whole


def test_cancel__then_matured_day__has_nothing_pending() -> None:
    it = world()
    it.stake("staker", 100 * U)
    day = it.request("staker", 10 * SHARE)
    it.go_to(day)
    with pytest.raises(Refused, match="backstop: nothing pending"):
        it.vault.cancel_request("staker", day, "staker")


def test_roll__untouched_for_a_year__matures_every_day_at_once() -> None:
    it = world(cooldown_days=30)
    it.stake("staker", 100 * U)
    days = []
    for _ in range(31):
        days.append(it.request("staker", SHARE))
        it.clock.advance(DAY)
    it.clock.advance(365 * DAY)
    it.vault.roll("anyone")
    assert it.vault.exits.units == it.vault.exits.assets == 0
    assert it.vault.max_withdraw("staker") == 31 * U
    assert it.layer.absorb("fund", 1_000 * U) == 68 * U
    assert it.claim("staker") == 31 * U


# ---------------------------------------------------------------- slash (M21, T65)


def test_slash__revenue_on_its_way__goes_first() -> None:
    it = world()
    it.stake("staker", 100 * U)
    it.token.mint("fund", 70 * U)
    it.layer.add_revenue("fund", 70 * U)
    it.clock.advance(DAY)
    assert it.vault.unvested() == 60 * U
    it.layer.absorb("fund", 50 * U)
    assert (it.vault.unvested(), it.vault.staked()) == (10 * U, 110 * U)
    it.clock.advance(3 * DAY)
    assert it.vault.unvested() == 5 * U
    it.layer.absorb("fund", 6 * U)
    assert (it.vault.unvested(), it.vault.staked()) == (0, 114 * U)


def test_slash__capacity__leaves_one_unit_of_stake_and_pending() -> None:
    it = world()
    it.stake("staker", 10 * U)
    it.request("staker", 5 * SHARE)
    assert it.layer.capacity("fund") == 9 * U
    assert it.layer.absorb("fund", 10**30) == 9 * U
    assert it.vault.staked() + it.vault.exits.assets == U
    assert it.layer.absorb("fund", 1) == 0


def test_t65_slashed_to_a_millionth__deposits_stay_closed() -> None:
    it = world()
    it.stake("staker", 2_000_000 * U)
    it.layer.absorb("fund", 10**30)
    assert it.vault.staked() == U
    assert it.vault.closed
    assert it.vault.max_deposit() == it.vault.max_mint() == 0
    with pytest.raises(Refused, match="backstop: deposits closed"):
        it.stake("newcomer", 100 * U)
    it.earn(10_000_000 * U)
    with pytest.raises(Refused, match="backstop: deposits closed"):
        it.stake("newcomer", 100 * U)
    day = it.request("staker", it.vault.shares_of("staker"))
    it.go_to(day)
    # Of 10,000,001 U the virtual shares keep 10**6 of 2 * 10**18 + 10**6.
    assert it.claim("staker") == 10_000_001 * U - 5


def test_t65_pool_slashed_to_0__stays_worth_0_and_the_next_is_another() -> None:
    it = world()
    it.stake("staker", 10 * U)
    it.stake("other", 10 * U)
    day = it.request("staker", U)
    assert it.vault.exits.assets == 1
    it.layer.absorb("fund", 1)
    assert (it.vault.exits.assets, it.vault.exits.units) == (0, 0)
    assert it.request("staker", 2 * SHARE) == day
    assert it.request("other", 3 * SHARE) == day
    assert it.vault.pending(day, "staker") == 2 * SHARE + U
    it.go_to(day)
    assert it.claim("staker") == 2 * U
    assert it.claim("other") == 3 * U


def test_t65_dead_request__is_worth_nothing_and_can_be_cleared() -> None:
    it = world()
    it.stake("staker", 10 * U)
    it.stake("other", 10 * U)
    day = it.request("staker", U)
    it.layer.absorb("fund", 1)
    assert it.request("other", 3 * SHARE) == day
    with pytest.raises(Refused, match="backstop: zero shares"):
        it.vault.cancel_request("staker", day, "staker")
    it.go_to(day)
    assert it.vault.max_withdraw("staker") == 0
    assert it.vault.max_redeem("staker") == U
    assert it.claim("staker") == 0
    assert it.claim("other") == 3 * U


# ---------------------------------------------------------------- stream (M22, T61, T67)


def test_stream__second_payment__takes_the_weighted_time() -> None:
    it = world()
    it.stake("staker", 100 * U)
    it.token.mint("fund", 200 * U)
    it.layer.add_revenue("fund", 70 * U)
    it.clock.advance(5 * DAY)
    it.layer.add_revenue("fund", 30 * U)
    # 20 U within 2 days and 30 U within 7: 5 days for 50.
    assert it.vault.stream()["remaining"] == 5 * DAY
    assert it.vault.unvested() == 50 * U
    it.clock.advance(DAY)
    assert it.vault.staked() == 160 * U


def test_t61_just_in_time__before_a_payment__gets_nothing_from_before() -> None:
    it = world()
    it.stake("staker", 100 * U)
    it.token.mint("fund", 700 * U)
    it.layer.add_revenue("fund", 700 * U)
    it.clock.advance(6 * DAY)
    shares = it.stake("late", 700 * U)
    assert it.vault.to_assets_down(shares) == 700 * U - 1
    it.clock.advance(DAY)
    # The last 100 U go to 1,400 U of stake.
    assert it.vault.to_assets_down(shares) == pytest.approx(750 * U, abs=1)


def test_stream__too_little_staked__stands_still() -> None:
    it = world(min_staked=50 * U)
    with pytest.raises(Refused, match="backstop: takes no revenue"):
        it.earn(7 * U)
    assert it.layer.revenue_terms("fund") == (0, False)
    it.stake("staker", 50 * U)
    it.token.mint("fund", 7 * U)
    it.layer.add_revenue("fund", 7 * U)
    it.clock.advance(DAY)
    assert it.vault.staked() == 51 * U
    it.request("staker", 10 * SHARE)
    left = it.vault.stream()
    assert (left["unvested"], left["remaining"], left["running"]) == (6 * U, 6 * DAY, False)
    it.clock.advance(100 * DAY)
    assert it.vault.unvested() == 6 * U
    it.stake("staker", 20 * U)
    it.clock.advance(DAY)
    assert it.vault.unvested() == 5 * U


# ---------------------------------------------------------------- funds (M23, T38)


def test_t38_two_funds__one_layer__each_its_limit_and_together_what_there_is() -> None:
    it = world(limit=80 * U)
    it.stake("staker", 151 * U)
    assert it.layer.absorb("fund", 1_000 * U) == 80 * U
    assert it.layer.absorb("other", 1_000 * U) == 70 * U
    assert it.layer.absorb("fund", 1_000 * U) == it.layer.absorb("other", 1_000 * U) == 0
    assert it.token.balances["vault"] == U


def test_absorb__window__leaks() -> None:
    it = world()
    it.stake("staker", 10_000 * U)
    assert it.layer.absorb("other", 300 * U) == 100 * U
    assert it.layer.absorb("other", 300 * U) == 0
    it.clock.advance(DAY // 4)
    assert it.layer.absorb("other", 300 * U) == 25 * U
    it.clock.advance(100 * DAY)
    assert it.layer.absorb("other", 300 * U) == 100 * U


def test_absorb__unknown_or_removed__gets_nothing() -> None:
    it = world()
    it.stake("staker", 10_000 * U)
    assert it.layer.absorb("stranger", U) == 0
    it.layer.remove_fund("governance", "fund")
    assert it.layer.absorb("fund", U) == 0


def test_removed_fund__registered_again__has_drawn_what_it_had() -> None:
    it = world(limit=80 * U)
    it.stake("staker", 10_000 * U)
    it.layer.absorb("fund", 30 * U)
    it.layer.remove_fund("governance", "fund")
    call = ("set_fund", "fund", 80 * U, 0, DAY, 0)
    it.layer.announce("governance", call)
    it.clock.advance(17 * DAY)
    it.layer.set_fund("governance", *call[1:])
    assert it.layer.absorb("fund", 1_000 * U) == 50 * U


# ---------------------------------------------------------------- holds and notices (M9, M37, T40)


def test_hold__matures_the_due_first_and_the_rest_together_afterwards() -> None:
    it = world()
    it.stake("staker", 100 * U)
    first = it.request("staker", 10 * SHARE)
    it.clock.advance(DAY)
    second = it.request("staker", 10 * SHARE)
    it.clock.advance(DAY)
    third = it.request("staker", 10 * SHARE)
    it.go_to(first, HOUR)
    it.layer.hold("fund", it.clock.now + 2 * DAY)
    assert it.vault.claimable(first, "staker") == 10 * SHARE
    it.go_to(third, HOUR - 1 + DAY)
    assert it.vault.claimable(second, "staker") == it.vault.claimable(third, "staker") == 0
    assert it.layer.absorb("fund", 9 * U) == 9 * U
    assert it.vault.exits.request_assets(second, "staker") == 9 * U
    it.clock.advance(1)
    assert it.vault.claimable(second, "staker") == it.vault.claimable(third, "staker") == 10 * SHARE
    assert it.claim("staker") == 28 * U


def test_hold__ended_early__goes_on_for_a_day() -> None:
    it = world()
    it.layer.hold("fund", it.clock.now + 7 * DAY)
    it.clock.advance(DAY)
    it.layer.hold("fund", it.clock.now)
    assert it.layer.held_until == it.clock.now + DAY


def test_hold__of_a_past_time__ends_a_day_after_that() -> None:
    it = world()
    end = it.clock.now + 2 * DAY
    it.layer.hold("fund", end)
    it.clock.advance(3 * DAY - 1)
    it.layer.hold("fund", end)
    assert it.layer.held_until == end + DAY
    it.clock.advance(1)
    for past in (end, 0):
        it.layer.hold("fund", past)
        assert it.layer.held_until == end + DAY
    # What is held is never given back: a hold ends now at the earliest.
    it.clock.advance(6 * DAY)
    it.layer.hold("fund", it.clock.now + 2 * DAY)
    it.clock.advance(HOUR)
    clock = it.layer.exit_clock()
    it.layer.hold("fund", 0)
    assert (it.layer.held_until, it.layer.exit_clock()) == (it.clock.now, clock)


def test_hold__any_14_days__hold_at_most_8() -> None:
    it = world()
    held = [False] * (60 * 24)
    start = it.clock.now
    for hour in range(len(held)):
        for name, every in (("fund", 24 * 5), ("other", 24 * 3)):
            if hour % every == 0:
                it.layer.hold(name, it.clock.now + 7 * DAY)
        held[hour] = it.layer.hold_began <= it.clock.now < it.layer.held_until
        it.clock.advance(HOUR)
    assert it.layer.exit_clock() == it.clock.now - sum(held) * HOUR
    assert it.clock.now == start + len(held) * HOUR
    assert max(sum(held[at : at + 14 * 24]) for at in range(len(held))) == 8 * 24


def test_hold__one_fund_that_pauses_as_often_as_it_may__is_never_cut_short() -> None:
    it = world()
    for length in (DAY, 7 * DAY, HOUR, 7 * DAY):
        it.layer.hold("fund", it.clock.now + length)
        assert it.layer.hold_began == it.clock.now
        assert it.layer.held_until == it.clock.now + length + DAY
        it.clock.advance(length + 7 * DAY)


def test_notice__takes_the_longest_cooldown_in_force_and_3_days() -> None:
    it = world()
    call = ("set_fund", "other", 600 * U, 100 * U, DAY, 1_000)
    it.layer.announce("governance", call)
    it.clock.advance(DAY)
    it.layer.set_cooldown("governance", 20)
    it.layer.set_cooldown("governance", 7)
    it.clock.advance(22 * DAY - 1)
    with pytest.raises(Refused, match="layer: notice not mature"):
        it.layer.set_fund("governance", *call[1:])
    it.clock.advance(1)
    it.layer.set_fund("governance", *call[1:])


def test_notice__held_by_another_fund__stands_still() -> None:
    it = world()
    call = ("set_fund", "other", 600 * U, 100 * U, DAY, 1_000)
    it.layer.announce("governance", call)
    it.layer.hold("fund", it.clock.now + 2 * DAY)
    it.clock.advance(20 * DAY - 1)
    with pytest.raises(Refused, match="layer: notice not mature"):
        it.layer.set_fund("governance", *call[1:])
    it.clock.advance(1)
    it.layer.set_fund("governance", *call[1:])


@pytest.mark.parametrize(
    "terms",
    [(500, 100, DAY, 1_000), (400, 100, DAY, 1_000), (500, 99, 2 * DAY, 0)],
)
def test_set_fund__no_more__is_immediate(terms: tuple[int, int, int, int]) -> None:
    it = world()
    limit, cap, length, premium = terms
    it.layer.set_fund("governance", "other", limit * U, cap * U, length, premium)


@pytest.mark.parametrize(
    ("fund", "terms"),
    [
        ("other", (501, 100, DAY, 1_000)),
        ("other", (500, 101, DAY, 1_000)),
        ("other", (500, 0, DAY, 1_000)),
        ("other", (500, 100, DAY - 1, 1_000)),
        ("other", (500, 100, DAY, 1_001)),
        ("third", (1, 1, DAY, 0)),
    ],
)
def test_set_fund__more__needs_notice(fund: str, terms: tuple[int, int, int, int]) -> None:
    it = world()
    limit, cap, length, premium = terms
    with pytest.raises(Refused, match="layer: no notice"):
        it.layer.set_fund("governance", fund, limit * U, cap * U, length, premium)
