# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Fund views
@license AGPL-3.0-only
@author Kana
@notice What a fund's books say, field by field, for venues, frontends and keepers. See IInsuranceFund.
@dev Under the lock of the host: nobody reads the books from within a transfer.
"""

from contracts.interfaces import IInsuranceFund

from contracts.modules import fund_layers
from contracts.modules import fund_words
from contracts.modules import ledger
from contracts.modules import limits
from contracts.modules import pause
from contracts.modules import split

uses: fund_layers
uses: ledger

# ---------------------------------------------------------------- the books

@view
@external
def setup_finished() -> bool:
    """
    @notice Whether the fund takes money and the deployer's power has ended (M9).
    """
    return ledger.pot < fund_words.NOT_OPEN_POT


@view
@external
def reserve() -> uint256:
    """
    @notice What the fund owns to pay with, base units (M6).
    """
    return fund_words._reserve(ledger.pot)


@view
@external
def total_contributions() -> uint256:
    """
    @notice All contributions ever, base units (M7).
    """
    return fund_words._contributions(ledger.pot)


@view
@external
def contributions(contributor: address) -> uint256:
    """
    @notice What an account has contributed in total, base units (M7).
    """
    return ledger.contributions[contributor]


@view
@external
def total_bad_debt() -> uint256:
    """
    @notice Bad debt of all markets, base units (M14).
    """
    return fund_words._total_bad_debt(ledger.terms)


@view
@external
def bad_debt(venue: address, market_id: uint256) -> uint256:
    """
    @notice Bad debt of a market, base units (M14).
    """
    return ledger.bad_debts[venue][market_id]


@view
@external
def market(venue: address, market_id: uint256) -> IInsuranceFund.Market:
    """
    @notice All that is kept of a market.
    """
    word: uint256 = ledger.markets[venue][market_id]
    return IInsuranceFund.Market(
        registered=word != 0,
        is_perp=fund_words._is_perp(word),
        max_insurance=fund_words._max_insurance(word),
        used=fund_words._used(word),
        bad_debt=ledger.bad_debts[venue][market_id],
    )


# --------------------------------------------------------------- parameters

@view
@external
def threshold() -> uint256:
    """
    @notice Cap of the reserve, base units (M1, M8).
    """
    return fund_words._threshold(ledger.terms)


@view
@external
def split_bps() -> (uint256, uint256):
    """
    @notice The liquidator's and the fund's share of a liquidation (M1).
    """
    terms: uint256 = ledger.terms
    return fund_words._liquidator_bps(terms), fund_words._fund_bps(terms)


@view
@external
def window() -> IInsuranceFund.Window:
    """
    @notice The leaky bucket of payouts (M11).
    """
    word: uint256 = ledger.window
    return IInsuranceFund.Window(
        cap=fund_words._cap(word),
        length=ledger.window_length,
        spent=fund_words._spent(word),
        last=fund_words._last(word),
        left=ledger._window_left(word),
    )


@view
@external
def payouts_resume_at() -> uint256:
    """
    @notice When payouts go on after the last pause, Unix seconds (M37); 2**32 - 1 before `finish_setup`, 2**32 - 2 once
            the fund is closed (M18).
    """
    return fund_words._resume_at(ledger.pot)


@view
@external
def payouts_paused() -> bool:
    """
    @notice Whether payouts are stopped now (M37).
    """
    return pause._is_paused(fund_words._resume_at(ledger.pot))


@view
@external
def layers() -> IInsuranceFund.Layers:
    """
    @notice The layers behind the reserve (M10).
    """
    return IInsuranceFund.Layers(
        staked=fund_layers._at(0),
        staked_suspended_until=fund_layers.places[0] >> 160,
        reinsurance=fund_layers._at(1),
        reinsurance_suspended_until=fund_layers.places[1] >> 160,
        staker_bps=fund_layers.staker_bps,
    )


# ------------------------------------------------------------ what would be

@view
@external
def excess() -> uint256:
    """
    @notice What a treasurer may withdraw, were payouts not paused, base units (M8).
    """
    return limits._left(
        fund_words._reserve(ledger.pot), ledger._ceiling(ledger.terms)
    )


@view
@external
def room() -> uint256:
    """
    @notice What the reserve lacks to threshold and bad debt, base units (M1).
    """
    return limits._left(
        ledger._ceiling(ledger.terms), fund_words._reserve(ledger.pot)
    )


@view
@external
def preview_split(
    venue: address, market_id: uint256, collateral: uint256
) -> IInsuranceFund.Split:
    """
    @notice What `settle_liquidation` would give now (M1).
    """
    word: uint256 = 0
    owed: uint256 = 0
    word, owed = ledger._account(venue, market_id)
    fund_words._check_width(collateral)
    reserve: uint256 = fund_words._reserve(ledger.pot)
    return split._split_floor(collateral, ledger.terms, owed, reserve)


@view
@external
def coverage(venue: address, market_id: uint256) -> uint256:
    """
    @notice The most that a shortfall of a market would be paid now, base units (M11); 0 while payouts are paused.
    """
    return ledger._coverage(venue, market_id)
