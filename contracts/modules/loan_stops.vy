# pragma version 0.4.3

"""
@title Stops of a lending pool
@license AGPL-3.0-only
@author Kana
@notice A flagged insolvent loan stops lenders' withdrawals for at most an hour (M33).
@dev Word, from the top (bits): borrower 160 | collateral id 32 | until 64. An hour that has begun serves every loan flagged
     within it; a new one begins at the earliest 23 hours after the end of the last, so that lenders can leave on at least 23
     hours of any 24.
"""

from contracts.interfaces import ILendingPool

from contracts.modules import checks

# ---------------------------------------------------------------- constants

# Longest stop, and the least time from the end of one hour to the next, seconds.
MAX_STOP: constant(uint256) = 3_600
REST: constant(uint256) = 23 * 3_600
MASK_64: constant(uint256) = 2**64 - 1
MASK_32: constant(uint256) = 2**32 - 1

# ------------------------------------------------------------------ storage

# The flagged loan, and when its hour ends; no borrower: none is flagged.
_word: uint256


@internal
@view
def _stop() -> ILendingPool.Stop:
    word: uint256 = self._word
    return ILendingPool.Stop(
        collateral_id=(word >> 64) & MASK_32,
        borrower=convert(word >> 96, address),
        until=word & MASK_64,
    )


@internal
@view
def _is_on() -> bool:
    """
    @notice Whether lenders' withdrawals are stopped.
    """
    word: uint256 = self._word
    return word >> 96 != 0 and block.timestamp < word & MASK_64


@internal
@view
def _is_of(collateral_id: uint256, borrower: address) -> bool:
    """
    @notice Whether a loan is the flagged one.
    """
    return self._word >> 64 == self._key(collateral_id, borrower) >> 64


@internal
def _begin(collateral_id: uint256, borrower: address):
    """
    @notice Flag a loan.
    """
    checks._require(not self._is_on(), "pool: already stopped")
    until: uint256 = self._word & MASK_64
    if block.timestamp >= until:
        checks._require(
            until == 0 or block.timestamp >= until + REST,
            "pool: stopped too recently",
        )
        until = block.timestamp + MAX_STOP
    self._word = self._key(collateral_id, borrower) | until
    log ILendingPool.LoanFlagged(
        collateral_id=collateral_id, borrower=borrower, until=until
    )


@internal
def _end(collateral_id: uint256, borrower: address):
    """
    @notice Take a loan's flag back, if it has one.
    """
    if self._is_of(collateral_id, borrower):
        self._word &= MASK_64
        log ILendingPool.LoanUnflagged(
            collateral_id=collateral_id, borrower=borrower
        )


@internal
@pure
def _key(collateral_id: uint256, borrower: address) -> uint256:
    return (convert(borrower, uint256) << 96) | (collateral_id << 64)
