# pragma version 0.4.3

"""
@title Fund words
@license AGPL-3.0-only
@author Kana
@notice The packed words of a fund, field by field. What an operation writes together shares a word.
@dev Lowest bits first:

         pot     reserve 112       | total contributions 112 | payouts resume at 32
         terms   threshold 112     | total bad debt 112      | liquidator bps 16 | fund bps 16
         market  max insurance 112 | used 112                | registered 1 | perp 1 | has bad debt 1
         window  cap 112           | spent 112               | last payment 32

     Amounts are base units of the asset, times Unix seconds. Bounds are checked where values enter; the sums, which
     grow beyond what entered, are checked here as they are packed.
"""

from contracts.modules import checks

# ---------------------------------------------------------------- constants

# Widest stored amount, 112 bits.
MAX_AMOUNT: constant(uint256) = 2**112 - 1
# Instead of the time at which payouts resume: the setup isn't finished, or the fund was handed over (M18). It sits with
# the reserve, so that knowing it costs no operation a read.
NOT_OPEN: constant(uint256) = 2**32 - 1
CLOSED: constant(uint256) = 2**32 - 2
# A pot says the first when it is at least this.
NOT_OPEN_POT: constant(uint256) = NOT_OPEN << 224

# Set in every registered market, so that its word is never 0.
REGISTERED: constant(uint256) = 1 << 224
PERP: constant(uint256) = 1 << 225
BAD_DEBT: constant(uint256) = 1 << 226
# Use and the bit of bad debt.
QUIET_MASK: constant(uint256) = (MAX_AMOUNT << 112) | BAD_DEBT
MASK_16: constant(uint256) = 2**16 - 1
MASK_224: constant(uint256) = 2**224 - 1

# ------------------------------------------------------------------- bounds

@internal
@pure
def _check_width(amount: uint256):
    """
    @notice Amounts that enter, and sums that are stored, have at most 112 bits.
    """
    if amount > MAX_AMOUNT:
        checks._refuse("fund: amount too large")


@internal
@pure
def _check_positive(amount: uint256):
    """
    @notice Where a call about nothing would make no sense.
    """
    checks._require(amount > 0, "fund: zero amount")


# ---------------------------------------------------------------------- pot

@internal
@pure
def _with_more(pot: uint256, amount: uint256) -> uint256:
    """
    @notice The reserve gains `amount`.
    """
    # Beyond 112 bits the sum would carry into the next field.
    self._check_width(self._reserve(pot) + amount)
    return pot + amount


@internal
@pure
def _with_resume_at(pot: uint256, resume_at: uint256) -> uint256:
    return (pot & MASK_224) | (resume_at << 224)


@internal
@pure
def _reserve(pot: uint256) -> uint256:
    return pot & MAX_AMOUNT


@internal
@pure
def _contributions(pot: uint256) -> uint256:
    return (pot >> 112) & MAX_AMOUNT


@internal
@pure
def _resume_at(pot: uint256) -> uint256:
    return pot >> 224


# -------------------------------------------------------------------- terms

@internal
@pure
def _with_threshold(terms: uint256, threshold: uint256) -> uint256:
    return ((terms >> 112) << 112) | threshold


@internal
@pure
def _with_split(
    terms: uint256, liquidator_bps: uint256, fund_bps: uint256
) -> uint256:
    return (terms & MASK_224) | (liquidator_bps << 224) | (fund_bps << 240)


@internal
@pure
def _with_total_bad_debt(terms: uint256, total_bad_debt: uint256) -> uint256:
    self._check_width(total_bad_debt)
    return (terms & ~(MAX_AMOUNT << 112)) | (total_bad_debt << 112)


@internal
@pure
def _threshold(terms: uint256) -> uint256:
    return terms & MAX_AMOUNT


@internal
@pure
def _total_bad_debt(terms: uint256) -> uint256:
    return (terms >> 112) & MAX_AMOUNT


@internal
@pure
def _liquidator_bps(terms: uint256) -> uint256:
    return (terms >> 224) & MASK_16


@internal
@pure
def _fund_bps(terms: uint256) -> uint256:
    return terms >> 240


# ------------------------------------------------------------------- market

@internal
@pure
def _market(is_perp: bool) -> uint256:
    """
    @notice A new market: maximum and use are 0 (M12).
    """
    return REGISTERED | PERP if is_perp else REGISTERED


@internal
@pure
def _with_max_insurance(market: uint256, max_insurance: uint256) -> uint256:
    return ((market >> 112) << 112) | max_insurance


@internal
@pure
def _with_used(market: uint256, used: uint256) -> uint256:
    return (market & ~(MAX_AMOUNT << 112)) | (used << 112)


@internal
@pure
def _with_bad_debt(market: uint256, owed: bool) -> uint256:
    return market | BAD_DEBT if owed else market & ~BAD_DEBT


@internal
@pure
def _max_insurance(market: uint256) -> uint256:
    return market & MAX_AMOUNT


@internal
@pure
def _used(market: uint256) -> uint256:
    return (market >> 112) & MAX_AMOUNT


@internal
@pure
def _is_perp(market: uint256) -> bool:
    return market & PERP != 0


@internal
@pure
def _has_bad_debt(market: uint256) -> bool:
    return market & BAD_DEBT != 0


# ------------------------------------------------------------------- window

@internal
@pure
def _window(cap: uint256, spent: uint256, last: uint256) -> uint256:
    return cap | (spent << 112) | (last << 224)


@internal
@pure
def _cap(window: uint256) -> uint256:
    return window & MAX_AMOUNT


@internal
@pure
def _spent(window: uint256) -> uint256:
    return (window >> 112) & MAX_AMOUNT


@internal
@pure
def _last(window: uint256) -> uint256:
    return window >> 224
