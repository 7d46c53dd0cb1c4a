# pragma version 0.4.3

"""
@title Ledger
@license AGPL-3.0-only
@author Kana
@notice The books of a fund: reserve, contributions, markets, bad debt, limits. It asks nobody who he is, and moves no
        token but those that layers pay; all else is its host's.
@dev What a hot operation reads and writes is passed along as words, read once and written once; see fund_words.
"""

from contracts.interfaces import IInsuranceFund

from contracts.modules import checks
from contracts.modules import fund_layers
from contracts.modules import fund_words
from contracts.modules import limits
from contracts.modules import pause
from contracts.modules import split

uses: fund_layers

# Where fees go (M24); `amount - repaid` leaves the venue.
struct Fees:
    repaid: uint256  # bad debt of the market; stays in the venue
    booked: uint256  # to the reserve
    forwarded: uint256  # to the treasury
    layers: uint256[2]  # premium, and stream of the staked layer


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
    if pot >> 224 >= fund_words.CLOSED:
        self._check_not_closed()
        checks._refuse("fund: setup not finished")
    return pot


@internal
@view
def _check_not_closed():
    """
    @notice The fund wasn't handed over (M18).
    """
    checks._require(
        fund_words._resume_at(self.pot) != fund_words.CLOSED, "fund: closed"
    )


@internal
@view
def _market(venue: address, market_id: uint256) -> uint256:
    """
    @notice The word of a market that the venue is registered for.
    """
    market: uint256 = self.markets[venue][market_id]
    if market == 0:
        checks._refuse("fund: unknown market")
    return market


@internal
@view
def _account(venue: address, market_id: uint256) -> (uint256, uint256):
    """
    @notice The word of a registered market, and its bad debt.
    """
    market: uint256 = self._market(venue, market_id)
    return market, self._bad_debt(venue, market_id, market)


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
    resume_at: uint256 = fund_words._resume_at(pot)
    if pause._is_paused(resume_at):
        checks._refuse("fund: payouts paused")


@internal
@pure
def _ceiling(terms: uint256) -> uint256:
    """
    @notice What the reserve is kept at: threshold and bad debt. Below it lies the room (M1), above it the excess (M8).
    """
    return (terms & fund_words.MAX_AMOUNT) + (
        (terms >> 112) & fund_words.MAX_AMOUNT
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
@view
def _coverage(venue: address, market_id: uint256) -> uint256:
    """
    @notice The most that a shortfall would be paid now.
    """
    market: uint256 = self.markets[venue][market_id]
    pot: uint256 = self.pot
    if market == 0 or pause._is_paused(fund_words._resume_at(pot)):
        return 0
    means: uint256 = fund_words._reserve(pot) + fund_layers._means()
    covered: uint256 = min(means, self._window_left(self.window))
    if fund_words._is_perp(market):
        maximum: uint256 = fund_words._max_insurance(market)
        used: uint256 = fund_words._used(market)
        covered = min(covered, limits._left(maximum, used))
    return covered


# ------------------------------------------------------------------ markets

@internal
def _put(venue: address, market_id: uint256, market: uint256):
    """
    @notice Enter a market that isn't known.
    """
    checks._require(venue.is_contract, "fund: venue without code")
    checks._require(
        self.markets[venue][market_id] == 0, "fund: market registered"
    )
    self.markets[venue][market_id] = market


# ------------------------------------------------------------------- inflow

@internal
def _contribute(contributor: address, amount: uint256):
    """
    @notice Book a contribution, above the threshold too (M7).
    """
    # Written out, for gas, what `fund_words` does elsewhere: this is the one call that people pay for themselves.
    pot: uint256 = self.pot
    if pot >> 224 >= fund_words.CLOSED:
        self._open_pot()
    if amount == 0:
        fund_words._check_positive(amount)
    if amount >> 112 > 0:
        fund_words._check_width(amount)
    if contributor == empty(address):
        checks._refuse("fund: zero address")
    reserve: uint256 = (pot & fund_words.MAX_AMOUNT) + amount
    total: uint256 = ((pot >> 112) & fund_words.MAX_AMOUNT) + amount
    # Both fit when their union does.
    if (reserve | total) >> 112 > 0:
        fund_words._check_width(reserve | total)
    self.pot = pot + (amount | (amount << 112))
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
    reserve: uint256,
    terms: uint256,
) -> IInsuranceFund.Split:
    """
    @notice Split what a liquidation left (M1), and book it all but for the reserve's gain `fund - repaid`, which the
            caller adds to the pot, where it fits.
    @dev The checks are written out, for gas, and made by a call only where they refuse: each liquidation of every venue
         passes here.
    """
    market: uint256 = self.markets[venue][market_id]
    if market == 0:
        self._market(venue, market_id)
    if collateral == 0:
        return empty(IInsuranceFund.Split)
    if collateral >> 112 > 0:
        fund_words._check_width(collateral)
    # Most markets have cost nothing and owe nothing: then their word stays as it is.
    is_quiet: bool = market & fund_words.QUIET_MASK == 0
    bad_debt: uint256 = 0
    if not is_quiet:
        bad_debt = self._bad_debt(venue, market_id, market)
    parts: IInsuranceFund.Split = split._split_floor(
        collateral, terms, bad_debt, reserve
    )
    after: uint256 = reserve + parts.fund
    if not is_quiet:
        after -= parts.repaid
        self._credit(
            venue, market_id, market, bad_debt, parts.repaid, after - reserve
        )
    if after >> 112 > 0:
        fund_words._check_width(after)
    log IInsuranceFund.LiquidationSettled(
        venue=venue,
        market_id=market_id,
        collateral=collateral,
        liquidator=parts.liquidator,
        fund=parts.fund,
        repaid=parts.repaid,
        reserve=after,
    )
    return parts


