# pragma version 0.4.3

"""
@title Backstop words
@license AGPL-3.0-only
@author Kana
@notice The packed words of a backstop, field by field. What an operation writes together shares a word.
@dev Lowest bits first:

         vault    assets 96 | shares 136 | cooldown days 8 | open 1         | closed 1
         stream   amount 96 | from 32    | until 32        | min staked 96
         pool     assets 96 | units 96   | next day 16     | epoch 8 | slashed 1 | - 7 | held until 32
         rate     assets 96 | units 96
         day      units 96  | assets 96  | epoch 8         | matured 1
         request  units 96  | shares 120 | day 16          | earlier day 16 | epoch 8
         terms    limit 112 | used 112   | premium bps 16  | registered 1

     Amounts are base units of the asset, times Unix seconds, days Unix day numbers. 96 bits are 79 billion whole
     tokens of 18 decimals. Shares have 40 bits more: six decimals, and a price that may fall by six more before nobody
     can stake, so that they never need a bound of their own; a request takes 2**120 at most. Bounds are checked where
     values enter, sums here as they are packed.
"""

from contracts.modules import checks

# ---------------------------------------------------------------- constants

# Most assets that the stake, with the stream, or the exit pool can hold; most units of the pool.
MAX_ASSETS: constant(uint256) = 2**96 - 1
# Widest number of shares, and of those that a request takes.
MAX_SHARES: constant(uint256) = 2**136 - 1
MAX_REQUEST: constant(uint256) = 2**120 - 1

OPEN: constant(uint256) = 1 << 240
CLOSED: constant(uint256) = 1 << 241
SLASHED: constant(uint256) = 1 << 216
MATURED: constant(uint256) = 1 << 200
REGISTERED: constant(uint256) = 1 << 240
MASK_8: constant(uint256) = 2**8 - 1
MASK_16: constant(uint256) = 2**16 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_112: constant(uint256) = 2**112 - 1

# ------------------------------------------------------------------- bounds

@internal
@pure
def _check_assets(amount: uint256):
    if amount > MAX_ASSETS:
        self._refuse_large()


@internal
@pure
def _check_request(shares: uint256):
    if shares > MAX_REQUEST:
        self._refuse_large()


@internal
@pure
def _refuse_large():
    checks._refuse("backstop: amount too large")


# -------------------------------------------------------------------- vault

@internal
@pure
def _vault_more(vault: uint256, assets: uint256, shares: uint256) -> uint256:
    """
    @notice The stake gains assets and shares.
    """
    self._check_assets((vault & MAX_ASSETS) + assets)
    return vault + (assets | (shares << 96))


@internal
@pure
def _vault_less(vault: uint256, assets: uint256, shares: uint256) -> uint256:
    """
    @notice The stake loses assets and shares, which it has.
    """
    return vault - (assets | (shares << 96))


@internal
@pure
def _vault_assets(vault: uint256) -> uint256:
    return vault & MAX_ASSETS


@internal
@pure
def _vault_shares(vault: uint256) -> uint256:
    return (vault >> 96) & MAX_SHARES


@internal
@pure
def _cooldown_days(vault: uint256) -> uint256:
    return (vault >> 232) & MASK_8


@internal
@pure
def _with_cooldown_days(vault: uint256, cooldown_days: uint256) -> uint256:
    return (vault & ~(MASK_8 << 232)) | (cooldown_days << 232)


# ------------------------------------------------------------------- stream

@internal
@pure
def _stream(
    amount: uint256, start: uint256, until: uint256, min_staked: uint256
) -> uint256:
    return amount | (start << 96) | (until << 128) | (min_staked << 160)


@internal
@pure
def _with_min_staked(stream: uint256, min_staked: uint256) -> uint256:
    return (stream & (2**160 - 1)) | (min_staked << 160)


@internal
@pure
def _stream_from(stream: uint256) -> uint256:
    return (stream >> 96) & MASK_32


