# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Fund notices
@license AGPL-3.0-only
@author Kana
@notice How long the notices of a fund are, and what they wait for (M9): whoever is staked behind it can leave first.
@dev A notice concerns the layers of the fund; that of new layers, these. It takes the longest cooldown that was in
     force on one of them since it was given and three days more, or two days without a layer, by the slowest of
     these clocks: the fund's, which stands still from a pause to a day after it, and the exit clocks of the layers,
     which stand still while exits are held, by whichever fund. A layer that joins voids the notices given before.
"""

from contracts.interfaces import ILayer
from contracts.interfaces import IInsuranceFund

from contracts.modules import checks
from contracts.modules import fund_layers
from contracts.modules import fund_words
from contracts.modules import ledger
from contracts.modules import notices

uses: fund_layers
uses: ledger
uses: notices

# ---------------------------------------------------------------- constants

# Calldata of the longest call that may be announced: a selector and seven words.
MAX_CALL: constant(uint256) = 228
# A notice where nobody is staked, seconds.
NO_LAYER: constant(uint256) = 2 * 86_400
# What it takes longer than the longest cooldown, seconds.
AFTER_COOLDOWN: constant(uint256) = 3 * 86_400
SET_LAYERS: constant(bytes4) = method_id(
    "set_layers(address,address,uint256)", output_type=bytes4
)
MASK_128: constant(uint256) = 2**128 - 1

# ------------------------------------------------------------------ storage

# Exit clocks of the layers concerned when a notice was given, 128 bits each, place 0 lowest; 0 for none.
readings: HashMap[bytes32, uint256]

# -------------------------------------------------------------------- views

@view
@external
def notice(call: Bytes[MAX_CALL]) -> (uint256, uint256):
    """
    @notice How far the notice of a call has come and how long it is, seconds: the call may be made from there on for 7
            days. Zeros without a notice (M9).
    """
    return self._progress(keccak256(call), self._concerned(call))


# ---------------------------------------------------------------- internals

@internal
def _announce(call: Bytes[MAX_CALL]) -> bytes32:
    """
    @notice Give notice of a call, unless one is running. Of a call that needs none, a notice is of no use.
    """
    id: bytes32 = keccak256(call)
    concerned: address[2] = self._concerned(call)
    passed: uint256 = 0
    length: uint256 = 0
    passed, length = self._progress(id, concerned)
    checks._require(
        length == 0 or passed >= length + notices.LIFE, "fund: notice running"
    )
    notices._give(id, self._held_until())
    self.readings[id] = self._reading(concerned[0]) | (
        self._reading(concerned[1]) << 128
    )
    passed, length = self._progress(id, concerned)
    # Given at the very time of a join it would be void.
    checks._require(length > 0, "fund: layer joined just now")
    log IInsuranceFund.NoticeGiven(id=id, call=call, notice_seconds=length)
    return id


@internal
def _cancel(id: bytes32):
    """
    @notice Withdraw a notice.
    """
    checks._require(self._is_given(id), "fund: no notice")
    notices.given[id] = 0
    log IInsuranceFund.NoticeCancelled(id=id)


@internal
def _use(words: uint256):
    """
    @notice Use up the notice of the call that is being made, which has so many words of arguments.
    """
    self._use_for(words, [fund_layers._at(0), fund_layers._at(1)])


@internal
def _use_for(words: uint256, concerned: address[2]):
    """
    @notice The same, for the layers concerned. None is needed before the setup is finished.
    """
    if ledger.pot >= fund_words.CLOSED_POT:
        return
    id: bytes32 = empty(bytes32)
    if words == 3:
        id = keccak256(slice(msg.data, 0, 100))
    elif words == 2:
        id = keccak256(slice(msg.data, 0, 68))
    else:
        id = keccak256(slice(msg.data, 0, 36))
    passed: uint256 = 0
    length: uint256 = 0
    passed, length = self._progress(id, concerned)
    checks._require(length > 0, "fund: no notice")
    checks._require(passed >= length, "fund: notice not mature")
    checks._require(passed < length + notices.LIFE, "fund: notice lapsed")
    notices.given[id] = 0
    log IInsuranceFund.NoticeUsed(id=id)


@internal
@view
def _progress(id: bytes32, concerned: address[2]) -> (uint256, uint256):
    """
    @notice Seconds that the slowest clock has gone on since notice was given, and seconds that it takes.
    """
    if not self._is_given(id):
        return 0, 0
    clock: uint256 = notices._clock(self._held_until())
    passed: uint256 = clock - (notices.given[id] & MASK_128)
    length: uint256 = NO_LAYER
    reading: uint256 = self.readings[id]
    for layer: address in concerned:
        if layer != empty(address):
            passed = min(passed, self._reading(layer) - (reading & MASK_128))
            cooldown: uint256 = staticcall ILayer(layer).longest_cooldown(
                notices._given_at(id)
            )
            length = max(length, cooldown + AFTER_COOLDOWN)
        reading >>= 128
    return passed, length


@internal
@view
def _reading(layer: address) -> uint256:
    """
    @notice The exit clock of a layer; 0 of none.
    """
    if layer == empty(address):
        return 0
    return staticcall ILayer(layer).exit_clock()


@internal
@view
def _is_given(id: bytes32) -> bool:
    return notices._given_at(id) > fund_layers.joined_at


@internal
@view
def _concerned(call: Bytes[MAX_CALL]) -> address[2]:
    """
    @notice The layers whose stakers a call concerns, by place.
    """
    if len(call) == 100 and convert(slice(call, 0, 4), bytes4) == SET_LAYERS:
        return [
            extract32(call, 4, output_type=address),
            extract32(call, 36, output_type=address),
        ]
    return [fund_layers._at(0), fund_layers._at(1)]


@internal
@view
def _held_until() -> uint256:
    """
    @notice When the fund's clock goes on, or went on, after the last pause (M37).
    """
    return fund_words._resume_at(ledger.pot) + notices.AFTER_PAUSE
