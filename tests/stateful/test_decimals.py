"""Assets and feeds of 6, 8 and 18 decimals: chain and model agree to the unit, and nothing assumes six (M16).

The same story is told in every asset, in whole tokens; each amount has one base unit more than that, so that a lost
digit shows. Afterwards the whole state is compared.
"""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance import reader
from kana_insurance.backends.boa import attempt
from kana_insurance.deployment import FaucetConfig, FundConfig, MarketConfig
from kana_insurance.kit import COIN, Kit
from kana_insurance.mirror import Mirror, mirror_of
from kana_insurance.model import Fill
from kana_insurance.model import invariants as inv
from kana_insurance.testing import boa_system
from tests.stateful.twins import own_chain

DECIMALS = (6, 8, 18)
CAPS = {"open_interest_cap": 10**6 * COIN, "position_cap": 10**6 * COIN}


def faucet(decimals: int) -> FaucetConfig:
    """A token of so many decimals."""
    return FaucetConfig(name=f"Token of {decimals}", symbol=f"T{decimals}", decimals=decimals)


def terms(decimals: int, feed_decimals: int) -> dict[str, Any]:
    """A fund with a shared and an isolated market at 100 tokens a coin."""
    unit = 10**decimals
    market = {"feed_decimals": feed_decimals, "max_insurance": 500 * unit, **CAPS}
    return {
        "asset": faucet(decimals),
        "threshold": 1_000 * unit,
        "markets": [
            MarketConfig(name="SHARED", price=100 * COIN, **market),
            MarketConfig(name="ISOLATED", price=100 * COIN, isolated=True, threshold=300 * unit, **market),
        ],
    }


class Story:
    """One asset's system and its model, moved together."""

    def __init__(self, kit: Kit) -> None:
        self.kit, self.house = kit, kit.house
        self.mirror: Mirror = mirror_of(kit.system)
        self.unit = 10 ** int(kit.asset.decimals())
        actors = kit.actors
        self.people = [str(one) for one in (actors.trader, actors.counterparty, actors.liquidator, *actors.others[:2])]
        self.long, self.short, self.liquidator = self.people[:3]
        self.outside = [*self.people, str(actors.treasury), str(actors.fee_recipient)]

    def step(self, part: Any, model: Any, name: str, sender: Any, *args: Any) -> Any:
        """A call on both sides, with the same result."""
        self.mirror.clock.now = self.kit.now()
        expected = getattr(model, name)(str(sender), *args)
        found = attempt(getattr(part, name), *args, sender=sender)
        if expected is not None and not isinstance(found, bool):
            plain = tuple(found) if isinstance(found, tuple) else found
            assert plain == (tuple(expected) if isinstance(expected, tuple) else expected), name
        return found

    def tell(self, market_id: int) -> None:
        """Contribution, trade, split, fees, cover, socialised loss, bad debt and its repayment."""
        kit, unit, names = self.kit, self.unit, self.people
        fund, pool = kit.system.fund_of(market_id), self.mirror.isolated.get(market_id, self.mirror.fund)
        house, venue = self.house, self.mirror.venue
        for name in names:
            amount = 100_000 * unit + 1
            kit.mint(name, 2 * amount)
            self.mirror.token.mint(name, 2 * amount)
            for spender in (house, fund):
                kit.asset.approve(spender, 2**256 - 1, sender=name)
            self.step(house, venue, "deposit", name, amount, name)
        self.step(fund, pool, "contribute", self.long, 50 * unit + 1)
        for maker, taker in ((names[3], names[4]), (self.short, self.long)):
            fill = Fill(market_id, maker, taker, 10 * COIN + 1, 100 * COIN, 500 * unit + 1, 101 * unit + 1)
            venue.trade(str(kit.gateway.address), fill)
            attempt(house.trade, tuple(fill), sender=kit.gateway.address)
        self.compare()
        self.mark(market_id, 93)
        self.step(house, venue, "liquidate", self.liquidator, market_id, self.long, 4 * COIN, 500 * unit + 1)
        assert fund.reserve() > 50 * unit + 1
        self.step(house, venue, "collect_fees", self.liquidator, market_id)
        self.mark(market_id, 60)
        self.step(house, venue, "liquidate", self.liquidator, market_id, self.long, 6 * COIN + 1, 2_000 * unit)
        assert fund.reserve() == 0
        assert house.pending_charge(market_id, names[3]) > unit
        pool.record_bad_debt(str(house.address), market_id, 7 * unit + 1)
        attempt(fund.record_bad_debt, market_id, 7 * unit + 1, sender=house.address)
        self.compare()

    def mark(self, market_id: int, price: int) -> None:
        """Publish a price, whole tokens a coin."""
        self.kit.set_price(price * COIN, market_id)
        feed = self.mirror.registry.feeds[str(self.kit.feeds[market_id].address)]
        self.mirror.clock.now = self.kit.now()
        feed.push(price * COIN)

    def compare(self) -> None:
        """The whole state, and the invariants on it."""
        kit, mirror = self.kit, self.mirror
        pools = [mirror.fund, *mirror.isolated.values()]
        for fund, pool in zip([kit.fund, *kit.isolated.values()], pools, strict=True):
            state = reader.fund_state(kit.system, self.outside, fund)
            assert state == pool.state()
            inv.check_fund(state, 0)
        assert reader.venue_state(kit.system, self.outside) == mirror.venue.state()


@pytest.mark.parametrize("feed_decimals", DECIMALS)
@pytest.mark.parametrize("decimals", DECIMALS)
def test_decimals__asset_and_feed__chain_and_model_agree(decimals: int, feed_decimals: int) -> None:
    with own_chain():
        story = Story(boa_system(**terms(decimals, feed_decimals)))
        for market_id in (0, 1):
            story.tell(market_id)


def test_decimals__houses_of_three_assets__each_with_its_own_fund_and_unit() -> None:
    """M16: one timelock and factory, a venue for each asset; what one does is nothing to the others."""
    with own_chain():
        plain = terms(6, 8)
        others = [FundConfig(**terms(decimals, 8)) for decimals in (8, 18)]
        kit = boa_system(**plain, others=others)
        stories = [Story(one) for one in (kit, kit.of(0), kit.of(1))]
        scales = [int(story.house.quote_scale()) for story in stories]
        assert scales == [10**30, 10**28, 10**18]
        for story in stories:
            still = [other for other in stories if other is not story]
            for market_id in (0, 1):
                story.tell(market_id)
            for other in still:
                other.compare()
        assert len({story.kit.factory.address for story in stories}) == 1
        assert kit.factory.fund_count() == 6
