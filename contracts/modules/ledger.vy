# pragma version 0.4.3

"""
@title Ledger
@license AGPL-3.0-only
@author Kana
@notice The books of a fund: reserve, contributions, markets, bad debt, limits. It moves no token and asks nobody who
        he is; both are its host's.
@dev What a hot operation reads and writes is passed along as words, read once and written once; see fund_words.
"""

from contracts.interfaces import IInsuranceFund

from contracts.modules import fund_words
from contracts.modules import limits
from contracts.modules import pause
from contracts.modules import split

# ---------------------------------------------------------------- constants

# Most that the shares of a liquidation may be; at most 8000 bps together.
MAX_LIQUIDATOR_BPS: constant(uint256) = 5_000
MAX_FUND_BPS: constant(uint256) = 3_000
# Bounds of the window's length, seconds.
MIN_WINDOW: constant(uint256) = 3_600
MAX_WINDOW: constant(uint256) = 30 * 86_400

# ------------------------------------------------------------------ storage

# Reserve, total of contributions, end of the last pause of payouts: what a contribution writes.
pot: uint256
# Threshold, total of bad debt, shares of a liquidation: what a settlement reads.
terms: uint256
# The leaky bucket: cap, level and time of the last payment.
window: uint256
# Seconds in which a full bucket drains; read only while there is a cap.
window_length: uint256
# Maximum, use and flags of a market by venue and the venue's id.
markets: HashMap[address, HashMap[uint256, uint256]]
# Bad debt of a market, base units; read only where the market's word says that there is some.
bad_debts: HashMap[address, HashMap[uint256, uint256]]
# Contributed by account, ever, base units (I13).
contributions: HashMap[address, uint256]

# -------------------------------------------------------------------- reads

@internal
@view
def _open_pot() -> uint256:
    """
    @notice The pot, once the fund takes money.
    """
    pot: uint256 = self.pot
    assert (
        fund_words._resume_at(pot) != fund_words.NOT_OPEN
    ), "fund: setup not finished"
    return pot


@internal
@view
def _market(venue: address, market_id: uint256) -> uint256:
    """
    @notice The word of a market that the venue is registered for.
    """
    market: uint256 = self.markets[venue][market_id]
    assert fund_words._is_registered(market), "fund: unknown market"
    return market


@internal
@view
def _bad_debt(venue: address, market_id: uint256, market: uint256) -> uint256:
    if not fund_words._has_bad_debt(market):
        return 0
    return self.bad_debts[venue][market_id]


@internal
@view
def _check_running(pot: uint256):
    """
    @notice Payouts aren't paused (M37).
    """
    assert not pause._is_paused(
        fund_words._resume_at(pot)
    ), "fund: payouts paused"


@internal
@pure
def _ceiling(terms: uint256) -> uint256:
    """
    @notice What the reserve is kept at: threshold and bad debt. Below it lies the room (M1), above it the excess (M8).
    """
    return fund_words._threshold(terms) + fund_words._total_bad_debt(terms)


@internal
@pure
def _fund_bps(terms: uint256) -> uint256:
    """
    @notice The fund's share of a liquidation now (M35: the one place where it could move with the coverage).
    """
    return fund_words._fund_bps(terms)


@internal
@view
def _preview(
    venue: address, market_id: uint256, collateral: uint256
) -> IInsuranceFund.Split:
    market: uint256 = self._market(venue, market_id)
    assert collateral <= fund_words.MAX_AMOUNT, "fund: amount too large"
    terms: uint256 = self.terms
    return split._split_floor(
        collateral,
        fund_words._liquidator_bps(terms),
        self._fund_bps(terms),
        self._bad_debt(venue, market_id, market),
        self._ceiling(terms),
        fund_words._reserve(self.pot),
    )


@internal
@view
def _window_left(window: uint256) -> uint256:
    """
    @notice What the window lets through now; without a cap, everything.
    """
    cap: uint256 = fund_words._cap(window)
    if cap == 0:
        return fund_words.MAX_AMOUNT
    return limits._left(cap, self._window_level_ceil(window))


