# pragma version 0.4.3

"""
@title Pause
@license AGPL-3.0-only
@author Kana
@notice The arithmetic of a pause that ends by itself and can't be chained (M37).
@dev A pause is one number, the time at which it ends; its host stores it, decides who may pause, and refuses with
     its own reasons.
"""

# Longest pause, seconds.
MAX_PAUSE: constant(uint256) = 7 * 86_400
# Time between the end of a pause and the next one, seconds.
REST: constant(uint256) = 7 * 86_400


@internal
@view
def _is_paused(resume_at: uint256) -> bool:
    """
    @notice Whether the pause that ends at `resume_at` is on; 0: there was none.
    """
    return block.timestamp < resume_at


@internal
@pure
def _fits(duration: uint256) -> bool:
    """
    @notice Whether a pause of `duration` seconds isn't too long.
    """
    return duration <= MAX_PAUSE


@internal
@view
def _is_rested(resume_at: uint256) -> bool:
    """
    @notice Whether the last pause, which ended or ends at `resume_at`, is long enough ago for another one.
    """
    return block.timestamp >= resume_at + REST
