# pragma version 0.4.3

"""
@title Notice clock
@license AGPL-3.0-only
@author Kana
@notice The clock by which notices mature (M9): it runs with the chain's but stands still while a hold lasts, as the
        exits of stakers do (M37).
@dev One hold follows another, so one word tells of all of them: its lowest 128 bits are the seconds that all holds but
     the last took, those above it when the last one began, 0 if there was none. The end of the last one (`until`; 0
     before the first) is kept by who keeps the word; it may move while that hold lasts.
"""

# ---------------------------------------------------------------- constants

# A hold goes on after the pause that began it for so long, seconds (M37).
AFTER_PAUSE: constant(uint256) = 86_400
# Time from maturity to lapse of a notice, seconds of the clock (M9).
LIFE: constant(uint256) = 7 * 86_400
MASK_128: constant(uint256) = 2**128 - 1

# ----------------------------------------------------------------- internals

@internal
@view
def _reading(holds: uint256, until: uint256) -> uint256:
    """
    @notice The reading of the clock now, seconds: the chain's time less the time held.
    """
    began: uint256 = holds >> 128
    reading: uint256 = block.timestamp - (holds & MASK_128)
    if began == 0 or block.timestamp <= began:
        return reading
    return reading - (min(block.timestamp, until) - began)


@internal
@pure
def _with_hold(holds: uint256, start: uint256, until: uint256) -> uint256:
    """
    @notice The word after a hold was begun, now or later.
    @param start When it begins, Unix seconds.
    @param until End of the hold before, which is over.
    """
    began: uint256 = holds >> 128
    before: uint256 = holds & MASK_128
    if began != 0:
        before += until - began
    return before | (start << 128)
