"""Roundings of the model, each against a figure worked out by hand."""

from __future__ import annotations

import pytest

from kana_insurance.model import Refused, TokenLedger, units
from kana_insurance.model.state import Log, Stateful, atomic

Q = units.quote_scale(6)
COIN = 10**18


def test_quote_scale__decimals__leaves_amounts_of_the_asset() -> None:
    assert Q == 10**30
    assert units.quote_scale(18) == 10**18


def test_notional__half_a_coin_at_three__rounds_down() -> None:
    # 0.5 coin * 3.000001 U = 1.5000005 U = 1,500,000.5 units
    assert units.notional_down(COIN // 2, 3_000_001 * 10**12, Q) == 1_500_000
    assert units.notional_down(-COIN // 2, 3_000_001 * 10**12, Q) == 1_500_000


def test_value__long_and_short_of_half_a_unit__goes_toward_minus_infinity() -> None:
    assert units.value_down(COIN // 2, 3_000_001 * 10**12, Q) == 1_500_000
    assert units.value_down(-COIN // 2, 3_000_001 * 10**12, Q) == -1_500_001


def test_cost__half_a_unit__is_against_the_taker() -> None:
    assert units.cost_up(COIN // 2, 3_000_001 * 10**12, Q) == 1_500_001  # buys: pays more
    assert units.cost_up(-COIN // 2, 3_000_001 * 10**12, Q) == -1_500_000  # sells: receives less


def test_margin__full_product__rounds_up_once() -> None:
    # 1 coin at 0.000003 U (3 units of notional), 1 bps = 0.0003 units
    assert units.margin_up(COIN, 3 * 10**12, 1, Q) == 1
    assert units.margin_up(COIN, 3 * 10**12, 10_000, Q) == 3
    # 1.9999 units of notional at 50 % is 0.99995 of a unit: the notional must not be rounded first
    assert units.margin_up(19_999 * 10**14, 10**12, 5_000, Q) == 1
    assert units.margin_up(20_001 * 10**14, 10**12, 5_000, Q) == 2


@pytest.mark.parametrize(("held", "charge"), [(7, 64), (4, 37), (-4, 37)])
def test_charge__m29_example__64_and_37(held: int, charge: int) -> None:
    step = units.index_step_up(100, 11)
    assert step == 9090909090909090909090909090909090910  # 100 * 10**36 / 11, rounded up
    assert units.charge_up(held, step) == charge


def test_share__third_of_a_shortfall_of_ten__is_four() -> None:
    assert units.share_up(10, 1, 3) == 4
    assert units.share_up(10, 3, 3) == 10


def test_carried__three_moves__sum_to_the_whole_value() -> None:
    # 10 wei of base at 0.37 units each: floors 3, 2 (of 7: 2.59), 1 (of 3: 1.11), 0
    mark = 37 * 10**28
    assert [units.carried(a, b, mark, Q) for a, b in ((10, 7), (7, 3), (3, 0))] == [1, 1, 1]
    assert units.value_down(10, mark, Q) == 3


def test_piece__third_of_a_hundred__rounds_down() -> None:
    assert units.piece_down(100, 1, 3) == 33


class Box(Stateful):
    """Something to refuse from."""

    def __init__(self) -> None:
        self.log = Log()
        self.held: dict[str, int] = {"a": 1}
        self.total = 1

    @atomic
    def put(self, amount: int) -> None:
        """Change everything, then refuse."""
        self.held["b"] = amount
        self.total += amount
        self.log("Put", amount=amount)
        if amount > 1:
            raise Refused("box: full")


def test_atomic__refused_call__leaves_no_trace() -> None:
    box = Box()
    box.put(1)
    with pytest.raises(Refused, match=r"^box: full$"):
        box.put(2)
    assert (box.held, box.total, len(box.log)) == ({"a": 1, "b": 1}, 2, 1)


def test_transfer__more_than_held__refused_as_the_token_does() -> None:
    token = TokenLedger()
    token.mint("a", 5)
    with pytest.raises(Refused, match=r"^erc20: transfer amount exceeds balance$"):
        token.transfer("a", "b", 6)
    token.transfer("a", "b", 5)
    assert token.balances == {"a": 0, "b": 5}
