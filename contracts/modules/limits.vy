# pragma version 0.4.3

"""
@title Limits
@license AGPL-3.0-only
@author Kana
@notice What bounds a payout: the maximum of a market for its life, and the leaky bucket of the whole fund (M11).
        Pure arithmetic.
"""


@internal
@pure
def _left(cap: uint256, spent: uint256) -> uint256:
    """
    @notice What a limit leaves: `max(cap - spent, 0)`. A cap lowered below what is spent leaves nothing (M12).
    """
    return cap - spent if cap > spent else 0


@internal
@pure
def _level_ceil(
    spent: uint256, cap: uint256, elapsed: uint256, length: uint256
) -> uint256:
    """
    @notice The bucket's level `elapsed` seconds after a payment left it at `spent`. The decay rounds down, so the
            level rounds up, for solvency.
    @dev (M11) level = max(spent - cap * elapsed // length, 0)
    """
    decay: uint256 = cap * elapsed // length
    return spent - decay if spent > decay else 0
