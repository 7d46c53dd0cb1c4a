"""Faults planted in a deployed system, each with what an audit must say of it.

Most are what an operator or an attacker could bring about; what the contracts refuse is written into the chain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eth_utils import keccak

from kana_insurance.audit.code import source
from kana_insurance.backends import ZERO, address_of
from kana_insurance.backends.artifacts import artifact
from kana_insurance.backends.rpc import RpcBackend
from kana_insurance.deployment import ROLES, DeploymentRecord, System, attach, fund_terms
from kana_insurance.kit import DAY, Kit, U


@dataclass(frozen=True)
class Fault:
    """A fault: how it is planted, and where and in which words an audit finds it.

    Attributes:
        name: What is wrong.
        plant: Plants it; what it returns is audited instead of the system, if anything.
        area, part: Of the finding.
        words: Part of what it says; "{outsider}" and the like stand for actors' addresses.
        also: Other areas in which the same fault shows.
    """

    name: str
    plant: Callable[[Kit], System | None]
    area: str
    part: str
    words: str
    also: tuple[str, ...] = ()


# ----------------------------------------------------------------------- tools


def slot_of(contract: str, *path: str) -> int:
    """The slot of a storage variable, from the compiler's layout."""
    found = artifact(contract)["layout"]["storage_layout"]
    for name in path:
        found = found[name]
    return int(found["slot"])


def entry(slot: int, *keys: bytes) -> int:
    """The slot of an entry of a map."""
    for key in keys:
        slot = int.from_bytes(keccak(slot.to_bytes(32, "big") + key.rjust(32, b"\x00")), "big")
    return slot


def node_of(kit: Kit) -> RpcBackend:
    """The node, as what writes into the chain knows it."""
    assert isinstance(kit.backend, RpcBackend)
    return kit.backend


def store(kit: Kit, contract: object, slot: int, value: int) -> None:
    """Write a word of storage."""
    word = "0x" + value.to_bytes(32, "big").hex()
    node_of(kit).rpc("anvil_setStorageAt", address_of(contract), hex(slot), word)


def load(kit: Kit, contract: object, slot: int) -> int:
    """Read a word of storage."""
    return int(node_of(kit).rpc("eth_getStorageAt", address_of(contract), hex(slot), "latest"), 16)


def put_code(kit: Kit, address: object, code: bytes) -> None:
    """Replace the code at an address."""
    node_of(kit).rpc("anvil_setCode", address_of(address), "0x" + code.hex())


def with_immutable(kit: Kit, contract: object, kind: str, name: str, value: bytes) -> None:
    """Change one immutable of a contract."""
    compiled = source(kind)
    code = bytearray(kit.backend.code(address_of(contract)))
    one = next(one for one in compiled.immutables if one.name == name)
    start = len(compiled.runtime) + one.offset
    code[start : start + 32] = value.rjust(32, b"\x00")
    put_code(kit, contract, bytes(code))


def bytes_of(account: object) -> bytes:
    """An address as bytes."""
    return bytes.fromhex(address_of(account)[2:])


def record_with(kit: Kit, **addresses: str) -> System:
    """The system as a record with other addresses has it."""
    record: DeploymentRecord = kit.system.record.model_copy(
        update={"addresses": {**kit.system.record.addresses, **addresses}}
    )
    return attach(kit.backend, record)


# ----------------------------------------------------------------------- roles


def second_guardian(kit: Kit) -> None:
    kit.fund.grantRole(ROLES["GUARDIAN"], address_of(kit.actors.outsider), sender=kit.governance)


def other_treasurer(kit: Kit) -> None:
    kit.fund.revokeRole(ROLES["TREASURER"], address_of(kit.actors.treasurer), sender=kit.governance)
    kit.fund.grantRole(ROLES["TREASURER"], address_of(kit.actors.outsider), sender=kit.governance)


def leftover_deployer(kit: Kit) -> None:
    deployer = bytes_of(kit.actors.deployer)
    roles = slot_of("InsuranceFund", "roles", "access_control", "hasRole")
    members = slot_of("InsuranceFund", "roles", "members")
    store(kit, kit.fund, entry(roles, ROLES["DEPLOYER"], deployer), 1)
    store(kit, kit.fund, entry(members, ROLES["DEPLOYER"]), 1)


