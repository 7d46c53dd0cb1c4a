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


# ------------------------------------------------------------------------ T38


def _cover_at_once(stakers: Stakers, *amounts: int) -> list[int]:
    """Draw on all funds in one transaction, in their order; returns what the layer has paid each so far."""
    calls = [
        stakers.call(fund, "cover_shortfall", MARKET, amount)
        for fund, amount in zip(stakers.funds, amounts, strict=True)
    ]
    stakers.script.add(calls, sender=stakers.actors.keeper)
    stakers.script.run(False, sender=stakers.actors.keeper)
    return [int(stakers.underwriter.terms(fund).used) for fund in stakers.funds]


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
    stakers = Stakers(backend, actors, funds=2, limits={(0, 0): limits[0], (1, 0): limits[1]})
    stakers.stake(first, 100_001 * U)
    before = [stakers.underwriter.capacity(fund) for fund in stakers.funds]
    # Each capacity is what that fund alone could draw: together they may say more than there is.
    assert before == [min(limit, 100_000 * U) for limit in limits]
    assert _cover_at_once(stakers, 80_000 * U, 80_000 * U) == paid
    assert stakers.asset.balanceOf(stakers.venue) == sum(paid) <= 100_000 * U
    assert stakers.vault.totalAssets() == stakers.asset.balanceOf(stakers.vault) == 100_001 * U - sum(paid)
    left = 100_000 * U - sum(paid)
    assert [stakers.underwriter.capacity(fund) for fund in stakers.funds] == [
        min(limit - one, left) for limit, one in zip(limits, paid, strict=True)
    ]
    # And again: no limit begins anew.
    again = _cover_at_once(stakers, 80_000 * U, 80_000 * U)
    assert all(used <= limit for used, limit in zip(again, limits, strict=True))
    assert sum(again) <= 100_000 * U


def test_t38_layer_behind_a_layer__is_asked_for_the_rest_alone(backend: Any, actors: Actors, first: Any) -> None:
    stakers = Stakers(backend, actors, funds=2, layers=2, limits={(0, 0): 5_000 * U})
    stakers.contribute(1_000 * U)
    stakers.stake(first, 10_000 * U, layer=0)
    stakers.stake(first, 50_001 * U, layer=1)
    # 1,000 of the reserve, 5,000 of the first layer's limit, 14,000 of the second; then the second fund.
    receipt = stakers.fund.cover_shortfall(MARKET, 20_000 * U, sender=stakers.venue)
    events = [(name, args.get("amount")) for name, args in logs(receipt, stakers.fund) if name == "LayerPaid"]
    assert events == [("LayerPaid", 5_000 * U), ("LayerPaid", 14_000 * U)]
    assert [layer.vault.totalAssets() for layer in stakers.layers] == [5_000 * U, 36_001 * U]
    stakers.funds[1].cover_shortfall(MARKET, 100_000 * U, sender=stakers.venue)
    assert [layer.vault.totalAssets() for layer in stakers.layers] == [U, U]
    assert stakers.asset.balanceOf(stakers.venue) == 20_000 * U + 4_999 * U + 36_000 * U


# ------------------------------------------------------------------------ T30


def _announce(stakers: Stakers, contract: Any, function: str, *args: Any) -> int:
    """Give notice; returns when."""
    call = stakers.backend.encode(getattr(contract, function), *args)
    if contract is stakers.fund:
        stakers.notices.announce(contract, call, sender=stakers.governance)
    else:
        contract.announce(call, sender=stakers.governance)
    return stakers.now()


