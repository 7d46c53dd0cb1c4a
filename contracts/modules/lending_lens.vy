# pragma version 0.4.3
"""
@title Lens on lending
@license AGPL-3.0-only
@author Kana
@notice The part of the lens that reads a lending pool and its loans (M32, M33). See ILens.
@dev Health and liquidations are computed by the pool's own module, for the price that the feeds give without refusing: 0, and
     all that follows from it, where there is no good one.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from ethereum.ercs import IERC4626

from contracts.interfaces import IInsuranceFund
from contracts.interfaces import ILendingPool
from contracts.interfaces import ILendingRegistry
from contracts.interfaces import ILens
from contracts.interfaces import IPriceFeed

from contracts.modules import interest
from contracts.modules import lending_prices
from contracts.modules import loan_health

# ---------------------------------------------------------------- constants

MAX_COLLATERALS: constant(uint256) = 64
# The market as which a fund knows a pool.
POOL_MARKET: constant(uint256) = 0
# Decimals that a pool's shares have more than its asset.
SHARE_DECIMALS: constant(uint8) = 6
BPS: constant(uint256) = 10_000
WAD: constant(uint256) = 10**18

# -------------------------------------------------------------------- views

@external
@view
def pool_state(pool: address) -> ILens.PoolState:
    """
    @notice A lending pool whole, with its collaterals and what its fund would pay (M32).
    @param pool The pool.
    """
    venue: ILendingPool = ILendingPool(pool)
    registry: ILendingRegistry = ILendingRegistry(staticcall venue.registry())
    books: ILendingPool.Books = staticcall venue.books()
    terms: ILendingRegistry.Terms = staticcall registry.terms()
    state: ILens.PoolState = empty(ILens.PoolState)
    state.pool = pool
    state.registry = registry.address
    state.asset = staticcall registry.asset()
    state.decimals = staticcall IERC20Detailed(state.asset).decimals()
    state.governance = staticcall registry.governance()
    state.terms = terms
    state.borrowing_resume_at = staticcall registry.borrowing_resume_at()
    state.debt_feed = staticcall registry.debt_feed()
    state.books = books
    state.shares = staticcall IERC20(pool).totalSupply()
    unit: uint256 = 10**convert(state.decimals + SHARE_DECIMALS, uint256)
    state.share_value = staticcall IERC4626(pool).convertToAssets(unit)
    if books.total_debt > 0:
        state.utilisation = (
            books.total_debt * WAD // (books.cash + books.total_debt)
        )
    yearly: uint256 = books.rate * interest.YEAR
    state.borrow_rate = yearly * WAD // interest.RAY
    if books.assets > 0:
        lenders: uint256 = BPS - books.reserve_factor_bps
        earned: uint256 = books.total_debt * yearly // interest.RAY
        state.supply_rate = earned * lenders * WAD // (BPS * books.assets)
    state.stop = staticcall venue.stop()
    state.withdrawals_stopped = staticcall venue.withdrawals_stopped()
    if terms.fund != empty(address):
        insurer: IInsuranceFund = IInsuranceFund(terms.fund)
        state.fund_terms = staticcall insurer.market(pool, POOL_MARKET)
        state.coverage = staticcall insurer.coverage(pool, POOL_MARKET)
    count: uint256 = staticcall registry.next_collateral_id()
    for number: uint256 in range(
        min(count, MAX_COLLATERALS), bound=MAX_COLLATERALS
    ):
        if not staticcall registry.listed(number):
            continue
        listed: ILendingRegistry.Collateral = staticcall registry.collateral(
            number
        )
        state.collaterals.append(
            ILens.CollateralState(
                collateral_id=number,
                terms=listed,
                decimals=staticcall IERC20Detailed(listed.asset).decimals(),
                price=self._collateral_price(registry, listed),
                totals=staticcall venue.totals(number),
            )
        )
    return state


@external
@view
def loan_state(
    pool: address, collateral_id: uint256, borrower: address
) -> ILens.LoanState:
    """
    @notice A loan's health, the prices at which it changes, and what a liquidation would do now (M32, M33).
    @param pool The pool.
    @param collateral_id Its collateral.
    @param borrower Whose loan.
    """
    venue: ILendingPool = ILendingPool(pool)
    registry: ILendingRegistry = ILendingRegistry(staticcall venue.registry())
    loan: ILendingPool.Loan = staticcall venue.loan(collateral_id, borrower)
    listed: ILendingRegistry.Collateral = staticcall registry.collateral(
        collateral_id
    )
    state: ILens.LoanState = empty(ILens.LoanState)
    state.collateral_id = collateral_id
    state.borrower = borrower
    state.debt = loan.debt
    state.collateral = loan.collateral
    if loan.debt > 0 and loan.collateral > 0:
        state.liquidation_price = self._liquidation_price(loan, listed)
        state.insolvency_price = self._insolvency_price(loan, listed)
    stop: ILendingPool.Stop = staticcall venue.stop()
    state.flagged = (
        stop.borrower == borrower
        and stop.collateral_id == collateral_id
        and staticcall venue.withdrawals_stopped()
    )
    price: uint256 = self._collateral_price(registry, listed)
    if price == 0:
        return state
    quote: ILendingRegistry.Quote = ILendingRegistry.Quote(
        price=price, collateral=listed, terms=staticcall registry.terms()
    )
    state.price = price
    state.value = loan_health._value_down(loan.collateral, price)
    state.max_borrow = staticcall venue.max_borrow(collateral_id, borrower)
    if loan.debt == 0:
        return state
    state.health = (
        state.value * listed.threshold_bps * WAD // (BPS * loan.debt)
    )
    state.liquidatable = loan_health._is_liquidatable(loan, quote)
    state.insolvent = loan_health._is_insolvent(loan, quote)
    if state.liquidatable:
        done: loan_health.Liquidation = loan_health._liquidation(
            loan, max_value(uint256), quote
        )
        state.repayable = done.repaid
        state.to_fund = done.to_fund
        state.seizable = done.seized
    return state


# ---------------------------------------------------------------- internals

@internal
@view
def _collateral_price(
    registry: ILendingRegistry, listed: ILendingRegistry.Collateral
) -> uint256:
    """
    @dev What `ILendingRegistry.price` says; 0 where that refuses.
    """
    quoted: uint256 = staticcall IPriceFeed(listed.feed).peek()
    divisor: uint256 = lending_prices.WAD
    debt_feed: address = staticcall registry.debt_feed()
    if debt_feed != empty(address):
        divisor = staticcall IPriceFeed(debt_feed).peek()
    if quoted == 0 or divisor == 0:
        return 0
    asset: address = staticcall registry.asset()
    exponent: uint256 = (
        lending_prices.PRICE_DECIMALS
        + convert(staticcall IERC20Detailed(asset).decimals(), uint256)
        - convert(staticcall IERC20Detailed(listed.asset).decimals(), uint256)
    )
    price: uint256 = quoted * 10**exponent // divisor
    if price > lending_prices.MAX_PRICE:
        return 0
    return price


@internal
@pure
def _liquidation_price(
    loan: ILendingPool.Loan, listed: ILendingRegistry.Collateral
) -> uint256:
    """
    @dev The least price p with debt <= floor(floor(C * p / 10**30) * threshold / BPS), exactly.
    """
    value: uint256 = (
        loan.debt * BPS + listed.threshold_bps - 1
    ) // listed.threshold_bps
    scaled: uint256 = value * loan_health.PRICE_SCALE
    return (scaled + loan.collateral - 1) // loan.collateral


@internal
@pure
def _insolvency_price(
    loan: ILendingPool.Loan, listed: ILendingRegistry.Collateral
) -> uint256:
    """
    @dev The least price p with floor(debt * (BPS + premium) * 10**30 / (BPS * p)) <= C, exactly.
    """
    owed: uint256 = (
        loan.debt * (BPS + listed.premium_bps) * loan_health.PRICE_SCALE
    )
    return owed // ((loan.collateral + 1) * BPS) + 1
