"""OrderGateway: signed orders, how much of them is filled, and how they are taken back (M27, T26, T27, T28)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kana_insurance import orders
from kana_insurance.backends import address_of
from kana_insurance.kit import COIN, Kit, SignedOrder, U
from kana_insurance.testing import reverts_with
from tests.unit.venue.conftest import FREE
from tests.utils.venue import MAX_AMOUNT, WAD, ZERO, event, events, next_block_at

PRICE = 100 * WAD
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def sell(venue: Kit) -> SignedOrder:
    """The maker's: 10 coins at 100 U with 200 U of margin."""
    return venue.sign_order(venue.actors.counterparty, False, 10 * COIN, PRICE, 200 * U)


@pytest.fixture
def buy(venue: Kit) -> SignedOrder:
    """The taker's: 10 coins at up to 101 U with 300 U of margin."""
    return venue.sign_order(venue.actors.trader, True, 10 * COIN, 101 * WAD, 300 * U)


def resigned(kit: Kit, signed: SignedOrder, signer: Any, **changes: Any) -> SignedOrder:
    """The same order with fields changed, signed anew."""
    order = replace(signed.order, **changes)
    return SignedOrder(order, kit.sign(order, signer))


# -------------------------------------------------------------------------- fill


def test_fill__two_orders__traded_at_the_makers_limit(books: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    gateway, house = books.gateway, books.house
    receipt = books.fill(sell, buy)
    digests = [gateway.hash_order(signed.order.as_tuple()) for signed in (sell, buy)]
    assert [dict(entry) for entry in events(receipt, gateway, "OrderFilled")] == [
        {
            "order_hash": digest,
            "trader": signed.order.trader,
            "nonce": signed.order.nonce,
            "size": 10 * COIN,
            "filled": 10 * COIN,
            "price": PRICE,
        }
        for digest, signed in zip(digests, (sell, buy), strict=True)
    ]
    traded = event(receipt, house, "Traded")
    assert (traded["maker"], traded["taker"]) == (sell.order.trader, buy.order.trader)
    assert (traded["size"], traded["price"]) == (10 * COIN, PRICE)
    assert [gateway.filled(digest) for digest in digests] == [10 * COIN] * 2
    assert house.free(buy.order.trader) == FREE - 300 * U
    assert house.free(sell.order.trader) == FREE - 200 * U


def test_fill__maker_buys__taker_sells(books: Kit, sell: SignedOrder) -> None:
    rests = books.sign_order(books.actors.trader, True, 10 * COIN, PRICE, 300 * U)
    receipt = books.fill(rests, sell)
    traded = event(receipt, books.house, "Traded")
    assert (traded["maker"], traded["size"]) == (rests.order.trader, -10 * COIN)
    assert books.house.position(0, rests.order.trader).size == 10 * COIN


def test_fill__in_parts__margin_pro_rata_and_whole_at_the_end(books: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    house, seller = books.house, sell.order.trader
    third = 3_333_333_333_333_333_333
    taken = 0
    for part in (third, third, 10 * COIN - 2 * third):
        receipt = books.fill(sell, buy, part)
        before, taken = taken, taken + part
        due = 200 * U * taken // (10 * COIN) - 200 * U * before // (10 * COIN)
        moved = events(receipt, house, "MarginMoved")[0]
        assert (moved["trader"], moved["amount"]) == (seller, due)
        assert events(receipt, books.gateway, "OrderFilled")[0]["filled"] == taken
    assert house.free(seller) == FREE - 200 * U
    with reverts_with("gateway: overfilled"):
        books.fill(sell, buy, 1)


def test_fill__reduce_only__told_to_the_house(books: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    for maker, taker in (
        (resigned(books, sell, books.actors.counterparty, reduce_only=True), buy),
        (sell, resigned(books, buy, books.actors.trader, reduce_only=True)),
    ):
        with reverts_with("house: reduce only"):
            books.fill(maker, taker)


def test_fill__house_refuses__nothing_is_filled(books: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    books.set_price(50 * WAD)
    with reverts_with("house: outside fill band"):
        books.fill(sell, buy)
    assert books.gateway.filled(books.gateway.hash_order(sell.order.as_tuple())) == 0


def test_fill__zero_size__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    with reverts_with("gateway: zero size"):
        venue.fill(sell, buy, 0)


def test_fill__same_trader__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    with reverts_with("gateway: self match"):
        venue.fill(sell, resigned(venue, buy, venue.actors.counterparty, trader=sell.order.trader))


def test_fill__other_market__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    with reverts_with("gateway: other market"):
        venue.fill(sell, resigned(venue, buy, venue.actors.trader, market_id=1))


def test_fill__same_side__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    with reverts_with("gateway: same side"):
        venue.fill(sell, resigned(venue, buy, venue.actors.trader, is_buy=False))


@pytest.mark.parametrize("side", ["maker", "taker"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"expiry": 1}, "gateway: order expired"),
        ({"size": 10 * COIN - 1}, "gateway: overfilled"),
        ({"size": 0}, "gateway: overfilled"),
        ({"limit_price": 0}, "gateway: zero limit price"),
        ({"limit_price": 10**30 + 1}, "gateway: value too large"),
        ({"size": MAX_AMOUNT + 1}, "gateway: value too large"),
        ({"margin": 2**256 - 1}, "gateway: value too large"),
    ],
)
def test_fill__order_out_of_bounds__refused(
    venue: Kit, sell: SignedOrder, buy: SignedOrder, side: str, changes: dict[str, int], reason: str
) -> None:
    if side == "maker":
        sell = resigned(venue, sell, venue.actors.counterparty, **changes)
    else:
        buy = resigned(venue, buy, venue.actors.trader, **changes)
    with reverts_with(reason):
        venue.fill(sell, buy, 10 * COIN)


def test_fill__absurd_size__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    """T28: no overflow deep inside."""
    with reverts_with("gateway: overfilled"):
        venue.fill(sell, buy, 2**256 - 1)


def test_fill__last_second_of_the_expiry__filled(books: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    expiry = books.now() + 100
    sell = resigned(books, sell, books.actors.counterparty, expiry=expiry)
    next_block_at(expiry + 1)
    with reverts_with("gateway: order expired"):
        books.fill(sell, buy)
    next_block_at(expiry)
    books.fill(sell, buy)


def test_fill__limit_not_met__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    cheap = resigned(venue, buy, venue.actors.trader, limit_price=PRICE - 1)
    with reverts_with("gateway: limit not met"):
        venue.fill(sell, cheap)
    dear = resigned(venue, sell, venue.actors.counterparty, limit_price=PRICE)
    with reverts_with("gateway: limit not met"):
        venue.fill(cheap, dear)
    venue.fill(resigned(venue, cheap, venue.actors.trader, limit_price=PRICE), dear)


# -------------------------------------------------------------------- signatures


@pytest.mark.parametrize("side", ["maker", "taker"])
def test_fill__signed_by_another__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder, side: str) -> None:
    orders_ = {"maker": sell, "taker": buy}
    orders_[side] = resigned(venue, orders_[side], venue.actors.outsider)
    with reverts_with("gateway: bad signature"):
        venue.fill(orders_["maker"], orders_["taker"])


@pytest.mark.parametrize(
    ("chain_shift", "elsewhere"), [(1, False), (0, True)], ids=["another chain", "another deployment"]
)
def test_fill__signed_for_elsewhere__refused(
    venue: Kit, sell: SignedOrder, buy: SignedOrder, chain_shift: int, elsewhere: bool
) -> None:
    gateway = address_of(venue.house if elsewhere else venue.gateway)
    signature = orders.sign_order(buy.order, venue.actors.trader, venue.backend.chain_id() + chain_shift, gateway)
    with reverts_with("gateway: bad signature"):
        venue.fill(sell, SignedOrder(buy.order, signature))


def test_fill__field_changed_after_signing__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    with reverts_with("gateway: bad signature"):
        venue.fill(sell, SignedOrder(replace(buy.order, margin=301 * U), buy.signature))


def test_fill__malleable_signature__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    r, s, v = buy.signature[:32], int.from_bytes(buy.signature[32:64], "big"), buy.signature[64]
    other = r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    with reverts_with("ecdsa: invalid signature `s` value"):
        venue.fill(sell, SignedOrder(buy.order, other))


def test_fill__signature_of_nobody__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    """T26: what recovers to the zero address isn't the zero address's signature."""
    for order in (buy.order, replace(buy.order, trader=ZERO)):
        with reverts_with("ecdsa: invalid signature"):
            venue.fill(sell, SignedOrder(order, b"\x00" * 65))


def test_fill__signature_of_another_length__refused(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    with reverts_with("gateway: bad signature"):
        venue.fill(sell, SignedOrder(buy.order, buy.signature[:63]))


@pytest.fixture(scope="module")
def wallet(venue: Kit) -> Any:
    """A contract wallet of the trader's key with money at the house."""
    contract = venue.backend.deploy("Wallet1271", venue.actors.trader, sender=venue.actors.keeper)
    venue.provide(venue.actors.keeper, venue.house, 1_000 * U)
    venue.house.deposit(1_000 * U, contract, sender=venue.actors.keeper)
    return contract


def test_fill__contract_wallet__filled(venue: Kit, wallet: Any, sell: SignedOrder, buy: SignedOrder) -> None:
    signed = resigned(venue, buy, venue.actors.trader, trader=address_of(wallet))
    venue.fill(sell, signed)
    assert venue.house.position(0, wallet).size == 10 * COIN
    assert venue.house.free(wallet) == 700 * U


@pytest.mark.parametrize("mode", ["GARBAGE", "REVERTS", "BURNS_GAS", "SHORT", "NOTHING"])
def test_fill__contract_wallet_misbehaves__refused(
    venue: Kit, wallet: Any, sell: SignedOrder, buy: SignedOrder, mode: str
) -> None:
    """T26: garbage, a revert, all the gas, too little, nothing at all."""
    wallet.set_mode(getattr(wallet, mode)(), sender=venue.actors.keeper)
    signed = resigned(venue, buy, venue.actors.trader, trader=address_of(wallet))
    with reverts_with("gateway: bad signature"):
        venue.fill(sell, signed)


def test_fill__contract_wallet_signed_by_another__refused(
    venue: Kit, wallet: Any, sell: SignedOrder, buy: SignedOrder
) -> None:
    signed = resigned(venue, buy, venue.actors.outsider, trader=address_of(wallet))
    with reverts_with("gateway: bad signature"):
        venue.fill(sell, signed)


# ------------------------------------------------------------------------ cancel


def test_cancel__nonce__order_is_dead(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    gateway, trader = venue.gateway, venue.actors.trader
    receipt = gateway.cancel(buy.order.nonce, sender=trader)
    assert event(receipt, gateway, "NonceCancelled") == {"trader": trader.address, "nonce": buy.order.nonce}
    assert gateway.is_cancelled(trader, buy.order.nonce)
    assert not gateway.is_cancelled(trader, buy.order.nonce + 1)
    assert not gateway.is_cancelled(venue.actors.counterparty, buy.order.nonce)
    with reverts_with("gateway: nonce cancelled"):
        venue.fill(sell, buy)
    with reverts_with("gateway: nonce cancelled"):
        gateway.cancel(buy.order.nonce, sender=trader)


def test_cancel__makers_order_half_filled__rest_is_dead(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    venue.fill(sell, buy, 4 * COIN)
    venue.gateway.cancel(sell.order.nonce, sender=venue.actors.counterparty)
    with reverts_with("gateway: nonce cancelled"):
        venue.fill(sell, buy, 4 * COIN)


def test_cancel_below__nonce__lower_ones_are_dead(venue: Kit, sell: SignedOrder, buy: SignedOrder) -> None:
    gateway, trader = venue.gateway, venue.actors.trader
    floor = buy.order.nonce
    receipt = gateway.cancel_below(floor, sender=trader)
    assert event(receipt, gateway, "NoncesCancelledBelow") == {"trader": trader.address, "nonce": floor}
    assert [gateway.is_cancelled(trader, nonce) for nonce in (0, floor - 1, floor)] == [True, True, False]
    venue.fill(sell, buy, 4 * COIN)
    gateway.cancel_below(floor + 1, sender=trader)
    with reverts_with("gateway: nonce cancelled"):
        venue.fill(sell, buy, 4 * COIN)
    for nonce in (floor, floor + 1):
        with reverts_with("gateway: nonce too low"):
            gateway.cancel_below(nonce, sender=trader)


# ------------------------------------------------------------------------- views


def test_hash_order__any_order__is_its_eip712_digest(venue: Kit, buy: SignedOrder) -> None:
    expected = orders.digest(buy.order, venue.backend.chain_id(), address_of(venue.gateway))
    assert bytes(venue.gateway.hash_order(buy.order.as_tuple())) == expected


def test_eip712_domain__deployed__names_chain_and_gateway(venue: Kit) -> None:
    fields, name, version, chain_id, contract, salt, extensions = venue.gateway.eip712Domain()
    assert (bytes(fields), name, version, chain_id) == (b"\x0f", "Kana Orders", "1", venue.backend.chain_id())
    assert (contract, bytes(salt), list(extensions)) == (venue.gateway.address, b"\x00" * 32, [])


def test_init__registry__kept_or_refused(venue: Kit) -> None:
    assert venue.gateway.registry() == venue.registry.address
    with reverts_with("gateway: registry without code"):
        venue.backend.deploy("OrderGateway", address_of(venue.actors.outsider), sender=venue.actors.keeper)
