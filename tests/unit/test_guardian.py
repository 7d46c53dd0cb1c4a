"""Guardians by name (M10, M37): what each act does, says and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.access import ACCESS
from kana_insurance.backends import Reverted
from kana_insurance.client import Client, Refusal
from kana_insurance.deployment import LOCAL_STAKERS, MarketConfig
from kana_insurance.feeds import create_feed
from kana_insurance.funds import Funds
from kana_insurance.guardian import ACTS, Guardian
from kana_insurance.kit import COIN, DAY, Actors, Kit, U, deploy_kit
from kana_insurance.pools import LOCAL_POOL

CAPS = {"open_interest_cap": 1_000 * COIN, "position_cap": 500 * COIN}


@pytest.fixture(scope="module")
def guarded(backend: Any, actors: Actors) -> Kit:
    """A system with stakers and a market of its own fund."""
    markets = [
        MarketConfig(name="COIN / USD", **CAPS),
        MarketConfig(name="DOGE / USD", isolated=True, threshold=5_000 * U, **CAPS),
    ]
    return deploy_kit(backend, actors, markets=markets, stakers=LOCAL_STAKERS, pool=LOCAL_POOL)


def do(kit: Kit, name: str, **options: Any) -> dict[str, Any]:
    """Plan, try and do something as the guardian."""
    guardian = Guardian(Client(kit.system))
    move = guardian.plan(name, **options)
    guardian.check(move, kit.actors.guardian)
    return guardian.carry_out(move, kit.actors.guardian)


def test_acts__guardians_functions__each_has_a_name() -> None:
    wanted = {(contract, name) for contract in ACCESS for name, rule in ACCESS[contract].items() if is_guards(rule)}
    assert {(act.contract, act.function) for act in ACTS.values()} == wanted


def is_guards(rule: Any) -> bool:
    """Whether a guardian has it, and not everybody."""
    return "guardian" in rule.allowed and "outsider" not in rule.allowed


def test_pause_and_resume__each_kind__done_and_told(guarded: Kit) -> None:
    fund, registry = guarded.fund, guarded.registry
    assert "paused until 20" in do(guarded, "pause-payouts", duration=2 * DAY)["now"]
    assert (fund.payouts_paused(), guarded.isolated[1].payouts_paused()) == (True, False)
    assert do(guarded, "resume-payouts")["now"].startswith("open")
    assert not fund.payouts_paused()
    do(guarded, "pause-payouts", on="doge / usd", duration=DAY)
    assert guarded.isolated[1].payouts_paused()
    do(guarded, "pause-trading", duration=DAY)
    assert registry.trading_resume_at() > guarded.now()
    do(guarded, "resume-trading")
    assert "paused until 20" in do(guarded, "pause-borrowing", duration=DAY)["now"]
    assert guarded.lending.terms().borrowing_paused
    do(guarded, "resume-borrowing")
    assert not guarded.lending.terms().borrowing_paused
    assert "suspended until 20" in do(guarded, "suspend-layer", place="stakers", duration=3_600)["now"]
    assert fund.layers().staked_suspended_until > guarded.now()
    do(guarded, "resume-layer", place="stakers")
    assert fund.layers().staked_suspended_until <= guarded.now()


def test_plan__pause__says_what_it_stops_and_for_how_long(guarded: Kit) -> None:
    guardian = Guardian(Client(guarded.system))
    move = guardian.plan("pause-payouts", duration=DAY)
    assert move.transaction.does == "fund.pause-payouts(1 day)"
    assert move.transaction.data == guarded.encode(guarded.fund, "pause_payouts", DAY)
    assert (move.page["now"], move.page["for"].text()) == ("open", "1 day")
    assert "notices stand still" in move.page["besides"]
    do(guarded, "pause-payouts", duration=DAY)
    guarded.travel(3 * DAY)
    now = guardian.plan("pause-payouts", duration=DAY).page["now"]
    assert "the next may begin at" in now
    assert "in 4 days" in now or "in 5 days" in now


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("pause-payouts", {"duration": 7 * DAY + 1}, "fund: pause too long"),
        ("pause-payouts", {"duration": 0}, "fund: zero duration"),
        ("pause-trading", {"duration": 8 * DAY}, "registry: pause too long"),
        ("pause-borrowing", {"duration": 8 * DAY}, "lending: pause too long"),
        ("suspend-layer", {"place": "stakers", "duration": 8 * DAY}, "fund: pause too long"),
        ("resume-payouts", {}, "fund: not paused"),
        ("resume-trading", {}, "registry: not paused"),
    ],
)
def test_check__out_of_bounds__refused_before_anything_is_sent(
    guarded: Kit, name: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Reverted, match=reason):
        do(guarded, name, **options)


def test_check__renewed_within_a_week_or_by_another__refused(guarded: Kit) -> None:
    for name, options in (("pause-payouts", {}), ("pause-trading", {}), ("suspend-layer", {"place": "stakers"})):
        do(guarded, name, duration=DAY, **options)
        guarded.travel(DAY + 10)
        with pytest.raises(Reverted, match="paused too recently"):
            do(guarded, name, duration=DAY, **options)
    guardian = Guardian(Client(guarded.system))
    with pytest.raises(Reverted, match="registry: not guardian"):
        guardian.check(guardian.plan("pause-trading", duration=DAY), guarded.actors.outsider)


def test_plan__no_such_layer_or_contract__says_which_there_are(guarded: Kit) -> None:
    guardian = Guardian(Client(guarded.system))
    with pytest.raises(Refusal, match="fund has no reinsurance"):
        guardian.plan("suspend-layer", place="reinsurance", duration=DAY)
    with pytest.raises(Refusal, match=r"'registry' has no pause-payouts: --on takes one of fund, 'fund of DOGE / USD'"):
        guardian.plan("pause-payouts", on="registry", duration=DAY)


# ------------------------------------------------- what else there is for emergencies


def test_withdraw__free_balance__all_part_or_nothing(guarded: Kit) -> None:
    client, trader = Client(guarded.system), guarded.actors.trader
    guarded.deposit(trader, 50 * U)
    guarded.registry.pause_trading(DAY, sender=guarded.actors.guardian)
    assert client.withdraw(trader, 20 * U)["free"].value == 30 * U
    assert client.withdraw(trader)["wallet"].value == 50 * U
    with pytest.raises(Refusal, match="has no free balance"):
        client.withdraw(trader)


def test_skim__donation__booked_for_whom_it_is_named(guarded: Kit) -> None:
    keeper, outsider = guarded.actors.keeper, guarded.actors.outsider
    funds, apart = Funds(Client(guarded.system)), guarded.isolated[1]
    guarded.mint(apart, 3 * U)
    shown = funds.skim(keeper, apart.address, outsider.address)
    assert (shown["booked"].value, apart.contributions(outsider)) == (3 * U, 3 * U)
    with pytest.raises(Refusal, match="is no fund of the factory"):
        funds.skim(keeper, guarded.house.address)


def test_create_feed__aggregator__read_from_now_on(guarded: Kit) -> None:
    keeper, outsider = guarded.actors.keeper, guarded.actors.outsider
    client = Client(guarded.system)
    made = guarded.backend.deploy("MockAggregator", 8, "COIN / USD", 90 * 10**8, sender=keeper)
    shown = create_feed(client, keeper, str(made.address), 60)
    assert (shown["price"].value, shown["description"]) == (90 * COIN, "COIN / USD")
    assert guarded.backend.at("PriceFeed", shown["feed"]).max_age() == 60
    with pytest.raises(Refusal, match="there is no aggregator at"):
        create_feed(client, keeper, str(outsider.address), 60)
