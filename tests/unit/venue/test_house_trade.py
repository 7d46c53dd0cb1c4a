"""ClearingHouse.trade: what a match does to both sides, and what may stand after it (M25, M26, M27, M31)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.deployment import MarketConfig
from kana_insurance.kit import COIN, Kit, U
from kana_insurance.testing import reverts_with
from tests.unit.venue.conftest import FREE
from tests.utils.venue import MAX_AMOUNT, WAD, event, events, fill_of, trade

PRICE = 100 * WAD
#: Of 100 coins at 100 U: the maker's 2 bps, the taker's 5 bps.
MAKER_FEE, TAKER_FEE = 2 * U, 5 * U


@pytest.fixture
def held(books: Kit) -> Kit:
    """A maker, short, and a taker, long, of 100 coins at 100 U with 1,500 U each."""
    trade(books, books.actors.counterparty, books.actors.trader, 100 * COIN, PRICE, (1_500 * U, 1_500 * U))
    return books


def test_trade__first__both_sides_and_books(books: Kit) -> None:
    maker, taker, house = books.actors.counterparty, books.actors.trader, books.house
    receipt = trade(books, maker, taker, 100 * COIN, PRICE, (1_200 * U, 1_500 * U))
    assert event(receipt, house, "Traded") == {
        "market_id": 0,
        "maker": maker.address,
        "taker": taker.address,
        "size": 100 * COIN,
        "price": PRICE,
        "maker_fee": MAKER_FEE,
        "taker_fee": TAKER_FEE,
        "open_interest": 200 * COIN,
    }
    maker_balance = 1_200 * U + 10_000 * U - MAKER_FEE
    taker_balance = 1_500 * U - 10_000 * U - TAKER_FEE
    assert events(receipt, house, "PositionChanged") == [
        {"market_id": 0, "trader": maker.address, "size": -100 * COIN, "balance": maker_balance, "index": 0},
        {"market_id": 0, "trader": taker.address, "size": 100 * COIN, "balance": taker_balance, "index": 0},
    ]
    assert events(receipt, house, "MarginMoved") == [
        {
            "market_id": 0,
            "trader": maker.address,
            "amount": 1_200 * U,
            "balance": 1_200 * U,
            "free": FREE - 1_200 * U,
        },
        {
            "market_id": 0,
            "trader": taker.address,
            "amount": 1_500 * U,
            "balance": 1_500 * U,
            "free": FREE - 1_500 * U,
        },
    ]
    assert tuple(house.position(0, maker)) == (-100 * COIN, maker_balance, 0, 0)
    assert tuple(house.position(0, taker)) == (100 * COIN, taker_balance, 0, 0)
    fees = MAKER_FEE + TAKER_FEE
    assert tuple(house.books(0)) == (200 * COIN, 2_700 * U - fees, fees, 0, 0, 0)
    assert house.equity(0, maker) == 1_200 * U - MAKER_FEE
    assert house.equity(0, taker) == 1_500 * U - TAKER_FEE


@pytest.mark.parametrize(
    ("size", "cost", "fee_maker", "fee_taker"),
    [
        # 0.333333333333333333 coins at 100.00 U are 33,333,333.3333 units: a buyer pays up, a seller gets less.
        (333_333_333_333_333_333, 33_333_334, 6_667, 16_667),
        (-333_333_333_333_333_333, -33_333_333, 6_667, 16_667),
    ],
)
def test_trade__cost_that_does_not_divide__rounds_against_the_taker(
    books: Kit, size: int, cost: int, fee_maker: int, fee_taker: int
) -> None:
    maker, taker = books.actors.counterparty, books.actors.trader
    trade(books, maker, taker, size, PRICE, (50 * U, 50 * U))
    assert books.house.position(0, taker).balance == 50 * U - cost - fee_taker
    assert books.house.position(0, maker).balance == 50 * U + cost - fee_maker


def test_trade__not_the_gateway__refused(venue: Kit) -> None:
    with reverts_with("house: not gateway"):
        venue.house.trade(fill_of(venue.actors.trader, venue.actors.counterparty, COIN), sender=venue.actors.trader)


def test_trade__unknown_market__refused(venue: Kit) -> None:
    with reverts_with("registry: unknown market"):
        trade(venue, venue.actors.trader, venue.actors.counterparty, COIN, market_id=9)


def test_trade__stale_price__refused(venue: Kit) -> None:
    venue.travel(3_601, refresh=False)
    with reverts_with("feed: stale price"):
        trade(venue, venue.actors.trader, venue.actors.counterparty, COIN)


@pytest.mark.parametrize("price", [97 * WAD, 103 * WAD])
def test_trade__at_the_edge_of_the_band__done(books: Kit, price: int) -> None:
    trade(books, books.actors.counterparty, books.actors.trader, COIN, price, (50 * U, 50 * U))
    assert books.house.position(0, books.actors.trader).size == COIN


@pytest.mark.parametrize("price", [97 * WAD - 1, 103 * WAD + 1])
def test_trade__outside_the_band__refused(venue: Kit, price: int) -> None:
    with reverts_with("house: outside fill band"):
        trade(venue, venue.actors.counterparty, venue.actors.trader, COIN, price, (50 * U, 50 * U))


@pytest.mark.parametrize("margins", [(FREE + 1, 50 * U), (50 * U, FREE + 1)])
def test_trade__margin_not_there__refused(venue: Kit, margins: tuple[int, int]) -> None:
    with reverts_with("house: free balance too low"):
        trade(venue, venue.actors.counterparty, venue.actors.trader, COIN, PRICE, margins)


def test_trade__fee_beyond_the_pot__refused(held: Kit, others: list[Any]) -> None:
    """M26a: a winner took the whole pot; nothing is there to pay a fee from."""
    trader, house = held.actors.trader, held.house
    held.set_price(200 * WAD)
    house.release_margin(0, house.books(0).pot, sender=trader)
    with reverts_with("house: pot exhausted"):
        trade(held, trader, held.actors.counterparty, -10 * COIN, 200 * WAD)
    trade(held, others[0], trader, -10 * COIN, 200 * WAD, (2_000 * U, 0))
    assert house.position(0, trader).size == 90 * COIN


# -------------------------------------------------------------------------- caps


def test_trade__above_the_open_interest_cap__refused(venue: Kit) -> None:
    maker, taker = venue.actors.counterparty, venue.actors.trader
    venue.registry.set_caps(0, 20 * COIN, 500 * COIN, 10 * U, sender=venue.governance)
    with reverts_with("house: above open interest cap"):
        trade(venue, maker, taker, 10 * COIN + 1, PRICE, (500 * U, 500 * U))
    trade(venue, maker, taker, 10 * COIN, PRICE, (500 * U, 500 * U))
    assert venue.house.books(0).open_interest == 20 * COIN


def test_trade__cap_lowered_below_what_is_open__reductions_go_on(held: Kit) -> None:
    held.registry.set_caps(0, COIN, COIN, 10 * U, sender=held.governance)
    trade(held, held.actors.trader, held.actors.counterparty, 50 * COIN, PRICE)
    assert held.house.books(0).open_interest == 100 * COIN


def test_trade__open_interest_worth_more_than_112_bits__refused(
    backend: Any, deploy_system: Any, outsider: Any
) -> None:
    """M31, T72: with an asset of 18 decimals sizes within their bound can be worth more than amounts may be."""
    token = backend.deploy("QuirkyToken", 18, sender=outsider)
    caps: dict[str, Any] = {"open_interest_cap": MAX_AMOUNT, "position_cap": MAX_AMOUNT}
    market = MarketConfig(name="WIDE", price=PRICE, taker_fee_bps=0, maker_fee_bps=0, **caps)
    kit = deploy_system(asset=token.address, markets=[market])
    maker, taker = kit.actors.counterparty, kit.actors.trader
    most = MAX_AMOUNT // 100 // 2
    with reverts_with("house: below initial margin"):
        trade(kit, maker, taker, most, PRICE)
    with reverts_with("house: notional too large"):
        trade(kit, maker, taker, most + 1, PRICE)


def test_trade__above_the_position_cap__refused(venue: Kit) -> None:
    maker, taker = venue.actors.counterparty, venue.actors.trader
    venue.registry.set_caps(0, 1_000 * COIN, 10 * COIN, 10 * U, sender=venue.governance)
    with reverts_with("house: above position cap"):
        trade(venue, maker, taker, 10 * COIN + 1, PRICE, (500 * U, 500 * U))
    trade(venue, maker, taker, 10 * COIN, PRICE, (500 * U, 500 * U))
    assert venue.house.position(0, taker).size == 10 * COIN


# ----------------------------------------------------------------------- margins


@pytest.mark.parametrize(
    ("lacking", "margins"),
    [("maker", (1_002 * U - 1, 1_005 * U)), ("taker", (1_002 * U, 1_005 * U - 1))],
)
def test_trade__one_unit_below_initial_margin__refused(venue: Kit, lacking: str, margins: tuple[int, int]) -> None:
    assert lacking in ("maker", "taker")
    with reverts_with("house: below initial margin"):
        trade(venue, venue.actors.counterparty, venue.actors.trader, 100 * COIN, PRICE, margins)


def test_trade__at_initial_margin__done(books: Kit) -> None:
    trade(books, books.actors.counterparty, books.actors.trader, 100 * COIN, PRICE, (1_002 * U, 1_005 * U))
    assert books.house.equity(0, books.actors.trader) == 1_000 * U
    assert books.house.equity(0, books.actors.counterparty) == 1_000 * U


def test_trade__flip__counts_as_growth(held: Kit, others: list[Any]) -> None:
    """T11: a flip to a smaller size asks for initial margin."""
    trader = held.actors.trader
    held.set_price(93 * WAD)
    equity = 1_500 * U - TAKER_FEE - 700 * U
    assert held.house.equity(0, trader) == equity
    held.set_price(86 * WAD)  # equity 95 U; 90 coins short would need 774 U
    with reverts_with("house: below initial margin"):
        trade(held, others[0], trader, -190 * COIN, 86 * WAD, (3_000 * U, 0))


def test_trade__paused__growth_refused_and_reduction_done(held: Kit, others: list[Any]) -> None:
    """M37: a pause stops what adds risk alone."""
    trader, counterparty = held.actors.trader, held.actors.counterparty
    held.registry.pause_trading(3_600, sender=held.actors.guardian)
    with reverts_with("house: trading paused"):
        trade(held, others[0], others[1], COIN, PRICE, (50 * U, 50 * U))
    with reverts_with("house: trading paused"):
        trade(held, counterparty, trader, -200 * COIN, PRICE, (0, 5_000 * U))
    trade(held, trader, counterparty, 50 * COIN, PRICE)
    assert held.house.position(0, trader).size == 50 * COIN
    trade(held, trader, counterparty, 50 * COIN, PRICE)
    assert held.house.books(0).open_interest == 0


def test_trade__below_min_notional__refused_unless_flat(held: Kit) -> None:
    trader, counterparty = held.actors.trader, held.actors.counterparty
    tenth = COIN // 10  # 10 U, the least
    with reverts_with("house: below min notional"):
        trade(held, trader, counterparty, 100 * COIN - tenth + 1, PRICE)
    trade(held, trader, counterparty, 100 * COIN - tenth, PRICE)
    assert held.house.position(0, trader).size == tenth


@pytest.mark.parametrize("sides", [(True, False), (False, True)])
def test_trade__reduce_only__refused_when_it_grows_or_flips(held: Kit, sides: tuple[bool, bool]) -> None:
    """The maker is long, the taker short: the taker's buying reduces both; beyond 100 coins it flips both."""
    trader, counterparty = held.actors.trader, held.actors.counterparty
    with reverts_with("house: reduce only"):
        trade(held, trader, counterparty, -COIN, PRICE, (500 * U, 500 * U), sides)
    with reverts_with("house: reduce only"):
        trade(held, trader, counterparty, 150 * COIN, PRICE, (5_000 * U, 5_000 * U), sides)
    trade(held, trader, counterparty, 40 * COIN, PRICE, reduce_only=sides)
    assert held.house.position(0, trader).size == 60 * COIN
    trade(held, trader, counterparty, 60 * COIN, PRICE, reduce_only=sides)
    assert held.house.position(0, trader).size == 0


