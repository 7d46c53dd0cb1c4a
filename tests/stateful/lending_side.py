"""The lending pool's model behind the moves: two collaterals, its fund, another fund of the same asset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kana_insurance.kit import COIN, U
from kana_insurance.model import Clock, FeedModel, FundModel, Refused, TokenLedger
from kana_insurance.model import invariants as inv
from kana_insurance.model import lending_invariants as held
from kana_insurance.model.lending import LendingPoolModel
from kana_insurance.model.lending_books import MARKET_ID
from kana_insurance.model.lending_formulas import Collateral
from kana_insurance.model.lending_interest import Rates
from kana_insurance.model.lending_registry import LendingRegistryModel

START = 1_800_000_000
RICHES = 10**9  # whole tokens of each kind
DECIMALS, PRICES = (18, 8), (100 * COIN, 60_000 * COIN)
RATES = Rates(200, 1_000, 10_000, 8_000, 2_000)
SUPPLY_CAP, MIN_DEBT = 60_000 * U, 10 * U
TERMS: tuple[dict[str, Any], ...] = (
    {"collateral_cap": 400 * COIN, "borrow_cap": 20_000 * U},
    {
        "factor_bps": 6_000,
        "threshold_bps": 7_000,
        "close_factor_bps": 4_000,
        "premium_bps": 900,
        "premium_fund_bps": 3_333,
        "collateral_cap": 3 * 10**8,
        "borrow_cap": 50_000 * U,
    },
)
THRESHOLD = 5_000 * U


@dataclass(frozen=True)
class Names:
    """What everybody and everything is called: addresses, where there is a chain."""

    lenders: tuple[str, ...] = tuple(f"lender {number}" for number in range(4))
    borrowers: tuple[str, ...] = tuple(f"borrower {number}" for number in range(3))
    keeper: str = "keeper"
    treasury: str = "treasury"
    guardian: str = "guardian"
    governance: str = "governance"
    pool: str = "pool"
    funds: tuple[str, str] = ("fund", "other fund")
    coins: tuple[str, ...] = ("coin 0", "coin 1")
    feeds: tuple[str, ...] = ("feed 0", "feed 1")

    @property
    def people(self) -> list[str]:
        """Everybody who may hold anything."""
        return [*self.lenders, *self.borrowers, self.keeper, self.treasury]


class LendingSide:
    """The model, moved step by step; every step is followed by all invariants."""

    def __init__(self, names: Names | None = None) -> None:
        self.names = names or Names()
        self.steps = self.refused = 0
        self.events: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.begin()

    def begin(self) -> None:
        """Go back to the beginning: nobody has done anything."""
        names = self.names
        self.clock, self.token = Clock(START), TokenLedger(6)
        self.coins = [TokenLedger(decimals) for decimals in DECIMALS]
        for token in (self.token, *self.coins):
            for person in names.people:
                token.mint(person, RICHES * 10**token.decimals)
        self.funds = [
            FundModel(address, self.token, self.clock, treasury=names.treasury, threshold=THRESHOLD)
            for address in names.funds
        ]
        self.registry = LendingRegistryModel(
            self.clock, self.token, rates=RATES, supply_cap=SUPPLY_CAP, min_debt=MIN_DEBT
        )
        self.pool = LendingPoolModel(names.pool, self.token, self.clock, self.registry)
        self.registry.connect_pool("deployer", self.pool)
        self.registry.know(fund=self.funds[0])
        self.feeds = [FeedModel(self.clock, price) for price in PRICES]
        for number, terms in enumerate(TERMS):
            self.registry.know(token=(names.coins[number], self.coins[number]))
            self.registry.know(feed=(names.feeds[number], self.feeds[number]))
            self.registry.list_collateral("deployer", Collateral(names.coins[number], names.feeds[number], **terms))
        self.funds[0].register_market("deployer", names.pool, MARKET_ID, False)
        for fund in self.funds:
            fund.finish_setup("deployer")
        self.registry.finish_setup("deployer")
        self.donated = 0
        self.collateral_donated: Counter[int] = Counter()
        self.state = self.before = self.model_state()

    @contextmanager
    def played(self) -> Iterator[None]:
        """A run of its own, from the beginning."""
        self.begin()
        yield

    # ------------------------------------------------------------------ steps

    def lend(self, function: str, sender: str, *args: Any) -> Any:
        """A call of the pool; the result, or a ``Refused``."""
        return self._take("pool", getattr(self.pool, function), sender, *args)

    def fund(self, number: int, function: str, sender: str, *args: Any) -> Any:
        """A call of a fund: 0 insures the pool, 1 has nothing to do with it."""
        return self._take(f"fund {number}", getattr(self.funds[number], function), sender, *args)

    def govern(self, function: str, sender: str, *args: Any) -> Any:
        """A call of the registry."""
        return self._take("registry", getattr(self.registry, function), sender, *args)

    def wait(self, seconds: int) -> None:
        """Let time pass: interest alone changes anything."""
        self._begin_step()
        self._advance(seconds)
        self._look()
        self._check_step(changed=True)

    def price(self, number: int, price: int) -> None:
        """Publish a price, a multiple of 10**10: the aggregators have 8 decimals."""
        self._begin_step()
        self.feeds[number].push(price)

    def donate(self, number: int | None, amount: int) -> None:
        """The keeper sends the pool its asset, or a collateral, which changes nothing there."""
        self._begin_step()
        token = self.token if number is None else self.coins[number]
        token.transfer(self.names.keeper, self.names.pool, amount)
        if number is None:
            self.donated += amount
        else:
            self.collateral_donated[number] += amount
        before = self.state["pool"]["books"]
        self._look()
        assert self.state["pool"]["books"] == before, "a donation changed the books"
        self._check_step(changed=True)

    def _begin_step(self) -> None:
        self.steps += 1
        for log in self.logs:
            log.clear()

    def _advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def _take(self, part: str, model: Callable[..., Any], sender: str, *args: Any) -> Any:  # noqa: ARG002 - for the chain
        """Make a step and check what it did."""
        result = self._model(model, sender, *args)
        self._look()
        self._check_step(changed=not isinstance(result, Refused))
        return result

    def _model(self, model: Callable[..., Any], *args: Any) -> Any:
        self._begin_step()
        reserve, supply = self.funds[0].reserve, self.pool.total_shares
        try:
            result = model(*args)
        except Refused as refused:
            self.refused += 1
            self.reasons[refused.reason] += 1
            return refused
        for log in self.logs:
            self.events.update(event.name for event in log)
        self._count(reserve, supply)
        return result

    def _count(self, reserve: int, supply: int) -> None:
        """What the events' names don't tell apart."""
        for fields in self.pool.log.named("LoanResolved"):
            shortfall, covered = fields["shortfall"], fields["covered"]
            self.events["(covered fully)"] += covered == shortfall
            self.events["(covered in part)"] += 0 < covered < shortfall
            self.events["(not covered)"] += covered == 0
            self.events["(window bounds the cover)"] += covered < min(shortfall, reserve)
            self.events["(no lenders)"] += fields["bad_debt"] > 0 and supply == 0
            self.events["(more than the lenders')"] += fields["bad_debt"] > 0 and supply > 0
            self.events["(deposits closed)"] += self.pool.deposits_closed()
        for fields in self.pool.log.named("Liquidated"):
            whole = fields["collateral"] == 0
            self.events["(whole, nothing short)"] += whole and fields["debt"] == 0
            self.events["(in part)"] += not whole and fields["debt"] > 0
            self.events["(all debt, not all collateral)"] += not whole and fields["debt"] == 0
        for fields in self.pool.log.named("FeesCollected"):
            self.events["(fees repay bad debt)"] += fields["repaid"] > 0

    @property
    def logs(self) -> tuple[Any, ...]:
        """The logs of pool and funds."""
        return self.pool.log, *(fund.log for fund in self.funds)

    # ------------------------------------------------------------------ what must hold

    def model_state(self) -> dict[str, Any]:
        """The whole state, and everybody's balances."""
        names = self.names
        return {
            "pool": self.pool.state(),
            "registry": self.registry.state(),
            "wallets": {
                person: tuple(token.balances[person] for token in (self.token, *self.coins)) for person in names.people
            },
            **{fund.address: fund.state() for fund in self.funds},
        }

    def _look(self) -> None:
        self.before, self.state = self.state, self.model_state()

    def _check_step(self, *, changed: bool) -> None:
        """On ``state``, which is the chain's where there is one."""
        if not changed:
            assert self.state == self.before, "I14: a refused call changed something"
            return
        fund, other = self.funds
        pool, key = self.state["pool"], (self.names.pool, MARKET_ID)
        owed = self.state[fund.address]["markets"][key]["bad_debt"]
        held.check_pool(pool, owed, donated=self.donated, collateral_donated=self.collateral_donated)
        held.check_pool_step(self.before["pool"], pool, self.pool.log)
        for one in self.funds:
            before, after = self.before[one.address], self.state[one.address]
            inv.check_fund(after, 0)
            inv.i2_i4_i5_trace(before, after, one.log)
            if len(one.log) == 0:
                inv.i8_isolated_untouched(before, after)
        assert len(other.log) == 0 or len(self.pool.log) == 0, "I8: the pool moved another's fund"
        assert not self.state[other.address]["markets"], "I8: the other fund has nothing to do with the pool"
