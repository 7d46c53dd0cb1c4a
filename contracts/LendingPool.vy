# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Lending pool
@license AGPL-3.0-only
@author Kana
@notice The reference lending venue: lenders' shares, isolated loans against collateral, liquidation, and bankruptcies that
        the fund pays before the lenders do (M15, M32, M33).
@dev Terms, prices and rates come from the registry, fixed at construction. A facade: pool_books keeps the sums, interest
     makes the rate, loans moves debt and collateral and loan_health weighs them, pool_shares prices the lenders' part,
     loan_stops stops withdrawals. A call books interest before anything else and ends with the rate that follows from what it
     changed; tokens move last, but for what a fund pays. Here is who may do what:

       anyone        deposit, mint, add_collateral, repay, liquidate, flag, unflag, accrue, collect_fees, repay_bad_debt
       lenders       withdraw, redeem; and the share token
       borrowers     borrow, withdraw_collateral
       registry      change_fund, reprice

     Optimised for size. Tokens that are sent by plain transfer stay here and count for nothing.
@custom:security The registry's feeds and funds are trusted: a wrong price lets a borrower take what the lenders hold, up to the
    cap of his collateral. Nothing here can mend a token that takes or freezes balances; a collateral that does harms loans
    against it alone.
@custom:invariant cash + total debt + bad debt = lenders' assets + fees, none of them below 0.
                  Tokens held >= cash, and of each collateral >= the sum of the loans'.
                  The price of a share falls only where a loan is resolved, for all lenders alike.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from ethereum.ercs import IERC4626
from snekmate.auth import ownable
from snekmate.tokens import erc20

from contracts.interfaces import ILendingPool
from contracts.interfaces import ILendingRegistry

from contracts.modules import checks
from contracts.modules import loan_health
from contracts.modules import loan_stops as stops
from contracts.modules import loan_views
from contracts.modules import loans
from contracts.modules import pool_books
from contracts.modules import pool_shares
from contracts.modules import pool_site as site

implements: IERC20
implements: IERC4626
implements: ILendingPool

initializes: ownable
initializes: erc20[ownable := ownable]
initializes: pool_books
initializes: site
initializes: stops
initializes: pool_shares[
    erc20 := erc20, stops := stops, pool_books := pool_books, site := site
]
initializes: loans[
    erc20 := erc20, stops := stops, pool_books := pool_books, site := site
]
initializes: loan_views[stops := stops, pool_books := pool_books, site := site]

# Left out: snekmate's `transfer` and `transferFrom` (wrapped for the lock), minters, burning and owner.
exports: (
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.approve,
    erc20.permit,
    erc20.nonces,
    erc20.DOMAIN_SEPARATOR,
    erc20.eip712Domain,
    pool_shares.__interface__,
    loan_views.__interface__,
)

# ---------------------------------------------------------------- constants

# Decimals that shares have more than assets.
OFFSET: constant(uint8) = 6

# -------------------------------------------------------------- constructor

@deploy
def __init__(registry: address, name: String[25], symbol: String[5]):
    """
    @notice Fix whose terms hold and what is lent. Its creator gets nothing.
    @param registry The pool's registry, which names the asset.
    @param name Of the share token and its signing domain.
    @param symbol Of the share token.
    """
    checks._require(registry.is_contract, "pool: registry without code")
    asset: address = staticcall ILendingRegistry(registry).asset()
    ownable.__init__()
    erc20.__init__(
        name,
        symbol,
        staticcall IERC20Detailed(asset).decimals() + OFFSET,
        name,
        "1",
    )
    ownable._transfer_ownership(empty(address))
    erc20.is_minter[msg.sender] = False
    pool_books.__init__()
    site.__init__(registry, asset)


# ------------------------------------------------------------------ lenders

@external
def deposit(assets: uint256, receiver: address) -> uint256:
    """
    @notice Lend `assets` of the caller for shares of `receiver` (ERC-4626).
    """
    return self._deposit(assets, receiver)


@external
def deposit_with_permit(
    assets: uint256,
    receiver: address,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
) -> uint256:
    """
    @notice `deposit` with an ERC-2612 permit of the caller to the pool.
    """
    site._permit(assets, deadline, v, r, s)
    return self._deposit(assets, receiver)


@external
def mint(shares: uint256, receiver: address) -> uint256:
    """
    @notice Lend what `shares` cost (ERC-4626).
    """
    terms: ILendingRegistry.Terms = self._open_taking(shares, receiver)
    checks._require(shares <= pool_shares.MAX_SHARES, "pool: amount too large")
    assets: uint256 = pool_shares._to_assets_up(shares, pool_books._assets())
    self._lend(assets, shares, receiver, terms)
    return assets


