"""The reference model of a lending pool with a fund that serves it alone, and what the chain says of the same.

Beside :mod:`kana_insurance.mirror`, which is of a venue of perpetual markets; both can go by one clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kana_insurance.backends import address_of
from kana_insurance.model import Clock, FeedModel, FundModel, TokenLedger
from kana_insurance.model.lending import LendingPoolModel
from kana_insurance.model.lending_formulas import Collateral
from kana_insurance.model.lending_interest import Rates
from kana_insurance.model.lending_registry import LendingRegistryModel
from kana_insurance.pools import POOL_MARKET
from kana_insurance.reader import fund_state
from kana_insurance.system import System


@dataclass(frozen=True)
class PoolMirror:
    """Asset, fund, registry and pool of the model; ``coins`` and ``feeds`` go by the collateral's id."""

    token: TokenLedger
    fund: FundModel
    registry: LendingRegistryModel
    pool: LendingPoolModel
    coins: tuple[TokenLedger, ...]
    feeds: tuple[FeedModel, ...]

    def state(self) -> dict[str, Any]:
        """What :func:`chain_state` reads; interest depends on the time, so set the clock first."""
        return {"fund": self.fund.state(), "pool": self.pool.state()}


def pool_mirror_of(system: System, clock: Clock) -> PoolMirror:
    """The model of a system without venue and layers, whose pool nobody has used yet; minted money is not in it."""
    config, terms = system.config, system.config.pool
    assert terms is not None
    token = TokenLedger(int(system.asset.decimals()))
    fund = FundModel(
        address_of(system.fund),
        token,
        clock,
        threshold=config.threshold,
        treasury=config.treasury,
        liquidator_bps=config.liquidator_bps,
        fund_bps=config.fund_bps,
    )
    least = 10 * 10**token.decimals if terms.min_debt is None else terms.min_debt
    registry = LendingRegistryModel(
        clock, token, rates=Rates(*terms.rates()), supply_cap=terms.supply_cap, min_debt=least
    )
    pool = LendingPoolModel(address_of(system.pool), token, clock, registry)
    pool.updated_at = int(system.pool.books().updated_at)
    registry.connect_pool("deployer", pool)
    registry.know(fund=fund)
    coins, feeds = [], []
    for kept, one in zip(system.record.collaterals, terms.collaterals, strict=True):
        coin = TokenLedger(int(system.backend.at("FaucetToken", kept.token).decimals()))
        feed = FeedModel(clock, one.price, one.max_age)
        registry.know(token=(kept.token, coin), feed=(kept.feed, feed))
        shared = {name: getattr(one, name) for name in Collateral._fields if name not in ("asset", "feed")}
        registry.list_collateral("deployer", Collateral(kept.token, kept.feed, **shared))
        coins.append(coin)
        feeds.append(feed)
    fund.register_market("deployer", pool.address, POOL_MARKET, False)
    fund.finish_setup("deployer")
    registry.finish_setup("deployer")
    return PoolMirror(token, fund, registry, pool, tuple(coins), tuple(feeds))


def chain_state(system: System, people: Iterable[Any]) -> dict[str, Any]:
    """Fund and pool on the chain as ``PoolMirror.state()``; ``people`` are the accounts to ask for."""
    pool, accounts = system.pool, [address_of(one) for one in people]
    numbers = [record.collateral_id for record in system.record.collaterals]
    shares = {account: int(pool.balanceOf(account)) for account in accounts}
    loans = {(number, account): pool.loan(number, account)._asdict() for number in numbers for account in accounts}
    totals = {number: pool.totals(number)._asdict() for number in numbers}
    stop, here = pool.stop(), address_of(pool)
    tokens = {record.collateral_id: record.token for record in system.record.collaterals}
    return {
        "fund": fund_state(system, accounts),
        "pool": {
            "books": pool.books()._asdict(),
            "loans": {key: loan for key, loan in loans.items() if any(loan.values())},
            "totals": {key: total for key, total in totals.items() if any(total.values())},
            "total_shares": int(pool.totalSupply()),
            "shares": {account: amount for account, amount in shares.items() if amount},
            "stop": {**stop._asdict(), "borrower": str(stop.borrower)},
            "tokens": int(system.asset.balanceOf(here)),
            "collateral_tokens": {
                number: int(system.backend.at("FaucetToken", token).balanceOf(here)) for number, token in tokens.items()
            },
        },
    }
