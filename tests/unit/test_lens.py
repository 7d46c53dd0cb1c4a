"""The lens: a fund, a trader, a staker, a list of accounts in one call, against what the contracts themselves say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.deployment import LOCAL_STAKERS, FaucetConfig, FundConfig, MarketConfig, StakersConfig
from kana_insurance.pools import LOCAL_POOL, CollateralConfig, PoolConfig
from kana_insurance.testing import COIN, DAY, Kit, U, reverts_with

PRICE = 100 * COIN
#: One whole share of a backstop; the kinds of layers in `ILens.LayerKind`.
SHARE = 10**12
STAKED, REINSURANCE = 1, 2
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


@pytest.fixture
def layered(deploy_fund: Callable[..., Kit]) -> Kit:
    """A fund behind which 40 U are staked by two, and 20 U at a reinsurance."""
    kit = deploy_fund(stakers=LOCAL_STAKERS, reinsurance=StakersConfig(limit=5 * U, min_staked=0))
    kit.stake(kit.actors.contributor, 30 * U)
    kit.stake(kit.actors.outsider, 10 * U)
    kit.stake(kit.actors.outsider, 20 * U, kit.system.layers[1].backstop)
    return kit


@pytest.fixture
def lending(deploy_system: Callable[..., Kit]) -> Kit:
    """Lenders of 4,000 U; the trader owes 1,499.999999 U against 0.9 of a collateral with a feed of 18 decimals."""
    collateral = CollateralConfig(
        name="ETH",
        token=FaucetConfig(name="Kana Ether", symbol="KETH", decimals=18),
        price=2_345 * COIN,
        feed_decimals=18,
        collateral_cap=5 * COIN,
        borrow_cap=3_000 * U,
    )
    # At rates of 0 a debt stays what it is while blocks pass.
    kit = deploy_system(
        pool=PoolConfig(slope1_bps=0, slope2_bps=0, supply_cap=9_000 * U, collaterals=[collateral]), markets=[]
    )
    kit.lend(kit.actors.contributor, 4_000 * U)
    kit.add_collateral(kit.actors.trader, 9 * COIN // 10)
    kit.pool.borrow(0, 1_500 * U - 1, sender=kit.actors.trader)
    return kit


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


def test_fund_state__layers__in_order_with_what_they_say(layered: Kit) -> None:
    staked, reinsurance = layered.system.layers
    vault, leaver = staked.backstop, layered.actors.outsider
    vault.requestRedeem(vault.balanceOf(leaver), leaver, leaver, sender=leaver)
    state = layered.lens.fund_state(layered.fund, ZERO)
    assert state.staker_bps == 5_000
    first, second = state.layers
    assert (first.layer, first.backstop) == (address_of(staked.underwriter), address_of(vault))
    assert (second.layer, second.backstop) == (address_of(reinsurance.underwriter), address_of(reinsurance.backstop))
    assert (first.kind, second.kind) == (STAKED, REINSURANCE)
    assert (first.suspended, first.suspended_until) == (second.suspended, second.suspended_until) == (False, 0)
    # All but one unit of stake and exits; of the reinsurance the limit.
    assert (first.capacity, first.staked, first.pending, first.unvested) == (39 * U, 30 * U, 10 * U, 0)
    assert (second.capacity, second.staked, second.pending) == (5 * U, 20 * U, 0)


def test_fund_state__revenue_on_its_way__unvested_and_at_risk(deploy_fund: Callable[..., Kit]) -> None:
    kit = deploy_fund(stakers=LOCAL_STAKERS.model_copy(update={"min_staked": 0}))
    kit.stake(kit.actors.contributor, 30 * U)
    kit.fund.settle_fees(0, 8 * U, sender=kit.venue)
    (layer,) = kit.lens.fund_state(kit.fund, ZERO).layers
    assert (layer.staked, layer.unvested, layer.capacity) == (30 * U, 4 * U, 33 * U)


def test_fund_state__suspended_layer__is_not_asked_and_shows_nothing(layered: Kit) -> None:
    layered.fund.suspend_layer(0, DAY, sender=layered.actors.guardian)
    until = layered.now() + DAY
    first, second = layered.lens.fund_state(layered.fund, ZERO).layers
    assert (first.suspended, first.suspended_until, first.kind) == (True, until, STAKED)
    assert (first.layer, first.backstop) == (address_of(layered.underwriter), ZERO)
    assert (first.capacity, first.staked, first.pending, first.unvested) == (0, 0, 0, 0)
    assert (second.suspended, second.capacity) == (False, 5 * U)
    layered.travel(DAY)
    first = layered.lens.fund_state(layered.fund, ZERO).layers[0]
    assert (first.suspended, first.suspended_until, first.capacity) == (False, until, 39 * U)


def test_fund_state__no_layers__none(kana: Kit) -> None:
    state = kana.lens.fund_state(kana.fund, ZERO)
    assert (list(state.layers), state.staker_bps) == ([], 0)


def test_staker_state__requests_of_two_days__pending_claimable_and_held(layered: Kit) -> None:
    vault, me = layered.backstop, layered.actors.contributor
    vault.requestRedeem(10 * SHARE, me, me, sender=me)
    first = -(-layered.now() // DAY) + 14
    layered.travel(2 * DAY)
    vault.requestRedeem(5 * SHARE, me, me, sender=me)
    layered.travel(13 * DAY)
    state = layered.lens.staker_state(vault, me)
    assert (state.staker, state.shares, state.value) == (address_of(me), 15 * SHARE, 15 * U)
    assert [tuple(one) for one in state.exits] == [
        (first + 2, 5 * SHARE, 5 * U, False),
        (first, 10 * SHARE, 10 * U, True),
    ]
    assert (state.pending, state.claimable) == (5 * U, 10 * U)
    assert (state.held_until, state.cooldown_days, state.staked) == (0, 14, 25 * U)
    assert tuple(state.stream) == tuple(vault.stream())
    assert not state.deposits_closed
    layered.fund.pause_payouts(7 * DAY, sender=layered.actors.guardian)
    until = layered.now() + 8 * DAY
    layered.travel(4 * DAY)
    state = layered.lens.staker_state(vault, me)
    assert (state.held_until, state.pending, state.claimable) == (until, 5 * U, 10 * U)
    layered.travel(4 * DAY)
    assert layered.lens.staker_state(vault, me).claimable == 15 * U


def test_staker_state__after_a_slash__what_is_pending_bears_it_too(layered: Kit) -> None:
    vault, me = layered.backstop, layered.actors.contributor
    vault.requestRedeem(10 * SHARE, me, me, sender=me)
    layered.fund.cover_shortfall(0, 20 * U, sender=layered.venue)
    state = layered.lens.staker_state(vault, me)
    # Half of stake and exits is gone; of one's own the rounding is for the others.
    assert (state.shares, state.pending) == (20 * SHARE, 5 * U)
    assert state.value == vault.convertToAssets(20 * SHARE)
    assert 10 * U - 1 <= state.value <= 10 * U
    assert (state.claimable, state.staked) == (0, 15 * U)


def test_staker_state__nobody__zeros(layered: Kit) -> None:
    state = layered.lens.staker_state(layered.backstop, layered.actors.trader)
    assert (state.shares, state.value, list(state.exits), state.pending, state.claimable) == (0, 0, [], 0, 0)
    assert state.staked == 40 * U


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


# -------------------------------------------------------------------------- funds


def test_funds__page__says_what_the_funds_say(deploy_system: Callable[..., Kit]) -> None:
    """A shared fund with a layer, an isolated one without, the fund of another asset; in pages."""
    caps = {"open_interest_cap": 10**6 * COIN, "position_cap": 10**6 * COIN}
    markets = [MarketConfig(name="A", **caps), MarketConfig(name="B", isolated=True, threshold=70 * U, **caps)]
    btc = FundConfig(asset=FaucetConfig(name="Kana BTC", symbol="KBTC", decimals=8), threshold=10**8)
    kit = deploy_system(markets=markets, stakers=LOCAL_STAKERS, others=[btc])
    kit.contribute(kit.actors.contributor, 30 * U)
    kit.stake(kit.actors.contributor, 20 * U)
    own, other = kit.isolated[1], kit.of(0)
    own.record_bad_debt(1, 5 * U, sender=kit.impersonate(kit.house))
    page = kit.lens.funds(kit.factory, 0, 64)
    told = [(one.fund, one.asset, one.decimals, one.is_isolated, one.market_count, one.threshold) for one in page]
    assert told == [
        (kit.fund.address, kit.asset.address, 6, False, 1, 10**6 * U),
        (own.address, kit.asset.address, 6, True, 1, 70 * U),
        (other.fund.address, other.asset.address, 8, False, 0, 10**8),
    ]
    assert [one.fund for one in kit.lens.funds(kit.factory, 1, 1)] == [own.address]
    assert list(kit.lens.funds(kit.factory, 3, 64)) == []
    shared = page[0]
    assert (shared.reserve, shared.layer_capacity, shared.coverage) == (30 * U, 19 * U, 49 * U)
    assert (page[1].total_bad_debt, page[1].coverage, page[1].setup_finished) == (5 * U, 0, True)
    kit.fund.set_window(11 * U, DAY, sender=kit.governance)
    assert kit.lens.funds(kit.factory, 0, 1)[0].coverage == 11 * U
    kit.fund.suspend_layer(0, DAY, sender=kit.actors.guardian)
    kit.fund.pause_payouts(DAY, sender=kit.actors.guardian)
    shared = kit.lens.funds(kit.factory, 0, 1)[0]
    assert (shared.payouts_paused, shared.layer_capacity, shared.coverage) == (True, 0, 0)


# --------------------------------------------------------------------- lending


def test_pool_state__with_interest__says_what_the_views_say(deploy_system: Callable[..., Kit]) -> None:
    kit = deploy_system(pool=LOCAL_POOL, markets=[])
    pool, registry, borrower = kit.pool, kit.lending, kit.actors.trader
    empty = kit.lens.pool_state(pool)
    assert (empty.utilisation, empty.borrow_rate, empty.supply_rate, empty.shares) == (0, 0, 0, 0)
    kit.contribute(kit.actors.contributor, 70 * U)
    kit.lend(kit.actors.contributor, 4_000 * U)
    kit.add_collateral(borrower, 10**7, 1)
    pool.borrow(1, 3_600 * U, sender=borrower)
    kit.travel(DAY)
    kit.lending.pause_borrowing(DAY, sender=kit.actors.guardian)
    state = kit.lens.pool_state(pool)
    assert (state.pool, state.registry, state.asset) == tuple(map(address_of, (pool, registry, kit.asset)))
    assert (state.decimals, state.governance, state.debt_feed) == (6, address_of(kit.timelock), ZERO)
    assert tuple(state.books) == tuple(pool.books())
    assert tuple(state.terms) == tuple(registry.terms())
    assert (state.terms.fund, state.terms.borrowing_paused) == (address_of(kit.fund), True)
    assert state.borrowing_resume_at == registry.borrowing_resume_at() > 0
    assert (state.shares, state.share_value) == (pool.totalSupply(), pool.convertToAssets(SHARE))
    books = state.books
    assert state.utilisation == books.total_debt * COIN // (books.cash + books.total_debt)
    # Half-way between kink and all: 4 % + 75 % / 2; a day's interest has not renewed the rate.
    assert state.borrow_rate // 10**8 == 4_149_999_999
    assert state.supply_rate == books.total_debt * (books.rate * 31_536_000) // 10**27 * 9_000 * COIN // (
        10_000 * books.assets
    )
    assert (state.coverage, state.fund_terms.is_perp) == (70 * U, False)
    assert tuple(state.stop) == tuple(pool.stop())
    for number, collateral in enumerate(state.collaterals):
        _, terms, decimals, price, totals = tuple(collateral)
        assert tuple(terms) == tuple(registry.collateral(number))
        assert (decimals, price) == ((18, 8)[number], registry.price(number))
        assert tuple(totals) == tuple(pool.totals(number))
    kit.travel(DAY, refresh=False)
    assert [collateral.price for collateral in kit.lens.pool_state(pool).collaterals] == [0, 0]


def test_loan_state__prices__are_exactly_where_it_changes(lending: Kit) -> None:
    """M32, M33: at the price it is still healthy, or solvent, and one unit below it isn't."""
    kit, borrower = lending, lending.actors.trader

    def look() -> Any:
        return kit.lens.loan_state(kit.pool, 0, borrower)

    state = look()
    assert (state.debt, state.collateral) == tuple(kit.pool.loan(0, borrower))[:2]
    assert (state.price, state.value) == (2_345 * COIN, 2_110_500_000)
    assert state.health == state.value * 8_000 * COIN // (10_000 * state.debt)
    assert state.max_borrow == kit.pool.max_borrow(0, borrower) > 0
    assert (state.liquidatable, state.insolvent, state.repayable, state.seizable) == (False, False, 0, 0)
    healthy, solvent = state.liquidation_price, state.insolvency_price
    assert solvent < healthy < state.price
    for price, expected in (
        (healthy, (False, False)),
        (healthy - 1, (True, False)),
        (solvent, (True, False)),
        (solvent - 1, (True, True)),
    ):
        kit.set_collateral_price(price)
        state = look()
        assert (state.price, state.liquidatable, state.insolvent) == (price, *expected)
        assert (kit.pool.is_liquidatable(0, borrower), kit.pool.is_insolvent(0, borrower)) == expected
        assert (state.health >= COIN) == (not state.liquidatable)
    kit.pool.flag(0, borrower, sender=kit.actors.keeper)
    assert look().flagged
    kit.travel(DAY, refresh=False)
    state = look()
    assert (state.flagged, state.price, state.liquidatable, state.liquidation_price) == (False, 0, False, healthy)


@pytest.mark.parametrize("price", [1_900, 1_000])
def test_loan_state__what_a_liquidation_does__is_what_it_does(lending: Kit, price: int) -> None:
    kit, borrower, liquidator = lending, lending.actors.trader, lending.actors.liquidator
    kit.set_collateral_price(price * COIN)
    state = kit.lens.loan_state(kit.pool, 0, borrower)
    assert state.insolvent == (price == 1_000)
    kit.provide(liquidator, kit.pool, 2_000 * U)
    kit.pool.liquidate(0, borrower, 2**256 - 1, sender=liquidator)
    assert kit.asset.balanceOf(liquidator) == 2_000 * U - state.repayable - state.to_fund
    assert kit.collateral(0).balanceOf(liquidator) == state.seizable > 0


def test_loan_state__no_loan__zeros(lending: Kit) -> None:
    state = lending.lens.loan_state(lending.pool, 0, lending.actors.outsider)
    assert (state.debt, state.health, state.liquidation_price, state.max_borrow) == (0, 0, 0, 0)
    assert (state.price, state.liquidatable, state.flagged) == (2_345 * COIN, False, False)