def foreign_proposer(kit: Kit) -> None:
    word = kit.timelock.PROPOSER_ROLE()
    kit.timelock.grantRole(word, address_of(kit.actors.outsider), sender=kit.governance)


def other_governance(kit: Kit) -> None:
    people = [address_of(kit.actors.outsider)]
    other = kit.backend.deploy("Timelock", 2 * DAY, 2 * DAY, people, people, sender=kit.actors.outsider)
    kit.registry.set_governance(address_of(other), sender=kit.governance)


def other_fee_recipient(kit: Kit) -> None:
    kit.registry.set_fee_recipient(address_of(kit.actors.outsider), sender=kit.governance)


# ---------------------------------------------------------------------- delays


def short_delay(kit: Kit) -> None:
    store(kit, kit.timelock, slot_of("Timelock", "timelock_controller", "get_minimum_delay"), 3_600)


def short_floor(kit: Kit) -> None:
    with_immutable(kit, kit.timelock, "Timelock", "MIN_DELAY_FLOOR", (3_600).to_bytes(32, "big"))


# ------------------------------------------------------------------------ code


def foreign_code(kit: Kit) -> None:
    put_code(kit, kit.gateway, source("Caller").runtime)


def one_byte(kit: Kit) -> None:
    code = bytearray(kit.backend.code(address_of(kit.house)))
    code[1_000] ^= 1
    put_code(kit, kit.house, bytes(code))


def other_treasury(kit: Kit) -> None:
    with_immutable(kit, kit.fund, "InsuranceFund", "custody.TREASURY", bytes_of(kit.actors.outsider))


def more_code(kit: Kit) -> None:
    put_code(kit, kit.feeds[0], kit.backend.code(address_of(kit.feeds[0])) + b"\x00")


def other_blueprint(kit: Kit) -> None:
    blueprint = kit.factory.fund_blueprint()
    code = bytearray(kit.backend.code(blueprint))
    code[5_000] ^= 1
    put_code(kit, blueprint, bytes(code))


# ----------------------------------------------------------------------- setup


def reopened_setup(kit: Kit) -> None:
    slot = slot_of("InsuranceFund", "ledger", "pot")
    store(kit, kit.fund, slot, load(kit, kit.fund, slot) | (2**32 - 1) << 224)


def unfinished_fund(kit: Kit) -> None:
    terms = fund_terms(kit.system.config, address_of(kit.asset), address_of(kit.actors.outsider))
    kit.factory.create_fund(terms, True, b"\x07" * 32, sender=kit.governance, gas=14_000_000)


# ---------------------------------------------------------------------- wiring


def false_board(kit: Kit) -> System:
    return record_with(kit, notices=address_of(kit.backend.deploy("NoticeBoard", sender=kit.actors.outsider)))


def false_factory(kit: Kit) -> System:
    governance, board = address_of(kit.timelock), address_of(kit.notices)
    blueprints = (kit.factory.fund_blueprint(), kit.factory.underwriter_blueprint(), kit.factory.backstop_blueprint())
    terms = (governance, address_of(kit.actors.outsider), board, *blueprints)
    other = kit.backend.deploy("FundFactory", *terms, sender=kit.actors.outsider)
    other.finish_setup(sender=kit.actors.outsider)
    return record_with(kit, factory=address_of(other))


def released_market(kit: Kit) -> None:
    kit.fund.release_market(1, sender=kit.impersonate(kit.house))


def other_feed(kit: Kit) -> None:
    kit.registry.set_feed(0, address_of(kit.feeds[1]), sender=kit.governance)


# ---------------------------------------------------------------------- layers


def missing_layer(kit: Kit) -> None:
    kit.fund.set_layers(ZERO, ZERO, 5_000, sender=kit.governance)


def one_sided_layer(kit: Kit) -> None:
    kit.underwriter.remove_fund(address_of(kit.fund), sender=kit.governance)


def stranger_at_the_stakers(kit: Kit) -> None:
    kit.govern(kit.underwriter, "set_fund", address_of(kit.house), 5 * U, 0, DAY, 0, notice=True)


# ------------------------------------------------------------------ parameters


