"""The underwriter: setup, funds and their terms, notices, holds, revenue, rescue (M9, M22, M23, M36 to M38)."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils import keccak

from kana_insurance.backends import address_of
from kana_insurance.testing import DAY, U, logs, reverts_with
from tests.unit.stakers.conftest import LIMIT, MIN_STAKED, STREAM, Pool

HOUR = 3_600
NOBODY = "0x" + "00" * 20
SET_FUND = "set_fund(address,uint256,uint256,uint256,uint256)"


def call_of(pool: Pool, *terms: int, fund: Any = None) -> bytes:
    """Calldata of a `set_fund`."""
    return bytes(pool.backend.encode(pool.layer.set_fund, address_of(fund or pool.fund), *terms))


# ---------------------------------------------------------------------- setup


def test_constructor__asset_without_code__is_refused(pool: Pool) -> None:
    me = pool.actors.deployer
    with reverts_with("layer: asset without code"):
        pool.backend.deploy("Underwriter", NOBODY, address_of(pool.timelock), address_of(me), sender=me)


def test_setup__in_order__opens_and_leaves_the_deployer_nothing(pool: Pool) -> None:
    me, outsider = pool.actors.deployer, pool.actors.outsider
    layer, vault = pool.bare()
    assert (layer.backstop(), layer.setup_finished()) == (NOBODY, False)
    with reverts_with("layer: no backstop"):
        layer.finish_setup(sender=me)
    with reverts_with("layer: not deployer"):
        layer.connect_backstop(vault, sender=outsider)
    with reverts_with("layer: other underwriter"):
        layer.connect_backstop(pool.vault, sender=me)
    receipt = layer.connect_backstop(vault, sender=me)
    assert logs(receipt, layer) == [("BackstopConnected", {"backstop": address_of(vault)})]
    with reverts_with("layer: connected"):
        layer.connect_backstop(vault, sender=me)
    with reverts_with("layer: not deployer"):
        layer.finish_setup(sender=outsider)
    with reverts_with("layer: setup not finished"):
        layer.announce(call_of(pool, 1, 0, DAY, 0), sender=me)
    layer.set_fund(pool.fund, LIMIT, 0, DAY, 0, sender=me)
    layer.finish_setup(sender=me)
    assert layer.setup_finished()
    assert layer.members(layer.DEPLOYER_ROLE()) == 0
    with reverts_with("layer: setup finished"):
        layer.finish_setup(sender=me)
    with reverts_with("layer: not governance"):
        layer.set_fund(pool.fund, 0, 0, DAY, 0, sender=me)


def test_connect__backstop_of_another_asset__is_refused(pool: Pool) -> None:
    me = pool.actors.deployer
    layer, _ = pool.bare()
    token = pool.backend.deploy("QuirkyToken", 6, sender=me)
    with reverts_with("layer: other asset"):
        layer.connect_backstop(pool.vault_of(layer, asset=address_of(token)), sender=me)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("announce", (b"",)),
        ("cancel_notice", (b"\0" * 32,)),
        ("set_fund", (NOBODY, 0, 0, DAY, 0)),
        ("remove_fund", (NOBODY,)),
        ("set_cooldown", (7,)),
        ("set_stream", (DAY, 0)),
        ("set_governance", (NOBODY,)),
        ("rescue", (NOBODY, NOBODY, 1)),
    ],
)
def test_governances_functions__anybody_else__is_refused(pool: Pool, function: str, arguments: tuple[Any, ...]) -> None:
    for sender in (pool.actors.outsider, pool.actors.deployer, pool.fund_sender):
        with reverts_with("layer: not governance"):
            getattr(pool.layer, function)(*arguments, sender=sender)


def test_set_governance__another_timelock__takes_over(pool: Pool) -> None:
    people = [address_of(pool.actors.proposer)]
    new = pool.backend.deploy("Timelock", 2 * DAY, 2 * DAY, people, people, sender=pool.actors.deployer)
    receipt = pool.layer.set_governance(new, sender=pool.governance)
    transferred = ("GovernanceTransferred", {"old": address_of(pool.timelock), "new": address_of(new)})
    assert transferred in logs(receipt, pool.layer)
    assert pool.layer.governance() == address_of(new)
    with reverts_with("layer: not governance"):
        pool.layer.set_cooldown(7, sender=pool.governance)


# ---------------------------------------------------------------------- terms


def test_set_fund__less__logs_old_and_new(pool: Pool) -> None:
    receipt = pool.layer.set_fund(pool.fund, 9, 8, 2 * HOUR, 0, sender=pool.governance)
    fields = {"fund": address_of(pool.fund), "limit": 9, "window_cap": 8, "window_length": 2 * HOUR, "premium_bps": 0}
    old = {"old_limit": LIMIT, "old_window_cap": 0, "old_window_length": DAY, "old_premium_bps": 0}
    assert logs(receipt, pool.layer) == [("FundSet", {**fields, **old})]
    assert tuple(pool.layer.terms(pool.fund)) == (True, 9, 0, 8, 2 * HOUR, 0, 0, 0)


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ((2**112, 0, DAY, 0), "layer: amount too large"),
        ((0, 2**112, DAY, 0), "layer: amount too large"),
        ((0, 0, HOUR - 1, 0), "layer: window out of bounds"),
        ((0, 0, 30 * DAY + 1, 0), "layer: window out of bounds"),
        ((0, 0, DAY, 3_001), "layer: premium out of bounds"),
    ],
)
def test_set_fund__out_of_bounds__is_refused(pool: Pool, terms: tuple[int, ...], reason: str) -> None:
    with reverts_with(reason):
        pool.layer.set_fund(pool.fund, *terms, sender=pool.governance)


def test_set_fund__no_fund_of_the_asset__is_refused(pool: Pool) -> None:
    with reverts_with("layer: fund without code"):
        pool.layer.set_fund(pool.actors.outsider, 0, 0, DAY, 0, sender=pool.governance)
    other = pool.another_fund(pool.backend.deploy("QuirkyToken", 6, sender=pool.actors.deployer))
    with reverts_with("layer: other asset"):
        pool.layer.set_fund(other, 0, 0, DAY, 0, sender=pool.governance)


def test_set_fund__seventeenth__is_refused(pool: Pool) -> None:
    me = pool.actors.deployer
    layer, _ = pool.bare()
    for _ in range(16):
        layer.set_fund(pool.another_fund(), 0, 0, DAY, 0, sender=me)
    assert len(layer.funds()) == 16
    with reverts_with("layer: too many funds"):
        layer.set_fund(pool.another_fund(), 0, 0, DAY, 0, sender=me)


def test_remove_fund__known__may_draw_no_more_and_keeps_its_use(pool: Pool, staker: Any) -> None:
    pool.stake(staker, 5_000 * U)
    pool.layer.absorb(100 * U, sender=pool.fund_sender)
    receipt = pool.layer.remove_fund(pool.fund, sender=pool.governance)
    assert logs(receipt, pool.layer) == [("FundRemoved", {"fund": address_of(pool.fund), "used": 100 * U})]
    assert (list(pool.layer.funds()), pool.layer.capacity(pool.fund)) == ([], 0)
    assert tuple(pool.layer.revenue_terms(pool.fund)) == (0, False)
    pool.layer.absorb(100 * U, sender=pool.fund_sender)
    assert pool.asset.balanceOf(pool.fund) == 100 * U
    with reverts_with("layer: unknown fund"):
        pool.layer.remove_fund(pool.fund, sender=pool.governance)


# -------------------------------------------------------------------- notices


def test_announce__running__says_when_and_is_refused_again(pool: Pool) -> None:
    call = call_of(pool, LIMIT + 1, 0, DAY, 0)
    receipt = pool.layer.announce(call, sender=pool.governance)
    ((name, fields),) = logs(receipt, pool.layer)
    assert (name, bytes(fields["id"]), fields["notice_seconds"]) == ("NoticeGiven", keccak(call), 17 * DAY)
    given = pool.backend.timestamp()
    assert tuple(pool.layer.notice(keccak(call))) == (given + 17 * DAY, given + 24 * DAY)
    with reverts_with("layer: notice running"):
        pool.layer.announce(call, sender=pool.governance)
    pool.backend.travel(24 * DAY)
    pool.layer.announce(call, sender=pool.governance)


@pytest.mark.parametrize("call", [b"", b"\1\2\3", keccak(text=SET_FUND)[:4], b"\0" * 164])
def test_announce__no_set_fund__is_refused(pool: Pool, call: bytes) -> None:
    with reverts_with("layer: no notice needed"):
        pool.layer.announce(call, sender=pool.governance)


def test_noticed_call__in_time__is_made_once(pool: Pool) -> None:
    layer, governance = pool.layer, pool.governance
    terms = (LIMIT + 1, 0, DAY, 0)
    with reverts_with("layer: no notice"):
        layer.set_fund(pool.fund, *terms, sender=governance)
    call = call_of(pool, *terms)
    layer.announce(call, sender=governance)
    pool.backend.travel(17 * DAY - 60)
    with reverts_with("layer: notice not mature"):
        layer.set_fund(pool.fund, *terms, sender=governance)
    pool.backend.travel(60)
    used = logs(layer.set_fund(pool.fund, *terms, sender=governance), layer)[1]
    assert (used[0], bytes(used[1]["id"])) == ("NoticeUsed", keccak(call))
    layer.set_fund(pool.fund, 0, 0, DAY, 0, sender=governance)
    with reverts_with("layer: no notice"):
        layer.set_fund(pool.fund, *terms, sender=governance)


def test_noticed_call__too_late_or_withdrawn__is_refused(pool: Pool) -> None:
    layer, governance = pool.layer, pool.governance
    terms = (LIMIT + 1, 0, DAY, 0)
    call = call_of(pool, *terms)
    layer.announce(call, sender=governance)
    pool.backend.travel(24 * DAY)
    with reverts_with("layer: notice lapsed"):
        layer.set_fund(pool.fund, *terms, sender=governance)
    layer.cancel_notice(keccak(call), sender=governance)
    assert tuple(layer.notice(keccak(call))) == (0, 0)
    with reverts_with("layer: no notice"):
        layer.cancel_notice(keccak(call), sender=governance)


# -------------------------------------------------------- cooldown and stream


def test_set_cooldown__shorter__counts_for_notices_given_before(pool: Pool) -> None:
    layer = pool.layer
    given = pool.backend.timestamp()
    pool.backend.travel(DAY)
    receipt = layer.set_cooldown(7, sender=pool.governance)
    assert logs(receipt, layer) == [("CooldownSet", {"old_days": 14, "new_days": 7})]
    assert layer.longest_cooldown(given) == 14 * DAY
    assert layer.longest_cooldown(pool.backend.timestamp() + 1) == 7 * DAY
    for days in (6, 31):
        with reverts_with("backstop: cooldown out of bounds"):
            layer.set_cooldown(days, sender=pool.governance)


def test_set_stream__logs_and_holds_for_later_payments(pool: Pool, staker: Any) -> None:
    pool.stake(staker, 5_000 * U)
    pool.pay(70 * U)
    receipt = pool.layer.set_stream(30 * DAY, 2_000 * U, sender=pool.governance)
    fields = {"old_length": STREAM, "old_min_staked": MIN_STAKED, "length": 30 * DAY, "min_staked": 2_000 * U}
    assert logs(receipt, pool.layer) == [("StreamSet", fields)]
    assert pool.vault.stream().remaining <= STREAM
    for length in (DAY - 1, 30 * DAY + 1):
        with reverts_with("backstop: stream out of bounds"):
            pool.layer.set_stream(length, 0, sender=pool.governance)
    with reverts_with("backstop: amount too large"):
        pool.layer.set_stream(DAY, 2**96, sender=pool.governance)


def test_set_stream__higher_minimum__stops_what_streams(pool: Pool, staker: Any) -> None:
    pool.stake(staker, 5_000 * U)
    pool.pay(70 * U)
    receipt = pool.layer.set_stream(STREAM, 6_000 * U, sender=pool.governance)
    ((name, fields),) = logs(receipt, pool.vault)
    assert (name, fields["running"]) == ("StreamSwitched", False)
    unvested = pool.vault.stream().unvested
    pool.backend.travel(STREAM)
    assert pool.vault.stream().unvested == unvested == fields["unvested"]
    pool.stake(staker, 2_000 * U)
    assert pool.vault.stream().running


def test_add_revenue__senseless__is_refused(pool: Pool, staker: Any) -> None:
    with reverts_with("layer: unknown fund"):
        pool.layer.add_revenue(1, sender=pool.actors.outsider)
    with reverts_with("layer: zero amount"):
        pool.layer.add_revenue(0, sender=pool.fund_sender)
    with reverts_with("backstop: takes no revenue"):
        pool.pay(U)
    pool.stake(staker, MIN_STAKED)
    with reverts_with("backstop: amount too large"):
        pool.layer.add_revenue(2**96, sender=pool.fund_sender)
    ((name, fields),) = logs(pool.pay(U), pool.layer)
    assert (name, fields) == ("RevenuePassed", {"fund": address_of(pool.fund), "amount": U})


# ---------------------------------------------------------------------- holds


def test_hold__stranger__is_ignored(pool: Pool) -> None:
    receipt = pool.layer.hold(2**255, sender=pool.actors.outsider)
    assert (logs(receipt, pool.layer), pool.layer.held_until()) == ([], 0)
    # Nor does he touch a hold that is on.
    pool.layer.hold(2**255, sender=pool.fund_sender)
    until = pool.layer.held_until()
    receipt = pool.layer.hold(0, sender=pool.actors.outsider)
    assert (logs(receipt, pool.layer), pool.layer.held_until()) == ([], until)


def test_hold__absurd_end__is_8_days_and_the_clock_stands_still(pool: Pool) -> None:
    receipt = pool.layer.hold(2**255, sender=pool.fund_sender)
    now = pool.backend.timestamp()
    fields = {"fund": address_of(pool.fund), "began": now, "until": now + 8 * DAY}
    assert logs(receipt, pool.layer) == [("ExitsHeld", fields)]
    pool.backend.travel(5 * DAY)
    assert pool.layer.exit_clock() == now
    pool.backend.travel(5 * DAY)
    assert pool.layer.exit_clock() == pool.backend.timestamp() - 8 * DAY


def test_hold__of_a_past_time__ends_a_day_after_that(pool: Pool) -> None:
    assert logs(pool.layer.hold(0, sender=pool.fund_sender), pool.layer) == []
    past = pool.backend.timestamp() - DAY + 100
    pool.layer.hold(past, sender=pool.fund_sender)
    assert pool.layer.held_until() == past + DAY
    # A hold that is on ends now, and not before: what was held stays held.
    clock = pool.layer.exit_clock()
    receipt = pool.layer.hold(0, sender=pool.fund_sender)
    ((_, fields),) = logs(receipt, pool.layer)
    assert fields["until"] == pool.layer.held_until() == pool.backend.timestamp()
    assert pool.layer.exit_clock() == clock


def test_hold__too_soon_after_the_last__begins_6_days_after_it(pool: Pool) -> None:
    pool.layer.hold(pool.backend.timestamp() + 1, sender=pool.fund_sender)
    first = pool.layer.held_until()
    pool.backend.travel(first + DAY - pool.backend.timestamp())
    pool.layer.hold(2**255, sender=pool.fund_sender)
    now = pool.backend.timestamp()
    assert pool.layer.held_until() == now + 8 * DAY
    pool.backend.travel(first + 6 * DAY - now)
    before = pool.layer.exit_clock()
    pool.backend.travel(DAY)
    assert pool.layer.exit_clock() == before


# --------------------------------------------------------------------- rescue


def test_rescue__other_token__goes_to_the_receiver(pool: Pool, staker: Any) -> None:
    token = pool.backend.deploy("QuirkyToken", 6, sender=pool.actors.deployer)
    token.mint(pool.vault, 70, sender=staker)
    receipt = pool.layer.rescue(token, staker, 60, sender=pool.governance)
    fields = {"token": address_of(token), "receiver": address_of(staker), "amount": 60}
    assert logs(receipt, pool.layer) == [("Rescued", fields)]
    assert (token.balanceOf(staker), token.balanceOf(pool.vault)) == (60, 10)


def test_rescue__asset_or_senseless__is_refused(pool: Pool, staker: Any) -> None:
    rescue, governance = pool.layer.rescue, pool.governance
    with reverts_with("backstop: asset not rescuable"):
        rescue(pool.asset, staker, 1, sender=governance)
    with reverts_with("layer: zero amount"):
        rescue(pool.fund, staker, 0, sender=governance)
    with reverts_with("layer: zero address"):
        rescue(pool.fund, NOBODY, 1, sender=governance)
