# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Fund notices
@license AGPL-3.0-only
@author Kana
@notice What a fund asks of the board that keeps its notices (M9).
"""

from contracts.interfaces import INoticeBoard

from contracts.modules import fund_layers
from contracts.modules import fund_words
from contracts.modules import ledger

uses: fund_layers
uses: ledger

# --------------------------------------------------------------- immutables

# The board; no call can name another one.
NOTICES: immutable(address)

# -------------------------------------------------------------- constructor

@deploy
def __init__(notices: address):
    NOTICES = notices


# -------------------------------------------------------------------- views

@view
@external
def notices() -> address:
    """
    @notice The board that keeps the notices of this fund (M9).
    """
    return NOTICES


# ---------------------------------------------------------------- internals

@internal
@view
def _call() -> bytes32:
    """
    @notice The call that is being made, which has three words of arguments.
    """
    return keccak256(slice(msg.data, 0, 100))


@internal
def _use(id: bytes32):
    """
    @notice Use up the notice of a call.
    """
    self._use_for(id, [fund_layers._at(0), fund_layers._at(1)], False)


@internal
def _use_for(id: bytes32, concerned: address[2], joins: bool):
    """
    @notice The same, for the layers concerned. None is needed before the setup is finished.
    @param joins Whether a layer joins with the call.
    """
    if ledger.pot < fund_words.NOT_OPEN_POT:
        extcall INoticeBoard(NOTICES).use(id, concerned, joins)


@internal
def _hold(resume_at: uint256):
    """
    @notice Say when payouts resume, to the board and to the layers that aren't suspended: notices and exits wait a day
            longer (M37).
    """
    extcall INoticeBoard(NOTICES).hold(resume_at)
    fund_layers._hold(resume_at)
