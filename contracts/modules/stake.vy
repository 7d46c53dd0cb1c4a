# pragma version 0.4.3

"""
@title Stake
@license AGPL-3.0-only
@author Kana
@notice What is staked and for how many shares, and the price between them (M19).
@dev staked = assets - unvested revenue;  price = (staked + 1) / (shares + 10**6), a virtual asset and virtual shares
     being there from the start, so that neither a donation nor the first to stake can move it.
"""

from ethereum.ercs import IERC20
from snekmate.tokens import erc20

from contracts.interfaces import IBackstop

from contracts.modules import backstop_words as words
from contracts.modules import checks
from contracts.modules import exit_pool
from contracts.modules import limits
from contracts.modules import revenue_stream

uses: erc20
uses: exit_pool
uses: revenue_stream

# ---------------------------------------------------------------- constants

# The shares that are always there (M19).
VIRTUAL_SHARES: constant(uint256) = 10**6
# Deposits close when a share is worth less than this part of its first price (M21).
COLLAPSE: constant(uint256) = 10**6

# Bounds of the cooldown, days.
MIN_COOLDOWN: constant(uint256) = 7
MAX_COOLDOWN: constant(uint256) = 30
# Bounds of the stream's length, seconds.
MIN_STREAM: constant(uint256) = 86_400
MAX_STREAM: constant(uint256) = 30 * 86_400

# ------------------------------------------------------------------ storage

# Stake with unvested revenue, shares, cooldown, whether it is open and whether closed: what a deposit writes.
vault: uint256

# ---------------------------------------------------------------- internals

@internal
@view
def _streams() -> (uint256, uint256):
    """
    @notice The stream, and what of it is unvested now.
    """
    stream: uint256 = revenue_stream.stream
    return stream, revenue_stream._unvested_up(stream)


@internal
def _roll():
    """
    @notice Let the days that are due mature (M20). What rounding left in an empty pool is staked.
    """
    rest: uint256 = exit_pool._roll()
    if rest > 0:
        stream: uint256 = 0
        unvested: uint256 = 0
        stream, unvested = self._streams()
        self._save(words._vault_more(self.vault, rest, 0), stream, unvested)


@internal
def _save(vault: uint256, stream: uint256, unvested: uint256):
    """
    @notice Store the vault; revenue stands still while less than the minimum is staked (M22).
    """
    self.vault = vault
    if unvested == 0:
        return
    least: uint256 = words._min_staked(stream)
    running: bool = words._vault_assets(vault) - unvested >= least
    if running == (words._stream_from(stream) != 0):
        return
    remaining: uint256 = revenue_stream._remaining(stream, unvested)
    revenue_stream._set(unvested, remaining, running, least)
    log IBackstop.StreamSwitched(
        running=running, unvested=unvested, remaining=remaining
    )


@internal
def _give(receiver: address, shares: uint256):
    """
    @notice Create shares; the vault's word counts them.
    """
    checks._require(shares > 0, "backstop: zero shares")
    erc20.balanceOf[receiver] += shares
    log IERC20.Transfer(sender=empty(address), receiver=receiver, value=shares)


@internal
@pure
def _to_shares_down(
    assets: uint256, vault: uint256, unvested: uint256
) -> uint256:
    return (
        assets
        * (words._vault_shares(vault) + VIRTUAL_SHARES) // (
            words._vault_assets(vault) - unvested + 1
        )
    )


@internal
@pure
def _to_assets_down(
    shares: uint256, vault: uint256, unvested: uint256
) -> uint256:
    return (
        shares
        * (words._vault_assets(vault) - unvested + 1) // (
            words._vault_shares(vault) + VIRTUAL_SHARES
        )
    )


@internal
@pure
def _to_assets_up(
    shares: uint256, vault: uint256, unvested: uint256
) -> uint256:
    supply: uint256 = words._vault_shares(vault) + VIRTUAL_SHARES
    return (
        shares * (words._vault_assets(vault) - unvested + 1) + supply - 1
    ) // supply


