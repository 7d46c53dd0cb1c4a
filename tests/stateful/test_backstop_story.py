"""One of everything that can happen to stakers, in an order that tells the rules apart: contracts beside the model.

Short, for planted faults; the random moves are in ``test_backstop_machine``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kana_insurance.kit import DAY, U
from kana_insurance.model import Refused
from tests.stateful.chain import Chain
from tests.stateful.stakers import Stakers, deploy
from tests.stateful.twins import own_chain

SHARE = 10**12
HOUR = 3_600


@pytest.fixture
def it() -> Iterator[Stakers]:
    """Both sides, at the beginning."""
    with own_chain():
        side = Stakers(deploy(), Chain())
        with side.played():
            yield side


def test_story__exits_and_losses__agree(it: Stakers) -> None:
    one, two, three = it.stakers[:3]
    fund, other = it.funds
    it.stake("deposit", one, 9_000 * U + 1, one)
    it.stake("deposit", two, 7_000 * U + 5, two)
    it.draw("add_revenue", fund, 700 * U + 3)
    it.wait(DAY + 7)
    it.stake("mint", three, 1_234 * SHARE + 567, three)
    first = it.stake("request_redeem", one, 2_000 * SHARE + 11, one, one)
    it.draw("absorb", fund, 650 * U)
    it.stake("request_redeem", two, 1_500 * SHARE + 3, two, two)
    assert it.draw("absorb", other, 4_000 * U) == 3_000 * U
    it.draw("absorb", fund, 999_983)
    it.stake("request_redeem", one, 700 * SHARE + 29, one, one)
    it.wait(DAY)
    it.draw("set_cooldown", it.governance, 8)
    early = it.stake("request_redeem", two, 333 * SHARE + 1, one, two)
    assert isinstance(it.stake("request_redeem", two, 333 * SHARE + 1, two, one), Refused)
    it.draw("set_cooldown", it.governance, 20)
    late = it.stake("request_redeem", one, 31 * SHARE + 77, one, one)
    assert [late, first, early] == it.vault.exits.request_days(one)
    it.wait(early * DAY - it.clock.now)
    it.stake("withdraw", one, 100 * U + 1, three, one)
    it.stake("redeem", one, 99 * SHARE + 7, one, one)
    it.draw("absorb", fund, 50 * U + 1)
    it.stake("cancel_request", one, first, one)
    it.draw("add_revenue", other, 77 * U)
    it.wait(HOUR)
    it.draw("add_revenue", fund, 33 * U)
    it.stake("request_redeem", one, 2 * SHARE, one, one)
    it.wait(5 * DAY)
    it.stake("roll", three)
    it.stake("redeem", two, it.vault.max_redeem(two), two, two)
    it.wait(40 * DAY)
    it.stake("withdraw", one, it.vault.max_withdraw(one), one, one)
    assert it.vault.exits.requests == {}
    assert it.vault.exits.assets == 0


def test_story__pool_dies__agree(it: Stakers) -> None:
    one, two = it.stakers[:2]
    it.stake("deposit", one, 5_000 * U, one)
    it.stake("deposit", two, 5_000 * U, two)
    day = it.stake("request_redeem", one, 2 * 10**6, one, one)
    it.draw("absorb", it.funds[0], 4_000 * U)
    assert it.vault.exits.epoch == 0
    it.draw("absorb", it.funds[0], 1)
    assert it.vault.exits.epoch == 1
    assert isinstance(it.stake("cancel_request", one, day, one), Refused)
    assert it.stake("request_redeem", one, 10 * SHARE, one, one) == day
    it.stake("request_redeem", two, 10 * SHARE, two, two)
    it.stake("request_redeem", two, 10**6 + 3, one, two)
    it.draw("absorb", it.funds[0], 7 * U)
    it.wait(15 * DAY)
    it.stake("redeem", one, it.vault.max_redeem(one) - 1, one, one)
    it.stake("redeem", one, 1, one, one)
    it.stake("withdraw", two, it.vault.max_withdraw(two), two, two)


def test_story__stream_stops_and_starts__agree(it: Stakers) -> None:
    one, two = it.stakers[:2]
    it.stake("deposit", one, 999 * U, one)
    assert isinstance(it.draw("add_revenue", it.funds[0], U), Refused)
    it.stake("deposit", two, 2 * U, two)
    it.draw("add_revenue", it.funds[0], 70 * U)
    it.wait(DAY)
    it.stake("request_redeem", one, 500 * SHARE, one, one)
    assert not it.state["stream"]["running"]
    it.wait(9 * DAY)
    it.draw("absorb", it.funds[0], 5 * U)
    it.stake("deposit", two, 800 * U, two)
    it.wait(DAY)
    it.draw("absorb", it.funds[0], 5 * U)
    it.wait(20 * DAY)
    assert it.state["stream"]["unvested"] == 0


def test_story__holds__agree(it: Stakers) -> None:
    one = it.stakers[0]
    fund, other = it.funds
    it.stake("deposit", one, 9_000 * U, one)
    for _ in range(4):
        it.stake("request_redeem", one, 500 * SHARE, one, one)
        it.wait(DAY)
    first = it.vault.exits.request_days(one)[-1]
    it.wait(first * DAY + HOUR - it.clock.now)
    it.draw("hold", fund, it.clock.now + DAY)
    it.wait(DAY)
    it.draw("absorb", fund, 900 * U)
    it.draw("hold", other, it.clock.now + 7 * DAY)
    it.draw("hold", fund, it.clock.now)
    assert it.layer.held_until == it.layer.hold_began + 8 * DAY
    it.draw("hold", other, it.clock.now)
    it.stake("redeem", one, it.vault.max_redeem(one), one, one)
    it.wait(DAY - 1)
    assert it.vault.max_redeem(one) == 0
    it.wait(1)
    assert it.vault.max_redeem(one) == 1_000 * SHARE
    it.draw("hold", other, it.clock.now + 7 * DAY)
    assert it.layer.hold_began == it.clock.now + 6 * DAY
    it.wait(4 * DAY)
    it.draw("absorb", fund, 900 * U)
    it.wait(3 * DAY)
    it.stake("request_redeem", one, 5 * SHARE, one, one)
    it.draw("hold", fund, it.clock.now + 30 * DAY)
    it.draw("remove_fund", it.governance, other)
    it.draw("hold", fund, it.clock.now)
    it.wait(20 * DAY)
    it.stake("withdraw", one, it.vault.max_withdraw(one), one, one)


def test_story__terms_and_notices__agree(it: Stakers) -> None:
    it.stake("deposit", it.stakers[0], 90_000 * U, it.stakers[0])
    fund, other = it.funds
    call = ("set_fund", other, 21_000 * U, 0, DAY, 2_000)
    assert isinstance(it.draw(call[0], it.governance, *call[1:]), Refused)
    it.notice("announce", call)
    it.draw("set_cooldown", it.governance, 16)
    it.draw("set_cooldown", it.governance, 7)
    it.draw("hold", fund, it.clock.now)
    it.wait(19 * DAY)
    assert isinstance(it.draw(call[0], it.governance, *call[1:]), Refused)
    it.wait(DAY)
    it.draw(call[0], it.governance, *call[1:])
    assert it.draw("absorb", other, 30_000 * U) == 21_000 * U
    it.draw("set_fund", it.governance, fund, 10_000 * U, 1_000 * U, 2 * DAY, 0)
    assert it.draw("absorb", fund, 600 * U) == 600 * U
    it.wait(DAY // 3)
    assert it.draw("absorb", fund, 30_000 * U) == 400 * U + 1_000 * U // 6
    it.draw("remove_fund", it.governance, fund)
    assert it.draw("absorb", fund, U) == 0