def fund_share(kit: Kit) -> None:
    slot = slot_of("InsuranceFund", "ledger", "terms")
    store(kit, kit.fund, slot, load(kit, kit.fund, slot) & (2**240 - 1) | 9_000 << 240)


def short_window(kit: Kit) -> None:
    store(kit, kit.fund, slot_of("InsuranceFund", "ledger", "window_length"), 60)


# ----------------------------------------------------------------------- money


def foreign_allowance(kit: Kit) -> None:
    kit.asset.approve(address_of(kit.actors.outsider), 5 * U, sender=kit.impersonate(kit.house))


def missing_allowance(kit: Kit) -> None:
    kit.asset.approve(address_of(kit.fund), 0, sender=kit.impersonate(kit.house))


def layer_allowance(kit: Kit) -> None:
    kit.asset.approve(address_of(kit.underwriter), 7, sender=kit.impersonate(kit.fund))


def missing_reserve(kit: Kit) -> None:
    kit.contribute(kit.actors.contributor, 100 * U)
    kit.asset.transfer(address_of(kit.actors.outsider), 1, sender=kit.impersonate(kit.fund))


def missing_stake(kit: Kit) -> None:
    kit.stake(kit.actors.liquidator, 100 * U)
    kit.asset.transfer(address_of(kit.actors.outsider), 3, sender=kit.impersonate(kit.backstop))


def missing_margin(kit: Kit) -> None:
    kit.deposit(kit.actors.trader, 100 * U)
    kit.asset.transfer(address_of(kit.actors.outsider), 2, sender=kit.impersonate(kit.house))


# ----------------------------------------------------------------------- feeds


def stale_feed(kit: Kit) -> None:
    kit.travel(2 * 3_600, refresh=False)
    kit.set_price(2_000 * 10**18, 1)
    kit.set_collateral_price(2_000 * 10**18, 0)
    kit.set_collateral_price(60_000 * 10**18, 1)


def bad_answer(kit: Kit) -> None:
    kit.aggregators[0].push(0, sender=kit.actors.outsider)


# --------------------------------------------------------------------- lending


def released_pool(kit: Kit) -> None:
    kit.fund.release_market(0, sender=kit.impersonate(kit.pool))


def high_premium(kit: Kit) -> None:
    """The word: asset 160 | factor 16 | threshold 16 | close factor 16 | premium 16 | fund's part 16 | decimals 16."""
    slot = entry(slot_of("LendingRegistry", "_words"), (1).to_bytes(32, "big"))
    store(kit, kit.lending, slot, load(kit, kit.lending, slot) & ~(0xFFFF << 32) | 2_100 << 32)


def pool_without_allowance(kit: Kit) -> None:
    kit.asset.approve(address_of(kit.fund), 0, sender=kit.impersonate(kit.pool))


def missing_cash(kit: Kit) -> None:
    kit.lend(kit.actors.trader, 100 * U)
    kit.asset.transfer(address_of(kit.actors.outsider), 4, sender=kit.impersonate(kit.pool))


def missing_collateral(kit: Kit) -> None:
    kit.add_collateral(kit.actors.trader, 10**8, 1)
    kit.collateral(1).transfer(address_of(kit.actors.outsider), 5, sender=kit.impersonate(kit.pool))


def stale_collateral_feed(kit: Kit) -> None:
    kit.travel(2 * 3_600, refresh=False)
    kit.set_price(100 * 10**18, 0)
    kit.set_price(2_000 * 10**18, 1)
    kit.set_collateral_price(2_000 * 10**18, 0)


