"""The contracts under ``contracts/testing``: the faucet token, the quirky tokens of T70 and the hostile helpers.

A quirk that doesn't happen would let every test that leans on it pass for nothing, so each is pinned here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest
from eth.exceptions import Revert
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

ZERO = "0x" + "00" * 20
UNIT = 10**6
MAGIC = bytes.fromhex("1626ba7e")
OWNER_KEY = b"\x11" * 32
OTHER_KEY = b"\x22" * 32
DIGEST = keccak(b"an order")

USDT = boa.load_partial("contracts/testing/KanaUSDT.vy")
QUIRKY = boa.load_partial("contracts/testing/QuirkyToken.vy")
NO_RETURN = boa.load_partial("contracts/testing/NoReturnToken.vy")
HOOK = boa.load_partial("contracts/testing/HookToken.vy")
CALLER = boa.load_partial("contracts/testing/Caller.vy")
WALLET = boa.load_partial("contracts/testing/Wallet1271.vy")
FORCE = boa.load_partial("contracts/testing/ForceEther.vy")

# Pays by `transfer` and pulls by `transferFrom` in the way the project's contracts do.
PAYER = """
from ethereum.ercs import IERC20

@external
def pay(token: address, to: address, amount: uint256):
    assert extcall IERC20(token).transfer(to, amount, default_return_value=True), "payer: transfer failed"

@external
def pull(token: address, owner: address, amount: uint256):
    assert extcall IERC20(token).transferFrom(owner, self, amount, default_return_value=True), "payer: transfer failed"
