"""ClearingHouse: flags, deleveraging, charges of the loss index (M28a, M29)."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.kit import COIN, DAY, Kit, U
from kana_insurance.testing import reverts_with
from tests.unit.venue.conftest import FREE, RESERVE
from tests.utils.venue import MAX_AMOUNT, WAD, event, events, fill_of, next_block_at, send, trade

PRICE = 100 * WAD
GRACE, FLAG_LIFE = 600, 3_600
#: The long of 100 coins, with 1,495 U at 100 U, lacks 505 U at 80 U.
GAP = 80 * WAD


@pytest.fixture(scope="module")
def market(venue: Kit) -> Kit:
    """A long (the trader) against two shorts of 60 and 40 coins; another pair of 100 coins; the price is 80 U."""
    actors = venue.actors
    trade(venue, actors.counterparty, actors.trader, 60 * COIN, PRICE, (1_500 * U, 1_500 * U))
    trade(venue, actors.others[0], actors.trader, 40 * COIN, PRICE, (2_000 * U, 0))
    trade(venue, actors.others[1], actors.others[2], 100 * COIN, PRICE, (20_000 * U, 20_000 * U))
    venue.set_price(GAP)
    return venue


@pytest.fixture
def gap(books: Kit, market: Kit) -> Kit:
    """The trader is insolvent, not flagged."""
    assert books.house.equity(0, books.actors.trader) == -505 * U
    return market


@pytest.fixture
def flagged(gap: Kit) -> Kit:
    """The trader is flagged and his grace over."""
    gap.house.flag(0, gap.actors.trader, sender=gap.actors.keeper)
    gap.travel(GRACE)
    return gap


@pytest.fixture
def shorts(market: Kit) -> list[Any]:
    """Who can take the trader's 100 coins."""
    return [market.actors.counterparty, market.actors.others[0]]


def deleverage(kit: Kit, names: list[Any], trader: Any = None) -> Any:
    trader = kit.actors.trader if trader is None else trader
    return kit.house.deleverage(0, trader, [address_of(name) for name in names], sender=kit.actors.keeper)


# -------------------------------------------------------------------------- flag


def test_flag__insolvent__flagged(gap: Kit) -> None:
    trader, house = gap.actors.trader, gap.house
    balance = house.position(0, trader).balance
    receipt = house.flag(0, trader, sender=gap.actors.keeper)
    now = gap.now()
    assert event(receipt, house, "Flagged") == {
        "market_id": 0,
        "trader": trader.address,
        "deleverage_from": now + GRACE,
        "deleverage_until": now + GRACE + FLAG_LIFE,
    }
    assert tuple(house.position(0, trader)) == (100 * COIN, balance, 0, now)


def test_flag__again_while_it_runs__refused(gap: Kit) -> None:
    trader, house, keeper = gap.actors.trader, gap.house, gap.actors.keeper
    house.flag(0, trader, sender=keeper)
    flagged_at = house.position(0, trader).flagged_at
    with reverts_with("house: already flagged"):
        house.flag(0, trader, sender=keeper)
    gap.travel(2_000)
    last = flagged_at + GRACE + FLAG_LIFE
    next_block_at(last)
    with reverts_with("house: already flagged"):
        house.flag(0, trader, sender=keeper)
    next_block_at(last + 1)
    house.flag(0, trader, sender=keeper)
    assert house.position(0, trader).flagged_at == last + 1


@pytest.mark.parametrize("price", [PRICE, 85_050_000_000_000_000_000])
def test_flag__solvent__refused(gap: Kit, price: int) -> None:
    gap.set_price(price)
    with reverts_with("house: not insolvent"):
        gap.house.flag(0, gap.actors.trader, sender=gap.actors.keeper)


def test_flag__no_position__refused(gap: Kit) -> None:
    with reverts_with("house: not insolvent"):
        gap.house.flag(0, gap.actors.outsider, sender=gap.actors.keeper)


@pytest.mark.parametrize("function", ["flag", "unflag"])
def test_flag__no_market_or_price__refused(gap: Kit, function: str) -> None:
    call = getattr(gap.house, function)
    with reverts_with("registry: unknown market"):
        call(9, gap.actors.trader, sender=gap.actors.keeper)
    gap.travel(3_601, refresh=False)
    with reverts_with("feed: stale price"):
        call(0, gap.actors.trader, sender=gap.actors.keeper)


# ------------------------------------------------------------------------ unflag


