# pragma version 0.4.3

"""
@title Trading of a perpetuals venue
@license AGPL-3.0-only
@author Kana
@notice What a match of two orders does to both sides, and whether they may stand after it (M25, M27).
@dev Works on the open book of `market_books`. Who matched the orders is its host's to check.
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

# One hundred per cent, basis points.
BPS: constant(uint256) = 10_000


@internal
def _trade(fill: IClearingHouse.Fill, quote: IMarketRegistry.Quote):
    """
    @dev taker: balance -= ceil(size * price) when buying, += floor(size * price) when selling; the maker exactly the opposite.
         Each pays ceil(size * price * fee) out of its balance and the pot (M25).
    """
    # Inside the band a fill between two keys moves less than the maintenance margin they stand for (T15).
    off: uint256 = max(fill.price, quote.mark) - min(fill.price, quote.mark)
    assert (
        off * BPS <= quote.mark * quote.fill_band_bps
    ), "house: outside fill band"
    waterfall._check_no_bad_debt(quote.fund)

    maker: IClearingHouse.Position = accounts._settled(fill.maker)
    maker_size: int256 = maker.size
    maker_equity: int256 = accounts._equity(maker, quote.mark)
    maker = accounts._add_margin(fill.maker, fill.maker_margin, maker)
    taker: IClearingHouse.Position = accounts._settled(fill.taker)
    taker_size: int256 = taker.size
    taker_equity: int256 = accounts._equity(taker, quote.mark)
    taker = accounts._add_margin(fill.taker, fill.taker_margin, taker)

    size: uint256 = accounts._magnitude(fill.size)
    cost: int256 = -fixed_point._value_down(
        -fill.size, fill.price, accounts.QUOTE_SCALE
    )
    maker_fee: uint256 = fixed_point._ratio_up(
        size, fill.price, quote.maker_fee_bps, accounts.QUOTE_SCALE
    )
    taker_fee: uint256 = fixed_point._ratio_up(
        size, fill.price, quote.taker_fee_bps, accounts.QUOTE_SCALE
    )
    maker.size -= fill.size
    taker.size += fill.size
    maker.balance += cost - convert(maker_fee, int256)
    taker.balance -= cost + convert(taker_fee, int256)
    assert (maker_fee + taker_fee <= market_books.pot), "house: pot exhausted"
    market_books._accrue(maker_fee + taker_fee, 0)

    before: uint256 = market_books.open_interest
    open_interest: uint256 = (
        before
        + accounts._magnitude(maker.size)
        + accounts._magnitude(taker.size)
        - accounts._magnitude(maker_size)
        - accounts._magnitude(taker_size)
    )
    market_books.open_interest = open_interest
    if open_interest > before:
        assert (
            open_interest <= quote.open_interest_cap
        ), "house: above open interest cap"
        assert (
            fixed_point._notional_down(
                open_interest, quote.mark, accounts.QUOTE_SCALE
            )
            <= accounts.MAX_AMOUNT
        ), "house: notional too large"

    log IClearingHouse.Traded(
        market_id=fill.market_id,
        maker=fill.maker,
        taker=fill.taker,
        size=fill.size,
        price=fill.price,
        maker_fee=maker_fee,
        taker_fee=taker_fee,
        open_interest=open_interest,
    )
    self._finish_side(
        fill.maker,
        maker,
        maker_size,
        maker_equity,
        fill.maker_reduce_only,
        quote,
    )
    self._finish_side(
        fill.taker,
        taker,
        taker_size,
        taker_equity,
        fill.taker_reduce_only,
        quote,
    )


@internal
def _finish_side(
    trader: address,
    position: IClearingHouse.Position,
    size_before: int256,
    equity_before: int256,
    reduce_only: bool,
    quote: IMarketRegistry.Quote,
):
    """
    @dev One side of a trade after it: whether it may stand (M27), and what a flat one is paid (M26a).
    """
    size: uint256 = accounts._magnitude(position.size)
    equity: int256 = accounts._equity(position, quote.mark)
    grown: bool = accounts._has_grown(size_before, position.size)
    if reduce_only:
        assert (
            not grown and size < accounts._magnitude(size_before)
        ), "house: reduce only"
    if size > 0:
        assert (
            fixed_point._notional_down(size, quote.mark, accounts.QUOTE_SCALE)
            >= quote.min_notional
        ), "house: below min notional"
    if grown:
        assert not quote.trading_paused, "house: trading paused"
        assert size <= quote.position_cap, "house: above position cap"
        accounts._check_initial(position.size, equity, quote)
    else:
        assert equity >= 0, "house: negative equity"
        # Equity per size must not fall: who is below maintenance may shrink, not strip what is left (T15).
        if equity < accounts._margin_up(
            position.size, quote.mark, quote.maintenance_margin_bps
        ):
            assert (
                equity * abs(size_before) >= equity_before * abs(position.size)
            ), "house: below maintenance"
    left: IClearingHouse.Position = waterfall._empty_flat(
        quote.fund, trader, position
    )
    accounts._save_seen(trader, left, quote.mark)
