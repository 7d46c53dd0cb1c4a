"""The venue through the real contracts, in one process: T01, M29's example, a deleverage in two calls, batches, pots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from kana_insurance.deployment import MarketConfig
from kana_insurance.kit import COIN, Kit, U
from kana_insurance.testing import boa_system, reverts_with

WAD = 10**18
WIDE = 10**30


@pytest.fixture(autouse=True)
def chain() -> Iterator[None]:
    with boa.env.anchor():
        yield


def market(**more: Any) -> MarketConfig:
    values: dict[str, Any] = {
        "name": "COIN / USD",
        "open_interest_cap": WIDE,
        "position_cap": WIDE,
        "taker_fee_bps": 5,
        "maker_fee_bps": 5,
        "max_insurance": 50_000 * U,
    }
    return MarketConfig(**{**values, **more})


def system(limit: int = 50_000 * U, reserve: int = 100_000 * U, **more: Any) -> Kit:
    kit = boa_system(markets=[market(max_insurance=limit, **more)])
    if reserve:
        kit.contribute(kit.actors.contributor, reserve)
    return kit


def check(kit: Kit, traders: list[Any], market_id: int = 0) -> None:
    """M26: sizes cancel, pot + bad debt = balances + dust, tokens = pots + free + fees."""
    books = kit.house.books(market_id)
    held = [kit.house.position(market_id, t) for t in traders]
    bad_debt = kit.fund.bad_debt(kit.house.address, market_id)
    assert sum(p.size for p in held) == 0
    assert sum(abs(p.size) for p in held) == books.open_interest
    assert books.pot + bad_debt == sum(p.balance for p in held) + books.dust
    free = sum(kit.house.free(t) for t in [*traders, kit.actors.fee_recipient])
    assert books.pot + books.fees + books.dust_fees + free == kit.asset.balanceOf(kit.house.address)


def gap(kit: Kit, price: int) -> None:
    kit.set_price(price)


def deleverage(kit: Kit, trader: Any, *others: Any, wait: int = 600) -> None:
    kit.house.flag(0, trader, sender=kit.actors.keeper)
    kit.travel(wait)
    kit.house.deleverage(0, trader, list(others), sender=kit.actors.keeper)


@pytest.mark.parametrize(
    ("limit", "paid", "gain"), [(50_000, 5_000, 4_900), (4_000, 4_000, 3_900), (0, 0, -100)]
)
def test_deleverage__two_keys_one_gap__figures_of_t01(limit: int, paid: int, gain: int) -> None:
    kit = system(limit * U)
    a, b = kit.actors.trader, kit.actors.counterparty
    kit.open_position(a, b, 1_000 * COIN, margin=10_050 * U)
    check(kit, [a, b])
    gap(kit, 85 * WAD)
    reserve = kit.fund.reserve()
    deleverage(kit, a, b)
    check(kit, [a, b])
    assert reserve - kit.fund.reserve() == paid * U
    assert kit.house.free(a) + kit.house.free(b) - 20_100 * U == gain * U
    kit.house.withdraw(kit.house.free(b), sender=b)
    check(kit, [a, b])


def test_deleverage__others_in_the_market__share_the_rest() -> None:
    kit = system(4_000 * U)
    a, b, c, d = kit.actors.trader, kit.actors.counterparty, *kit.actors.others[:2]
    kit.open_position(c, d, 1_000 * COIN, margin=50_000 * U)
    kit.open_position(a, b, 1_000 * COIN, margin=10_050 * U)
    gap(kit, 85 * WAD)
    deleverage(kit, a, b)
    assert kit.house.free(a) + kit.house.free(b) - 20_100 * U == 4_566_666_666
    for other in (c, d):
        assert kit.house.pending_charge(0, other) == 333_333_334
        kit.house.settle(0, other, sender=other)
    check(kit, [a, b, c, d])
    assert kit.house.books(0).dust == 2


def test_liquidate__steps_of_five_percent__pair_loses_175() -> None:
    kit = system(50_000 * U, reserve=1_000_000 * U)
    a, b, liquidator = kit.actors.trader, kit.actors.counterparty, kit.actors.liquidator
    kit.open_position(a, b, 1_000 * COIN, margin=10_050 * U)
    kit.deposit(liquidator, 100_000 * U)
    gap(kit, 95 * WAD)
    assert kit.house.equity(0, a) == 5_000 * U
    gap(kit, 90_250_000_000_000_000_000)
    assert kit.house.equity(0, a) == 250 * U
    kit.house.liquidate(0, a, 1_000 * COIN, 20_000 * U, sender=liquidator)
    print("gas", kit.house._computation.get_gas_used())
    check(kit, [a, b, liquidator])
    assert kit.house.free(a) == 175 * U
    assert kit.house.equity(0, b) == 19_750 * U
    assert kit.house.free(a) + kit.house.equity(0, b) - 20_100 * U == -175 * U


def test_liquidate__seven_long_four_short__charged_64_and_37() -> None:
    """M29's example: R = 100 over 7 long and 4 short, dust 1."""
    kit = system(0, reserve=0, min_notional=1, taker_fee_bps=0, maker_fee_bps=0)
    insolvent, long, short, liquidator = *kit.actors.others[:3], kit.actors.liquidator
    unit = 10**14
    kit.open_position(long, short, 4 * unit, margin=U)
    kit.open_position(long, insolvent, 3 * unit, margin=(U, 8_900))
    kit.deposit(liquidator, U)
    gap(kit, 130 * WAD)
    assert kit.house.equity(0, insolvent) == -100
    kit.house.liquidate(0, insolvent, 3 * unit, U, sender=liquidator)
    everyone = [insolvent, long, short, liquidator]
    assert [kit.house.pending_charge(0, t) for t in everyone] == [0, 64, 37, 0]
    check(kit, everyone)
    assert kit.house.books(0).dust == -100
    kit.house.settle(0, long, sender=short)
    kit.house.settle(0, short, sender=short)
    check(kit, everyone)
    assert kit.house.books(0).dust == 1


