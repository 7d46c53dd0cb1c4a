"""The fund's model with layers behind its reserve, against figures worked out by hand: M9 to M13, M24, M37."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.model import DAY, FundModel, Refused
from kana_insurance.model import invariants as inv
from kana_insurance.model.backstop import BackstopModel
from kana_insurance.model.underwriter import UnderwriterModel
from tests.model.worlds import U, bare_fund


def refused(reason: str) -> Any:
    """The next call is refused with exactly this reason."""
    return pytest.raises(Refused, match=f"^{reason}$")


def backstop(
    fund: FundModel, name: str, *, stake: int, limit: int = 10**18, premium_bps: int = 0, cooldown_days: int = 14
) -> UnderwriterModel:
    """A backstop that insures the fund and has `stake` staked."""
    vault = BackstopModel(f"{name} vault", fund.token, fund.clock, cooldown_days=cooldown_days)
    layer = UnderwriterModel(name, vault, fund.clock)
    layer.set_fund("deployer", fund.address, limit, 0, DAY, premium_bps)
    layer.finish_setup("deployer")
    if stake:
        fund.token.mint("staker", stake)
        vault.deposit("staker", stake, "staker")
    return layer


def layered(
    *,
    reserve: int = 100 * U,
    stakes: tuple[int, int] = (201 * U, 301 * U),
    premiums: tuple[int, int] = (0, 0),
    staker_bps: int = 5_000,
    threshold: int = 1_000 * U,
    limit: int = 10_000 * U,
) -> tuple[FundModel, UnderwriterModel, UnderwriterModel]:
    """A fund with two layers that can pay 200 U and 300 U, and the market (venue, 0)."""
    fund = bare_fund(threshold)
    fund.register_market("deployer", "venue", 0, True)
    fund.set_max_insurance("deployer", "venue", 0, limit)
    staked = backstop(fund, "staked", stake=stakes[0], premium_bps=premiums[0])
    reinsurance = backstop(fund, "reinsurance", stake=stakes[1], premium_bps=premiums[1], cooldown_days=30)
    fund.set_layers("deployer", staked, reinsurance, staker_bps)
    fund.finish_setup("deployer")
    fund.token.mint("venue", 10**12)
    if reserve:
        fund.token.mint("contributor", reserve)
        fund.contribute("contributor", reserve)
    return fund, staked, reinsurance


def paid_by(fund: FundModel) -> list[tuple[str, int]]:
    """What the layers have paid, by the fund's events."""
    return [(event["layer"], event["amount"]) for event in fund.log.named("LayerPaid")]


# ------------------------------------------------------------------ waterfall (M10, M11, I7)


@pytest.mark.parametrize(
    ("shortfall", "paid", "layers"),
    [
        (99 * U, 99 * U, []),
        (100 * U, 100 * U, []),
        (100 * U + 1, 100 * U + 1, [("staked", 1)]),
        (300 * U, 300 * U, [("staked", 200 * U)]),
        (300 * U + 1, 300 * U + 1, [("staked", 200 * U), ("reinsurance", 1)]),
        (600 * U, 600 * U, [("staked", 200 * U), ("reinsurance", 300 * U)]),
        (900 * U, 600 * U, [("staked", 200 * U), ("reinsurance", 300 * U)]),
    ],
)
def test_cover__layers__pay_in_order_what_is_left(shortfall: int, paid: int, layers: list[tuple[str, int]]) -> None:
    fund, *_ = layered()
    fund.log.clear()
    before, held = fund.state(), fund.token.balances["venue"]
    assert fund.coverage("venue", 0) == 600 * U
    assert fund.cover_shortfall("venue", 0, shortfall) == paid
    assert fund.token.balances["venue"] == held + paid
    assert paid_by(fund) == layers
    assert (fund.reserve, fund.markets["venue", 0].used) == (max(100 * U - shortfall, 0), paid)
    assert fund.coverage("venue", 0) == 600 * U - paid
    inv.i2_i4_i5_trace(before, fund.state(), fund.log)
    assert fund.token.balances["fund"] == fund.reserve


def test_cover__limit_and_window__bound_all_together() -> None:
    fund, *_ = layered(limit=250 * U)
    assert fund.cover_shortfall("venue", 0, 600 * U) == 250 * U
    assert paid_by(fund) == [("staked", 150 * U)]
    assert fund.cover_shortfall("venue", 0, 1) == 0
    fund, *_ = layered()
    fund.set_window("governance", 150 * U, DAY)
    assert fund.cover_shortfall("venue", 0, 600 * U) == 150 * U
    assert paid_by(fund) == [("staked", 50 * U)]
    assert (fund.window_spent, fund.markets["venue", 0].used) == (150 * U, 150 * U)


