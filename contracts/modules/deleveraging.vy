# pragma version 0.4.3

"""
@title Deleveraging of a perpetuals venue
@license AGPL-3.0-only
@author Kana
@notice Closing an insolvent position that nobody takes over at mark, against named positions of the other side (M28a).
@dev Works on the open book of `market_books`.
"""

from contracts.interfaces import IClearingHouse
from contracts.interfaces import IMarketRegistry
from contracts.modules import accounts
from contracts.modules import fixed_point
from contracts.modules import market_books
from contracts.modules import waterfall

uses: accounts
uses: market_books
uses: waterfall

# Most positions named in one call.
MAX_NAMED: constant(uint256) = 64
# How long after its grace a flag can be acted on, seconds.
FLAG_SECONDS: constant(uint256) = 3_600

# Who was named in which deleveraging of this transaction, so that a name counts once.
_named_in: transient(HashMap[address, uint256])
_count: transient(uint256)


@internal
def _flag(trader: address, quote: IMarketRegistry.Quote):
    """
    @dev Marks an insolvent position; a flag that has lapsed is set anew.
    """
    position: IClearingHouse.Position = accounts._settled(trader)
    self._check_insolvent(position, quote.mark)
    until: uint256 = quote.grace + FLAG_SECONDS
    if position.flagged_at != 0:
        assert (
            block.timestamp > position.flagged_at + until
        ), "house: already flagged"
    position.flagged_at = block.timestamp
    accounts._flag_now(trader)
    accounts._save(trader, position)
    log IClearingHouse.Flagged(
        market_id=market_books.market_id,
        trader=trader,
        deleverage_from=block.timestamp + quote.grace,
        deleverage_until=block.timestamp + until,
    )


@internal
def _unflag(trader: address, quote: IMarketRegistry.Quote):
    """
    @dev Takes the flag of a position that is solvent again.
    """
    position: IClearingHouse.Position = accounts._settled(trader)
    self._check_flagged(position)
    assert (
        accounts._equity(position, quote.mark) >= 0
    ), "house: still insolvent"
    accounts._save_seen(trader, position, quote.mark)


@internal
def _deleverage(
    trader: address,
    counterparties: DynArray[address, MAX_NAMED],
    quote: IMarketRegistry.Quote,
):
    """
    @dev In M29's order: charges of all parties; the whole size out; the fund, then the index, for the part that is closed, of
         shortfall ceil(S * closed / size); the new charges and the moves; the rest back, uncharged; who is flat and below zero.
    """
    position: IClearingHouse.Position = accounts._settled(trader)
    self._check_flagged(position)
    ready: uint256 = position.flagged_at + quote.grace
    assert block.timestamp >= ready, "house: grace running"
    assert block.timestamp <= ready + FLAG_SECONDS, "house: flag lapsed"
    self._check_insolvent(position, quote.mark)

    size: uint256 = accounts._magnitude(position.size)
    shortfall: uint256 = convert(
        -accounts._equity(position, quote.mark), uint256
    )
    available: uint256 = self._gather(position.size, counterparties)
    if available < size:
        assert len(counterparties) == MAX_NAMED, "house: not the whole size"
        shortfall = fixed_point._div_up(shortfall * available, size)

    market_books.open_interest -= size
    waterfall._pay_shortfall(quote.fund, trader, shortfall)

    for counterparty: address in counterparties:
        other: IClearingHouse.Position = accounts._settled(counterparty)
        step: int256 = -other.size
        if abs(step) > abs(position.size):
            step = position.size
        position, other = accounts._move_size(position, other, step, quote.mark)
        market_books.open_interest -= accounts._magnitude(step)
        accounts._save_seen(counterparty, other, quote.mark)
        log IClearingHouse.Deleveraged(
            market_id=market_books.market_id,
            trader=trader,
            counterparty=counterparty,
            size=step,
            mark=quote.mark,
        )
    # The moves have left its equity alone: what was resolved is what its balance gains.
    position.balance += convert(shortfall, int256)
    position.index = market_books.index
    market_books.open_interest += accounts._magnitude(position.size)
    if position.size == 0:
        position = accounts._seen(trader, position, quote.mark)
    accounts._save(trader, position)

    for counterparty: address in counterparties:
        other: IClearingHouse.Position = accounts._stored(counterparty)
        if other.size == 0 and other.balance != 0:
            other = waterfall._empty_flat(quote.fund, counterparty, other)
            accounts._save_seen(counterparty, other, quote.mark)


@internal
def _gather(
    size: int256, counterparties: DynArray[address, MAX_NAMED]
) -> uint256:
    """
    @dev What the named have on the other side, their pending charges paid (M29). Each is named once, and needed.
    """
    available: uint256 = 0
    self._count += 1
    count: uint256 = self._count
    for counterparty: address in counterparties:
        other: IClearingHouse.Position = accounts._settled(counterparty)
        assert (
            other.size != 0 and (other.size > 0) != (size > 0)
        ), "house: not opposite side"
        assert (
            self._named_in[counterparty] != count
        ), "house: duplicate counterparty"
        self._named_in[counterparty] = count
        assert (
            available < accounts._magnitude(size)
        ), "house: too many counterparties"
        available += accounts._magnitude(other.size)
        accounts._keep(counterparty, other)
    return available


@internal
@pure
def _check_flagged(position: IClearingHouse.Position):
    assert position.flagged_at != 0, "house: not flagged"


@internal
@view
def _check_insolvent(position: IClearingHouse.Position, mark: uint256):
    assert accounts._equity(position, mark) < 0, "house: not insolvent"