@internal
@pure
def _stream_until(stream: uint256) -> uint256:
    return (stream >> 128) & MASK_32


@internal
@pure
def _min_staked(stream: uint256) -> uint256:
    return stream >> 160


# --------------------------------------------------------------- exit pool

@internal
@pure
def _with_pool(pool: uint256, assets: uint256, units: uint256) -> uint256:
    self._check_assets(max(assets, units))
    return ((pool >> 192) << 192) | assets | (units << 96)


@internal
@pure
def _with_next_day(pool: uint256, next_day: uint256) -> uint256:
    return (pool & ~(MASK_16 << 192)) | (next_day << 192)


@internal
@pure
def _with_held_until(pool: uint256, held_until: uint256) -> uint256:
    return (pool & (2**224 - 1)) | (held_until << 224)


@internal
@pure
def _with_next_epoch(pool: uint256) -> uint256:
    """
    @notice The pool is worth nothing, and the next one begins. Epochs come again after 256 of them, long after the
            days that the first saw.
    """
    epoch: uint256 = (self._epoch(pool) + 1) & MASK_8
    return (pool & ~(MASK_8 << 208)) | (epoch << 208)


@internal
@pure
def _assets(pool: uint256) -> uint256:
    """
    @notice Of a pool or of a rate.
    """
    return pool & MAX_ASSETS


@internal
@pure
def _units(pool: uint256) -> uint256:
    """
    @notice Of a pool or of a rate.
    """
    return (pool >> 96) & MAX_ASSETS


@internal
@pure
def _next_day(pool: uint256) -> uint256:
    return (pool >> 192) & MASK_16


@internal
@pure
def _epoch(pool: uint256) -> uint256:
    return (pool >> 208) & MASK_8


@internal
@pure
def _held_until(pool: uint256) -> uint256:
    return pool >> 224


# ---------------------------------------------------------------------- day

@internal
@pure
def _day(
    units: uint256, assets: uint256, epoch: uint256, flag: uint256
) -> uint256:
    return units | (assets << 96) | (epoch << 192) | flag


@internal
@pure
def _day_units(day: uint256) -> uint256:
    """
    @notice Of a day or of a request.
    """
    return day & MAX_ASSETS


@internal
@pure
def _day_assets(day: uint256) -> uint256:
    return (day >> 96) & MAX_ASSETS


@internal
@pure
def _day_epoch(day: uint256) -> uint256:
    return (day >> 192) & MASK_8


# ------------------------------------------------------------------ request

@internal
@pure
def _request(
    units: uint256,
    shares: uint256,
    day: uint256,
    earlier: uint256,
    epoch: uint256,
) -> uint256:
    self._check_request(shares)
    return (
        units
        | (shares << 96)
        | (day << 216)
        | (earlier << 232)
        | (epoch << 248)
    )


@internal
@pure
def _with_earlier(request: uint256, earlier: uint256) -> uint256:
    return (request & ~(MASK_16 << 232)) | (earlier << 232)


@internal
@pure
def _request_shares(request: uint256) -> uint256:
    return (request >> 96) & MAX_REQUEST


@internal
@pure
def _request_day(request: uint256) -> uint256:
    return (request >> 216) & MASK_16


@internal
@pure
def _earlier(request: uint256) -> uint256:
    return (request >> 232) & MASK_16


@internal
@pure
def _request_epoch(request: uint256) -> uint256:
    return request >> 248


# -------------------------------------------------------------------- terms

@internal
@pure
def _terms(
    limit: uint256, used: uint256, premium_bps: uint256, flag: uint256
) -> uint256:
    return limit | (used << 112) | (premium_bps << 224) | flag


@internal
@pure
def _limit(terms: uint256) -> uint256:
    return terms & MASK_112


@internal
@pure
def _used(terms: uint256) -> uint256:
    return (terms >> 112) & MASK_112


@internal
@pure
def _premium_bps(terms: uint256) -> uint256:
    return (terms >> 224) & MASK_16
