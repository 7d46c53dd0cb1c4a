"""ClearingHouse: what it is made of, free balances, margin in and out (M26, M26a, M27, M38)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.kit import COIN, Kit, U
from kana_insurance.testing import reverts_with
from tests.unit.venue.conftest import FREE
from tests.utils.venue import MAX_AMOUNT, WAD, ZERO, event, permit, trade

RETURNS_FALSE, TAKES_FEE = 1, 4


@pytest.fixture
def held(books: Kit) -> Kit:
    """A long and a short of 100 coins at 100 U with 2,000 U each; the taker, long, paid 5 U, the maker 2 U."""
    trade(books, books.actors.counterparty, books.actors.trader, 100 * COIN, 100 * WAD, (2_000 * U, 2_000 * U))
    return books


# ------------------------------------------------------------------- constructor


def test_init__deployed__knows_its_parts(venue: Kit) -> None:
    house = venue.house
    assert house.asset() == venue.asset.address
    assert house.registry() == venue.registry.address
    assert house.gateway() == venue.gateway.address
    assert house.quote_scale() == 10**30


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (0, "house: asset without code"),
        (1, "house: registry without code"),
        (2, "house: gateway without code"),
    ],
)
def test_init__part_without_code__refused(venue: Kit, missing: int, reason: str) -> None:
    parts = [address_of(part) for part in (venue.asset, venue.registry, venue.gateway)]
    parts[missing] = address_of(venue.actors.outsider)
    with reverts_with(reason):
        venue.backend.deploy("ClearingHouse", *parts, sender=venue.actors.outsider)


def test_init__gateway_of_another_registry__refused(venue: Kit) -> None:
    stranger = venue.backend.deploy("OrderGateway", address_of(venue.house), sender=venue.actors.outsider)
    with reverts_with("house: other registry"):
        venue.backend.deploy(
            "ClearingHouse", venue.asset, venue.registry, address_of(stranger), sender=venue.actors.outsider
        )


@pytest.mark.parametrize("decimals", [5, 19])
def test_init__decimals_out_of_bounds__refused(venue: Kit, decimals: int) -> None:
    token = venue.backend.deploy("QuirkyToken", decimals, sender=venue.actors.outsider)
    with reverts_with("house: bad decimals"):
        venue.backend.deploy("ClearingHouse", token, venue.registry, venue.gateway, sender=venue.actors.outsider)


@pytest.mark.parametrize(("decimals", "scale"), [(6, 10**30), (18, 10**18)])
def test_init__decimals_within_bounds__scale(venue: Kit, decimals: int, scale: int) -> None:
    token = venue.backend.deploy("QuirkyToken", decimals, sender=venue.actors.outsider)
    house = venue.backend.deploy("ClearingHouse", token, venue.registry, venue.gateway, sender=venue.actors.outsider)
    assert house.quote_scale() == scale


# ----------------------------------------------------------------------- deposit


def test_deposit__allowance__credited(books: Kit) -> None:
    trader = books.actors.trader
    books.provide(trader, books.house, 7 * U)
    before = books.asset.balanceOf(books.house)
    receipt = books.house.deposit(7 * U, sender=trader)
    assert event(receipt, books.house, "Deposited") == {
        "account": trader.address,
        "amount": 7 * U,
        "free": FREE + 7 * U,
    }
    assert books.house.free(trader) == FREE + 7 * U
    assert books.asset.balanceOf(books.house) == before + 7 * U
    assert books.asset.balanceOf(trader) == 0


def test_deposit__for_another__credited_to_him(books: Kit) -> None:
    payer, trader = books.actors.outsider, books.actors.trader
    books.provide(payer, books.house, 7 * U)
    receipt = books.house.deposit(7 * U, trader, sender=payer)
    assert event(receipt, books.house, "Deposited")["account"] == trader.address
    assert (books.house.free(trader), books.house.free(payer)) == (FREE + 7 * U, 0)


@pytest.mark.parametrize(
    ("amount", "account", "reason"),
    [
        (0, None, "house: zero amount"),
        (MAX_AMOUNT + 1, None, "house: amount too large"),
        (1, ZERO, "house: zero address"),
    ],
)
def test_deposit__out_of_bounds__refused(venue: Kit, amount: int, account: str | None, reason: str) -> None:
    args = (amount,) if account is None else (amount, account)
    with reverts_with(reason):
        venue.house.deposit(*args, sender=venue.actors.trader)


def test_deposit__before_setup_is_finished__refused(venue: Kit) -> None:
    actors = venue.actors
    roles = (venue.timelock, actors.guardian, actors.deployer, actors.fee_recipient, venue.factory)
    registry = venue.backend.deploy("MarketRegistry", *roles, sender=actors.outsider)
    gateway = venue.backend.deploy("OrderGateway", registry, sender=actors.outsider)
    house = venue.backend.deploy("ClearingHouse", venue.asset, registry, gateway, sender=actors.outsider)
    venue.provide(actors.trader, house, U)
    with reverts_with("house: setup not finished"):
        house.deposit(U, sender=actors.trader)
    registry.connect_house(house, sender=actors.deployer)
    registry.finish_setup(sender=actors.deployer)
    house.deposit(U, sender=actors.trader)
    assert house.free(actors.trader) == U


# ----------------------------------------------------------- deposit_with_permit


def test_deposit_with_permit__signed__credited(books: Kit) -> None:
    trader, deadline = books.actors.trader, books.now() + 600
    books.mint(trader, 9 * U)
    signature = permit(books, trader, 9 * U, deadline)
    receipt = books.house.deposit_with_permit(9 * U, deadline, *signature, sender=trader)
    assert event(receipt, books.house, "Deposited")["free"] == FREE + 9 * U
    assert books.asset.nonces(trader) == 1
    assert books.asset.allowance(trader, books.house) == 0


def test_deposit_with_permit__used_by_another__goes_on(books: Kit) -> None:
    trader, deadline = books.actors.trader, books.now() + 600
    books.mint(trader, 9 * U)
    signature = permit(books, trader, 9 * U, deadline)
    books.asset.permit(trader, books.house, 9 * U, deadline, *signature, sender=books.actors.outsider)
    books.house.deposit_with_permit(9 * U, deadline, *signature, sender=trader)
    assert books.house.free(trader) == FREE + 9 * U


def test_deposit_with_permit__expired__refused_by_the_token(venue: Kit) -> None:
    trader, deadline = venue.actors.trader, venue.now() - 1
    signature = permit(venue, trader, U, deadline)
    with reverts_with("erc20: expired deadline"):
        venue.house.deposit_with_permit(U, deadline, *signature, sender=trader)


# ---------------------------------------------------------------------- withdraw


def test_withdraw__part__sent(books: Kit) -> None:
    trader = books.actors.trader
    receipt = books.house.withdraw(30 * U, sender=trader)
    assert event(receipt, books.house, "Withdrawn") == {
        "account": trader.address,
        "receiver": trader.address,
        "amount": 30 * U,
        "free": FREE - 30 * U,
    }
    assert books.house.free(trader) == FREE - 30 * U
    assert books.asset.balanceOf(trader) == 30 * U


def test_withdraw__all_to_another__sent(books: Kit) -> None:
    trader, receiver = books.actors.trader, books.actors.outsider
    receipt = books.house.withdraw(FREE, receiver, sender=trader)
    assert event(receipt, books.house, "Withdrawn")["receiver"] == receiver.address
    assert (books.house.free(trader), books.asset.balanceOf(receiver)) == (0, FREE)


def test_withdraw__without_a_price_and_while_trading_is_paused__sent(books: Kit) -> None:
    books.registry.pause_trading(3_600, sender=books.actors.guardian)
    books.travel(3_601, refresh=False)
    books.house.withdraw(1, sender=books.actors.trader)
    assert books.house.free(books.actors.trader) == FREE - 1


@pytest.mark.parametrize(
    ("amount", "receiver", "reason"),
    [
        (0, None, "house: zero amount"),
        (MAX_AMOUNT + 1, None, "house: amount too large"),
        (1, ZERO, "house: zero address"),
        (FREE + 1, None, "house: free balance too low"),
    ],
)
def test_withdraw__out_of_bounds__refused(venue: Kit, amount: int, receiver: str | None, reason: str) -> None:
    args = (amount,) if receiver is None else (amount, receiver)
    with reverts_with(reason):
        venue.house.withdraw(*args, sender=venue.actors.trader)


# ------------------------------------------------------------------ quirky tokens


@pytest.fixture(scope="module")
def quirky(venue: Kit) -> tuple[Any, Any]:
    """A house of a quirky token, and the token; a trader has put in 100 of it."""
    actors = venue.actors
    token = venue.backend.deploy("QuirkyToken", 6, sender=actors.outsider)
    house = venue.backend.deploy("ClearingHouse", token, venue.registry, venue.gateway, sender=actors.outsider)
    token.mint(actors.trader, 200 * U, sender=actors.outsider)
    token.approve(house, 200 * U, sender=actors.trader)
    house.deposit(100 * U, sender=actors.trader)
    return house, token


def test_deposit__token_returns_false__refused(venue: Kit, quirky: tuple[Any, Any]) -> None:
    house, token = quirky
    token.set_quirks(RETURNS_FALSE, sender=venue.actors.outsider)
    with reverts_with("house: transfer failed"):
        house.deposit(U, sender=venue.actors.trader)
    with reverts_with("house: transfer failed"):
        house.withdraw(U, sender=venue.actors.trader)


def test_deposit__token_delivers_less__refused(venue: Kit, quirky: tuple[Any, Any]) -> None:
    house, token = quirky
    token.set_quirks(TAKES_FEE, sender=venue.actors.outsider)
    with reverts_with("house: received less"):
        house.deposit(U, sender=venue.actors.trader)
    assert house.free(venue.actors.trader) == 100 * U


def test_deposit__token_returns_nothing__credited(venue: Kit) -> None:
    actors = venue.actors
    token = venue.backend.deploy("NoReturnToken", 6, sender=actors.outsider)
    house = venue.backend.deploy("ClearingHouse", token, venue.registry, venue.gateway, sender=actors.outsider)
    token.mint(actors.trader, U, sender=actors.outsider)
    token.approve(house, U, sender=actors.trader)
    house.deposit(U, sender=actors.trader)
    assert house.free(actors.trader) == U
    house.withdraw(U, sender=actors.trader)
    assert token.balanceOf(actors.trader) == U


# -------------------------------------------------------------------- add_margin


def test_add_margin__position__grows(held: Kit) -> None:
    trader = held.actors.trader
    receipt = held.house.add_margin(0, 500 * U, sender=trader)
    balance = 2_500 * U - 10_000 * U - 5 * U
    assert event(receipt, held.house, "MarginMoved") == {
        "market_id": 0,
        "trader": trader.address,
        "amount": 500 * U,
        "balance": balance,
        "free": FREE - 2_500 * U,
    }
    assert event(receipt, held.house, "PositionChanged") == {
        "market_id": 0,
        "trader": trader.address,
        "size": 100 * COIN,
        "balance": balance,
        "index": 0,
    }
    assert tuple(held.house.position(0, trader)) == (100 * COIN, balance, 0, 0)
    assert held.house.books(0).pot == 4_500 * U - 7 * U
    assert held.house.equity(0, trader) == 2_495 * U


def test_add_margin__without_a_price_and_paused__works(held: Kit) -> None:
    held.registry.pause_trading(3_600, sender=held.actors.guardian)
    held.travel(3_601, refresh=False)
    with reverts_with("feed: stale price"):
        held.house.equity(0, held.actors.trader)
    held.house.add_margin(0, 500 * U, sender=held.actors.trader)
    assert held.house.free(held.actors.trader) == FREE - 2_500 * U


@pytest.mark.parametrize(
    ("market_id", "amount", "reason"),
    [
        (0, 0, "house: zero amount"),
        (0, MAX_AMOUNT + 1, "house: amount too large"),
        (9, U, "registry: unknown market"),
        (0, FREE + 1, "house: free balance too low"),
    ],
)
def test_add_margin__out_of_bounds__refused(venue: Kit, market_id: int, amount: int, reason: str) -> None:
    with reverts_with(reason):
        venue.house.add_margin(market_id, amount, sender=venue.actors.trader)


# ---------------------------------------------------------------- release_margin


def test_release_margin__to_initial_margin__released(held: Kit) -> None:
    trader = held.actors.trader
    receipt = held.house.release_margin(0, 995 * U, sender=trader)
    assert held.house.equity(0, trader) == 1_000 * U
    assert event(receipt, held.house, "MarginMoved") == {
        "market_id": 0,
        "trader": trader.address,
        "amount": -995 * U,
        "balance": -9_000 * U,
        "free": FREE - 1_005 * U,
    }
    assert held.house.books(0).pot == 4_000 * U - 7 * U - 995 * U


def test_release_margin__one_unit_below_initial_margin__refused(held: Kit) -> None:
    with reverts_with("house: below initial margin"):
        held.house.release_margin(0, 995 * U + 1, sender=held.actors.trader)


def test_release_margin__profit_beyond_the_pot__refused(held: Kit) -> None:
    """M26a: a profit that nobody has paid in yet isn't paid out."""
    trader = held.actors.trader
    pot = held.house.books(0).pot
    held.set_price(200 * WAD)
    assert held.house.equity(0, trader) - 2_000 * U > pot
    with reverts_with("house: pot exhausted"):
        held.house.release_margin(0, pot + 1, sender=trader)
    held.house.release_margin(0, pot, sender=trader)
    assert held.house.books(0).pot == 0
    assert held.house.free(trader) == FREE - 2_000 * U + pot


