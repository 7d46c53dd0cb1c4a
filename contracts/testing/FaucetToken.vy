# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title FaucetToken
@license AGPL-3.0-only
@author Kana
@notice A token of any decimals for local chains and testnets, a BTC- or ETH-like one: anyone mints it.
@dev Nobody owns it. Its faucet gives at most a billion whole tokens a call, as KanaUSDT's does.
@custom:security Worthless by design; refused as an asset on chains that are no test networks.
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

# Left out: owner, ownership, minters, `mint` (no owner powers), `burn`, `burn_from` (not needed).
exports: (
    erc20.name,
    erc20.symbol,
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

# --------------------------------------------------------------- immutables

# Most that one faucet call mints, base units: a billion whole tokens.
MAX_FAUCET: public(immutable(uint256))

# -------------------------------------------------------------- constructor

@deploy
def __init__(name_: String[25], symbol_: String[5], decimals_: uint8):
    ownable.__init__()
    erc20.__init__(name_, symbol_, decimals_, name_, "1")
    ownable._transfer_ownership(empty(address))
    erc20.is_minter[msg.sender] = False
    MAX_FAUCET = 10**9 * 10**convert(decimals_, uint256)


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
    assert amount <= MAX_FAUCET, "token: above faucet bound"
    erc20._mint(account, amount)
