"""Attacks on the layers behind funds: T38, and T30 and T40 where somebody is staked; and what a cover costs."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.testing import DAY, Actors, U, logs, reverts_with
from tests.attacks.stakers import FIRST, MARKET, UNBOUNDED, Stakers

WEEK = 7 * DAY
#: The longest cooldown, and three days (M9).
NOTICE = 17 * DAY
#: What a cover through the reserve and two layers may take.
COVER_GAS = 160_000


@pytest.fixture(scope="module")
def stage(backend: Any, actors: Actors) -> Stakers:
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


# ------------------------------------------------------------------------ T38


def _cover_at_once(stage: Stakers, *amounts: int) -> list[int]:
    """Draw on all funds in one transaction, in their order; returns what the layer has paid each so far."""
    calls = [
        stage.call(fund, "cover_shortfall", MARKET, amount) for fund, amount in zip(stage.funds, amounts, strict=True)
    ]
    stage.script.add(calls, sender=stage.actors.keeper)
    stage.script.run(False, sender=stage.actors.keeper)
    return [int(stage.underwriter.terms(fund).used) for fund in stage.funds]


@pytest.mark.parametrize(
    ("limits", "paid"),
    [
        # More than there is: the second gets what the first has left; 1 U stays.
        ((UNBOUNDED, UNBOUNDED), [80_000 * U, 20_000 * U]),
        ((60_000 * U, 70_000 * U), [60_000 * U, 40_000 * U]),
        # Each by its own limit.
        ((30_000 * U, 50_000 * U), [30_000 * U, 50_000 * U]),
        ((0, 50_000 * U), [0, 50_000 * U]),
    ],
)
def test_t38_reinsurance_counted_twice__sum_within_its_assets_and_each_within_its_limit(
    backend: Any, actors: Actors, first: Any, limits: tuple[int, int], paid: list[int]
) -> None:
    stage = Stakers(backend, actors, funds=2, limits={(0, 0): limits[0], (1, 0): limits[1]})
    stage.stake(first, 100_001 * U)
    before = [stage.underwriter.capacity(fund) for fund in stage.funds]
    # Each capacity is what that fund alone could draw: together they may say more than there is.
    assert before == [min(limit, 100_000 * U) for limit in limits]
    assert _cover_at_once(stage, 80_000 * U, 80_000 * U) == paid
    assert stage.asset.balanceOf(stage.venue) == sum(paid) <= 100_000 * U
    assert stage.vault.totalAssets() == stage.asset.balanceOf(stage.vault) == 100_001 * U - sum(paid)
    left = 100_000 * U - sum(paid)
    assert [stage.underwriter.capacity(fund) for fund in stage.funds] == [
        min(limit - one, left) for limit, one in zip(limits, paid, strict=True)
    ]
    # And again: no limit begins anew.
    again = _cover_at_once(stage, 80_000 * U, 80_000 * U)
    assert all(used <= limit for used, limit in zip(again, limits, strict=True))
    assert sum(again) <= 100_000 * U


def test_t38_layer_behind_a_layer__is_asked_for_the_rest_alone(backend: Any, actors: Actors, first: Any) -> None:
    stage = Stakers(backend, actors, funds=2, layers=2, limits={(0, 0): 5_000 * U})
    stage.contribute(1_000 * U)
    stage.stake(first, 10_000 * U, layer=0)
    stage.stake(first, 50_001 * U, layer=1)
    # 1,000 of the reserve, 5,000 of the first layer's limit, 14,000 of the second; then the second fund.
    receipt = stage.fund.cover_shortfall(MARKET, 20_000 * U, sender=stage.venue)
    events = [(name, args.get("amount")) for name, args in logs(receipt, stage.fund) if name == "LayerPaid"]
    assert events == [("LayerPaid", 5_000 * U), ("LayerPaid", 14_000 * U)]
    assert [layer.vault.totalAssets() for layer in stage.layers] == [5_000 * U, 36_001 * U]
    stage.funds[1].cover_shortfall(MARKET, 100_000 * U, sender=stage.venue)
    assert [layer.vault.totalAssets() for layer in stage.layers] == [U, U]
    assert stage.asset.balanceOf(stage.venue) == 20_000 * U + 4_999 * U + 36_000 * U


# ------------------------------------------------------------------------ T30


def _announce(stage: Stakers, contract: Any, function: str, *args: Any) -> int:
    """Give notice; returns when."""
    call = stage.backend.encode(getattr(contract, function), *args)
    if contract is stage.fund:
        stage.notices.announce(contract, call, sender=stage.governance)
    else:
        contract.announce(call, sender=stage.governance)
    return stage.now()


@pytest.mark.parametrize("function", ["set_threshold", "set_max_insurance"])
def test_t30_lower_threshold_or_higher_limit__stakers_who_disagree_are_out_before(
    stage: Stakers, first: Any, second: Any, function: str
) -> None:
    fund, governance = stage.fund, stage.governance
    args: tuple[Any, ...] = (1,)
    if more := function == "set_max_insurance":
        fund.set_max_insurance(stage.script, MARKET, 1_000 * U, sender=governance)
        args = (stage.script, MARKET, UNBOUNDED)
    stage.stake(first, 10_000 * U)
    stage.stake(second, 10_000 * U)
    # Who asks two days after the notice waits for 15 days at most, and is out in time.
    given = _announce(stage, fund, function, *args)
    day = stage.request(first, 10_000 * U * FIRST, time=given + 2 * DAY)
    assert day * DAY < given + NOTICE
    stage.travel_to(day * DAY)
    assert stage.claim_all(first) == 10_000 * U
    stage.at(given + NOTICE - 1)
    with reverts_with("fund: notice not mature"):
        getattr(fund, function)(*args, sender=governance)
    if more:
        assert stage.cover(20_000 * U) == 1_000 * U
    stage.at(given + NOTICE)
    getattr(fund, function)(*args, sender=governance)
    if more:
        # Who stayed has agreed.
        assert stage.cover(20_000 * U) == 8_999 * U
        assert (stage.worth(second), stage.asset.balanceOf(first)) == (U, 10_000 * U)
    else:
        assert fund.threshold() == 1


def test_t30_higher_limit_at_the_layer__same_notice(stage: Stakers, first: Any, second: Any) -> None:
    underwriter, governance = stage.underwriter, stage.governance
    underwriter.set_fund(stage.fund, 1_000 * U, 0, DAY, 0, sender=governance)
    more = (stage.fund, 20_000 * U, 0, DAY, 0)
    stage.stake(first, 10_000 * U)
    stage.stake(second, 10_000 * U)
    with reverts_with("layer: no notice"):
        underwriter.set_fund(*more, sender=governance)
    given = _announce(stage, underwriter, "set_fund", *more)
    day = stage.request(first, 10_000 * U * FIRST)
    stage.travel_to(day * DAY)
    stage.at(given + NOTICE - 1)
    with reverts_with("layer: notice not mature"):
        underwriter.set_fund(*more, sender=governance)
    # Until then no more can be drawn than before; and it is fixed what the first one gets.
    assert stage.cover(20_000 * U) == 1_000 * U
    stage.at(given + NOTICE)
    underwriter.set_fund(*more, sender=governance)
    assert stage.cover(20_000 * U) == 8_999 * U
    assert stage.claim_all(first) == 10_000 * U


def test_t30_longer_cooldown_during_the_notice__makes_it_longer(stage: Stakers, first: Any) -> None:
    fund, underwriter, governance = stage.fund, stage.underwriter, stage.governance
    stage.stake(first, 10_000 * U)
    given = _announce(stage, fund, "set_threshold", 1)
    underwriter.set_cooldown(30, sender=governance)
    day = stage.request(first, 10_000 * U * FIRST)
    # Back down again: whoever has asked in between still waits for 30 days, and the notice with him.
    underwriter.set_cooldown(7, sender=governance)
    for days in (10, 17, 33):
        stage.at(given + days * DAY - 1)
        with reverts_with("fund: notice not mature"):
            fund.set_threshold(1, sender=governance)
        stage.travel_to(given + days * DAY)
    assert day * DAY < stage.now()
    assert stage.claim_all(first) == 10_000 * U
    fund.set_threshold(1, sender=governance)


def test_t30_pause_during_the_notice__stands_still_with_the_exits(stage: Stakers, first: Any) -> None:
    fund, governance = stage.fund, stage.governance
    begin = stage.next_day() + DAY
    stage.stake(first, 10_000 * U)
    given = _announce(stage, fund, "set_threshold", 1)
    day = stage.request(first, 10_000 * U * FIRST, time=begin)
    paused_at = begin + 10 * DAY
    stage.at(paused_at)
    fund.pause_payouts(WEEK, sender=stage.actors.guardian)
    free_at = paused_at + WEEK + DAY
    # The notice would be over, the exit would be due: neither is.
    stage.travel_to(given + NOTICE)
    assert (day * DAY < stage.now(), stage.vault.maxWithdraw(first)) == (True, 0)
    with reverts_with("fund: notice not mature"):
        fund.set_threshold(1, sender=governance)
    stage.travel_to(free_at)
    assert stage.claim_all(first) == 10_000 * U
    stage.at(given + NOTICE + WEEK + DAY - 1)
    with reverts_with("fund: notice not mature"):
        fund.set_threshold(1, sender=governance)
    stage.at(given + NOTICE + WEEK + DAY)
    fund.set_threshold(1, sender=governance)


# ------------------------------------------------------------------------ T40


def test_t40_endless_pause_with_stakers__claimable_stays_and_due_matures_a_day_after(
    stage: Stakers, first: Any, second: Any
) -> None:
    fund, vault, guardian = stage.fund, stage.vault, stage.actors.guardian
    begin = stage.next_day() + DAY
    stage.stake(first, 30_000 * U)
    stage.stake(second, 30_000 * U)
    # Days that mature before the pause, untouched until then; within it; on the day after it; and later.
    times = [begin, begin + 2 * DAY, begin + 8 * DAY, begin + 9 * DAY]
    days = [stage.request(first, 5_000 * U * FIRST, time=time) for time in times]
    assert [day - begin // DAY for day in days] == [14, 16, 22, 23]
    paused_at = begin + 14 * DAY + 1
    stage.at(paused_at)
    fund.pause_payouts(WEEK, sender=guardian)
    free_at = paused_at + WEEK + DAY
    assert stage.underwriter.held_until() == free_at
    # What was claimable stays so, in the pause too; deposits, requests and cancelling go on.
    stage.travel_to(paused_at + 3 * DAY)
    assert (vault.maxWithdraw(first), vault.pendingRedeemRequest(days[1], first)) == (5_000 * U, 5_000 * U * FIRST)
    assert stage.claim_all(first) == 5_000 * U
    stage.stake(second, 1_000 * U)
    late = stage.request(second, 1_000 * U * FIRST)
    vault.cancel_request(late, second, sender=second)
    # A slash of the day after the pause still reaches what would have matured: it is held.
    stage.at(free_at - 1)
    with reverts_with("backstop: above claimable"):
        vault.redeem(1, first, first, sender=first)
    assert stage.cover(5_600 * U, time=free_at - 1) == 5_600 * U
    assert [vault.request_assets(day, first) for day in days[1:]] == [4_500 * U] * 3
    # From here on all that have begun are due, together; the last day, which begins tomorrow, is not.
    stage.travel_to(free_at)
    assert [vault.claimableRedeemRequest(day, first) > 0 for day in days[1:]] == [True, True, False]
    assert stage.cover(5_000 * U) == 5_000 * U
    assert vault.maxWithdraw(first) == 9_000 * U
    assert stage.claim_all(first) == 9_000 * U


def test_t40_endless_pause__holds_exits_for_8_days_in_any_14(stage: Stakers, first: Any) -> None:
    fund, vault, guardian = stage.fund, stage.vault, stage.actors.guardian
    begin = stage.next_day() + DAY
    shares = stage.stake(first, 30_000 * U)
    day = stage.request(first, shares, time=begin + 1)
    assert day * DAY == begin + 15 * DAY
    # The guardian pauses as long and as often as he can, so that the last hold begins as the day does.
    paused_at = day * DAY - 14 * DAY - 1
    for start in (paused_at, paused_at + 2 * WEEK):
        stage.at(start)
        fund.pause_payouts(WEEK, sender=guardian)
        stage.at(start + 1)
        with reverts_with("fund: paused too recently"):
            fund.pause_payouts(WEEK, sender=guardian)
        assert stage.underwriter.held_until() == start + 8 * DAY
    stage.travel_to(paused_at + 2 * WEEK + 8 * DAY - 1)
    assert vault.maxWithdraw(first) == 0
    stage.travel_to(paused_at + 2 * WEEK + 8 * DAY)
    assert stage.claim_all(first) == 30_000 * U
    # Of 22 days 16 were held: 6 free ones lay between.
    assert stage.now() - stage.underwriter.exit_clock() == 16 * DAY


def test_t40_several_funds_pause_in_turn__the_layer_is_held_no_longer(
    backend: Any, actors: Actors, first: Any, second: Any
) -> None:
    stage = Stakers(backend, actors, funds=3)
    vault, underwriter, guardian = stage.vault, stage.underwriter, actors.guardian
    begin = stage.next_day() + DAY
    day = stage.request(first, stage.stake(first, 30_000 * U), time=begin)
    later = stage.request(second, stage.stake(second, 30_000 * U), time=begin + 10 * DAY)
    start = day * DAY - 1
    assert later * DAY == start + 10 * DAY + 1
    for fund, time in zip(stage.funds, (start, start + 8 * DAY - 2, start + 9 * DAY), strict=True):
        stage.at(time)
        fund.pause_payouts(WEEK, sender=guardian)
        if time < start + 8 * DAY:
            # A second pause prolongs nothing.
            assert underwriter.held_until() == start + 8 * DAY
            continue
        # A third begins to hold only 14 days after the first did, and ends a day after its own pause.
        assert underwriter.held_until() == time + WEEK + DAY
        assert underwriter.exit_clock() == time - 8 * DAY
        assert stage.claim_all(first) == 30_000 * U
    stage.travel_to(start + 10 * DAY)
    assert vault.maxWithdraw(second) == 0
    stage.travel_to(later * DAY)
    assert stage.claim_all(second) == 30_000 * U
    stage.travel_to(start + 30 * DAY)
    # 8 days, and from the 14th to the 17th.
    assert underwriter.exit_clock() == start + 30 * DAY - 8 * DAY - 3 * DAY


def test_t40_early_end_of_the_pause__exits_are_free_a_day_after_that(stage: Stakers, first: Any) -> None:
    fund, vault, guardian = stage.fund, stage.vault, stage.actors.guardian
    begin = stage.next_day() + DAY
    shares = stage.stake(first, 30_000 * U)
    day = stage.request(first, shares, time=begin)
    stage.at(day * DAY - 1)
    fund.pause_payouts(WEEK, sender=guardian)
    resumed_at = day * DAY + DAY
    stage.at(resumed_at)
    fund.resume_payouts(sender=guardian)
    assert stage.underwriter.held_until() == resumed_at + DAY
    stage.travel_to(resumed_at + DAY - 1)
    assert vault.maxWithdraw(first) == 0
    stage.travel_to(resumed_at + DAY)
    assert stage.claim_all(first) == 30_000 * U


# ------------------------------------------------------------------------ gas


@pytest.mark.parametrize("pending", [False, True])
def test_cover__reserve_and_two_layers__keeps_to_its_gas(
    backend: Any, actors: Actors, first: Any, pending: bool
) -> None:
    stage = Stakers(backend, actors, layers=2)
    for number, (layer, staked) in enumerate(zip(stage.layers, (1_001 * U, 20_000 * U), strict=True)):
        shares = stage.stake(first, staked, layer=number)
        if pending:
            layer.vault.requestRedeem(shares // 4, first, first, sender=first)
    # Once, so that every word has been written; then again through all three, the first layer to its last unit.
    for again in (False, True):
        stage.contribute(100 * U)
        receipt = stage.fund.cover_shortfall(MARKET, 2_100 * U, sender=stage.venue)
        paid = [args["amount"] for name, args in logs(receipt, stage.fund) if name == "LayerPaid"]
        assert (stage.fund.reserve(), paid) == (0, [1_000 * U, 1_000 * U])
        if not again:
            stage.stake(first, 1_000 * U)
    assert receipt.gas_used <= COVER_GAS, receipt.gas_used