def test_trade__reduce_only_from_flat__refused(venue: Kit) -> None:
    with reverts_with("house: reduce only"):
        trade(venue, venue.actors.trader, venue.actors.counterparty, COIN, PRICE, (50 * U, 50 * U), (True, False))


@pytest.mark.parametrize(("size", "outcome"), [(-100, "flat"), (-50, "half")])
def test_trade__leaves_negative_equity__refused(held: Kit, others: list[Any], size: int, outcome: str) -> None:
    """T12: no trade of anybody ends with equity below zero, flat or not."""
    trader = held.actors.trader
    held.set_price(85 * WAD)  # equity -5 U
    with reverts_with("house: negative equity"):
        trade(held, others[0], trader, size * COIN, 85 * WAD, (3_000 * U, 0))
    assert (held.house.position(0, trader).size, outcome) == (100 * COIN, outcome)


def test_trade__below_maintenance__may_shrink_not_strip(held: Kit, others: list[Any]) -> None:
    """T15, M27: below maintenance, equity per size may not fall."""
    trader = held.actors.trader
    held.set_price(87 * WAD)  # 435 U would be maintenance
    assert held.house.equity(0, trader) == 195 * U
    with reverts_with("house: below maintenance"):
        # 10 coins at 84.40, inside the band, lose 26 U: 169 U less the fee for 90 coins are less for each than before.
        trade(held, others[0], trader, -10 * COIN, 84_400_000_000_000_000_000, (1_000 * U, 0))
    # Half of it at the mark costs 2.175 U of fee and leaves more for each of the 50 coins.
    trade(held, others[0], trader, -50 * COIN, 87 * WAD, (1_000 * U, 0))
    assert held.house.equity(0, trader) == 195 * U - 2_175_000


