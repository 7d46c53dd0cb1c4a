# pragma version 0.4.3

"""
@title Accounts of a perpetuals venue
@license AGPL-3.0-only
@author Kana
@notice Free balances, the token that backs them, and what happens to one position: its charge, margin and size moved, its
        equity and requirement.
@dev Works on the open book of `market_books`. It asks nobody who he is; that is its host's.
"""

from ethereum.ercs import IERC20

from contracts.interfaces import IClearingHouse
from contracts.interfaces import IMarketRegistry
from contracts.modules import fixed_point
from contracts.modules import market_books
from contracts.modules import positions

uses: market_books
uses: positions

# ---------------------------------------------------------------- constants

# Widest amount that enters: 112 bits.
MAX_AMOUNT: constant(uint256) = 2**112 - 1

# --------------------------------------------------------------- immutables

ASSET: immutable(IERC20)
# 10**(36 - asset decimals): size times price over it is an amount.
QUOTE_SCALE: immutable(uint256)

# ------------------------------------------------------------------ storage

# What an account holds outside positions, base units of the asset: its own to withdraw at any time.
free: HashMap[address, uint256]

# -------------------------------------------------------------- constructor

@deploy
def __init__(asset: address, decimals: uint256):
    """
    @dev Fixes the token; the host has checked its decimals.
    """
    ASSET = IERC20(asset)
    QUOTE_SCALE = 10**(36 - decimals)


# ------------------------------------------------------------------- tokens

@internal
def _pull(amount: uint256):
    """
    @dev Takes tokens of the caller; what arrives is measured (M38).
    """
    before: uint256 = staticcall ASSET.balanceOf(self)
    assert extcall ASSET.transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "house: transfer failed"
    self._check_received(before + amount)


@internal
@view
def _check_received(expected: uint256):
    """
    @dev Only ever compared with what was held a moment before: a balance is never the source of the books (M6).
    """
    assert staticcall ASSET.balanceOf(self) >= expected, "house: received less"


@internal
@pure
def _check_amount(amount: uint256):
    """
    @dev The bounds of what enters and leaves.
    """
    assert amount > 0, "house: zero amount"
    assert amount <= MAX_AMOUNT, "house: amount too large"


# ----------------------------------------------------------------- equities

@internal
@pure
def _magnitude(size: int256) -> uint256:
    """
    @dev A base size without its side.
    """
    return convert(abs(size), uint256)


@internal
@view
def _equity(position: IClearingHouse.Position, mark: uint256) -> int256:
    """
    @dev balance + floor(size * mark / QUOTE_SCALE) (M26).
    """
    return position.balance + fixed_point._value_down(
        position.size, mark, QUOTE_SCALE
    )


@internal
@view
def _margin_up(size: int256, mark: uint256, bps: uint256) -> int256:
    """
    @dev ceil(abs(size) * mark * bps / (QUOTE_SCALE * 10_000)).
    """
    return convert(
        fixed_point._ratio_up(self._magnitude(size), mark, bps, QUOTE_SCALE),
        int256,
    )


@internal
@view
def _check_initial(size: int256, equity: int256, quote: IMarketRegistry.Quote):
    """
    @dev What a position needs that has taken on risk or gives margin away (M27).
    """
    assert equity >= self._margin_up(
        size, quote.mark, quote.initial_margin_bps
    ), "house: below initial margin"


@internal
@pure
def _has_grown(before: int256, after: int256) -> bool:
    """
    @dev Risk grew: the position is larger, or on the other side (M27).
    """
    return abs(after) > abs(before) or (
        after != 0 and (after > 0) != (before > 0)
    )


# ----------------------------------------------------------------- touching

@internal
@view
def _charged(
    market_id: uint256, trader: address, index: uint256
) -> (IClearingHouse.Position, uint256):
    """
    @dev A position as it is once its pending charge is paid, and that charge (M29).
    """
    position: IClearingHouse.Position = positions._load(market_id, trader)
    charge: uint256 = fixed_point._charge_up(
        position.size, index - position.index
    )
    position.balance -= convert(charge, int256)
    position.index = index
    return position, charge