@pytest.mark.parametrize("function", ["set_threshold", "set_max_insurance"])
def test_t30_lower_threshold_or_higher_limit__stakers_who_disagree_are_out_before(
    stakers: Stakers, first: Any, second: Any, function: str
) -> None:
    fund, governance = stakers.fund, stakers.governance
    args: tuple[Any, ...] = (1,)
    if more := function == "set_max_insurance":
        fund.set_max_insurance(stakers.script, MARKET, 1_000 * U, sender=governance)
        args = (stakers.script, MARKET, UNBOUNDED)
    stakers.stake(first, 10_000 * U)
    stakers.stake(second, 10_000 * U)
    # Who asks two days after the notice waits for 15 days at most, and is out in time.
    given = _announce(stakers, fund, function, *args)
    day = stakers.request(first, 10_000 * U * FIRST, time=given + 2 * DAY)
    assert day * DAY < given + NOTICE
    stakers.travel_to(day * DAY)
    assert stakers.claim_all(first) == 10_000 * U
    stakers.at(given + NOTICE - 1)
    with reverts_with("fund: notice not mature"):
        getattr(fund, function)(*args, sender=governance)
    if more:
        assert stakers.cover(20_000 * U) == 1_000 * U
    stakers.at(given + NOTICE)
    getattr(fund, function)(*args, sender=governance)
    if more:
        # Who stayed has agreed.
        assert stakers.cover(20_000 * U) == 8_999 * U
        assert (stakers.worth(second), stakers.asset.balanceOf(first)) == (U, 10_000 * U)
    else:
        assert fund.threshold() == 1


def test_t30_higher_limit_at_the_layer__same_notice(stakers: Stakers, first: Any, second: Any) -> None:
    underwriter, governance = stakers.underwriter, stakers.governance
    underwriter.set_fund(stakers.fund, 1_000 * U, 0, DAY, 0, sender=governance)
    more = (stakers.fund, 20_000 * U, 0, DAY, 0)
    stakers.stake(first, 10_000 * U)
    stakers.stake(second, 10_000 * U)
    with reverts_with("layer: no notice"):
        underwriter.set_fund(*more, sender=governance)
    given = _announce(stakers, underwriter, "set_fund", *more)
    day = stakers.request(first, 10_000 * U * FIRST)
    stakers.travel_to(day * DAY)
    stakers.at(given + NOTICE - 1)
    with reverts_with("layer: notice not mature"):
        underwriter.set_fund(*more, sender=governance)
    # Until then no more can be drawn than before; and it is fixed what the first one gets.
    assert stakers.cover(20_000 * U) == 1_000 * U
    stakers.at(given + NOTICE)
    underwriter.set_fund(*more, sender=governance)
    assert stakers.cover(20_000 * U) == 8_999 * U
    assert stakers.claim_all(first) == 10_000 * U


def test_t30_longer_cooldown_during_the_notice__makes_it_longer(stakers: Stakers, first: Any) -> None:
    fund, underwriter, governance = stakers.fund, stakers.underwriter, stakers.governance
    stakers.stake(first, 10_000 * U)
    given = _announce(stakers, fund, "set_threshold", 1)
    underwriter.set_cooldown(30, sender=governance)
    day = stakers.request(first, 10_000 * U * FIRST)
    # Back down again: whoever has asked in between still waits for 30 days, and the notice with him.
    underwriter.set_cooldown(7, sender=governance)
    for days in (10, 17, 33):
        stakers.at(given + days * DAY - 1)
        with reverts_with("fund: notice not mature"):
            fund.set_threshold(1, sender=governance)
        stakers.travel_to(given + days * DAY)
    assert day * DAY < stakers.now()
    assert stakers.claim_all(first) == 10_000 * U
    fund.set_threshold(1, sender=governance)


def test_t30_pause_during_the_notice__stands_still_with_the_exits(stakers: Stakers, first: Any) -> None:
    fund, governance = stakers.fund, stakers.governance
    begin = stakers.next_day() + DAY
    stakers.stake(first, 10_000 * U)
    given = _announce(stakers, fund, "set_threshold", 1)
    day = stakers.request(first, 10_000 * U * FIRST, time=begin)
    paused_at = begin + 10 * DAY
    stakers.at(paused_at)
    fund.pause_payouts(WEEK, sender=stakers.actors.guardian)
    free_at = paused_at + WEEK + DAY
    # The notice would be over, the exit would be due: neither is.
    stakers.travel_to(given + NOTICE)
    assert (day * DAY < stakers.now(), stakers.vault.maxWithdraw(first)) == (True, 0)
    with reverts_with("fund: notice not mature"):
        fund.set_threshold(1, sender=governance)
    stakers.travel_to(free_at)
    assert stakers.claim_all(first) == 10_000 * U
    stakers.at(given + NOTICE + WEEK + DAY - 1)
    with reverts_with("fund: notice not mature"):
        fund.set_threshold(1, sender=governance)
    stakers.at(given + NOTICE + WEEK + DAY)
    fund.set_threshold(1, sender=governance)


