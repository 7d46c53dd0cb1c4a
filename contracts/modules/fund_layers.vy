# pragma version 0.4.3

"""
@title Fund layers
@license AGPL-3.0-only
@author Kana
@notice The layers behind a fund's reserve: at place 0 the staked layer, which takes the stream too, at place 1 a
        reinsurance (M10, M24). One that is suspended counts as empty: it is neither asked, nor paid, nor held.
@dev A call to a layer that fails reverts the whole, but for those that the layer itself answers with 0 (M10).
"""

from contracts.interfaces import ILayer
from contracts.interfaces import IInsuranceFund

from contracts.modules import checks
from contracts.modules import custody

uses: custody

# ---------------------------------------------------------------- constants

PLACES: constant(uint256) = 2
BPS: constant(uint256) = 10_000
# Most that one layer's premium may be (M23).
MAX_PREMIUM_BPS: constant(uint256) = 3_000
MASK_160: constant(uint256) = 2**160 - 1

# Where revenue goes that repays no bad debt (M24).
struct Shares:
    premiums: uint256[PLACES]
    streamed: uint256  # the stakers' share
    takes: bool  # whether the stream takes what the reserve has no room for


# ------------------------------------------------------------------ storage

# Lowest 160 bits: the layer; above: the end of its last suspension, Unix seconds. 0: no layer.
places: uint256[PLACES]
# The stakers' share of revenue, bps; read only where a stream takes it.
staker_bps: uint256

# -------------------------------------------------------------------- reads

@internal
@view
def _at(place: uint256) -> address:
    """
    @notice The layer at a place, suspended or not; the zero address for none.
    """
    return convert(self.places[place] & MASK_160, address)


@internal
@view
def _open(place: uint256) -> ILayer:
    """
    @notice The layer at a place unless it is suspended.
    """
    word: uint256 = self.places[place]
    if block.timestamp < word >> 160:
        return ILayer(empty(address))
    return ILayer(convert(word & MASK_160, address))


@internal
@view
def _means() -> uint256:
    """
    @notice What the layers would pay now (M11).
    """
    means: uint256 = 0
    for place: uint256 in range(PLACES):
        layer: ILayer = self._open(place)
        if layer.address != empty(address):
            means += staticcall layer.capacity(self)
    return means


@internal
@view
def _shares(revenue: uint256) -> Shares:
    """
    @notice Premiums of both layers, then the stakers' share of what is left; all round down (M23, M24).
    @dev premium  = revenue * premium_bps // 10_000, for a layer that takes it
         streamed = (revenue - premiums) * staker_bps // 10_000, if the staked layer takes it
    """
    shares: Shares = empty(Shares)
    for place: uint256 in range(PLACES):
        layer: ILayer = self._open(place)
        if layer.address == empty(address):
            continue
        bps: uint256 = 0
        takes: bool = False
        bps, takes = staticcall layer.revenue_terms(self)
        if takes:
            shares.premiums[place] = revenue * min(bps, MAX_PREMIUM_BPS) // BPS
            shares.takes = shares.takes or place == 0
    if shares.takes:
        left: uint256 = revenue - shares.premiums[0] - shares.premiums[1]
        shares.streamed = left * self.staker_bps // BPS
    return shares


# ------------------------------------------------------------------ actions

@internal
def _draw(amount: uint256, kept: uint256) -> uint256:
    """
    @notice Ask the layers in order for what the earlier ones didn't pay (M10, I7), and see that it came.
    @param kept What the reserve gave; nothing else is left in the fund.
    @return What they paid.
    """
    paid: uint256 = 0
    for place: uint256 in range(PLACES):
        if paid < amount:
            layer: ILayer = self._open(place)
            if layer.address != empty(address):
                part: uint256 = extcall layer.absorb(amount - paid)
                if part > 0:
                    paid += part
                    log IInsuranceFund.LayerPaid(
                        layer=layer.address, amount=part
                    )
    if paid > 0:
        custody._check_received(
            paid <= amount and custody._balance(self) >= kept + paid
        )
    return paid


@internal
def _feed(place: uint256, amount: uint256):
    """
    @notice Pay a layer revenue; it pulls it.
    """
    if amount > 0:
        layer: address = self._at(place)
        custody._approve(layer, amount)
        extcall ILayer(layer).add_revenue(amount)


@internal
def _hold(resume_at: uint256):
    """
    @notice Tell the layers that aren't suspended when payouts resume: their exits wait a day longer (M37).
    """
    for place: uint256 in range(PLACES):
        layer: ILayer = self._open(place)
        if layer.address != empty(address):
            extcall layer.hold(resume_at)


@internal
def _set(staked: address, reinsurance: address, staker_bps: uint256) -> bool:
    """
    @notice Name the layers. One that stays in its place stays suspended.
    @return Whether one is new in its place, so that more can be drawn (M9).
    """
    checks._require(staker_bps <= BPS, "fund: staker bps out of bounds")
    checks._require(
        staked == empty(address) or staked != reinsurance, "fund: layer twice"
    )
    log IInsuranceFund.LayersSet(
        old_staked=self._at(0),
        old_reinsurance=self._at(1),
        old_staker_bps=self.staker_bps,
        staked=staked,
        reinsurance=reinsurance,
        staker_bps=staker_bps,
    )
    self.staker_bps = staker_bps
    # Both are set, whatever the first says.
    has_new: bool = self._put(0, staked)
    return self._put(1, reinsurance) or has_new


@internal
def _put(place: uint256, layer: address) -> bool:
    if layer == self._at(place):
        return False
    self.places[place] = convert(layer, uint256)
    if layer == empty(address):
        return False
    checks._require(
        layer.is_contract and staticcall ILayer(layer).asset() == custody.ASSET,
        "fund: no layer of its asset",
    )
    return True


@internal
@view
def _word(place: uint256) -> uint256:
    """
    @notice The word of a layer that is there.
    """
    checks._require(
        place < PLACES and self.places[place] != 0, "fund: no layer"
    )
    return self.places[place]


@internal
def _suspend(place: uint256, until: uint256) -> address:
    """
    @return The layer.
    """
    layer: address = self._at(place)
    self.places[place] = convert(layer, uint256) | (until << 160)
    return layer