def test_cover__layer_at_its_limit__the_next_pays() -> None:
    fund, staked, _ = layered()
    staked.set_fund("governance", "fund", 30 * U, 0, DAY, 0)
    assert fund.cover_shortfall("venue", 0, 150 * U) == 150 * U
    assert paid_by(fund) == [("staked", 30 * U), ("reinsurance", 20 * U)]


def test_cover__suspended_layer__counts_as_empty_until_the_end() -> None:
    fund, staked, _ = layered()
    fund.suspend_layer("guardian", 0, 7 * DAY)
    assert fund.coverage("venue", 0) == 400 * U
    assert fund.cover_shortfall("venue", 0, 150 * U) == 150 * U
    assert paid_by(fund) == [("reinsurance", 50 * U)]
    fund.clock.advance(7 * DAY)
    assert fund.cover_shortfall("venue", 0, 10 * U) == 10 * U
    assert paid_by(fund)[1:] == [("staked", 10 * U)]
    assert staked.backstop.staked() == 191 * U


def test_suspend_layer__as_long_and_as_often_as_a_pause() -> None:
    fund, *_ = layered()
    for place, duration, reason in (
        (2, DAY, "fund: no layer"),
        (0, 0, "fund: zero duration"),
        (0, 7 * DAY + 1, "fund: pause too long"),
    ):
        with refused(reason):
            fund.suspend_layer("guardian", place, duration)
    fund.suspend_layer("guardian", 0, 7 * DAY)
    fund.suspend_layer("guardian", 1, DAY)  # each has its own time
    fund.resume_layer("guardian", 0)
    assert fund.layers.suspended_until == (fund.clock.now, fund.clock.now + DAY)
    fund.clock.advance(7 * DAY - 1)
    with refused("fund: paused too recently"):
        fund.suspend_layer("guardian", 0, DAY)
    fund.clock.advance(1)
    fund.suspend_layer("guardian", 0, DAY)


def test_set_layers__removal_at_once__nothing_is_drawn_from_it() -> None:
    fund, staked, reinsurance = layered()
    fund.set_layers("governance", None, reinsurance, 5_000)
    assert fund.cover_shortfall("venue", 0, 1_000 * U) == 400 * U
    assert paid_by(fund) == [("reinsurance", 300 * U)]
    with refused("fund: no layer"):
        fund.suspend_layer("guardian", 0, DAY)
    with refused("fund: no notice"):
        fund.set_layers("governance", staked, reinsurance, 5_000)
    with refused("fund: no notice"):
        fund.set_layers("governance", reinsurance, None, 5_000)  # elsewhere in the order: a new layer there
    with refused("fund: layer twice"):
        fund.set_layers("governance", reinsurance, reinsurance, 5_000)
    with refused("fund: staker bps out of bounds"):
        fund.set_layers("governance", None, None, 10_001)
    fund.set_layers("governance", None, None, 10_000)
    assert fund.coverage("venue", 0) == 0


# ------------------------------------------------------------------ revenue (M24)


def test_settle_fees__whole_order__each_unit_placed() -> None:
    fund, staked, reinsurance = layered(reserve=990 * U, premiums=(100, 1_000))
    fund.record_bad_debt("venue", 0, 50 * U)
    held = fund.token.balances["venue"]
    # 250: 50 repay; of 200: premiums 2 and 20; of 178 half: 89; room 1000 - 990 = 10; the rest 79 to the stream
    assert fund.settle_fees("venue", 0, 250 * U) == 50 * U
    event = fund.log.named("FeesSettled")[0]
    names = ("repaid", "premiums", "streamed", "booked", "forwarded", "reserve")
    assert [event[name] for name in names] == [50 * U, 22 * U, 168 * U, 10 * U, 0, 1_000 * U]
    assert (staked.backstop.unvested(), reinsurance.backstop.unvested()) == (170 * U, 20 * U)
    assert fund.token.balances["venue"] == held - 200 * U
    assert fund.token.balances["fund"] == fund.reserve
    assert fund.token.balances["treasury"] == 0


