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
    self._check_sequencer()

    round_id: uint80 = 0
    answer: int256 = 0
    started_at: uint256 = 0
    updated_at: uint256 = 0
    answered_in_round: uint80 = 0
    (
        round_id, answer, started_at, updated_at, answered_in_round
    ) = staticcall AGGREGATOR.latestRoundData()

    assert round_id > 0, "feed: round id zero"
    assert (
        updated_at > 0 and answered_in_round >= round_id
    ), "feed: incomplete round"
    assert updated_at >= started_at, "feed: updated before start"
    assert updated_at <= block.timestamp, "feed: future round"
    assert block.timestamp - updated_at <= max_age, "feed: stale price"

    assert answer > 0, "feed: price not positive"
    unsigned: uint256 = convert(answer, uint256)
    assert unsigned <= MAX_ANSWER, "feed: price too large"
    wad: uint256 = unsigned * MULTIPLIER // DIVISOR
    assert wad > 0, "feed: price not positive"
    return wad


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
def _check_sequencer():
    """
    @dev Refuse while the sequencer is down and until its grace has passed (M30). While it was down nobody could act
         on moving prices; the grace lets margin be added before liquidations go on.
    """
    if SEQUENCER.address == empty(address):
        return
    round_id: uint80 = 0
    status: int256 = 0
    up_since: uint256 = 0
    updated_at: uint256 = 0
    answered_in_round: uint80 = 0
    (
        round_id, status, up_since, updated_at, answered_in_round
    ) = staticcall SEQUENCER.latestRoundData()
    # A feed that has never reported starts its round at 0: unknown counts as down.
    assert status == SEQUENCER_UP and up_since > 0, "feed: sequencer down"
    assert up_since <= block.timestamp, "feed: sequencer in future"
    assert block.timestamp - up_since > sequencer_grace, "feed: sequencer grace"
