# pragma version 0.4.3

"""
@title Notices
@license AGPL-3.0-only
@author Kana
@notice Announced calls, and the clock by which they mature (M9).
@dev The clock runs with the chain's but stands still while a hold lasts: from the beginning of a pause of payouts to
     one day after its end, as the exits of stakers do (M37). Its host hands in the end of the last pause
     (`resume_at`), decides who announces, and refuses with reasons of its own.
"""

# ---------------------------------------------------------------- constants

# A hold goes on after a pause for so long, seconds (M37).
AFTER_PAUSE: constant(uint256) = 86_400
# Time from maturity to lapse, seconds of the clock (M9).
LIFE: constant(uint256) = 7 * 86_400
# A notice where nobody is staked, seconds of the clock (M9).
LENGTH: constant(uint256) = 2 * 86_400
MASK_128: constant(uint256) = 2**128 - 1

# ------------------------------------------------------------------ storage

# Reading of the clock when notice of a call was given, by the hash of its calldata; 0: no notice.
given: HashMap[bytes32, uint256]
# Lowest 128 bits: seconds that all holds but the last took; above: when the last hold began, 0 if there was none.
holds: uint256

# ----------------------------------------------------------------- internals

@internal
@view
def _clock(resume_at: uint256) -> uint256:
    """
    @notice The reading of the clock now, seconds: the chain's time less the time held.
    """
    holds: uint256 = self.holds
    began: uint256 = holds >> 128
    reading: uint256 = block.timestamp - (holds & MASK_128)
    if began == 0:
        return reading
    return reading - (min(block.timestamp, resume_at + AFTER_PAUSE) - began)


@internal
def _hold(resume_at: uint256):
    """
    @notice Begin a hold. The one before is over, since pauses lie further apart than a hold outlasts them.
    @param resume_at End of the pause before the one that begins now.
    """
    holds: uint256 = self.holds
    began: uint256 = holds >> 128
    before: uint256 = holds & MASK_128
    if began != 0:
        before += resume_at + AFTER_PAUSE - began
    self.holds = before | (block.timestamp << 128)


@internal
@pure
def _length() -> uint256:
    """
    @notice How long a notice is now, seconds of the clock (the one place for the cooldowns of staked layers).
    """
    return LENGTH


@internal
@view
def _is_mature(id: bytes32, resume_at: uint256) -> bool:
    """
    @notice Whether the notice that was given of `id` is over.
    """
    return self._clock(resume_at) >= self.given[id] + self._length()


@internal
@view
def _is_running(id: bytes32, resume_at: uint256) -> bool:
    """
    @notice Whether notice was given of `id` and hasn't lapsed.
    """
    given: uint256 = self.given[id]
    lapse: uint256 = given + self._length() + LIFE
    return given != 0 and self._clock(resume_at) < lapse


@internal
@view
def _times(id: bytes32, resume_at: uint256) -> (uint256, uint256):
    """
    @notice When, by the chain's time, notice `id` matures and when it lapses, were there no further hold. A time that
            lies before the last hold is given as if all earlier holds lay before it: it is past either way.
    """
    given: uint256 = self.given[id]
    if given == 0:
        return 0, 0
    return (
        self._time_of(given + self._length(), resume_at),
        self._time_of(given + self._length() + LIFE, resume_at),
    )


@internal
@view
def _time_of(reading: uint256, resume_at: uint256) -> uint256:
    holds: uint256 = self.holds
    began: uint256 = holds >> 128
    time: uint256 = reading + (holds & MASK_128)
    if began == 0 or time <= began:
        return time
    return time + resume_at + AFTER_PAUSE - began