def test_settle_fees__rounding__down_and_the_rest_to_the_reserve() -> None:
    fund, staked, reinsurance = layered(premiums=(333, 777))
    # 101: premiums 3 (3.36) and 7 (7.85); of 91 half: 45; 46 to the reserve
    fund.settle_fees("venue", 0, 101)
    assert (staked.backstop.unvested(), reinsurance.backstop.unvested(), fund.reserve) == (48, 7, 100 * U + 46)


def test_settle_fees__stream_takes_nothing__the_treasury_gets_the_rest() -> None:
    fund, _, reinsurance = layered(reserve=990 * U, stakes=(0, 301 * U), premiums=(100, 1_000))
    fund.settle_fees("venue", 0, 100 * U)  # premium 10; room 10; 80 to the treasury
    assert (reinsurance.backstop.unvested(), fund.reserve) == (10 * U, 1_000 * U)
    assert fund.token.balances["treasury"] == 80 * U


def test_settle_fees__suspended_layer__gets_nothing() -> None:
    fund, staked, reinsurance = layered(reserve=1_000 * U, premiums=(100, 1_000))
    fund.suspend_layer("guardian", 0, DAY)
    fund.suspend_layer("guardian", 1, DAY)
    fund.settle_fees("venue", 0, 100 * U)
    assert (staked.backstop.unvested(), reinsurance.backstop.unvested()) == (0, 0)
    assert fund.token.balances["treasury"] == 100 * U


def test_used__falls_by_what_is_booked_alone() -> None:
    fund, *_ = layered(premiums=(0, 1_000))
    fund.cover_shortfall("venue", 0, 300 * U)
    fund.settle_fees("venue", 0, 100 * U)  # 10 premium, 45 stream, 45 booked
    assert fund.markets["venue", 0].used == 255 * U


def test_settle_liquidation__slice__never_goes_to_stakers() -> None:
    fund, staked, _ = layered(reserve=1_000 * U)
    assert tuple(fund.settle_liquidation("venue", 0, 1_000)) == (300, 0, 700, 0)
    assert staked.backstop.unvested() == 0


# ------------------------------------------------------------------ notices (M9)


def test_notice__layers__longest_cooldown_and_three_days() -> None:
    fund, staked, _ = layered()
    call = ("set_threshold", 1)
    fund.notices.announce("governance", fund, call)
    assert fund.notices.log.named("NoticeGiven")[0]["notice_seconds"] == 33 * DAY
    assert fund.notices.notice(fund, call) == (0, 33 * DAY)
    fund.clock.advance(33 * DAY - 1)
    with refused("fund: notice not mature"):
        fund.set_threshold("governance", 1)
    fund.clock.advance(1)
    fund.set_threshold("governance", 1)
    fund.set_layers("governance", staked, None, 5_000)
    fund.notices.announce("governance", fund, ("set_window", 0, DAY))
    assert fund.notices.notice(fund, ("set_window", 0, DAY)) == (0, 17 * DAY)


def test_notice__lapses_seven_days_after_maturity() -> None:
    fund, *_ = layered()
    call = ("set_threshold", 1)
    fund.notices.announce("governance", fund, call)
    fund.clock.advance(40 * DAY - 1)
    with refused("notices: notice running"):
        fund.notices.announce("governance", fund, call)
    fund.clock.advance(1)
    with refused("fund: notice lapsed"):
        fund.set_threshold("governance", 1)
    fund.notices.announce("governance", fund, call)


def test_notice__cooldown_raised_meanwhile__takes_as_long() -> None:
    fund, staked, _ = layered()
    fund.set_layers("governance", staked, None, 5_000)
    fund.notices.announce("governance", fund, ("set_threshold", 1))
    staked.set_cooldown("governance", 20)
    staked.set_cooldown("governance", 7)  # was in force at some time during it
    fund.clock.advance(23 * DAY - 1)
    with refused("fund: notice not mature"):
        fund.set_threshold("governance", 1)
    fund.clock.advance(1)
    fund.set_threshold("governance", 1)


def test_notice__exits_held_by_another_fund__stands_still() -> None:
    fund, staked, _ = layered()
    fund.set_layers("governance", staked, None, 5_000)
    other = FundModel("other", fund.token, fund.clock, treasury="treasury", threshold=1)
    staked.announce("governance", ("set_fund", "other", 1, 0, DAY, 0))
    fund.clock.advance(17 * DAY)
    staked.set_fund("governance", "other", 1, 0, DAY, 0)
    fund.notices.announce("governance", fund, ("set_threshold", 1))
    fund.clock.advance(DAY)
    staked.hold("other", fund.clock.now + 2 * DAY)  # three days with the one after
    fund.clock.advance(19 * DAY - 1)  # 17 + 3 in all, less the day before and a second
    assert fund.notices.notice(fund, ("set_threshold", 1)) == (17 * DAY - 1, 17 * DAY)
    fund.clock.advance(1)
    fund.set_threshold("governance", 1)
    assert other.reserve == 0


