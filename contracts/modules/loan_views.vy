# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Views of a lending pool's loans
@license AGPL-3.0-only
@author Kana
@notice What a pool's books say, for frontends and keepers, with interest up to now. See ILendingPool.
@dev Under the lock of the host: nobody reads the books from within a transfer.
"""

from contracts.interfaces import ILendingPool
from contracts.interfaces import ILendingRegistry

from contracts.modules import limits
from contracts.modules import loan_health
from contracts.modules import loan_stops as stops
from contracts.modules import pool_books
from contracts.modules import pool_site as site

uses: stops
uses: pool_books
uses: site


@view
@external
def registry() -> address:
    """
    @notice Where the pool's terms are.
    """
    return site.REGISTRY.address


@view
@external
def books() -> ILendingPool.Books:
    """
    @notice The sums of the pool.
    """
    return pool_books._now()


@view
@external
def loan(collateral_id: uint256, borrower: address) -> ILendingPool.Loan:
    """
    @notice A borrower's loan against a collateral.
    """
    return self._loan(collateral_id, borrower)


@view
@external
def totals(collateral_id: uint256) -> ILendingPool.Totals:
    """
    @notice The sums of the loans against a collateral.
    """
    return pool_books._totals_at(collateral_id, pool_books._now().index)


@view
@external
def stop() -> ILendingPool.Stop:
    """
    @notice The flagged loan, and when its hour ends (M33).
    """
    return stops._stop()


@view
@external
def withdrawals_stopped() -> bool:
    """
    @notice Whether a flagged loan stops lenders' withdrawals (M33).
    """
    return stops._is_on()


@view
@external
def is_liquidatable(collateral_id: uint256, borrower: address) -> bool:
    """
    @notice Whether debt exceeds the liquidation threshold of the collateral; reverts without good prices.
    """
    return loan_health._is_liquidatable(
        self._loan(collateral_id, borrower), site._quote(collateral_id)
    )


@view
@external
def is_insolvent(collateral_id: uint256, borrower: address) -> bool:
    """
    @notice Whether all of the collateral, less the premium, doesn't repay the debt; reverts without good prices.
    """
    return self._is_insolvent(collateral_id, borrower)


@view
@external
def max_borrow(collateral_id: uint256, borrower: address) -> uint256:
    """
    @notice What the borrower could borrow more by his collateral, the caps and the cash; 0 where pause or least debt forbid
            it; reverts without good prices.
    """
    quote: ILendingRegistry.Quote = site._quote(collateral_id)
    now: ILendingPool.Books = pool_books._now()
    totals: ILendingPool.Totals = pool_books._totals_at(
        collateral_id, now.index
    )
    loan: ILendingPool.Loan = pool_books._loan_at(
        collateral_id, borrower, now.index
    )
    # Two units less: a loan's debt and the sum of all are rounded up, each by itself.
    most: uint256 = min(
        limits._left(
            loan_health._borrowable(loan.collateral, quote), loan.debt
        ),
        limits._left(quote.collateral.borrow_cap, totals.debt + 2),
    )
    most = min(most, now.cash)
    if (
        quote.terms.borrowing_paused
        or totals.collateral > quote.collateral.collateral_cap
        or loan.debt + most < quote.terms.min_debt
    ):
        return 0
    return most


@internal
@view
def _loan(collateral_id: uint256, borrower: address) -> ILendingPool.Loan:
    """
    @notice A loan while the books are closed.
    """
    return pool_books._loan_at(collateral_id, borrower, pool_books._now().index)


@internal
@view
def _is_insolvent(collateral_id: uint256, borrower: address) -> bool:
    """
    @notice The same for its host.
    """
    return loan_health._is_insolvent(
        self._loan(collateral_id, borrower), site._quote(collateral_id)
    )
