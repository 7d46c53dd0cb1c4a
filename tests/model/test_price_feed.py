"""The price feed (M30): every reason, every boundary, every number of decimals (T20 to T25)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest

ZERO = "0x" + "00" * 20
NOW = 1_800_000_000
WAD = 10**18
MAX_AGE = 3_600
GRACE = 3_600
MAX_PRICE_WAD = 10**30
YEAR = 365 * 86_400

AGGREGATOR = boa.load_partial("contracts/testing/MockAggregator.vy")
FEED = boa.load_partial("contracts/PriceFeed.vy")


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Each test at the same moment, on a chain of its own."""
    with boa.env.anchor():
        # Addresses recur from test to test, and titanoboa remembers storage keys by address.
        boa.env.sstore_trace.clear()
        at(NOW)
        yield


@pytest.fixture
def aggregator() -> Any:
    """A feed of 8 decimals at 100."""
    return AGGREGATOR.deploy(8, "BTC / USD", 100 * 10**8)


@pytest.fixture
def feed(aggregator: Any) -> Any:
    """A price feed without a sequencer."""
    return FEED.deploy(aggregator, MAX_AGE, ZERO, GRACE)


@pytest.fixture
def sequencer() -> Any:
    """A sequencer feed that has been up for long."""
    return AGGREGATOR.deploy(0, "L2 Sequencer Uptime Status Feed", 0)


@pytest.fixture
def guarded(aggregator: Any, sequencer: Any) -> Any:
    """A price feed with a sequencer, the price published just now and the sequencer up since two hours."""
    feed = FEED.deploy(aggregator, MAX_AGE, sequencer, GRACE)
    sequencer.push_round(2, 0, NOW - 7_200, NOW, 2)
    return feed


def at(seconds: int) -> None:
    """Set the time of the next call, Unix seconds."""
    boa.env.evm.patch.timestamp = seconds


def push(
    aggregator: Any,
    *,
    round_id: int = 9,
    answer: int = 10**8,
    started_at: int = NOW,
    updated_at: int = NOW,
    answered_in: int | None = None,
) -> None:
    """Publish a round that is good but for what the test says."""
    aggregator.push_round(round_id, answer, started_at, updated_at, round_id if answered_in is None else answered_in)


def refused(feed: Any, reason: str) -> None:
    """The feed gives no price, for exactly this reason; a peek sees none."""
    with boa.reverts(reason):
        feed.price()
    assert feed.peek() == 0


# ---------------------------------------------------------------- good prices


def test_price__fresh_round__is_wad(feed: Any) -> None:
    assert feed.price() == 100 * WAD


def test_price__after_push__follows_live(feed: Any, aggregator: Any) -> None:
    aggregator.push(85 * 10**8 + 1)
    assert feed.price() == 85 * WAD + 10**10
    assert feed.peek() == feed.price()


@pytest.mark.parametrize("decimals", [0, 1, 6, 8, 17, 18, 19, 24, 35, 36])
def test_price__any_decimals__normalised_to_18(decimals: int) -> None:
    """T25: the same 123 from a feed of any decimals."""
    aggregator = AGGREGATOR.deploy(decimals, "X", 123 * 10**decimals)
    feed = FEED.deploy(aggregator, MAX_AGE, ZERO, GRACE)
    assert feed.price() == 123 * WAD
    assert feed.decimals() == decimals


def test_price__more_than_18_decimals__rounds_down() -> None:
    aggregator = AGGREGATOR.deploy(20, "X", 199)
    feed = FEED.deploy(aggregator, MAX_AGE, ZERO, GRACE)
    assert feed.price() == 1


def test_price__rounds_to_zero__not_positive() -> None:
    aggregator = AGGREGATOR.deploy(20, "X", 99)
    refused(FEED.deploy(aggregator, MAX_AGE, ZERO, GRACE), "feed: price not positive")


def test_views__after_deployment__say_what_is_read(guarded: Any, aggregator: Any, sequencer: Any) -> None:
    assert guarded.aggregator() == aggregator.address
    assert guarded.sequencer() == sequencer.address
    assert guarded.max_age() == MAX_AGE
    assert guarded.sequencer_grace() == GRACE
    assert guarded.decimals() == 8
    assert guarded.description() == "BTC / USD"
    assert guarded.MAX_PRICE_WAD() == MAX_PRICE_WAD
    assert guarded.MAX_DECIMALS() == 36
    assert guarded.MAX_SECONDS() == YEAR


