# pragma version 0.4.3

"""
@title Books of a lending pool
@license AGPL-3.0-only
@author Kana
@notice Where the sums of a pool and its loans are kept, and how interest reaches them (M32).
@dev A call opens the books, which books interest, works on the open copy in transient storage, and closes them: one read and
     one write a word, and nothing to hand around. The host's lock keeps a second call from opening them in between.
     Words, from the top (bits):
     clock:             index 128 | rate 80 | time of the last accrual 48
     money:             cash 112 | fees 112 | reserve factor 16 | 16 empty
     debts:             scaled debt 128 | bad debt 112 | 16 empty
     loans and totals:  scaled debt 128 | collateral 112 | 16 empty
     Always: cash + total debt + bad debt = lenders' assets + fees, and lenders' assets >= 0.
"""

from contracts.interfaces import ILendingPool
from contracts.interfaces import ILendingRegistry

from contracts.modules import checks
from contracts.modules import interest

# ---------------------------------------------------------------- constants

BPS: constant(uint256) = 10_000
RAY: constant(uint256) = interest.RAY
# Widest amount of the pool's asset, and widest collateral: 112 and 96 bits.
MAX_AMOUNT: constant(uint256) = 2**112 - 1
MAX_COLLATERAL: constant(uint256) = 2**96 - 1
# Field masks.
MASK_128: constant(uint256) = 2**128 - 1
MASK_80: constant(uint256) = 2**80 - 1
MASK_48: constant(uint256) = 2**48 - 1
MASK_16: constant(uint256) = 2**16 - 1

# ------------------------------------------------------------------ storage

# Debt of one scaled unit, the rate a second, and until when both are booked.
_clock: uint256
# What can be lent or withdrawn, and what the fund is owed, base units; its part of the interest, basis points.
_money: uint256
# All scaled debt, and what the fund has recorded as this pool's bad debt, base units.
_debts: uint256
# Collateral id -> the sums of its loans.
_totals: HashMap[uint256, uint256]
# Collateral id -> borrower -> scaled debt and collateral.
_loans: HashMap[uint256, HashMap[address, uint256]]

# ----------------------------------------------------------- the open books

cash: transient(uint256)
fees: transient(uint256)
bad_debt: transient(uint256)
# Sum of the scaled debts.
scaled: transient(uint256)
# RAY.
index: transient(uint256)
rate: transient(uint256)
# Of the interest that the closed books saw, basis points.
reserve_factor: transient(uint256)


@deploy
def __init__():
    """
    @notice Start the index at 1.
    """
    self._clock = (RAY << 128) | block.timestamp


# --------------------------------------------------------------- the pool

@internal
def _open():
    """
    @notice Open the books with interest up to now.
    """
    now: ILendingPool.Books = self._now()
    self.cash = now.cash
    self.fees = now.fees
    self.bad_debt = now.bad_debt
    self.scaled = self._debts >> 128
    self.index = now.index
    self.rate = now.rate
    self.reserve_factor = now.reserve_factor_bps
    if now.updated_at < block.timestamp and now.rate > 0:
        log ILendingPool.InterestAccrued(
            total_debt=now.total_debt, fees=now.fees, index=now.index
        )


@internal
def _close(rates: ILendingRegistry.Rates):
    """
    @notice Close the books after cash or debt has changed, with the rate that follows from it.
    """
    rate: uint256 = interest._rate(rates, self.cash, self._total_debt())
    if rate != self.rate or rates.reserve_factor_bps != self.reserve_factor:
        self.rate = rate
        self.reserve_factor = rates.reserve_factor_bps
        log ILendingPool.RateSet(
            rate=rate, reserve_factor_bps=rates.reserve_factor_bps
        )
    self._save()


@internal
def _save():
    """
    @notice Close the books at the rate that they were opened with.
    """
    checks._require(self.cash <= MAX_AMOUNT, "pool: amount too large")
    self._clock = (self.index << 128) | (self.rate << 48) | block.timestamp
    self._money = (
        (self.cash << 144) | (self.fees << 32) | (self.reserve_factor << 16)
    )
    self._debts = (self.scaled << 128) | (self.bad_debt << 16)


@internal
@view
def _total_debt() -> uint256:
    """
    @notice What borrowers owe by the open books, rounded down.
    """
    return self.scaled * self.index // RAY


@internal
@view
def _surplus() -> int256:
    """
    @notice What is the lenders' by the open books; below zero only in the middle of a resolution.
    """
    return convert(
        self.cash + self._total_debt() + self.bad_debt, int256
    ) - convert(self.fees, int256)


@internal
@view
def _assets() -> uint256:
    """
    @notice What is the lenders' by the open books.
    """
    return convert(self._surplus(), uint256)


