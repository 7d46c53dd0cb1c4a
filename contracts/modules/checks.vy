# pragma version 0.4.3

"""
@title Checks
@license AGPL-3.0-only
@author Kana
@notice Assertions whose code is shared: a reason of its own costs each 124 bytes.
"""


@internal
@pure
def _require(ok: bool, reason: String[32]):
    """
    @notice Refuse with `reason` unless `ok`: 45 bytes and 90 gas, for what isn't called often.
    """
    assert ok, reason


@internal
@pure
def _refuse(reason: String[32]):
    """
    @notice Refuse with `reason`. Behind a branch it costs what is accepted nothing: for what is called often.
    """
    raise reason
