"""ClearingHouse: fees, dust, bad debt, and what the registry alone may ask (M14, M24, M26, M31, M38)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.kit import COIN, Kit, U
from kana_insurance.testing import reverts_with
from tests.unit.venue.conftest import FREE, RESERVE
from tests.utils.venue import MAX_AMOUNT, WAD, event, events, people, trade

PRICE = 100 * WAD


@pytest.fixture
def held(books: Kit) -> Kit:
    """100 coins at 100 U: 7 U of fees."""
    trade(books, books.actors.counterparty, books.actors.trader, 100 * COIN, PRICE, (1_500 * U, 1_500 * U))
    return books


# ------------------------------------------------------------------ collect_fees


def test_collect_fees__half_and_half__credited_and_sent(held: Kit) -> None:
    house, recipient = held.house, held.actors.fee_recipient
    receipt = house.collect_fees(0, sender=held.actors.outsider)
    assert event(receipt, house, "FeesCollected") == {
        "market_id": 0,
        "to_fund": 3_500_000,
        "repaid": 0,
        "to_recipient": 3_500_000,
    }
    assert house.free(recipient) == 3_500_000
    assert held.fund.reserve() == RESERVE + 3_500_000
    assert (house.books(0).fees, house.books(0).dust_fees) == (0, 0)
    house.withdraw(3_500_000, sender=recipient)


def test_collect_fees__odd_fees__remainder_is_the_funds(books: Kit) -> None:
    size = COIN // 10 + 10**13  # 10.001 U: 0.0020002 U and 0.0050005 U, each rounded up
    trade(books, books.actors.counterparty, books.actors.trader, size, PRICE, (50 * U, 50 * U))
    assert books.house.books(0).fees == 2_001 + 5_001
    books.registry.set_fees(0, 5, 2, 3_333, sender=books.governance)
    receipt = books.house.collect_fees(0, sender=books.actors.outsider)
    collected = event(receipt, books.house, "FeesCollected")
    assert collected["to_recipient"] == 7_002 * 6_667 // 10_000
    assert collected["to_fund"] == 7_002 - 7_002 * 6_667 // 10_000


def test_collect_fees__nothing_there__refused(venue: Kit) -> None:
    with reverts_with("house: nothing to collect"):
        venue.house.collect_fees(0, sender=venue.actors.outsider)


def test_collect_fees__unknown_market__refused(venue: Kit) -> None:
    with reverts_with("registry: unknown market"):
        venue.house.collect_fees(9, sender=venue.actors.outsider)


def test_collect_fees__without_a_price__works(held: Kit) -> None:
    held.travel(3_601, refresh=False)
    held.house.collect_fees(0, sender=held.actors.outsider)
    assert held.house.books(0).fees == 0


# ---------------------------------------------------------------------- bad debt


@pytest.fixture
def in_debt(venue: Kit) -> Kit:
    """The trader (long) lacks 2,805 U at 57; the only short, who took 4,100 U out at 50, can bear 1,698 U of it."""
    actors, house = venue.actors, venue.house
    venue.fund.set_max_insurance(house, 0, 0, sender=venue.governance)
    trade(venue, actors.counterparty, actors.trader, 100 * COIN, PRICE, (1_500 * U, 1_500 * U))
    house.add_margin(0, 4_000 * U, sender=actors.others[0])  # a claim that keeps the pot full
    venue.set_price(50 * WAD)
    house.release_margin(0, 4_100 * U, sender=actors.counterparty)
    venue.set_price(57 * WAD)
    house.flag(0, actors.trader, sender=actors.keeper)
    venue.travel(600)
    house.deleverage(0, actors.trader, [actors.counterparty], sender=actors.keeper)
    return venue


DEBT = 2_805 * U - 1_698 * U


@pytest.mark.usefixtures("books")
def test_deleverage__short_cannot_bear_it__bad_debt(in_debt: Kit) -> None:
    assert in_debt.fund.bad_debt(in_debt.house, 0) == DEBT
    assert in_debt.house.books(0).pot == 4_000 * U - DEBT
    assert in_debt.house.books(0).open_interest == 0


@pytest.mark.usefixtures("books")
def test_repay_bad_debt__part__booked_in_the_pot(in_debt: Kit) -> None:
    payer, house = in_debt.actors.outsider, in_debt.house
    in_debt.provide(payer, house, 100 * U)
    receipt = house.repay_bad_debt(0, 100 * U, sender=payer)
    assert event(receipt, house, "BadDebtRepaid") == {
        "market_id": 0,
        "payer": payer.address,
        "amount": 100 * U,
        "pot": 4_000 * U - DEBT + 100 * U,
    }
    assert in_debt.fund.bad_debt(house, 0) == DEBT - 100 * U
    assert in_debt.asset.balanceOf(payer) == 0


@pytest.mark.usefixtures("books")
def test_repay_bad_debt__whole__claims_can_leave(in_debt: Kit) -> None:
    payer, house, claimant = in_debt.actors.outsider, in_debt.house, in_debt.actors.others[0]
    with reverts_with("house: pot exhausted"):
        house.release_margin(0, 4_000 * U, sender=claimant)
    in_debt.provide(payer, house, DEBT)
    house.repay_bad_debt(0, DEBT, sender=payer)
    house.release_margin(0, 4_000 * U, sender=claimant)
    assert house.books(0).pot == 0
    assert house.free(claimant) == FREE


@pytest.mark.parametrize(
    ("market_id", "amount", "reason"),
    [
        (0, 0, "house: zero amount"),
        (0, MAX_AMOUNT + 1, "house: amount too large"),
        (9, 1, "registry: unknown market"),
        (0, DEBT + 1, "fund: above bad debt"),
    ],
)
def test_repay_bad_debt__out_of_bounds__refused(in_debt: Kit, market_id: int, amount: int, reason: str) -> None:
    with reverts_with(reason):
        in_debt.house.repay_bad_debt(market_id, amount, sender=in_debt.actors.outsider)


@pytest.mark.usefixtures("books")
def test_collect_fees__bad_debt__repaid_first(in_debt: Kit) -> None:
    """M14, M24: the fund's part repays this market's bad debt and stays in its pot."""
    house = in_debt.house
    pot, reserve = house.books(0).pot, in_debt.fund.reserve()
    receipt = house.collect_fees(0, sender=in_debt.actors.outsider)
    assert event(receipt, house, "FeesCollected") == {
        "market_id": 0,
        "to_fund": 3_500_000,
        "repaid": 3_500_000,
        "to_recipient": 3_500_000,
    }
    assert house.books(0).pot == pot + 3_500_000
    assert in_debt.fund.reserve() == reserve
    assert in_debt.fund.bad_debt(house, 0) == DEBT - 3_500_000


def test_liquidate__slice_repays_bad_debt__stays_in_the_pot(venue: Kit) -> None:
    """M1, M14: of C = 395 U the fund's 79 U repay bad debt, which here came to the market from elsewhere."""
    actors, house = venue.actors, venue.house
    trade(venue, actors.others[1], actors.others[2], 100 * COIN, PRICE, (1_500 * U, 1_500 * U))
    venue.fund.record_bad_debt(0, 100 * U, sender=venue.impersonate(house))
    venue.set_price(89 * WAD)
    pot = house.books(0).pot
    receipt = house.liquidate(0, actors.others[2], MAX_AMOUNT, 1_000 * U, sender=actors.liquidator)
    assert event(receipt, house, "Liquidated")["to_fund"] == 79 * U
    assert house.books(0).pot == pot + 1_000 * U - 395 * U + 79 * U
    assert venue.fund.bad_debt(house, 0) == 21 * U
    assert venue.fund.reserve() == RESERVE


