# pragma version 0.4.3

"""
@title Loans of a lending pool
@license AGPL-3.0-only
@author Kana
@notice What borrowing, repaying, moving collateral and liquidating do to the open books, and who bears a bankruptcy (M32,
        M33).
@dev It asks nobody who he is, and moves no token but what the fund pays; that is its host's.
"""

from snekmate.tokens import erc20

from contracts.interfaces import IInsuranceFund
from contracts.interfaces import ILendingPool
from contracts.interfaces import ILendingRegistry

from contracts.modules import checks
from contracts.modules import loan_health
from contracts.modules import loan_stops as stops
from contracts.modules import pool_books
from contracts.modules import pool_site as site

uses: erc20
uses: stops
uses: pool_books
uses: site

# The market as which a fund knows a pool.
MARKET_ID: constant(uint256) = 0


@internal
def _add(
    collateral_id: uint256,
    borrower: address,
    amount: uint256,
    cap: uint256,
):
    """
    @notice Put collateral into a loan. Saving one that owes something isn't capped.
    """
    self._check_collateral(amount)
    held: uint256 = 0
    total: uint256 = 0
    held, total = pool_books._move_collateral(
        collateral_id, borrower, convert(amount, int256)
    )
    self._check_collateral(total)
    checks._require(
        total <= cap or pool_books._owes(collateral_id, borrower),
        "pool: above collateral cap",
    )
    log ILendingPool.CollateralAdded(
        collateral_id=collateral_id,
        borrower=borrower,
        payer=msg.sender,
        amount=amount,
        collateral=held,
    )


@internal
def _withdraw(
    collateral_id: uint256,
    loan: ILendingPool.Loan,
    amount: uint256,
    receiver: address,
):
    """
    @notice Take collateral out of the caller's loan.
    """
    pool_books._move_collateral(
        collateral_id, msg.sender, -convert(amount, int256)
    )
    log ILendingPool.CollateralWithdrawn(
        collateral_id=collateral_id,
        borrower=msg.sender,
        receiver=receiver,
        amount=amount,
        collateral=loan.collateral - amount,
    )


@internal
def _borrow(
    collateral_id: uint256,
    amount: uint256,
    receiver: address,
    quote: ILendingRegistry.Quote,
):
    """
    @notice Lend the caller more, within the caps, his collateral and the cash.
    """
    checks._require(
        pool_books._totals_at(collateral_id, 0).collateral
        <= quote.collateral.collateral_cap,
        "pool: above collateral cap",
    )
    loan: ILendingPool.Loan = pool_books._loan(collateral_id, msg.sender)
    debt: uint256 = loan.debt + amount
    checks._require(debt >= quote.terms.min_debt, "pool: dust loan")
    owed: uint256 = pool_books._store_loan(
        collateral_id, msg.sender, loan, debt, loan.collateral
    )
    checks._require(
        owed <= quote.collateral.borrow_cap, "pool: above borrow cap"
    )
    self._check_health(collateral_id, debt, loan.collateral, quote)
    checks._require(amount <= pool_books.cash, "pool: not enough cash")
    pool_books.cash -= amount
    log ILendingPool.Borrowed(
        collateral_id=collateral_id,
        borrower=msg.sender,
        receiver=receiver,
        amount=amount,
        debt=debt,
    )


@internal
def _repay(
    collateral_id: uint256, borrower: address, amount: uint256, least: uint256
) -> uint256:
    """
    @notice Take up to `amount` off a loan, and leave nothing or at least `least`.
    @return What is paid.
    """
    loan: ILendingPool.Loan = pool_books._loan(collateral_id, borrower)
    checks._require(loan.debt > 0, "pool: no debt")
    paid: uint256 = min(amount, loan.debt)
    left: uint256 = loan.debt - paid
    loan_health._check_rest(left, least)
    pool_books._store_loan(collateral_id, borrower, loan, left, loan.collateral)
    pool_books.cash += paid
    if left == 0:
        stops._end(collateral_id, borrower)
    log ILendingPool.Repaid(
        collateral_id=collateral_id,
        borrower=borrower,
        payer=msg.sender,
        amount=paid,
        debt=left,
    )
    return paid


