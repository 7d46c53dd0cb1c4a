# pragma version 0.4.3
"""
@title Fixed point of a perpetuals venue
@license AGPL-3.0-only
@author Kana
@notice Values, margin requirements and index charges in integers, each rounded the way its name says.
@dev `scale` is QUOTE_SCALE = 10**(36 - asset decimals): base size (18 decimals) times price (18 decimals) over it is an
     amount in base units of the asset. With sizes and amounts within 112 bits and prices within 10**30 no product
     here leaves 256 bits.
"""

# One hundred per cent, basis points.
BPS: constant(uint256) = 10_000
# Fraction digits of a loss index: quote per base, in 36 decimals (M29).
INDEX_SCALE: constant(uint256) = 10**36


@internal
@pure
def _div_up(dividend: uint256, divisor: uint256) -> uint256:
    """
    @dev ceil(dividend / divisor); the divisor is never 0.
    """
    return (dividend + divisor - 1) // divisor


@internal
@pure
def _notional_down(size: uint256, price: uint256, scale: uint256) -> uint256:
    """
    @dev floor(size * price / scale): the notional.
    """
    return size * price // scale


@internal
@pure
def _notional_up(size: uint256, price: uint256, scale: uint256) -> uint256:
    """
    @dev ceil(size * price / scale): what a taker pays for it.
    """
    return self._div_up(size * price, scale)


@internal
@pure
def _ratio_up(
    size: uint256, price: uint256, bps: uint256, scale: uint256
) -> uint256:
    """
    @dev ceil(size * price * bps / (scale * 10_000)) of the full product: a margin requirement or a fee.
    """
    return self._div_up(size * price * bps, scale * BPS)


@internal
@pure
def _value_down(size: int256, price: uint256, scale: uint256) -> int256:
    """
    @dev floor(size * price / scale) toward minus infinity: a long is worth its notional, a short owes it rounded up
         (M26). The signed `//` would truncate toward zero.
    """
    if size >= 0:
        return convert(
            self._notional_down(convert(size, uint256), price, scale), int256
        )
    return -convert(
        self._notional_up(convert(-size, uint256), price, scale), int256
    )


@internal
@pure
def _index_step_up(loss: uint256, open_interest: uint256) -> uint256:
    """
    @dev ceil(loss * INDEX_SCALE / open interest): by how much a loss raises the index (M29).
    """
    return self._div_up(loss * INDEX_SCALE, open_interest)


@internal
@pure
def _charge_up(size: int256, step: uint256) -> uint256:
    """
    @dev ceil(abs(size) * step / INDEX_SCALE): what a position owes for a step of the index (M29).
    """
    return self._div_up(convert(abs(size), uint256) * step, INDEX_SCALE)
