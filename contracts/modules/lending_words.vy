# pragma version 0.4.3

"""
@title Lending words
@license AGPL-3.0-only
@author Kana
@notice How the terms of a lending pool share words, and their bounds.
@dev Words, from the top (bits):
     rates:   base 16 | slope1 16 | slope2 16 | kink 16 | reserve factor 16 | least debt 112 | 64 empty
     limits:  supply cap 112 | end of the pause of borrowing 64 | 80 empty
     asset:   asset 160 | factor 16 | threshold 16 | close factor 16 | premium 16 | fund's part 16 | decimals 16
     feed:    feed 160 | collateral cap 96
     A collateral is listed while it has a feed.
"""

from contracts.interfaces import ILendingRegistry

# ---------------------------------------------------------------- constants

# One hundred per cent, basis points.
BPS: constant(uint256) = 10_000
# Highest nominal rate a year, highest part of the interest, premium and part of it that may be the fund's, basis points.
MAX_RATE_BPS: constant(uint256) = 30_000
MAX_RESERVE_FACTOR_BPS: constant(uint256) = 5_000
MAX_PREMIUM_BPS: constant(uint256) = 2_000
MAX_PREMIUM_FUND_BPS: constant(uint256) = 5_000
# Least part of a debt that one liquidation may repay, basis points: a smaller one could round to nothing.
MIN_CLOSE_FACTOR_BPS: constant(uint256) = 1_000
# Widest amount of the pool's asset, widest cap of a collateral.
MAX_AMOUNT: constant(uint256) = 2**112 - 1
MAX_COLLATERAL: constant(uint256) = 2**96 - 1
# Field masks.
MASK_64: constant(uint256) = 2**64 - 1
MASK_16: constant(uint256) = 2**16 - 1


# How a collateral is kept.
struct Words:
    asset: uint256
    feed: uint256
    borrow_cap: uint256


# -------------------------------------------------------------- collaterals

@internal
@pure
def _pack(collateral: ILendingRegistry.Collateral, decimals: uint256) -> Words:
    """
    @notice The words of parameters that are within the bounds below, which are narrower than the fields.
    """
    return Words(
        asset=(convert(collateral.asset, uint256) << 96)
        | (collateral.factor_bps << 80)
        | (collateral.threshold_bps << 64)
        | (collateral.close_factor_bps << 48)
        | (collateral.premium_bps << 32)
        | (collateral.premium_fund_bps << 16)
        | decimals,
        feed=(convert(collateral.feed, uint256) << 96)
        | collateral.collateral_cap,
        borrow_cap=collateral.borrow_cap,
    )


@internal
@pure
def _unpack(words: Words) -> ILendingRegistry.Collateral:
    return ILendingRegistry.Collateral(
        asset=convert(words.asset >> 96, address),
        feed=self._feed(words),
        factor_bps=(words.asset >> 80) & MASK_16,
        threshold_bps=(words.asset >> 64) & MASK_16,
        close_factor_bps=(words.asset >> 48) & MASK_16,
        premium_bps=(words.asset >> 32) & MASK_16,
        premium_fund_bps=(words.asset >> 16) & MASK_16,
        collateral_cap=words.feed & MAX_COLLATERAL,
        borrow_cap=words.borrow_cap,
    )


@internal
@pure
def _feed(words: Words) -> address:
    """
    @notice The feed of a collateral; none: it isn't listed.
    """
    return convert(words.feed >> 96, address)


@internal
@pure
def _decimals(words: Words) -> uint256:
    """
    @notice The decimals of a collateral.
    """
    return words.asset & MASK_16


@internal
@pure
def _check_factors(collateral: ILendingRegistry.Collateral):
    """
    @notice A liquidation at the threshold leaves the loan healthier and pays its premium in full (M32).
    """
    assert (
        collateral.factor_bps > 0
        and collateral.factor_bps < collateral.threshold_bps
    ), "lending: factor out of bounds"
    assert (
        collateral.premium_bps > 0
        and collateral.premium_bps <= MAX_PREMIUM_BPS
        and collateral.premium_fund_bps <= MAX_PREMIUM_FUND_BPS
    ), "lending: premium out of bounds"
    assert (
        collateral.threshold_bps * (BPS + collateral.premium_bps) < BPS * BPS
    ), "lending: threshold too high"
    assert (
        collateral.close_factor_bps >= MIN_CLOSE_FACTOR_BPS
        and collateral.close_factor_bps <= BPS
    ), "lending: bad close factor"


@internal
@pure
def _check_caps(collateral: ILendingRegistry.Collateral):
    """
    @notice None is 0, and none without end: what a collateral can cost the lenders is known (M31).
    """
    assert (
        min(collateral.collateral_cap, collateral.borrow_cap) > 0
        and collateral.collateral_cap <= MAX_COLLATERAL
        and collateral.borrow_cap <= MAX_AMOUNT
    ), "lending: caps out of bounds"


# ------------------------------------------------------------------ the pool

@internal
@pure
def _pack_rates(rates: ILendingRegistry.Rates, min_debt: uint256) -> uint256:
    return (
        (rates.base_bps << 240)
        | (rates.slope1_bps << 224)
        | (rates.slope2_bps << 208)
        | (rates.kink_bps << 192)
        | (rates.reserve_factor_bps << 176)
        | (min_debt << 64)
    )


@internal
@pure
def _unpack_rates(word: uint256) -> ILendingRegistry.Rates:
    return ILendingRegistry.Rates(
        base_bps=word >> 240,
        slope1_bps=(word >> 224) & MASK_16,
        slope2_bps=(word >> 208) & MASK_16,
        kink_bps=(word >> 192) & MASK_16,
        reserve_factor_bps=(word >> 176) & MASK_16,
    )


@internal
@pure
def _min_debt(rates_word: uint256) -> uint256:
    """
    @notice The least debt of a loan.
    """
    return (rates_word >> 64) & MAX_AMOUNT


@internal
@pure
def _pack_limits(supply_cap: uint256, resume_at: uint256) -> uint256:
    return (supply_cap << 144) | (resume_at << 80)


@internal
@pure
def _supply_cap(limits_word: uint256) -> uint256:
    return limits_word >> 144


@internal
@pure
def _resume_at(limits_word: uint256) -> uint256:
    """
    @notice When the last pause of borrowing ends or ended; 0: there was none (M37).
    """
    return (limits_word >> 80) & MASK_64


@internal
@pure
def _check_rates(rates: ILendingRegistry.Rates):
    """
    @notice The kink lies between nothing and all (M32).
    """
    assert (
        rates.kink_bps > 0 and rates.kink_bps < BPS
    ), "lending: kink out of bounds"
    assert (
        max(rates.base_bps, max(rates.slope1_bps, rates.slope2_bps))
        <= MAX_RATE_BPS
        and rates.base_bps + rates.slope1_bps + rates.slope2_bps <= MAX_RATE_BPS
    ), "lending: rates out of bounds"
    assert (
        rates.reserve_factor_bps <= MAX_RESERVE_FACTOR_BPS
    ), "lending: reserve factor too high"


@internal
@pure
def _check_limits(supply_cap: uint256, min_debt: uint256):
    assert (
        min(supply_cap, min_debt) > 0
        and max(supply_cap, min_debt) <= MAX_AMOUNT
    ), "lending: limits out of bounds"
