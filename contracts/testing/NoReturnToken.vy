# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Token without return values
@license AGPL-3.0-only
@author Kana
@notice An ERC-20 in the manner of the oldest stablecoins: `transfer`, `transferFrom` and `approve` return nothing.
@dev Otherwise well behaved. Anyone mints.
"""

from ethereum.ercs import IERC20

# ---------------------------------------------------------------- constants

name: public(constant(String[15])) = "No Return Token"
symbol: public(constant(String[5])) = "NORET"

# --------------------------------------------------------------- immutables

decimals: public(immutable(uint8))

# ------------------------------------------------------------------ storage

# Base units by holder, and their sum.
balanceOf: public(HashMap[address, uint256])
totalSupply: public(uint256)
# Base units that a spender may still move, by owner.
allowance: public(HashMap[address, HashMap[address, uint256]])

# -------------------------------------------------------------- constructor

@deploy
def __init__(token_decimals: uint8):
    decimals = token_decimals


# ------------------------------------------------------- ERC-20, by halves

@external
def transfer(to: address, amount: uint256):
    """
    @notice Move tokens of the caller; returns nothing.
    @param to Receiver.
    @param amount Base units.
    """
    self._move(msg.sender, to, amount)


@external
def transferFrom(owner: address, to: address, amount: uint256):
    """
    @notice Move tokens of `owner` by allowance; returns nothing.
    @param owner Sender.
    @param to Receiver.
    @param amount Base units.
    """
    allowed: uint256 = self.allowance[owner][msg.sender]
    assert allowed >= amount, "noreturn: insufficient allowance"
    self.allowance[owner][msg.sender] = allowed - amount
    self._move(owner, to, amount)


@external
def approve(spender: address, amount: uint256):
    """
    @notice Set an allowance; returns nothing.
    @param spender Who may spend.
    @param amount Base units.
    """
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)


# ----------------------------------------------------------------- switches

@external
def mint(account: address, amount: uint256):
    """
    @notice Create tokens.
    @param account Receiver.
    @param amount Base units.
    """
    self.totalSupply += amount
    self.balanceOf[account] += amount
    log IERC20.Transfer(sender=empty(address), receiver=account, value=amount)


# ---------------------------------------------------------------- internals

@internal
def _move(owner: address, to: address, amount: uint256):
    assert self.balanceOf[owner] >= amount, "noreturn: insufficient balance"
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=owner, receiver=to, value=amount)
