# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title NoticeBoard
@license AGPL-3.0-only
@author Kana
@notice Keeps the notices of calls that let more be drawn from a fund (M9): whoever is staked behind it can leave first.
        One board serves all funds; nobody owns it, and each fund's notices are its governance's alone.
@dev A fund names its board at construction, for ever, and asks it before it lets more be drawn. A notice is for one
     exact call: it is known by the fund and the keccak256 of the calldata. Before a fund's setup is finished, it needs
     none and none is given.

     A notice concerns the layers of the fund; that of new layers, these. It takes the longest cooldown that was in
     force on one of them since it was given and three days more, or two days without a layer, by the slowest of
     these clocks: the fund's, which stands still from a pause to a day after it, and the exit clocks of the layers,
     which stand still while exits are held, by whichever fund. A layer that joins voids the notices given before.

     What a fund says while it is being called is handed in, since its views are locked then.
@custom:security What a contract that is no fund of this project says of itself binds that contract alone.
"""

from contracts.interfaces import IInsuranceFund
from contracts.interfaces import ILayer
from contracts.interfaces import INoticeBoard

from contracts.modules import notice_clock

implements: INoticeBoard

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

# When notice of a call was given, by fund and hash of its calldata: lowest 128 bits the reading of the fund's clock,
# above it the chain's time; 0: no notice.
given: HashMap[address, HashMap[bytes32, uint256]]
# Exit clocks of the layers concerned when it was given, 128 bits each, place 0 lowest; 0 for none.
readings: HashMap[address, HashMap[bytes32, uint256]]
# The holds of a fund's clock, as notice_clock has them.
holds: HashMap[address, uint256]
# When a fund's payouts resume or resumed after the last pause, Unix seconds; 0 before the first.
resume_at: HashMap[address, uint256]
# When a layer last joined a fund, Unix seconds: notices given until then are void, for its stakers couldn't leave on
# them (M9).
joined_at: HashMap[address, uint256]

# --------------------------------------------------------------- governance

@external
def announce(fund: address, call: Bytes[MAX_CALL]) -> bytes32:
    """
    @notice Give notice of a call to a fund, unless one is running. Of a call that needs none, a notice is of no use.
    """
    self._check_governance(fund)
    assert (
        staticcall IInsuranceFund(fund).notices() == self
    ), "notices: another board"
    assert (
        staticcall IInsuranceFund(fund).setup_finished()
    ), "notices: setup not finished"
    id: bytes32 = keccak256(call)
    concerned: address[2] = self._concerned(fund, call)
    passed: uint256 = 0
    length: uint256 = 0
    passed, length = self._progress(fund, id, concerned)
    assert (
        length == 0 or passed >= length + notice_clock.LIFE
    ), "notices: notice running"
    self.given[fund][id] = self._clock(fund) | (block.timestamp << 128)
    self.readings[fund][id] = self._reading(concerned[0]) | (
        self._reading(concerned[1]) << 128
    )
    passed, length = self._progress(fund, id, concerned)
    # Given at the very time of a join it would be void.
    assert length > 0, "notices: layer joined just now"
    log INoticeBoard.NoticeGiven(
        fund=fund, id=id, call=call, notice_seconds=length
    )
    return id


@external
def cancel(fund: address, id: bytes32):
    """
    @notice Withdraw a notice.
    """
    self._check_governance(fund)
    assert self._is_given(fund, id), "notices: no notice"
    self.given[fund][id] = 0
    log INoticeBoard.NoticeCancelled(fund=fund, id=id)


# -------------------------------------------------------------------- funds

@external
def use(id: bytes32, layers: address[2], joins: bool):
    """
    @notice Use up the calling fund's notice of the call that is being made.
    @param layers The layers concerned, by place; those that the notice was given for, or the fund's since then.
    """
    passed: uint256 = 0
    length: uint256 = 0
    passed, length = self._progress(msg.sender, id, layers)
    assert length > 0, "fund: no notice"
    assert passed >= length, "fund: notice not mature"
    assert passed < length + notice_clock.LIFE, "fund: notice lapsed"
    self.given[msg.sender][id] = 0
    log INoticeBoard.NoticeUsed(fund=msg.sender, id=id)
    if joins:
        self.joined_at[msg.sender] = block.timestamp
        log INoticeBoard.NoticesVoided(fund=msg.sender)


@external
def hold(resume_at: uint256):
    """
    @notice Let the calling fund's clock stand still until a day after its payouts resume (M37). While they are paused,
            this moves the end of the hold; afterwards it begins another one.
    """
    last: uint256 = self.resume_at[msg.sender]
    if block.timestamp >= last:
        self.holds[msg.sender] = notice_clock._with_hold(
            self.holds[msg.sender],
            block.timestamp,
            # A hold that a new one cuts short took until now.
            min(block.timestamp, last + notice_clock.AFTER_PAUSE),
        )
    self.resume_at[msg.sender] = resume_at
    log INoticeBoard.NoticesHeld(fund=msg.sender, resume_at=resume_at)


# -------------------------------------------------------------------- views

@view
@external
def notice(fund: address, call: Bytes[MAX_CALL]) -> (uint256, uint256):
    """
    @notice How far the notice of a call has come and how long it is, seconds: the call may be made from there on for 7
            days. Zeros without a notice (M9).
    """
    return self._progress(fund, keccak256(call), self._concerned(fund, call))


# ---------------------------------------------------------------- internals

@internal
@view
def _check_governance(fund: address):
    assert (
        staticcall IInsuranceFund(fund).governance() == msg.sender
    ), "notices: not governance"


@internal
@view
def _progress(
    fund: address, id: bytes32, concerned: address[2]
) -> (uint256, uint256):
    """
    @notice Seconds that the slowest clock has gone on since notice was given, and seconds that it takes.
    """
    if not self._is_given(fund, id):
        return 0, 0
    given: uint256 = self.given[fund][id]
    passed: uint256 = self._clock(fund) - (given & MASK_128)
    length: uint256 = NO_LAYER
    reading: uint256 = self.readings[fund][id]
    for layer: address in concerned:
        if layer != empty(address):
            passed = min(passed, self._reading(layer) - (reading & MASK_128))
            cooldown: uint256 = staticcall ILayer(layer).longest_cooldown(
                given >> 128
            )
            length = max(length, cooldown + AFTER_COOLDOWN)
        reading >>= 128
    return passed, length


@internal
@view
def _clock(fund: address) -> uint256:
    """
    @notice The reading of a fund's clock now, seconds.
    """
    return notice_clock._reading(
        self.holds[fund], self.resume_at[fund] + notice_clock.AFTER_PAUSE
    )


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
def _is_given(fund: address, id: bytes32) -> bool:
    return self.given[fund][id] >> 128 > self.joined_at[fund]


@internal
@view
def _concerned(fund: address, call: Bytes[MAX_CALL]) -> address[2]:
    """
    @notice The layers whose stakers a call concerns, by place.
    """
    if len(call) == 100 and convert(slice(call, 0, 4), bytes4) == SET_LAYERS:
        return [
            extract32(call, 4, output_type=address),
            extract32(call, 36, output_type=address),
        ]
    layers: IInsuranceFund.Layers = staticcall IInsuranceFund(fund).layers()
    return [layers.staked, layers.reinsurance]
