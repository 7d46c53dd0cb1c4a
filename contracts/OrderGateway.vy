# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Order gateway
@license AGPL-3.0-only
@author Kana
@notice Signed orders of the reference perpetuals venue: checked, matched, handed to the house. Holds no money (M27).
@dev An order is known by its EIP-712 digest, which names chain and gateway; how much of it was filled is kept under the digest, so
     that a signature is never an identifier and its malleability means nothing. Signers are keys or ERC-1271 contracts; both are
     asked before anything changes, by static calls.
@custom:security A trader's nonces are his own to choose; orders that share one are cancelled together.
"""

from snekmate.utils import eip712_domain_separator
from snekmate.utils import signature_checker

from contracts.interfaces import IClearingHouse
from contracts.interfaces import IMarketRegistry
from contracts.interfaces import IOrderGateway
from contracts.modules import orders

implements: IOrderGateway

initializes: eip712_domain_separator

exports: eip712_domain_separator.eip712Domain

# --------------------------------------------------------------- immutables

REGISTRY: immutable(IMarketRegistry)

# ------------------------------------------------------------------ storage

# Order digest -> base size filled so far.
_filled: HashMap[bytes32, uint256]
# Trader -> nonce -> cancelled for good.
_cancelled: HashMap[address, HashMap[uint256, bool]]
# Trader -> nonces below this one are cancelled for good; never falls.
_cancelled_below: HashMap[address, uint256]

# -------------------------------------------------------------- constructor

@deploy
def __init__(registry: address):
    """
    @notice Fix the registry, which knows the house.
    @param registry The venue's market registry.
    """
    assert registry.is_contract, "gateway: registry without code"
    eip712_domain_separator.__init__("Kana Orders", "1")
    REGISTRY = IMarketRegistry(registry)


# ------------------------------------------------------------------ traders

@external
def fill(
    maker: IOrderGateway.Order,
    maker_signature: Bytes[65],
    taker: IOrderGateway.Order,
    taker_signature: Bytes[65],
    size: uint256,
):
    """
    @notice Matches two signed orders of different traders at the maker's limit (M27). Anyone may submit them.
    @dev Each side's margin moves in pro rata: floor(margin * filled / size) after the fill less the same before it.
    """
    assert size > 0, "gateway: zero size"
    assert maker.trader != taker.trader, "gateway: self match"
    assert maker.market_id == taker.market_id, "gateway: other market"
    assert maker.is_buy != taker.is_buy, "gateway: same side"

    maker_hash: bytes32 = self._hash_order(maker)
    taker_hash: bytes32 = self._hash_order(taker)
    maker_before: uint256 = self._filled[maker_hash]
    taker_before: uint256 = self._filled[taker_hash]
    assert block.timestamp <= min(
        maker.expiry, taker.expiry
    ), "gateway: order expired"
    self._check_nonce(maker.trader, maker.nonce)
    self._check_nonce(taker.trader, taker.nonce)
    orders._check_fits(maker, maker_before, size)
    orders._check_fits(taker, taker_before, size)
    orders._check_bounds(maker)
    orders._check_bounds(taker)
    self._check_signature(maker.trader, maker_hash, maker_signature)
    self._check_signature(taker.trader, taker_hash, taker_signature)
    assert orders._limits_meet(maker, taker), "gateway: limit not met"

    self._keep_fill(
        maker_hash, maker, maker_before + size, size, maker.limit_price
    )
    self._keep_fill(
        taker_hash, taker, taker_before + size, size, maker.limit_price
    )
    change: int256 = convert(size, int256)
    if not taker.is_buy:
        change = -change
    house: address = staticcall REGISTRY.house()
    extcall IClearingHouse(house).trade(
        IClearingHouse.Fill(
            market_id=maker.market_id,
            maker=maker.trader,
            taker=taker.trader,
            size=change,
            price=maker.limit_price,
            maker_margin=orders._margin_due(maker, maker_before, size),
            taker_margin=orders._margin_due(taker, taker_before, size),
            maker_reduce_only=maker.reduce_only,
            taker_reduce_only=taker.reduce_only,
        )
    )


@external
def cancel(nonce: uint256):
    """
    @notice Cancels all orders of the caller with this nonce.
    """
    self._check_nonce(msg.sender, nonce)
    self._cancelled[msg.sender][nonce] = True
    log IOrderGateway.NonceCancelled(trader=msg.sender, nonce=nonce)


@external
def cancel_below(nonce: uint256):
    """
    @notice Cancels all orders of the caller with a lower nonce.
    """
    assert nonce > self._cancelled_below[msg.sender], "gateway: nonce too low"
    self._cancelled_below[msg.sender] = nonce
    log IOrderGateway.NoncesCancelledBelow(trader=msg.sender, nonce=nonce)


# -------------------------------------------------------------------- views

@view
@reentrant
@external
def registry() -> address:
    """
    @notice The venue's market registry.
    """
    return REGISTRY.address


@view
@external
def filled(order_hash: bytes32) -> uint256:
    """
    @notice How much of an order was filled, base size.
    """
    return self._filled[order_hash]


@view
@external
def is_cancelled(trader: address, nonce: uint256) -> bool:
    """
    @notice Whether no order of the trader with this nonce can be filled any more.
    """
    return self._is_cancelled(trader, nonce)


@view
@reentrant
@external
def hash_order(order: IOrderGateway.Order) -> bytes32:
    """
    @notice The EIP-712 digest that the trader signs.
    """
    return self._hash_order(order)


# ---------------------------------------------------------------- internals

@internal
@view
def _hash_order(order: IOrderGateway.Order) -> bytes32:
    return eip712_domain_separator._hash_typed_data_v4(
        orders._struct_hash(order)
    )


@internal
@view
def _is_cancelled(trader: address, nonce: uint256) -> bool:
    return (
        nonce < self._cancelled_below[trader] or self._cancelled[trader][nonce]
    )


@internal
@view
def _check_nonce(trader: address, nonce: uint256):
    assert not self._is_cancelled(trader, nonce), "gateway: nonce cancelled"


@internal
@view
def _check_signature(
    trader: address, order_hash: bytes32, signature: Bytes[65]
):
    """
    @dev A key's signature with a high s, or one that recovers to nobody, is refused with the library's own reason.
    """
    assert signature_checker._is_valid_signature_now(
        trader, order_hash, signature
    ), "gateway: bad signature"


@internal
def _keep_fill(
    order_hash: bytes32,
    order: IOrderGateway.Order,
    filled: uint256,
    size: uint256,
    price: uint256,
):
    """
    @dev Kept before the house is called.
    """
    self._filled[order_hash] = filled
    log IOrderGateway.OrderFilled(
        order_hash=order_hash,
        trader=order.trader,
        nonce=order.nonce,
        size=size,
        filled=filled,
        price=price,
    )
