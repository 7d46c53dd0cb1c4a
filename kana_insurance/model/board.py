"""The board that keeps the notices of funds (M9).

A call is known by the name of its function and its arguments; ``hand_over`` and ``adopt`` by the other fund alone
(M18). Who may call what is a matter of the contract's access table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kana_insurance.model.clock import DAY, Clock
from kana_insurance.model.errors import require
from kana_insurance.model.layers import Pair
from kana_insurance.model.state import Account, Log, Stateful, atomic

if TYPE_CHECKING:
    from kana_insurance.model.fund_state import FundState

BEFORE_SETUP = 2**32 - 1  # `payouts_resume_at` until `finish_setup`
HOLD_AFTER = DAY  # a hold goes on after the pause that began it (M37)
LAPSE = 7 * DAY  # from maturity of a notice (M9)

Call = tuple[Any, ...]  # name of a function and its arguments, for a notice


class Notice(NamedTuple):
    """When notice of a call was given: by the chain, by the fund's clock, by the exit clocks that it concerns (M9)."""

    at: int
    clock: int
    exits: tuple[int, int]


class Hold(NamedTuple):
    """The last hold of a fund's clock, and the seconds that earlier ones took (M37)."""

    before: int = 0
    began: int = 0  # 0: there was none
    resume_at: int = 0


class NoticeBoardModel(Stateful):
    """One board for all funds."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.log = Log()
        self.given: dict[tuple[Account, Call], Notice] = {}
        self.holds: dict[Account, Hold] = {}
        self.joined_at: dict[Account, int] = {}

    # ------------------------------------------------------------------ governance

    @atomic
    def announce(self, caller: Account, fund: FundState, call: Call) -> None:  # noqa: ARG002 - its governance
        """Give notice of a later call to a fund that lets more be drawn; not at the time of a join (M9)."""
        require(fund.notices is self, "notices: another board")
        require(fund.payouts_resume_at != BEFORE_SETUP, "notices: setup not finished")
        require(not self._is_given(fund, call) or self._is_lapsed(fund, call), "notices: notice running")
        require(self.clock.now > self.joined_at.get(fund.address, 0), "notices: layer joined just now")
        concerned = self._concerned(fund, call)
        readings = fund.layers.readings(concerned)
        self.given[fund.address, call] = Notice(self.clock.now, self.reading(fund.address), readings)
        length = fund.layers.notice_length(concerned, self.clock.now)
        self.log("NoticeGiven", fund=fund.address, call=call, notice_seconds=length)

    @atomic
    def cancel(self, caller: Account, fund: FundState, call: Call) -> None:  # noqa: ARG002 - its governance
        """Withdraw a notice (M9)."""
        require(self._is_given(fund, call), "notices: no notice")
        del self.given[fund.address, call]
        self.log("NoticeCancelled", fund=fund.address, call=call)

    # ------------------------------------------------------------------ funds

    def use(self, fund: FundState, call: Call) -> None:
        """Consume the notice of this very call; one that lets a layer join voids the others (M9)."""
        require(self._is_given(fund, call), "fund: no notice")
        passed, length = self.notice(fund, call)
        require(passed >= length, "fund: notice not mature")
        require(passed < length + LAPSE, "fund: notice lapsed")
        del self.given[fund.address, call]
        self.log("NoticeUsed", fund=fund.address, call=call)
        if call[0] == "set_layers":
            self.joined_at[fund.address] = self.clock.now
            self.log("NoticesVoided", fund=fund.address)

    def hold(self, fund: Account, resume_at: int) -> None:
        """Let a fund's clock stand still until a day after its payouts resume (M37)."""
        hold = self.holds.get(fund, Hold())
        if self.clock.now >= hold.resume_at:
            last = min(self.clock.now, hold.resume_at + HOLD_AFTER) - hold.began if hold.began > 0 else 0
            hold = Hold(hold.before + last, self.clock.now)
        self.holds[fund] = hold._replace(resume_at=resume_at)
        self.log("NoticesHeld", fund=fund, resume_at=resume_at)

    # ------------------------------------------------------------------ views

    def notice(self, fund: FundState, call: Call) -> tuple[int, int]:
        """How far a notice has come and how long it is, seconds; zeros without one (M9).

        It stands still while the fund's payouts are paused and a day longer, and while exits of a layer are held.
        """
        if not self._is_given(fund, call):
            return 0, 0
        given, concerned = self.given[fund.address, call], self._concerned(fund, call)
        passed = self.reading(fund.address) - given.clock
        for layer, reading in zip(concerned, given.exits, strict=True):
            if layer is not None:
                passed = min(passed, layer.exit_clock() - reading)
        return passed, fund.layers.notice_length(concerned, given.at)

    def reading(self, fund: Account) -> int:
        """Time as a fund's notices count it: it stands still from a pause until one day after its end (M9, M37)."""
        hold = self.holds.get(fund, Hold())
        holding = min(self.clock.now, hold.resume_at + HOLD_AFTER) - hold.began if hold.began > 0 else 0
        return self.clock.now - hold.before - holding

    # ------------------------------------------------------------------ internals

    @staticmethod
    def _concerned(fund: FundState, call: Call) -> Pair:
        """The layers whose stakers a call concerns: the present ones, of new layers these (M9)."""
        return (call[1], call[2]) if call[0] == "set_layers" else fund.layers.pair

    def _is_given(self, fund: FundState, call: Call) -> bool:
        """Whether there is a notice; a layer that joins voids those before, which its stakers couldn't leave on."""
        given = self.given.get((fund.address, call))
        return given is not None and given.at > self.joined_at.get(fund.address, 0)

    def _is_lapsed(self, fund: FundState, call: Call) -> bool:
        """Whether the notice of a call is over unused (M9)."""
        passed, length = self.notice(fund, call)
        return passed >= length + LAPSE
