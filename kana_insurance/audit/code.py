"""Whether the code at an address is this source's, and what its immutables hold.

A Vyper contract on chain is its runtime code followed by its immutables, in the order of the compiler's layout. So the
code is compared byte for byte, and each immutable is decoded and compared with what it must be; nothing follows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import encode
from eth_utils import keccak, to_checksum_address

from kana_insurance import orders
from kana_insurance.amounts import WAD_DECIMALS
from kana_insurance.audit.findings import Checks
from kana_insurance.audit.site import BLUEPRINTS, Fund, Layer, Part, Pool, Priced, Site
from kana_insurance.backends import ZERO, address_of
from kana_insurance.backends.artifacts import artifact, prepare

_PREAMBLE = bytes.fromhex("fe7100")
_DOMAIN = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
#: PriceFeed's greatest price, WAD.
_MAX_PRICE = 10**30
#: Decimals of a backstop's and a pool's shares beyond their asset's (M19, M32).
_OFFSET = 6


@dataclass(frozen=True)
class Immutable:
    """A value in a contract's code: its path in the layout, where it is behind the runtime code, its type."""

    name: str
    offset: int
    length: int
    kind: str

    def read(self, data: bytes) -> Any:
        """The value in the bytes behind the runtime code."""
        word = data[self.offset : self.offset + self.length]
        if self.kind.startswith("String"):
            size = int.from_bytes(word[:32], "big")
            return word[32 : 32 + size].decode("utf-8", "replace") if size <= len(word) - 32 else word.hex()
        if self.kind.startswith("uint"):
            return int.from_bytes(word, "big")
        if self.kind == "bytes32":
            return word
        return to_checksum_address(word[12:]) if not any(word[:12]) else "0x" + word.hex()


@dataclass(frozen=True)
class Source:
    """What this source compiles to."""

    creation: bytes
    runtime: bytes
    immutables: tuple[Immutable, ...]

    @property
    def immutables_size(self) -> int:
        """Bytes behind the runtime code."""
        return max((one.offset + one.length for one in self.immutables), default=0)


def _leaves(layout: dict[str, Any], path: str = "") -> Iterator[Immutable]:
    for name, entry in layout.items():
        if isinstance(entry.get("offset"), int):
            yield Immutable(path + name, entry["offset"], entry["length"], entry["type"])
        else:
            yield from _leaves(entry, f"{path}{name}.")


@cache
def source(contract: str) -> Source:
    """Compile a contract of the project, or read what was compiled."""
    output = artifact(contract)
    return Source(
        bytes.fromhex(output["bytecode"][2:]),
        bytes.fromhex(output["bytecode_runtime"][2:]),
        tuple(_leaves(output["layout"].get("code_layout", {}))),
    )


def check_code(site: Site, checks: Checks) -> None:
    """Every contract of the project's source, and the funds' blueprint."""
    prepare({part.contract for part in site.parts()} | set(BLUEPRINTS))
    for part in site.parts():
        with checks.reading(part.name):
            _check_part(site, checks, part)
    factory = site.factory.instance
    views = (factory.fund_blueprint, factory.underwriter_blueprint, factory.backstop_blueprint)
    for contract, view in zip(BLUEPRINTS, views, strict=True):
        name = f"blueprint {contract}"
        with checks.reading(name):
            _check_blueprint(site, checks, name, contract, str(view()))


def _check_part(site: Site, checks: Checks, part: Part) -> None:
    code, wanted = site.backend.code(part.address), source(part.contract)
    size = len(wanted.runtime)
    if not checks.demand(code[:size] == wanted.runtime, part.name, _difference(code, wanted, part)):
        return
    data = code[size:]
    length = wanted.immutables_size
    if not checks.demand(
        len(data) == length, part.name, f"{len(data)} bytes follow the code of {part.contract}, must be {length}"
    ):
        return
    must = _values(site, part)
    for one in wanted.immutables:
        value = one.read(data)
        known = one.name in must
        right = known and (must[one.name] is None or _equal(value, must[one.name]))
        shown = _shown(must[one.name]) if known else "known to the audit, which it is not"
        checks.demand(right, part.name, f"immutable {one.name} is {_shown(value)}, must be {shown}")


def _difference(code: bytes, wanted: Source, part: Part) -> str:
    if not code:
        return f"there is no code at {part.address}"
    pairs = zip(code, wanted.runtime, strict=False)
    first = next((place for place, (one, other) in enumerate(pairs) if one != other), len(code))
    return f"the code at {part.address} is not {part.contract} of this source: it differs from byte {first} on"


def _check_blueprint(site: Site, checks: Checks, name: str, contract: str, address: str) -> None:
    if contract in site.blueprints:
        checks.points_at(name, "the factory's blueprint", address, site.blueprints[contract])
    code, wanted = site.backend.code(address), _PREAMBLE + source(contract).creation
    # The compiler's footer, which nothing runs, tells sources that differ in comments alone apart.
    footer = int.from_bytes(wanted[-2:], "big")
    right = len(code) == len(wanted) and code[:-footer] == wanted[:-footer]
    checks.demand(right, name, f"the code at {address} is not the creation code of {contract} of this source")


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        return found.lower() == wanted.lower() if wanted.startswith("0x") else found == wanted
    return bool(found == wanted)


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return f'"{value}"' if isinstance(value, str) and not value.startswith("0x") else str(value)