@internal
@view
def _window_level_ceil(window: uint256) -> uint256:
    """
    @notice The bucket's level now; the window has a cap.
    """
    return limits._level_ceil(
        fund_words._spent(window),
        fund_words._cap(window),
        block.timestamp - fund_words._last(window),
        self.window_length,
    )


@internal
@pure
def _market_limit(market: uint256) -> uint256:
    """
    @notice What its maximum lets a market cost yet (M11); a lending pool has none (M15).
    """
    if not fund_words._is_perp(market):
        return fund_words.MAX_AMOUNT
    return limits._left(
        fund_words._max_insurance(market), fund_words._used(market)
    )


@internal
@view
def _coverage(venue: address, market_id: uint256) -> uint256:
    """
    @notice The most that a shortfall would be paid now.
    """
    market: uint256 = self.markets[venue][market_id]
    pot: uint256 = self.pot
    if not fund_words._is_registered(market) or pause._is_paused(
        fund_words._resume_at(pot)
    ):
        return 0
    limit: uint256 = self._market_limit(market)
    left: uint256 = self._window_left(self.window)
    return min(min(limit, left), fund_words._reserve(pot))


# ------------------------------------------------------------------- inflow

@internal
def _contribute(contributor: address, amount: uint256, pot: uint256):
    """
    @notice Book a contribution, above the threshold too (M7).
    """
    assert contributor != empty(address), "fund: zero address"
    assert amount <= fund_words.MAX_AMOUNT, "fund: amount too large"
    reserve: uint256 = fund_words._reserve(pot) + amount
    self.pot = fund_words._pot(
        reserve,
        fund_words._contributions(pot) + amount,
        fund_words._resume_at(pot),
    )
    contributed: uint256 = self.contributions[contributor] + amount
    self.contributions[contributor] = contributed
    log IInsuranceFund.Contributed(
        contributor=contributor,
        amount=amount,
        contributed=contributed,
        reserve=reserve,
    )


@internal
def _settle(
    venue: address,
    market_id: uint256,
    collateral: uint256,
    pot: uint256,
    terms: uint256,
) -> (IInsuranceFund.Split, uint256, uint256):
    """
    @notice Split what a liquidation left and book the fund's part (M1).
    @return The split, and pot and terms after it, which the caller stores.
    """
    market: uint256 = self._market(venue, market_id)
    assert collateral <= fund_words.MAX_AMOUNT, "fund: amount too large"
    if collateral == 0:
        return empty(IInsuranceFund.Split), pot, terms
    bad_debt: uint256 = self._bad_debt(venue, market_id, market)
    parts: IInsuranceFund.Split = split._split_floor(
        collateral,
        fund_words._liquidator_bps(terms),
        self._fund_bps(terms),
        bad_debt,
        self._ceiling(terms),
        fund_words._reserve(pot),
    )
    new_pot: uint256 = pot
    new_terms: uint256 = terms
    if parts.fund > 0:
        new_pot, new_terms = self._book(
            venue,
            market_id,
            market,
            bad_debt,
            parts.repaid,
            parts.fund - parts.repaid,
            pot,
            terms,
        )
    log IInsuranceFund.LiquidationSettled(
        venue=venue,
        market_id=market_id,
        collateral=collateral,
        liquidator=parts.liquidator,
        fund=parts.fund,
        repaid=parts.repaid,
        reserve=fund_words._reserve(new_pot),
    )
    return parts, new_pot, new_terms


