# pragma version 0.4.3

"""
@title Notices
@license AGPL-3.0-only
@author Kana
@notice Announced calls, and the clock by which they mature (M9).
@dev The clock is that of notice_clock; the host keeps the end of its last hold, and hands it in (`until`; 0 before the
     first). It says how long a notice is, too, decides who announces, and refuses with reasons of its own.
"""

from contracts.modules import notice_clock

# ---------------------------------------------------------------- constants

MASK_128: constant(uint256) = 2**128 - 1

# ------------------------------------------------------------------ storage

# When notice of a call was given, by the hash of its calldata: lowest 128 bits the reading of the clock, above it the
# chain's time; 0: no notice.
given: HashMap[bytes32, uint256]
# Lowest 128 bits: seconds that all holds but the last took; above: when the last hold began, 0 if there was none.
holds: uint256

# ----------------------------------------------------------------- internals

@internal
@view
def _clock(until: uint256) -> uint256:
    """
    @notice The reading of the clock now, seconds: the chain's time less the time held.
    """
    return notice_clock._reading(self.holds, until)


@internal
def _hold(start: uint256, until: uint256):
    """
    @notice Begin a hold, now or later.
    @param start When it begins, Unix seconds.
    @param until End of the hold before, which is over.
    """
    self.holds = notice_clock._with_hold(self.holds, start, until)


@internal
@view
def _began() -> uint256:
    """
    @notice When the last hold began or begins, Unix seconds; 0: there was none.
    """
    return self.holds >> 128


@internal
def _give(id: bytes32, until: uint256):
    """
    @notice Give notice of a call now.
    """
    self.given[id] = self._clock(until) | (block.timestamp << 128)


@internal
@view
def _given_at(id: bytes32) -> uint256:
    """
    @notice The chain's time when notice of `id` was given.
    """
    return self.given[id] >> 128


@internal
@view
def _is_mature(id: bytes32, until: uint256, length: uint256) -> bool:
    """
    @notice Whether the notice that was given of `id` is over.
    @param length Seconds of the clock that it takes.
    """
    return self._clock(until) >= (self.given[id] & MASK_128) + length


@internal
@view
def _is_running(id: bytes32, until: uint256, length: uint256) -> bool:
    """
    @notice Whether notice was given of `id` and hasn't lapsed.
    """
    given: uint256 = self.given[id]
    lapse: uint256 = (given & MASK_128) + length + notice_clock.LIFE
    return given != 0 and self._clock(until) < lapse


@internal
@view
def _times(id: bytes32, until: uint256, length: uint256) -> (uint256, uint256):
    """
    @notice When, by the chain's time, notice `id` matures and when it lapses, were there no further hold. A time that
            lies before the last hold is given as if all earlier holds lay before it: it is past either way.
    """
    given: uint256 = self.given[id]
    if given == 0:
        return 0, 0
    mature: uint256 = (given & MASK_128) + length
    return self._time_of(mature, until), self._time_of(
        mature + notice_clock.LIFE, until
    )


@internal
@view
def _time_of(reading: uint256, until: uint256) -> uint256:
    holds: uint256 = self.holds
    began: uint256 = holds >> 128
    time: uint256 = reading + (holds & MASK_128)
    if began == 0 or time <= began:
        return time
    return time + until - began