@external
def withdraw(assets: uint256, receiver: address, owner: address) -> uint256:
    """
    @notice Take `assets` out, as far as there is cash and no flagged loan stops it (ERC-4626, M33).
    """
    self._open(assets, receiver)
    shares: uint256 = pool_shares._to_shares_up(assets, pool_books._assets())
    self._take_out(assets, shares, receiver, owner)
    return shares


@external
def redeem(shares: uint256, receiver: address, owner: address) -> uint256:
    """
    @notice Take out what `shares` are worth (ERC-4626, M33).
    """
    self._open(shares, receiver)
    assets: uint256 = pool_shares._to_assets_down(shares, pool_books._assets())
    self._take_out(assets, shares, receiver, owner)
    return assets


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Move shares.
    """
    erc20._transfer(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Move shares of somebody who has allowed it.
    """
    erc20._spend_allowance(owner, msg.sender, amount)
    erc20._transfer(owner, to, amount)
    return True


# ---------------------------------------------------------------- borrowers

@external
def add_collateral(
    collateral_id: uint256, amount: uint256, borrower: address = msg.sender
):
    """
    @notice Pull collateral of the caller into a loan. Never paused, needs no price.
    """
    self._check_call(amount, borrower)
    checks._require(
        staticcall site.REGISTRY.setup_finished(),
        "pool: setup not finished",
    )
    listed: ILendingRegistry.Collateral = site._listed(collateral_id)
    loans._add(collateral_id, borrower, amount, listed.collateral_cap)
    site._pull(listed.asset, amount)


@external
def withdraw_collateral(
    collateral_id: uint256, amount: uint256, receiver: address = msg.sender
):
    """
    @notice Take collateral out of the caller's loan: all of it without debt, else what the collateral factor leaves.
    """
    self._check_call(amount, receiver)
    loan: ILendingPool.Loan = loan_views._loan(collateral_id, msg.sender)
    checks._require(amount <= loan.collateral, "pool: collateral too low")
    asset: address = empty(address)
    if loan.debt == 0:
        asset = site._listed(collateral_id).asset
    else:
        quote: ILendingRegistry.Quote = self._borrowing(collateral_id)
        loans._check_health(
            collateral_id, loan.debt, loan.collateral - amount, quote
        )
        asset = quote.collateral.asset
    loans._withdraw(collateral_id, loan, amount, receiver)
    site._send(asset, receiver, amount)


@external
def borrow(
    collateral_id: uint256, amount: uint256, receiver: address = msg.sender
):
    """
    @notice Borrow against the caller's collateral, within its factor and the caps.
    """
    self._open(amount, receiver)
    checks._require(amount <= pool_books.MAX_AMOUNT, "pool: amount too large")
    quote: ILendingRegistry.Quote = self._borrowing(collateral_id)
    loans._borrow(collateral_id, amount, receiver, quote)
    pool_books._close(quote.terms.rates)
    site._send(site.ASSET, receiver, amount)


@external
def repay(
    collateral_id: uint256, amount: uint256, borrower: address = msg.sender
) -> uint256:
    """
    @notice Repay up to `amount` of a loan; what is left is nothing or at least the least debt. Never paused, needs no price.
    """
    return self._repay(collateral_id, amount, borrower)


@external
def repay_with_permit(
    collateral_id: uint256,
    amount: uint256,
    borrower: address,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
) -> uint256:
    """
    @notice `repay` with an ERC-2612 permit of the caller to the pool.
    """
    site._permit(amount, deadline, v, r, s)
    return self._repay(collateral_id, amount, borrower)


# ------------------------------------------------------------------ keepers

@external
def liquidate(
    collateral_id: uint256,
    borrower: address,
    debt: uint256,
    min_seized: uint256 = 0,
) -> (uint256, uint256):
    """
    @notice Repay up to `debt` of an unhealthy loan for collateral of that worth and the premium, of which the fund's part is
            paid besides. An insolvent loan goes whole, and what its collateral doesn't repay is resolved at once (M33).
    """
    checks._require(msg.sender != borrower, "pool: own loan")
    self._open(debt, borrower)
    quote: ILendingRegistry.Quote = site._quote(collateral_id)
    done: loan_health.Liquidation = loans._liquidate(
        collateral_id, borrower, debt, min_seized, quote
    )
    pool_books._close(quote.terms.rates)
    site._pull(site.ASSET, done.repaid + done.to_fund)
    site._send(quote.collateral.asset, msg.sender, done.seized)
    return done.repaid, done.seized


@external
def flag(collateral_id: uint256, borrower: address):
    """
    @notice Stop lenders' withdrawals for at most an hour, because this loan is insolvent (M33).
    """
    checks._require(
        loan_views._is_insolvent(collateral_id, borrower),
        "pool: loan is solvent",
    )
    stops._begin(collateral_id, borrower)


