"""Attacks by order: forged, replayed, expired, cancelled, overfilled, self-matched, absurd, doubled: T26 to T29."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ape import chain

from kana_insurance import orders
from kana_insurance.backends import address_of
from kana_insurance.orders import Order
from kana_insurance.testing import COIN, Kit, SignedOrder, U, reverts_with

PRICE = 100 * COIN
SIZE = 10 * COIN
MARGIN = 150 * U
MAX_AMOUNT = 2**112 - 1
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
NEVER_NONCE = 2**255


@pytest.fixture
def exchange(kana: Kit) -> Kit:
    """Both sides with free balance and no position."""
    for actor in (kana.actors.trader, kana.actors.counterparty):
        kana.deposit(actor, 10_000 * U)
    return kana


@pytest.fixture
def sell(exchange: Kit) -> SignedOrder:
    """The maker: sells 10 coins at 100 U."""
    return exchange.sign_order(exchange.actors.counterparty, False, SIZE, PRICE, MARGIN)


@pytest.fixture
def buy(exchange: Kit) -> SignedOrder:
    """The taker: buys 10 coins up to 100 U."""
    return exchange.sign_order(exchange.actors.trader, True, SIZE, PRICE, MARGIN)


def refused(exchange: Kit, reason: str, maker: SignedOrder, taker: SignedOrder, size: int = SIZE) -> None:
    """The match is refused with the reason, and nothing has changed."""
    accounts = (exchange.actors.trader, exchange.actors.counterparty)

    def state() -> list[Any]:
        hashes = [exchange.gateway.hash_order(signed.order.as_tuple()) for signed in (maker, taker)]
        return [
            tuple(exchange.house.books(0)),
            [(exchange.house.free(account), tuple(exchange.house.position(0, account))) for account in accounts],
            [exchange.gateway.filled(value) for value in hashes],
        ]

    before = state()
    with reverts_with(reason):
        exchange.fill(maker, taker, size)
    assert state() == before


def signed(exchange: Kit, order: Order, signer: Any) -> SignedOrder:
    return SignedOrder(order, exchange.sign(order, signer))


# ------------------------------------------------------------------------ T26


def test_t26_replay__filled_orders_again__overfilled(exchange: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    exchange.fill(sell, buy)
    refused(exchange, "gateway: overfilled", sell, buy)
    refused(exchange, "gateway: overfilled", sell, buy, 1)


def test_t26_overfill__more_than_is_left_of_either__refused(exchange: Kit, sell: SignedOrder) -> None:
    small = exchange.sign_order(exchange.actors.trader, True, COIN, PRICE, 15 * U)
    refused(exchange, "gateway: overfilled", sell, small, COIN + 1)
    exchange.fill(sell, small)
    rest = exchange.sign_order(exchange.actors.trader, True, 20 * COIN, PRICE, 300 * U)
    refused(exchange, "gateway: overfilled", sell, rest, 9 * COIN + 1)
    exchange.fill(sell, rest, 9 * COIN)
    # The margin of the resting order has moved in to the unit, in two pieces.
    assert exchange.house.position(0, exchange.actors.counterparty).balance == MARGIN + 1_000 * U - U // 5


def test_t26_other_chain__signature_is_bad(exchange: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    gateway = address_of(exchange.gateway)
    forged = orders.sign_order(buy.order, exchange.actors.trader, exchange.backend.chain_id() + 1, gateway)
    refused(exchange, "gateway: bad signature", sell, SignedOrder(buy.order, forged))


def test_t26_other_deployment__signature_is_bad(exchange: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    forged = orders.sign_order(
        buy.order, exchange.actors.trader, exchange.backend.chain_id(), address_of(exchange.house)
    )
    refused(exchange, "gateway: bad signature", sell, SignedOrder(buy.order, forged))


def test_t26_expired__last_second_is_good_and_the_next_refused(exchange: Kit, sell: SignedOrder) -> None:
    actors = exchange.actors
    past = exchange.sign_order(actors.trader, True, SIZE, PRICE, MARGIN, expiry=exchange.now() - 1)
    refused(exchange, "gateway: order expired", sell, past)
    refused(exchange, "gateway: order expired", past, sell)
    last = exchange.now() + 100
    on_time = exchange.sign_order(actors.trader, True, SIZE, PRICE, MARGIN, expiry=last)
    chain.pending_timestamp = last
    exchange.fill(sell, on_time)
    assert exchange.now() == last


def test_t26_cancelled_nonce__all_its_orders_refused(exchange: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    exchange.gateway.cancel(buy.order.nonce, sender=exchange.actors.trader)
    refused(exchange, "gateway: nonce cancelled", sell, buy)
    refused(exchange, "gateway: nonce cancelled", buy, sell)
    other = signed(exchange, replace(buy.order, size=2 * SIZE), exchange.actors.trader)
    refused(exchange, "gateway: nonce cancelled", sell, other)


def test_t26_cancelled_below__lower_refused_and_the_bound_itself_good(exchange: Kit, sell: SignedOrder) -> None:
    trader = exchange.actors.trader
    old, new = (
        exchange.sign_order(trader, True, SIZE, PRICE, MARGIN, nonce=nonce) for nonce in (NEVER_NONCE, NEVER_NONCE + 1)
    )
    exchange.gateway.cancel_below(NEVER_NONCE + 1, sender=trader)
    refused(exchange, "gateway: nonce cancelled", sell, old)
    exchange.fill(sell, new)
    assert exchange.house.position(0, trader).size == SIZE


def test_t26_somebody_elses_nonce__cannot_be_cancelled(exchange: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    exchange.gateway.cancel(buy.order.nonce, sender=exchange.actors.outsider)
    exchange.gateway.cancel_below(2**256 - 1, sender=exchange.actors.outsider)
    exchange.fill(sell, buy)
    assert exchange.house.position(0, exchange.actors.trader).size == SIZE


def test_t26_wrong_signer__refused(exchange: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    forged = signed(exchange, buy.order, exchange.actors.outsider)
    refused(exchange, "gateway: bad signature", sell, forged)
    refused(exchange, "gateway: bad signature", forged, sell)


@pytest.mark.parametrize(
    "change",
    [
        {"market_id": 1},
        {"is_buy": False},
        {"size": 2 * SIZE},
        {"limit_price": 2 * PRICE},
        {"margin": 2 * MARGIN},
        {"expiry": 10**12},
        {"nonce": 10**9},
        {"reduce_only": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_t26_any_field_changed__signature_is_bad(
    exchange: Kit, sell: SignedOrder, buy: SignedOrder, change: dict[str, Any]
) -> None:
    forged = SignedOrder(replace(buy.order, **change), buy.signature)
    resting = sell
    if "market_id" in change:
        resting = signed(exchange, replace(sell.order, market_id=1), exchange.actors.counterparty)
    if "is_buy" in change:
        resting = signed(exchange, replace(sell.order, is_buy=True), exchange.actors.counterparty)
    refused(exchange, "gateway: bad signature", resting, forged)


def test_t26_malleable_s__refused(exchange: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    v, r, s = orders.split_signature(buy.signature)
    twin = r + (CURVE_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big") + bytes([27 + 28 - v])
    refused(exchange, "ecdsa: invalid signature `s` value", sell, SignedOrder(buy.order, twin))


@pytest.mark.parametrize("signature", [b"\x00" * 65, b"\x00" * 64 + b"\x1b", b"\xff" * 32 + b"\x01" * 32 + b"\x1b"])
def test_t26_recovers_to_nobody__refused(exchange: Kit, sell: SignedOrder, buy: SignedOrder, signature: bytes) -> None:
    nobody = replace(buy.order, trader="0x" + "00" * 20)
    for order in (buy.order, nobody):
        with reverts_with("ecdsa: invalid signature"):
            exchange.fill(sell, SignedOrder(order, signature))


@pytest.mark.parametrize("length", [0, 63])
def test_t26_short_signature__refused(exchange: Kit, sell: SignedOrder, buy: SignedOrder, length: int) -> None:
    refused(exchange, "gateway: bad signature", sell, SignedOrder(buy.order, buy.signature[:length]))


def test_t26_compact_form_of_a_signature__same_order_and_no_second_fill(
    exchange: Kit, sell: SignedOrder, buy: SignedOrder
) -> None:
    v, r, s = orders.split_signature(buy.signature)
    compact = SignedOrder(buy.order, r + (int.from_bytes(s, "big") | (v - 27) << 255).to_bytes(32, "big"))
    exchange.fill(sell, buy, 4 * COIN)
    refused(exchange, "gateway: overfilled", sell, compact)
    exchange.fill(sell, compact, 6 * COIN)
    refused(exchange, "gateway: overfilled", sell, compact, 1)
    assert exchange.house.position(0, exchange.actors.trader).size == SIZE


# The modes of Wallet1271: honest, wrong word, revert, all gas, 4 bytes, nothing, re-entry, always.
HONEST, GARBAGE, REVERTS, BURNS_GAS, SHORT, NOTHING = range(6)


@pytest.fixture
def smart_wallet(exchange: Kit) -> Any:
    """A contract trader whose owner is the trader, with free balance."""
    actors = exchange.actors
    contract = exchange.backend.deploy("Wallet1271", address_of(actors.trader), sender=actors.deployer)
    exchange.provide(actors.trader, exchange.house, 1_000 * U)
    exchange.house.deposit(1_000 * U, address_of(contract), sender=actors.trader)
    return contract


@pytest.mark.parametrize("mode", [GARBAGE, REVERTS, BURNS_GAS, SHORT, NOTHING])
def test_t26_erc1271_that_misbehaves__refused(exchange: Kit, sell: SignedOrder, smart_wallet: Any, mode: int) -> None:
    order = exchange.sign_order(smart_wallet, True, SIZE, PRICE, MARGIN, signer=exchange.actors.trader)
    smart_wallet.set_mode(mode, sender=exchange.actors.trader)
    refused(exchange, "gateway: bad signature", sell, order)
    smart_wallet.set_mode(HONEST, sender=exchange.actors.trader)
    forged = SignedOrder(order.order, exchange.sign(order.order, exchange.actors.outsider))
    refused(exchange, "gateway: bad signature", sell, forged)
    exchange.fill(sell, order)
    assert exchange.house.position(0, smart_wallet).size == SIZE


# ------------------------------------------------------------------------ T27


def test_t27_self_match__refused(exchange: Kit, buy: SignedOrder) -> None:
    own = exchange.sign_order(exchange.actors.trader, False, SIZE, PRICE, MARGIN)
    refused(exchange, "gateway: self match", own, buy)


def test_t27_orders_that_do_not_meet__refused(exchange: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    actors = exchange.actors
    also_buy = exchange.sign_order(actors.counterparty, True, SIZE, PRICE, MARGIN)
    refused(exchange, "gateway: same side", also_buy, buy)
    elsewhere = exchange.sign_order(actors.trader, True, SIZE, PRICE, MARGIN, market_id=1)
    refused(exchange, "gateway: other market", sell, elsewhere)
    cheap = exchange.sign_order(actors.trader, True, SIZE, PRICE - 1, MARGIN)
    refused(exchange, "gateway: limit not met", sell, cheap)
    dear = exchange.sign_order(actors.counterparty, False, SIZE, PRICE + 1, MARGIN)
    refused(exchange, "gateway: limit not met", buy, dear)


def test_t27_own_gateway__cannot_trade_at_the_house(exchange: Kit) -> None:
    actors = exchange.actors
    fill = (0, actors.counterparty, actors.trader, SIZE, PRICE, MARGIN, MARGIN, False, False)
    with reverts_with("house: not gateway"):
        exchange.house.trade(fill, sender=actors.outsider)


# ------------------------------------------------------------------------ T28


def test_t28_size_zero__refused(exchange: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    refused(exchange, "gateway: zero size", sell, buy, 0)
    empty = exchange.sign_order(exchange.actors.trader, True, 0, PRICE, MARGIN)
    refused(exchange, "gateway: overfilled", sell, empty, 1)


@pytest.mark.parametrize("size", [2**112, 2**255, 2**256 - 1])
def test_t28_size_beyond_its_bound__refused(exchange: Kit, size: int) -> None:
    actors = exchange.actors
    big_sell = exchange.sign_order(actors.counterparty, False, size, PRICE, MARGIN)
    big_buy = exchange.sign_order(actors.trader, True, size, PRICE, MARGIN)
    refused(exchange, "gateway: value too large", big_sell, big_buy, size)


def test_t28_largest_size__refused_by_the_caps_and_not_by_overflow(exchange: Kit) -> None:
    actors = exchange.actors
    big_sell = exchange.sign_order(actors.counterparty, False, MAX_AMOUNT, PRICE, MARGIN)
    big_buy = exchange.sign_order(actors.trader, True, MAX_AMOUNT, PRICE, MARGIN)
    refused(exchange, "house: pot exhausted", big_sell, big_buy, MAX_AMOUNT)


@pytest.mark.parametrize("price", [10**30 + 1, 2**256 - 1])
def test_t28_absurd_price__refused(exchange: Kit, sell: SignedOrder, price: int) -> None:
    dear = exchange.sign_order(exchange.actors.trader, True, SIZE, price, MARGIN)
    refused(exchange, "gateway: value too large", sell, dear)


def test_t28_price_zero_or_far_off__refused(exchange: Kit, buy: SignedOrder) -> None:
    actors = exchange.actors
    free_lunch = exchange.sign_order(actors.counterparty, False, SIZE, 0, MARGIN)
    refused(exchange, "gateway: zero limit price", free_lunch, buy)
    for price in (1, 97 * COIN - 1):
        low = exchange.sign_order(actors.counterparty, False, SIZE, price, MARGIN)
        refused(exchange, "house: outside fill band", low, buy)
    for price in (103 * COIN + 1, 10**30):
        high, willing = (
            exchange.sign_order(actor, is_buy, SIZE, price, MARGIN)
            for actor, is_buy in ((actors.counterparty, False), (actors.trader, True))
        )
        refused(exchange, "house: outside fill band", high, willing)


@pytest.mark.parametrize("margin", [2**112, 2**256 - 1])
def test_t28_absurd_margin__refused(exchange: Kit, sell: SignedOrder, margin: int) -> None:
    rich = exchange.sign_order(exchange.actors.trader, True, SIZE, PRICE, margin)
    refused(exchange, "gateway: value too large", sell, rich)


# ------------------------------------------------------------------------ T29


def test_t29_trader_twice_in_a_batch__does_what_the_single_calls_do(exchange: Kit) -> None:
    actors, house = exchange.actors, exchange.house
    exchange.contribute(actors.contributor, 1_000 * U)
    exchange.deposit(actors.liquidator, 5_000 * U)
    exchange.open_position(actors.trader, actors.counterparty, SIZE, margin=150 * U)
    exchange.set_price(89 * COIN)
    entries = [(actors.trader, 4 * COIN), (actors.trader, 6 * COIN), (actors.trader, COIN)]
    start = chain.snapshot()
    house.liquidate_batch(0, entries, 1_000 * U, sender=actors.liquidator)
    accounts = [actors.trader, actors.counterparty, actors.liquidator]

    def state() -> list[Any]:
        kept = [(house.free(account), tuple(house.position(0, account))) for account in accounts]
        return [kept, tuple(house.books(0)), exchange.fund.reserve(), tuple(exchange.fund.market(house, 0))]

    batch = state()
    chain.restore(start)
    house.liquidate(0, actors.trader, 4 * COIN, 1_000 * U, sender=actors.liquidator)
    house.liquidate(0, actors.trader, 6 * COIN, sender=actors.liquidator)
    with reverts_with("house: no position"):
        house.liquidate(0, actors.trader, COIN, sender=actors.liquidator)
    assert state() == batch
    assert house.position(0, actors.trader).size == 0