def test_deleverage__65_small_ones__two_calls() -> None:
    kit = system(0, reserve=0, taker_fee_bps=0, maker_fee_bps=0)
    a = kit.actors.trader
    small = [boa.env.generate_address(f"small {i}") for i in range(65)]
    house, gateway = kit.house, kit.gateway.address
    kit.mint(a, 10_000 * U)
    kit.asset.approve(house.address, 10_000 * U, sender=a)
    kit.house.deposit(10_000 * U, sender=a)
    for other in small:
        kit.mint(other, 1_000 * U)
        kit.asset.approve(house.address, 1_000 * U, sender=other)
        house.deposit(1_000 * U, sender=other)
        house.trade((0, other, a, 10 * COIN, 100 * WAD, 1_000 * U, 10_000 * U // 65, False, False), sender=gateway)
    check(kit, [a, *small])
    gap(kit, 80 * WAD)
    equity = house.equity(0, a)
    print(equity)
    house.flag(0, a, sender=a)
    kit.travel(600)
    with reverts_with("house: not the whole size"):
        house.deleverage(0, a, small[:63], sender=a)
    with reverts_with("house: duplicate counterparty"):
        house.deleverage(0, a, [*small[:3], small[1]], sender=a)
    with reverts_with("house: not opposite side"):
        house.deleverage(0, a, [*small[:3], a], sender=a)
    house.deleverage(0, a, small[:64], sender=a)
    print("deleverage 64", house._computation.get_gas_used())
    check(kit, [a, *small])
    rest = house.position(0, a)
    assert rest.size == 10 * COIN
    assert rest.flagged_at > 0
    assert house.equity(0, a) in (equity // 65, equity // 65 + 1)
    house.deleverage(0, a, small[64:], sender=a)
    check(kit, [a, *small])
    assert house.position(0, a)[:2] == (0, 0)
    books = house.books(0)
    assert (books.open_interest, books.pot) == (0, 0)
    assert books.dust == 0


def books_of(kit: Kit, traders: list[Any]) -> list[Any]:
    return [
        kit.house.books(0),
        *[kit.house.position(0, t) for t in traders],
        *[kit.house.free(t) for t in traders],
        kit.fund.reserve(),
        kit.fund.market(kit.house.address, 0),
    ]


def test_liquidate_batch__solvent_and_insolvent__as_the_singles() -> None:
    kit = system(1_000 * U, reserve=900_000 * U)
    b, liquidator = kit.actors.counterparty, kit.actors.liquidator
    longs = kit.actors.others[:6]
    for number, trader in enumerate(longs):
        kit.open_position(trader, b, 100 * COIN, margin=(1_010 * U + number * 60 * U, 9_000 * U))
    kit.deposit(liquidator, 100_000 * U)
    gap(kit, 88 * WAD)
    everyone = [b, liquidator, *longs]
    print([kit.house.equity(0, t) for t in longs])
    order = [longs[5], longs[0], longs[3], longs[1], longs[5], longs[4], longs[2]]
    sizes = [60 * COIN] + [100 * COIN] * 6
    singles = []
    with boa.env.anchor():
        for number, (trader, size) in enumerate(zip(order, sizes, strict=True)):
            kit.house.liquidate(0, trader, size, 30_000 * U if number == 0 else 0, sender=liquidator)
            singles.append(kit.house._computation.get_gas_used())
            check(kit, everyone)
        one = books_of(kit, everyone)
    kit.house.liquidate_batch(0, list(zip(order, sizes, strict=True)), 30_000 * U, sender=liquidator)
    print("batch", kit.house._computation.get_gas_used(), "singles", singles)
    assert books_of(kit, everyone) == one
    check(kit, everyone)


def test_trade__winner_leaves_before_the_charge__pot_is_the_bound() -> None:
    """T14: 100 to 70, limit 0; b closes against c and withdraws all it can."""
    kit = system(0, reserve=100_000 * U)
    a, b, c, d, e = kit.actors.trader, kit.actors.counterparty, *kit.actors.others[:3]
    kit.open_position(a, b, 1_000 * COIN, margin=10_050 * U)
    gap(kit, 70 * WAD)
    kit.deposit(d, 5_000 * U)
    kit.open_position(b, c, 1_000 * COIN, margin=(0, 10_000 * U))
    everyone = [a, b, c, d, e]
    check(kit, everyone)
    books = kit.house.books(0)
    assert books.pot == 0
    claim = kit.house.position(0, b)
    assert claim.size == 0
    assert claim.balance > 0
    kit.house.withdraw(kit.house.free(b), sender=b)
    with reverts_with("house: pot exhausted"):
        kit.house.release_margin(0, 1, sender=b)
    with reverts_with("house: above claim"):
        kit.house.release_margin(0, claim.balance + 1, sender=b)
    assert kit.house.free(d) == 5_000 * U
    kit.house.withdraw(5_000 * U, sender=d)
    deleverage(kit, a, c)
    check(kit, everyone)
    print(kit.house.books(0), kit.fund.bad_debt(kit.house.address, 0))
    owed = kit.fund.bad_debt(kit.house.address, 0)
    if owed:
        kit.provide(e, kit.house, owed)
        kit.house.repay_bad_debt(0, owed, sender=e)
        check(kit, everyone)
    kit.house.release_margin(0, kit.house.position(0, b).balance, sender=b)
    check(kit, everyone)
    print(kit.house.books(0))


@pytest.mark.parametrize("amount", [1])
def test_collect_fees__after_trades__shared(amount: int) -> None:
    kit = system()
    a, b = kit.actors.trader, kit.actors.counterparty
    kit.open_position(a, b, 3 * COIN + amount, margin=1_000 * U)
    fees = kit.house.books(0).fees
    kit.house.collect_fees(0, sender=a)
    assert kit.house.free(kit.actors.fee_recipient) == fees * 5_000 // 10_000
    check(kit, [a, b])