# ------------------------------------------------------------------------ closing


def test_trade__closed_with_profit__paid_out(held: Kit, others: list[Any]) -> None:
    trader, counterparty, house = held.actors.trader, held.actors.counterparty, held.house
    held.set_price(110 * WAD)
    receipt = trade(held, others[0], trader, -100 * COIN, 110 * WAD, (2_000 * U, 0))
    # 1,500 in, 5 fee, 1,000 profit, 5.5 fee of 11,000.
    paid = 1_500 * U - TAKER_FEE + 1_000 * U - 5_500_000
    moved = events(receipt, house, "MarginMoved")[-1]
    assert moved == {
        "market_id": 0,
        "trader": trader.address,
        "amount": -paid,
        "balance": 0,
        "free": FREE - 1_500 * U + paid,
    }
    assert tuple(house.position(0, trader)) == (0, 0, 0, 0)
    assert house.free(trader) == FREE - 1_500 * U + paid
    assert house.equity(0, counterparty) == 1_500 * U - MAKER_FEE - 1_000 * U


def test_trade__closed_with_more_than_the_pot__rest_stays_a_claim(held: Kit, others: list[Any]) -> None:
    """M26a, T14: the pot is the bound, the rest a claim that the position keeps."""
    trader, house = held.actors.trader, held.house
    held.set_price(140 * WAD)
    trade(held, others[0], trader, -100 * COIN, 140 * WAD, (2_000 * U, 0))
    fees = 7 * U + 7 * U + 2_800_000
    equity = 1_500 * U - TAKER_FEE + 4_000 * U - 7 * U
    pot = 2 * 1_500 * U + 2_000 * U - fees
    assert pot < equity
    assert house.books(0).pot == 0
    assert tuple(house.position(0, trader)) == (0, equity - pot, 0, 0)
    assert house.free(trader) == FREE - 1_500 * U + pot
    with reverts_with("house: pot exhausted"):
        house.release_margin(0, 1, sender=trader)


