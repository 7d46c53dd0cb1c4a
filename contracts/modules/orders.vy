# pragma version 0.4.3

"""
@title Orders of a perpetuals venue
@license AGPL-3.0-only
@author Kana
@notice What an order says and what one fill of it means; no storage, no signature.
"""

from contracts.interfaces import IOrderGateway

# EIP-712 type of an order; the fields in the order of the struct.
ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(address trader,uint256 market_id,bool is_buy,uint256 size,uint256 limit_price,uint256 margin,uint256 expiry,uint256 nonce,bool reduce_only)"
)
# Widest size and margin: 112 bits.
MAX_AMOUNT: constant(uint256) = 2**112 - 1
# The highest price that a feed may give, WAD.
MAX_PRICE_WAD: constant(uint256) = 10**30


@internal
@pure
def _struct_hash(order: IOrderGateway.Order) -> bytes32:
    """
    @dev hashStruct of EIP-712: the type, then each field as a word.
    """
    return keccak256(abi_encode(ORDER_TYPE, order))


@internal
@pure
def _check_fits(
    order: IOrderGateway.Order, filled_before: uint256, size: uint256
):
    """
    @dev No order is filled beyond its size; what was filled before never exceeds it.
    """
    assert size <= order.size - filled_before, "gateway: overfilled"


@internal
@pure
def _check_bounds(order: IOrderGateway.Order):
    """
    @dev Refuses what the arithmetic behind isn't made for.
    """
    assert order.limit_price > 0, "gateway: zero limit price"
    assert (
        order.limit_price <= MAX_PRICE_WAD
        and max(order.size, order.margin) <= MAX_AMOUNT
    ), "gateway: value too large"


@internal
@pure
def _margin_due(
    order: IOrderGateway.Order, filled_before: uint256, size: uint256
) -> uint256:
    """
    @dev The margin that a fill of `size` brings: floor(margin * filled / order size) after it less the same before it, so that all
         fills of an order bring its margin exactly (M27).
    """
    return (
        order.margin * (filled_before + size) // order.size
        - order.margin * filled_before // order.size
    )


@internal
@pure
def _limits_meet(
    maker: IOrderGateway.Order, taker: IOrderGateway.Order
) -> bool:
    """
    @dev The price is the maker's limit; the taker's must let it through.
    """
    if taker.is_buy:
        return taker.limit_price >= maker.limit_price
    return taker.limit_price <= maker.limit_price