@external
def unflag(collateral_id: uint256, borrower: address):
    """
    @notice End that, when the loan is solvent again.
    """
    checks._require(stops._is_of(collateral_id, borrower), "pool: not flagged")
    checks._require(
        not loan_views._is_insolvent(collateral_id, borrower),
        "pool: loan is insolvent",
    )
    stops._end(collateral_id, borrower)


@external
def accrue():
    """
    @notice Book interest up to now.
    """
    pool_books._open()
    pool_books._save()


@external
def collect_fees() -> uint256:
    """
    @notice Send the fund what it is owed of interest and premiums, as far as there is cash (M24).
    """
    pool_books._open()
    terms: ILendingRegistry.Terms = site._terms()
    paid: uint256 = loans._collect_fees(terms.fund)
    pool_books._close(terms.rates)
    return paid


@external
def repay_bad_debt(amount: uint256):
    """
    @notice Pull `amount` from the caller for bad debt of the pool and report it to the fund (M14).
    """
    self._open(amount, msg.sender)
    terms: ILendingRegistry.Terms = site._terms()
    loans._repay_bad_debt(amount, terms.fund)
    pool_books._close(terms.rates)
    site._pull(site.ASSET, amount)


# ----------------------------------------------------------------- registry

@external
def change_fund(old: address, new: address):
    """
    @notice Grant the fund its allowance and revoke the one before (M38). The registry alone.
    """
    self._check_registry()
    if old != empty(address):
        site._approve(old, 0)
    site._approve(new, max_value(uint256))


@external
def reprice(rates: ILendingRegistry.Rates):
    """
    @notice Book interest at the old rate, then take the new ones. The registry alone.
    """
    self._check_registry()
    pool_books._open()
    pool_books._close(rates)


# ---------------------------------------------------------------- internals

@internal
@view
def _check_registry():
    checks._require(msg.sender == site.REGISTRY.address, "pool: not registry")


@internal
@pure
def _check_call(amount: uint256, account: address):
    checks._require(amount > 0, "pool: zero amount")
    checks._require(account != empty(address), "pool: zero address")


@internal
def _open(amount: uint256, account: address):
    """
    @dev Checks what came, and opens the books with interest up to now.
    """
    self._check_call(amount, account)
    pool_books._open()


@internal
def _open_taking(amount: uint256, receiver: address) -> ILendingRegistry.Terms:
    """
    @dev The same for a deposit; no money before the setup is finished (M9).
    """
    terms: ILendingRegistry.Terms = site._terms()
    checks._require(terms.setup_finished, "pool: setup not finished")
    self._open(amount, receiver)
    return terms


@internal
@view
def _borrowing(collateral_id: uint256) -> ILendingRegistry.Quote:
    """
    @dev Price and parameters for what adds risk (M37).
    """
    quote: ILendingRegistry.Quote = site._quote(collateral_id)
    checks._require(not quote.terms.borrowing_paused, "pool: borrowing paused")
    return quote


@internal
def _deposit(assets: uint256, receiver: address) -> uint256:
    terms: ILendingRegistry.Terms = self._open_taking(assets, receiver)
    checks._require(assets <= pool_books.MAX_AMOUNT, "pool: amount too large")
    shares: uint256 = pool_shares._to_shares_down(assets, pool_books._assets())
    self._lend(assets, shares, receiver, terms)
    return shares


@internal
def _lend(
    assets: uint256,
    shares: uint256,
    receiver: address,
    terms: ILendingRegistry.Terms,
):
    pool_shares._give(assets, shares, receiver, terms.supply_cap)
    log IERC4626.Deposit(
        sender=msg.sender, owner=receiver, assets=assets, shares=shares
    )
    pool_books._close(terms.rates)
    site._pull(site.ASSET, assets)


@internal
def _take_out(
    assets: uint256, shares: uint256, receiver: address, owner: address
):
    pool_shares._take(assets, shares, owner)
    checks._require(assets > 0, "pool: zero assets")
    log IERC4626.Withdraw(
        sender=msg.sender,
        receiver=receiver,
        owner=owner,
        assets=assets,
        shares=shares,
    )
    pool_books._close(site._terms().rates)
    site._send(site.ASSET, receiver, assets)


@internal
def _repay(
    collateral_id: uint256, amount: uint256, borrower: address
) -> uint256:
    self._open(amount, borrower)
    terms: ILendingRegistry.Terms = site._terms()
    paid: uint256 = loans._repay(
        collateral_id, borrower, amount, terms.min_debt
    )
    pool_books._close(terms.rates)
    site._pull(site.ASSET, paid)
    return paid