@pytest.mark.usefixtures("books")
def test_trade__market_has_bad_debt__refused_until_repaid(in_debt: Kit) -> None:
    """M14, M26a: newcomers' margin would pay the claims of those who left."""
    actors, house, payer = in_debt.actors, in_debt.house, in_debt.actors.outsider
    in_debt.set_price(PRICE)

    def enter() -> None:
        trade(in_debt, actors.others[1], actors.others[2], COIN, PRICE, (50 * U, 50 * U))

    with reverts_with("house: market has bad debt"):
        enter()
    with reverts_with("house: market has bad debt"):
        house.add_margin(0, U, sender=actors.others[1])
    in_debt.provide(payer, house, DEBT)
    house.repay_bad_debt(0, DEBT, sender=payer)
    house.add_margin(0, U, sender=actors.others[1])
    enter()
    assert house.books(0).open_interest == 2 * COIN


# -------------------------------------------------------------------------- dust


@pytest.fixture
def dusty(venue: Kit) -> Kit:
    """0.05 U socialised over shorts of 1, 2 and 4 coins and a long of 6; the one of 1 coin is closed by it."""
    actors, house = venue.actors, venue.house
    venue.fund.set_max_insurance(house, 0, 0, sender=venue.governance)
    shorts, longs = actors.others[:3], [actors.others[3], actors.trader]
    for short, size in zip(shorts, (1, 2, 4), strict=True):
        trade(venue, short, longs[0], size * COIN, PRICE, (size * 50 * U, size * 50 * U))
    trade(venue, longs[0], longs[1], COIN, PRICE, (0, 15 * U))
    venue.set_price(85 * WAD)
    house.flag(0, actors.trader, sender=actors.keeper)
    venue.travel(600)
    house.deleverage(0, actors.trader, [shorts[0]], sender=actors.keeper)
    return venue