def test_trade__both_flat__market_empty_but_for_fees(held: Kit) -> None:
    trader, counterparty, house = held.actors.trader, held.actors.counterparty, held.house
    trade(held, trader, counterparty, 100 * COIN, PRICE)
    assert tuple(house.books(0)) == (0, 0, 14 * U, 0, 0, 0)
    # Each was maker once and taker once.
    assert house.free(trader) == FREE - 7 * U
    assert house.free(counterparty) == FREE - 7 * U


def test_trade__seen_solvent__flag_is_gone(held: Kit, others: list[Any]) -> None:
    trader, house = held.actors.trader, held.house
    held.set_price(75 * WAD)
    house.flag(0, trader, sender=held.actors.keeper)
    assert house.position(0, trader).flagged_at > 0
    held.set_price(100 * WAD)
    receipt = trade(held, others[0], trader, -50 * COIN, PRICE, (1_000 * U, 0))
    assert event(receipt, house, "Unflagged") == {"market_id": 0, "trader": trader.address}
    assert house.position(0, trader).flagged_at == 0


def test_trade__margin_above_112_bits__refused(venue: Kit) -> None:
    for margins in ((MAX_AMOUNT + 1, 0), (0, 2**256 - 1)):
        with reverts_with("house: amount too large"):
            trade(venue, venue.actors.counterparty, venue.actors.trader, COIN, PRICE, margins)