def test_unflag__solvent_again__unflagged(flagged: Kit) -> None:
    trader, house = flagged.actors.trader, flagged.house
    flagged.set_price(PRICE)
    receipt = house.unflag(0, trader, sender=flagged.actors.outsider)
    assert event(receipt, house, "Unflagged") == {"market_id": 0, "trader": trader.address}
    assert house.position(0, trader).flagged_at == 0
    flagged.set_price(GAP)
    with reverts_with("house: not flagged"):
        deleverage(flagged, [flagged.actors.counterparty])


def test_unflag__still_insolvent__refused(flagged: Kit) -> None:
    with reverts_with("house: still insolvent"):
        flagged.house.unflag(0, flagged.actors.trader, sender=flagged.actors.trader)


def test_unflag__not_flagged__refused(gap: Kit) -> None:
    with reverts_with("house: not flagged"):
        gap.house.unflag(0, gap.actors.trader, sender=gap.actors.trader)


def test_add_margin__flagged__flag_stays_until_seen(flagged: Kit) -> None:
    """D3: adding margin knows no price."""
    trader, house = flagged.actors.trader, flagged.house
    house.add_margin(0, 1_000 * U, sender=trader)
    assert house.position(0, trader).flagged_at > 0
    with reverts_with("house: not insolvent"):
        deleverage(flagged, [flagged.actors.counterparty])
    house.unflag(0, trader, sender=trader)
    assert house.position(0, trader).flagged_at == 0


# -------------------------------------------------------------------- deleverage


def test_deleverage__whole__closed_against_the_named(flagged: Kit, shorts: list[Any]) -> None:
    trader, house, fund = flagged.actors.trader, flagged.house, flagged.fund
    pot = house.books(0).pot
    first, second = (address_of(name) for name in shorts)
    receipt = deleverage(flagged, shorts)
    assert event(receipt, house, "ShortfallResolved") == {
        "market_id": 0,
        "trader": trader.address,
        "shortfall": 505 * U,
        "covered": 505 * U,
        "socialised": 0,
        "bad_debt": 0,
        "loss_index": 0,
    }
    assert events(receipt, house, "Deleveraged") == [
        {"market_id": 0, "trader": trader.address, "counterparty": first, "size": 60 * COIN, "mark": GAP},
        {"market_id": 0, "trader": trader.address, "counterparty": second, "size": 40 * COIN, "mark": GAP},
    ]
    assert event(receipt, house, "Unflagged")["trader"] == trader.address
    # 60 coins: 1,500 in, 1.2 of fee, 1,200 gained; 40 coins: 2,000 in, 0.8 of fee, 800 gained.
    paid = [1_500 * U - 1_200_000 + 1_200 * U, 2_000 * U - 800_000 + 800 * U]
    assert [house.free(name) for name in shorts] == [FREE - 1_500 * U + paid[0], FREE - 2_000 * U + paid[1]]
    assert [entry["amount"] for entry in events(receipt, house, "MarginMoved")] == [-paid[0], -paid[1]]
    for account in (trader, *shorts):
        assert tuple(house.position(0, account))[:2] == (0, 0)
    assert house.position(0, trader).flagged_at == 0
    assert house.books(0).open_interest == 200 * COIN
    assert house.books(0).pot == pot + 505 * U - sum(paid)
    assert fund.reserve() == RESERVE - 505 * U
    assert house.free(trader) == FREE - 1_500 * U


def test_deleverage__last_named_larger__only_reduced(flagged: Kit, shorts: list[Any]) -> None:
    larger = flagged.actors.others[1]
    deleverage(flagged, [shorts[1], larger])
    assert flagged.house.position(0, shorts[1]).size == 0
    assert flagged.house.position(0, larger).size == -40 * COIN
    assert flagged.house.equity(0, larger) == 20_000 * U - 2 * U + 2_000 * U


def test_deleverage__around_the_grace__from_its_last_second(gap: Kit, shorts: list[Any]) -> None:
    """T16: a second early is refused, at exactly the grace it may be closed."""
    house, trader = gap.house, gap.actors.trader
    house.flag(0, trader, sender=gap.actors.keeper)
    ready = house.position(0, trader).flagged_at + GRACE
    next_block_at(ready - 1)
    with reverts_with("house: grace running"):
        deleverage(gap, shorts)
    next_block_at(ready)
    deleverage(gap, shorts)
    assert house.position(0, trader).size == 0


def test_deleverage__an_hour_after_the_grace__lapsed_a_second_later(flagged: Kit, shorts: list[Any]) -> None:
    house, trader = flagged.house, flagged.actors.trader
    flagged.travel(2_000)
    last = house.position(0, trader).flagged_at + GRACE + FLAG_LIFE
    next_block_at(last + 1)
    with reverts_with("house: flag lapsed"):
        deleverage(flagged, shorts)
    next_block_at(last)
    deleverage(flagged, shorts)
    assert house.position(0, trader).size == 0


