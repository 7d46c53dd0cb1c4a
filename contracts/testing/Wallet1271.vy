# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title ERC-1271 wallet
@license AGPL-3.0-only
@author Kana
@notice A contract wallet of one owner key that signs by ERC-1271, honestly or in one of several hostile ways.
@dev Modes of `isValidSignature`:
     0 HONEST      the magic value for the owner's signature, zero for any other,
     1 GARBAGE     a word that is not the magic value, though it begins like it,
     2 REVERTS     reverts,
     3 BURNS_GAS   consumes all the gas it was given,
     4 SHORT       returns the magic value in 4 bytes instead of 32,
     5 NOTHING     returns no data at all,
     6 REENTERS    calls the configured target: the magic value when that call failed, a revert when it got through,
     7 ALWAYS      the magic value for anything.
     The answer is raw bytes, which for a full word is what the ERC's `bytes4` looks like on the wire.
"""

from snekmate.utils import ecdsa

# ---------------------------------------------------------------- constants

MAGIC: constant(bytes4) = 0x1626BA7E
MAX_DATA: constant(uint256) = 8_192
MAX_RETURN: constant(uint256) = 1_024

HONEST: public(constant(uint256)) = 0
GARBAGE: public(constant(uint256)) = 1
REVERTS: public(constant(uint256)) = 2
BURNS_GAS: public(constant(uint256)) = 3
SHORT: public(constant(uint256)) = 4
NOTHING: public(constant(uint256)) = 5
REENTERS: public(constant(uint256)) = 6
ALWAYS: public(constant(uint256)) = 7

# --------------------------------------------------------------- immutables

OWNER: public(immutable(address))

# ------------------------------------------------------------------ storage

# How `isValidSignature` behaves, one of the modes.
mode: public(uint256)
# What REENTERS calls, and with which data.
reentry_target: public(address)
reentry_data: public(Bytes[MAX_DATA])

# -------------------------------------------------------------- constructor

@deploy
def __init__(owner: address):
    OWNER = owner


# -------------------------------------------------------------------- owner

@external
@reentrant
def execute(target: address, data: Bytes[MAX_DATA]) -> Bytes[MAX_RETURN]:
    """
    @notice Call `target` as this wallet.
    @param target The contract called; must have code.
    @param data Its call data.
    @return What it returned.
    """
    assert msg.sender == OWNER, "wallet: not the owner"
    assert target.is_contract, "wallet: target has no code"
    return raw_call(target, data, max_outsize=MAX_RETURN)


@external
def set_mode(mode: uint256):
    """
    @notice Choose how signatures are answered from now on.
    @param mode One of the modes above.
    """
    assert mode <= ALWAYS, "wallet: unknown mode"
    self.mode = mode


@external
def set_reentry(target: address, data: Bytes[MAX_DATA]):
    """
    @notice Choose what mode REENTERS calls.
    @param target The contract called.
    @param data Its call data.
    """
    self.reentry_target = target
    self.reentry_data = data


# ----------------------------------------------------------------- ERC-1271

@external
@reentrant
@raw_return
def isValidSignature(digest: bytes32, signature: Bytes[1_024]) -> Bytes[32]:
    """
    @notice Whether the wallet signed `digest`, in the manner of its mode.
    @param digest What is signed.
    @param signature 65 bytes r, s, v of the owner key, in mode HONEST.
    @return The ERC's magic value, padded to a word, or what the mode says.
    """
    word: Bytes[32] = concat(MAGIC, empty(bytes28))
    mode: uint256 = self.mode
    if mode == HONEST:
        if (
            len(signature) != 65
            or ecdsa._recover_sig(digest, slice(signature, 0, 65)) != OWNER
        ):
            return concat(empty(bytes32), b"")
    elif mode == GARBAGE:
        return concat(
            MAGIC, 0x00000000000000000000000000000000000000000000000000000001
        )
    elif mode == REVERTS:
        raise "wallet: no signature today"
    elif mode == BURNS_GAS:
        raise UNREACHABLE
    elif mode == SHORT:
        return slice(word, 0, 4)
    elif mode == NOTHING:
        return b""
    elif mode == REENTERS:
        success: bool = raw_call(
            self.reentry_target, self.reentry_data, revert_on_failure=False
        )
        assert not success, "wallet: re-entry got through"
    return word
