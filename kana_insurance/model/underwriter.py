"""The underwriter of a backstop: what funds may draw, pay and hold, and the notices of it (M9, M23, M37).

For a fund it is a layer. Roles are not modelled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kana_insurance.model.backstop import BackstopModel
from kana_insurance.model.clock import DAY, HOUR, Clock
from kana_insurance.model.errors import require
from kana_insurance.model.formulas import leaked
from kana_insurance.model.state import Account, Log, Stateful, atomic
from kana_insurance.model.units import MAX_AMOUNT

MIN_WINDOW, MAX_WINDOW = HOUR, 30 * DAY
MAX_PREMIUM = 3_000
MAX_FUNDS = 16
MAX_PAUSE, AFTER_PAUSE = 7 * DAY, DAY  # of a fund; a hold outlasts it by so much (M37)
MAX_HOLD, MIN_REST = 8 * DAY, 6 * DAY  # so at most 8 days in any 14 are held (M37)
AFTER_COOLDOWN = 3 * DAY  # of a notice (M9)
LAPSE = 7 * DAY  # from maturity of a notice (M9)

Call = tuple[Any, ...]  # name of a function and its arguments


class Terms(NamedTuple):
    """What a fund may draw and pays for it (M23)."""

    registered: bool = False
    limit: int = 0
    used: int = 0
    window_cap: int = 0
    window_length: int = 0
    window_spent: int = 0
    window_last: int = 0
    premium_bps: int = 0


class UnderwriterModel(Stateful):
    """An underwriter at ``address``."""

    def __init__(self, address: Account, backstop: BackstopModel, clock: Clock) -> None:
        self.address = address
        self.backstop = backstop
        self.clock = clock
        self.log = Log()
        self.terms: dict[Account, Terms] = {}
        self.funds: tuple[Account, ...] = ()
        self.wants: dict[Account, int] = {}  # until when a fund wants exits held
        self.held_until = self.hold_began = 0
        self.held = 0  # seconds that all holds but the last took
        self.last_in_force: dict[int, int] = {}  # when a cooldown of so many days was last in force
        self.notices: dict[Call, tuple[int, int]] = {}  # chain time and clock at which each was given

    def _touched(self) -> tuple[Stateful, ...]:
        return self, *self.backstop._touched()

    # ------------------------------------------------------------------ funds

    @atomic
    def absorb(self, caller: Account, amount: int) -> int:
        """Pay the calling fund what limit, window and the backstop's means let it draw (M21, M23)."""
        terms = self.terms.get(caller, Terms())
        allowed = min(self._allowed(terms), amount)
        if allowed == 0:
            return 0
        paid = self.backstop.slash(allowed, caller)
        if paid > 0 and terms.window_cap > 0:
            terms = terms._replace(window_spent=self._level(terms) + paid, window_last=self.clock.now)
        self.terms[caller] = terms._replace(used=terms.used + paid)
        return paid

    @atomic
    def add_revenue(self, caller: Account, amount: int) -> None:
        """Pass revenue of the calling fund on to the stakers (M22)."""
        require(self.terms.get(caller, Terms()).registered, "layer: unknown fund")
        require(amount > 0, "layer: zero amount")
        self.backstop.book_revenue(amount)
        self.backstop.token.transfer(caller, self.backstop.address, amount)
        self.log("RevenuePassed", fund=caller, amount=amount)

    @atomic
    def hold(self, caller: Account, resume_at: int) -> None:
        """Hold exits until a day after the calling fund's payouts resume, or move the end of a hold (M37)."""
        if not self.terms.get(caller, Terms()).registered:
            return
        now = self.clock.now
        self.wants[caller] = max(now, min(resume_at, now + MAX_PAUSE) + AFTER_PAUSE)
        want = max(self.wants.get(fund, 0) for fund in self.funds)
        if now >= self.held_until:
            began = max(now, self.held_until + MIN_REST) if self.held_until > 0 else now
            if want <= began:
                return
            if self.hold_began > 0:
                self.held += self.held_until - self.hold_began
            self.hold_began = began
        self.held_until = max(min(want, self.hold_began + MAX_HOLD), self.hold_began)
        self.log("ExitsHeld", fund=caller, began=self.hold_began, until=self.held_until)
        self.backstop.hold(self.hold_began, self.held_until)

    # ------------------------------------------------------------------ governance

    @atomic
    def finish_setup(self, caller: Account) -> None:  # noqa: ARG002 - the deployer
        """Open the backstop for money (M9)."""
        require(not self.backstop.opened, "layer: setup finished")
        self.backstop.open()
        self.log("SetupFinished")

    @atomic
    def announce(self, caller: Account, call: Call) -> None:  # noqa: ARG002 - governance
        """Give notice of a later ``set_fund`` that lets more be drawn (M9)."""
        require(self.backstop.opened, "layer: setup not finished")
        require(call[0] == "set_fund", "layer: no notice needed")
        require(call not in self.notices or self._is_lapsed(call), "layer: notice running")
        self.notices[call] = (self.clock.now, self.exit_clock())
        self.log("NoticeGiven", call=call, notice_seconds=self._notice_seconds(call))

    @atomic
    def cancel_notice(self, caller: Account, call: Call) -> None:  # noqa: ARG002 - governance
        """Withdraw a notice (M9)."""
        require(call in self.notices, "layer: no notice")
        del self.notices[call]
        self.log("NoticeCancelled", call=call)

    @atomic
    def set_fund(
        self,
        caller: Account,  # noqa: ARG002 - governance
        fund: Account,
        limit: int,
        window_cap: int,
        window_length: int,
        premium_bps: int,
    ) -> None:
        """Register a fund, or set what it may draw and pays; more needs notice (M9, M23)."""
        require(limit <= MAX_AMOUNT and window_cap <= MAX_AMOUNT, "layer: amount too large")
        require(MIN_WINDOW <= window_length <= MAX_WINDOW, "layer: window out of bounds")
        require(premium_bps <= MAX_PREMIUM, "layer: premium out of bounds")
        old = self.terms.get(fund, Terms())
        if not old.registered:
            require(len(self.funds) < MAX_FUNDS, "layer: too many funds")
            self.funds += (fund,)
        longer = window_cap == 0 or window_cap > old.window_cap or window_length < old.window_length
        wider = old.window_cap > 0 and longer
        self.terms[fund] = old._replace(
            registered=True,
            limit=limit,
            window_cap=window_cap,
            window_length=window_length,
            premium_bps=premium_bps,
        )
        self.log(
            "FundSet",
            fund=fund,
            old_limit=old.limit,
            old_window_cap=old.window_cap,
            old_window_length=old.window_length,
            old_premium_bps=old.premium_bps,
            limit=limit,
            window_cap=window_cap,
            window_length=window_length,
            premium_bps=premium_bps,
        )
        if not old.registered or wider or limit > old.limit or premium_bps > old.premium_bps:
            self._use_notice("set_fund", fund, limit, window_cap, window_length, premium_bps)

    @atomic
    def remove_fund(self, caller: Account, fund: Account) -> None:  # noqa: ARG002 - governance
        """End what a fund may draw; what it has drawn stays counted (M23)."""
        terms = self.terms.get(fund, Terms())
        require(terms.registered, "layer: unknown fund")
        self.terms[fund] = terms._replace(registered=False)
        self.wants[fund] = 0
        last = self.funds[-1]
        self.funds = tuple(last if one == fund else one for one in self.funds[:-1])
        self.log("FundRemoved", fund=fund, used=terms.used)

    @atomic
    def set_cooldown(self, caller: Account, cooldown_days: int) -> None:  # noqa: ARG002 - governance
        """Set the cooldown of new requests (M20)."""
        old = self.backstop.cooldown_days
        self.last_in_force[old] = self.clock.now
        self.log("CooldownSet", old_days=old, new_days=cooldown_days)
        self.backstop.set_cooldown(cooldown_days)

    @atomic
    def set_stream(self, caller: Account, length: int, min_staked: int) -> None:  # noqa: ARG002 - governance
        """Set how later payments stream, and below what stake nothing does (M22)."""
        old = self.backstop
        self.log(
            "StreamSet",
            old_length=old.stream_length,
            old_min_staked=old.min_staked,
            length=length,
            min_staked=min_staked,
        )
        self.backstop.set_stream(length, min_staked)

    # ------------------------------------------------------------------ views

    def capacity(self, fund: Account) -> int:
        """What ``absorb`` would pay a fund now (M21, M23)."""
        return min(self._allowed(self.terms.get(fund, Terms())), self.backstop.total_capacity())

    def revenue_terms(self, fund: Account) -> tuple[int, bool]:
        """Premium of a fund, and whether revenue of it is taken now (M23, M24)."""
        terms = self.terms.get(fund, Terms())
        return (terms.premium_bps, self.backstop.takes_revenue()) if terms.registered else (0, False)

    def longest_cooldown(self, since: int) -> int:
        """The longest cooldown in force at any time from ``since`` on, seconds (M9)."""
        in_force = [days for days, last in self.last_in_force.items() if last >= since]
        return max([*in_force, self.backstop.cooldown_days]) * DAY

    def exit_clock(self) -> int:
        """The chain's time less all seconds for which exits were held (M9, M37)."""
        now = self.clock.now
        running = min(now, self.held_until) - self.hold_began if now > self.hold_began > 0 else 0
        return now - self.held - running

    def state(self) -> dict[str, Any]:
        """Everything that a reader of the chain sees too."""
        return {
            "terms": {fund: terms._asdict() for fund, terms in self.terms.items()},
            "funds": self.funds,
            "held_until": self.held_until,
            "exit_clock": self.exit_clock(),
            "capacity": {fund: self.capacity(fund) for fund in self.terms},
        }

    # ------------------------------------------------------------------ internals

    def _allowed(self, terms: Terms) -> int:
        """What limit and window let a fund draw now (M23)."""
        if not terms.registered:
            return 0
        window_left = terms.window_cap - self._level(terms) if terms.window_cap > 0 else MAX_AMOUNT
        return max(min(terms.limit - terms.used, window_left), 0)

    def _level(self, terms: Terms) -> int:
        return leaked(terms.window_spent, terms.window_cap, self.clock.now - terms.window_last, terms.window_length)

    def _notice_seconds(self, call: Call) -> int:
        """The longest cooldown in force since the notice was given, and 3 days (M9)."""
        return self.longest_cooldown(self.notices[call][0]) + AFTER_COOLDOWN

    def _is_lapsed(self, call: Call) -> bool:
        return self.exit_clock() >= self.notices[call][1] + self._notice_seconds(call) + LAPSE

    def _use_notice(self, *call: Any) -> None:
        """Use up the notice of this very call; before ``finish_setup`` none is needed (M9)."""
        if not self.backstop.opened:
            return
        require(call in self.notices, "layer: no notice")
        passed = self.exit_clock() - self.notices[call][1]
        require(passed >= self._notice_seconds(call), "layer: notice not mature")
        require(not self._is_lapsed(call), "layer: notice lapsed")
        del self.notices[call]
        self.log("NoticeUsed", call=call)