def test_deleverage__not_flagged__refused(gap: Kit, shorts: list[Any]) -> None:
    with reverts_with("house: not flagged"):
        deleverage(gap, shorts)


def test_deleverage__solvent_again__refused(flagged: Kit, shorts: list[Any]) -> None:
    flagged.set_price(PRICE)
    with reverts_with("house: not insolvent"):
        deleverage(flagged, shorts)


def test_deleverage__payouts_paused__refused(flagged: Kit, shorts: list[Any]) -> None:
    """M37: nothing is socialised that the fund owes."""
    flagged.fund.pause_payouts(DAY, sender=flagged.actors.guardian)
    with reverts_with("fund: payouts paused"):
        deleverage(flagged, shorts)


def test_deleverage__no_market_or_price__refused(flagged: Kit, shorts: list[Any]) -> None:
    with reverts_with("registry: unknown market"):
        flagged.house.deleverage(9, flagged.actors.trader, [], sender=flagged.actors.keeper)
    flagged.travel(3_000, refresh=False)
    flagged.travel(601, refresh=False)
    with reverts_with("feed: stale price"):
        deleverage(flagged, shorts)


def test_deleverage__wrong_names__refused(flagged: Kit, shorts: list[Any]) -> None:
    """T16: same side, flat, the trader himself, twice, too many, too few."""
    actors = flagged.actors
    for name in (actors.others[2], actors.outsider, actors.trader):
        with reverts_with("house: not opposite side"):
            deleverage(flagged, [shorts[0], name])
    with reverts_with("house: duplicate counterparty"):
        deleverage(flagged, [shorts[0], shorts[0]])
    with reverts_with("house: too many counterparties"):
        deleverage(flagged, [*shorts, actors.others[1]])
    for names in ([], shorts[:1]):
        with reverts_with("house: not the whole size"):
            deleverage(flagged, names)


@pytest.mark.usefixtures("books")
def test_deleverage__same_name_in_a_second_call__counts_anew(market: Kit) -> None:
    actors, house, keeper = market.actors, market.house, market.actors.keeper
    larger = actors.others[1]
    trade(market, actors.others[3], actors.others[4], 10 * COIN, GAP, (1_000 * U, 81 * U))
    market.set_price(70 * WAD)
    for trader in (actors.trader, actors.others[4]):
        house.flag(0, trader, sender=keeper)
    market.travel(GRACE)
    deleverage(market, [larger], actors.others[4])
    assert house.position(0, larger).size == -90 * COIN
    deleverage(market, [larger, actors.others[3]])
    assert house.position(0, larger).size == house.position(0, actors.others[3]).size == 0