@internal
@pure
def _has_collapsed(vault: uint256, unvested: uint256) -> bool:
    """
    @notice Whether a share is worth less than a millionth of its first price (M21).
    """
    worth: uint256 = words._vault_assets(vault) - unvested + 1
    return (
        worth * (COLLAPSE * VIRTUAL_SHARES)
        < words._vault_shares(vault) + VIRTUAL_SHARES
    )


@internal
@pure
def _takes_revenue(vault: uint256, stream: uint256, unvested: uint256) -> bool:
    """
    @notice Whether enough is staked for revenue to stream (M22).
    """
    staked: uint256 = words._vault_assets(vault) - unvested
    return staked > 0 and staked >= words._min_staked(stream)


@internal
def _slash(amount: uint256, unit: uint256, receiver: address) -> uint256:
    """
    @notice Take up to `amount`: unvested revenue first, then stake and pending exits at one rate, but for one whole
            unit of both together (M21).
    @dev pending's part = ceil(rest * pending / (stake + pending)), what is left after unvested revenue being the rest
    @return What was taken.
    """
    self._roll()
    vault: uint256 = self.vault
    stream: uint256 = 0
    unvested: uint256 = 0
    stream, unvested = self._streams()
    pending: uint256 = words._assets(exit_pool.pool)
    at_risk: uint256 = words._vault_assets(vault) - unvested + pending
    paid: uint256 = min(amount, unvested + limits._left(at_risk, unit))
    if paid == 0:
        return 0

    from_unvested: uint256 = min(paid, unvested)
    if from_unvested > 0:
        revenue_stream._take(stream, unvested, from_unvested)
        stream = revenue_stream.stream
        unvested -= from_unvested
    from_pending: uint256 = 0
    if pending > 0:
        from_pending = (
            (paid - from_unvested) * pending + at_risk - 1
        ) // at_risk
        pending = exit_pool._slash(from_pending)
    vault = words._vault_less(vault, paid - from_pending, 0)
    if vault & words.CLOSED == 0 and self._has_collapsed(vault, unvested):
        vault |= words.CLOSED
        log IBackstop.DepositsClosed()
    self._save(vault, stream, unvested)
    log IBackstop.Slashed(
        receiver=receiver,
        paid=paid,
        from_unvested=from_unvested,
        from_pending=from_pending,
        staked=words._vault_assets(vault) - unvested,
        pending=pending,
    )
    return paid


@internal
def _earn(amount: uint256):
    """
    @notice Book revenue, which streams from now on (M22).
    """
    vault: uint256 = self.vault
    stream: uint256 = 0
    unvested: uint256 = 0
    stream, unvested = self._streams()
    checks._require(
        self._takes_revenue(vault, stream, unvested),
        "backstop: takes no revenue",
    )
    self.vault = words._vault_more(vault, amount, 0)
    remaining: uint256 = revenue_stream._pay(stream, unvested, amount)
    log IBackstop.RevenueAdded(
        amount=amount, unvested=unvested + amount, remaining=remaining
    )


@internal
def _set_cooldown(cooldown_days: uint256):
    checks._require(
        cooldown_days >= MIN_COOLDOWN and cooldown_days <= MAX_COOLDOWN,
        "backstop: cooldown out of bounds",
    )
    self.vault = words._with_cooldown_days(self.vault, cooldown_days)


@internal
def _set_stream(length: uint256, min_staked: uint256):
    """
    @notice Set the stream's parameters; what streams now keeps its time.
    """
    stream: uint256 = 0
    unvested: uint256 = 0
    stream, unvested = self._streams()
    stream = self._start_stream(stream, length, min_staked)
    self._save(self.vault, stream, unvested)


@internal
def _start_stream(
    stream: uint256, length: uint256, min_staked: uint256
) -> uint256:
    """
    @notice The same while nothing streams.
    @return The stream's word.
    """
    checks._require(
        length >= MIN_STREAM and length <= MAX_STREAM,
        "backstop: stream out of bounds",
    )
    words._check_assets(min_staked)
    revenue_stream.length = length
    new: uint256 = words._with_min_staked(stream, min_staked)
    revenue_stream.stream = new
    return new