"""

# Asks a wallet as a signature checker does: a static call, with how it went and what came back.
ASKER = """
@external
@view
def ask(wallet: address, digest: bytes32, signature: Bytes[65]) -> (bool, Bytes[64]):
    success: bool = False
    answer: Bytes[64] = b""
    success, answer = raw_call(
        wallet,
        abi_encode(digest, signature, method_id=0x1626ba7e),
        max_outsize=64,
        gas=1_000_000,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success, answer
"""

COUNTER = """
count: public(uint256)

@external
def bump() -> uint256:
    assert msg.sender != self.banned, "counter: banned"
    self.count += 1
    return self.count

banned: public(address)

@external
def ban(account: address):
    self.banned = account
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Each test on a chain of its own."""
    with boa.env.anchor():
        # Addresses recur from test to test, and titanoboa remembers storage keys by address.
        boa.env.sstore_trace.clear()
        yield


@pytest.fixture
def holder() -> Any:
    """Who holds tokens and sends the calls."""
    account = boa.env.generate_address("holder")
    with boa.env.prank(account):
        yield account


@pytest.fixture
def receiver() -> Any:
    """Who receives."""
    return boa.env.generate_address("receiver")


def sign(key: bytes, digest: bytes) -> bytes:
    """The 65 bytes r, s, v of a key over a digest."""
    return bytes(Account.unsafe_sign_hash(digest, key).signature)


# ------------------------------------------------------------------- KanaUSDT


def test_usdt__metadata__as_named() -> None:
    token = USDT.deploy()
    assert (token.name(), token.symbol(), token.decimals()) == ("Kana USDT", "KanaUSDT", 6)
    assert token.totalSupply() == 0


def test_faucet__anyone__mints(holder: Any, receiver: Any) -> None:
    token = USDT.deploy()
    token.faucet(5 * UNIT)
    token.faucet_to(receiver, 7 * UNIT)
    assert token.balanceOf(holder) == 5 * UNIT
    assert token.balanceOf(receiver) == 7 * UNIT
    assert token.totalSupply() == 12 * UNIT


def test_faucet__a_billion__is_the_bound(holder: Any) -> None:
    token = USDT.deploy()
    bound = 10**9 * UNIT
    assert bound == token.MAX_FAUCET()
    token.faucet(bound)
    with boa.reverts("usdt: above faucet bound"):
        token.faucet(bound + 1)
    with boa.reverts("usdt: above faucet bound"):
        token.faucet_to(holder, bound + 1)
    assert token.balanceOf(holder) == bound


def test_usdt__no_powers__exported() -> None:
    token = USDT.deploy()
    for name in ("mint", "burn", "burn_from", "owner", "transfer_ownership", "set_minter", "is_minter"):
        assert not hasattr(token, name), name


def test_permit__signed_by_owner__sets_allowance_once(receiver: Any) -> None:
    token = USDT.deploy()
    owner = Account.from_key(OWNER_KEY)
    _, name, version, chain_id, contract, _, _ = token.eip712Domain()
    assert (name, version, contract) == ("Kana USDT", "1", token.address)
    deadline = boa.env.evm.patch.timestamp + 60
    message = {
        "domain": {"name": name, "version": version, "chainId": chain_id, "verifyingContract": contract},
        "primaryType": "Permit",
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Permit": [
                {"name": "owner", "type": "address"},
                {"name": "spender", "type": "address"},
                {"name": "value", "type": "uint256"},
                {"name": "nonce", "type": "uint256"},
                {"name": "deadline", "type": "uint256"},
            ],
        },
        "message": {
            "owner": owner.address,
            "spender": receiver,
            "value": 9,
            "nonce": token.nonces(owner.address),
            "deadline": deadline,
        },
    }
    signed = owner.sign_message(encode_typed_data(full_message=message))
    parts = (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
    token.permit(owner.address, receiver, 9, deadline, *parts)
    assert token.allowance(owner.address, receiver) == 9
    assert token.nonces(owner.address) == 1
    with boa.reverts("erc20: invalid signature"):
        token.permit(owner.address, receiver, 9, deadline, *parts)


# ---------------------------------------------------------------- QuirkyToken


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_quirky__no_quirk__is_plain(holder: Any, receiver: Any, decimals: int) -> None:
    token = QUIRKY.deploy(decimals)
    payer = boa.loads(PAYER)
    token.mint(holder, 100)
    assert token.decimals() == decimals
    assert token.transfer(receiver, 30) is True
    assert token.approve(payer, 20) is True
    payer.pull(token, holder, 15)
    assert [token.balanceOf(a) for a in (holder, receiver, payer)] == [55, 30, 15]
    assert token.allowance(holder, payer) == 5
    assert token.totalSupply() == 100
    with boa.reverts("quirky: insufficient allowance"):
        payer.pull(token, holder, 6)
    with boa.reverts("quirky: insufficient balance"):
        token.transfer(receiver, 56)


def test_quirky__unlimited_allowance__stays(holder: Any) -> None:
    token = QUIRKY.deploy(18)
    payer = boa.loads(PAYER)
    token.mint(holder, 10)
    token.approve(payer, 2**256 - 1)
    payer.pull(token, holder, 10)
    assert token.allowance(holder, payer) == 2**256 - 1


def test_quirky__returns_false__moves_nothing(holder: Any, receiver: Any) -> None:
    token = QUIRKY.deploy(6)
    token.mint(holder, 100)
    token.set_quirks(token.RETURNS_FALSE())
    assert token.transfer(receiver, 10) is False
    assert token.transferFrom(holder, receiver, 10) is False
    assert token.balanceOf(holder) == 100
    with boa.reverts("payer: transfer failed"):
        boa.loads(PAYER).pay(token, receiver, 0)


def test_quirky__reverts__says_so(holder: Any, receiver: Any) -> None:
    token = QUIRKY.deploy(6)
    token.mint(holder, 100)
    token.approve(holder, 100)
    token.set_quirks(token.REVERTS())
    with boa.reverts("quirky: transfers revert"):
        token.transfer(receiver, 10)
    with boa.reverts("quirky: transfers revert"):
        token.transferFrom(holder, receiver, 10)


def test_quirky__takes_fee__delivers_less(holder: Any, receiver: Any) -> None:
    """A hundredth, rounded up, is burned."""
    token = QUIRKY.deploy(6)
    token.mint(holder, 1_000)
    token.set_quirks(token.TAKES_FEE())
    token.transfer(receiver, 101)
    assert token.balanceOf(receiver) == 99
    assert token.balanceOf(holder) == 899
    assert token.totalSupply() == 998
    token.set_fee_bps(10_000)
    token.transfer(receiver, 899)
    assert token.balanceOf(receiver) == 99
    with boa.reverts("quirky: fee above 100 %"):
        token.set_fee_bps(10_001)


def test_quirky__blacklisted__neither_sends_nor_receives(holder: Any, receiver: Any) -> None:
    token = QUIRKY.deploy(6)
    token.mint(holder, 100)
    token.set_blacklisted(receiver, True)
    with boa.reverts("quirky: receiver blacklisted"):
        token.transfer(receiver, 1)
    token.set_blacklisted(receiver, False)
    token.transfer(receiver, 1)
    token.set_blacklisted(holder, True)
    with boa.reverts("quirky: sender blacklisted"):
        token.transfer(receiver, 1)


def test_quirky__approve_race__must_reset_first(holder: Any, receiver: Any) -> None:
    token = QUIRKY.deploy(6)
    token.set_quirks(token.APPROVE_RACE())
    token.approve(receiver, 5)
    with boa.reverts("quirky: reset allowance first"):
        token.approve(receiver, 6)
    token.approve(receiver, 0)
    token.approve(receiver, 6)
    assert token.allowance(holder, receiver) == 6


def test_quirky__two_quirks__combine(holder: Any, receiver: Any) -> None:
    token = QUIRKY.deploy(6)
    token.mint(holder, 100)
    token.set_quirks(token.TAKES_FEE() + token.APPROVE_RACE())
    token.approve(receiver, 5)
    with boa.reverts("quirky: reset allowance first"):
        token.approve(receiver, 6)
    token.transfer(receiver, 100)
    assert token.balanceOf(receiver) == 99


# -------------------------------------------------------------- NoReturnToken


def test_no_return__calls__return_no_data(receiver: Any) -> None:
    token = NO_RETURN.deploy(6)
    caller = CALLER.deploy()
    token.mint(caller, 100)
    assert caller.execute(token, token.transfer.prepare_calldata(receiver, 40)) == b""
    assert caller.execute(token, token.approve.prepare_calldata(caller, 10)) == b""
    assert caller.execute(token, token.transferFrom.prepare_calldata(caller, receiver, 10)) == b""
    assert token.balanceOf(receiver) == 50


def test_no_return__through_default_value__accepted(holder: Any, receiver: Any) -> None:
    token = NO_RETURN.deploy(6)
    payer = boa.loads(PAYER)
    token.mint(holder, 100)
    token.approve(payer, 60)
    payer.pull(token, holder, 60)
    payer.pay(token, receiver, 25)
    assert [token.balanceOf(a) for a in (holder, receiver, payer)] == [40, 25, 35]
    with boa.reverts("noreturn: insufficient allowance"):
        payer.pull(token, holder, 1)
    with boa.reverts("noreturn: insufficient balance"):
        payer.pay(token, receiver, 36)


# ------------------------------------------------------------------ HookToken


def test_hook__none_set__is_plain(holder: Any, receiver: Any) -> None:
    token = HOOK.deploy(18)
    token.mint(holder, 10)
    token.transfer(receiver, 4)
    assert (token.balanceOf(holder), token.balanceOf(receiver), token.hook_calls()) == (6, 4, 0)


def test_hook__target_succeeds__recorded(holder: Any, receiver: Any) -> None:
    token = HOOK.deploy(18)
    counter = boa.loads(COUNTER)
    token.mint(holder, 10)
    token.set_hook(counter, counter.bump.prepare_calldata(), False)
    token.transfer(receiver, 1)
    token.approve(holder, 2)
    token.transferFrom(holder, receiver, 2)
    assert counter.count() == 2
    assert token.hook_calls() == 2
    assert token.last_success() is True
    assert int.from_bytes(token.last_return(), "big") == 2


def test_hook__target_reverts__reason_recorded_and_transfer_goes_on(holder: Any, receiver: Any) -> None:
    token = HOOK.deploy(18)
    counter = boa.loads(COUNTER)
    counter.ban(token)
    token.mint(holder, 10)
    token.set_hook(counter, counter.bump.prepare_calldata(), False)
    token.transfer(receiver, 1)
    assert token.balanceOf(receiver) == 1
    assert (token.hook_calls(), token.last_success()) == (1, False)
    assert b"counter: banned" in token.last_return()


@pytest.mark.parametrize("before", [True, False])
def test_hook__re_entering_transfer__moves_and_fires_no_second_hook(holder: Any, receiver: Any, before: bool) -> None:
    """Before: the nested transfer takes the last token away and the outer one fails. After: it has nothing to take."""
    token = HOOK.deploy(18)
    caller = CALLER.deploy()
    token.mint(caller, 1)
    nested = token.transfer.prepare_calldata(holder, 1)
    token.set_hook(caller, caller.execute.prepare_calldata(token, nested), before)
    outer = token.transfer.prepare_calldata(receiver, 1)
    if before:
        with boa.reverts("hook: insufficient balance"):
            caller.execute(token, outer)
        return
    caller.execute(token, outer)
    assert token.balanceOf(receiver) == 1
    assert (token.hook_calls(), token.last_success()) == (1, False)
    assert b"hook: insufficient balance" in token.last_return()


def test_hook__set_again__clears_the_record(holder: Any, receiver: Any) -> None:
    token = HOOK.deploy(18)
    counter = boa.loads(COUNTER)
    token.mint(holder, 10)
    token.set_hook(counter, counter.bump.prepare_calldata(), True)
    token.transfer(receiver, 1)
    token.set_hook(ZERO, b"", False)
    token.transfer(receiver, 1)
    assert (token.hook_calls(), token.last_success(), token.last_return()) == (0, False, b"")
    assert counter.count() == 1


def test_hook__allowance_too_small__refused(holder: Any, receiver: Any) -> None:
    token = HOOK.deploy(18)
    token.mint(holder, 10)
    with boa.reverts("hook: insufficient allowance"):
        token.transferFrom(holder, receiver, 1)


# --------------------------------------------------------------------- Caller


def test_caller__target_returns__handed_back() -> None:
    caller, counter = CALLER.deploy(), boa.loads(COUNTER)
    answer = caller.execute(counter, counter.bump.prepare_calldata())
    assert int.from_bytes(answer, "big") == 1


def test_caller__target_reverts__same_reason() -> None:
    caller, counter = CALLER.deploy(), boa.loads(COUNTER)
    counter.ban(caller)
    with boa.reverts("counter: banned"):
        caller.execute(counter, counter.bump.prepare_calldata())


def test_caller__no_code__refused(receiver: Any) -> None:
    with boa.reverts("caller: target has no code"):
        CALLER.deploy().execute(receiver, b"")


# ----------------------------------------------------------------- Wallet1271


@pytest.fixture
def wallet() -> Any:
    """A wallet of the owner key."""
    return WALLET.deploy(Account.from_key(OWNER_KEY).address)


def ask(wallet: Any, signature: bytes = b"") -> tuple[bool, bytes]:
    """What a signature checker sees: whether the call succeeded, and the raw answer."""
    success, answer = boa.loads(ASKER).ask(wallet, DIGEST, signature)
    return success, bytes(answer)


def test_wallet__honest__magic_for_the_owner_alone(wallet: Any) -> None:
    assert ask(wallet, sign(OWNER_KEY, DIGEST)) == (True, MAGIC + bytes(28))
    assert ask(wallet, sign(OTHER_KEY, DIGEST)) == (True, bytes(32))
    assert ask(wallet, sign(OWNER_KEY, keccak(b"another"))) == (True, bytes(32))
    assert ask(wallet, b"short") == (True, bytes(32))


def test_wallet__hostile_modes__answer_as_named(wallet: Any) -> None:
    good = sign(OWNER_KEY, DIGEST)
    wallet.set_mode(wallet.GARBAGE())
    success, answer = ask(wallet, good)
    assert success
    assert len(answer) == 32
    assert answer != MAGIC + bytes(28)
    assert answer[:4] == MAGIC
    wallet.set_mode(wallet.SHORT())
    assert ask(wallet, good) == (True, MAGIC)
    wallet.set_mode(wallet.NOTHING())
    assert ask(wallet, good) == (True, b"")
    wallet.set_mode(wallet.ALWAYS())
    assert ask(wallet, b"") == (True, MAGIC + bytes(28))
    wallet.set_mode(wallet.REVERTS())
    success, _ = ask(wallet, good)
    assert not success
    with boa.reverts("wallet: no signature today"):
        wallet.isValidSignature(DIGEST, good)
    with boa.reverts("wallet: unknown mode"):
        wallet.set_mode(8)


def test_wallet__burns_gas__takes_all_it_was_given(wallet: Any) -> None:
    asker = boa.loads(ASKER)
    wallet.set_mode(wallet.BURNS_GAS())
    assert asker.ask(wallet, DIGEST, b"") == (False, b"")
    assert asker._computation.get_gas_used() > 1_000_000


def test_wallet__re_entry_gets_through__reverts(wallet: Any) -> None:
    """In a static call it can't change state: the call fails and the wallet signs. In a plain one it gets through."""
    counter = boa.loads(COUNTER)
    wallet.set_mode(wallet.REENTERS())
    wallet.set_reentry(counter, counter.bump.prepare_calldata())
    assert ask(wallet) == (True, MAGIC + bytes(28))
    with boa.reverts("wallet: re-entry got through"):
        wallet.isValidSignature(DIGEST, b"")
    wallet.set_reentry(counter, counter.count.prepare_calldata())
    success, _ = ask(wallet)
    assert not success


def test_wallet__execute__owner_alone(wallet: Any, receiver: Any) -> None:
    counter = boa.loads(COUNTER)
    data = counter.bump.prepare_calldata()
    owner = Account.from_key(OWNER_KEY).address
    assert int.from_bytes(wallet.execute(counter, data, sender=owner), "big") == 1
    with boa.reverts("wallet: not the owner"):
        wallet.execute(counter, data, sender=receiver)
    with boa.reverts("wallet: target has no code"):
        wallet.execute(receiver, data, sender=owner)


# ----------------------------------------------------------------- ForceEther


def test_force_ether__target_refuses_ether__gets_it() -> None:
    token = USDT.deploy()
    sender = boa.env.generate_address("rich")
    boa.env.set_balance(sender, 100)
    with boa.env.prank(sender):
        with pytest.raises(Revert):
            boa.env.raw_call(token.address, value=5)
        FORCE.deploy(token, value=7)
    assert boa.env.get_balance(token.address) == 7
