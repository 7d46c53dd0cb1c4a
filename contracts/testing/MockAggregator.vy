# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Mock aggregator
@license AGPL-3.0-only
@author Kana
@notice A price feed with rounds for local chains and testnets, whose answers anyone sets. It serves as sequencer
        feed too.
@dev `push` makes good rounds, `push_round` any round at all, broken ones included.
@custom:security Ownerless: never point a market of value at it.
"""

from contracts.interfaces import AggregatorV3Interface

implements: AggregatorV3Interface


event AnswerUpdated:
    current: indexed(int256)
    round_id: indexed(uint256)
    updated_at: uint256


struct Round:
    answer: int256
    started_at: uint256
    updated_at: uint256
    answered_in_round: uint80
    known: bool


# ---------------------------------------------------------------- constants

version: public(constant(uint256)) = 1

# --------------------------------------------------------------- immutables

decimals: public(immutable(uint8))
DESCRIPTION: immutable(String[128])

# ------------------------------------------------------------------ storage

# Rounds by id, and the id that `latestRoundData` gives.
_rounds: HashMap[uint80, Round]
latest_round: public(uint80)

# -------------------------------------------------------------- constructor

@deploy
def __init__(
    feed_decimals: uint8, feed_description: String[128], answer: int256
):
    decimals = feed_decimals
    DESCRIPTION = feed_description
    self._push(1, answer, block.timestamp, block.timestamp, 1)


# ------------------------------------------------------------------- anyone

@external
def push(answer: int256):
    """
    @notice Publish an answer as a new, complete round of this moment.
    @param answer The price in the feed's decimals, or the sequencer's state.
    """
    round_id: uint80 = self.latest_round + 1
    self._push(round_id, answer, block.timestamp, block.timestamp, round_id)


@external
def push_round(
    round_id: uint80,
    answer: int256,
    started_at: uint256,
    updated_at: uint256,
    answered_in_round: uint80,
):
    """
    @notice Publish a round exactly as given, however broken, as the latest.
    @param round_id Its id; an old id overwrites that round.
    @param answer The answer.
    @param started_at Unix seconds.
    @param updated_at Unix seconds.
    @param answered_in_round The round that the answer comes from.
    """
    self._push(round_id, answer, started_at, updated_at, answered_in_round)


# -------------------------------------------------------------------- views

@external
@view
def description() -> String[128]:
    """
    @notice What is priced, for people.
    """
    return DESCRIPTION


@external
@view
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    """
    @notice The latest round: round id, answer, started at, updated at, answered in round.
    """
    return self._round(self.latest_round)


@external
@view
def getRoundData(
    round_id: uint80,
) -> (uint80, int256, uint256, uint256, uint80):
    """
    @notice One round: round id, answer, started at, updated at, answered in round.
    @param round_id The id of a round that was published.
    """
    return self._round(round_id)


# ---------------------------------------------------------------- internals

@internal
def _push(
    round_id: uint80,
    answer: int256,
    started_at: uint256,
    updated_at: uint256,
    answered_in_round: uint80,
):
    self._rounds[round_id] = Round(
        answer=answer,
        started_at=started_at,
        updated_at=updated_at,
        answered_in_round=answered_in_round,
        known=True,
    )
    self.latest_round = round_id
    log AnswerUpdated(
        current=answer,
        round_id=convert(round_id, uint256),
        updated_at=updated_at,
    )


@internal
@view
def _round(round_id: uint80) -> (uint80, int256, uint256, uint256, uint80):
    found: Round = self._rounds[round_id]
    assert found.known, "aggregator: no such round"
    return (
        round_id
    ), found.answer, found.started_at, found.updated_at, found.answered_in_round
