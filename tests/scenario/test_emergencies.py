"""Every emergency of docs/emergencies.md, staged on a node, its commands carried out as they stand there (M36)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kana_insurance.anvil import Anvil
from kana_insurance.backends import ROOT, ZERO, Reverted, address_of
from kana_insurance.client import Client
from kana_insurance.deployment import LOCAL_STAKERS
from kana_insurance.governance import Governance
from kana_insurance.kit import COIN, DAY, Actors, Kit, U, deploy_kit
from kana_insurance.system import ROLES
from tests.scenario.running import Run
from tests.scenario.stages import Stage
from tests.utils.documents import mentioned, sections

PAGE = ROOT / "docs" / "emergencies.md"
SECTIONS = sections(PAGE)
#: Grace and the hour after it, seconds (M28a).
FLAG_LASTS = 600 + 3_600


def freeze(stage: Stage, whom: Any) -> None:
    """Let the asset refuse transfers from and to an address."""
    token = stage.kit.backend.at("QuirkyToken", address_of(stage.kit.asset))
    token.set_blacklisted(address_of(whom), True, sender=stage.kit.actors.keeper)


@dataclass(frozen=True)
class Case:
    """How a section is staged, and what its commands must have achieved.

    Attributes:
        happens: The emergency.
        check: What holds afterwards.
        frozen: Whether the asset is one that freezes addresses.
    """

    happens: Callable[[Stage], None]
    check: Callable[[Stage], None]
    frozen: bool = False


def pair(kit: Kit, margin: int = 150 * U) -> None:
    """Trader long and counterparty short 10 coins at 100; the liquidator can take over."""
    kit.open_position(kit.actors.trader, kit.actors.counterparty, 10 * COIN, margin=(margin, 1_000 * U))
    kit.deposit(kit.actors.liquidator, 1_000 * U)


def resolve(kit: Kit) -> None:
    """Deleverage the insolvent trader against the counterparty."""
    if kit.now() > kit.house.position(0, kit.actors.trader).flagged_at + FLAG_LASTS:
        kit.house.flag(0, kit.actors.trader, sender=kit.actors.keeper)
    kit.travel(601)
    kit.house.deleverage(0, kit.actors.trader, [kit.actors.counterparty], sender=kit.actors.keeper)


def fails(reason: str, call: Callable[..., Any], *args: Any, sender: Any) -> None:
    """The call is refused for this reason."""
    with pytest.raises(Reverted) as caught:
        call(*args, sender=sender)
    assert caught.value.reason == reason


# ------------------------------------------------------------------------ prices


def feed_dies(stage: Stage) -> None:
    pair(stage.kit)
    stage.kit.set_price(0)
    fails(
        "feed: price not positive", stage.kit.house.flag, 0, address_of(stage.kit.actors.trader), sender=keeper(stage)
    )
    other_aggregator(stage)


def feed_lies(stage: Stage) -> None:
    pair(stage.kit)
    stage.kit.contribute(stage.kit.actors.contributor, 1_000 * U)
    stage.kit.set_price(50 * COIN)
    other_aggregator(stage)


def other_aggregator(stage: Stage) -> None:
    made = stage.kit.backend.deploy("MockAggregator", 8, "COIN / USD", 100 * 10**8, sender=stage.kit.actors.deployer)
    stage.values["AGGREGATOR"] = address_of(made)
    stage.feeds.append(made)


def keeper(stage: Stage) -> Any:
    return stage.kit.actors.keeper


def reads_the_other(stage: Stage) -> None:
    """The price is the other aggregator's, the position sound, trades go on, and the fund has paid nothing."""
    kit = stage.kit
    assert kit.registry.mark(0) == 100 * COIN
    assert (kit.fund.payouts_paused(), kit.fund.market(kit.house, 0).used) == (False, 0)
    fails("house: not liquidatable", kit.house.liquidate, 0, kit.actors.trader.address, COIN, 0, sender=keeper(stage))
    kit.open_position(kit.actors.trader, kit.actors.counterparty, COIN, 100 * COIN, 50 * U)


