# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Backstop views
@license AGPL-3.0-only
@author Kana
@notice What a backstop's books say, for stakers, funds, frontends and keepers. See IBackstop.
@dev Under the lock of the host: nobody reads the books from within a transfer. Days that are due are shown as matured,
     whether or not they have been rolled.
"""

from contracts.interfaces import IBackstop

from contracts.modules import backstop_words as words
from contracts.modules import exit_pool
from contracts.modules import limits
from contracts.modules import revenue_stream
from contracts.modules import stake

uses: exit_pool
uses: revenue_stream
uses: stake

# ---------------------------------------------------------------- constants

# ERC-165: itself, ERC-7540's operators and asynchronous redemption, ERC-7575.
SUPPORTED: constant(bytes4[4]) = [
    0x01ffc9a7, 0xe3bc4e65, 0x620ee8e4, 0x2f0a18c5
]

# ------------------------------------------------------------------ ERC-4626

@view
@external
def totalSupply() -> uint256:
    """
    @notice All shares; those of exits are gone.
    """
    return words._vault_shares(stake.vault)


@view
@external
def totalAssets() -> uint256:
    """
    @notice What is staked, base units (M19).
    """
    return self._staked()


@view
@external
def convertToShares(assets: uint256) -> uint256:
    """
    @notice Shares for assets at the present price, rounded down.
    """
    return stake._to_shares_down(assets, stake.vault, self._unvested())


@view
@external
def convertToAssets(shares: uint256) -> uint256:
    """
    @notice Assets for shares at the present price, rounded down.
    """
    return stake._to_assets_down(shares, stake.vault, self._unvested())


@view
@external
def previewDeposit(assets: uint256) -> uint256:
    """
    @notice What a deposit would give now.
    """
    return stake._to_shares_down(assets, stake.vault, self._unvested())


@view
@external
def previewMint(shares: uint256) -> uint256:
    """
    @notice What a mint would cost now.
    """
    return stake._to_assets_up(shares, stake.vault, self._unvested())


@view
@external
def previewRedeem(shares: uint256) -> uint256:
    """
    @notice Reverts: exits are asynchronous (ERC-7540).
    """
    self._refuse_preview()
    return 0


@view
@external
def previewWithdraw(assets: uint256) -> uint256:
    """
    @notice Reverts: exits are asynchronous (ERC-7540).
    """
    self._refuse_preview()
    return 0


@view
@external
def maxDeposit(receiver: address) -> uint256:
    """
    @notice The most that one deposit takes now.
    """
    return self._free(stake.vault)


@view
@external
def maxMint(receiver: address) -> uint256:
    """
    @notice The most shares that one mint gives now.
    """
    vault: uint256 = stake.vault
    supply: uint256 = words._vault_shares(vault) + stake.VIRTUAL_SHARES
    worth: uint256 = words._vault_assets(vault) - self._unvested() + 1
    return self._free(vault) * supply // worth


@view
@external
def maxRedeem(controller: address) -> uint256:
    """
    @notice The shares that one `redeem` can claim (M20).
    """
    shares: uint256 = 0
    assets: uint256 = 0
    shares, assets = exit_pool._claimable(controller)
    return shares


@view
@external
def maxWithdraw(controller: address) -> uint256:
    """
    @notice The assets that one `withdraw` can claim (M20).
    """
    shares: uint256 = 0
    assets: uint256 = 0
    shares, assets = exit_pool._claimable(controller)
    return assets


# ------------------------------------------------------- ERC-7540, ERC-165

@view
@external
def pendingRedeemRequest(requestId: uint256, controller: address) -> uint256:
    """
    @notice Shares of a request that hasn't matured (M20).
    """
    return self._request_shares(requestId, controller, False)


@view
@external
def claimableRedeemRequest(requestId: uint256, controller: address) -> uint256:
    """
    @notice Shares of a request that has matured (M20).
    """
    return self._request_shares(requestId, controller, True)


@view
@external
def supportsInterface(interface_id: bytes4) -> bool:
    """
    @notice ERC-165.
    """
    return interface_id in SUPPORTED


# -------------------------------------------------------------------- exits

@view
@external
def request_assets(request_id: uint256, controller: address) -> uint256:
    """
    @notice What a request is worth now, base units (M20).
    """
    request: uint256 = exit_pool._find(controller, request_id)
    return exit_pool._share_down(
        request,
        words._day_units(request),
        exit_pool._day_now(request_id, exit_pool.pool),
    )


@view
@external
def request_ids(
    controller: address,
) -> DynArray[uint256, exit_pool.MAX_LISTED]:
    """
    @notice The days of a controller's requests, the latest first.
    """
    ids: DynArray[uint256, exit_pool.MAX_LISTED] = []
    request: uint256 = exit_pool.heads[controller]
    for i: uint256 in range(exit_pool.MAX_LISTED):
        if request == 0:
            break
        ids.append(words._request_day(request))
        request = exit_pool._before(controller, request)
    return ids


@view
@external
def exit_pool_state() -> (uint256, uint256):
    """
    @notice Assets and units pending.
    """
    assets: uint256 = 0
    units: uint256 = 0
    assets, units = exit_pool._rolled(exit_pool.pool)
    return assets if units > 0 else 0, units


@view
@external
def day(request_id: uint256) -> IBackstop.Day:
    """
    @notice The requests of all controllers for one day (M20).
    """
    pool: uint256 = exit_pool.pool
    word: uint256 = exit_pool._day_now(request_id, pool)
    return IBackstop.Day(
        units=words._day_units(word),
        assets=words._day_assets(word),
        matured=request_id <= exit_pool._due_day(pool),
    )


@view
@external
def cooldown_days() -> uint256:
    """
    @notice Cooldown of a request made now, days.
    """
    return words._cooldown_days(stake.vault)


# ------------------------------------------------------------------ revenue

@view
@external
def stream() -> IBackstop.Stream:
    """
    @notice Revenue on its way (M22).
    """
    word: uint256 = revenue_stream.stream
    unvested: uint256 = revenue_stream._unvested_up(word)
    return IBackstop.Stream(
        unvested=unvested,
        remaining=revenue_stream._remaining(word, unvested),
        running=unvested > 0 and words._stream_from(word) != 0,
        length=revenue_stream.length,
        min_staked=words._min_staked(word),
    )


# ------------------------------------------------------------------- states

@view
@external
def closed() -> bool:
    """
    @notice Whether deposits are closed for good (M21).
    """
    return stake.vault & words.CLOSED != 0


@view
@external
def takes_revenue() -> bool:
    """
    @notice Whether revenue is taken now (M24).
    """
    return stake._takes_revenue(
        stake.vault, revenue_stream.stream, self._unvested()
    )


# ---------------------------------------------------------------- internals

@internal
@view
def _unvested() -> uint256:
    return revenue_stream._unvested_up(revenue_stream.stream)


@internal
@view
def _staked() -> uint256:
    return words._vault_assets(stake.vault) - self._unvested()


@internal
@pure
def _free(vault: uint256) -> uint256:
    """
    @notice Assets that may still be staked.
    """
    if vault & (words.OPEN | words.CLOSED) != words.OPEN:
        return 0
    return words.MAX_ASSETS - words._vault_assets(vault)


@internal
@pure
def _refuse_preview():
    raise "backstop: exits are asynchronous"


@internal
@view
def _request_shares(
    request_id: uint256, controller: address, matured: bool
) -> uint256:
    if (request_id <= exit_pool._due_day(exit_pool.pool)) != matured:
        return 0
    return words._request_shares(exit_pool._find(controller, request_id))


@internal
@view
def _capacity(unit: uint256) -> uint256:
    """
    @notice Unvested revenue, stake and pending exits, but for one whole unit of the last two (M21).
    """
    assets: uint256 = 0
    units: uint256 = 0
    assets, units = exit_pool._rolled(exit_pool.pool)
    # What an empty pool leaves is staked: its assets count either way.
    return self._unvested() + limits._left(self._staked() + assets, unit)
