# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Quirky token
@license AGPL-3.0-only
@author Kana
@notice An ERC-20 of any decimals that can be told to misbehave in the ways that real tokens do. Without a quirk
        switched on it is a plain token, good for assets of 8 or 18 decimals.
@dev Quirks are bits and combine:
     1 RETURNS_FALSE  `transfer` and `transferFrom` return false and move nothing,
     2 REVERTS        `transfer` and `transferFrom` revert,
     4 TAKES_FEE      what arrives is less by `fee_bps`, rounded up; the fee is burned,
     8 APPROVE_RACE   `approve` refuses to change a non-zero allowance to another non-zero one.
     The blacklist is always obeyed; it is empty at first. Anyone mints and switches quirks.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

implements: IERC20
implements: IERC20Detailed

# ---------------------------------------------------------------- constants

RETURNS_FALSE: public(constant(uint256)) = 1
REVERTS: public(constant(uint256)) = 2
TAKES_FEE: public(constant(uint256)) = 4
APPROVE_RACE: public(constant(uint256)) = 8
BPS: constant(uint256) = 10_000
name: public(constant(String[12])) = "Quirky Token"
symbol: public(constant(String[5])) = "QUIRK"

# --------------------------------------------------------------- immutables

decimals: public(immutable(uint8))

# ------------------------------------------------------------------ storage

# Base units by holder, and their sum.
balanceOf: public(HashMap[address, uint256])
totalSupply: public(uint256)
# Base units that a spender may still move, by owner.
allowance: public(HashMap[address, HashMap[address, uint256]])
# Accounts that can neither send nor receive.
blacklisted: public(HashMap[address, bool])
# What misbehaves now.
quirks: public(uint256)
# Share of a transfer that is burned under TAKES_FEE, basis points.
fee_bps: public(uint256)

# -------------------------------------------------------------- constructor

@deploy
def __init__(token_decimals: uint8):
    decimals = token_decimals
    self.fee_bps = 100


# ------------------------------------------------------------------- ERC-20

@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Move tokens of the caller, as far as the quirks let it.
    @param to Receiver.
    @param amount Base units.
    @return False under RETURNS_FALSE.
    """
    return self._move(msg.sender, to, amount)


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Move tokens of `owner` by allowance, as far as the quirks let it.
    @param owner Sender.
    @param to Receiver.
    @param amount Base units.
    @return False under RETURNS_FALSE.
    """
    if self.quirks & RETURNS_FALSE != 0:
        return False
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed != max_value(uint256):
        assert allowed >= amount, "quirky: insufficient allowance"
        self.allowance[owner][msg.sender] = allowed - amount
    return self._move(owner, to, amount)


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Set an allowance; under APPROVE_RACE only from or to zero.
    @param spender Who may spend.
    @param amount Base units.
    @return True.
    """
    if self.quirks & APPROVE_RACE != 0:
        assert (
            amount == 0 or self.allowance[msg.sender][spender] == 0
        ), "quirky: reset allowance first"
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


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


@external
def set_quirks(quirks: uint256):
    """
    @notice Choose what misbehaves from now on; 0 for nothing.
    @param quirks Sum of the bits above.
    """
    self.quirks = quirks


@external
def set_fee_bps(fee_bps: uint256):
    """
    @notice Set the fee of TAKES_FEE.
    @param fee_bps Basis points, at most 10,000.
    """
    assert fee_bps <= BPS, "quirky: fee above 100 %"
    self.fee_bps = fee_bps


@external
def set_blacklisted(account: address, listed: bool):
    """
    @notice Put an account on the blacklist or take it off.
    @param account The account.
    @param listed Whether it is on the list.
    """
    self.blacklisted[account] = listed


# ---------------------------------------------------------------- internals

@internal
def _move(owner: address, to: address, amount: uint256) -> bool:
    quirks: uint256 = self.quirks
    if quirks & RETURNS_FALSE != 0:
        return False
    assert quirks & REVERTS == 0, "quirky: transfers revert"
    assert not self.blacklisted[owner], "quirky: sender blacklisted"
    assert not self.blacklisted[to], "quirky: receiver blacklisted"
    assert self.balanceOf[owner] >= amount, "quirky: insufficient balance"
    fee: uint256 = 0
    if quirks & TAKES_FEE != 0:
        fee = (amount * self.fee_bps + BPS - 1) // BPS
        self.totalSupply -= fee
        log IERC20.Transfer(sender=owner, receiver=empty(address), value=fee)
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount - fee
    log IERC20.Transfer(sender=owner, receiver=to, value=amount - fee)
    return True
