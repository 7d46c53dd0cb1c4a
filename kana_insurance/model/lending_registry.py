"""The terms of a lending pool: its collaterals and their prices, rates, limits, the pause (M30, M32, M37)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kana_insurance.model.clock import DAY, Clock
from kana_insurance.model.errors import Refused, require
from kana_insurance.model.fund import FundModel
from kana_insurance.model.ledger import TokenLedger
from kana_insurance.model.lending_formulas import MAX_COLLATERAL, MAX_PRICE, Collateral, price_of
from kana_insurance.model.lending_interest import Rates
from kana_insurance.model.registry import FeedModel
from kana_insurance.model.state import Account, Log, Stateful, atomic
from kana_insurance.model.units import BPS, MAX_AMOUNT, MAX_DECIMALS, MIN_DECIMALS, WAD

if TYPE_CHECKING:
    from kana_insurance.model.lending import LendingPoolModel

MAX_YEARLY_BPS, MAX_RESERVE_FACTOR_BPS = 30_000, 5_000
MAX_PREMIUM_BPS, MAX_PREMIUM_FUND_BPS = 2_000, 5_000
#: A smaller part of a debt could round to nothing.
MIN_CLOSE_FACTOR_BPS = 1_000
MAX_COLLATERALS = 64  # ever
MAX_PAUSE, REST = 7 * DAY, 7 * DAY  # of a pause of borrowing (M37)
NO_FEED = ""  # the debt asset is what the collaterals' feeds quote in


class LoanQuote(NamedTuple):
    """All that the pool needs to act on a loan."""

    price: int
    collateral: Collateral
    paused: bool


class LendingRegistryModel(Stateful):
    """Parameters and prices of one pool. Who may set them is a matter of the contract's access table."""

    def __init__(
        self,
        clock: Clock,
        token: TokenLedger,
        *,
        rates: Rates | None = None,
        supply_cap: int = MAX_AMOUNT,
        min_debt: int = 1,
        debt_feed: Account = NO_FEED,
    ) -> None:
        self.clock = clock
        self.token = token
        self.log = Log()
        self.pool: LendingPoolModel | None = None
        self.fund: FundModel | None = None
        self.feeds: dict[Account, FeedModel] = {}
        self.tokens: dict[Account, TokenLedger] = {}
        self.collaterals: dict[int, Collateral] = {}
        self.next_collateral_id = 0
        self.borrowing_resume_at = 0
        self.setup_finished = False
        self.rates = rates or Rates()
        self._check_rates(self.rates)
        self._check_limits(supply_cap, min_debt)
        self.supply_cap, self.min_debt = supply_cap, min_debt
        self.debt_feed = debt_feed

    def _touched(self) -> tuple[Stateful, ...]:
        return (self,) if self.pool is None else (self, *self.pool._touched())

    # ------------------------------------------------------------------ wiring

    def know(
        self,
        *,
        fund: FundModel | None = None,
        token: tuple[Account, TokenLedger] | None = None,
        feed: tuple[Account, FeedModel] | None = None,
    ) -> None:
        """Make the pool's fund, a token or a feed reachable by its address, as any contract is on a chain."""
        if fund is not None:
            self.fund = fund
        if token is not None:
            self.tokens[token[0]] = token[1]
        if feed is not None:
            self.feeds[feed[0]] = feed[1]

    def connect_pool(self, caller: Account, pool: LendingPoolModel) -> None:  # noqa: ARG002 - the deployer
        """Name the one pool whose terms these are, once (M9)."""
        require(self.pool is None, "lending: pool connected")
        self.pool = pool

    # ------------------------------------------------------------------ governance

    @atomic
    def finish_setup(self, caller: Account) -> None:  # noqa: ARG002 - the deployer
        """Open the pool for money, once (M9)."""
        require(not self.setup_finished, "lending: setup finished")
        self.setup_finished = True
        self.log("SetupFinished")

    @atomic
    def list_collateral(self, caller: Account, terms: Collateral) -> int:  # noqa: ARG002 - governance
        """List a collateral with a good price now; return its id, which is never used again (M30)."""
        token, collateral_id = self.tokens[terms.asset], self.next_collateral_id
        require(token is not self.token, "lending: debt asset")
        require(all(terms.asset != one.asset for one in self.collaterals.values()), "lending: listed already")
        require(collateral_id < MAX_COLLATERALS, "lending: too many collaterals")
        self._check_factors(terms)
        self._check_caps(terms.collateral_cap, terms.borrow_cap)
        self.feeds[terms.feed].price()
        require(MIN_DECIMALS <= token.decimals <= MAX_DECIMALS, "lending: bad decimals")
        self.collaterals[collateral_id] = terms
        self.next_collateral_id += 1
        self.price(collateral_id)
        return collateral_id

    @atomic
    def remove_collateral(self, caller: Account, collateral_id: int) -> None:  # noqa: ARG002 - governance
        """Remove a collateral of which the pool holds nothing."""
        self.collateral(collateral_id)
        held = None if self.pool is None else self.pool.totals.get(collateral_id)
        require(held is None or held.collateral == 0, "lending: collateral in use")
        del self.collaterals[collateral_id]

    @atomic
    def set_rates(self, caller: Account, rates: Rates) -> None:  # noqa: ARG002 - governance
        """Set the rates; what has passed is charged at the old ones (M32)."""
        self._check_rates(rates)
        self.rates = rates
        if self.pool is not None:
            self.pool.change_rates(rates)

    @atomic
    def set_limits(self, caller: Account, supply_cap: int, min_debt: int) -> None:  # noqa: ARG002 - governance
        """Set what lenders may have together, and the least debt of a loan (M32)."""
        self._check_limits(supply_cap, min_debt)
        self.supply_cap, self.min_debt = supply_cap, min_debt

    @atomic
    def set_factors(
        self,
        caller: Account,  # noqa: ARG002 - governance
        collateral_id: int,
        factor_bps: int,
        threshold_bps: int,
        close_factor_bps: int,
        premium_bps: int,
        premium_fund_bps: int,
    ) -> None:
        """Set what may be borrowed against a collateral, and how loans are liquidated (M32)."""
        terms = self.collateral(collateral_id)._replace(
            factor_bps=factor_bps,
            threshold_bps=threshold_bps,
            close_factor_bps=close_factor_bps,
            premium_bps=premium_bps,
            premium_fund_bps=premium_fund_bps,
        )
        self._check_factors(terms)
        self.collaterals[collateral_id] = terms

    @atomic
    def set_caps(self, caller: Account, collateral_id: int, collateral_cap: int, borrow_cap: int) -> None:  # noqa: ARG002
        """Set the caps of all loans against a collateral (M32)."""
        terms = self.collateral(collateral_id)
        self._check_caps(collateral_cap, borrow_cap)
        self.collaterals[collateral_id] = terms._replace(collateral_cap=collateral_cap, borrow_cap=borrow_cap)

    # ------------------------------------------------------------------ guardian

    @atomic
    def pause_borrowing(self, caller: Account, duration: int) -> None:
        """Stop what adds risk to loans for at most 7 days, not within 7 days of the last pause's end (M37)."""
        require(duration > 0, "lending: zero duration")
        require(duration <= MAX_PAUSE, "lending: pause too long")
        require(self.clock.now >= self.borrowing_resume_at + REST, "lending: paused too recently")
        self.borrowing_resume_at = self.clock.now + duration
        self.log("BorrowingPaused", guardian=caller, resume_at=self.borrowing_resume_at)

    @atomic
    def resume_borrowing(self, caller: Account) -> None:
        """End a pause early (M37)."""
        require(self.borrowing_paused(), "lending: not paused")
        self.borrowing_resume_at = self.clock.now
        self.log("BorrowingResumed", account=caller)

    # ------------------------------------------------------------------ views

    def borrowing_paused(self) -> bool:
        """Whether only what lessens risk goes on (M37)."""
        return self.clock.now < self.borrowing_resume_at

    def collateral(self, collateral_id: int) -> Collateral:
        """Parameters of a listed collateral.

        Raises:
            Refused: when it is not listed.
        """
        if collateral_id not in self.collaterals:
            raise Refused("lending: unknown collateral")
        return self.collaterals[collateral_id]

    def price(self, collateral_id: int) -> int:
        """Base units of the pool's asset for one of the collateral, 30 decimals.

        Raises:
            Refused: when it is not listed or a price is not good (M30).
        """
        terms = self.collateral(collateral_id)
        collateral_wad = self.feeds[terms.feed].price()
        debt_wad = WAD if self.debt_feed == NO_FEED else self.feeds[self.debt_feed].price()
        price = price_of(collateral_wad, debt_wad, self.tokens[terms.asset].decimals, self.token.decimals)
        require(0 < price <= MAX_PRICE, "lending: price out of range")
        return price

    def quote(self, collateral_id: int) -> LoanQuote:
        """Price and parameters of a listed collateral.

        Raises:
            Refused: as ``price``.
        """
        return LoanQuote(self.price(collateral_id), self.collateral(collateral_id), self.borrowing_paused())

    def state(self) -> dict[str, Any]:
        """All parameters, as a reader of the chain sees them too."""
        return {
            "collaterals": {number: terms._asdict() for number, terms in self.collaterals.items()},
            "next_collateral_id": self.next_collateral_id,
            "rates": self.rates._asdict(),
            "supply_cap": self.supply_cap,
            "min_debt": self.min_debt,
            "borrowing_resume_at": self.borrowing_resume_at,
            "setup_finished": self.setup_finished,
        }

    # ------------------------------------------------------------------ internals

    def _check_rates(self, rates: Rates) -> None:
        """Rates and the fund's part of the interest within their bounds."""
        require(0 < rates.kink_bps < BPS, "lending: kink out of bounds")
        yearly = rates.base_bps + rates.slope1_bps + rates.slope2_bps
        require(yearly <= MAX_YEARLY_BPS, "lending: rates out of bounds")
        require(rates.reserve_factor_bps <= MAX_RESERVE_FACTOR_BPS, "lending: reserve factor too high")

    def _check_limits(self, supply_cap: int, min_debt: int) -> None:
        """Both are positive and fit their fields."""
        within = min(supply_cap, min_debt) > 0 and max(supply_cap, min_debt) <= MAX_AMOUNT
        require(within, "lending: limits out of bounds")

    def _check_factors(self, terms: Collateral) -> None:
        """Factor < threshold, and a liquidation at the threshold leaves a solvent loan (M32)."""
        require(0 < terms.factor_bps < terms.threshold_bps, "lending: factor out of bounds")
        within = 0 < terms.premium_bps <= MAX_PREMIUM_BPS and terms.premium_fund_bps <= MAX_PREMIUM_FUND_BPS
        require(within, "lending: premium out of bounds")
        require(terms.threshold_bps * (BPS + terms.premium_bps) < BPS * BPS, "lending: threshold too high")
        require(MIN_CLOSE_FACTOR_BPS <= terms.close_factor_bps <= BPS, "lending: bad close factor")

    def _check_caps(self, collateral_cap: int, borrow_cap: int) -> None:
        """Caps are positive and fit their fields."""
        within = 0 < collateral_cap <= MAX_COLLATERAL and 0 < borrow_cap <= MAX_AMOUNT
        require(within, "lending: caps out of bounds")