# ----------------------------------------------------------------- bad rounds


@pytest.mark.parametrize("age", [0, 1, MAX_AGE - 1, MAX_AGE])
def test_price__up_to_max_age__good(feed: Any, age: int) -> None:
    """T20: the greatest age is still good."""
    at(NOW + age)
    assert feed.price() == 100 * WAD


@pytest.mark.parametrize("age", [MAX_AGE + 1, MAX_AGE * 100])
def test_price__beyond_max_age__stale(feed: Any, age: int) -> None:
    """T20: one second more is stale."""
    at(NOW + age)
    refused(feed, "feed: stale price")


@pytest.mark.parametrize("answer", [0, -1, -(2**255)])
def test_price__zero_or_negative__not_positive(feed: Any, aggregator: Any, answer: int) -> None:
    """T21."""
    push(aggregator, answer=answer)
    refused(feed, "feed: price not positive")


@pytest.mark.parametrize("decimals", [0, 8, 18, 27, 36])
def test_price__largest__good_and_one_more_refused(decimals: int) -> None:
    """T21: the bound is exact whatever the decimals, and no answer overflows."""
    largest = 10 ** (12 + decimals)
    aggregator = AGGREGATOR.deploy(decimals, "X", largest)
    feed = FEED.deploy(aggregator, MAX_AGE, ZERO, GRACE)
    assert feed.price() == MAX_PRICE_WAD
    aggregator.push(largest + 1)
    refused(feed, "feed: price too large")
    aggregator.push(2**255 - 1)
    refused(feed, "feed: price too large")


def test_price__answered_in_earlier_round__incomplete(feed: Any, aggregator: Any) -> None:
    """T21."""
    push(aggregator, round_id=9, answered_in=8)
    refused(feed, "feed: incomplete round")


def test_price__answered_in_later_round__good(feed: Any, aggregator: Any) -> None:
    push(aggregator, round_id=9, answered_in=10)
    assert feed.price() == WAD


def test_price__never_updated__incomplete(feed: Any, aggregator: Any) -> None:
    """T21."""
    push(aggregator, started_at=0, updated_at=0)
    refused(feed, "feed: incomplete round")


def test_price__round_id_zero__refused(feed: Any, aggregator: Any) -> None:
    """T22."""
    push(aggregator, round_id=0)
    refused(feed, "feed: round id zero")


def test_price__updated_before_started__refused(feed: Any, aggregator: Any) -> None:
    """T22: one second is enough; at the same second it is good."""
    push(aggregator, started_at=NOW, updated_at=NOW - 1)
    refused(feed, "feed: updated before start")
    push(aggregator, started_at=NOW - 1, updated_at=NOW - 1)
    assert feed.price() == WAD


def test_price__future_round__refused(feed: Any, aggregator: Any) -> None:
    """T23: one second ahead, and absurdly far."""
    push(aggregator, updated_at=NOW + 1)
    refused(feed, "feed: future round")
    at(NOW + 1)
    assert feed.price() == WAD
    push(aggregator, updated_at=2**256 - 1)
    refused(feed, "feed: future round")


# ------------------------------------------------------------------ sequencer


@pytest.mark.parametrize("up_for", [GRACE + 1, GRACE + 2, 10 * GRACE])
def test_sequencer__grace_passed__price(guarded: Any, sequencer: Any, up_for: int) -> None:
    """T24: 3,601 seconds after the restart prices count again."""
    sequencer.push_round(3, 0, NOW - up_for, NOW - up_for, 3)
    assert guarded.price() == 100 * WAD


@pytest.mark.parametrize("up_for", [0, GRACE - 1, GRACE])
def test_sequencer__within_grace__refused(guarded: Any, sequencer: Any, up_for: int) -> None:
    """T24: at 3,599 and at exactly 3,600 seconds they don't."""
    sequencer.push_round(3, 0, NOW - up_for, NOW - up_for, 3)
    refused(guarded, "feed: sequencer grace")


