"""EIP-712 orders of the perpetuals venue: their digest and their signatures (M27).

The digest is computed here, without a node, exactly as ``OrderGateway.hash_order`` does. A signer is a private key
(32 bytes), anything with such a ``key``, or an Ape account, which signs in its own way (and may ask its owner).
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from eth_abi.abi import encode
from eth_utils import keccak, to_checksum_address

DOMAIN_NAME = "Kana Orders"
DOMAIN_VERSION = "1"
#: Expiry of an order that is good until it is cancelled.
NEVER = 2**64 - 1

_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_ORDER_FIELDS = (
    ("trader", "address"),
    ("market_id", "uint256"),
    ("is_buy", "bool"),
    ("size", "uint256"),
    ("limit_price", "uint256"),
    ("margin", "uint256"),
    ("expiry", "uint256"),
    ("nonce", "uint256"),
    ("reduce_only", "bool"),
)
_ORDER_ABI = ["bytes32", *(kind for _, kind in _ORDER_FIELDS)]
_ORDER_TYPE = keccak(text="Order(" + ",".join(f"{kind} {name}" for name, kind in _ORDER_FIELDS) + ")")


@dataclass(frozen=True)
class Order:
    """What a trader signs.

    Attributes:
        trader: Who trades; an account or a contract that answers ERC-1271.
        market_id: The market.
        is_buy: Whether base is bought.
        size: Base size, 18 decimals, at most as much is filled.
        limit_price: Quote per whole base, 18 decimals: the most a buyer pays, the least a seller takes.
        margin: Base units of the asset moved into the position, pro rata to the fill.
        expiry: Last second in which it may be filled.
        nonce: By which it can be cancelled.
        reduce_only: Whether it may only reduce the position.
    """

    trader: str
    market_id: int
    is_buy: bool
    size: int
    limit_price: int
    margin: int = 0
    expiry: int = NEVER
    nonce: int = 0
    reduce_only: bool = False

    def as_tuple(self) -> tuple[Any, ...]:
        """The struct as contracts take it."""
        return tuple(getattr(self, name) for name, _ in _ORDER_FIELDS)


def new_nonce() -> int:
    """A nonce nobody has used: 64 random bits."""
    return secrets.randbits(64)


@lru_cache(maxsize=64)
def domain_separator(chain_id: int, gateway: str) -> bytes:
    """The EIP-712 domain separator of a gateway on a chain."""
    return keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [_DOMAIN_TYPE, keccak(text=DOMAIN_NAME), keccak(text=DOMAIN_VERSION), chain_id, gateway],
        )
    )


def struct_hash(order: Order) -> bytes:
    """The EIP-712 hash of the order alone."""
    return keccak(encode(_ORDER_ABI, [_ORDER_TYPE, *order.as_tuple()]))


def digest(order: Order, chain_id: int, gateway: str) -> bytes:
    """The EIP-712 digest that the trader signs; under it the gateway counts fills."""
    return keccak(b"\x19\x01" + domain_separator(chain_id, to_checksum_address(gateway)) + struct_hash(order))


def typed_data(order: Order, chain_id: int, gateway: str) -> dict[str, Any]:
    """The order as EIP-712 JSON, as wallets show it."""
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Order": [{"name": name, "type": kind} for name, kind in _ORDER_FIELDS],
        },
        "primaryType": "Order",
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": chain_id,
            "verifyingContract": to_checksum_address(gateway),
        },
        "message": asdict(order),
    }


def sign_digest(value: bytes, key: bytes) -> bytes:
    """A 65-byte signature (r, s, v = 27 or 28) of a digest by a private key."""
    from coincurve import PrivateKey

    signature = PrivateKey(key).sign_recoverable(value, hasher=None)
    return signature[:64] + bytes([signature[64] + 27])


def private_key(signer: Any) -> bytes | None:
    """The private key of a signer, if it has one to give: bytes, an object with ``key``, or an Ape test account."""
    for found in (signer, getattr(signer, "key", None), getattr(signer, "private_key", None)):
        if isinstance(found, bytes) and len(found) == 32:
            return bytes(found)
        if isinstance(found, str) and len(found.removeprefix("0x")) == 64:
            return bytes.fromhex(found.removeprefix("0x"))
    return None


def sign_typed(data: dict[str, Any], signer: Any) -> bytes:
    """A 65-byte signature of EIP-712 JSON by any signer.

    Raises:
        ValueError: if the account refuses or can't sign.
    """
    from eth_account.messages import encode_typed_data

    message = encode_typed_data(full_message=data)
    if (key := private_key(signer)) is not None:
        return sign_digest(keccak(b"\x19" + message.version + message.header + message.body), key)
    signature = signer.sign_message(message)
    if signature is None:
        raise ValueError(f"{getattr(signer, 'alias', signer)} did not sign")
    return bytes(signature.encode_rsv())


def sign_order(order: Order, signer: Any, chain_id: int, gateway: str) -> bytes:
    """The 65-byte signature of an order for a gateway; fast where the signer has a private key to give.

    Raises:
        ValueError: if the account refuses or can't sign.
    """
    if (key := private_key(signer)) is not None:
        return sign_digest(digest(order, chain_id, gateway), key)
    return sign_typed(typed_data(order, chain_id, gateway), signer)


def permit_data(
    token: str, name: str, version: str, chain_id: int, owner: str, spender: str, value: int, nonce: int, deadline: int
) -> dict[str, Any]:
    """An ERC-2612 permit as EIP-712 JSON; ``value`` in base units, ``deadline`` in Unix seconds (M7)."""
    fields = (
        ("owner", "address"),
        ("spender", "address"),
        ("value", "uint256"),
        ("nonce", "uint256"),
        ("deadline", "uint256"),
    )
    data = typed_data(Order(owner, 0, True, 0, 0), chain_id, token)
    return {
        "types": {
            "EIP712Domain": data["types"]["EIP712Domain"],
            "Permit": [{"name": field, "type": kind} for field, kind in fields],
        },
        "primaryType": "Permit",
        "domain": {**data["domain"], "name": name, "version": version},
        "message": {"owner": owner, "spender": spender, "value": value, "nonce": nonce, "deadline": deadline},
    }


def split_signature(signature: bytes) -> tuple[int, bytes, bytes]:
    """(v, r, s) of a 65-byte signature."""
    return signature[64], signature[:32], signature[32:64]
