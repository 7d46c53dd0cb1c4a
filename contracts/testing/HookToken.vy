# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Token with hooks
@license AGPL-3.0-only
@author Kana
@notice An ERC-20 that calls out in the middle of every transfer, as ERC-777 tokens do, to whatever target it was
        told.
@dev The hook runs before or after the balances move. Its outcome is recorded (`hook_calls`, `last_success`,
     `last_return`), so that a test sees whether the re-entry got through and with which reason it failed; the
     transfer itself goes on in either case. Transfers made from inside a hook fire no further hook. To re-enter as a
     particular trader or venue, let the hook call `Caller.execute`. Nothing here is locked: re-entry is the purpose.
     Anyone mints and sets the hook.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

implements: IERC20
implements: IERC20Detailed

# ---------------------------------------------------------------- constants

# Most call data that a hook sends and most return data that it records, bytes.
MAX_DATA: constant(uint256) = 4_096
MAX_RETURN: constant(uint256) = 1_024
name: public(constant(String[10])) = "Hook Token"
symbol: public(constant(String[4])) = "HOOK"

# --------------------------------------------------------------- immutables

decimals: public(immutable(uint8))

# ------------------------------------------------------------------ storage

# Base units by holder, and their sum.
balanceOf: public(HashMap[address, uint256])
totalSupply: public(uint256)
# Base units that a spender may still move, by owner.
allowance: public(HashMap[address, HashMap[address, uint256]])

# Whom the hook calls, zero for no hook, with what, and whether before the balances move.
hook_target: public(address)
hook_data: public(Bytes[MAX_DATA])
hook_before: public(bool)
# How often the hook has run since it was set.
hook_calls: public(uint256)
# Whether its last run succeeded, and what came back (return data, or the revert's).
last_success: public(bool)
last_return: public(Bytes[MAX_RETURN])
# True while a hook runs: no hook inside a hook.
_in_hook: bool

# -------------------------------------------------------------- constructor

@deploy
def __init__(token_decimals: uint8):
    decimals = token_decimals


# ------------------------------------------------------------------- ERC-20

@external
@reentrant
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Move tokens of the caller and run the hook.
    @param to Receiver.
    @param amount Base units.
    @return True.
    """
    self._move(msg.sender, to, amount)
    return True


@external
@reentrant
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Move tokens of `owner` by allowance and run the hook.
    @param owner Sender.
    @param to Receiver.
    @param amount Base units.
    @return True.
    """
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed != max_value(uint256):
        assert allowed >= amount, "hook: insufficient allowance"
        self.allowance[owner][msg.sender] = allowed - amount
    self._move(owner, to, amount)
    return True


@external
@reentrant
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Set an allowance.
    @param spender Who may spend.
    @param amount Base units.
    @return True.
    """
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


# ----------------------------------------------------------------- switches

@external
@reentrant
def mint(account: address, amount: uint256):
    """
    @notice Create tokens; runs no hook.
    @param account Receiver.
    @param amount Base units.
    """
    self.totalSupply += amount
    self.balanceOf[account] += amount
    log IERC20.Transfer(sender=empty(address), receiver=account, value=amount)


@external
@reentrant
def set_hook(target: address, data: Bytes[MAX_DATA], before: bool):
    """
    @notice Choose whom every transfer calls from now on, and clear the record.
    @param target The contract called; zero for no hook.
    @param data Its call data.
    @param before True: before the balances move; false: after.
    """
    self.hook_target = target
    self.hook_data = data
    self.hook_before = before
    self.hook_calls = 0
    self.last_success = False
    self.last_return = b""


# ---------------------------------------------------------------- internals

@internal
def _move(owner: address, to: address, amount: uint256):
    before: bool = self.hook_before
    if before:
        self._hook()
    assert self.balanceOf[owner] >= amount, "hook: insufficient balance"
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=owner, receiver=to, value=amount)
    if not before:
        self._hook()


@internal
def _hook():
    target: address = self.hook_target
    if target == empty(address) or self._in_hook:
        return
    self._in_hook = True
    success: bool = False
    answer: Bytes[MAX_RETURN] = b""
    success, answer = raw_call(
        target, self.hook_data, max_outsize=MAX_RETURN, revert_on_failure=False
    )
    self._in_hook = False
    self.hook_calls += 1
    self.last_success = success
    self.last_return = answer
