# pragma version 0.4.3

"""
@title Settings
@license AGPL-3.0-only
@author Kana
@notice What governance sets in the books of a fund: its markets, their maxima, threshold, split and window. Bounds are
        checked here, so that no setting can brick the fund; who may set, and after what notice, is the host's.
@dev A setter returns whether more can be drawn after it (M9).
"""

from contracts.interfaces import IInsuranceFund

from contracts.modules import checks
from contracts.modules import fund_words
from contracts.modules import ledger

uses: ledger

# ---------------------------------------------------------------- constants

# Most that the shares of a liquidation may be; at most 8000 bps together.
MAX_LIQUIDATOR_BPS: constant(uint256) = 5_000
MAX_FUND_BPS: constant(uint256) = 3_000
# Bounds of the window's length, seconds.
MIN_WINDOW: constant(uint256) = 3_600
MAX_WINDOW: constant(uint256) = 30 * 86_400

# ------------------------------------------------------------------ markets

@internal
def _register(venue: address, market_id: uint256, is_perp: bool):
    """
    @notice A new market with a maximum of 0 (M12).
    """
    ledger._put(venue, market_id, fund_words._market(is_perp))
    log IInsuranceFund.MarketRegistered(
        venue=venue, market_id=market_id, is_perp=is_perp
    )


@internal
def _move(venue: address, market_id: uint256, new_venue: address):
    """
    @notice A market with all that is kept of it goes to another venue.
    """
    market: uint256 = ledger._market(venue, market_id)
    ledger._put(new_venue, market_id, market)
    ledger.markets[venue][market_id] = 0
    ledger.bad_debts[new_venue][market_id] = ledger.bad_debts[venue][market_id]
    ledger.bad_debts[venue][market_id] = 0
    log IInsuranceFund.VenueReplaced(
        venue=venue, market_id=market_id, new_venue=new_venue
    )


@internal
def _release(venue: address, market_id: uint256):
    """
    @notice Forget a market that owes nothing (T41).
    """
    market: uint256 = ledger._market(venue, market_id)
    checks._require(
        not fund_words._has_bad_debt(market), "fund: market has bad debt"
    )
    ledger.markets[venue][market_id] = 0
    log IInsuranceFund.MarketReleased(venue=venue, market_id=market_id)


@internal
def _set_max_insurance(
    venue: address, market_id: uint256, max_insurance: uint256
) -> bool:
    """
    @return Whether more can be drawn now.
    """
    market: uint256 = ledger._market(venue, market_id)
    fund_words._check_width(max_insurance)
    old: uint256 = fund_words._max_insurance(market)
    ledger.markets[venue][market_id] = fund_words._with_max_insurance(
        market, max_insurance
    )
    log IInsuranceFund.MaxInsuranceSet(
        venue=venue, market_id=market_id, old=old, new=max_insurance
    )
    return max_insurance > old


# -------------------------------------------------------------- parameters

@internal
def _set_threshold(threshold: uint256) -> bool:
    """
    @return Whether more can be drawn now.
    """
    checks._require(threshold > 0, "fund: zero threshold")
    fund_words._check_width(threshold)
    terms: uint256 = ledger.terms
    old: uint256 = fund_words._threshold(terms)
    ledger.terms = fund_words._with_threshold(terms, threshold)
    log IInsuranceFund.ThresholdSet(old=old, new=threshold)
    return threshold < old


@internal
def _set_split(liquidator_bps: uint256, fund_bps: uint256):
    """
    @notice Set the shares of a liquidation (M1).
    """
    checks._require(
        liquidator_bps <= MAX_LIQUIDATOR_BPS and fund_bps <= MAX_FUND_BPS,
        "fund: split out of bounds",
    )
    terms: uint256 = ledger.terms
    log IInsuranceFund.SplitSet(
        old_liquidator_bps=fund_words._liquidator_bps(terms),
        old_fund_bps=fund_words._fund_bps(terms),
        liquidator_bps=liquidator_bps,
        fund_bps=fund_bps,
    )
    ledger.terms = fund_words._with_split(terms, liquidator_bps, fund_bps)


@internal
def _set_window(cap: uint256, length: uint256) -> bool:
    """
    @notice Set cap and length; the level of the last payment stays and decays by the new ones.
    @return Whether more can be drawn now. While there is no cap, any bound lets less be drawn.
    """
    fund_words._check_width(cap)
    checks._require(
        length >= MIN_WINDOW and length <= MAX_WINDOW,
        "fund: window out of bounds",
    )
    window: uint256 = ledger.window
    old_cap: uint256 = fund_words._cap(window)
    old_length: uint256 = ledger.window_length
    ledger.window = fund_words._window(
        cap, fund_words._spent(window), fund_words._last(window)
    )
    ledger.window_length = length
    log IInsuranceFund.WindowSet(
        old_cap=old_cap, old_length=old_length, cap=cap, length=length
    )
    return old_cap > 0 and (cap == 0 or cap > old_cap or length < old_length)