@internal
def _settle_fees(
    venue: address,
    market_id: uint256,
    amount: uint256,
    pot: uint256,
    terms: uint256,
) -> (uint256, uint256, uint256, uint256):
    """
    @notice Divide fees between bad debt, reserve and treasury (M24).
    @return What repaid bad debt, what the reserve takes, and pot and terms after it, which the caller stores.
    """
    market: uint256 = self._market(venue, market_id)
    assert amount <= fund_words.MAX_AMOUNT, "fund: amount too large"
    if amount == 0:
        return 0, 0, pot, terms
    bad_debt: uint256 = self._bad_debt(venue, market_id, market)
    repaid: uint256 = 0
    booked: uint256 = 0
    repaid, booked = split._divide(
        amount, bad_debt, self._ceiling(terms), fund_words._reserve(pot)
    )
    new_pot: uint256 = pot
    new_terms: uint256 = terms
    if repaid + booked > 0:
        new_pot, new_terms = self._book(
            venue, market_id, market, bad_debt, repaid, booked, pot, terms
        )
    log IInsuranceFund.FeesSettled(
        venue=venue,
        market_id=market_id,
        amount=amount,
        repaid=repaid,
        booked=booked,
        forwarded=amount - repaid - booked,
        reserve=fund_words._reserve(new_pot),
    )
    return repaid, booked, new_pot, new_terms


@internal
def _book(
    venue: address,
    market_id: uint256,
    market: uint256,
    bad_debt: uint256,
    repaid: uint256,
    booked: uint256,
    pot: uint256,
    terms: uint256,
) -> (uint256, uint256):
    """
    @notice Book what a market pays. Its use falls by what the reserve gains, not by what repays bad debt (M12).
    @return Pot and terms after it.
    """
    new_market: uint256 = market
    new_terms: uint256 = terms
    if repaid > 0:
        new_market, new_terms = self._repay(
            venue, market_id, market, bad_debt, repaid, terms
        )
    used: uint256 = fund_words._used(market)
    if used > 0:
        new_market = fund_words._with_limits(
            new_market,
            fund_words._max_insurance(market),
            limits._left(used, booked),
        )
    if new_market != market:
        self.markets[venue][market_id] = new_market
    return (
        fund_words._with_reserve(pot, fund_words._reserve(pot) + booked),
        new_terms,
    )


@internal
def _repay(
    venue: address,
    market_id: uint256,
    market: uint256,
    bad_debt: uint256,
    amount: uint256,
    terms: uint256,
) -> (uint256, uint256):
    """
    @notice Strike bad debt off (M14).
    @return The market's word and the terms after it, which the caller stores.
    """
    rest: uint256 = bad_debt - amount
    self.bad_debts[venue][market_id] = rest
    total: uint256 = fund_words._total_bad_debt(terms) - amount
    log IInsuranceFund.BadDebtRepaid(
        venue=venue,
        market_id=market_id,
        amount=amount,
        bad_debt=rest,
        total_bad_debt=total,
    )
    return (
        fund_words._with_bad_debt(market, rest > 0),
        fund_words._with_total_bad_debt(terms, total),
    )


@internal
def _store(pot: uint256, new_pot: uint256, terms: uint256, new_terms: uint256):
    """
    @notice Write what has changed.
    """
    if new_pot != pot:
        self.pot = new_pot
    if new_terms != terms:
        self.terms = new_terms


# ------------------------------------------------------------------ outflow

@internal
def _cover(
    venue: address, market_id: uint256, shortfall: uint256, pot: uint256
) -> uint256:
    """
    @notice Book the payment of a shortfall as far as limits and means reach (M11).
    @dev covered = min(S, max(max_insurance - used, 0), window left, what can be paid)
    @return The amount paid.
    """
    market: uint256 = self._market(venue, market_id)
    self._check_running(pot)
    assert shortfall <= fund_words.MAX_AMOUNT, "fund: amount too large"
    if shortfall == 0:
        return 0
    allowed: uint256 = min(shortfall, self._market_limit(market))
    window: uint256 = self.window
    cap: uint256 = fund_words._cap(window)
    level: uint256 = 0
    if cap > 0:
        level = self._window_level_ceil(window)
        allowed = min(allowed, limits._left(cap, level))

    paid: uint256 = 0
    reserve: uint256 = 0
    paid, reserve = self._draw(allowed, fund_words._reserve(pot))
    used: uint256 = fund_words._used(market)
    if paid > 0:
        self.pot = fund_words._with_reserve(pot, reserve)
        if fund_words._is_perp(market):
            used += paid
            self.markets[venue][market_id] = fund_words._with_limits(
                market, fund_words._max_insurance(market), used
            )
        if cap > 0:
            self.window = fund_words._window(cap, level + paid, block.timestamp)
    log IInsuranceFund.ShortfallCovered(
        venue=venue,
        market_id=market_id,
        shortfall=shortfall,
        covered=paid,
        used=used,
        reserve=reserve,
    )
    return paid


