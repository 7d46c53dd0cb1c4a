# pragma version 0.4.3

"""
@title Checks
@license AGPL-3.0-only
@author Kana
@notice An assertion whose code is shared: for what isn't called often, where 45 bytes count more than 90 gas.
"""


@internal
@pure
def _require(ok: bool, reason: String[32]):
    """
    @notice Refuse with `reason` unless `ok`.
    """
    assert ok, reason
