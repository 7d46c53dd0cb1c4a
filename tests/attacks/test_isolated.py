"""T33: an isolated fund and the shared one drain each other by not one unit, whichever path is tried (M17, I8).

On every path one of the two markets is used through the real venue, and everything of the other is compared before and
after: its fund, that fund's layers, the venue's books of it and all positions in it, to the unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kana_insurance.deployment import LOCAL_STAKERS, FaucetConfig, FundConfig, MarketConfig, StakersConfig
from kana_insurance.kit import COIN, DAY, Actors, Kit, U, deploy_kit
from kana_insurance.testing import reverts_with
from tests.utils.funds import fund_figures, market_figures

SHARED, ISOLATED = 0, 1
RESERVE = {SHARED: 2_000 * U, ISOLATED: 10 * U}
CAPS = {"open_interest_cap": 10**6 * COIN, "position_cap": 10**6 * COIN, "max_insurance": 50_000 * U}
STAKE = 5_000 * U


class Two:
    """A shared market with stakers and reinsurance behind its fund, an isolated one without, another asset's fund."""

    def __init__(self, kit: Kit) -> None:
        self.kit, self.house, self.actors = kit, kit.house, kit.actors
        actors = kit.actors
        self.long, self.short, self.liquidator = actors.trader, actors.counterparty, actors.liquidator
        self.holders: list[Any] = actors.others[:2]
        self.people = [self.long, self.short, self.liquidator, *self.holders, actors.contributor]
        self.funds = {SHARED: kit.fund, ISOLATED: kit.isolated[ISOLATED]}
        for market_id, fund in self.funds.items():
            kit.provide(actors.contributor, fund, RESERVE[market_id])
            fund.contribute(RESERVE[market_id], sender=actors.contributor)
            # Positions that stay, so that there is something to lose, and somebody to bear a loss.
            kit.open_position(self.holders[0], self.holders[1], 100 * COIN, margin=5_000 * U, market_id=market_id)
        for layer in kit.system.layers:
            kit.stake(actors.contributor, STAKE, layer.backstop)
        kit.deposit(self.liquidator, 200_000 * U)

    def figures(self, market_id: int) -> dict[str, Any]:
        """Everything of a market and its fund; and of the other asset's fund, which has nothing to do with either."""
        other = self.kit.of(0)
        return {
            "fund": fund_figures(self.kit, self.funds[market_id], self.people),
            "market": market_figures(self.kit, market_id, self.people),
            "other asset": fund_figures(other, other.fund, self.people),
        }

    def open(self, market_id: int) -> None:
        """Ten times leverage: 100 coins at 100 U, 1,000 U behind the long."""
        self.kit.open_position(self.long, self.short, 100 * COIN, margin=(1_005 * U, 6_000 * U), market_id=market_id)

    def liquidate(self, market_id: int, mark: int) -> None:
        """A gap, and the takeover of the whole long at it."""
        self.kit.set_price(mark, market_id)
        self.house.liquidate(market_id, self.long, 100 * COIN, 10_000 * U, sender=self.liquidator)


@pytest.fixture(scope="module")
def two(backend: Any, actors: Actors) -> Two:
    """The stage, once for all tests of this file; each of them is undone."""
    markets = [
        MarketConfig(name="SHARED / USD", **CAPS),
        MarketConfig(name="ISOLATED / USD", isolated=True, threshold=3_000 * U, **CAPS),
    ]
    btc = FaucetConfig(name="Kana BTC", symbol="KBTC", decimals=8)
    return Two(
        deploy_kit(
            backend,
            actors,
            markets=markets,
            threshold=4_000 * U,
            stakers=LOCAL_STAKERS,
            reinsurance=StakersConfig(limit=100_000 * U, premium_bps=1_000),
            others=[FundConfig(asset=btc, threshold=10**8)],
        )
    )


def split(two: Two, market_id: int) -> None:
    two.open(market_id)
    before = two.funds[market_id].reserve()
    two.liquidate(market_id, 93 * COIN)
    # 1,000 - 700 is left: a fifth is the fund's.
    assert two.funds[market_id].reserve() - before == 60 * U


def cover(two: Two, market_id: int) -> None:
    """What the reserve can't pay: of the shared one its layers do, of the isolated one the market's own traders."""
    two.open(market_id)
    two.liquidate(market_id, 60 * COIN)
    used = two.funds[market_id].market(two.house, market_id).used
    assert used == (3_000 * U if market_id == SHARED else 10 * U)
    assert two.funds[market_id].reserve() == 0


def revenue(two: Two, market_id: int) -> None:
    two.open(market_id)
    assert two.house.books(market_id).fees > 0
    before = two.funds[market_id].reserve()
    two.house.collect_fees(market_id, sender=two.actors.keeper)
    assert two.funds[market_id].reserve() > before


def contribution(two: Two, market_id: int) -> None:
    kit, fund, giver = two.kit, two.funds[market_id], two.actors.outsider
    kit.provide(giver, fund, 10_000 * U)
    fund.contribute(10_000 * U, sender=giver)
    kit.mint(fund, 7)
    fund.skim(giver, sender=giver)
    assert fund.contributions(giver) == 10_000 * U + 7