@internal
@pure
def _draw(amount: uint256, reserve: uint256) -> (uint256, uint256):
    """
    @notice Take up to `amount` from what is there, in the order of M10. The reserve is all there is; layers behind it
            belong here, after it, and nowhere else.
    @return What was found, and the reserve after it.
    """
    paid: uint256 = min(amount, reserve)
    return paid, reserve - paid


@internal
def _record(venue: address, market_id: uint256, amount: uint256):
    """
    @notice Record bad debt of a market (M14).
    """
    market: uint256 = self._market(venue, market_id)
    self._check_amount(amount)
    bad_debt: uint256 = self._bad_debt(venue, market_id, market) + amount
    terms: uint256 = self.terms
    total: uint256 = fund_words._total_bad_debt(terms) + amount
    self.terms = fund_words._with_total_bad_debt(terms, total)
    self.bad_debts[venue][market_id] = bad_debt
    self.markets[venue][market_id] = fund_words._with_bad_debt(market, True)
    log IInsuranceFund.BadDebtRecorded(
        venue=venue,
        market_id=market_id,
        amount=amount,
        bad_debt=bad_debt,
        total_bad_debt=total,
    )


@internal
@pure
def _check_amount(amount: uint256):
    assert amount > 0, "fund: zero amount"
    assert amount <= fund_words.MAX_AMOUNT, "fund: amount too large"


@internal
def _repay_reported(venue: address, market_id: uint256, amount: uint256):
    """
    @notice Strike off bad debt that somebody repaid to the venue (M14).
    """
    market: uint256 = self._market(venue, market_id)
    self._check_amount(amount)
    bad_debt: uint256 = self._bad_debt(venue, market_id, market)
    assert amount <= bad_debt, "fund: above bad debt"
    new_market: uint256 = 0
    new_terms: uint256 = 0
    new_market, new_terms = self._repay(
        venue, market_id, market, bad_debt, amount, self.terms
    )
    self.markets[venue][market_id] = new_market
    self.terms = new_terms


@internal
def _withdraw(amount: uint256, pot: uint256) -> uint256:
    """
    @notice Take `amount` of the excess out of the reserve (M8).
    @return The reserve after it.
    """
    self._check_running(pot)
    assert amount > 0, "fund: zero amount"
    reserve: uint256 = fund_words._reserve(pot)
    excess: uint256 = limits._left(reserve, self._ceiling(self.terms))
    assert excess > 0, "fund: below threshold"
    assert amount <= excess, "fund: above excess"
    self.pot = fund_words._with_reserve(pot, reserve - amount)
    return reserve - amount


# -------------------------------------------------------------- parameters

@internal
def _register(venue: address, market_id: uint256, is_perp: bool):
    """
    @notice A new market with a maximum of 0 (M12).
    """
    self._put(venue, market_id, fund_words._market(is_perp))
    log IInsuranceFund.MarketRegistered(
        venue=venue, market_id=market_id, is_perp=is_perp
    )


@internal
def _move(venue: address, market_id: uint256, new_venue: address):
    """
    @notice A market with all that is kept of it goes to another venue.
    """
    market: uint256 = self._market(venue, market_id)
    self._put(new_venue, market_id, market)
    self.markets[venue][market_id] = 0
    self.bad_debts[new_venue][market_id] = self.bad_debts[venue][market_id]
    self.bad_debts[venue][market_id] = 0
    log IInsuranceFund.VenueReplaced(
        venue=venue, market_id=market_id, new_venue=new_venue
    )


