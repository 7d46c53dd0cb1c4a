"""The books of a lending pool: cash, debts, shares, the stop of withdrawals, and the waterfall of a bankrupt loan.

Always: cash + total debt + bad debt = lenders' assets + fees. Interest is booked before anything else happens; the
rate is renewed after what changed cash or debt, so that booking interest often or seldom comes to the same (M32).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kana_insurance.model.clock import HOUR, Clock
from kana_insurance.model.errors import Refused, require
from kana_insurance.model.fund import FundModel
from kana_insurance.model.ledger import TokenLedger
from kana_insurance.model.lending_formulas import Loan, is_insolvent, is_within
from kana_insurance.model.lending_interest import RAY, Rates, debt_down, debt_up, grown, rate_of, scaled_up
from kana_insurance.model.lending_registry import LendingRegistryModel, LoanQuote
from kana_insurance.model.state import Account, Log, Stateful
from kana_insurance.model.units import BPS, MAX_AMOUNT, ceil_div

VIRTUAL_SHARES = 10**6  # with one virtual asset: shares have six decimals more than assets
MAX_SHARES = 2**136 - 1
COLLAPSE = 10**6  # deposits close when a share is worth less than that part of its first price
MARKET_ID = 0  # of the pool at its fund (M15)
MAX_STOP = HOUR  # of withdrawals, by flags
REST = 23 * HOUR  # from the end of a stop to the next
NOBODY = "0x0000000000000000000000000000000000000000"

LoanKey = tuple[int, Account]


@dataclass(frozen=True, slots=True)
class PoolBooks:
    """The books with interest up to now."""

    cash: int
    total_debt: int
    bad_debt: int
    fees: int
    assets: int
    index: int
    rate: int
    reserve_factor_bps: int
    updated_at: int


class LendingBooks(Stateful):
    """What a pool keeps at ``address``, and what its calls have in common."""

    def __init__(self, address: Account, token: TokenLedger, clock: Clock, registry: LendingRegistryModel) -> None:
        self.address = address
        self.token = token
        self.clock = clock
        self.registry = registry
        self.log = Log()
        self.cash = self.fees = self.bad_debt = 0
        self.scaled = 0
        self.index, self.rate, self.reserve_factor_bps = RAY, 0, 0
        self.updated_at = clock.now
        self.loans: dict[LoanKey, Loan] = {}
        self.totals: dict[int, Loan] = {}
        self.total_shares = 0
        self.shares: dict[Account, int] = {}
        self.allowances: dict[tuple[Account, Account], int] = {}
        self.stop_until = 0
        self.flagged: LoanKey | None = None

    def _touched(self) -> tuple[Stateful, ...]:
        fund = () if self.registry.fund is None else self.registry.fund._touched()
        return (self, self.token, *self.registry.tokens.values(), *fund)

    # ------------------------------------------------------------------ views

    def books(self) -> PoolBooks:
        """The books with interest up to now (M32)."""
        index, fees = self.index, self.fees
        total_debt = debt_down(self.scaled, index)
        if self.updated_at < self.clock.now and self.rate > 0:
            index = grown(index, self.rate, self.clock.now - self.updated_at)
            grown_debt = debt_down(self.scaled, index)
            fees = min(fees + (grown_debt - total_debt) * self.reserve_factor_bps // BPS, MAX_AMOUNT)
            total_debt = grown_debt
        assets = self.cash + total_debt + self.bad_debt - fees
        return PoolBooks(
            self.cash,
            total_debt,
            self.bad_debt,
            fees,
            assets,
            index,
            self.rate,
            self.reserve_factor_bps,
            self.updated_at,
        )

    def total_assets(self) -> int:
        """What is the lenders', with interest up to now."""
        return self.books().assets

    def shares_of(self, account: Account) -> int:
        """Balance of shares."""
        return self.shares.get(account, 0)

    def loan(self, collateral_id: int, borrower: Account) -> Loan:
        """A loan: scaled debt and collateral."""
        return self.loans.get((collateral_id, borrower), Loan())

    def debt(self, collateral_id: int, borrower: Account) -> int:
        """What a loan owes now, rounded up."""
        return debt_up(self.loan(collateral_id, borrower).scaled, self.books().index)

    def to_shares_down(self, assets: int) -> int:
        """Shares for assets at the present price."""
        return assets * self._supply() // (self.total_assets() + 1)

    def to_shares_up(self, assets: int) -> int:
        """Shares that assets taken out cost."""
        return ceil_div(assets * self._supply(), self.total_assets() + 1)

    def to_assets_down(self, shares: int) -> int:
        """Assets for shares at the present price."""
        return shares * (self.total_assets() + 1) // self._supply()

    def to_assets_up(self, shares: int) -> int:
        """What shares cost."""
        return ceil_div(shares * (self.total_assets() + 1), self._supply())

    def deposits_closed(self) -> bool:
        """Whether a share is worth less than a millionth of its first price (M33)."""
        return (self.total_assets() + 1) * COLLAPSE * VIRTUAL_SHARES < self._supply()

    def withdrawals_stopped(self) -> bool:
        """Whether a flagged loan stops withdrawals now (M33)."""
        return self.flagged is not None and self.clock.now < self.stop_until

    def max_deposit(self) -> int:
        """The most that one deposit takes now."""
        if not self.registry.setup_finished or self.deposits_closed():
            return 0
        return min(max(self.registry.supply_cap - self.total_assets(), 0), MAX_AMOUNT)

    def max_mint(self) -> int:
        """The most shares that one mint gives now."""
        return min(self.to_shares_down(self.max_deposit()), MAX_SHARES)

    def max_withdraw(self, owner: Account) -> int:
        """The most assets that an owner may take out now."""
        if self.withdrawals_stopped():
            return 0
        return min(self.to_assets_down(self.shares_of(owner)), self.cash)

    def max_redeem(self, owner: Account) -> int:
        """The most shares that an owner may redeem now."""
        if self.withdrawals_stopped():
            return 0
        return min(self.shares_of(owner), self.to_shares_down(self.cash))

    def is_liquidatable(self, collateral_id: int, borrower: Account) -> bool:
        """Whether a loan's debt exceeds the threshold of its collateral (M32).

        Raises:
            Refused: without a good price.
        """
        quote, debt = self.registry.quote(collateral_id), self.debt(collateral_id, borrower)
        collateral = self.loan(collateral_id, borrower).collateral
        return not is_within(debt, collateral, quote.price, quote.collateral.threshold_bps)

    def is_insolvent(self, collateral_id: int, borrower: Account) -> bool:
        """Whether a loan's collateral, less the premium, doesn't repay its debt (M33).

        Raises:
            Refused: without a good price.
        """
        quote, debt = self.registry.quote(collateral_id), self.debt(collateral_id, borrower)
        collateral = self.loan(collateral_id, borrower).collateral
        return is_insolvent(debt, collateral, quote.price, quote.collateral.premium_bps)

    def state(self) -> dict[str, Any]:
        """Everything that a reader of the chain sees too, zeros left out."""
        books = self.books()
        flagged = self.flagged or (0, NOBODY)
        return {
            "books": asdict(books),
            "loans": {
                key: {"debt": debt_up(loan.scaled, books.index), **loan._asdict()}
                for key, loan in self.loans.items()
                if loan != Loan()
            },
            "totals": {
                number: {"debt": debt_up(total.scaled, books.index), **total._asdict()}
                for number, total in self.totals.items()
                if total != Loan()
            },
            "total_shares": self.total_shares,
            "shares": {account: amount for account, amount in self.shares.items() if amount},
            "stop": {"collateral_id": flagged[0], "borrower": flagged[1], "until": self.stop_until},
            "tokens": self.token.balances[self.address],
            "collateral_tokens": {
                number: self.registry.tokens[terms.asset].balances[self.address]
                for number, terms in self.registry.collaterals.items()
            },
        }

    # ------------------------------------------------------------------ interest

    def _accrue(self) -> None:
        """Book interest up to now (M32)."""
        books = self.books()
        if self.updated_at < self.clock.now and self.rate > 0:
            self.log("InterestAccrued", total_debt=books.total_debt, fees=books.fees, index=books.index)
        self.index, self.fees, self.updated_at = books.index, books.fees, self.clock.now

    def _renew(self, rates: Rates | None = None) -> None:
        """Take the rate of the present utilisation, after cash or debt has changed (M32)."""
        rates = rates or self.registry.rates
        require(self.cash <= MAX_AMOUNT, "pool: amount too large")
        rate = rate_of(rates, self.cash, debt_down(self.scaled, self.index))
        if (rate, rates.reserve_factor_bps) != (self.rate, self.reserve_factor_bps):
            self.rate, self.reserve_factor_bps = rate, rates.reserve_factor_bps
            self.log("RateSet", rate=rate, reserve_factor_bps=rates.reserve_factor_bps)

    # ------------------------------------------------------------------ shares

    def _supply(self) -> int:
        return self.total_shares + VIRTUAL_SHARES

    def _issue(self, account: Account, shares: int) -> None:
        self.total_shares += shares
        self.shares[account] = self.shares_of(account) + shares

    def _burn(self, account: Account, shares: int) -> None:
        require(self.shares_of(account) >= shares, "erc20: burn amount exceeds balance")
        self.total_shares -= shares
        self.shares[account] -= shares

    def _spend(self, owner: Account, spender: Account, shares: int) -> None:
        """Use up an allowance of shares; an infinite one stays."""
        allowed = self.allowances.get((owner, spender), 0)
        if spender == owner or allowed == 2**256 - 1:
            return
        require(allowed >= shares, "erc20: insufficient allowance")
        self.allowances[owner, spender] = allowed - shares

    # ------------------------------------------------------------------ loans

    def _store(self, key: LoanKey, debt: int, collateral: int) -> None:
        """Store a loan, whose debt is stored rounded up, and carry the difference into the sums."""
        old, total = self.loan(*key), self.totals.get(key[0], Loan())
        new = Loan(scaled_up(debt, self.index), collateral)
        self.loans[key] = new
        change = new.scaled - old.scaled
        self.totals[key[0]] = Loan(total.scaled + change, total.collateral + collateral - old.collateral)
        self.scaled += change
        if new.scaled == 0:
            self._unnote(key)

    def _debt(self, key: LoanKey) -> int:
        """What a loan owes, interest being booked."""
        return debt_up(self.loan(*key).scaled, self.index)

    def _insolvent(self, key: LoanKey, quote: LoanQuote) -> bool:
        """Whether a loan is insolvent, interest being booked (M33)."""
        return is_insolvent(self._debt(key), self.loan(*key).collateral, quote.price, quote.collateral.premium_bps)

    def _unnote(self, key: LoanKey) -> None:
        """A loan is flagged no longer; the hour that its flag began stays."""
        if self.flagged == key:
            self.flagged = None
            self.log("LoanUnflagged", collateral_id=key[0], borrower=key[1])

    # ------------------------------------------------------------------ waterfall

    def _resolve(self, key: LoanKey, shortfall: int) -> None:
        """The fund pays as far as it reaches, then lenders pro rata; a loss with none to bear it is bad debt (M33)."""
        fund = self._fund()
        covered = fund.cover_shortfall(self.address, MARKET_ID, shortfall)
        self.cash += covered
        rest = shortfall - covered
        left = self.cash + debt_down(self.scaled, self.index) + self.bad_debt - self.fees
        bad_debt = rest if self.total_shares == 0 else max(-left, 0)
        if bad_debt > 0:
            fund.record_bad_debt(self.address, MARKET_ID, bad_debt)
            self.bad_debt += bad_debt
        assert covered + (rest - bad_debt) + bad_debt == shortfall
        assert rest >= bad_debt
        self.log(
            "LoanResolved",
            collateral_id=key[0],
            borrower=key[1],
            shortfall=shortfall,
            covered=covered,
            lenders_loss=rest - bad_debt,
            bad_debt=bad_debt,
        )

    def _fund(self) -> FundModel:
        """The fund that insures the pool (M15)."""
        if self.registry.fund is None:
            raise Refused("lending: no fund")
        return self.registry.fund