def withdrawal(two: Two, market_id: int) -> None:
    contribution(two, market_id)
    fund = two.funds[market_id]
    fund.withdraw_excess(fund.excess(), sender=two.actors.treasurer)
    assert fund.reserve() == fund.threshold()


def reinsurance(two: Two, market_id: int) -> None:
    """A shortfall beyond reserve and stakers: only the shared fund has somebody behind it."""
    two.kit.deposit(two.short, 20_000 * U)
    two.kit.open_position(two.long, two.short, 1_000 * COIN, margin=(10_050 * U, 40_000 * U), market_id=market_id)
    stakes = [int(layer.backstop.totalAssets()) for layer in two.kit.system.layers]
    two.kit.set_price(80 * COIN, market_id)
    two.house.liquidate(market_id, two.long, 1_000 * COIN, 100_000 * U, sender=two.liquidator)
    left = [int(layer.backstop.totalAssets()) for layer in two.kit.system.layers]
    if market_id == ISOLATED:
        assert (left, two.funds[market_id].market(two.house, market_id).used) == (stakes, 10 * U)
    else:
        assert left[0] == U
        assert U < left[1] < stakes[1]


def pause(two: Two, market_id: int) -> None:
    fund = two.funds[market_id]
    two.open(market_id)
    fund.pause_payouts(DAY, sender=two.actors.guardian)
    two.kit.set_price(60 * COIN, market_id)
    with reverts_with("fund: payouts paused"):
        two.house.liquidate(market_id, two.long, 100 * COIN, 10_000 * U, sender=two.liquidator)
    fund.resume_payouts(sender=two.actors.guardian)


def bad_debt(two: Two, market_id: int) -> None:
    """Recorded by the venue, kept back by its fund, repaid by anyone."""
    fund, keeper = two.funds[market_id], two.actors.keeper
    fund.record_bad_debt(market_id, 500 * U, sender=two.kit.impersonate(two.house))
    assert fund.total_bad_debt() == fund.market(two.house, market_id).bad_debt == 500 * U
    two.kit.provide(keeper, two.house, 200 * U)
    two.house.repay_bad_debt(market_id, 200 * U, sender=keeper)
    two.open(market_id)
    two.liquidate(market_id, 93 * COIN)
    # The slice of 60 stays with the venue and repays.
    assert fund.total_bad_debt() == 240 * U


def limits(two: Two, market_id: int) -> None:
    """What governance changes at once in one fund is the other's as it was."""
    fund, governance = two.funds[market_id], two.kit.governance
    fund.set_max_insurance(two.house, market_id, 1, sender=governance)
    fund.set_window(5 * U, DAY, sender=governance)
    fund.set_split(0, 0, sender=governance)
    fund.set_threshold(fund.threshold() + 1, sender=governance)
    assert fund.coverage(two.house, market_id) == 1


PATHS = (split, cover, revenue, contribution, withdrawal, reinsurance, pause, bad_debt, limits)


@pytest.mark.parametrize("used", [SHARED, ISOLATED], ids=["shared", "isolated"])
@pytest.mark.parametrize("path", PATHS, ids=[path.__name__ for path in PATHS])
def test_t33_path_of_one_fund__the_other__untouched_to_the_unit(
    two: Two, path: Callable[[Two, int], None], used: int
) -> None:
    other = SHARED + ISOLATED - used
    before = two.figures(other)
    own = two.figures(used)
    path(two, used)
    assert two.figures(other) == before
    assert two.figures(used) != own


def test_t33_isolated_fund_of_10__shortfall_of_1000__990_socialised_in_its_market(two: Two) -> None:
    """The story as the rule tells it: 10 paid, 990 borne by that market's traders, nothing else moves."""
    before = two.figures(SHARED)
    two.open(ISOLATED)
    supply = two.kit.asset.totalSupply()
    two.kit.set_price(80 * COIN, ISOLATED)
    # 1,000 behind a loss of 2,000.
    two.house.liquidate(ISOLATED, two.long, 100 * COIN, 10_000 * U, sender=two.liquidator)
    fund = two.funds[ISOLATED]
    assert (fund.reserve(), fund.market(two.house, ISOLATED).used, fund.total_bad_debt()) == (0, 10 * U, 0)
    charged = [int(two.house.pending_charge(ISOLATED, name)) for name in (*two.holders, two.short)]
    # 990 over three positions of 100, each rounded up.
    assert charged == [330 * U] * 3
    assert two.figures(SHARED) == before
    assert two.kit.asset.totalSupply() == supply


def test_t33_venue_of_the_isolated_market__asks_the_shared_fund__refused(two: Two) -> None:
    """Even the venue itself can't have the wrong fund pay or be paid."""
    venue = two.kit.impersonate(two.house)
    for market_id, fund in ((ISOLATED, two.funds[SHARED]), (SHARED, two.funds[ISOLATED])):
        for function in ("settle_liquidation", "cover_shortfall", "settle_fees", "record_bad_debt", "repay_bad_debt"):
            with reverts_with("fund: unknown market"):
                getattr(fund, function)(market_id, 1, sender=venue)
        assert fund.coverage(two.house, market_id) == 0