def test_notice__of_a_new_layer__waits_for_its_own_cooldown_too() -> None:
    """Else a layer could be removed, and be back before its stakers can have left."""
    fund, staked, reinsurance = layered()
    fund.set_layers("governance", None, None, 5_000)
    call = ("set_layers", None, reinsurance, 5_000)
    fund.notices.announce("governance", fund, call)
    assert fund.notices.notice(fund, call) == (0, 33 * DAY)
    fund.notices.announce("governance", fund, ("set_threshold", 1))
    assert fund.notices.notice(fund, ("set_threshold", 1))[1] == 2 * DAY
    fund.clock.advance(33 * DAY)
    fund.set_layers("governance", None, reinsurance, 5_000)
    assert staked.backstop.staked() == 201 * U


def test_notice__given_before_a_layer_joined__is_void() -> None:
    fund, staked, _ = layered()
    fund.set_layers("governance", None, None, 5_000)
    fund.notices.announce("governance", fund, ("set_layers", staked, None, 5_000))
    fund.clock.advance(16 * DAY)
    fund.notices.announce("governance", fund, ("set_threshold", 1))
    fund.clock.advance(2 * DAY)
    fund.set_layers("governance", staked, None, 5_000)
    for call, reason in (
        (fund.set_threshold, "fund: no notice"),
        (lambda *_: fund.notices.cancel("governance", fund, ("set_threshold", 1)), "notices: no notice"),
    ):
        with refused(reason):
            call("governance", 1)
    with refused("notices: layer joined just now"):
        fund.notices.announce("governance", fund, ("set_threshold", 1))
    fund.clock.advance(1)
    fund.notices.announce("governance", fund, ("set_threshold", 1))


# ------------------------------------------------------------------ pauses (M37)


def test_pause__holds_the_exits_of_layers_that_are_not_suspended() -> None:
    fund, staked, reinsurance = layered()
    fund.suspend_layer("guardian", 1, 2 * DAY)
    fund.pause_payouts("guardian", 5 * DAY)
    assert (staked.held_until, reinsurance.held_until) == (fund.clock.now + 6 * DAY, 0)
    fund.clock.advance(DAY)
    fund.resume_payouts("guardian")
    assert (staked.held_until, reinsurance.held_until) == (fund.clock.now + DAY, 0)


def test_resume_layer__while_payouts_are_held__its_exits_are_too() -> None:
    fund, _, reinsurance = layered()
    fund.suspend_layer("guardian", 1, 4 * DAY)
    fund.pause_payouts("guardian", 5 * DAY)
    end = fund.payouts_resume_at
    fund.clock.advance(DAY)
    fund.resume_layer("guardian", 1)
    assert reinsurance.held_until == end + DAY


def test_resume_layer__suspension_over_in_the_day_after_a_pause__holds_the_rest() -> None:
    fund, staked, reinsurance = layered()
    fund.suspend_layer("guardian", 1, 2 * DAY)
    fund.pause_payouts("guardian", 5 * DAY)
    end = fund.payouts_resume_at
    fund.clock.advance(6 * DAY - 1)
    until = fund.layers.suspended_until
    fund.resume_layer("outsider", 1)
    assert reinsurance.held_until == staked.held_until == end + DAY
    assert fund.layers.suspended_until == until
    fund.clock.advance(1)
    fund.resume_layer("outsider", 1)
    assert reinsurance.held_until == staked.held_until == end + DAY


def test_set_layers__during_a_pause__the_new_layer_is_held() -> None:
    fund, staked, reinsurance = layered()
    fund.set_layers("governance", None, None, 5_000)
    call = ("set_layers", staked, reinsurance, 5_000)
    fund.notices.announce("governance", fund, call)
    fund.clock.advance(33 * DAY)
    fund.pause_payouts("guardian", 5 * DAY)
    assert staked.held_until == 0
    fund.set_layers("governance", *call[1:])
    assert (staked.held_until, reinsurance.held_until) == (fund.clock.now + 6 * DAY,) * 2