@internal
@view
def _now() -> ILendingPool.Books:
    """
    @notice The books with interest up to now, whatever is open.
    """
    clock: uint256 = self._clock
    money: uint256 = self._money
    debts: uint256 = self._debts
    cash: uint256 = money >> 144
    fees: uint256 = (money >> 32) & MAX_AMOUNT
    reserve_factor: uint256 = (money >> 16) & MASK_16
    scaled: uint256 = debts >> 128
    bad_debt: uint256 = (debts >> 16) & MAX_AMOUNT
    index: uint256 = clock >> 128
    rate: uint256 = (clock >> 48) & MASK_80
    updated_at: uint256 = clock & MASK_48
    total_debt: uint256 = scaled * index // RAY
    if updated_at < block.timestamp and rate > 0:
        before: uint256 = total_debt
        index = interest._grown(index, rate, block.timestamp - updated_at)
        total_debt = scaled * index // RAY
        fees += (total_debt - before) * reserve_factor // BPS
        fees = min(fees, MAX_AMOUNT)
    return ILendingPool.Books(
        cash=cash,
        total_debt=total_debt,
        bad_debt=bad_debt,
        fees=fees,
        assets=cash + total_debt + bad_debt - fees,
        index=index,
        rate=rate,
        reserve_factor_bps=reserve_factor,
        updated_at=updated_at,
    )


# ---------------------------------------------------------------- the loans

@internal
@view
def _loan(collateral_id: uint256, borrower: address) -> ILendingPool.Loan:
    """
    @notice A loan by the open books.
    """
    return self._loan_at(collateral_id, borrower, self.index)


@internal
@view
def _loan_at(
    collateral_id: uint256, borrower: address, index: uint256
) -> ILendingPool.Loan:
    word: uint256 = self._loans[collateral_id][borrower]
    scaled: uint256 = word >> 128
    return ILendingPool.Loan(
        debt=self._debt_up(scaled, index),
        collateral=(word >> 16) & MAX_AMOUNT,
        scaled=scaled,
    )


@internal
@view
def _owes(collateral_id: uint256, borrower: address) -> bool:
    """
    @notice Whether a loan has debt.
    """
    return self._loans[collateral_id][borrower] >> 128 != 0


@internal
@view
def _totals_at(collateral_id: uint256, index: uint256) -> ILendingPool.Totals:
    word: uint256 = self._totals[collateral_id]
    scaled: uint256 = word >> 128
    return ILendingPool.Totals(
        debt=self._debt_up(scaled, index),
        collateral=(word >> 16) & MAX_AMOUNT,
        scaled=scaled,
    )


@internal
def _store_loan(
    collateral_id: uint256,
    borrower: address,
    old: ILendingPool.Loan,
    debt: uint256,
    collateral: uint256,
) -> uint256:
    """
    @notice Store what a loan is now, and carry the difference into the sums.
    @param old The loan until now.
    @return What the loans against the collateral owe, rounded up.
    """
    scaled: uint256 = self._scaled_up(debt, self.index)
    self._loans[collateral_id][borrower] = (scaled << 128) | (collateral << 16)
    totals: ILendingPool.Totals = self._totals_at(collateral_id, self.index)
    all_scaled: uint256 = totals.scaled + scaled - old.scaled
    self._totals[collateral_id] = (all_scaled << 128) | (
        (totals.collateral + collateral - old.collateral) << 16
    )
    self.scaled = self.scaled + scaled - old.scaled
    return self._debt_up(all_scaled, self.index)


@internal
def _move_collateral(
    collateral_id: uint256, borrower: address, amount: int256
) -> (uint256, uint256):
    """
    @notice Change the collateral of a loan, whose debt stays; the books needn't be open.
    @return The loan's collateral, and that of all loans.
    """
    change: uint256 = convert(abs(amount), uint256) << 16
    loan: uint256 = self._loans[collateral_id][borrower]
    totals: uint256 = self._totals[collateral_id]
    if amount >= 0:
        loan += change
        totals += change
    else:
        loan -= change
        totals -= change
    self._loans[collateral_id][borrower] = loan
    self._totals[collateral_id] = totals
    return (loan >> 16) & MAX_AMOUNT, (totals >> 16) & MAX_AMOUNT


@internal
@pure
def _debt_up(scaled: uint256, index: uint256) -> uint256:
    """
    @notice ceil(scaled * index / RAY)
    """
    return (scaled * index + RAY - 1) // RAY


@internal
@pure
def _scaled_up(debt: uint256, index: uint256) -> uint256:
    """
    @notice ceil(debt * RAY / index)
    """
    return (debt * RAY + index - 1) // index
