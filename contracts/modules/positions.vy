# pragma version 0.4.3
"""
@title Positions of a perpetuals venue
@license AGPL-3.0-only
@author Kana
@notice Where positions are kept, and how size, balance and flag share a word.
@dev Word, from the top: size (int120) | balance (int120) | 15 empty bits | flagged (1 bit). The index seen has a slot of its own
     beside it, the time of the flag one that is read only when the flag is set.
"""

from contracts.interfaces import IClearingHouse

# Where the fields begin, and their width.
SIZE_AT: constant(uint256) = 136
BALANCE_AT: constant(uint256) = 16
WIDTH: constant(uint256) = 120
MASK: constant(uint256) = 2**WIDTH - 1
FLAGGED: constant(uint256) = 1
# The largest size or balance that the word holds, either way: what the documented bounds allow, times 128.
MAX_FIELD: constant(int256) = 2**119 - 1


struct Slot:
    word: uint256
    index: uint256


# Market id -> trader -> size and balance, and the loss index seen (36 decimals).
_slots: HashMap[uint256, HashMap[address, Slot]]
# Market id -> trader -> when the position was flagged, Unix seconds; means nothing while the flag is not set.
_flagged_at: HashMap[uint256, HashMap[address, uint256]]


@internal
@view
def _load(market_id: uint256, trader: address) -> IClearingHouse.Position:
    """
    @dev The position as stored.
    """
    slot: Slot = self._slots[market_id][trader]
    flagged_at: uint256 = 0
    if slot.word & FLAGGED != 0:
        flagged_at = self._flagged_at[market_id][trader]
    return IClearingHouse.Position(
        size=self._signed(slot.word) >> SIZE_AT,
        balance=self._signed(slot.word << WIDTH) >> SIZE_AT,
        index=slot.index,
        flagged_at=flagged_at,
    )


@internal
def _store(
    market_id: uint256, trader: address, position: IClearingHouse.Position
):
    """
    @dev Keeps size, balance and index; the flag is set while `flagged_at` isn't 0, whose time `_flag` keeps.
    """
    size: uint256 = self._field(position.size)
    balance: uint256 = self._field(position.balance)
    word: uint256 = (size << SIZE_AT) | (balance << BALANCE_AT)
    if position.flagged_at != 0:
        word |= FLAGGED
    self._slots[market_id][trader] = Slot(word=word, index=position.index)


@internal
def _flag(market_id: uint256, trader: address):
    """
    @dev Keeps the time of a flag that `_store` sets.
    """
    self._flagged_at[market_id][trader] = block.timestamp


@internal
@pure
def _signed(word: uint256) -> int256:
    """
    @dev The same bits as a signed number, so that a right shift keeps the sign.
    """
    return convert(convert(word, bytes32), int256)


@internal
@pure
def _field(number: int256) -> uint256:
    """
    @dev The low bits of a signed number, as they go into the word.
    """
    assert abs(number) <= MAX_FIELD, "house: amount too large"
    return convert(convert(number, bytes32), uint256) & MASK
