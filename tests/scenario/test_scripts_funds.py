"""The scripts of several funds against a node that runs already: each doing its work and refused (M16 to M18)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kana_insurance.kit import DAY, Kit, U
from tests.scenario.running import Run, figures, refused

PROPOSER = ("--account", "TEST::3", "--json")
NEW = ("--threshold", "5000", "--salt", "DOGE / USD", "--isolated")


def rows(run: Run, *names: str) -> list[dict[str, Any]]:
    """What the table of funds says."""
    result = run("funds", *names, "--json")
    assert result.exit_code == 0, result.output
    return list(json.loads(result.stdout))


def test_funds__deployed__the_shared_one(run: Run, kit: Kit) -> None:
    kit.contribute(kit.actors.contributor, 1_000 * U)
    kit.stake(kit.actors.liquidator, 500 * U)
    (row,) = rows(run)
    assert (row["fund"], row["kind"], row["symbol"], row["state"]) == (kit.fund.address, "shared", "KanaUSDT", "open")
    assert (row["reserve"], row["threshold"], row["bad_debt"]) == ("1000", "1000000", "0")
    assert (row["layers"], row["layer_capacity"], row["coverage"]) == ("staked", "499", "1499")
    assert row["markets"] == "COIN / USD, ETH / USD, lending of KanaUSDT"
    table = run("funds")
    assert table.exit_code == 0
    assert "COIN / USD, ETH / USD" in table.output


def test_funds__no_fund_of_the_factory__refused(run: Run, kit: Kit) -> None:
    refused(run("funds", kit.house.address), "is no fund of the factory")


def test_create_fund__isolated__in_steps(run: Run, kit: Kit) -> None:
    """Scheduled; executed and opened after the delay; found again by its salt."""
    house = kit.house.address
    new = (*NEW, "--venue", house, "--market", "2", "--max-insurance", "700", "--stakers", "300")
    shown = figures(run("create_fund", *new, *PROPOSER))
    assert (shown["step"], shown["to_be"]) == ("scheduled", "created")
    fund = shown["fund"]
    assert figures(run("create_fund", *new, *PROPOSER))["ready"] == shown["ready"]
    kit.travel(2 * DAY)
    shown = figures(run("create_fund", *new, *PROPOSER))
    assert (shown["step"], shown["to_be"], shown["fund"]) == ("scheduled", "assigned", fund)
    kit.travel(2 * DAY)
    shown = figures(run("create_fund", *new, *PROPOSER))
    assert (shown["step"], shown["fund"], shown["kind"], shown["state"]) == ("done", fund, "isolated", "open")
    assert (shown["threshold"], shown["layers"], shown["markets"]) == ("5000", "staked", f"2 of {house}")
    made = kit.backend.at("InsuranceFund", fund)
    assert made.market(house, 2).max_insurance == 700 * U
    assert (made.setup_finished(), made.treasury()) == (True, kit.actors.treasury.address)
    assert kit.factory.fund_of(house, 2) == fund
    assert [row["fund"] for row in rows(run)] == [kit.fund.address, fund]
    assert figures(run("create_fund", *new, *PROPOSER))["step"] == "done"


def test_create_fund__other_asset_and_travel__all_at_once(run: Run, kit: Kit) -> None:
    """M16: an 8-decimal asset gets its shared fund."""
    token = kit.backend.deploy("FaucetToken", "Kana BTC", "KBTC", 8, sender=kit.actors.deployer)
    new = ("--asset", token.address, "--threshold", "2.5", "--salt", "KBTC", "--travel")
    shown = figures(run("create_fund", *new, *PROPOSER))
    assert (shown["step"], shown["kind"], shown["symbol"], shown["threshold"]) == ("done", "shared", "KBTC", "2.5")
    assert kit.factory.shared_fund(token) == shown["fund"]
    assert (rows(run, shown["fund"])[0]["markets"], len(rows(run))) == ("none", 2)


@pytest.mark.usefixtures("kit")
def test_create_fund__unfit__refused_before_the_delay(run: Run, kit: Kit) -> None:
    refused(run("create_fund", "--threshold", "5", "--salt", "x", *PROPOSER), "has a shared fund already")
    outsider = kit.actors.outsider.address
    refused(run("create_fund", *NEW, "--asset", outsider, *PROPOSER), f"there is no token at {outsider}")
    refused(run("create_fund", *NEW, "--fund-bps", "3001", *PROPOSER), "refused: fund: split out of bounds")
    refused(run("create_fund", *NEW, "--lending", "--max-insurance", "5", *PROPOSER), "a lending pool has no", code=2)
    refused(run("create_fund", *NEW, "--account", "TEST::11"), "refused: ")