@internal
def _put(venue: address, market_id: uint256, market: uint256):
    assert venue.is_contract, "fund: venue without code"
    assert self.markets[venue][market_id] == 0, "fund: market registered"
    self.markets[venue][market_id] = market


@internal
def _release(venue: address, market_id: uint256):
    """
    @notice Forget a market that owes nothing (T41).
    """
    market: uint256 = self._market(venue, market_id)
    assert not fund_words._has_bad_debt(market), "fund: market has bad debt"
    self.markets[venue][market_id] = 0
    log IInsuranceFund.MarketReleased(venue=venue, market_id=market_id)


@internal
def _set_max_insurance(
    venue: address, market_id: uint256, max_insurance: uint256
) -> bool:
    """
    @return Whether more can be drawn now.
    """
    market: uint256 = self._market(venue, market_id)
    assert max_insurance <= fund_words.MAX_AMOUNT, "fund: amount too large"
    old: uint256 = fund_words._max_insurance(market)
    self.markets[venue][market_id] = fund_words._with_limits(
        market, max_insurance, fund_words._used(market)
    )
    log IInsuranceFund.MaxInsuranceSet(
        venue=venue, market_id=market_id, old=old, new=max_insurance
    )
    return max_insurance > old


@internal
def _set_threshold(threshold: uint256) -> bool:
    """
    @return Whether more can be drawn now.
    """
    assert threshold > 0, "fund: zero threshold"
    assert threshold <= fund_words.MAX_AMOUNT, "fund: amount too large"
    terms: uint256 = self.terms
    old: uint256 = fund_words._threshold(terms)
    self.terms = fund_words._terms(
        threshold,
        fund_words._total_bad_debt(terms),
        fund_words._liquidator_bps(terms),
        fund_words._fund_bps(terms),
    )
    log IInsuranceFund.ThresholdSet(old=old, new=threshold)
    return threshold < old


@internal
def _set_split(liquidator_bps: uint256, fund_bps: uint256):
    assert liquidator_bps <= MAX_LIQUIDATOR_BPS, "fund: split out of bounds"
    assert fund_bps <= MAX_FUND_BPS, "fund: split out of bounds"
    terms: uint256 = self.terms
    self.terms = fund_words._terms(
        fund_words._threshold(terms),
        fund_words._total_bad_debt(terms),
        liquidator_bps,
        fund_bps,
    )
    log IInsuranceFund.SplitSet(
        old_liquidator_bps=fund_words._liquidator_bps(terms),
        old_fund_bps=fund_words._fund_bps(terms),
        liquidator_bps=liquidator_bps,
        fund_bps=fund_bps,
    )


@internal
def _set_window(cap: uint256, length: uint256) -> bool:
    """
    @notice Set cap and length; the level of the last payment stays and decays by the new ones.
    @return Whether more can be drawn now. While there is no cap, any bound lets less be drawn.
    """
    assert cap <= fund_words.MAX_AMOUNT, "fund: amount too large"
    assert length >= MIN_WINDOW, "fund: window out of bounds"
    assert length <= MAX_WINDOW, "fund: window out of bounds"
    window: uint256 = self.window
    old_cap: uint256 = fund_words._cap(window)
    old_length: uint256 = self.window_length
    self.window = fund_words._window(
        cap, fund_words._spent(window), fund_words._last(window)
    )
    self.window_length = length
    log IInsuranceFund.WindowSet(
        old_cap=old_cap, old_length=old_length, cap=cap, length=length
    )
    return old_cap > 0 and (cap == 0 or cap > old_cap or length < old_length)


@internal
def _set_resume_at(pot: uint256, resume_at: uint256):
    self.pot = fund_words._pot(
        fund_words._reserve(pot), fund_words._contributions(pot), resume_at
    )
