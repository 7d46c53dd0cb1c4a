"""Mergers of funds: the contracts beside the model, to the unit (M18)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from kana_insurance.backends import ZERO, decode_reason
from kana_insurance.kit import DAY, U, merger_call
from kana_insurance.model import Clock, FundModel, NoticeBoardModel, Refused, TokenLedger
from kana_insurance.model.units import MAX_AMOUNT

START = 1_800_000_000
CODE = {
    name: boa.load_partial(f"contracts/{name}.vy")
    for name in ("testing/KanaUSDT", "testing/BenchVenue", "Timelock", "NoticeBoard", "InsuranceFund")
}
NAMES = ("governance", "treasurer", "guardian", "deployer", "treasury")
KEYS = (("venue", 0), ("venue", 1), ("venue", 2))


class Merger:
    """Two funds of one board, "old" and "new", on chain and as models; the venue has three markets at the old one."""

    def __init__(self) -> None:
        boa.env.evm.patch.timestamp = START
        self.at = {name: boa.env.generate_address(name) for name in (*NAMES, "factory", "contributor")}
        deployer = self.at["deployer"]
        self.token, self.board = CODE["testing/KanaUSDT"].deploy(), CODE["NoticeBoard"].deploy()
        self.at["governance"] = CODE["Timelock"].deploy(2 * DAY, 2 * DAY, [deployer], [deployer]).address
        self.clock, self.tokens = Clock(START), TokenLedger()
        self.notices = NoticeBoardModel(self.clock)
        self.funds: dict[str, Any] = {}
        self.models: dict[str, FundModel] = {}
        for name, threshold in (("old", 10_000 * U), ("new", 100 * U)):
            roles = (self.board.address, self.at["factory"], *(self.at[role] for role in NAMES))
            self.funds[name] = CODE["InsuranceFund"].deploy(self.token.address, *roles, threshold, 3_000, 2_000)
            self.models[name] = FundModel(
                name, self.tokens, self.clock, treasury="treasury", threshold=threshold, notices=self.notices
            )
            self.at[name] = self.funds[name].address
        self.at["venue"] = CODE["testing/BenchVenue"].deploy(self.token.address, self.at["old"]).address
        for _, number in KEYS:
            self.do("old", "deployer", "register_market", "venue", number, number < 2)
            self.do("old", "deployer", "set_max_insurance", "venue", number, (number + 1) * 500 * U)
        for name in self.funds:
            self.do(name, "deployer", "finish_setup")
            for person in ("venue", "contributor"):
                self.token.faucet_to(self.at[person], 10_000 * U)
                self.token.approve(self.at[name], 10_000 * U, sender=self.at[person])
                self.tokens.mint(person, 10_000 * U)

    def _chain(self, value: Any) -> Any:
        return self.at.get(value, value) if isinstance(value, str) else value

    def do(self, fund: str, caller: str, function: str, *arguments: Any) -> str | None:
        """A call on both sides: both go through, or both are refused for the reason that is returned."""
        reason = None
        try:
            getattr(self.models[fund], function)(caller, *arguments)
        except Refused as refusal:
            reason = refusal.reason
        data = getattr(self.funds[fund], function).prepare_calldata(*map(self._chain, arguments))
        found, _ = self._send(fund, caller, data)
        assert found == reason
        self.check()
        return reason

    def _send(self, fund: str, caller: str, data: bytes) -> tuple[str | None, Any]:
        contract = self.funds[fund]
        computation = boa.env.execute_code(
            to_address=contract.address, sender=self.at[caller], data=data, is_modifying=True, contract=contract
        )
        return (decode_reason(bytes(computation.output)) if computation.is_error else None), computation

    def announce(self, fund: str, function: str, other: str) -> None:
        """Notice of one half, on both sides."""
        call = merger_call(function, self.at[other])
        self.board.announce(self.at[fund], call, sender=self.at["governance"])
        self.notices.announce("governance", self.models[fund], (function, other))
        assert tuple(self.board.notice(self.at[fund], call)) == self.notices.notice(
            self.models[fund], (function, other)
        )

    def merge(self, key: tuple[str, int] | None) -> str | None:
        """Both halves on both sides, all or nothing, as a factory does it."""
        venue, number = (self.at[key[0]], key[1]) if key else (ZERO, 0)
        reason = None
        before = {name: model.snapshot() for name, model in self.models.items()}
        others = [(part, part.snapshot()) for part in (self.tokens, self.notices)]
        try:
            moved = self.models["old"].hand_over("factory", "new", key)
            self.models["new"].adopt("factory", "old", moved)
        except Refused as refusal:
            reason = refusal.reason
            for name, model in self.models.items():
                model.restore(before[name])
            for part, saved in others:
                part.restore(saved)
        anchor = boa.env.evm.snapshot()
        old, new = self.funds["old"], self.funds["new"]
        found, answer = self._send("old", "factory", old.hand_over.prepare_calldata(new.address, venue, number))
        if found is None:
            handed = old.marshal_to_python(answer, old.hand_over.func_t.return_type)
            found, _ = self._send("new", "factory", new.adopt.prepare_calldata(old.address, tuple(handed)))
        if found is not None:
            boa.env.evm.revert(anchor)
        assert found == reason
        self.check()
        return reason

    def pass_time(self, seconds: int) -> None:
        """Let time pass on both sides."""
        self.clock.advance(seconds)
        boa.env.evm.patch.timestamp = self.clock.now

    def check(self) -> None:
        """Everything that both sides keep is the same; tokens and contributions add up (I1, I13)."""
        for name, fund in self.funds.items():
            model = self.models[name]
            assert (fund.reserve(), fund.total_contributions()) == (model.reserve, model.total_contributions)
            assert (fund.total_bad_debt(), fund.payouts_resume_at()) == (model.total_bad_debt, model.payouts_resume_at)
            assert (fund.excess(), fund.room()) == (model.excess(), model.room())
            assert fund.successor() == (self.at[model.successor] if model.successor else ZERO)
            assert fund.setup_finished() == (model.payouts_resume_at != 2**32 - 1)
            for person in ("old", "contributor"):
                assert fund.contributions(self.at[person]) == model.contributions[person]
            assert sum(model.contributions.values()) == model.total_contributions, "I13"
            for venue, number in KEYS:
                kept, market = model.markets.get((venue, number)), fund.market(self.at[venue], number)
                found = (market.is_perp, market.max_insurance, market.used, market.bad_debt)
                assert (market.registered, found) == (kept is not None, kept or (False, 0, 0, 0))
                assert fund.coverage(self.at[venue], number) == model.coverage(venue, number)
            assert self.token.balanceOf(self.at[name]) == self.tokens.balances[name] >= model.reserve, "I1"


@pytest.fixture
def merger() -> Iterator[Merger]:
    """Two funds that may be merged."""
    with boa.env.anchor():
        yield Merger()


def play(merger: Merger, reserve: int, shortfall: int, debt: int) -> None:
    """The venue costs the old fund something and is owed something."""
    if reserve:
        merger.do("old", "contributor", "contribute", reserve)
    merger.do("new", "contributor", "contribute", 50 * U)
    merger.do("old", "venue", "cover_shortfall", 0, shortfall)
    if debt:
        merger.do("old", "venue", "record_bad_debt", 1, debt)
    merger.announce("old", "hand_over", "new")
    merger.announce("new", "adopt", "old")
    merger.pass_time(2 * DAY)


@pytest.mark.parametrize("first", [None, 0, 1, 2])
@pytest.mark.parametrize(
    ("reserve", "shortfall", "debt"),
    [(0, 0, 0), (1, 1, 1), (300 * U, 120 * U, 0), (900 * U, 700 * U, 77), (5_000 * U, 0, 9_000 * U)],
)
def test_merge__markets_one_by_one__both_sides_agree(
    merger: Merger, first: int | None, reserve: int, shortfall: int, debt: int
) -> None:
    play(merger, reserve, shortfall, debt)
    before = {name: merger.tokens.balances[name] for name in ("old", "new")}
    assert merger.merge(None if first is None else ("venue", first)) is None
    after = {name: merger.tokens.balances[name] for name in ("old", "new")}
    assert after == {"old": 0, "new": sum(before.values())}
    moved = [number for _, number in KEYS if number == first]
    for key in KEYS:
        assert merger.merge(key) == ("fund: unknown market" if key[1] in moved else None)
    assert merger.models["old"].total_bad_debt == 0
    # It goes on at the successor as if nothing had been.
    merger.do("new", "venue", "settle_fees", 1, 10_000)
    merger.do("new", "venue", "cover_shortfall", 0, 5 * U)
    merger.do("new", "venue", "settle_liquidation", 2, 1_000)
    for function, *arguments in (("contribute", 1), ("skim", "contributor")):
        assert merger.do("old", "contributor", function, *arguments) == "fund: closed"
    assert merger.do("old", "venue", "record_bad_debt", 0, 1) == "fund: closed"


def test_merge__refused__leaves_both_as_they_were(merger: Merger) -> None:
    merger.do("old", "contributor", "contribute", U)
    assert merger.merge(None) == "fund: no notice"
    merger.announce("old", "hand_over", "new")
    merger.pass_time(2 * DAY)
    assert merger.merge(None) == "fund: no notice"
    merger.announce("new", "adopt", "old")
    assert merger.merge(None) == "fund: notice not mature"
    merger.pass_time(2 * DAY)
    merger.do("old", "guardian", "pause_payouts", DAY)
    assert merger.merge(None) == "fund: payouts paused"
    merger.pass_time(DAY)
    assert merger.merge(("venue", 9)) == "fund: unknown market"
    assert merger.merge(("venue", 0)) is None
    assert merger.merge(("venue", 0)) == "fund: unknown market"


def test_merge__bad_debt_beyond_112_bits__is_refused(merger: Merger) -> None:
    merger.do("new", "governance", "set_threshold", 200 * U)
    for number, amount in ((0, MAX_AMOUNT - 5), (1, 3)):
        merger.do("old", "venue", "record_bad_debt", number, amount)
    merger.announce("old", "hand_over", "new")
    merger.announce("new", "adopt", "old")
    merger.pass_time(2 * DAY)
    assert merger.merge(("venue", 0)) is None
    merger.do("new", "venue", "record_bad_debt", 0, 3)
    assert merger.merge(("venue", 1)) == "fund: amount too large"
    merger.do("new", "venue", "repay_bad_debt", 0, 1)
    assert merger.merge(("venue", 1)) is None