#: What a stray transfer leaves is a note, not a fault.
FAULTS = (
    Fault(
        "second guardian",
        second_guardian,
        "roles",
        "fund",
        "GUARDIAN has 2 members, 1 of them in the record; also {outsider}",
    ),
    Fault("other treasurer", other_treasurer, "roles", "fund", "{treasurer} does not hold TREASURER"),
    Fault("leftover deployer role", leftover_deployer, "roles", "fund", "the deployer {deployer} still holds DEPLOYER"),
    Fault(
        "foreign proposer",
        foreign_proposer,
        "roles",
        "timelock",
        "PROPOSER has 2 members, 1 of them in the record; also {outsider}",
    ),
    Fault("other governance", other_governance, "roles", "registry", "governance is 0x"),
    Fault("other fee recipient", other_fee_recipient, "roles", "registry", "the fee recipient is {outsider}"),
    Fault("short delay", short_delay, "delays", "timelock", "its delay is 3600 s, below its floor of 172800 s"),
    Fault(
        "short floor", short_floor, "delays", "timelock", "its floor is 3600 s, must be at least 172800 s", ("code",)
    ),
    Fault(
        "foreign code",
        foreign_code,
        "code",
        "gateway",
        "is not OrderGateway of this source: it differs from byte",
        ("wiring",),
    ),
    Fault("one byte changed", one_byte, "code", "house", "it differs from byte 1000 on"),
    Fault(
        "other treasury",
        other_treasury,
        "code",
        "fund",
        "immutable custody.TREASURY is {outsider}, must be {treasury}",
        ("roles",),
    ),
    Fault("more code", more_code, "code", "feed of COIN / USD", "257 bytes follow the code of PriceFeed, must be 256"),
    Fault(
        "other blueprint",
        other_blueprint,
        "code",
        "blueprint InsuranceFund",
        "is not the creation code of InsuranceFund",
    ),
    Fault("setup reopened", reopened_setup, "setup", "fund", "its setup is not finished"),
    Fault("fund never opened", unfinished_fund, "setup", "fund 0x", "its setup is not finished", ("roles",)),
    Fault("false board", false_board, "wiring", "fund", "the notice board is 0x", ("code",)),
    Fault("false factory", false_factory, "wiring", "fund", "the factory did not make it", ("code", "layers")),
    Fault("released market", released_market, "wiring", "ETH / USD", "it is not registered at its fund 0x"),
    Fault("other feed", other_feed, "wiring", "COIN / USD", "the feed is 0x"),
    Fault("missing layer", missing_layer, "layers", "fund", f"the staked layer is {ZERO}"),
    Fault("layer on one side", one_sided_layer, "layers", "underwriter", "fund is not registered with it"),
    Fault("stranger at the stakers", stranger_at_the_stakers, "layers", "underwriter", "is no fund of this deployment"),
    Fault("fund's share", fund_share, "parameters", "fund", "fund_bps is 9000, must be 0 to 3000"),
    Fault("short window", short_window, "parameters", "fund", "window is 60, must be 3600 to 2592000"),
    Fault("foreign allowance", foreign_allowance, "allowances", "house", "it allows {outsider} 5 KanaUSDT"),
    Fault(
        "missing allowance",
        missing_allowance,
        "allowances",
        "house",
        "it allows its fund, fund, 0 KanaUSDT: too little",
    ),
    Fault("layer's allowance", layer_allowance, "allowances", "fund", "it allows underwriter 0.000007 KanaUSDT"),
    Fault("missing reserve", missing_reserve, "balances", "fund", "it holds 0.000001 KanaUSDT less than its books say"),
    Fault("missing stake", missing_stake, "balances", "backstop", "it holds 0.000003 KanaUSDT less than its books say"),
    Fault("missing margin", missing_margin, "balances", "house", "it holds 0.000002 KanaUSDT less than its books say"),
    Fault("released pool", released_pool, "wiring", "pool", "it is not registered at its fund 0x"),
    Fault("high premium", high_premium, "parameters", "collateral BTC", "premium_bps is 2100, must be 1 to 2000"),
    Fault(
        "pool without allowance",
        pool_without_allowance,
        "allowances",
        "pool",
        "it allows its fund, fund, 0 KanaUSDT: too little",
    ),
    Fault("missing cash", missing_cash, "balances", "pool", "it holds 0.000004 KanaUSDT less than its books say"),
    Fault(
        "missing collateral",
        missing_collateral,
        "balances",
        "pool",
        "it holds 0.00000005 KBTC less than its books say",
    ),
    Fault(
        "stale feed of a collateral",
        stale_collateral_feed,
        "feeds",
        "feed of collateral BTC",
        "it gives no price: feed: stale price",
    ),
    Fault("stale feed", stale_feed, "feeds", "feed of COIN / USD", "it gives no price: feed: stale price"),
    Fault("bad answer", bad_answer, "feeds", "feed of COIN / USD", "it gives no price: feed: price not positive"),
)