def collateral_lies(stage: Stage) -> None:
    stage.kit.lend(stage.kit.actors.contributor, 1_000 * U)
    stage.kit.add_collateral(stage.kit.actors.trader, COIN // 10)
    stage.kit.set_collateral_price(20_000 * COIN)
    other_aggregator(stage)
    stage.values["COLLATERAL"] = "ETH"


def nobody_borrows_too_much(stage: Stage) -> None:
    """The price is the other aggregator's, and a tenth of a coin borrows what it is worth there."""
    kit = stage.kit
    assert not kit.lending.terms().borrowing_paused
    fails("pool: too little collateral", kit.pool.borrow, 0, 10 * U, sender=kit.actors.trader)
    kit.add_collateral(kit.actors.trader, 9 * COIN // 10)
    kit.pool.borrow(0, 75 * U, sender=kit.actors.trader)
    assert kit.pool.max_borrow(0, kit.actors.trader) == 0


# ------------------------------------------------------------------------ venues


def venue_is_hacked(stage: Stage) -> None:
    kit = stage.kit
    kit.contribute(kit.actors.contributor, 1_000 * U)
    kit.stake(kit.actors.liquidator, 500 * U)
    kit.fund.cover_shortfall(0, 300 * U, sender=kit.impersonate(kit.house))
    assert kit.fund.reserve() == 700 * U


def venue_gets_nothing(stage: Stage) -> None:
    kit = stage.kit
    for market_id in (0, 1):
        kit.fund.cover_shortfall(market_id, 300 * U, sender=kit.impersonate(kit.house))
    assert kit.fund.reserve() == 700 * U - 1
    assert not kit.fund.payouts_paused()


# --------------------------------------------------------------------- the asset


def fund_is_frozen(stage: Stage) -> None:
    kit = stage.kit
    kit.contribute(kit.actors.contributor, 1_000 * U)
    pair(kit)
    freeze(stage, kit.fund)
    kit.set_price(89 * COIN)
    fails(
        "quirky: receiver blacklisted",
        kit.house.liquidate,
        0,
        kit.actors.trader.address,
        COIN,
        0,
        sender=kit.actors.liquidator,
    )
    fails("quirky: receiver blacklisted", kit.house.collect_fees, 0, sender=keeper(stage))


def liquidates_without_it(stage: Stage) -> None:
    """A piece while solvent, the rest while insolvent, fees."""
    kit = stage.kit
    trader, house = kit.actors.trader, kit.house
    house.liquidate(0, trader, 5 * COIN, 500 * U, sender=kit.actors.liquidator)
    kit.set_price(60 * COIN)
    resolve(kit)
    house.collect_fees(0, sender=keeper(stage))
    assert house.position(0, trader).size == 0
    assert house.books(0).loss_index > 0
    assert kit.fund.reserve() == 1_000 * U


def treasury_is_frozen(stage: Stage) -> None:
    kit = stage.kit
    kit.contribute(kit.actors.contributor, kit.fund.threshold() + 10 * U)
    pair(kit)
    freeze(stage, kit.actors.treasury)
    fails("quirky: receiver blacklisted", kit.house.collect_fees, 0, sender=keeper(stage))
    fails("quirky: receiver blacklisted", kit.fund.withdraw_excess, U, sender=kit.actors.treasurer)
    stage.values["HIGHER"] = "2000000"


def fees_are_booked(stage: Stage) -> None:
    kit = stage.kit
    before = kit.fund.reserve()
    kit.house.collect_fees(0, sender=keeper(stage))
    assert kit.fund.reserve() > before


def house_is_frozen(stage: Stage) -> None:
    pair(stage.kit)
    freeze(stage, stage.kit.house)
    fails("quirky: sender blacklisted", stage.kit.house.withdraw, U, sender=stage.kit.actors.liquidator)


def stands_still(stage: Stage) -> None:
    kit = stage.kit
    assert kit.fund.payouts_paused()
    buy = kit.sign_order(kit.actors.trader, True, COIN, 100 * COIN)
    sell = kit.sign_order(kit.actors.counterparty, False, COIN, 100 * COIN)
    with pytest.raises(Reverted, match="house: trading paused"):
        kit.fill(sell, buy)


def layer_is_frozen(stage: Stage) -> None:
    kit = stage.kit
    kit.contribute(kit.actors.contributor, 10 * U)
    kit.stake(kit.actors.keeper, 500 * U)
    pair(kit)
    freeze(stage, kit.backstop)
    kit.set_price(80 * COIN)
    with pytest.raises(Reverted, match="blacklisted"):
        resolve(kit)


def losses_pass_it_by(stage: Stage) -> None:
    kit = stage.kit
    resolve(kit)
    assert kit.house.position(0, kit.actors.trader).size == 0
    assert (kit.fund.reserve(), kit.backstop.totalAssets()) == (0, 500 * U)
    assert kit.house.books(0).loss_index > 0


# -------------------------------------------------------------------------- keys


def treasurer_is_lost(stage: Stage) -> None:
    kit = stage.kit
    kit.contribute(kit.actors.contributor, kit.fund.threshold() + 10 * U)
    stage.values |= {"OLD_TREASURER": kit.actors.treasurer.address, "NEW_TREASURER": kit.actors.outsider.address}
    stage.values["TREASURER"] = stage.values["NEWCOMER"]


def treasurer_is_another(stage: Stage) -> None:
    kit = stage.kit
    assert kit.asset.balanceOf(kit.actors.treasury) == 10 * U
    assert not kit.fund.hasRole(ROLES["TREASURER"], kit.actors.treasurer)


def guardian_is_lost(stage: Stage) -> None:
    actors = stage.kit.actors
    stage.values |= {"OLD_GUARDIAN": actors.guardian.address, "NEW_GUARDIAN": actors.outsider.address}
    stage.values["GUARDIAN"] = stage.values["NEWCOMER"]


def guardian_is_another(stage: Stage) -> None:
    kit = stage.kit
    for contract in (kit.fund, kit.registry):
        assert not contract.hasRole(ROLES["GUARDIAN"], kit.actors.guardian)
        assert contract.hasRole(ROLES["GUARDIAN"], kit.actors.outsider)


def guardian_goes_rogue(stage: Stage) -> None:
    kit, guardian = stage.kit, stage.kit.actors.guardian
    guardian_is_lost(stage)
    kit.fund.pause_payouts(7 * DAY, sender=guardian)
    kit.registry.pause_trading(7 * DAY, sender=guardian)
    kit.fund.suspend_layer(0, 7 * DAY, sender=guardian)


def guardian_is_gone(stage: Stage) -> None:
    kit = stage.kit
    guardian_is_another(stage)
    now = kit.now()
    assert not kit.fund.payouts_paused()
    assert kit.registry.trading_resume_at() < now
    assert kit.fund.layers().staked_suspended_until < now


def proposer_is_stolen(stage: Stage) -> None:
    kit, thief = stage.kit, stage.kit.actors.contributor
    kit.timelock.grantRole(kit.timelock.PROPOSER_ROLE(), thief, sender=kit.governance)
    hostile(stage, "set-threshold", "5", by=thief)
    stage.values |= {"OLD_PROPOSER": thief.address, "NEW_PROPOSER": kit.actors.outsider.address}


def hostile(stage: Stage, *words: str, by: Any) -> None:
    operator = Governance(Client(stage.kit.system))
    plan = operator.plan(words[0], words[1:])
    operator.propose(plan, by)
    stage.values["THEIRS"] = plan.operations[0].name


def proposer_is_another(stage: Stage) -> None:
    kit, role = stage.kit, stage.kit.timelock.PROPOSER_ROLE()
    held = [kit.timelock.hasRole(role, one) for one in (kit.actors.contributor, kit.actors.outsider)]
    assert held == [False, True]
    with pytest.raises(Reverted):
        kit.timelock.schedule(kit.fund.address, 0, b"", bytes(32), bytes(32), 2 * DAY, sender=kit.actors.contributor)
    assert kit.fund.threshold() == 1_000_000 * U


def executor_is_lost(stage: Stage) -> None:
    stage.values |= {"OLD_EXECUTOR": stage.kit.actors.proposer.address, "ZERO_ADDRESS": ZERO}


def anyone_executes(stage: Stage) -> None:
    timelock = stage.kit.timelock
    role = timelock.EXECUTOR_ROLE()
    assert (timelock.hasRole(role, ZERO), timelock.hasRole(role, stage.kit.actors.proposer)) == (True, False)


# ------------------------------------------------------------- code and governance


def fund_has_a_bug(stage: Stage) -> None:
    stage.kit.contribute(stage.kit.actors.contributor, 1_000 * U)
    stage.kit.stake(stage.kit.actors.liquidator, 500 * U)


def money_is_out(stage: Stage) -> None:
    kit = stage.kit
    kit.fund.cover_shortfall(0, 300 * U, sender=kit.impersonate(kit.house))
    assert (kit.fund.reserve(), kit.asset.balanceOf(kit.actors.treasury)) == (1, 1_000 * U - 1)
    assert kit.backstop.totalAssets() == 500 * U


def governance_is_hostile(stage: Stage) -> None:
    kit = stage.kit
    pair(kit)
    kit.stake(kit.actors.contributor, 500 * U)
    hostile(stage, "set-max-insurance", "ETH / USD", "60000", by=kit.actors.proposer)


def all_are_out(stage: Stage) -> None:
    kit = stage.kit
    assert kit.house.position(0, kit.actors.trader).size == kit.house.free(kit.actors.trader) == 0
    assert kit.asset.balanceOf(kit.actors.contributor) == 500 * U
    assert kit.fund.market(kit.house, 1).max_insurance == 50_000 * U


CASES = {
    "A feed dies": Case(feed_dies, reads_the_other),
    "A feed lies": Case(feed_lies, reads_the_other),
    "A collateral's feed lies": Case(collateral_lies, nobody_borrows_too_much),
    "A venue is hacked": Case(venue_is_hacked, venue_gets_nothing),
    "The asset freezes the fund": Case(fund_is_frozen, liquidates_without_it, frozen=True),
    "The asset freezes the treasury": Case(treasury_is_frozen, fees_are_booked, frozen=True),
    "The asset freezes the house": Case(house_is_frozen, stands_still, frozen=True),
    "A layer fails, or the asset freezes it": Case(layer_is_frozen, losses_pass_it_by, frozen=True),
    "A treasurer's key is lost or stolen": Case(treasurer_is_lost, treasurer_is_another),
    "A guardian's key is lost": Case(guardian_is_lost, guardian_is_another),
    "A guardian goes rogue": Case(guardian_goes_rogue, guardian_is_gone),
    "A proposer's key is lost or stolen": Case(proposer_is_stolen, proposer_is_another),
    "An executor's key is lost": Case(executor_is_lost, anyone_executes),
    "A bug in the fund itself": Case(fund_has_a_bug, money_is_out),
    "Governance proposes something hostile": Case(governance_is_hostile, all_are_out),
}


class FreezingKit(Kit):
    """A kit whose asset freezes addresses."""

    def mint(self, account: Any, amount: int) -> None:
        """Give an account tokens."""
        token = self.backend.at("QuirkyToken", address_of(self.asset))
        token.mint(address_of(account), amount, sender=self.actors.keeper)


def freezing(kit: Kit, folder: Path) -> Stage:
    """A system like the kit's, of an asset that freezes addresses."""
    actors: Actors = kit.actors
    token = kit.backend.deploy("QuirkyToken", 6, sender=actors.deployer)
    made = deploy_kit(kit.backend, actors, asset=address_of(token), stakers=LOCAL_STAKERS)
    record = made.system.record.write(folder / "freezing.json")
    return Stage(FreezingKit(made.system, actors), record=record)


@pytest.mark.parametrize("section", SECTIONS)
def test_emergency__as_the_page_says__achieved(section: str, run: Run, kit: Kit, node: Anvil, tmp_path: Path) -> None:
    """No section without a case, and every command is one that there is: a word that isn't known fails."""
    assert run is not None
    case = CASES[section]
    stage = freezing(kit, tmp_path) if case.frozen else Stage(kit)
    stage.values["MARKET"] = "COIN / USD"
    case.happens(stage)
    stage.play(SECTIONS[section], node.url)
    case.check(stage)


def test_emergencies__page__has_every_case_and_mentions_no_other_command() -> None:
    """What the text names in passing is among what the sections run, or is said to need notice."""
    assert set(SECTIONS) == set(CASES)
    made = [command.text.split()[2:] for commands in SECTIONS.values() for command in commands]
    for words in mentioned(PAGE):
        assert any(words == one[: len(words)] for one in made) or words[:3] == ["govern", "propose", "replace-venue"]
