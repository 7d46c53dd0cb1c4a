# pragma version 0.4.3

"""
@title Drawings
@license AGPL-3.0-only
@author Kana
@notice What each fund may draw of a backstop: a limit for life and a leaky bucket, and the premium for it (M23).
@dev Limits are caps: their sum may exceed what there is. A fund that was removed and comes back has drawn what it had.
     Who may set what, after what notice, is the host's.
"""

from contracts.interfaces import IUnderwriter
from contracts.interfaces import IInsuranceFund

from contracts.modules import backstop_words as words
from contracts.modules import fund_words
from contracts.modules import limits

# ---------------------------------------------------------------- constants

# Most funds at once.
MAX_FUNDS: constant(uint256) = 16
# Highest premium, bps.
MAX_PREMIUM: constant(uint256) = 3_000
# Bounds of a window's length, seconds.
MIN_WINDOW: constant(uint256) = 3_600
MAX_WINDOW: constant(uint256) = 30 * 86_400
# Longest pause of a fund, and by how much a hold of exits outlasts it, seconds (M37).
MAX_PAUSE: constant(uint256) = 7 * 86_400
AFTER_PAUSE: constant(uint256) = 86_400

# ------------------------------------------------------------------ storage

# Limit, use and premium of a fund, and whether it is registered.
terms: HashMap[address, uint256]
# Its leaky bucket: cap, level and time of the last payment, as a fund's own (fund_words).
windows: HashMap[address, uint256]
# Seconds in which its full bucket drains.
window_lengths: HashMap[address, uint256]
# The registered ones, in no order.
funds: DynArray[address, MAX_FUNDS]
# Until when a fund wants exits held, Unix seconds.
wants: HashMap[address, uint256]

# ---------------------------------------------------------------- internals

@internal
@view
def _is_registered(fund: address) -> bool:
    return self.terms[fund] & words.REGISTERED != 0


@internal
@view
def _allowed(fund: address) -> (uint256, uint256):
    """
    @notice What limit and window let a fund draw now, and the level of its window, rounded up.
    """
    terms: uint256 = self.terms[fund]
    if terms & words.REGISTERED == 0:
        return 0, 0
    allowed: uint256 = limits._left(words._limit(terms), words._used(terms))
    window: uint256 = self.windows[fund]
    cap: uint256 = fund_words._cap(window)
    if cap == 0:
        return allowed, 0
    level: uint256 = limits._level_ceil(
        fund_words._spent(window),
        cap,
        block.timestamp - fund_words._last(window),
        self.window_lengths[fund],
    )
    return min(allowed, limits._left(cap, level)), level


@internal
def _book(fund: address, level: uint256, paid: uint256):
    """
    @notice Book what a fund drew.
    @param level Of its window before.
    """
    self.terms[fund] += paid << 112
    cap: uint256 = fund_words._cap(self.windows[fund])
    if cap > 0:
        self.windows[fund] = fund_words._window(
            cap, level + paid, block.timestamp
        )


@internal
def _set(
    fund: address,
    asset: address,
    limit: uint256,
    cap: uint256,
    length: uint256,
    premium_bps: uint256,
) -> bool:
    """
    @notice Register a fund of the asset, or change its terms.
    @return Whether more can be drawn now, or the premium is higher (M9). While there is no cap, any bound lets less
            be drawn.
    """
    assert (
        limit <= fund_words.MAX_AMOUNT and cap <= fund_words.MAX_AMOUNT
    ), "layer: amount too large"
    assert (
        length >= MIN_WINDOW and length <= MAX_WINDOW
    ), "layer: window out of bounds"
    assert premium_bps <= MAX_PREMIUM, "layer: premium out of bounds"
    terms: uint256 = self.terms[fund]
    is_new: bool = terms & words.REGISTERED == 0
    if is_new:
        assert fund.is_contract, "layer: fund without code"
        assert (
            staticcall IInsuranceFund(fund).asset() == asset
        ), "layer: other asset"
        assert len(self.funds) < MAX_FUNDS, "layer: too many funds"
        self.funds.append(fund)
    window: uint256 = self.windows[fund]
    old_limit: uint256 = words._limit(terms)
    old_cap: uint256 = fund_words._cap(window)
    old_length: uint256 = self.window_lengths[fund]
    old_premium_bps: uint256 = words._premium_bps(terms)
    self.terms[fund] = words._terms(
        limit, words._used(terms), premium_bps, words.REGISTERED
    )
    self.windows[fund] = fund_words._window(
        cap, fund_words._spent(window), fund_words._last(window)
    )
    self.window_lengths[fund] = length
    log IUnderwriter.FundSet(
        fund=fund,
        old_limit=old_limit,
        old_window_cap=old_cap,
        old_window_length=old_length,
        old_premium_bps=old_premium_bps,
        limit=limit,
        window_cap=cap,
        window_length=length,
        premium_bps=premium_bps,
    )
    wider: bool = old_cap > 0 and (
        cap == 0 or cap > old_cap or length < old_length
    )
    return (
        is_new or wider or limit > old_limit or premium_bps > old_premium_bps
    )


@internal
def _remove(fund: address):
    """
    @notice Forget a fund, but for what it has drawn.
    """
    terms: uint256 = self.terms[fund]
    assert terms & words.REGISTERED != 0, "layer: unknown fund"
    self.terms[fund] = terms & ~words.REGISTERED
    self.wants[fund] = 0
    last: address = self.funds.pop()
    for i: uint256 in range(len(self.funds), bound=MAX_FUNDS):
        if self.funds[i] == fund:
            self.funds[i] = last
    log IUnderwriter.FundRemoved(fund=fund, used=words._used(terms))


@internal
def _want(fund: address, resume_at: uint256) -> uint256:
    """
    @notice Note when a fund's payouts resume.
    @return Until when the funds together want exits held.
    """
    self.wants[fund] = max(
        block.timestamp,
        min(resume_at, block.timestamp + MAX_PAUSE) + AFTER_PAUSE,
    )
    want: uint256 = 0
    for one: address in self.funds:
        want = max(want, self.wants[one])
    return want