# --------------------------------------------------------- what they must hold


def _values(site: Site, part: Part) -> dict[str, Any]:
    """What a contract's immutables must hold, by path; None where it may be anything."""
    if isinstance(part, Fund):
        return {
            "custody.ASSET": address_of(part.asset),
            "custody.TREASURY": part.treasury,
            "fund_notices.NOTICES": site.notices.address,
            "succession.FACTORY": site.factory.address,
        }
    for layer in site.layers:
        if part is layer.underwriter:
            return {"ASSET": address_of(layer.asset)}
        if part is layer.backstop:
            return _backstop_values(site, layer)
    for market, feed in site.feeds:
        if part is feed:
            return _feed_values(site, market)
    for venue in site.venues:
        if part is venue.registry:
            return {"factory": site.factory.address}
        if part is venue.gateway:
            domain = _domain_values(site, part, orders.DOMAIN_NAME, orders.DOMAIN_VERSION, "eip712_domain_separator")
            return {**domain, "REGISTRY": venue.registry.address}
        if part is venue.house:
            return {
                "accounts.ASSET": address_of(venue.asset),
                "accounts.QUOTE_SCALE": 10 ** (36 - int(venue.asset.decimals())),
                "REGISTRY": venue.registry.address,
                "GATEWAY": venue.gateway.address,
            }
    for pool in site.pools:
        if part is pool.registry:
            factory = site.factory.address
            return {"asset": address_of(pool.asset), "factory": factory, "DECIMALS": int(pool.asset.decimals())}
        if part is pool.pool:
            return _pool_values(site, pool)
    if part is site.timelock:
        return {"MIN_DELAY_FLOOR": site.config.timelock_floor}
    if part is site.factory:
        names = ("fund_blueprint", "underwriter_blueprint", "backstop_blueprint")
        made = {name: site.blueprints.get(contract) for name, contract in zip(names, BLUEPRINTS, strict=True)}
        return {"notices": site.notices.address, **made}
    return {}


def _backstop_values(site: Site, layer: Layer) -> dict[str, Any]:
    vault = layer.backstop.instance
    # Its own name() may be hidden by that of the object which reads it.
    name = str(vault.eip712Domain()[1]) if layer.terms is None else layer.terms.name
    symbol = str(vault.symbol()) if layer.terms is None else layer.terms.symbol
    decimals = int(layer.asset.decimals())
    return {
        **_domain_values(site, layer.backstop, name, "1", "erc20.eip712_domain_separator"),
        "erc20.name": name,
        "erc20.symbol": symbol,
        "erc20.decimals": decimals + _OFFSET,
        "ASSET": address_of(layer.asset),
        "UNIT": 10**decimals,
        "UNDERWRITER": layer.underwriter.address,
    }


def _pool_values(site: Site, pool: Pool) -> dict[str, Any]:
    name, symbol = pool.config.name, pool.config.symbol
    return {
        **_domain_values(site, pool.pool, name, "1", "erc20.eip712_domain_separator"),
        "erc20.name": name,
        "erc20.symbol": symbol,
        "erc20.decimals": int(pool.asset.decimals()) + _OFFSET,
        "site.REGISTRY": pool.registry.address,
        "site.ASSET": address_of(pool.asset),
    }


def _feed_values(site: Site, market: Priced) -> dict[str, Any]:
    """Of a feed that the record doesn't have, what it reads and how strictly may be anything."""
    config = market.config
    decimals = int(site.backend.at("MockAggregator", market.aggregator).decimals())
    multiplier = 10 ** max(WAD_DECIMALS - decimals, 0)
    divisor = 10 ** max(decimals - WAD_DECIMALS, 0)
    return {
        "AGGREGATOR": market.aggregator if config else None,
        "SEQUENCER": (config.sequencer or ZERO) if config else None,
        "max_age": config.max_age if config else None,
        "sequencer_grace": config.sequencer_grace if config else None,
        "decimals": decimals,
        "MULTIPLIER": multiplier,
        "DIVISOR": divisor,
        "MAX_ANSWER": _MAX_PRICE * divisor // multiplier,
    }


def _domain_values(site: Site, part: Part, name: str, version: str, path: str) -> dict[str, Any]:
    """What snekmate's EIP-712 module keeps."""
    chain_id = site.backend.chain_id()
    hashed = keccak(text=name), keccak(text=version)
    kinds = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    separator = keccak(encode(kinds, [_DOMAIN, *hashed, chain_id, part.address]))
    values = {
        "_CACHED_DOMAIN_SEPARATOR": separator,
        "_CACHED_CHAIN_ID": chain_id,
        "_CACHED_SELF": part.address,
        "_NAME": name,
        "_HASHED_NAME": hashed[0],
        "_VERSION": version,
        "_HASHED_VERSION": hashed[1],
    }
    return {f"{path}.{key}": value for key, value in values.items()}
