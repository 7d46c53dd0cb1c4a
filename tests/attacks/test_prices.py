"""Attacks by price: a feed that is stale, broken, early, or behind a sequencer that was down: T20 to T25."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ape import chain

from kana_insurance.deployment import MarketConfig
from kana_insurance.testing import COIN, DAY, Kit, U, reverts_with

HOUR = 3_600
ANSWER = 100 * 10**8
SIZE = 10 * COIN


@pytest.fixture
def book(kana: Kit) -> Kit:
    """A long and a short of 10 coins at 100 U with 150 U of margin each, and free balances."""
    actors = kana.actors
    kana.contribute(actors.contributor, 1_000 * U)
    for actor in (actors.trader, actors.counterparty, actors.liquidator):
        kana.deposit(actor, 1_000 * U)
    kana.open_position(actors.trader, actors.counterparty, SIZE, margin=150 * U)
    return kana


def at_mark(kana: Kit) -> list[Callable[[], Any]]:
    """Everything that needs a price, ready to be called."""
    actors, house = kana.actors, kana.house
    buy = kana.sign_order(actors.trader, True, COIN, 100 * COIN, 50 * U)
    sell = kana.sign_order(actors.counterparty, False, COIN, 100 * COIN, 50 * U)
    keeper = actors.liquidator
    return [
        lambda: kana.fill(sell, buy),
        lambda: house.release_margin(0, 1, sender=actors.trader),
        lambda: house.liquidate(0, actors.trader, SIZE, 100 * U, sender=keeper),
        lambda: house.liquidate_batch(0, [(actors.trader, SIZE)], 100 * U, sender=keeper),
        lambda: house.flag(0, actors.trader, sender=keeper),
        lambda: house.unflag(0, actors.trader, sender=keeper),
        lambda: house.deleverage(0, actors.trader, [actors.counterparty], sender=keeper),
    ]


def refused_everywhere(kana: Kit, reason: str) -> None:
    """Without a good price everything that needs one is refused with the reason, and what needs none goes on (M30)."""
    actors, house = kana.actors, kana.house
    books, reserve = tuple(house.books(0)), kana.fund.reserve()
    for call in at_mark(kana):
        with reverts_with(reason):
            call()
    for view in (house.equity, house.is_liquidatable):
        with reverts_with(reason):
            view(0, actors.trader)
    assert (tuple(house.books(0)), kana.fund.reserve()) == (books, reserve)

    free, balance = house.free(actors.trader), house.position(0, actors.trader).balance
    kana.deposit(actors.trader, 3 * U)
    house.add_margin(0, 2 * U, sender=actors.trader)
    house.withdraw(U, sender=actors.trader)
    assert house.free(actors.trader) == free
    assert house.position(0, actors.trader).balance == balance + 2 * U


def push(kana: Kit, **changes: int) -> None:
    """Publish a round that is good but for the changes; times are relative to now."""
    now = kana.now()
    number = kana.aggregators[0].latestRoundData()[0] + 1
    fields = {"round_id": number, "answer": ANSWER, "started_at": 0, "updated_at": 0, "answered_in": number, **changes}
    kana.aggregators[0].push_round(
        fields["round_id"],
        fields["answer"],
        now + fields["started_at"],
        now + fields["updated_at"],
        fields["answered_in"],
        sender=kana.actors.keeper,
    )


def test_t20_stale_price__at_max_age__good_and_one_second_later_refused(book: Kit) -> None:
    assert book.feeds[0].max_age() == HOUR
    updated_at = book.aggregators[0].latestRoundData()[3]
    chain.mine(timestamp=updated_at + HOUR)
    assert book.now() - updated_at == HOUR
    assert book.house.equity(0, book.actors.trader) > 0
    chain.mine(timestamp=updated_at + HOUR + 1)
    assert book.now() - updated_at == HOUR + 1
    refused_everywhere(book, "feed: stale price")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (0, "feed: price not positive"),
        (-ANSWER, "feed: price not positive"),
        (-(2**255), "feed: price not positive"),
        (2**255 - 1, "feed: price too large"),
        (10**20 + 1, "feed: price too large"),
    ],
)
def test_t21_absurd_answer__refused_everywhere(book: Kit, answer: int, reason: str) -> None:
    push(book, answer=answer)
    refused_everywhere(book, reason)


def test_t21_incomplete_round__refused_everywhere(book: Kit) -> None:
    number = book.aggregators[0].latestRoundData()[0] + 1
    push(book, answered_in=number - 1)
    refused_everywhere(book, "feed: incomplete round")


def test_t22_round_id_zero__refused_everywhere(book: Kit) -> None:
    push(book, round_id=0, answered_in=0)
    refused_everywhere(book, "feed: round id zero")


def test_t22_updated_before_started__refused_everywhere(book: Kit) -> None:
    push(book, updated_at=-2, started_at=-1)
    refused_everywhere(book, "feed: updated before start")


def test_t23_round_of_the_future__refused_everywhere(book: Kit) -> None:
    push(book, updated_at=DAY, started_at=DAY)
    refused_everywhere(book, "feed: future round")


# ------------------------------------------------------------------- sequencer


@pytest.fixture
def layer2(deploy_system: Callable[..., Kit], kana: Kit) -> Kit:
    """A system behind a sequencer feed that has been up for long, with a book as above."""
    backend, actors = kana.backend, kana.actors
    sequencer = backend.deploy("MockAggregator", 0, "sequencer", 0, sender=actors.deployer)
    backend.travel(DAY)
    market = MarketConfig(
        name="COIN / USD",
        price=100 * COIN,
        max_insurance=50_000 * U,
        open_interest_cap=10**6 * COIN,
        position_cap=10**6 * COIN,
        sequencer=str(sequencer.address),
    )
    system = deploy_system(markets=[market])
    system.contribute(actors.contributor, 1_000 * U)
    for actor in (actors.trader, actors.counterparty, actors.liquidator):
        system.deposit(actor, 1_000 * U)
    system.open_position(actors.trader, actors.counterparty, SIZE, margin=150 * U)
    system.sequencer = sequencer  # type: ignore[attr-defined]
    return system


def test_t24_sequencer_down__refused_everywhere(layer2: Kit) -> None:
    layer2.sequencer.push(1, sender=layer2.actors.keeper)  # type: ignore[attr-defined]
    refused_everywhere(layer2, "feed: sequencer down")


def test_t24_sequencer_up_again__refused_through_its_grace_and_good_a_second_later(layer2: Kit) -> None:
    sequencer = layer2.sequencer  # type: ignore[attr-defined]
    sequencer.push(1, sender=layer2.actors.keeper)
    sequencer.push(0, sender=layer2.actors.keeper)
    up_since = sequencer.latestRoundData()[2]
    layer2.travel(HOUR - 10)
    for seconds in (HOUR - 1, HOUR):
        chain.mine(timestamp=up_since + seconds)
        assert layer2.now() - up_since == seconds
        with reverts_with("feed: sequencer grace"):
            layer2.house.equity(0, layer2.actors.trader)
    chain.mine(timestamp=up_since + HOUR + 1)
    assert layer2.now() - up_since == HOUR + 1
    assert layer2.house.equity(0, layer2.actors.trader) > 0
    layer2.house.release_margin(0, 1, sender=layer2.actors.trader)


# -------------------------------------------------------------------- decimals


@pytest.mark.parametrize("token_decimals", [6, 8, 18])
@pytest.mark.parametrize("feed_decimals", [6, 8, 18])
def test_t25_decimals__of_feed_and_token__the_same_trade_in_whole_tokens(
    deploy_system: Callable[..., Kit], kana: Kit, token_decimals: int, feed_decimals: int
) -> None:
    unit = 10**token_decimals
    actors, backend = kana.actors, kana.backend
    token = backend.deploy("QuirkyToken", token_decimals, sender=actors.deployer)
    market = MarketConfig(
        name="COIN / USD",
        price=100 * COIN,
        max_insurance=50_000 * unit,
        open_interest_cap=10**6 * COIN,
        position_cap=10**6 * COIN,
        min_notional=10 * unit,
        feed_decimals=feed_decimals,
    )
    system = deploy_system(asset=str(token.address), threshold=1_000_000 * unit, markets=[market])
    house = system.house
    for actor in (actors.trader, actors.counterparty, actors.liquidator):
        token.mint(actor, 1_000 * unit, sender=actor)
        token.approve(house, 1_000 * unit, sender=actor)
        house.deposit(1_000 * unit, sender=actor)
    buy = system.sign_order(actors.trader, True, SIZE, 100 * COIN, 150 * unit)
    sell = system.sign_order(actors.counterparty, False, SIZE, 100 * COIN, 150 * unit)
    system.fill(sell, buy)
    # 1,000 notional: 0.5 of fee for the taker, 0.2 for the maker.
    assert house.position(0, actors.trader).balance == 150 * unit - 1_000 * unit - unit // 2
    assert house.position(0, actors.counterparty).balance == 150 * unit + 1_000 * unit - unit // 5
    system.set_price(89 * COIN)
    # Equity 149.5 - 110 = 39.5, of which 30 % and 20 % go to liquidator and fund.
    house.liquidate(0, actors.trader, SIZE, 100 * unit, sender=actors.liquidator)
    collateral = 395 * unit // 10
    assert house.free(actors.liquidator) == 900 * unit + collateral * 3 // 10
    assert system.fund.reserve() == collateral * 2 // 10
    assert house.free(actors.trader) == 850 * unit + collateral - collateral * 3 // 10 - collateral * 2 // 10
