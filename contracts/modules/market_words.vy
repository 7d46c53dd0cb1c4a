# pragma version 0.4.3

"""
@title Market words
@license AGPL-3.0-only
@author Kana
@notice How the parameters of a market share three words, and their bounds.
@dev Words, from the top (bits):
     terms:  feed 160 | initial margin 16 | maintenance margin 16 | fill band 16 | taker fee 16 | maker fee 16 | grace 16
     caps:   open interest cap 112 | position cap 112 | 32 empty
     fund:   fund 160 | fund's part of the fees 16 | min notional 80
     A market is listed while it has a feed.
"""

from contracts.interfaces import IMarketRegistry

# One hundred per cent, basis points.
BPS: constant(uint256) = 10_000
# Most that a trade may cost a side, and most of it that may be the fund's, basis points.
MAX_FEE_BPS: constant(uint256) = 100
MAX_FUND_FEE_BPS: constant(uint256) = 5_000
# How long a flagged position waits, seconds.
MIN_GRACE: constant(uint256) = 60
MAX_GRACE: constant(uint256) = 3_600
# Widest cap, base size, and widest least notional, base units: over a million whole tokens of 18 decimals.
MAX_CAP: constant(uint256) = 2**112 - 1
MAX_MIN_NOTIONAL: constant(uint256) = 2**80 - 1
# Field masks.
MASK_16: constant(uint256) = 2**16 - 1


struct Words:
    terms: uint256
    caps: uint256
    fund: uint256


@internal
@pure
def _pack(params: IMarketRegistry.Params) -> Words:
    """
    @dev The words of parameters that are within the bounds below, which are narrower than the fields.
    """
    return Words(
        terms=(convert(params.feed, uint256) << 96)
        | (params.initial_margin_bps << 80)
        | (params.maintenance_margin_bps << 64)
        | (params.fill_band_bps << 48)
        | (params.taker_fee_bps << 32)
        | (params.maker_fee_bps << 16)
        | params.grace,
        caps=(params.open_interest_cap << 144) | (params.position_cap << 32),
        fund=(convert(params.fund, uint256) << 96)
        | (params.fund_fee_bps << 80)
        | params.min_notional,
    )


@internal
@pure
def _unpack(words: Words) -> IMarketRegistry.Params:
    """
    @dev The parameters in the words.
    """
    return IMarketRegistry.Params(
        feed=self._address(words.terms),
        fund=self._address(words.fund),
        initial_margin_bps=(words.terms >> 80) & MASK_16,
        maintenance_margin_bps=(words.terms >> 64) & MASK_16,
        fill_band_bps=(words.terms >> 48) & MASK_16,
        taker_fee_bps=(words.terms >> 32) & MASK_16,
        maker_fee_bps=(words.terms >> 16) & MASK_16,
        fund_fee_bps=self._fund_fee_bps(words.fund),
        grace=words.terms & MASK_16,
        min_notional=words.fund & MAX_MIN_NOTIONAL,
        open_interest_cap=words.caps >> 144,
        position_cap=(words.caps >> 32) & MAX_CAP,
    )


@internal
@pure
def _address(word: uint256) -> address:
    """
    @dev The address on top of a word: the feed of the terms, the fund of the fund's word.
    """
    return convert(word >> 96, address)


@internal
@pure
def _fund_fee_bps(fund_word: uint256) -> uint256:
    """
    @dev The fund's part of the fees.
    """
    return (fund_word >> 80) & MASK_16


@internal
@pure
def _check_margins(params: IMarketRegistry.Params):
    """
    @dev fill band < maintenance < initial <= 100 % (M27).
    """
    assert (
        params.fill_band_bps < params.maintenance_margin_bps
        and params.maintenance_margin_bps < params.initial_margin_bps
        and params.initial_margin_bps <= BPS
    ), "registry: margins out of bounds"


@internal
@pure
def _check_fees(params: IMarketRegistry.Params):
    assert (
        max(params.taker_fee_bps, params.maker_fee_bps) <= MAX_FEE_BPS
        and params.fund_fee_bps <= MAX_FUND_FEE_BPS
    ), "registry: fees out of bounds"


@internal
@pure
def _check_caps(params: IMarketRegistry.Params):
    """
    @dev None is 0: a market without caps could cost more than its listing says (M31), one of nothing would be dust.
    """
    assert (
        min(params.open_interest_cap, params.position_cap) > 0
        and max(params.open_interest_cap, params.position_cap) <= MAX_CAP
        and params.min_notional > 0
        and params.min_notional <= MAX_MIN_NOTIONAL
    ), "registry: caps out of bounds"


@internal
@pure
def _check_grace(params: IMarketRegistry.Params):
    assert (
        params.grace >= MIN_GRACE and params.grace <= MAX_GRACE
    ), "registry: grace out of bounds"
