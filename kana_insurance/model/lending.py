"""The lending pool: what lenders, borrowers and keepers can do (M15, M32, M33).

A loan is one per collateral and borrower: a bad price or asset touches its own loans alone. The books that these
functions move, and the waterfall of a bankrupt loan, are in ``lending_books``; permits are not modelled.
"""

from __future__ import annotations

from kana_insurance.model.errors import require
from kana_insurance.model.lending_books import MARKET_ID, MAX_SHARES, MAX_STOP, NOBODY, REST, LendingBooks, LoanKey
from kana_insurance.model.lending_formulas import (
    MAX_COLLATERAL,
    Seizure,
    is_within,
    most_repaid,
    seizure_of_part,
    seizure_of_whole,
)
from kana_insurance.model.lending_interest import Rates, debt_up
from kana_insurance.model.lending_registry import LoanQuote
from kana_insurance.model.state import Account, atomic
from kana_insurance.model.units import MAX_AMOUNT


class LendingPoolModel(LendingBooks):
    """A pool of one debt asset, with its registry."""

    # ------------------------------------------------------------------ lenders

    @atomic
    def deposit(self, caller: Account, assets: int, receiver: Account) -> int:
        """Lend ``assets`` for shares of ``receiver``, rounded down; return them (M32)."""
        self._check_taking(assets, receiver)
        require(assets <= MAX_AMOUNT, "pool: amount too large")
        self._accrue()
        require(not self.deposits_closed(), "pool: deposits closed")
        shares = self.to_shares_down(assets)
        self._lend(caller, receiver, assets, shares)
        return shares

    @atomic
    def mint(self, caller: Account, shares: int, receiver: Account) -> int:
        """Lend what exactly ``shares`` cost, rounded up; return it (M32)."""
        self._check_taking(shares, receiver)
        require(shares <= MAX_SHARES, "pool: amount too large")
        self._accrue()
        require(not self.deposits_closed(), "pool: deposits closed")
        assets = self.to_assets_up(shares)
        self._lend(caller, receiver, assets, shares)
        return assets

    @atomic
    def withdraw(self, caller: Account, assets: int, receiver: Account, owner: Account) -> int:
        """Take ``assets`` out as far as there is cash; return the shares that they cost, rounded up (M32)."""
        self._check_leaving(assets, receiver)
        self._accrue()
        shares = self.to_shares_up(assets)
        self._unlend(caller, receiver, owner, assets, shares)
        return shares

    @atomic
    def redeem(self, caller: Account, shares: int, receiver: Account, owner: Account) -> int:
        """Take out what ``shares`` are worth, rounded down; return it (M32)."""
        self._check_leaving(shares, receiver)
        self._accrue()
        assets = self.to_assets_down(shares)
        self._unlend(caller, receiver, owner, assets, shares)
        return assets

    @atomic
    def transfer(self, caller: Account, receiver: Account, shares: int) -> None:
        """Move shares."""
        require(self.shares_of(caller) >= shares, "erc20: transfer amount exceeds balance")
        self.shares[caller] = self.shares_of(caller) - shares
        self.shares[receiver] = self.shares_of(receiver) + shares

    @atomic
    def approve(self, caller: Account, spender: Account, shares: int) -> None:
        """Let somebody take out the caller's shares."""
        self.allowances[caller, spender] = shares

    # ------------------------------------------------------------------ borrowers

    @atomic
    def add_collateral(self, caller: Account, collateral_id: int, amount: int, borrower: Account | None = None) -> None:
        """Pull collateral into a loan; never paused, needs no price (M32, M37)."""
        borrower = borrower or caller
        require(amount > 0, "pool: zero amount")
        require(borrower != NOBODY, "pool: zero address")
        require(self.registry.setup_finished, "pool: setup not finished")
        terms = self.registry.collateral(collateral_id)
        require(amount <= MAX_COLLATERAL, "pool: amount too large")
        self._move_collateral((collateral_id, borrower), amount)
        loan, total = self.loan(collateral_id, borrower), self.totals[collateral_id].collateral
        require(total <= MAX_COLLATERAL, "pool: amount too large")
        require(loan.scaled > 0 or total <= terms.collateral_cap, "pool: above collateral cap")
        self.log(
            "CollateralAdded",
            collateral_id=collateral_id,
            borrower=borrower,
            payer=caller,
            amount=amount,
            collateral=loan.collateral,
        )
        self.registry.tokens[terms.asset].transfer(caller, self.address, amount)

    @atomic
    def withdraw_collateral(
        self, caller: Account, collateral_id: int, amount: int, receiver: Account | None = None
    ) -> None:
        """Take collateral out of the caller's loan: all without debt, else what its factor leaves (M32)."""
        receiver, key = receiver or caller, (collateral_id, caller)
        require(amount > 0, "pool: zero amount")
        require(receiver != NOBODY, "pool: zero address")
        loan = self.loan(*key)
        require(amount <= loan.collateral, "pool: collateral too low")
        left = loan.collateral - amount
        self._move_collateral(key, -amount)
        if loan.scaled > 0:
            quote = self.registry.quote(collateral_id)
            require(not quote.paused, "pool: borrowing paused")
            self._check_health(key, self.debt(*key), quote)
        self.log(
            "CollateralWithdrawn",
            collateral_id=collateral_id,
            borrower=caller,
            receiver=receiver,
            amount=amount,
            collateral=left,
        )
        asset = self.registry.collateral(collateral_id).asset
        self.registry.tokens[asset].transfer(self.address, receiver, amount)

    @atomic
    def borrow(self, caller: Account, collateral_id: int, amount: int, receiver: Account | None = None) -> None:
        """Borrow against the caller's collateral, within its factor and the caps (M32)."""
        receiver, key = receiver or caller, (collateral_id, caller)
        require(amount > 0, "pool: zero amount")
        require(receiver != NOBODY, "pool: zero address")
        require(amount <= MAX_AMOUNT, "pool: amount too large")
        self._accrue()
        quote = self.registry.quote(collateral_id)
        require(not quote.paused, "pool: borrowing paused")
        debt = self._debt(key) + amount
        self._store(key, debt, self.loan(*key).collateral)
        total = self.totals[collateral_id]
        require(total.collateral <= quote.collateral.collateral_cap, "pool: above collateral cap")
        require(debt >= self.registry.min_debt, "pool: dust loan")
        require(debt_up(total.scaled, self.index) <= quote.collateral.borrow_cap, "pool: above borrow cap")
        self._check_health(key, debt, quote)
        require(amount <= self.cash, "pool: not enough cash")
        self.cash -= amount
        self._renew()
        self.log("Borrowed", collateral_id=collateral_id, borrower=caller, receiver=receiver, amount=amount, debt=debt)
        self.token.transfer(self.address, receiver, amount)

    @atomic
    def repay(self, caller: Account, collateral_id: int, amount: int, borrower: Account | None = None) -> int:
        """Repay up to ``amount`` of a loan, all or down to the least debt; never paused, needs no price (M32, M37)."""
        key = (collateral_id, borrower or caller)
        require(amount > 0, "pool: zero amount")
        self._accrue()
        debt = self._debt(key)
        require(debt > 0, "pool: no debt")
        paid = min(amount, debt)
        left = debt - paid
        self._check_rest(left)
        self._store(key, left, self.loan(*key).collateral)
        self.cash += paid
        self._renew()
        self.log("Repaid", collateral_id=collateral_id, borrower=key[1], payer=caller, amount=paid, debt=left)
        self.token.transfer(caller, self.address, paid)
        return paid

    # ------------------------------------------------------------------ keepers

    @atomic
    def liquidate(
        self, caller: Account, collateral_id: int, borrower: Account, debt: int, min_seized: int = 0
    ) -> tuple[int, int]:
        """Repay up to ``debt`` of an unhealthy loan for its collateral; an insolvent one whole (M32, M33).

        Returns what was repaid of the debt and the collateral seized.
        """
        key = (collateral_id, borrower)
        require(caller != borrower, "pool: own loan")
        require(debt > 0, "pool: zero amount")
        self._accrue()
        quote = self.registry.quote(collateral_id)
        loan, owed = self.loan(*key), self._debt(key)
        require(owed > 0, "pool: no debt")
        healthy = is_within(owed, loan.collateral, quote.price, quote.collateral.threshold_bps)
        require(not healthy, "pool: loan is healthy")
        seizure = self._seizure(key, quote, debt)
        require(seizure.seized >= max(min_seized, 1), "pool: too little seized")
        self.cash += seizure.to_debt + seizure.to_fund
        self.fees += seizure.to_fund
        left, collateral = owed - seizure.to_debt, loan.collateral - seizure.seized
        self._store(key, left if collateral > 0 else 0, collateral)
        self._unnote(key)
        self.log(
            "Liquidated",
            collateral_id=collateral_id,
            borrower=borrower,
            liquidator=caller,
            repaid=seizure.to_debt,
            to_fund=seizure.to_fund,
            seized=seizure.seized,
            debt=left,
            collateral=collateral,
        )
        self.token.transfer(caller, self.address, seizure.to_debt + seizure.to_fund)
        if left > 0 and collateral == 0:
            self._resolve(key, left)
        self._renew()
        self.registry.tokens[quote.collateral.asset].transfer(self.address, caller, seizure.seized)
        return seizure.to_debt, seizure.seized

    @atomic
    def flag(self, caller: Account, collateral_id: int, borrower: Account) -> None:  # noqa: ARG002 - anyone may
        """Stop lenders' withdrawals for at most an hour because this loan is insolvent (M33)."""
        key = (collateral_id, borrower)
        require(self.is_insolvent(*key), "pool: loan is solvent")
        require(not self.withdrawals_stopped(), "pool: already stopped")
        if self.clock.now >= self.stop_until:
            require(self.clock.now >= self.stop_until + REST, "pool: stopped too recently")
            self.stop_until = self.clock.now + MAX_STOP
        self.flagged = key
        self.log("LoanFlagged", collateral_id=collateral_id, borrower=borrower, until=self.stop_until)

    @atomic
    def unflag(self, caller: Account, collateral_id: int, borrower: Account) -> None:  # noqa: ARG002 - anyone may
        """End that when the loan is solvent again (M33)."""
        key = (collateral_id, borrower)
        require(self.flagged == key, "pool: not flagged")
        require(not self.is_insolvent(*key), "pool: loan is insolvent")
        self._unnote(key)

    @atomic
    def accrue(self, caller: Account) -> None:  # noqa: ARG002 - anyone may
        """Book interest up to now; the rate stays (M32)."""
        self._accrue()

    @atomic
    def collect_fees(self, caller: Account) -> int:  # noqa: ARG002 - anyone may
        """Send the fund what it is owed as far as there is cash; return it, with what repaid bad debt (M24)."""
        self._accrue()
        amount = min(self.fees, self.cash)
        require(amount > 0, "pool: nothing to collect")
        repaid = self._fund().settle_fees(self.address, MARKET_ID, amount)
        self.fees -= amount
        self.cash -= amount - repaid
        self.bad_debt -= repaid
        self._renew()
        self.log("FeesCollected", paid=amount, repaid=repaid)
        return amount

    @atomic
    def repay_bad_debt(self, caller: Account, amount: int) -> None:
        """Pull ``amount`` for bad debt of the pool and report it to the fund (M14)."""
        require(amount > 0, "pool: zero amount")
        self._accrue()
        self._fund().repay_bad_debt(self.address, MARKET_ID, amount)
        self.cash += amount
        self.bad_debt -= amount
        self._renew()
        self.log("BadDebtRepaid", payer=caller, amount=amount, bad_debt=self.bad_debt)
        self.token.transfer(caller, self.address, amount)

    # ------------------------------------------------------------------ registry

    @atomic
    def change_rates(self, rates: Rates) -> None:
        """Book interest at the old rate, then take the new ones (M32)."""
        self._accrue()
        self._renew(rates)

    # ------------------------------------------------------------------ internals

    def _check_taking(self, amount: int, receiver: Account) -> None:
        """Lenders' money is taken once the setup is finished (M9)."""
        require(self.registry.setup_finished, "pool: setup not finished")
        require(amount > 0, "pool: zero amount")
        require(receiver != NOBODY, "pool: zero address")

    def _check_leaving(self, amount: int, receiver: Account) -> None:
        """Nobody leaves while a flagged loan waits for its resolution (M33)."""
        require(amount > 0, "pool: zero amount")
        require(receiver != NOBODY, "pool: zero address")
        require(not self.withdrawals_stopped(), "pool: withdrawals stopped")

    def _check_rest(self, debt: int) -> None:
        """What is left of a loan is worth a liquidation (M32)."""
        require(debt == 0 or debt >= self.registry.min_debt, "pool: dust loan")

    def _check_health(self, key: LoanKey, debt: int, quote: LoanQuote) -> None:
        """A loan that takes on risk keeps its collateral factor, and is flagged no longer (M32)."""
        collateral, factor = self.loan(*key).collateral, quote.collateral.factor_bps
        require(is_within(debt, collateral, quote.price, factor), "pool: too little collateral")
        self._unnote(key)

    def _lend(self, caller: Account, receiver: Account, assets: int, shares: int) -> None:
        require(self.total_assets() + assets <= self.registry.supply_cap, "pool: above supply cap")
        require(shares > 0, "pool: zero shares")
        self._issue(receiver, shares)
        self.cash += assets
        self._renew()
        self.log("Deposit", sender=caller, owner=receiver, assets=assets, shares=shares)
        self.token.transfer(caller, self.address, assets)

    def _unlend(self, caller: Account, receiver: Account, owner: Account, assets: int, shares: int) -> None:
        self._spend(owner, caller, shares)
        require(assets <= self.cash, "pool: not enough cash")
        self._burn(owner, shares)
        require(assets > 0, "pool: zero assets")
        self.cash -= assets
        self._renew()
        self.log("Withdraw", sender=caller, receiver=receiver, owner=owner, assets=assets, shares=shares)
        self.token.transfer(self.address, receiver, assets)

    def _move_collateral(self, key: LoanKey, amount: int) -> None:
        """Change a loan's collateral; its debt stays."""
        loan, total = self.loan(*key), self.totals.get(key[0], self.loan(key[0], NOBODY))
        self.loans[key] = loan._replace(collateral=loan.collateral + amount)
        self.totals[key[0]] = total._replace(collateral=total.collateral + amount)

    def _seizure(self, key: LoanKey, quote: LoanQuote, debt: int) -> Seizure:
        """What repaying up to ``debt`` of a loan comes to (M32, M33)."""
        terms, owed = quote.collateral, self._debt(key)
        if self._insolvent(key, quote):
            least, whole = seizure_of_whole(owed, self.loan(*key).collateral, quote.price, terms)
            require(debt >= least, "pool: insolvent, whole only")
            return whole
        repaid = min(debt, most_repaid(owed, terms.close_factor_bps, self.registry.min_debt))
        self._check_rest(owed - repaid)
        return seizure_of_part(repaid, quote.price, terms)
