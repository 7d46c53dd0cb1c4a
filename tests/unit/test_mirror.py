"""Mirror and reader: the model that a deployment builds and the state read from the chain are the same, layers too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kana_insurance import reader
from kana_insurance.backends import address_of
from kana_insurance.deployment import StakersConfig
from kana_insurance.kit import DAY, Kit, U
from kana_insurance.mirror import Mirror, mirror_of

STAKERS = StakersConfig(limit=5_000 * U, cooldown_days=9, min_staked=7 * U, premium_bps=300)
REINSURANCE = StakersConfig(limit=900 * U, window_cap=200 * U, window=2 * DAY, stream_length=3 * DAY, premium_bps=1_000)


class Pair:
    """A system with both layers and its model, moved together."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.model: Mirror = mirror_of(kit.system)

    def compare(self) -> dict[str, Any]:
        """Chain and model are equal; returns the state."""
        self.model.clock.now = self.kit.now()
        state = reader.system_state(self.kit.system, reader.accounts_seen(self.kit.system))
        assert state == self.model.state()
        return state

    def stake(self, who: Any, amount: int, place: int = 0) -> None:
        layer = self.kit.system.layers[place]
        self.kit.stake(who, amount, layer.backstop)
        self.model.clock.now = self.kit.now()
        self.model.token.mint(address_of(who), amount)
        self.model.layers[place].backstop.deposit(address_of(who), amount, address_of(who))

    def do(self, chain: Callable[..., Any], model: Callable[..., Any], sender: Any, *args: Any) -> None:
        """The same call on both."""
        chain(*args, sender=sender)
        self.model.clock.now = self.kit.now()
        model(address_of(sender), *args)


@pytest.fixture
def pair(deploy_system: Callable[..., Kit]) -> Pair:
    return Pair(
        deploy_system(stakers=STAKERS, reinsurance=REINSURANCE, staker_bps=4_000, window_cap=10**6 * U, window=3 * DAY)
    )


def test_mirror_of__both_layers__equal_from_the_start(pair: Pair) -> None:
    state = pair.compare()
    assert list(state["layers"]) == ["stakers", "reinsurance"]
    assert state["fund"]["layers"]["staker_bps"] == 4_000
    assert state["fund"]["window"]["cap"] == 10**6 * U
    terms = state["layers"]["reinsurance"]["underwriter"]["terms"][pair.kit.fund.address]
    assert (terms["limit"], terms["window_cap"], terms["premium_bps"]) == (900 * U, 200 * U, 1_000)


def test_mirror_of__without_layers__none(kana: Kit) -> None:
    state = Pair(kana).compare()
    assert state["layers"] == {}
    assert "layers" not in state["fund"]


def test_system_state__stakers_earn_lose_and_leave__the_model_to_the_unit(
    pair: Pair, contributor: Any, trader: Any, liquidator: Any, guardian: Any
) -> None:
    kit, model = pair.kit, pair.model
    first, second = kit.system.layers
    house = kit.impersonate(kit.house)
    pair.stake(contributor, 4_000 * U)
    pair.stake(trader, 1_000 * U)
    pair.stake(liquidator, 3_000 * U, place=1)
    kit.mint(kit.house, 100 * U)
    model.token.mint(kit.house.address, 100 * U)
    pair.do(kit.fund.settle_fees, model.fund.settle_fees, house, 0, 100 * U)
    assert pair.compare()["layers"]["stakers"]["backstop"]["stream"]["unvested"] > 0
    kit.travel(2 * DAY)
    vault = model.layers[0].backstop
    me = address_of(trader)
    pair.do(first.backstop.requestRedeem, vault.request_redeem, trader, 400 * 10**12, me, me)
    state = pair.compare()["layers"]["stakers"]["backstop"]
    ((name, day),) = state["requests"]
    assert (name, list(state["days"])) == (me, [day])
    kit.travel(DAY)
    pair.do(kit.fund.cover_shortfall, model.fund.cover_shortfall, house, 0, 5_200 * U)
    state = pair.compare()
    assert state["fund"]["reserve"] == 0
    used = {name: layer["underwriter"]["terms"][kit.fund.address]["used"] for name, layer in state["layers"].items()}
    assert used["stakers"] == STAKERS.limit
    assert 0 < used["reinsurance"] < REINSURANCE.window_cap
    pair.do(kit.fund.pause_payouts, model.fund.pause_payouts, guardian, 7 * DAY)
    assert pair.compare()["layers"]["stakers"]["underwriter"]["held_until"] > kit.now()
    pair.do(kit.fund.resume_payouts, model.fund.resume_payouts, guardian)
    kit.travel(10 * DAY)
    claimable = pair.compare()["layers"]["stakers"]["backstop"]["requests"][me, day][1]
    assert claimable == 400 * 10**12
    pair.do(first.backstop.redeem, vault.redeem, trader, claimable, me, me)
    state = pair.compare()["layers"]["stakers"]["backstop"]
    assert state["requests"] == {}
    assert set(state["days"]) == {day}
    assert second.backstop.totalAssets() > 0
