"""A small lending pool for the model's tests: a debt asset of 6 decimals, two collaterals of 18, one fund."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kana_insurance.model import Clock, FeedModel, FundModel, TokenLedger
from kana_insurance.model import invariants as inv
from kana_insurance.model import lending_invariants as held
from kana_insurance.model.lending import LendingPoolModel
from kana_insurance.model.lending_formulas import Collateral
from kana_insurance.model.lending_interest import Rates
from kana_insurance.model.lending_registry import LendingRegistryModel

U = 10**6  # one whole KanaUSDT
COIN = 10**18
RICHES = 10**15 * U
FREE = Rates(0, 0, 0, 8_000, 0)  # no interest at all
YEARLY = Rates(1_000, 0, 0, 8_000, 1_000)  # 10 % a year at any utilisation, a tenth of it to the fund


@dataclass
class World:
    """Models that share a clock; ``feeds`` are the prices of the collaterals, in U for a coin."""

    clock: Clock
    token: TokenLedger
    fund: FundModel
    registry: LendingRegistryModel
    pool: LendingPoolModel
    feeds: list[FeedModel]
    collaterals: list[TokenLedger]
    before: dict[str, Any] = field(default_factory=dict)

    def contribute(self, amount: int) -> None:
        """Bring the reserve up by an amount."""
        self.token.mint("contributor", amount)
        self.fund.contribute("contributor", amount)

    def lend(self, amount: int, *lenders: str) -> None:
        """Let each lender deposit so much."""
        for lender in lenders:
            self.token.mint(lender, amount)
            self.pool.deposit(lender, amount, lender)

    def post(self, borrower: str, coins: int, number: int = 0) -> None:
        """Add wei of collateral to a borrower's loan."""
        self.collaterals[number].mint(borrower, coins)
        self.pool.add_collateral(borrower, number, coins)

    def owe(self, borrower: str, coins: int, amount: int, number: int = 0) -> None:
        """Add collateral and borrow."""
        self.post(borrower, coins, number)
        self.pool.borrow(borrower, number, amount)

    def debt(self, borrower: str, number: int = 0) -> int:
        """What a loan owes now."""
        return self.pool.debt(number, borrower)

    def gap(self, price: int, number: int = 0) -> None:
        """One update of a price, WAD."""
        self.feeds[number].push(price)

    def liquidate(self, borrower: str, debt: int = 10**30, number: int = 0) -> tuple[int, int]:
        """Liquidate by somebody who has the money."""
        self.token.mint("liquidator", min(debt, self.debt(borrower, number)) * 2 + 1)
        return self.pool.liquidate("liquidator", number, borrower, debt)

    def claim(self, lender: str) -> int:
        """What a lender's shares are worth."""
        return self.pool.to_assets_down(self.pool.shares_of(lender))

    def wait(self, seconds: int) -> None:
        """Let time pass; prices stay good."""
        self.clock.advance(seconds)
        for feed in self.feeds:
            feed.push(feed.latest)

    def check(self) -> None:
        """Every invariant of the present state, and those of what happened since the last check."""
        held.check_pool(self.pool.state(), self.fund.bad_debt("pool", 0))
        held.i3_loss_conserved(self.pool.log)
        inv.check_fund(self.fund.state())


def world(
    *,
    reserve: int = 0,
    threshold: int = 10**6 * U,
    rates: Rates = FREE,
    price: int = 100,
    min_debt: int = 1,
    supply_cap: int = 10**13 * U,
    decimals: int = 18,
    **terms: Any,
) -> World:
    """A pool ready for money, its collaterals at ``price`` U a coin; ``terms`` as ``Collateral``."""
    clock, token = Clock(), TokenLedger(6)
    fund = FundModel("fund", token, clock, treasury="treasury", threshold=threshold)
    registry = LendingRegistryModel(clock, token, rates=rates, min_debt=min_debt, supply_cap=supply_cap)
    pool = LendingPoolModel("pool", token, clock, registry)
    registry.connect_pool("deployer", pool)
    registry.know(fund=fund)
    fund.register_market("deployer", "pool", 0, False)
    feeds, collaterals = [], []
    for number in range(2):
        feeds.append(FeedModel(clock, price * COIN))
        collaterals.append(TokenLedger(decimals))
        registry.know(token=(f"coin {number}", collaterals[number]), feed=(f"feed {number}", feeds[number]))
        registry.list_collateral("deployer", Collateral(f"coin {number}", f"feed {number}", **terms))
    fund.finish_setup("deployer")
    registry.finish_setup("deployer")
    it = World(clock, token, fund, registry, pool, feeds, collaterals)
    if reserve:
        it.contribute(reserve)
    return it