@pytest.mark.parametrize("status", [1, 2, -1])
def test_sequencer__any_other_status__down(guarded: Any, sequencer: Any, status: int) -> None:
    """T24: down for however long."""
    sequencer.push_round(3, status, NOW - 10 * GRACE, NOW, 3)
    refused(guarded, "feed: sequencer down")


def test_sequencer__not_initialised__down(guarded: Any, sequencer: Any) -> None:
    sequencer.push_round(3, 0, 0, NOW, 3)
    refused(guarded, "feed: sequencer down")


def test_sequencer__from_the_future__refused(guarded: Any, sequencer: Any) -> None:
    sequencer.push_round(3, 0, NOW + 1, NOW, 3)
    refused(guarded, "feed: sequencer in future")


def test_sequencer__up_for_long_without_update__price(guarded: Any, aggregator: Any) -> None:
    """An uptime feed only reports changes: its age says nothing."""
    at(NOW + 1_000 * GRACE)
    aggregator.push(10**8)
    assert guarded.price() == WAD


def test_sequencer__up_and_stale_price__stale(guarded: Any) -> None:
    at(NOW + MAX_AGE + 1)
    refused(guarded, "feed: stale price")


# ---------------------------------------------------------------- deployment


def deploy_refused(reason: str, *args: Any) -> None:
    """The configuration is refused for exactly this reason."""
    with boa.reverts(reason):
        FEED.deploy(*args)


def test_deploy__no_aggregator__refused(sequencer: Any) -> None:
    deploy_refused("feed: aggregator has no code", ZERO, MAX_AGE, ZERO, GRACE)
    deploy_refused("feed: aggregator has no code", boa.env.generate_address(), MAX_AGE, sequencer, GRACE)


def test_deploy__max_age__bounds(aggregator: Any) -> None:
    deploy_refused("feed: max age is zero", aggregator, 0, ZERO, GRACE)
    deploy_refused("feed: max age too long", aggregator, YEAR + 1, ZERO, GRACE)
    assert FEED.deploy(aggregator, YEAR, ZERO, GRACE).max_age() == YEAR
    assert FEED.deploy(aggregator, 1, ZERO, GRACE).max_age() == 1


def test_deploy__grace__bounds(aggregator: Any, sequencer: Any) -> None:
    deploy_refused("feed: grace is zero", aggregator, MAX_AGE, sequencer, 0)
    deploy_refused("feed: grace too long", aggregator, MAX_AGE, sequencer, YEAR + 1)
    deploy_refused("feed: grace too long", aggregator, MAX_AGE, ZERO, YEAR + 1)
    assert FEED.deploy(aggregator, MAX_AGE, sequencer, YEAR).sequencer_grace() == YEAR
    assert FEED.deploy(aggregator, MAX_AGE, ZERO, 0).price() == 100 * WAD


def test_deploy__sequencer_without_code__refused(aggregator: Any) -> None:
    deploy_refused("feed: sequencer has no code", aggregator, MAX_AGE, boa.env.generate_address(), GRACE)


def test_deploy__37_decimals__refused() -> None:
    deploy_refused("feed: too many decimals", AGGREGATOR.deploy(37, "X", 1), MAX_AGE, ZERO, GRACE)


# ------------------------------------------------------------ mock aggregator


def test_aggregator__push__complete_round_of_now(aggregator: Any) -> None:
    assert aggregator.latestRoundData() == (1, 100 * 10**8, NOW, NOW, 1)
    at(NOW + 5)
    aggregator.push(-7)
    assert aggregator.latestRoundData() == (2, -7, NOW + 5, NOW + 5, 2)
    assert aggregator.getRoundData(1) == (1, 100 * 10**8, NOW, NOW, 1)
    assert aggregator.latest_round() == 2
    assert (aggregator.decimals(), aggregator.description(), aggregator.version()) == (8, "BTC / USD", 1)


def test_aggregator__push__logs_the_answer(aggregator: Any) -> None:
    aggregator.push(42)
    [event] = aggregator.get_logs()
    assert (event.current, event.round_id, event.updated_at) == (42, 2, NOW)


def test_aggregator__unknown_round__refused(aggregator: Any) -> None:
    with boa.reverts("aggregator: no such round"):
        aggregator.getRoundData(2)
