"""A backstop and its underwriter, contracts and model, through thousands of moves (I6, I7, I11; M19 to M23, M37).

Deposits, requests on many days, cancels, claims, transfers, operators, revenue, slashes, pauses and time. 2,500 steps
as a rule, 50,000 with ``KANA_DEEP=1``; a failure is cut down to the moves that it needs and printed.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from kana_insurance.kit import DAY, U
from kana_insurance.model import Refused
from tests.stateful.chain import Chain
from tests.stateful.machine import edge, mostly, pick
from tests.stateful.moves import Moves, between, move, one_of
from tests.stateful.stakers import Stakers, deploy
from tests.stateful.twins import own_chain

DEEP = bool(os.environ.get("KANA_DEEP"))
HOUR = 3_600
SHARE = 10**12  # shares for one U at first
# What a run that means something has seen.
EVENTS = (
    *("Deposit", "RedeemRequest", "RequestCancelled", "Withdraw", "DayMatured", "Slashed", "RevenueAdded"),
    *("StreamSwitched", "ExitsHeld", "FundSet", "FundRemoved", "CooldownSet", "NoticeUsed"),
    *("(pool died)", "(earlier day)", "(claim behind pending)", "(at a lower rate)"),
)
staker = between(0, 5)


class Machine:
    """What stakers, funds and governance may do."""

    def __init__(self, side: Stakers) -> None:
        self.it = side
        self.announced: list[tuple[Any, ...]] = []

    def who(self, number: int) -> str:
        """A staker."""
        return pick(self.it.stakers, number)

    # ------------------------------------------------------------------ stakers

    @move(0, amount=between(1, 9))
    def begin(self, amount: int) -> None:
        """Money in."""
        for name in self.it.stakers[: amount % 4 + 1]:
            self.it.stake("deposit", name, amount * 3_000 * U + amount, name)

    @move(10, who=staker, other=staker, amount=one_of(0, 1, 7, U, 777 * U + 1, 5_000 * U, 20_000 * U, 2**96))
    def deposit(self, who: int, other: int, amount: int) -> None:
        """I11: what a deposit gives is worth no more."""
        receiver = self.who(other if amount % 2 else who)
        shares = self.it.stake("deposit", self.who(who), amount, receiver)
        if not isinstance(shares, Refused):
            assert self.it.vault.to_assets_down(shares) <= amount

    @move(4, who=staker, shares=one_of(0, 1, 999_999, SHARE + 1, 400 * SHARE, 3_000 * SHARE + 7, 2**136))
    def mint(self, who: int, shares: int) -> None:
        """I11: what a mint costs is no less than its worth."""
        assets = self.it.stake("mint", self.who(who), shares, self.who(who))
        if not isinstance(assets, Refused):
            assert self.it.vault.to_assets_down(shares) <= assets

    @move(3, who=staker, other=staker, part=between(0, 4), more=edge)
    def transfer(self, who: int, other: int, part: int, more: int) -> None:
        name = self.who(who)
        self.it.stake("transfer", name, self.who(other), max(self.it.vault.shares_of(name) * part // 4 + more, 0))

    @move(2, who=staker, other=staker, approved=mostly)
    def set_operator(self, who: int, other: int, approved: bool) -> None:
        self.it.stake("set_operator", self.who(who), self.who(other), approved)

    @move(
        16,
        who=staker,
        other=staker,
        caller=staker,
        own=one_of(True, True, True, True, False),
        share=one_of(1, 2, 3, 10, 10**6, 10**9, 10**13),
        more=edge,
    )
    def request(self, who: int, other: int, caller: int, own: bool, share: int, more: int) -> None:
        """Own shares mostly, or for another controller, or as an operator."""
        name = self.who(who)
        controller, sender = (name, name) if own else (self.who(other), self.who(caller))
        shares = max(self.it.vault.shares_of(name) // share + more, 0)
        self.it.stake("request_redeem", sender, shares, controller, name)

    @move(6, which=between(0, 40), caller=staker, own=mostly, off=one_of(0, 0, 0, 0, 1))
    def cancel(self, which: int, caller: int, own: bool, off: int) -> None:
        """One that is there, pending or not."""
        requests = list(self.it.vault.exits.requests)
        controller, day = pick(requests, which) if requests else (self.who(which), 20_900)
        self.it.stake("cancel_request", controller if own else self.who(caller), day + off, controller)

    @move(8, who=staker, caller=staker, own=mostly, share=one_of(1, 1, 1, 2, 3, 7), more=one_of(0, 0, 0, 0, 1, -1))
    def redeem(self, who: int, caller: int, own: bool, share: int, more: int) -> None:
        name = self.claimer(who)
        shares = max(self.it.vault.max_redeem(name) // share + more, 0)
        self.it.stake("redeem", name if own else self.who(caller), shares, self.who(who), name)

    @move(8, who=staker, caller=staker, own=mostly, share=one_of(1, 1, 2, 3, 7), more=one_of(0, 0, 0, 0, 1, -1))
    def withdraw(self, who: int, caller: int, own: bool, share: int, more: int) -> None:
        name = self.claimer(who)
        assets = max(self.it.vault.max_withdraw(name) // share + more, 0)
        self.it.stake("withdraw", name if own else self.who(caller), assets, self.who(who), name)

    def claimer(self, number: int) -> str:
        """Somebody with something to claim, if anybody has."""
        names = [name for name in self.it.stakers if self.it.vault.max_redeem(name)] or self.it.stakers
        return pick(names, number)

    @move(2, who=staker)
    def roll(self, who: int) -> None:
        self.it.stake("roll", self.who(who))

    @move(1, who=staker, amount=between(1, 10**10))
    def donate(self, who: int, amount: int) -> None:
        self.it.donate(self.who(who), amount)

    @move(2, amount=one_of(1, 3, 50, 10**6))
    def squeeze(self, amount: int) -> None:
        """A loss of units while next to nothing is pending."""
        self.it.stake("request_redeem", self.who(amount), 10**6 * (amount % 5), self.who(amount), self.who(amount))
        self.absorb(0, 0, amount)

    # ------------------------------------------------------------------ funds

    @move(7, fund=between(0, 2), kind=between(0, 29), amount=one_of(1, 17, 30 * U + 1, 400 * U, 2_900 * U))
    def absorb(self, fund: int, kind: int, amount: int) -> None:
        """A little, a lot, sometimes nearly everything."""
        names = [*self.it.funds, self.it.stakers[0]]
        asked = {8: self.it.vault.total_capacity() * 9 // 10, 9: 2**112, 10: self.it.vault.total_capacity() // 2}.get(
            kind, amount
        )
        self.it.draw("absorb", names[fund], asked)

    @move(6, fund=between(0, 1), amount=one_of(0, 1, 13, 7_777, 100 * U, 100 * U, 900 * U + 1))
    def add_revenue(self, fund: int, amount: int) -> None:
        self.it.draw("add_revenue", self.it.funds[fund], amount)

    @move(4, fund=between(0, 2), days=one_of(0, 0, 1, 3, 7, 30, -1))
    def hold(self, fund: int, days: int) -> None:
        """A pause begins, ends, or has ended some time ago, of which half a day is still held."""
        names = [*self.it.funds, self.it.stakers[0]]
        at = self.it.clock.now + (days * DAY if days >= 0 else -DAY // 2)
        self.it.draw("hold", names[fund], at)

    # ------------------------------------------------------------------ governance

    @move(4, fund=between(0, 1), limit=between(0, 9), cap=between(0, 4), length=between(0, 5), premium=between(0, 4))
    def set_fund(self, fund: int, limit: int, cap: int, length: int, premium: int) -> None:
        """Terms, by their notice where one is needed; announced first, one time of two."""
        terms = (limit * 12_000 * U, cap * 1_000 * U, (1 + length * 13) * HOUR, premium * 751)
        call = ("set_fund", self.it.funds[fund], *terms)
        if (limit + cap) % 2 and not isinstance(self.it.notice("announce", call), Refused):
            self.announced.append(call)
            return
        self.it.draw(call[0], self.it.governance, *call[1:])

    @move(4, which=between(0, 9), days=one_of(0, 1, 10, 17, 18, 34, 40), keep=mostly)
    def use_notice(self, which: int, days: int, keep: bool) -> None:
        """Make an announced call, after waiting; or withdraw its notice."""
        if not self.announced:
            return
        call = pick(self.announced, which)
        if not keep:
            self.it.notice("cancel_notice", call)
            return
        if days:
            self.it.wait(days * DAY)
        self.it.draw(call[0], self.it.governance, *call[1:])

    @move(1, fund=between(0, 1))
    def remove_fund(self, fund: int) -> None:
        self.it.draw("remove_fund", self.it.governance, self.it.funds[fund])

    @move(3, days=one_of(6, 7, 7, 8, 14, 20, 30, 31))
    def set_cooldown(self, days: int) -> None:
        self.it.draw("set_cooldown", self.it.governance, days)

    @move(3, days=one_of(0, 1, 7, 30), least=one_of(0, 1_000, 8_000, 20_000, 90_000))
    def set_stream(self, days: int, least: int) -> None:
        self.it.draw("set_stream", self.it.governance, days * DAY, least * U)

    # ------------------------------------------------------------------ time

    @move(10, seconds=one_of(1, HOUR, 5 * HOUR, DAY // 2, DAY, DAY - 1))
    def wait(self, seconds: int) -> None:
        self.it.wait(seconds)

    @move(3, days=between(2, 40))
    def wait_days(self, days: int) -> None:
        self.it.wait(days * DAY)

    @move(4, off=one_of(0, 0, -1, 1))
    def wait_for_maturity(self, off: int) -> None:
        """To the begin of the next day that something matures on."""
        due = self.it.vault.exits.due_day()
        days = [day for _, day in self.it.vault.exits.requests if day > due]
        if days:
            self.it.wait(max(min(days) * DAY + off - self.it.clock.now, 0))


MOVES = Moves(Machine)


def test_backstop_machine__random_moves__chain_and_model_agree(capsys: pytest.CaptureFixture[str]) -> None:
    steps, length = (50_000 if DEEP else 2_500), 150
    with own_chain():
        side = Stakers(deploy(), Chain())
        runs = MOVES.run(side, steps, length)
    with capsys.disabled():
        print(f"\n{side.steps:,} steps, {runs} runs, {side.refused:,} refused for {len(side.reasons)} reasons:")
        print("  " + ", ".join(f"{name} {times:,}" for name, times in side.events.most_common()))
    missing = [event for event in EVENTS if not side.events[event]]
    assert not missing, f"none of {missing} in {side.steps} steps"