def test_release_margin__flat__its_claim_and_no_more(books: Kit) -> None:
    trader = books.actors.trader
    books.house.add_margin(0, 10 * U, sender=trader)
    with reverts_with("house: above claim"):
        books.house.release_margin(0, 10 * U + 1, sender=trader)
    books.house.release_margin(0, 10 * U, sender=trader)
    assert books.house.free(trader) == FREE
    assert tuple(books.house.position(0, trader)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("market_id", "amount", "reason"),
    [
        (0, 0, "house: zero amount"),
        (0, MAX_AMOUNT + 1, "house: amount too large"),
        (9, U, "registry: unknown market"),
        (0, 1, "house: above claim"),
    ],
)
def test_release_margin__out_of_bounds__refused(venue: Kit, market_id: int, amount: int, reason: str) -> None:
    with reverts_with(reason):
        venue.house.release_margin(market_id, amount, sender=venue.actors.liquidator)


def test_release_margin__without_a_price__refused(held: Kit) -> None:
    held.travel(3_601, refresh=False)
    with reverts_with("feed: stale price"):
        held.house.release_margin(0, 1, sender=held.actors.trader)


def test_release_margin__seen_solvent__flag_is_gone(held: Kit) -> None:
    trader = held.actors.trader
    held.set_price(75 * WAD)
    held.house.flag(0, trader, sender=held.actors.keeper)
    held.set_price(100 * WAD)
    receipt = held.house.release_margin(0, U, sender=trader)
    assert event(receipt, held.house, "Unflagged") == {"market_id": 0, "trader": trader.address}
    assert held.house.position(0, trader).flagged_at == 0
