# pragma version 0.4.3

"""
@title Liquidation of a perpetuals venue
@license AGPL-3.0-only
@author Kana
@notice Taking over positions below maintenance margin at mark, one after the other (M28).
@dev Works on the open book of `market_books`; the liquidator's position stays in memory from one entry to the next.
"""

from contracts.interfaces import IClearingHouse
from contracts.interfaces import IInsuranceFund
from contracts.interfaces import IMarketRegistry
from contracts.modules import accounts
from contracts.modules import fixed_point
from contracts.modules import market_books
from contracts.modules import waterfall

uses: accounts
uses: market_books
uses: waterfall


@internal
def _take_over(
    entry: IClearingHouse.Liquidation,
    may_skip: bool,
    quote: IMarketRegistry.Quote,
    liquidator: IClearingHouse.Position,
) -> IClearingHouse.Position:
    """
    @dev One liquidation; returns the liquidator's position after it.
         Solvent: its share of the collateral, as far as the pot holds it, is split by the fund (M1, M5, M26a).
         Insolvent: resolved in M29's order, without reward (M3).
    """
    assert entry.trader != msg.sender, "house: own position"
    market_id: uint256 = market_books.market_id
    taker: IClearingHouse.Position = liquidator
    position: IClearingHouse.Position = empty(IClearingHouse.Position)
    charge: uint256 = 0
    position, charge = accounts._charged(
        market_id, entry.trader, market_books.index
    )
    equity: int256 = accounts._equity(position, quote.mark)
    healthy: bool = equity >= accounts._margin_up(
        position.size, quote.mark, quote.maintenance_margin_bps
    )
    if may_skip:
        waits: bool = False
        if equity < 0:
            waits = staticcall IInsuranceFund(quote.fund).payouts_paused()
        if healthy or waits:
            # Nothing of this entry happens, its charge included.
            log IClearingHouse.LiquidationSkipped(
                market_id=market_id, trader=entry.trader, payouts_paused=waits
            )
            return taker
    assert position.size != 0, "house: no position"
    assert not healthy, "house: not liquidatable"
    whole: uint256 = accounts._magnitude(position.size)
    size: uint256 = min(entry.size, whole)
    assert size > 0, "house: zero size"

    accounts._collect(entry.trader, charge, position.balance)
    market_books.open_interest -= size
    collateral: uint256 = 0
    if equity < 0:
        assert size == whole, "house: insolvent, whole only"
        waterfall._pay_shortfall(
            quote.fund, entry.trader, convert(-equity, uint256)
        )
        position.balance -= equity
        taker = self._recharged(taker)
    else:
        assert (
            size == whole
            or fixed_point._notional_down(
                size, quote.mark, accounts.QUOTE_SCALE
            )
            >= quote.min_notional
        ), "house: piece too small"
        collateral = min(
            convert(equity, uint256) * size // whole, market_books.pot
        )

    moved: int256 = convert(size, int256)
    if position.size < 0:
        moved = -moved
    before: int256 = taker.size
    position, taker = accounts._move_size(position, taker, moved, quote.mark)
    market_books.open_interest += accounts._magnitude(taker.size)
    market_books.open_interest -= accounts._magnitude(before)

    split: IInsuranceFund.Split = empty(IInsuranceFund.Split)
    if collateral > 0:
        split = extcall IInsuranceFund(quote.fund).settle_liquidation(
            market_id, collateral
        )
        assert (
            split.liquidator + split.fund + split.trader == collateral
        ), "house: split leaks"
        position.balance -= convert(collateral, int256)
        market_books.pot -= collateral
        market_books.pot += split.repaid
        accounts.free[msg.sender] += split.liquidator
        accounts.free[entry.trader] += split.trader
    log IClearingHouse.Liquidated(
        market_id=market_id,
        trader=entry.trader,
        liquidator=msg.sender,
        size=moved,
        mark=quote.mark,
        collateral=collateral,
        to_liquidator=split.liquidator,
        to_fund=split.fund,
        to_trader=split.trader,
    )
    accounts._save_seen(entry.trader, position, quote.mark)

    if accounts._has_grown(before, taker.size):
        assert accounts._equity(taker, quote.mark) >= accounts._margin_up(
            taker.size, quote.mark, quote.initial_margin_bps
        ), "house: liquidator below margin"
    taker = waterfall._empty_flat(quote.fund, msg.sender, taker)
    return accounts._seen(msg.sender, taker, quote.mark)


@internal
def _recharged(taker: IClearingHouse.Position) -> IClearingHouse.Position:
    """
    @dev The liquidator's position in memory, charged what a loss has just added to the index (M29).
    """
    charged: IClearingHouse.Position = taker
    charge: uint256 = fixed_point._charge_up(
        taker.size, market_books.index - taker.index
    )
    charged.balance -= convert(charge, int256)
    charged.index = market_books.index
    accounts._collect(msg.sender, charge, charged.balance)
    return charged
