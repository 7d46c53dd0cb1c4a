"""The lens: a fund, a trader, a list of accounts in one call, against what the contracts themselves say."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.testing import COIN, DAY, Kit, U, reverts_with

PRICE = 100 * COIN
ZERO = "0x" + "00" * 20
# Fields of the state that are a view of the fund each.
FUND_VIEWS = (
    "governance",
    "treasury",
    "setup_finished",
    "reserve",
    "threshold",
    "room",
    "excess",
    "total_contributions",
    "total_bad_debt",
    "payouts_paused",
    "payouts_resume_at",
)


@pytest.fixture
def book(kana: Kit) -> Kit:
    """A long and a short of 10 coins at 100, with 100 U and 200 U of margin."""
    actors = kana.actors
    kana.contribute(actors.contributor, 300 * U)
    kana.open_position(actors.trader, actors.counterparty, 10 * COIN, margin=(150 * U, 200 * U))
    return kana


def position_of(kana: Kit, trader: Any, number: int = 0) -> Any:
    return kana.lens.trader_state(kana.house, trader).positions[number]


def test_fund_state__with_a_venue__says_what_the_views_say(book: Kit) -> None:
    fund, house = book.fund, book.house
    book.asset.faucet_to(fund, 7, sender=book.actors.outsider)
    state = book.lens.fund_state(fund, house)
    assert (state.fund, state.asset, state.decimals) == (address_of(fund), address_of(book.asset), 6)
    for name in FUND_VIEWS:
        assert getattr(state, name) == getattr(fund, name)()
    assert (state.reserve, state.unaccounted) == (300 * U, 7)
    assert (state.liquidator_bps, state.fund_bps) == tuple(fund.split_bps()) == (3_000, 2_000)
    assert tuple(state.window) == tuple(fund.window())
    assert [market.market_id for market in state.markets] == list(range(book.registry.next_market_id()))
    market = state.markets[0]
    assert tuple(market.fund_terms) == tuple(fund.market(house, 0))
    assert market.coverage == fund.coverage(house, 0) == 300 * U
    assert tuple(market.params) == tuple(book.registry.params(0))
    assert tuple(market.books) == tuple(house.books(0))
    assert (house.books(0).open_interest, market.mark) == (20 * COIN, PRICE)


def test_fund_state__without_a_venue__has_no_markets(kana: Kit) -> None:
    assert list(kana.lens.fund_state(kana.fund, ZERO).markets) == []


def test_fund_state__stale_price__mark_is_zero_and_nothing_reverts(book: Kit) -> None:
    book.travel(DAY, refresh=False)
    assert [market.mark for market in book.lens.fund_state(book.fund, book.house).markets] == [0, 0]


def test_trader_state__long__figures_by_hand(book: Kit) -> None:
    # 1,000 U at 5 bps taker: 0.5 U; equity 149.5 U.
    position = position_of(book, book.actors.trader)
    assert (position.market_id, position.size, position.balance) == (0, 10 * COIN, -850_500_000)
    assert (position.mark, position.equity, position.notional) == (PRICE, 149_500_000, 1_000 * U)
    assert (position.initial_margin, position.maintenance_margin) == (100 * U, 50 * U)
    assert position.margin_ratio_bps == 1_495
    assert position.bankruptcy_price == 85_050_000_000_000_000_000
    # -balance / (size * (1 - 5 %)) = 89.526315789…, rounded up.
    assert position.liquidation_price == 89_526_315_789_473_684_211
    assert (position.pending_charge, position.flagged_at) == (0, 0)
    assert (position.liquidatable, position.insolvent) == (False, False)


def test_trader_state__short__figures_by_hand(book: Kit) -> None:
    # 2 bps maker: 0.2 U; equity 199.8 U.
    position = position_of(book, book.actors.counterparty)
    assert (position.size, position.balance, position.equity) == (-10 * COIN, 1_199_800_000, 199_800_000)
    assert position.bankruptcy_price == 119_980_000_000_000_000_000
    # balance / (size * (1 + 5 %)) = 114.266666666…, rounded down.
    assert position.liquidation_price == 114_266_666_666_666_666_666


@pytest.mark.parametrize("side", ["trader", "counterparty"])
def test_trader_state__its_prices__are_where_the_house_turns(book: Kit, side: str) -> None:
    actor = getattr(book.actors, side)
    position = position_of(book, actor)
    worse = -1 if position.size > 0 else 1
    # The aggregator has 8 decimals; one unit of equity of 10 coins is 10 of its ticks.
    tick = 10**10
    book.set_price(position.bankruptcy_price // tick * tick - worse * 20 * tick)
    assert book.house.equity(0, actor) >= 0
    book.set_price(position.bankruptcy_price // tick * tick + worse * 20 * tick)
    assert book.house.equity(0, actor) < 0
    book.set_price(position.liquidation_price // tick * tick - worse * 20 * tick)
    assert not book.house.is_liquidatable(0, actor)
    book.set_price(position.liquidation_price // tick * tick + worse * 20 * tick)
    assert book.house.is_liquidatable(0, actor)


def test_trader_state__after_a_socialised_loss__shows_the_pending_charge(kana: Kit) -> None:
    actors = kana.actors
    first, second = actors.others[0], actors.others[1]
    kana.open_position(actors.trader, actors.counterparty, 10 * COIN, margin=(101 * U, 500 * U))
    kana.open_position(first, second, 10 * COIN, margin=(900 * U, 900 * U))
    kana.set_price(80 * COIN)
    kana.deposit(actors.liquidator, 1_000 * U)
    kana.house.liquidate(0, actors.trader, 10 * COIN, 1_000 * U, sender=actors.liquidator)
    pending = kana.house.pending_charge(0, first)
    assert pending > 0
    position = position_of(kana, first)
    stored = kana.house.position(0, first)
    assert (position.pending_charge, position.balance) == (pending, stored.balance - pending)
    assert position.equity == kana.house.equity(0, first)


def test_trader_state__stale_price__says_what_needs_none(book: Kit) -> None:
    fresh = position_of(book, book.actors.trader)
    book.travel(DAY, refresh=False)
    stale = position_of(book, book.actors.trader)
    for name in ("size", "balance", "bankruptcy_price", "liquidation_price"):
        assert getattr(stale, name) == getattr(fresh, name)
    assert (stale.mark, stale.equity, stale.notional, stale.liquidatable) == (0, 0, 0, False)


def test_trader_state__outsider__free_balance_alone(book: Kit) -> None:
    book.deposit(book.actors.outsider, 5 * U)
    state = book.lens.trader_state(book.house, book.actors.outsider)
    assert (state.trader, state.free) == (address_of(book.actors.outsider), 5 * U)
    assert list(state.positions) == []


def test_health__list__in_its_order_with_what_the_house_says(book: Kit) -> None:
    actors = book.actors
    names = [actors.outsider, actors.counterparty, actors.trader]
    book.set_price(86 * COIN)
    found = book.lens.health(book.house, 0, names)
    assert [entry.trader for entry in found] == [address_of(name) for name in names]
    assert [entry.size for entry in found] == [0, -10 * COIN, 10 * COIN]
    assert [entry.equity for entry in found] == [book.house.equity(0, name) for name in names]
    assert [entry.maintenance_margin for entry in found] == [0, 43 * U, 43 * U]
    assert [entry.liquidatable for entry in found] == [False, False, True]
    assert [entry.insolvent for entry in found] == [False, False, False]
    book.set_price(85 * COIN)
    book.house.flag(0, actors.trader, sender=actors.keeper)
    flagged = book.lens.health(book.house, 0, names)[2]
    assert (flagged.insolvent, flagged.liquidatable, flagged.flagged_at) == (True, True, book.now())


def test_health__stale_price__reverts_with_the_feeds_reason(book: Kit) -> None:
    book.travel(DAY, refresh=False)
    with reverts_with("feed: stale price"):
        book.lens.health(book.house, 0, [book.actors.trader])