@internal
def _collect(trader: address, charge: uint256, balance: int256):
    """
    @dev Books a charge that a position has paid: the pot keeps it, the dust counts it (M26).
    """
    if charge > 0:
        market_books.dust_change += convert(charge, int256)
        log IClearingHouse.ChargeSettled(
            market_id=market_books.market_id,
            trader=trader,
            charge=charge,
            balance=balance,
            dust=market_books._dust_now(),
        )


@internal
def _settled(trader: address) -> IClearingHouse.Position:
    """
    @dev A position that is about to be touched, its pending charge paid.
    """
    position: IClearingHouse.Position = empty(IClearingHouse.Position)
    charge: uint256 = 0
    position, charge = self._charged(
        market_books.market_id, trader, market_books.index
    )
    self._collect(trader, charge, position.balance)
    return position


@internal
def _move_margin(
    trader: address, amount: int256, position: IClearingHouse.Position
) -> IClearingHouse.Position:
    """
    @dev Between free balance and position, > 0 into the position; free balance and pot pay what they hold and no more (M26a).
    """
    moved: IClearingHouse.Position = position
    free: int256 = convert(self.free[trader], int256) - amount
    assert free >= 0, "house: free balance too low"
    pot: int256 = convert(market_books.pot, int256) + amount
    assert pot >= 0, "house: pot exhausted"
    self.free[trader] = convert(free, uint256)
    market_books.pot = convert(pot, uint256)
    moved.balance += amount
    log IClearingHouse.MarginMoved(
        market_id=market_books.market_id,
        trader=trader,
        amount=amount,
        balance=moved.balance,
        free=convert(free, uint256),
    )
    return moved


@internal
def _add_margin(
    trader: address, margin: uint256, position: IClearingHouse.Position
) -> IClearingHouse.Position:
    """
    @dev Margin that comes with a trade or a liquidation, often none.
    """
    if margin == 0:
        return position
    self._check_amount(margin)
    return self._move_margin(trader, convert(margin, int256), position)


@internal
@view
def _move_size(
    leaves: IClearingHouse.Position,
    takes: IClearingHouse.Position,
    size: int256,
    mark: uint256,
) -> (IClearingHouse.Position, IClearingHouse.Position):
    """
    @dev Size moved at mark carries floor(before * mark) - floor(after * mark) of the position it leaves, whose equity so doesn't
         change (M26).
    """
    origin: IClearingHouse.Position = leaves
    target: IClearingHouse.Position = takes
    origin.size -= size
    carried: int256 = fixed_point._value_down(
        leaves.size, mark, QUOTE_SCALE
    ) - fixed_point._value_down(origin.size, mark, QUOTE_SCALE)
    origin.balance += carried
    target.size += size
    target.balance -= carried
    return origin, target


@internal
def _seen(
    trader: address, position: IClearingHouse.Position, mark: uint256
) -> IClearingHouse.Position:
    """
    @dev A position that is seen solvent loses its flag (M28a).
    """
    seen: IClearingHouse.Position = position
    if position.flagged_at != 0:
        if self._equity(position, mark) >= 0:
            seen.flagged_at = 0
            log IClearingHouse.Unflagged(
                market_id=market_books.market_id, trader=trader
            )
    return seen


@internal
def _save_seen(
    trader: address, position: IClearingHouse.Position, mark: uint256
):
    """
    @dev Keeps a position that was seen at `mark`.
    """
    seen: IClearingHouse.Position = self._seen(trader, position, mark)
    self._save(trader, seen)


@internal
def _save(trader: address, position: IClearingHouse.Position):
    """
    @dev Keeps a position.
    """
    self._keep(trader, position)
    log IClearingHouse.PositionChanged(
        market_id=market_books.market_id,
        trader=trader,
        size=position.size,
        balance=position.balance,
        index=position.index,
    )


# ------------------------------------------------- positions as they are kept

@internal
@view
def _stored(trader: address) -> IClearingHouse.Position:
    """
    @dev A position of the open book's market, without its pending charge.
    """
    return positions._load(market_books.market_id, trader)


@internal
def _keep(trader: address, position: IClearingHouse.Position):
    """
    @dev Keeps a position without a word about it.
    """
    positions._store(market_books.market_id, trader, position)


@internal
def _flag_now(trader: address):
    """
    @dev Keeps the time of a flag.
    """
    positions._flag(market_books.market_id, trader)