# ------------------------------------------------------------------------ T40


def test_t40_endless_pause_with_stakers__claimable_stays_and_due_matures_a_day_after(
    stakers: Stakers, first: Any, second: Any
) -> None:
    fund, vault, guardian = stakers.fund, stakers.vault, stakers.actors.guardian
    begin = stakers.next_day() + DAY
    stakers.stake(first, 30_000 * U)
    stakers.stake(second, 30_000 * U)
    # Days that mature before the pause, untouched until then; within it; on the day after it; and later.
    times = [begin, begin + 2 * DAY, begin + 8 * DAY, begin + 9 * DAY]
    days = [stakers.request(first, 5_000 * U * FIRST, time=time) for time in times]
    assert [day - begin // DAY for day in days] == [14, 16, 22, 23]
    paused_at = begin + 14 * DAY + 1
    stakers.at(paused_at)
    fund.pause_payouts(WEEK, sender=guardian)
    free_at = paused_at + WEEK + DAY
    assert stakers.underwriter.held_until() == free_at
    # What was claimable stays so, in the pause too; deposits, requests and cancelling go on.
    stakers.travel_to(paused_at + 3 * DAY)
    assert (vault.maxWithdraw(first), vault.pendingRedeemRequest(days[1], first)) == (5_000 * U, 5_000 * U * FIRST)
    assert stakers.claim_all(first) == 5_000 * U
    stakers.stake(second, 1_000 * U)
    late = stakers.request(second, 1_000 * U * FIRST)
    vault.cancel_request(late, second, sender=second)
    # A slash of the day after the pause still reaches what would have matured: it is held.
    stakers.at(free_at - 1)
    with reverts_with("backstop: above claimable"):
        vault.redeem(1, first, first, sender=first)
    assert stakers.cover(5_600 * U, time=free_at - 1) == 5_600 * U
    assert [vault.request_assets(day, first) for day in days[1:]] == [4_500 * U] * 3
    # From here on all that have begun are due, together; the last day, which begins tomorrow, is not.
    stakers.travel_to(free_at)
    assert [vault.claimableRedeemRequest(day, first) > 0 for day in days[1:]] == [True, True, False]
    assert stakers.cover(5_000 * U) == 5_000 * U
    assert vault.maxWithdraw(first) == 9_000 * U
    assert stakers.claim_all(first) == 9_000 * U


def test_t40_endless_pause__holds_exits_for_8_days_in_any_14(stakers: Stakers, first: Any) -> None:
    fund, vault, guardian = stakers.fund, stakers.vault, stakers.actors.guardian
    begin = stakers.next_day() + DAY
    shares = stakers.stake(first, 30_000 * U)
    day = stakers.request(first, shares, time=begin + 1)
    assert day * DAY == begin + 15 * DAY
    # The guardian pauses as long and as often as he can, so that the last hold begins as the day does.
    paused_at = day * DAY - 14 * DAY - 1
    for start in (paused_at, paused_at + 2 * WEEK):
        stakers.at(start)
        fund.pause_payouts(WEEK, sender=guardian)
        stakers.at(start + 1)
        with reverts_with("fund: paused too recently"):
            fund.pause_payouts(WEEK, sender=guardian)
        assert stakers.underwriter.held_until() == start + 8 * DAY
    stakers.travel_to(paused_at + 2 * WEEK + 8 * DAY - 1)
    assert vault.maxWithdraw(first) == 0
    stakers.travel_to(paused_at + 2 * WEEK + 8 * DAY)
    assert stakers.claim_all(first) == 30_000 * U
    # Of 22 days 16 were held: 6 free ones lay between.
    assert stakers.now() - stakers.underwriter.exit_clock() == 16 * DAY


def test_t40_several_funds_pause_in_turn__the_layer_is_held_no_longer(
    backend: Any, actors: Actors, first: Any, second: Any
) -> None:
    stakers = Stakers(backend, actors, funds=3)
    vault, underwriter, guardian = stakers.vault, stakers.underwriter, actors.guardian
    begin = stakers.next_day() + DAY
    day = stakers.request(first, stakers.stake(first, 30_000 * U), time=begin)
    later = stakers.request(second, stakers.stake(second, 30_000 * U), time=begin + 10 * DAY)
    start = day * DAY - 1
    assert later * DAY == start + 10 * DAY + 1
    for fund, time in zip(stakers.funds, (start, start + 8 * DAY - 2, start + 9 * DAY), strict=True):
        stakers.at(time)
        fund.pause_payouts(WEEK, sender=guardian)
        if time < start + 8 * DAY:
            # A second pause prolongs nothing.
            assert underwriter.held_until() == start + 8 * DAY
            continue
        # A third begins to hold only 14 days after the first did, and ends a day after its own pause.
        assert underwriter.held_until() == time + WEEK + DAY
        assert underwriter.exit_clock() == time - 8 * DAY
        assert stakers.claim_all(first) == 30_000 * U
    stakers.travel_to(start + 10 * DAY)
    assert vault.maxWithdraw(second) == 0
    stakers.travel_to(later * DAY)
    assert stakers.claim_all(second) == 30_000 * U
    stakers.travel_to(start + 30 * DAY)
    # 8 days, and from the 14th to the 17th.
    assert underwriter.exit_clock() == start + 30 * DAY - 8 * DAY - 3 * DAY


def test_t40_early_end_of_the_pause__exits_are_free_a_day_after_that(stakers: Stakers, first: Any) -> None:
    fund, vault, guardian = stakers.fund, stakers.vault, stakers.actors.guardian
    begin = stakers.next_day() + DAY
    shares = stakers.stake(first, 30_000 * U)
    day = stakers.request(first, shares, time=begin)
    stakers.at(day * DAY - 1)
    fund.pause_payouts(WEEK, sender=guardian)
    resumed_at = day * DAY + DAY
    stakers.at(resumed_at)
    fund.resume_payouts(sender=guardian)
    assert stakers.underwriter.held_until() == resumed_at + DAY
    stakers.travel_to(resumed_at + DAY - 1)
    assert vault.maxWithdraw(first) == 0
    stakers.travel_to(resumed_at + DAY)
    assert stakers.claim_all(first) == 30_000 * U


# ------------------------------------------------------------------------ gas


@pytest.mark.parametrize("pending", [False, True])
def test_cover__reserve_and_two_layers__keeps_to_its_gas(
    backend: Any, actors: Actors, first: Any, pending: bool
) -> None:
    stakers = Stakers(backend, actors, layers=2)
    for number, (layer, staked) in enumerate(zip(stakers.layers, (1_001 * U, 20_000 * U), strict=True)):
        shares = stakers.stake(first, staked, layer=number)
        if pending:
            layer.vault.requestRedeem(shares // 4, first, first, sender=first)
    # Once, so that every word has been written; then again through all three, the first layer to its last unit.
    for again in (False, True):
        stakers.contribute(100 * U)
        receipt = stakers.fund.cover_shortfall(MARKET, 2_100 * U, sender=stakers.venue)
        paid = [args["amount"] for name, args in logs(receipt, stakers.fund) if name == "LayerPaid"]
        assert (stakers.fund.reserve(), paid) == (0, [1_000 * U, 1_000 * U])
        if not again:
            stakers.stake(first, 1_000 * U)
    assert receipt.gas_used <= COVER_GAS, receipt.gas_used
