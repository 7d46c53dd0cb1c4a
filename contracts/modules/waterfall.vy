# pragma version 0.4.3

"""
@title Waterfall of a perpetuals venue
@license AGPL-3.0-only
@author Kana
@notice How a shortfall is resolved, what a flat position is paid, and where dust ends.
@dev Works on the open book of `market_books`.
"""

from contracts.interfaces import IClearingHouse
from contracts.interfaces import IInsuranceFund
from contracts.modules import accounts
from contracts.modules import fixed_point
from contracts.modules import market_books

uses: accounts
uses: market_books


@internal
@view
def _check_no_bad_debt(fund: address):
    """
    @dev Nothing new enters a market that owes its winners: their claims would be paid out of it (M14, M26a, M31). Bad debt arises
         where nobody is left, so only an empty market can have any.
    """
    if market_books.open_interest == 0:
        bad_debt: uint256 = staticcall IInsuranceFund(fund).bad_debt(
            self, market_books.market_id
        )
        assert bad_debt == 0, "house: market has bad debt"


@internal
def _pay_shortfall(fund: address, trader: address, shortfall: uint256):
    """
    @dev The waterfall of one shortfall, whose size is out of the open interest already (M10, M13, M14, M29):
         covered by the fund + socialised over the open interest + bad debt = shortfall.
         The request is capped to what any fund can hold, so that no shortfall is too large to be resolved.
    """
    market_id: uint256 = market_books.market_id
    before: uint256 = staticcall accounts.ASSET.balanceOf(self)
    covered: uint256 = extcall IInsuranceFund(fund).cover_shortfall(
        market_id, min(shortfall, accounts.MAX_AMOUNT)
    )
    accounts._check_received(before + covered)
    market_books.pot += covered
    socialised: uint256 = 0
    bad_debt: uint256 = 0
    rest: uint256 = max(shortfall, covered) - covered
    if rest > 0:
        open_interest: uint256 = market_books.open_interest
        if open_interest > 0:
            socialised = rest
            market_books.index += fixed_point._index_step_up(
                rest, open_interest
            )
            market_books.dust_change -= convert(rest, int256)
        else:
            bad_debt = rest
            extcall IInsuranceFund(fund).record_bad_debt(market_id, rest)
    assert (
        covered + socialised + bad_debt == shortfall
    ), "house: waterfall leaks"
    log IClearingHouse.ShortfallResolved(
        market_id=market_id,
        trader=trader,
        shortfall=shortfall,
        covered=covered,
        socialised=socialised,
        bad_debt=bad_debt,
        loss_index=market_books.index,
    )


@internal
def _empty_flat(
    fund: address, trader: address, position: IClearingHouse.Position
) -> IClearingHouse.Position:
    """
    @dev A flat position is paid out as far as the pot goes, the rest staying as a claim (M26a); one below zero is a shortfall of
         its own (M29). Others are left alone.
    """
    left: IClearingHouse.Position = position
    if position.size == 0:
        if position.balance < 0:
            self._pay_shortfall(
                fund, trader, convert(-position.balance, uint256)
            )
            left.balance = 0
        else:
            paid: int256 = min(
                position.balance, convert(market_books.pot, int256)
            )
            if paid > 0:
                left = accounts._move_margin(trader, -paid, position)
    return left


@internal
def _close_book(fund: address):
    """
    @dev Closes the book. When a market has no open interest and no balance left, its dust becomes the fund's part of its fees
         (M26): then pot + bad debt = dust, and the pot holds all of it once the bad debt is repaid.
    """
    if market_books.open_interest == 0:
        market_id: uint256 = market_books.market_id
        dust: int256 = market_books._dust_now()
        pot: uint256 = market_books.pot
        if dust > 0 and convert(pot, int256) == dust:
            if staticcall IInsuranceFund(fund).bad_debt(self, market_id) == 0:
                market_books._accrue(0, pot)
                market_books.dust_change -= dust
                log IClearingHouse.DustBooked(market_id=market_id, amount=pot)
    market_books._close()
