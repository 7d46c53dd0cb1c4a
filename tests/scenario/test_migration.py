"""The commands of docs/migration.md carried out on a node: a fund moves, a market joins the shared one (M9, M18)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kana_insurance.anvil import Anvil
from kana_insurance.audit import audit
from kana_insurance.backends import ROOT, Reverted, address_of
from kana_insurance.client import Client
from kana_insurance.config import MarketConfig
from kana_insurance.deployment import LOCAL_STAKERS
from kana_insurance.governance import Governance
from kana_insurance.kit import COIN, Kit, U, deploy_kit
from tests.scenario.running import Run
from tests.scenario.stages import Stage
from tests.utils.documents import mentioned, sections
from tests.utils.funds import _plain

PAGE = ROOT / "docs" / "migration.md"
SECTIONS = sections(PAGE)
WHOLE, JOINING, ABORTED = "A whole fund", "A market of its own joins the shared fund", "Calling it off"
ETH = 2_000 * COIN


def test_migration__page__has_these_sections_and_mentions_no_other_command() -> None:
    assert list(SECTIONS) == [WHOLE, JOINING, ABORTED]
    made = [command.text.split()[2:] for commands in SECTIONS.values() for command in commands]
    named = (["govern", "propose", "set-window"], ["govern", "propose", "grant-role"], ["govern", "list", "--json"])
    for words in mentioned(PAGE):
        assert words in named or any(words == one[: len(words)] for one in made), words


# --------------------------------------------------------------------- a whole fund


def in_use(kit: Kit) -> None:
    """A fund that has lived: contributions, a donation, use in both markets, bad debt, stakers, exits, a position."""
    actors = kit.actors
    kit.contribute(actors.keeper, 1_000 * U)
    kit.stake(actors.contributor, 400 * U)
    kit.stake(actors.treasury, 600 * U)
    # Paid: 50 U and what fees took of the margin.
    kit.open_position(actors.liquidator, actors.outsider, 10 * COIN, margin=(150 * U, 1_000 * U))
    kit.set_price(80 * COIN)
    deleverage(kit, 0, actors.liquidator, actors.outsider)
    kit.set_price(100 * COIN)
    # Whoever is left bears nothing, and 20 U are all that this market is insured for: the rest is bad debt (T14).
    kit.fund.set_max_insurance(kit.house, 1, 20 * U, sender=kit.governance)
    kit.open_position(actors.liquidator, actors.outsider, COIN, margin=(205 * U, 205 * U), market_id=1)
    kit.set_price(1_400 * COIN, 1)
    kit.open_position(actors.outsider, actors.keeper, COIN, margin=(0, 141 * U), market_id=1)
    deleverage(kit, 1, actors.liquidator, actors.keeper)
    kit.set_price(ETH, 1)
    kit.open_position(actors.trader, actors.counterparty, 100 * COIN, margin=(1_500 * U, 10_000 * U))
    kit.house.collect_fees(0, sender=actors.keeper)
    kit.mint(kit.fund, 7 * U)


def layer_figures(kit: Kit) -> dict[str, Any]:
    """What a merger leaves as it is."""
    vault = kit.backstop
    return {
        "staked": vault.totalAssets(),
        "pending": _plain(vault.exit_pool_state()),
        "shares": vault.totalSupply(),
        "tokens": kit.asset.balanceOf(vault),
    }


def deleverage(kit: Kit, market_id: int, trader: Any, against: Any) -> None:
    """Flag an insolvent position and close it against another."""
    kit.house.flag(market_id, trader, sender=kit.actors.keeper)
    kit.travel(601)
    kit.house.deleverage(market_id, trader, [against], sender=kit.actors.keeper)


def figures_of(kit: Kit, fund: Any) -> dict[str, Any]:
    """What a merger carries."""
    return {
        "reserve": fund.reserve(),
        "tokens": kit.asset.balanceOf(fund),
        "contributions": fund.total_contributions(),
        "bad debt": fund.total_bad_debt(),
        "markets": [_plain(fund.market(kit.house, number)) for number in (0, 1)],
    }


def refused(reason: str, call: Any, *args: Any, sender: Any) -> None:
    """The call is refused for this reason."""
    with pytest.raises(Reverted) as caught:
        call(*args, sender=sender)
    assert caught.value.reason == reason


def test_migration__whole_fund__everything_once_and_stakers_may_leave(run: Run, kit: Kit, node: Anvil) -> None:
    assert run is not None
    actors, old, house = kit.actors, kit.fund, kit.house
    in_use(kit)
    before = figures_of(kit, old)
    used = [market[2] for market in before["markets"]]
    assert min(before["reserve"], *used, before["bad debt"]) > 0
    assert before["tokens"] == before["reserve"] + 7 * U
    venue = [_plain(house.books(number)) for number in (0, 1)], _plain(house.position(0, actors.trader))
    stage = Stage(kit)
    stage.values |= {"MARKETS": "COIN / USD,ETH / USD,lending of KanaUSDT", "LIMIT": "1000000", "OLD": address_of(old)}
    steps = SECTIONS[WHOLE]
    claimed = next(number for number, step in enumerate(steps) if " claim " in step.text) + 1
    merged = next(number for number, step in enumerate(steps) if "OPERATION_2" in step.text)

    # Until the notices have run out: one staker has left, another's exit is pending.
    stage.play(steps[:claimed], node.url)
    # With a share of the fees.
    assert 400 * U < kit.asset.balanceOf(actors.contributor) < 401 * U
    assert figures_of(kit, old) == before
    kit.backstop.requestRedeem(
        kit.backstop.balanceOf(actors.treasury) // 3, actors.treasury, actors.treasury, sender=actors.treasury
    )
    layer = layer_figures(kit)
    assert 200 * U < layer["pending"][0] < layer["staked"]

    # The merger, and a second one.
    stage.play(steps[claimed : merged + 1], node.url)
    new = kit.backend.at("InsuranceFund", stage.values["NEW"])
    assert figures_of(kit, new) == {
        **before,
        "reserve": before["tokens"],
        "tokens": before["tokens"],
        "contributions": before["contributions"] + 7 * U,
    }
    assert (new.contributions(old), old.contributions(actors.keeper)) == (before["contributions"] + 7 * U, 1_007 * U)
    assert (old.reserve(), kit.asset.balanceOf(old), old.total_bad_debt(), old.successor()) == (0, 0, 0, new.address)
    assert (kit.asset.allowance(house, old), kit.asset.allowance(house, new)) == (0, 2**256 - 1)
    assert (kit.factory.shared_fund(kit.asset), kit.registry.fund_of(0), kit.registry.fund_of(1)) == (new.address,) * 3
    assert venue == ([_plain(house.books(number)) for number in (0, 1)], _plain(house.position(0, actors.trader)))
    assert layer == layer_figures(kit)
    key = (address_of(house), 0)
    refused("factory: other fund", kit.factory.merge, old, new, [key], sender=kit.governance)
    refused("factory: unknown fund", kit.factory.merge, old, kit.house, [], sender=kit.governance)
    refused("factory: successor is merged", kit.factory.merge, new, old, [], sender=kit.governance)

    # The old fund takes nothing, whoever asks.
    kit.provide(actors.keeper, old, 5 * U)
    refused("fund: closed", old.contribute, 5 * U, sender=actors.keeper)
    refused("fund: closed", old.skim, actors.keeper, sender=actors.keeper)
    refused("fund: closed", old.settle_fees, 0, 5 * U, sender=kit.impersonate(house))
    refused("fund: closed", old.cover_shortfall, 0, 5 * U, sender=kit.impersonate(house))

    # Let go of at the layer too; commands and audit know the successor.
    stage.play(steps[merged + 1 :], node.url)
    assert [address_of(one) for one in kit.underwriter.funds()] == [new.address]
    report = audit(kit.system)
    assert report.off == []
    assert {(note.area, note.part) for note in report.notes} == {
        ("wiring", f"fund {new.address}"),
        ("wiring", "fund"),
        ("parameters", f"fund {new.address}"),
        ("parameters", "ETH / USD"),
    }
    assert Client(kit.system).contribute(actors.keeper, 5 * U)["reserve"].value == new.reserve()
    works(kit, new)


def works(kit: Kit, fund: Any) -> None:
    """A liquidation pays its part into the fund, a shortfall is paid out of it and of the stakers behind it."""
    actors, house = kit.actors, kit.house
    reserve, used = fund.reserve(), fund.market(house, 0).used
    kit.deposit(actors.liquidator, 20_000 * U)
    kit.set_price(89 * COIN)
    house.liquidate(0, actors.trader, 50 * COIN, 2_000 * U, sender=actors.liquidator)
    slice_ = fund.reserve() - reserve
    assert slice_ > 0
    assert fund.market(house, 0).used == max(used - slice_, 0)
    staked = kit.backstop.totalAssets()
    kit.set_price(40 * COIN)
    house.flag(0, actors.trader, sender=actors.keeper)
    kit.travel(601)
    house.deleverage(0, actors.trader, [actors.counterparty], sender=actors.keeper)
    assert fund.reserve() == 0
    assert kit.backstop.totalAssets() < staked


# --------------------------------------------------------------- a market joins, or not


@pytest.fixture
def apart(kit: Kit, tmp_path: Path) -> Stage:
    """A system with an isolated market that has cost its fund something."""
    caps = {"open_interest_cap": 10**6 * COIN, "position_cap": 10**6 * COIN, "max_insurance": 500 * U}
    markets = [
        MarketConfig(name="COIN / USD", **caps),
        MarketConfig(name="DOGE / USD", isolated=True, threshold=90 * U, **caps),
    ]
    wide = deploy_kit(kit.backend, kit.actors, markets=markets, stakers=LOCAL_STAKERS)
    wide.stake(kit.actors.contributor, 400 * U)
    wide.contribute(kit.actors.keeper, 30 * U)
    wide.provide(kit.actors.keeper, wide.isolated[1], 80 * U)
    wide.isolated[1].contribute(80 * U, sender=kit.actors.keeper)
    wide.isolated[1].cover_shortfall(1, 25 * U, sender=wide.impersonate(wide.house))
    return Stage(wide, record=wide.system.record.write(tmp_path / "apart.json"))


def test_migration__market_of_its_own__joins_the_shared_fund(apart: Stage, node: Anvil) -> None:
    kit, old = apart.kit, apart.kit.isolated[1]
    apart.play(SECTIONS[JOINING], node.url)
    assert (kit.fund.reserve(), kit.fund.contributions(old), kit.fund.total_contributions()) == (
        85 * U,
        80 * U,
        110 * U,
    )
    market = kit.fund.market(kit.house, 1)
    assert (market.used, market.max_insurance) == (25 * U, 500 * U)
    assert (kit.registry.fund_of(1), old.reserve()) == (kit.fund.address, 0)
    shown = {row["name"]: row for row in Client(kit.system).status()["markets"]}
    assert shown["DOGE / USD"]["used"].value == 25 * U
    kit.fund.cover_shortfall(1, 5 * U, sender=kit.impersonate(kit.house))
    assert kit.fund.reserve() == 80 * U


def test_migration__called_off__nothing_has_moved(apart: Stage, node: Anvil) -> None:
    kit, old = apart.kit, apart.kit.isolated[1]
    operator = Governance(Client(kit.system))
    plan = operator.plan("merge", ("fund of DOGE / USD", "fund", "DOGE / USD"))
    operator.propose(plan, kit.actors.proposer)
    operator.execute(plan.operations[0].name, kit.actors.proposer, skip_delay=True)
    (notice,) = operator.page()["notices"]
    apart.values |= {"OPERATION_1": plan.operations[-1].name, "NOTICE": notice["id"]}
    apart.play(SECTIONS[ABORTED], node.url)
    refused("fund: no notice", kit.factory.merge, old, kit.fund, [(kit.house.address, 1)], sender=kit.governance)
    assert (old.reserve(), kit.fund.reserve()) == (55 * U, 30 * U)
