# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Price feed
@license AGPL-3.0-only
@author Kana
@notice The price of a market, read live from an aggregator: a good and fresh one in 18 decimals, or none at all.
@dev One feed is one reading of one aggregator: which, how old a round may be, which sequencer feed, how long its
     grace lasts. All of it is fixed at construction; another reading is another feed. `AggregatorV3Interface` is what
     it reads, so a feed can be put before anything that speaks it.
     There is no storage and no state-changing call, so every view is open to callers in the middle of their own work.
@custom:security A feed judges a round by what the aggregator says about it. It can't tell a wrong price from a right
    one.
@custom:invariant `price` returns a value in 1 … 10**30 or reverts; the same round read at the same time gives the
    same.
"""

from contracts.interfaces import AggregatorV3Interface
from contracts.interfaces import IPriceFeed

implements: IPriceFeed

# ---------------------------------------------------------------- constants

# Decimals that prices leave with, and the most they may come with.
WAD_DECIMALS: constant(uint256) = 18
MAX_DECIMALS: public(constant(uint256)) = 36
# A price above this, WAD, is an error of the aggregator: a million million quote for one whole base.
MAX_PRICE_WAD: public(constant(uint256)) = 10**30
# Beyond a year neither age nor grace means anything.
MAX_SECONDS: public(constant(uint256)) = 365 * 86_400
# What a sequencer feed answers while the sequencer is up.
SEQUENCER_UP: constant(int256) = 0
# Why there is no price.
NO_PROBLEM: constant(uint256) = 0
SEQUENCER_DOWN: constant(uint256) = 1
SEQUENCER_IN_FUTURE: constant(uint256) = 2
SEQUENCER_GRACE: constant(uint256) = 3
ROUND_ID_ZERO: constant(uint256) = 4
INCOMPLETE_ROUND: constant(uint256) = 5
UPDATED_BEFORE_START: constant(uint256) = 6
FUTURE_ROUND: constant(uint256) = 7
STALE_PRICE: constant(uint256) = 8
NOT_POSITIVE: constant(uint256) = 9
TOO_LARGE: constant(uint256) = 10

# --------------------------------------------------------------- immutables

AGGREGATOR: immutable(AggregatorV3Interface)
SEQUENCER: immutable(AggregatorV3Interface)
# The getters that `IPriceFeed` names.
max_age: public(immutable(uint256))
sequencer_grace: public(immutable(uint256))
decimals: public(immutable(uint8))
# WAD price = answer * MULTIPLIER // DIVISOR; one of them is 1.
MULTIPLIER: immutable(uint256)
DIVISOR: immutable(uint256)
# The answer that is exactly `MAX_PRICE_WAD`: compared before scaling, so that no answer overflows.
MAX_ANSWER: immutable(uint256)

# -------------------------------------------------------------- constructor

@deploy
def __init__(
    aggregator: address,
    max_age_seconds: uint256,
    sequencer: address,
    sequencer_grace_seconds: uint256,
):
    """
    @notice Fix what is read and how strictly (M30).
    @param aggregator The price aggregator, with 0 to 36 decimals.
    @param max_age_seconds Greatest age of a good round, 1 second to a year.
    @param sequencer The sequencer feed, zero where the chain has none.
    @param sequencer_grace_seconds Time after a restart in which prices are refused, 1 second to a year; without a
           sequencer it means nothing.
    """
    assert aggregator.is_contract, "feed: aggregator has no code"
    assert max_age_seconds > 0, "feed: max age is zero"
    assert max_age_seconds <= MAX_SECONDS, "feed: max age too long"
    assert sequencer_grace_seconds <= MAX_SECONDS, "feed: grace too long"
    if sequencer != empty(address):
        assert sequencer.is_contract, "feed: sequencer has no code"
        assert sequencer_grace_seconds > 0, "feed: grace is zero"

    AGGREGATOR = AggregatorV3Interface(aggregator)
    SEQUENCER = AggregatorV3Interface(sequencer)
    max_age = max_age_seconds
    sequencer_grace = sequencer_grace_seconds

    feed_decimals: uint8 = staticcall AggregatorV3Interface(
        aggregator
    ).decimals()
    places: uint256 = convert(feed_decimals, uint256)
    assert places <= MAX_DECIMALS, "feed: too many decimals"
    decimals = feed_decimals
    multiplier: uint256 = 1
    divisor: uint256 = 1
    if places <= WAD_DECIMALS:
        multiplier = 10**(WAD_DECIMALS - places)
    else:
        divisor = 10**(places - WAD_DECIMALS)
    MULTIPLIER = multiplier
    DIVISOR = divisor
    MAX_ANSWER = MAX_PRICE_WAD * divisor // multiplier


# -------------------------------------------------------------------- views

@external
@view
@reentrant
def price() -> uint256:
    """
    @notice The price now, or the reason why there is none (M30).
    @dev Age `max_age` is good, one second more is not. The grace has passed when more than `sequencer_grace` seconds
         lie between the restart and now: at exactly the grace the price is still refused.
    @return Quote per whole base, WAD, rounded down.
    """
    wad: uint256 = 0
    problem: uint256 = 0
    wad, problem = self._read()
    assert problem != SEQUENCER_DOWN, "feed: sequencer down"
    assert problem != SEQUENCER_IN_FUTURE, "feed: sequencer in future"
    assert problem != SEQUENCER_GRACE, "feed: sequencer grace"
    assert problem != ROUND_ID_ZERO, "feed: round id zero"
    assert problem != INCOMPLETE_ROUND, "feed: incomplete round"
    assert problem != UPDATED_BEFORE_START, "feed: updated before start"
    assert problem != FUTURE_ROUND, "feed: future round"
    assert problem != STALE_PRICE, "feed: stale price"
    assert problem != NOT_POSITIVE, "feed: price not positive"
    assert problem != TOO_LARGE, "feed: price too large"
    return wad


@external
@view
@reentrant
def peek() -> uint256:
    """
    @notice The price now, or 0 where `price` would refuse; for pages that show several markets.
    @return Quote per whole base, WAD, rounded down.
    """
    return self._read()[0]


@external
@view
@reentrant
def aggregator() -> address:
    """
    @notice The aggregator that is read.
    """
    return AGGREGATOR.address


@external
@view
@reentrant
def sequencer() -> address:
    """
    @notice The sequencer feed, zero where the chain has none.
    """
    return SEQUENCER.address


@external
@view
@reentrant
def description() -> String[128]:
    """
    @notice What the aggregator says it prices, read live.
    """
    return staticcall AGGREGATOR.description()


# ---------------------------------------------------------------- internals

@internal
@view
def _read() -> (uint256, uint256):
    """
    @return The price and `NO_PROBLEM`, or 0 and what is wrong.
    """
    sequencer_problem: uint256 = self._sequencer_problem()
    if sequencer_problem != NO_PROBLEM:
        return 0, sequencer_problem

    round_id: uint80 = 0
    answer: int256 = 0
    started_at: uint256 = 0
    updated_at: uint256 = 0
    answered_in_round: uint80 = 0
    (
        round_id, answer, started_at, updated_at, answered_in_round
    ) = staticcall AGGREGATOR.latestRoundData()

    if round_id == 0:
        return 0, ROUND_ID_ZERO
    if updated_at == 0 or answered_in_round < round_id:
        return 0, INCOMPLETE_ROUND
    if updated_at < started_at:
        return 0, UPDATED_BEFORE_START
    if updated_at > block.timestamp:
        return 0, FUTURE_ROUND
    if block.timestamp - updated_at > max_age:
        return 0, STALE_PRICE

    if answer <= 0:
        return 0, NOT_POSITIVE
    unsigned: uint256 = convert(answer, uint256)
    if unsigned > MAX_ANSWER:
        return 0, TOO_LARGE
    wad: uint256 = unsigned * MULTIPLIER // DIVISOR
    if wad == 0:
        return 0, NOT_POSITIVE
    return wad, NO_PROBLEM


@internal
@view
def _sequencer_problem() -> uint256:
    """
    @dev No price while the sequencer is down and until its grace has passed (M30). While it was down nobody could act
         on moving prices; the grace lets margin be added before liquidations go on.
    """
    if SEQUENCER.address == empty(address):
        return NO_PROBLEM
    round_id: uint80 = 0
    status: int256 = 0
    up_since: uint256 = 0
    updated_at: uint256 = 0
    answered_in_round: uint80 = 0
    (
        round_id, status, up_since, updated_at, answered_in_round
    ) = staticcall SEQUENCER.latestRoundData()
    # A feed that has never reported starts its round at 0: unknown counts as down.
    if status != SEQUENCER_UP or up_since == 0:
        return SEQUENCER_DOWN
    if up_since > block.timestamp:
        return SEQUENCER_IN_FUTURE
    if block.timestamp - up_since <= sequencer_grace:
        return SEQUENCER_GRACE
    return NO_PROBLEM