@internal
def _settle_fees(
    venue: address, market_id: uint256, amount: uint256, pot: uint256
) -> Fees:
    """
    @notice Divide fees between bad debt, layers, reserve and treasury (M24), and book it all but for the reserve's
            gain, which the caller adds to the pot.
    @dev repaid = min(fees, bad debt);  left = fees - repaid - premiums - stakers' share;  booked = min(left, room);
         left - booked goes to the stream if it takes it, else to the treasury
    """
    market: uint256 = 0
    bad_debt: uint256 = 0
    market, bad_debt = self._account(venue, market_id)
    fees: Fees = empty(Fees)
    if amount == 0:
        return fees
    fund_words._check_width(amount)
    fees.repaid = min(amount, bad_debt)
    shares: fund_layers.Shares = fund_layers._shares(amount - fees.repaid)
    fees.layers = shares.premiums
    premiums: uint256 = shares.premiums[0] + shares.premiums[1]
    left: uint256 = amount - fees.repaid - premiums - shares.streamed
    reserve: uint256 = fund_words._reserve(pot)
    fees.booked = min(
        left, limits._left(self._ceiling(self.terms) - fees.repaid, reserve)
    )
    fees.forwarded = left - fees.booked
    if shares.takes:
        shares.streamed += fees.forwarded
        fees.forwarded = 0
        fees.layers[0] += shares.streamed
    self._credit(venue, market_id, market, bad_debt, fees.repaid, fees.booked)
    log IInsuranceFund.FeesSettled(
        venue=venue,
        market_id=market_id,
        amount=amount,
        repaid=fees.repaid,
        premiums=premiums,
        streamed=shares.streamed,
        booked=fees.booked,
        forwarded=fees.forwarded,
        reserve=reserve + fees.booked,
    )
    return fees


@internal
def _credit(
    venue: address,
    market_id: uint256,
    market: uint256,
    bad_debt: uint256,
    repaid: uint256,
    booked: uint256,
):
    """
    @notice Credit a market with what it pays. Its use falls by what the reserve gains, not by what repays bad debt
            (M12).
    """
    new_market: uint256 = market
    if repaid > 0:
        new_market = self._repay(venue, market_id, market, bad_debt, repaid)
    used: uint256 = fund_words._used(market)
    if used > 0:
        new_market = fund_words._with_used(
            new_market, limits._left(used, booked)
        )
    if new_market != market:
        self.markets[venue][market_id] = new_market


@internal
def _repay(
    venue: address,
    market_id: uint256,
    market: uint256,
    bad_debt: uint256,
    amount: uint256,
) -> uint256:
    """
    @notice Strike bad debt off (M14).
    @return The market's word after it, which the caller stores.
    """
    rest: uint256 = bad_debt - amount
    total: uint256 = self._owe(venue, market_id, rest, 0, amount)
    log IInsuranceFund.BadDebtRepaid(
        venue=venue,
        market_id=market_id,
        amount=amount,
        bad_debt=rest,
        total_bad_debt=total,
    )
    return fund_words._with_bad_debt(market, rest > 0)


