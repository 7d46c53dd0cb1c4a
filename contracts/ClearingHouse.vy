# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Clearing house
@license AGPL-3.0-only
@author Kana
@notice The money of the reference perpetuals venue: free balances, isolated positions, liquidation through the insurance fund,
        deleveraging, socialised loss (M25 to M31).
@dev Orders come from the gateway, prices and parameters from the registry, both fixed at construction. A facade: it decides who
     may do what and hands the work to its modules. A call opens the book of its market, works on it, and closes it. A touched
     position pays its pending charge before anything else happens to it. Rewards and rests are credits: no receiver can block
     anything.
@custom:security The registry's feeds and funds are trusted: a wrong mark moves money between traders of that market, though
    never past the market's pot (M26a).
@custom:invariant Per market: sum of sizes = 0; pot + bad debt = sum of balances + dust. Pots, fees and free balances together
    never exceed the tokens held (I9).
"""

from ethereum.ercs import IERC20Detailed
from snekmate.tokens.interfaces import IERC20Permit

from contracts.interfaces import IClearingHouse
from contracts.interfaces import IInsuranceFund
from contracts.interfaces import IMarketRegistry
from contracts.interfaces import IOrderGateway
from contracts.modules import accounts
from contracts.modules import deleveraging
from contracts.modules import liquidation
from contracts.modules import market_books
from contracts.modules import positions
from contracts.modules import trading
from contracts.modules import waterfall

implements: IClearingHouse

initializes: market_books
initializes: positions
initializes: accounts[market_books := market_books, positions := positions]
initializes: waterfall[accounts := accounts, market_books := market_books]
initializes: trading[
    accounts := accounts, market_books := market_books, waterfall := waterfall
]
initializes: liquidation[
    accounts := accounts, market_books := market_books, waterfall := waterfall
]
initializes: deleveraging[
    accounts := accounts, market_books := market_books, waterfall := waterfall
]

# ---------------------------------------------------------------- constants

BPS: constant(uint256) = 10_000
# Most entries of a batch, and most counterparties of a deleveraging.
MAX_NAMED: constant(uint256) = deleveraging.MAX_NAMED

# --------------------------------------------------------------- immutables

REGISTRY: immutable(IMarketRegistry)
GATEWAY: immutable(address)

# -------------------------------------------------------------- constructor

@deploy
def __init__(asset: address, registry: address, gateway: address):
    """
    @notice Fix what the house holds, whose markets it serves, and who brings its trades.
    @param asset The token, 6 to 18 decimals.
    @param registry The venue's market registry.
    @param gateway The venue's order gateway, of the same registry.
    """
    assert asset.is_contract, "house: asset without code"
    assert registry.is_contract, "house: registry without code"
    assert gateway.is_contract, "house: gateway without code"
    assert (
        staticcall IOrderGateway(gateway).registry() == registry
    ), "house: other registry"
    decimals: uint256 = convert(
        staticcall IERC20Detailed(asset).decimals(), uint256
    )
    assert decimals >= 6 and decimals <= 18, "house: bad decimals"
    accounts.__init__(asset, decimals)
    REGISTRY = IMarketRegistry(registry)
    GATEWAY = gateway


# ------------------------------------------------------------------ traders

@external
def deposit(amount: uint256, account: address = msg.sender):
    """
    @notice Pulls `amount` from the caller into the free balance of `account`, by default the caller.
    """
    self._deposit(amount, account)


@external
def deposit_with_permit(
    amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32
):
    """
    @notice `deposit` with an ERC-2612 permit of the caller to the house.
    @dev The permit is used only while the allowance is short: one that somebody else has sent already does no harm.
    """
    if staticcall accounts.ASSET.allowance(msg.sender, self) < amount:
        extcall IERC20Permit(accounts.ASSET.address).permit(
            msg.sender, self, amount, deadline, v, r, s
        )
    self._deposit(amount, msg.sender)


@external
def withdraw(amount: uint256, receiver: address = msg.sender):
    """
    @notice Sends free balance to `receiver`, by default the caller. Never paused, needs no price.
    """
    accounts._check_amount(amount)
    self._check_address(receiver)
    free: uint256 = accounts.free[msg.sender]
    assert amount <= free, "house: free balance too low"
    free -= amount
    accounts.free[msg.sender] = free
    log IClearingHouse.Withdrawn(
        account=msg.sender, receiver=receiver, amount=amount, free=free
    )
    assert extcall accounts.ASSET.transfer(
        receiver, amount, default_return_value=True
    ), "house: transfer failed"


@external
def add_margin(market_id: uint256, amount: uint256):
    """
    @notice Moves free balance into the caller's position. Never paused, needs no price (M27).
    """
    accounts._check_amount(amount)
    # Refuses an unknown market, from which nothing could be released again.
    fund: address = staticcall REGISTRY.fund_of(market_id)
    market_books._open(market_id)
    waterfall._check_no_bad_debt(fund)
    position: IClearingHouse.Position = accounts._settled(msg.sender)
    position = accounts._move_margin(
        msg.sender, convert(amount, int256), position
    )
    accounts._save(msg.sender, position)
    market_books._close()


@external
def release_margin(market_id: uint256, amount: uint256):
    """
    @notice Moves margin back to the free balance while initial margin is kept and the market's pot pays (M26a, M27); from a flat
            position, its claim.
    """
    accounts._check_amount(amount)
    quote: IMarketRegistry.Quote = self._open_at_mark(market_id)
    position: IClearingHouse.Position = accounts._settled(msg.sender)
    released: int256 = convert(amount, int256)
    if position.size == 0:
        assert released <= position.balance, "house: above claim"
    else:
        kept: int256 = accounts._equity(position, quote.mark) - released
        accounts._check_initial(position.size, kept, quote)
    position = accounts._move_margin(msg.sender, -released, position)
    accounts._save_seen(msg.sender, position, quote.mark)
    waterfall._close_book(quote.fund)


@external
def trade(fill: IClearingHouse.Fill):
    """
    @notice Executes a match of two orders that the gateway has verified (M27). The gateway alone.
    """
    assert msg.sender == GATEWAY, "house: not gateway"
    quote: IMarketRegistry.Quote = self._open_at_mark(fill.market_id)
    trading._trade(fill, quote)
    waterfall._close_book(quote.fund)


# ------------------------------------------------------------------ keepers

@external
def settle(market_id: uint256, trader: address):
    """
    @notice Charges a position what the loss index asks of it (M29).
    """
    market_books._open(market_id)
    position: IClearingHouse.Position = accounts._settled(trader)
    if market_books.dust_change != 0:
        accounts._save(trader, position)
        market_books._close()


@external
def liquidate(
    market_id: uint256, trader: address, size: uint256, margin: uint256 = 0
):
    """
    @notice Takes over up to `size` of a liquidatable position at mark, after moving `margin` into the caller's own (M28).
    @dev A solvent position: pieces of at least `min_notional` or the whole rest (M5). An insolvent one: whole, without reward (M3,
         M29).
    """
    self._liquidate(
        market_id,
        [IClearingHouse.Liquidation(trader=trader, size=size)],
        margin,
        False,
    )


@external
def liquidate_batch(
    market_id: uint256,
    liquidations: DynArray[IClearingHouse.Liquidation, MAX_NAMED],
    margin: uint256 = 0,
):
    """
    @notice The single calls in that order (M4), but for entries that aren't liquidatable or wait for payouts, which are skipped
            with an event (M28).
    """
    self._liquidate(market_id, liquidations, margin, True)


@external
def flag(market_id: uint256, trader: address):
    """
    @notice Marks an insolvent position for deleveraging after the grace (M28a).
    """
    quote: IMarketRegistry.Quote = self._open_at_mark(market_id)
    deleveraging._flag(trader, quote)
    market_books._close()


@external
def unflag(market_id: uint256, trader: address):
    """
    @notice Removes the flag of a position that is solvent again.
    """
    quote: IMarketRegistry.Quote = self._open_at_mark(market_id)
    deleveraging._unflag(trader, quote)
    market_books._close()


@external
def deleverage(
    market_id: uint256,
    trader: address,
    counterparties: DynArray[address, MAX_NAMED],
):
    """
    @notice Closes a flagged insolvent position at mark against the named positions of the other side (M28a, M29).
    """
    quote: IMarketRegistry.Quote = self._open_at_mark(market_id)
    deleveraging._deleverage(trader, counterparties, quote)
    waterfall._close_book(quote.fund)


@external
def collect_fees(market_id: uint256):
    """
    @notice Sends the fund its part of the accrued fees and credits the rest to the fee recipient (M24).
    @dev The remainder of the division and all of the dust are the fund's.
    """
    fund: address = empty(address)
    fund_fee_bps: uint256 = 0
    recipient: address = empty(address)
    fund, fund_fee_bps, recipient = staticcall REGISTRY.fee_terms(market_id)
    fees: uint256 = 0
    dust_fees: uint256 = 0
    fees, dust_fees = market_books._fees_of(market_id)
    assert fees + dust_fees > 0, "house: nothing to collect"
    market_books._clear_fees(market_id)
    to_recipient: uint256 = fees * (BPS - fund_fee_bps) // BPS
    to_fund: uint256 = fees + dust_fees - to_recipient
    accounts.free[recipient] += to_recipient
    market_books._open(market_id)
    repaid: uint256 = extcall IInsuranceFund(fund).settle_fees(
        market_id, to_fund
    )
    market_books.pot += repaid
    log IClearingHouse.FeesCollected(
        market_id=market_id,
        to_fund=to_fund,
        repaid=repaid,
        to_recipient=to_recipient,
    )
    waterfall._close_book(fund)


@external
def repay_bad_debt(market_id: uint256, amount: uint256):
    """
    @notice Pulls `amount` from the caller into the market's pot and reports it to the fund (M14).
    """
    accounts._check_amount(amount)
    fund: address = staticcall REGISTRY.fund_of(market_id)
    extcall IInsuranceFund(fund).repay_bad_debt(market_id, amount)
    accounts._pull(amount)
    market_books._open(market_id)
    market_books.pot += amount
    log IClearingHouse.BadDebtRepaid(
        market_id=market_id,
        payer=msg.sender,
        amount=amount,
        pot=market_books.pot,
    )
    waterfall._close_book(fund)


# ----------------------------------------------------------------- registry

@external
def connect_fund(fund: address):
    """
    @notice Grants a fund its allowance at listing (M38). The registry alone.
    """
    self._approve(fund, max_value(uint256))


@external
def disconnect_fund(fund: address):
    """
    @notice Revokes it when the fund's last market has left (M38). The registry alone.
    """
    self._approve(fund, 0)


@external
def close_market(market_id: uint256, fund: address):
    """
    @notice Refuses unless the market is empty, then releases it at its fund (M31). The registry alone.
    @dev Without open interest, pot and bad debt there are neither claims nor dust.
    """
    self._check_registry()
    open_interest: uint256 = 0
    pot: uint256 = 0
    index: uint256 = 0
    open_interest, pot, index = market_books._core_of(market_id)
    fees: uint256 = 0
    dust_fees: uint256 = 0
    fees, dust_fees = market_books._fees_of(market_id)
    assert (
        open_interest + pot + fees + dust_fees == 0
    ), "house: market not empty"
    extcall IInsuranceFund(fund).release_market(market_id)


# -------------------------------------------------------------------- views

@view
@reentrant
@external
def asset() -> address:
    """
    @notice The token that is held.
    """
    return accounts.ASSET.address


@view
@reentrant
@external
def registry() -> address:
    """
    @notice The venue's market registry.
    """
    return REGISTRY.address


@view
@reentrant
@external
def gateway() -> address:
    """
    @notice The venue's order gateway.
    """
    return GATEWAY


@view
@reentrant
@external
def quote_scale() -> uint256:
    """
    @notice Size times price over it is an amount.
    """
    return accounts.QUOTE_SCALE


@view
@external
def free(account: address) -> uint256:
    """
    @notice The account's free balance.
    """
    return accounts.free[account]


@view
@external
def position(market_id: uint256, trader: address) -> IClearingHouse.Position:
    """
    @notice As stored: without what the loss index still asks.
    """
    return positions._load(market_id, trader)


@view
@external
def pending_charge(market_id: uint256, trader: address) -> uint256:
    """
    @notice What the loss index asks of the position (M29).
    """
    return self._charged(market_id, trader)[1]


@view
@external
def equity(market_id: uint256, trader: address) -> int256:
    """
    @notice Equity at mark after the pending charge; reverts without a good price.
    """
    mark: uint256 = staticcall REGISTRY.mark(market_id)
    return accounts._equity(self._charged(market_id, trader)[0], mark)


@view
@external
def is_liquidatable(market_id: uint256, trader: address) -> bool:
    """
    @notice Whether equity is below maintenance margin at mark (M28); reverts without a good price.
    """
    quote: IMarketRegistry.Quote = staticcall REGISTRY.quote(market_id)
    position: IClearingHouse.Position = self._charged(market_id, trader)[0]
    return accounts._equity(position, quote.mark) < accounts._margin_up(
        position.size, quote.mark, quote.maintenance_margin_bps
    )


@view
@external
def books(market_id: uint256) -> IClearingHouse.Books:
    """
    @notice The sums of a market.
    """
    open_interest: uint256 = 0
    pot: uint256 = 0
    index: uint256 = 0
    open_interest, pot, index = market_books._core_of(market_id)
    fees: uint256 = 0
    dust_fees: uint256 = 0
    fees, dust_fees = market_books._fees_of(market_id)
    return IClearingHouse.Books(
        open_interest=open_interest,
        pot=pot,
        fees=fees,
        dust_fees=dust_fees,
        dust=market_books._dust[market_id],
        loss_index=index,
    )


# ---------------------------------------------------------------- internals

@internal
@view
def _check_registry():
    assert msg.sender == REGISTRY.address, "house: not registry"


@internal
@pure
def _check_address(account: address):
    assert account != empty(address), "house: zero address"


@internal
def _open_at_mark(market_id: uint256) -> IMarketRegistry.Quote:
    """
    @dev Opens the book of a listed market that has a good price (M30).
    """
    market_books._open(market_id)
    return staticcall REGISTRY.quote(market_id)


@internal
@view
def _charged(
    market_id: uint256, trader: address
) -> (IClearingHouse.Position, uint256):
    """
    @dev A position after its pending charge, and the charge, for views.
    """
    open_interest: uint256 = 0
    pot: uint256 = 0
    index: uint256 = 0
    open_interest, pot, index = market_books._core_of(market_id)
    return accounts._charged(market_id, trader, index)


@internal
def _approve(fund: address, amount: uint256):
    self._check_registry()
    assert extcall accounts.ASSET.approve(
        fund, amount, default_return_value=True
    ), "house: approve failed"


@internal
def _deposit(amount: uint256, account: address):
    """
    @dev No money before the setup is finished (M9).
    """
    accounts._check_amount(amount)
    self._check_address(account)
    assert staticcall REGISTRY.setup_finished(), "house: setup not finished"
    accounts._pull(amount)
    free: uint256 = accounts.free[account] + amount
    accounts.free[account] = free
    log IClearingHouse.Deposited(account=account, amount=amount, free=free)


@internal
def _liquidate(
    market_id: uint256,
    liquidations: DynArray[IClearingHouse.Liquidation, MAX_NAMED],
    margin: uint256,
    may_skip: bool,
):
    """
    @dev The entries in order; what one leaves is what the next finds (M4).
    """
    quote: IMarketRegistry.Quote = self._open_at_mark(market_id)
    taker: IClearingHouse.Position = accounts._settled(msg.sender)
    taker = accounts._add_margin(msg.sender, margin, taker)
    for entry: IClearingHouse.Liquidation in liquidations:
        taker = liquidation._take_over(entry, may_skip, quote, taker)
    accounts._save(msg.sender, taker)
    waterfall._close_book(quote.fund)
