"""The stakers' scripts against a node that runs already: each doing its work and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kana_insurance.backends import ZERO
from kana_insurance.client import moment
from kana_insurance.kit import DAY, Kit, U
from kana_insurance.stakers import day_text, parse_day
from tests.scenario.running import Run, figures, refused

STAKER = ("--account", "TEST::8", "--json")
OTHER = ("--account", "TEST::6", "--json")
NOBODY = ("--account", "TEST::11")


@pytest.fixture
def staked(kit: Kit) -> Kit:
    """TEST::8 with 4,000 U staked, TEST::6 with 1,000 U."""
    kit.stake(kit.actors.liquidator, 4_000 * U)
    kit.stake(kit.actors.trader, 1_000 * U)
    return kit


def maturity(kit: Kit) -> int:
    """The day on which a request of the latest block matures: the first that begins a cooldown of 14 days later."""
    return -(-kit.now() // DAY) + 14


def pay_fees(kit: Kit, amount: int) -> None:
    """Let the fund take so much of market 0's fees."""
    kit.mint(kit.house, amount)
    kit.fund.settle_fees(0, amount, sender=kit.impersonate(kit.house))


@pytest.mark.usefixtures("kit")
@pytest.mark.parametrize("permit", [(), ("--permit",)])
def test_stake__approved_or_by_permit__shares_at_once(run: Run, permit: tuple[str, ...]) -> None:
    shown = figures(run("stake", "250.000001", *permit, *STAKER))
    assert shown["shares"] == shown["held"] == shown["value"] == shown["staked"] == "250.000001"
    assert figures(run("stake", "1", *permit, *STAKER))["staked"] == "251.000001"


def test_stake__too_few_tokens_or_no_amount__refused(run: Run) -> None:
    refused(run("stake", "5", *NOBODY), "holds 0 KanaUSDT, 5 KanaUSDT are needed")
    refused(run("stake", "0", *NOBODY), "must be above 0", code=2)


def test_request__some_or_all__priced_and_free_after_the_cooldown(run: Run, staked: Kit) -> None:
    shown = figures(run("request", "1000", *STAKER))
    day = maturity(staked)
    assert (shown["shares"], shown["assets"], shown["held"]) == ("1000", "1000", "3000")
    assert (shown["request"], shown["free_from"]) == (str(day), moment(day * DAY))
    shown = figures(run("request", "--all", *OTHER))
    assert (shown["shares"], shown["held"]) == ("1000", "0")
    assert staked.backstop.pendingRedeemRequest(day, staked.actors.trader) == 1_000 * 10**12


@pytest.mark.usefixtures("staked")
def test_request__more_than_held_or_unclear__refused(run: Run) -> None:
    refused(run("request", "4000.000001", *STAKER), "holds 4,000 KBACK")
    refused(run("request", "--all", *NOBODY), "holds 0 KBACK")
    refused(run("request", *STAKER), "name SHARES or --all", code=2)
    refused(run("request", "1", "--all", *STAKER), "name SHARES or --all", code=2)


def test_claim__after_the_cooldown__all_that_matured(run: Run, staked: Kit) -> None:
    run("request", "1000", *STAKER)
    staked.travel(2 * DAY)
    run("request", "500", *STAKER)
    staked.travel(13 * DAY)
    shown = figures(run("claim", *STAKER))
    assert (shown["shares"], shown["received"], shown["pending"]) == ("1000", "1000", "500")
    shown = figures(run("claim", "--skip-cooldown", *STAKER))
    assert (shown["received"], shown["pending"]) == ("500", "0")
    assert staked.asset.balanceOf(staked.actors.liquidator) == 11_500 * U


def test_claim__too_early_or_nothing_requested__refused(run: Run, staked: Kit) -> None:
    refused(run("claim", *STAKER), "has no requests: 'ape run request' makes one")
    run("request", "1", *STAKER)
    refused(run("claim", *STAKER), f"free from {moment(maturity(staked) * DAY)}")


def test_cancel__the_only_request_or_by_day__staked_again(run: Run, staked: Kit) -> None:
    run("request", "1000", *STAKER)
    shown = figures(run("cancel", *STAKER))
    assert (shown["shares"], shown["held"], shown["value"]) == ("1000", "4000", "4000")
    run("request", "600", *STAKER)
    first = maturity(staked)
    staked.travel(2 * DAY)
    run("request", "500", *STAKER)
    assert figures(run("cancel", day_text(first), *STAKER))["shares"] == "600"
    assert figures(run("cancel", str(first + 2), *STAKER))["held"] == "4000"


def test_cancel__unclear_or_nothing_pending__refused(run: Run, staked: Kit) -> None:
    refused(run("cancel", *STAKER), "has nothing pending")
    refused(run("cancel", "12345", *STAKER), "refused: backstop: nothing pending")
    refused(run("cancel", "tomorrow", *STAKER), "'tomorrow' is no day")
    run("request", "600", *STAKER)
    first = maturity(staked)
    staked.travel(2 * DAY)
    run("request", "500", *STAKER)
    refused(run("cancel", *STAKER), f"one of {day_text(first)}, {day_text(first + 2)}")