@pytest.mark.usefixtures("books")
def test_trade__last_position_closed__dust_booked_as_fees(dusty: Kit) -> None:
    """M26: charges are rounded up; when nobody and nothing is left in the market, the excess is the fund's."""
    actors, house = dusty.actors, dusty.house
    long, shorts = actors.others[3], actors.others[1:3]
    assert house.books(0).dust < 0
    trade(dusty, long, shorts[0], 2 * COIN, 85 * WAD)
    receipt = trade(dusty, long, shorts[1], 4 * COIN, 85 * WAD)
    booked = event(receipt, house, "DustBooked")
    # 50,000 units over 13 coins: 3,846.15 a coin; the charges of 1, 2, 4 and 6 coins are rounded up.
    charges = [-(-n * 50_000 // 13) for n in (1, 2, 4, 6)]
    dust = sum(charges) - 50_000
    assert booked == {"market_id": 0, "amount": dust}
    assert 0 < dust <= 4
    left = house.books(0)
    assert (left.open_interest, left.pot, left.dust, left.dust_fees) == (0, 0, 0, dust)
    fees = left.fees
    collected = event(house.collect_fees(0, sender=actors.outsider), house, "FeesCollected")
    assert collected["to_recipient"] == fees // 2
    assert collected["to_fund"] == fees - fees // 2 + dust


@pytest.mark.usefixtures("books")
def test_release_margin__last_claim_leaves__dust_booked(dusty: Kit) -> None:
    actors, house = dusty.actors, dusty.house
    long, shorts, claimant = actors.others[3], actors.others[1:3], actors.others[4]
    house.add_margin(0, 5 * U, sender=claimant)
    trade(dusty, long, shorts[0], 2 * COIN, 85 * WAD)
    receipt = trade(dusty, long, shorts[1], 4 * COIN, 85 * WAD)
    assert events(receipt, house, "DustBooked") == []
    receipt = house.release_margin(0, 5 * U, sender=claimant)
    assert event(receipt, house, "DustBooked")["amount"] > 0
    assert house.books(0).pot == 0


# ---------------------------------------------------------------------- registry


@pytest.mark.parametrize(("function", "args"), [("connect_fund", 1), ("disconnect_fund", 1), ("close_market", 2)])
def test_registry_functions__anyone_else__refused(venue: Kit, function: str, args: int) -> None:
    values = (0, venue.fund)[-args:] if args == 2 else (venue.fund,)
    for caller in (venue.actors.outsider, venue.governance, venue.actors.deployer):
        with reverts_with("house: not registry"):
            getattr(venue.house, function)(*values, sender=caller)


def test_connect_fund__registry__allowance(venue: Kit) -> None:
    registry, house, asset = venue.impersonate(venue.registry), venue.house, venue.asset
    fund = address_of(venue.actors.outsider)
    house.connect_fund(fund, sender=registry)
    assert asset.allowance(house, fund) == 2**256 - 1
    house.disconnect_fund(fund, sender=registry)
    assert asset.allowance(house, fund) == 0


def test_connect_fund__approval_refused_by_the_token__refused(venue: Kit) -> None:
    """M38: a token that answers an approval with false."""
    keeper = venue.actors.keeper
    token = venue.backend.deploy("QuirkyToken", 6, sender=keeper)
    house = venue.backend.deploy("ClearingHouse", token, venue.registry, venue.gateway, sender=keeper)
    registry = venue.impersonate(venue.registry)
    house.connect_fund(venue.fund, sender=registry)
    assert token.allowance(house, venue.fund) == 2**256 - 1


@pytest.mark.parametrize("what", ["open interest", "pot", "fees"])
def test_close_market__not_empty__refused(venue: Kit, what: str) -> None:
    house, registry = venue.house, venue.impersonate(venue.registry)
    actors = venue.actors
    if what == "pot":
        house.add_margin(0, 1, sender=actors.trader)
    else:
        trade(venue, actors.counterparty, actors.trader, COIN, PRICE, (50 * U, 50 * U))
        if what == "fees":
            trade(venue, actors.trader, actors.counterparty, COIN, PRICE)
            assert house.books(0).pot == house.books(0).open_interest == 0
    with reverts_with("house: market not empty"):
        house.close_market(0, venue.fund, sender=registry)


def test_close_market__bad_debt__refused(venue: Kit, in_debt: Kit) -> None:
    house, claimant = in_debt.house, in_debt.actors.others[0]
    house.release_margin(0, house.books(0).pot, sender=claimant)
    house.collect_fees(0, sender=claimant)
    house.release_margin(0, house.books(0).pot, sender=claimant)
    with reverts_with("fund: market has bad debt"):
        house.close_market(0, in_debt.fund, sender=venue.impersonate(venue.registry))


def test_close_market__empty__released_at_the_fund(venue: Kit) -> None:
    venue.house.close_market(0, venue.fund, sender=venue.impersonate(venue.registry))
    assert not venue.fund.market(venue.house, 0).registered


def test_views__nothing_happened__zeros(venue: Kit) -> None:
    house = venue.house
    assert tuple(house.position(0, venue.actors.trader)) == (0, 0, 0, 0)
    assert tuple(house.books(0)) == (0, 0, 0, 0, 0, 0)
    assert house.equity(0, venue.actors.trader) == house.pending_charge(0, venue.actors.trader) == 0
    assert not house.is_liquidatable(0, venue.actors.trader)
    assert [house.free(account) for account in people(venue)] == [FREE] * len(people(venue))
    for view in (house.equity, house.is_liquidatable):
        with reverts_with("registry: unknown market"):
            view(9, venue.actors.trader)


def test_views__while_the_house_is_in_a_call__closed(deploy_system: Any) -> None:
    """T70: a hook in the middle of a withdrawal reads nothing half done."""
    from ape import project

    kit = deploy_system()
    token = project.HookToken.deploy(6, sender=kit.actors.keeper)
    house = kit.backend.deploy("ClearingHouse", token, kit.registry, kit.gateway, sender=kit.actors.keeper)
    trader = kit.actors.trader
    token.mint(trader, 10 * U, sender=trader)
    token.approve(house, 10 * U, sender=trader)
    house.deposit(10 * U, sender=trader)
    for view, closed in (("free", True), ("asset", False)):
        args = (trader,) if view == "free" else ()
        token.set_hook(house, kit.encode(house, view, *args), True, sender=trader)
        house.withdraw(U, sender=trader)
        assert token.last_success() is not closed