@internal
def _liquidate(
    collateral_id: uint256,
    borrower: address,
    wanted: uint256,
    min_seized: uint256,
    quote: ILendingRegistry.Quote,
) -> loan_health.Liquidation:
    """
    @notice Take debt and collateral off an unhealthy loan, and resolve it when its last collateral goes (M33).
    """
    loan: ILendingPool.Loan = pool_books._loan(collateral_id, borrower)
    done: loan_health.Liquidation = loan_health._liquidation(
        loan, wanted, quote
    )
    checks._require(
        done.seized > 0 and done.seized >= min_seized,
        "pool: too little seized",
    )
    left: uint256 = loan.debt - done.repaid
    held: uint256 = loan.collateral - done.seized
    log ILendingPool.Liquidated(
        collateral_id=collateral_id,
        borrower=borrower,
        liquidator=msg.sender,
        repaid=done.repaid,
        to_fund=done.to_fund,
        seized=done.seized,
        debt=left,
        collateral=held,
    )
    stops._end(collateral_id, borrower)
    pool_books.cash += done.repaid + done.to_fund
    pool_books.fees += done.to_fund
    if held > 0 or left == 0:
        pool_books._store_loan(collateral_id, borrower, loan, left, held)
    else:
        pool_books._store_loan(collateral_id, borrower, loan, 0, 0)
        self._resolve(collateral_id, borrower, left, quote.terms.fund)
    return done


@internal
def _resolve(
    collateral_id: uint256,
    borrower: address,
    shortfall: uint256,
    fund: address,
):
    """
    @dev A debt without collateral, which has left the books: covered by the fund + lenders' loss + bad debt = shortfall (M13,
         M15). The lenders' assets are less by what nobody brought, so each loses the same share; without lenders, or where
         more is lost than is theirs, it is bad debt (M14).
    """
    before: uint256 = site._balance(site.ASSET)
    covered: uint256 = extcall IInsuranceFund(fund).cover_shortfall(
        MARKET_ID, shortfall
    )
    site._check_received(site.ASSET, before + covered)
    pool_books.cash += covered
    bad_debt: uint256 = shortfall - covered
    if erc20.totalSupply > 0:
        bad_debt = convert(max(-pool_books._surplus(), 0), uint256)
    if bad_debt > 0:
        pool_books.bad_debt += bad_debt
        extcall IInsuranceFund(fund).record_bad_debt(MARKET_ID, bad_debt)
    log ILendingPool.LoanResolved(
        collateral_id=collateral_id,
        borrower=borrower,
        shortfall=shortfall,
        covered=covered,
        lenders_loss=shortfall - covered - bad_debt,
        bad_debt=bad_debt,
    )


@internal
def _collect_fees(fund: address) -> uint256:
    """
    @notice Send the fund what it is owed, as far as there is cash (M24); what repays bad debt stays (M14).
    """
    paid: uint256 = min(pool_books.fees, pool_books.cash)
    checks._require(paid > 0, "pool: nothing to collect")
    repaid: uint256 = extcall IInsuranceFund(fund).settle_fees(MARKET_ID, paid)
    pool_books.fees -= paid
    pool_books.cash -= paid - repaid
    pool_books.bad_debt -= repaid
    log ILendingPool.FeesCollected(paid=paid, repaid=repaid)
    return paid


@internal
def _repay_bad_debt(amount: uint256, fund: address):
    """
    @notice Book what somebody brings for bad debt, and report it (M14).
    """
    extcall IInsuranceFund(fund).repay_bad_debt(MARKET_ID, amount)
    pool_books.cash += amount
    pool_books.bad_debt -= amount
    log ILendingPool.BadDebtRepaid(
        payer=msg.sender, amount=amount, bad_debt=pool_books.bad_debt
    )


@internal
def _check_health(
    collateral_id: uint256,
    debt: uint256,
    collateral: uint256,
    quote: ILendingRegistry.Quote,
):
    """
    @notice What the caller's loan must keep; within the factor it is solvent, and so no longer flagged.
    """
    checks._require(
        debt <= loan_health._borrowable(collateral, quote),
        "pool: too little collateral",
    )
    stops._end(collateral_id, msg.sender)


@internal
@pure
def _check_collateral(amount: uint256):
    checks._require(
        amount <= pool_books.MAX_COLLATERAL, "pool: amount too large"
    )