def test_stakers__shares_exits_and_layer__as_the_chain_has_them(run: Run, staked: Kit) -> None:
    run("request", "1000", *STAKER)
    first = maturity(staked)
    staked.travel(2 * DAY)
    run("request", "500", *STAKER)
    staked.travel(13 * DAY)
    shown = figures(run("stakers", "--json"))
    by_name = {entry["staker"]: entry for entry in shown["stakers"]}
    assert set(by_name) == {staked.actors.liquidator.address, staked.actors.trader.address}
    row = by_name[staked.actors.liquidator.address]
    assert (row["shares"], row["value"], row["pending"], row["claimable"]) == ("2500", "2500", "500", "1000")
    assert [(one["request"], one["state"], one["assets"]) for one in shown["exits_by_day"]] == [
        (str(first), "claimable", "1000"),
        (str(first + 2), "pending", "500"),
    ]
    assert shown["exits_by_day"][1]["free_from"] == moment((first + 2) * DAY)
    layer = shown["layer"]
    assert (layer["staked"], layer["shares"], layer["pending_exits"]) == ("3500", "3500", "500")
    assert (layer["fund_may_draw"], layer["cooldown_days"], layer["exits"]) == ("3999", "14", "open")
    named = figures(run("stakers", "TEST::6", "--json"))
    assert [entry["shares"] for entry in named["stakers"]] == ["1000"]
    assert named["exits_by_day"] == []
    table = run("stakers")
    assert table.exit_code == 0
    assert "3,999 KanaUSDT" in table.output


def test_stakers__revenue_and_a_slash__in_the_yield_of_their_time(run: Run, staked: Kit) -> None:
    pay_fees(staked, 100 * U)
    # Half of it streams to the stakers: 50 of 5,000.
    layer = figures(run("stakers", "--json"))["layer"]
    assert (layer["revenue_7_days"], layer["slashed_7_days"], layer["yield_7_days"]) == ("50", "0", "1")
    # The reserve has 50, so that stream and stake pay 500.
    staked.fund.cover_shortfall(0, 550 * U, sender=staked.impersonate(staked.house))
    layer = figures(run("stakers", "--json"))["layer"]
    assert (layer["staked"], layer["unvested_revenue"], layer["slashed_7_days"]) == ("4550", "0", "500")
    assert layer["yield_7_days"] == layer["yield_30_days"] == "-9.8902"  # -450 of 4,550, rounded down
    staked.travel(8 * DAY)
    layer = figures(run("stakers", "--json"))["layer"]
    assert (layer["revenue_7_days"], layer["slashed_7_days"], layer["yield_7_days"]) == ("0", "0", "0")
    assert (layer["revenue_30_days"], layer["yield_30_days"]) == ("50", "-9.8902")


def test_stakers__payouts_paused__says_until_when_exits_are_held(run: Run, staked: Kit) -> None:
    run("request", "1000", *STAKER)
    staked.travel(13 * DAY)
    staked.fund.pause_payouts(7 * DAY, sender=staked.actors.guardian)
    until = moment(staked.now() + 8 * DAY)
    shown = figures(run("stakers", "--json"))
    assert shown["layer"]["exits"] == f"held until {until}"
    assert [one["free_from"] for one in shown["exits_by_day"]] == [until]
    assert figures(run("claim", "--skip-cooldown", *STAKER))["received"] == "1000"


def test_status__layers__what_they_have_and_would_pay(run: Run, staked: Kit) -> None:
    (layer,) = figures(run("status", "--json"))["layers"]
    assert layer == {
        "layer": "stakers",
        "staked": "5000",
        "capacity": "4999",
        "limit": "1000000",
        "used": "0",
        "premium": "0",
        "exits_held_until": "not held",
        "suspended_until": "not suspended",
        "underwriter": staked.underwriter.address,
    }
    staked.fund.cover_shortfall(0, 500 * U, sender=staked.impersonate(staked.house))
    staked.fund.pause_payouts(7 * DAY, sender=staked.actors.guardian)
    held_until = moment(staked.now() + 8 * DAY)
    (layer,) = figures(run("status", "--json", "--raw"))["layers"]
    assert (layer["staked"], layer["capacity"], layer["used"]) == (str(4_500 * U), str(4_499 * U), str(500 * U))
    assert layer["exits_held_until"] == held_until
    staked.fund.suspend_layer(0, 3 * DAY, sender=staked.actors.guardian)
    suspended_until = moment(staked.now() + 3 * DAY)
    (layer,) = figures(run("status", "--json"))["layers"]
    assert (layer["staked"], layer["capacity"], layer["suspended_until"]) == ("4500", "0", suspended_until)
    table = run("status")
    assert table.exit_code == 0
    for text in ("4,500 KanaUSDT", "exits held until", held_until, suspended_until):
        assert text in table.output


def test_status__layers_taken_away_by_governance__none(run: Run, staked: Kit) -> None:
    staked.fund.set_layers(ZERO, ZERO, 0, sender=staked.governance)
    assert figures(run("status", "--json"))["layers"] == []
    assert "layers: none" in run("status").output


def test_stakers__unknown_account_or_no_layer__refused(run: Run, folder: Path) -> None:
    refused(run("stakers", "nobody"), "nobody", code=2)
    record = json.loads((folder / "local.json").read_text())
    record["config"]["stakers"] = None
    for part in ("underwriter", "backstop"):
        del record["addresses"][part]
    path = folder / "bare.json"
    path.write_text(json.dumps(record))
    refused(run("stakers", "--record", str(path)), "this deployment has no staked layer")


def test_parse_day__date_and_number__the_same_day() -> None:
    assert parse_day("1970-01-02") == parse_day("1") == 1
    assert day_text(parse_day("2026-12-05")) == "2026-12-05"