@pytest.mark.usefixtures("books")
def test_deleverage__limit_spent__named_charged_before_they_are_closed(market: Kit) -> None:
    """M29, T14: 205 U over 300 coins; each party has paid its share of what came before, too."""
    actors, house = market.actors, market.house
    first, second = actors.counterparty, actors.others[0]
    market.fund.set_max_insurance(house, 0, 300 * U, sender=market.governance)
    house.flag(0, actors.trader, sender=actors.keeper)
    market.travel(GRACE)
    receipt = deleverage(market, [first, second])
    step = -(-205 * U * 10**36 // (300 * COIN))
    charges = [-(-60 * COIN * step // 10**36), -(-40 * COIN * step // 10**36)]
    assert charges == [41_000_001, 27_333_334]
    assert event(receipt, house, "ShortfallResolved")["socialised"] == 205 * U
    charged = events(receipt, house, "ChargeSettled")
    assert [(entry["trader"], entry["charge"]) for entry in charged] == [
        (address_of(first), charges[0]),
        (address_of(second), charges[1]),
    ]
    assert house.free(first) == FREE - 1_200_000 + 1_200 * U - charges[0]
    assert house.free(second) == FREE - 800_000 + 800 * U - charges[1]
    assert house.pending_charge(0, actors.others[1]) == -(-100 * COIN * step // 10**36)
    assert house.books(0).dust == sum(charges) - 205 * U


@pytest.mark.usefixtures("books")
def test_deleverage__pending_charges__settled_before_it(market: Kit) -> None:
    """M29: the charge of an earlier loss is paid first: it counts in the shortfall and isn't mixed with the new one."""
    actors, house = market.actors, market.house
    market.fund.set_max_insurance(house, 0, 0, sender=market.governance)
    trade(market, actors.others[3], actors.others[4], 10 * COIN, GAP, (1_000 * U, 81 * U))
    market.set_price(71 * WAD)  # the long of 10 coins lacks 9.4 U, the trader 1,405 U
    house.liquidate(0, actors.others[4], MAX_AMOUNT, 100 * U, sender=actors.liquidator)
    shortfall = -house.equity(0, actors.others[4])
    assert shortfall == 0
    charge = house.pending_charge(0, actors.trader)
    assert charge > 0
    house.flag(0, actors.trader, sender=actors.keeper)
    market.travel(GRACE)
    receipt = deleverage(market, [actors.others[1]])
    charged = events(receipt, house, "ChargeSettled")
    assert [entry["trader"] for entry in charged] == [actors.others[1].address] * 2
    assert event(receipt, house, "ShortfallResolved")["shortfall"] == 1_405 * U + charge


@pytest.mark.usefixtures("books")
def test_deleverage__named_flat_and_below_zero__resolved_too(market: Kit) -> None:
    """M29, T54: a charge greater than the equity of the charged is a shortfall in its turn, borne by who is left."""
    actors, house = market.actors, market.house
    first, second = actors.counterparty, actors.others[0]
    market.fund.set_max_insurance(house, 0, 0, sender=market.governance)
    market.set_price(50 * WAD)
    house.release_margin(0, 4_000 * U, sender=first)
    market.set_price(57 * WAD)
    assert house.equity(0, first) == 78_800_000
    house.flag(0, actors.trader, sender=actors.keeper)
    market.travel(GRACE)
    receipt = deleverage(market, [first, second])
    shortfall = 2_805 * U
    step = -(-shortfall * 10**36 // (300 * COIN))
    charge = -(-60 * COIN * step // 10**36)
    own = charge - 78_800_000
    resolved = events(receipt, house, "ShortfallResolved")
    assert [(entry["trader"], entry["shortfall"]) for entry in resolved] == [
        (actors.trader.address, shortfall),
        (address_of(first), own),
    ]
    assert resolved[1]["socialised"] == own
    assert house.books(0).loss_index == step + -(-own * 10**36 // (200 * COIN))
    assert tuple(house.position(0, first))[:2] == (0, 0)


@pytest.mark.usefixtures("books")
def test_deleverage__nobody_left__bad_debt(market: Kit) -> None:
    """M14, M29: with no open interest left to bear it the rest is bad debt, recorded at the fund."""
    actors, house, fund = market.actors, market.house, market.fund
    fund.set_max_insurance(house, 0, 0, sender=market.governance)
    market.set_price(100 * WAD)
    trade(market, actors.others[2], actors.others[1], 100 * COIN, PRICE)
    assert house.books(0).open_interest == 200 * COIN
    market.set_price(50 * WAD)
    house.release_margin(0, 4_000 * U, sender=actors.counterparty)
    market.set_price(57 * WAD)
    house.flag(0, actors.trader, sender=actors.keeper)
    market.travel(GRACE)
    receipt = deleverage(market, [actors.counterparty, actors.others[0]])
    charge = -(-60 * COIN * -(-2_805 * U * 10**36 // (100 * COIN)) // 10**36)
    owed = charge - 78_800_000
    last = events(receipt, house, "ShortfallResolved")[1]
    assert (last["trader"], last["covered"], last["socialised"], last["bad_debt"]) == (
        actors.counterparty.address,
        0,
        0,
        owed,
    )
    assert house.books(0).open_interest == 0
    assert fund.bad_debt(house, 0) == owed


# ------------------------------------------------------------------------ settle


@pytest.mark.usefixtures("books")
def test_settle__pending__charged(market: Kit) -> None:
    actors, house = market.actors, market.house
    market.fund.set_max_insurance(house, 0, 0, sender=market.governance)
    house.liquidate(0, actors.trader, MAX_AMOUNT, 2_000 * U, sender=actors.liquidator)
    step = -(-505 * U * 10**36 // (300 * COIN))
    short = actors.others[1]
    charge = -(-100 * COIN * step // 10**36)
    before = house.position(0, short).balance
    equity = house.equity(0, short)
    assert house.pending_charge(0, short) == charge == 168_333_334
    receipt = house.settle(0, short, sender=actors.outsider)
    assert event(receipt, house, "ChargeSettled") == {
        "market_id": 0,
        "trader": short.address,
        "charge": charge,
        "balance": before - charge,
        "dust": charge - 505 * U,
    }
    assert tuple(house.position(0, short)) == (-100 * COIN, before - charge, step, 0)
    assert house.equity(0, short) == equity
    assert house.pending_charge(0, short) == 0


@pytest.mark.usefixtures("books")
def test_settle__seven_long_four_short__charged_64_and_37(venue: Kit) -> None:
    """M29's example: R = 100 over 7 long and 4 short, dust 1."""
    house, governance, liquidator = venue.house, venue.governance, venue.actors.liquidator
    insolvent, long, short = venue.actors.others[3:6]
    unit = COIN // 10_000
    venue.fund.set_max_insurance(house, 1, 0, sender=governance)
    venue.registry.set_fees(1, 0, 0, 0, sender=governance)
    venue.registry.set_caps(1, COIN, COIN, 1, sender=governance)
    venue.set_price(PRICE, 1)
    trade(venue, short, long, 4 * unit, PRICE, (U, U), market_id=1)
    trade(venue, insolvent, long, 3 * unit, PRICE, (8_900, U), market_id=1)
    venue.set_price(130 * WAD, 1)
    assert house.equity(1, insolvent) == -100
    receipt = house.liquidate(1, insolvent, 3 * unit, U, sender=liquidator)
    assert event(receipt, house, "ShortfallResolved")["socialised"] == 100
    everyone = (insolvent, long, short, liquidator)
    assert [house.pending_charge(1, account) for account in everyone] == [0, 64, 37, 0]
    for account, dust in ((long, -36), (short, 1)):
        receipt = house.settle(1, account, sender=liquidator)
        assert event(receipt, house, "ChargeSettled")["dust"] == house.books(1).dust == dust


@pytest.mark.parametrize("market_id", [0, 9])
def test_settle__nothing_pending__nothing_happens(gap: Kit, market_id: int) -> None:
    receipt = gap.house.settle(market_id, gap.actors.trader, sender=gap.actors.outsider)
    assert receipt.events == []


# ----------------------------------------------------------------- in two calls


@pytest.fixture(scope="module")
def crowd(venue: Kit) -> tuple[Kit, list[str]]:
    """A long of 650 coins against 65 shorts of 10, who have no key: market 1 at 100 U, no insurance."""
    keeper, trader, house = venue.actors.keeper, venue.actors.trader, venue.house
    venue.impersonate(venue.gateway)
    small = [address_of("0x" + number.to_bytes(20, "big").hex()) for number in range(0x10001, 0x10042)]
    venue.fund.set_max_insurance(house, 1, 0, sender=venue.governance)
    venue.set_price(PRICE, 1)
    venue.provide(keeper, house, 65 * 200 * U)
    for account in small:
        fill = fill_of(account, trader, 10 * COIN, PRICE, (200 * U, 110 * U), market_id=1)
        send(house, keeper, venue.encode(house, "deposit", 200 * U, account))
        send(house, venue.gateway, venue.encode(house, "trade", fill))
    assert house.books(1).open_interest == 2 * 650 * COIN
    venue.set_price(88 * WAD, 1)
    return venue, small


def test_deleverage__65_small_ones__two_calls(crowd: tuple[Kit, list[str]]) -> None:
    """M28a, T16: 64 whole positions close their share; the rest stays flagged, uncharged, and goes in a second call."""
    venue, small = crowd
    trader, house, keeper = venue.actors.trader, venue.house, venue.actors.keeper
    equity = house.equity(1, trader)
    assert equity == 65 * (110 * U - 500_000) - 7_800 * U
    house.flag(1, trader, sender=keeper)
    venue.travel(GRACE)
    with reverts_with("house: not the whole size"):
        house.deleverage(1, trader, small[:63], sender=keeper)
    receipt = house.deleverage(1, trader, small[:64], sender=keeper)
    part = -(equity * 640 // 650)  # ceil of 64 / 65 of the shortfall
    resolved = event(receipt, house, "ShortfallResolved")
    assert (resolved["shortfall"], resolved["socialised"]) == (part, part)
    assert resolved["loss_index"] == -(-part * 10**36 // (650 * COIN))
    rest = house.position(1, trader)
    assert rest.size == 10 * COIN
    assert rest.balance == equity + part - 880 * U
    assert rest.index == house.books(1).loss_index
    assert rest.flagged_at > 0
    assert house.pending_charge(1, trader) == 0
    assert house.books(1).open_interest == 20 * COIN
    house.deleverage(1, trader, small[64:], sender=keeper)
    assert tuple(house.position(1, trader))[:2] == (0, 0)
    assert house.position(1, trader).flagged_at == 0
    last = house.books(1)
    assert (last.open_interest, last.pot, last.dust) == (0, 0, 0)
    assert venue.asset.balanceOf(house) >= last.fees + last.dust_fees