@internal
def _owe(
    venue: address,
    market_id: uint256,
    bad_debt: uint256,
    more: uint256,
    less: uint256,
) -> uint256:
    """
    @notice Store a market's bad debt, which has become more or less by so much.
    @return Total of bad debt.
    """
    self.bad_debts[venue][market_id] = bad_debt
    terms: uint256 = self.terms
    total: uint256 = fund_words._total_bad_debt(terms) + more - less
    self.terms = fund_words._with_total_bad_debt(terms, total)
    return total


@internal
def _repay_reported(venue: address, market_id: uint256, amount: uint256):
    """
    @notice Strike off bad debt that somebody repaid to the venue (M14).
    """
    market: uint256 = 0
    bad_debt: uint256 = 0
    market, bad_debt = self._account(venue, market_id)
    fund_words._check_positive(amount)
    checks._require(amount <= bad_debt, "fund: above bad debt")
    self.markets[venue][market_id] = self._repay(
        venue, market_id, market, bad_debt, amount
    )


@internal
def _record(venue: address, market_id: uint256, amount: uint256):
    """
    @notice Record bad debt of a market (M14).
    """
    market: uint256 = 0
    bad_debt: uint256 = 0
    market, bad_debt = self._account(venue, market_id)
    fund_words._check_positive(amount)
    fund_words._check_width(amount)
    bad_debt += amount
    total: uint256 = self._owe(venue, market_id, bad_debt, amount, 0)
    self.markets[venue][market_id] = fund_words._with_bad_debt(market, True)
    log IInsuranceFund.BadDebtRecorded(
        venue=venue,
        market_id=market_id,
        amount=amount,
        bad_debt=bad_debt,
        total_bad_debt=total,
    )


# ------------------------------------------------------------------ outflow

@internal
def _cover(
    venue: address, market_id: uint256, shortfall: uint256, pot: uint256
) -> uint256:
    """
    @notice Book the payment of a shortfall as far as limits and means reach (M11); what layers pay comes in here.
    @dev covered = min(S, max(max_insurance - used, 0), window left, what can be paid), without the maximum for a
         lending pool (M15)
    @return The amount paid.
    """
    market: uint256 = self._market(venue, market_id)
    if block.timestamp < pot >> 224:
        self._check_running(pot)
    if shortfall == 0:
        return 0
    fund_words._check_width(shortfall)
    allowed: uint256 = shortfall
    used: uint256 = fund_words._used(market)
    is_perp: bool = fund_words._is_perp(market)
    if is_perp:
        maximum: uint256 = fund_words._max_insurance(market)
        allowed = min(shortfall, limits._left(maximum, used))
    window: uint256 = self.window
    cap: uint256 = fund_words._cap(window)
    level: uint256 = 0
    if cap > 0:
        level = self._window_level_ceil(window)
        allowed = min(allowed, limits._left(cap, level))
    # The reserve first; what it lacks, the layers in their order (M10). Only then are they read.
    reserve: uint256 = fund_words._reserve(pot)
    paid: uint256 = min(allowed, reserve)
    reserve -= paid
    if paid > 0:
        self.pot = pot - paid
    if paid < allowed:
        paid += fund_layers._draw(allowed - paid, paid)
    if paid > 0:
        if is_perp:
            used += paid
            self.markets[venue][market_id] = fund_words._with_used(market, used)
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
def _withdraw(amount: uint256, pot: uint256) -> uint256:
    """
    @notice Take `amount` of the excess out of the reserve (M8).
    @return The reserve after it.
    """
    if block.timestamp < pot >> 224:
        self._check_running(pot)
    fund_words._check_positive(amount)
    reserve: uint256 = fund_words._reserve(pot)
    excess: uint256 = limits._left(reserve, self._ceiling(self.terms))
    checks._require(excess > 0, "fund: below threshold")
    checks._require(amount <= excess, "fund: above excess")
    self.pot = pot - amount
    return reserve - amount


# ------------------------------------------------------------------- pauses

@internal
@view
def _next_resume_at(last: uint256, duration: uint256) -> uint256:
    """
    @notice When a pause of payouts, or a suspension of a layer, ends that begins now (M37).
    @param last The end of the one before.
    """
    checks._require(duration > 0, "fund: zero duration")
    checks._require(pause._fits(duration), "fund: pause too long")
    checks._require(pause._is_rested(last), "fund: paused too recently")
    return block.timestamp + duration
