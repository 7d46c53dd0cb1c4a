# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Kana USDT
@license AGPL-3.0-only
@author Kana
@notice A stablecoin stand-in for local chains and testnets: ERC-20 with ERC-2612 permits, 6 decimals and an open
        faucet.
@dev ERC-20, permit and EIP-712 domain ("Kana USDT", version "1") are snekmate's. Its token module caps the symbol at
     five characters, so the symbol lives here. Nobody has power over the token: owner and minter functions are not
     exported and the module's owner and minter are cleared at construction.
@custom:security Anyone mints. Never list it where value is at stake.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from snekmate.auth import ownable
from snekmate.tokens import erc20
from snekmate.tokens.interfaces import IERC20Permit

implements: IERC20
implements: IERC20Detailed
implements: IERC20Permit

initializes: ownable
initializes: erc20[ownable := ownable]

# Left out: owner, ownership, minters, `mint` (no owner powers), `burn`, `burn_from` (not needed), `symbol` (below).
exports: (
    erc20.name,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.transfer,
    erc20.transferFrom,
    erc20.approve,
    erc20.permit,
    erc20.nonces,
    erc20.DOMAIN_SEPARATOR,
    erc20.eip712Domain,
)

# ---------------------------------------------------------------- constants

symbol: public(constant(String[8])) = "KanaUSDT"
# Most that one faucet call mints, base units: a billion whole tokens.
MAX_FAUCET: public(constant(uint256)) = 10**9 * 10**6

# -------------------------------------------------------------- constructor

@deploy
def __init__():
    ownable.__init__()
    erc20.__init__("Kana USDT", "KUSDT", 6, "Kana USDT", "1")
    ownable._transfer_ownership(empty(address))
    erc20.is_minter[msg.sender] = False


# ------------------------------------------------------------------- faucet

@external
def faucet(amount: uint256):
    """
    @notice Mint tokens to the caller.
    @param amount Base units, at most `MAX_FAUCET`.
    """
    self._faucet(msg.sender, amount)


@external
def faucet_to(account: address, amount: uint256):
    """
    @notice Mint tokens to an account.
    @param account Receiver, not the zero address.
    @param amount Base units, at most `MAX_FAUCET`.
    """
    self._faucet(account, amount)


# ---------------------------------------------------------------- internals

@internal
def _faucet(account: address, amount: uint256):
    assert amount <= MAX_FAUCET, "usdt: above faucet bound"
    erc20._mint(account, amount)
