"""Governance by name: propose, see, cancel and execute calls through the timelock, with the notices that they need.

:class:`Governance` works on any backend. What a user wrote wrongly comes as :class:`Misspelt`, what can't be done as
``Refusal``; both say what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.exceptions import DecodingError
from eth_utils import keccak

from kana_insurance.backends import Reverted, address_of
from kana_insurance.client import Client, Refusal, moment
from kana_insurance.deployment import LOCAL_CHAINS
from kana_insurance.governance.actions import Action, Unit, recognise
from kana_insurance.governance.catalogue import calls_named, catalogue
from kana_insurance.governance.current import condition, present, present_names
from kana_insurance.governance.directory import Directory, Part
from kana_insurance.governance.meanings import effect, meaning
from kana_insurance.governance.operations import (
    DONE,
    LIFE,
    NO_WORD,
    NOTICE_REASONS,
    Call,
    Notice,
    Notices,
    Operation,
    Operations,
)
from kana_insurance.governance.safe import Transaction
from kana_insurance.governance.words import Duration, Words, until
from kana_insurance.measures import Misspelt, duration_text
from kana_insurance.pools import POOL_MARKET

__all__ = ["Governance", "Misspelt", "Plan", "catalogue"]

#: Longest call data that the timelock takes, bytes.
MAX_PAYLOAD = 1_024
#: What an operation is whose call is refused for its notice.
_NOTICE_STATES = {
    "no notice": "needs a notice: propose it again",
    "notice not mature": "notice running",
    "notice lapsed": "notice lapsed: propose it again",
}
#: Time that is left at least to make a call before one of its notices lapses, seconds.
SPARE = 2 * 86_400
#: How much of an operation's id people are shown.
SHORT = 10


@dataclass
class Plan:
    """What is proposed.

    Attributes:
        part: The contract.
        action: The call.
        values: Its values by argument.
        calls: It, and what has to be called together with it.
        rows: Old and new values, ready to be shown.
        notices: Those that it needs and that aren't mature.
        operations: What is to be scheduled, in this order.
        delay: Seconds that each of them waits at least.
        problem: Why the call would be refused now, other than for want of a notice.
    """

    part: Part
    action: Action
    values: dict[str, Any]
    calls: tuple[Call, ...]
    rows: list[dict[str, Any]]
    notices: list[Notice]
    operations: list[Operation]
    delay: int
    problem: str | None = None


@dataclass
class Step:
    """What is done to an operation: the transaction, and what is shown of it."""

    transaction: Transaction
    shown: dict[str, Any] = field(default_factory=dict)


class Governance:
    """The governance of a deployment.

    Args:
        client: The client of the deployment.
        alias: Finds the address of an account's alias; raises ``Misspelt`` if there is none.
        raw: Whether amounts are base units.
    """

    def __init__(self, client: Client, alias: Callable[[str], str] | None = None, *, raw: bool = False) -> None:
        self.system = client.system
        self.backend = client.system.backend
        self.timelock = client.system.timelock
        self.directory = Directory(client.system)
        self.words = Words(self.directory, alias, raw=raw)
        self.operations = Operations(client.system)
        self.notices = Notices(self.directory)

    # ------------------------------------------------------------------ proposals

    def plan(self, name: str, texts: Sequence[str], on: str | None = None, *, anyway: bool = False) -> Plan:
        """What proposing a call would schedule.

        Args:
            name: The call's name.
            texts: Its values in the order of its arguments, or as argument=value.
            on: The contract, by name or address, where several have the call.
            anyway: Propose also what would be refused as things stand.

        Raises:
            Refusal: if it can't be proposed.
            Misspelt: if a value isn't one of its kind.
        """
        candidates = calls_named(name)
        part = self.directory.choose({one.contract for one in candidates}, on, candidates[0].name)
        action = next(one for one in candidates if one.contract == part.contract)
        values = self._bind(part, action, texts)
        payload = action.encode(values)
        if len(payload) > MAX_PAYLOAD:
            raise Refusal(f"the call is longer than {MAX_PAYLOAD} bytes: name fewer markets, the others in a later one")
        calls = (Call(part.address, payload), *self._along(action, values))
        problem, notices = self._try(part, action, values, payload)
        if problem is not None and not anyway:
            raise Refusal(
                f"as things stand it would be refused: {problem}; --anyway proposes it nevertheless, where something "
                "else has to happen before"
            )
        if not anyway and (left := self._left_behind(action, values)):
            raise Refusal(
                f"{', '.join(left)} would be left without a fund, and no position there could be liquidated: name all "
                "markets that the old fund serves, or add --anyway"
            )
        plan = Plan(part, action, values, calls, self._rows(part, action, values), notices, [], 0, problem)
        plan.delay = int(self.timelock.get_minimum_delay())
        plan.operations = self._schedule_of(calls, notices)
        return plan

    def _bind(self, part: Part, action: Action, texts: Sequence[str]) -> dict[str, Any]:
        """Values by argument: read from the texts, and where one is left out the present one."""
        arguments = {argument.name: argument for argument in action.arguments}
        given: dict[str, str] = {}
        loose = []
        for text in texts:
            match = re.fullmatch(r"([a-z_]+)=(.*)", text, re.DOTALL)
            if match is None:
                loose.append(text)
            elif match[1] not in arguments:
                raise Misspelt(f"{action.name} has no '{match[1]}': {self._usage(action)}")
            else:
                given[match[1]] = match[2]
        for text in loose:
            free = next((one for one in arguments if one not in given), None)
            if free is None:
                raise Misspelt(f"'{text}' is one value too many: {self._usage(action)}")
            market = self.directory.market(text)
            if free == "venue" and market is not None and "market_id" in arguments:
                # A market's name says both.
                given |= {"venue": market.venue, "market_id": str(market.market_id)}
            else:
                given[free] = text
        values: dict[str, Any] = {}
        for one, argument in arguments.items():
            if one in given:
                values[one] = self.words.parse(part, argument, given[one], values)
        missing = [one for one in arguments if one not in values]
        settable = present_names(part.contract, action.function)
        if [one for one in missing if one not in settable] or (missing and len(missing) == len(settable)):
            raise Misspelt(f"{action.name} needs {', '.join(missing)}: {self._usage(action)}")
        if missing:
            values = {**present(self.directory, part, action.function, values), **values}
        return values

    @staticmethod
    def _usage(action: Action) -> str:
        described = ", ".join(f"{one.name} ({one.unit.value})" for one in action.arguments)
        return f"it takes {described}" if described else "it takes nothing"

    def _along(self, action: Action, values: dict[str, Any]) -> list[Call]:
        """With a merger, the venues follow in the same batch (M18): their registries name the fund anew."""
        if action.function != "merge":
            return []
        found = []
        for registry in self.directory.of({"MarketRegistry"}):
            house = self.directory.house_of(registry)
            for venue, market_id in values["markets"]:
                if venue == house and registry.at.listed(market_id):
                    payload = self.backend.encode(registry.at.replace_fund, market_id, values["successor"])
                    found.append(Call(registry.address, payload))
        for registry in self.directory.of({"LendingRegistry"}):
            if (str(registry.at.pool()), POOL_MARKET) in [(venue, number) for venue, number in values["markets"]]:
                found.append(Call(registry.address, self.backend.encode(registry.at.set_fund, values["successor"])))
        return found

    def _left_behind(self, action: Action, values: dict[str, Any]) -> list[str]:
        """The markets of a fund that a merger closes without moving them."""
        if action.function != "merge":
            return []
        serving, moved = self.system.factory.fund_of, set(values["markets"])
        return [
            one.name
            for one in self.directory.markets
            if (one.venue, one.market_id) not in moved and str(serving(one.venue, one.market_id)) == values["old"]
        ]

    def _try(
        self, part: Part, action: Action, values: dict[str, Any], payload: bytes
    ) -> tuple[str | None, list[Notice]]:
        """Make the call as the timelock would, without changing anything: what is wrong, and the notices it lacks."""
        try:
            self.backend.simulate(address_of(self.timelock), part.address, payload)
        except Reverted as error:
            if error.reason not in NOTICE_REASONS:
                return error.reason or "without a reason", []
            concerned = self.notices.concerned(part, action.function, values, payload)
            return None, [notice for notice in concerned if notice.state != "mature"]
        return None, []

    def _schedule_of(self, calls: tuple[Call, ...], notices: list[Notice]) -> list[Operation]:
        """What has to be scheduled for calls: their announcement first, where they lack a notice, then they.

        Raises:
            Refusal: if all of it is scheduled already.
        """
        announced = self.operations.announced()
        wanted: list[Operation] = []
        predecessor = NO_WORD
        for together in (*self._announcements(notices), calls):
            operation, is_new = self._operation(together, predecessor, announced)
            predecessor = operation.id
            wanted += [operation] if is_new else []
        if not wanted:
            raise Refusal(f"it is proposed already, as {operation.name}: {self._state(operation)}")
        return wanted

    def _announcements(self, notices: list[Notice]) -> list[tuple[Call, ...]]:
        """What gives the notices that are missing, by operations: together, if they can mature together; otherwise
        the longer one first, for the shorter one would lapse before the longer one matures.
        """
        missing = [one for one in notices if one.state in ("none", "lapsed")]
        takes = {id(one): self.notices.takes(one) for one in missing}
        if not missing or max(takes.values()) - min(takes.values()) < LIFE - SPARE:
            return [tuple(map(self.notices.announcement, missing))] if missing else []
        missing.sort(key=lambda one: -takes[id(one)])
        return [(self.notices.announcement(one),) for one in missing]

    def _operation(
        self, calls: tuple[Call, ...], predecessor: bytes, announced: list[Operation]
    ) -> tuple[Operation, bool]:
        """The open operation of these calls, or a new one; whether it is new."""
        alike = [one for one in announced if one.calls == calls]
        for one in alike:
            if self.operations.is_open(one):
                return one, False
        # Counted, so that the same proposal is the same operation until it is scheduled, and another one afterwards.
        return self.operations.make(calls, predecessor, keccak(len(alike).to_bytes(32, "big"))), True

    def _rows(self, part: Part, action: Action, values: dict[str, Any]) -> list[dict[str, Any]]:
        now = present(self.directory, part, action.function, values)
        rows = []
        for argument in action.arguments:
            row: dict[str, Any] = {"parameter": argument.name}
            row["now"] = self.words.figure(part, argument, now[argument.name], values) if argument.name in now else ""
            value = values[argument.name]
            row["proposed"] = (
                self._describe(str(values.get("fund", part.address)), value)
                if argument.unit is Unit.DATA
                else self.words.figure(part, argument, value, values)
            )
            rows.append({**row, "meaning": meaning(part.contract, argument.name)})
        if (change := condition(part, action.function, values)) is not None:
            rows.append({"parameter": change[0], "now": change[1], "proposed": change[2], "meaning": "by this call"})
        return rows

    def page_of(self, plan: Plan) -> dict[str, Any]:
        """A plan, ready to be shown."""
        now = self.backend.timestamp()
        waits = [plan.delay]
        for notice in plan.notices:
            waits.append(notice.left if notice.state == "running" else plan.delay + self.notices.takes(notice))
        result: dict[str, Any] = {
            "call": plan.action.name,
            "contract": f"{plan.part.name} {plan.part.address}",
            "effect": effect(plan.part.contract, plan.action.function),
            "delay": Duration(plan.delay),
            "notice": self._notice_text(plan.notices),
            "executable_from": until(now + max(waits), now),
        }
        if plan.problem is not None:
            result["refused_now"] = plan.problem
        result["changes"] = plan.rows
        result["operations"] = [
            {"operation": operation.name, "calls": self._calls_text(operation)} for operation in plan.operations
        ]
        return result

    def _notice_text(self, notices: list[Notice]) -> str:
        if not notices:
            return "none needed"
        return "; ".join(
            f"{one.keeper.name}: runs, {_progress(one)}"
            if one.state == "running"
            else f"{one.keeper.name}: needed, since more may be drawn; announced first, "
            f"{duration_text(self.notices.takes(one))}"
            for one in notices
        )

    def schedule_steps(self, plan: Plan) -> list[Transaction]:
        """The transactions that a proposer sends."""
        found = []
        for operation in plan.operations:
            function = self.timelock.schedule_batch if operation.batch else self.timelock.schedule
            data = self.backend.encode(function, *operation.terms, plan.delay)
            does = f"schedule {self._calls_text(operation)}"
            found.append(Transaction(address_of(self.timelock), data, does))
        return found

    def propose(self, plan: Plan, account: Any) -> list[dict[str, Any]]:
        """Schedule what is planned; the operations, ready to be shown.

        Raises:
            Refusal: if the account is no proposer.
        """
        self._check_role("PROPOSER_ROLE", account)
        rows = []
        for operation in plan.operations:
            function = self.timelock.schedule_batch if operation.batch else self.timelock.schedule
            function(*operation.terms, plan.delay, sender=account)
            ready = self.operations.ready_at(operation.id)
            rows.append({"operation": operation.name, "state": self._state(operation), "delay_ends": moment(ready)})
        return rows

    def _check_role(self, role: str, account: Any) -> None:
        word = getattr(self.timelock, role)()
        if not self.timelock.hasRole(word, address_of(account)):
            who = role.removesuffix("_ROLE").lower()
            raise Refusal(f"{address_of(account)} is no {who} of the timelock {address_of(self.timelock)}")

    # ----------------------------------------------------------------- operations

    def page(self, *, every: bool = False) -> dict[str, Any]:
        """The timelock's operations and the notices running, ready to be shown; with ``every`` also what is over."""
        now = self.backend.timestamp()
        rows = []
        for operation in self.operations.announced():
            ready = self.operations.ready_at(operation.id)
            if ready > DONE or every:
                concerned = [notice for notice in self._notices_of(operation) if notice.state != "none"]
                lefts = [notice.left for notice in concerned]
                rows.append(
                    {
                        "operation": operation.name,
                        "state": self._state(operation),
                        "time_left": Duration(max(ready - now, 0, *lefts)) if ready > DONE else "",
                        "delay_ends": moment(ready) if ready > DONE else "",
                        "calls": self._calls_text(operation),
                        "notice": "; ".join(_progress(notice) for notice in concerned),
                    }
                )
        notices = [
            {
                "of": notice.keeper.name,
                "state": {"mature": "may be made"}.get(notice.state, notice.state),
                "progress": _progress(notice),
                "time_left": Duration(notice.left),
                "call": self._describe(notice.keeper.address, notice.payload),
                "id": "0x" + keccak(notice.payload).hex(),
            }
            for notice in self.notices.given()
        ]
        return {
            "timelock": address_of(self.timelock),
            "delay": Duration(int(self.timelock.get_minimum_delay())),
            "floor": Duration(int(self.timelock.MIN_DELAY_FLOOR())),
            "operations": rows,
            "notices": notices,
        }

    def _state(self, operation: Operation) -> str:
        ready = self.operations.ready_at(operation.id)
        if ready <= DONE:
            return "done" if ready == DONE else "cancelled"
        if operation.predecessor != NO_WORD:
            before = self.operations.ready_at(operation.predecessor)
            name = "0x" + operation.predecessor.hex()
            if before != DONE:
                return f"after {name[:SHORT]}" if before else f"void: {name[:SHORT]} was cancelled"
        if ready > self.backend.timestamp():
            return "waiting"
        reason = self.operations.refusal(operation)
        return "ready" if reason is None else _NOTICE_STATES.get(reason.partition(": ")[2], f"refused now: {reason}")

    def _notices_of(self, operation: Operation) -> list[Notice]:
        found: list[Notice] = []
        for call in operation.calls:
            part = self.directory.by_address(call.target)
            decoded = self._decode(call.target, call.payload)
            if part is not None and decoded is not None:
                found += self.notices.concerned(part, decoded[0].function, decoded[1], call.payload)
        return found

    def _decode(self, target: str, payload: bytes) -> tuple[Action, dict[str, Any]] | None:
        part = self.directory.by_address(target)
        action = recognise(payload, part.contract if part else None)
        if action is None:
            return None
        try:
            return action, action.decode(payload)
        except DecodingError:
            return None

    def _describe(self, target: str, payload: bytes) -> str:
        """A call in words; what isn't known of it, as it is."""
        decoded = self._decode(target, payload)
        part = self.directory.by_address(target) or Part(target, "", None)
        if decoded is None:
            return f"{part.name}: 0x{payload.hex()}"
        return self.words.call(part, *decoded, self._describe)

    def _calls_text(self, operation: Operation) -> str:
        return "; ".join(self._describe(call.target, call.payload) for call in operation.calls)

    # --------------------------------------------------------- cancelling, executing

    def cancel(self, text: str, account: Any = None) -> Step:
        """Strike an operation, or say what to send for it where no account is named.

        Raises:
            Refusal: if there is nothing to cancel, or the account may not.
        """
        operation = self.operations.find(text)
        self._check_pending(operation)
        shown = {"operation": operation.name, "calls": self._calls_text(operation)}
        void = [
            one.name
            for one in self.operations.announced()
            if one.predecessor == operation.id and self.operations.is_open(one)
        ]
        if void:
            shown["void_with_it"] = ", ".join(void)
        data = self.backend.encode(self.timelock.cancel, operation.id)
        step = Step(Transaction(address_of(self.timelock), data, f"cancel {self._calls_text(operation)}"), shown)
        if account is not None:
            self._check_role("CANCELLER_ROLE", account)
            self.timelock.cancel(operation.id, sender=account)
            shown["state"] = self._state(operation)
        return step

    def _check_pending(self, operation: Operation) -> None:
        if self.operations.ready_at(operation.id) <= DONE:
            raise Refusal(f"{operation.name} is {self._state(operation)} already")

    def execute(self, text: str | None, account: Any = None, *, skip_delay: bool = False) -> Step:
        """Make an operation's calls, or say what to send for it where no account is named.

        Args:
            text: Its id or the beginning of it; None: the only one that is ready.
            account: An executor.
            skip_delay: Let delay and notices pass, and execute what comes before it; local chains alone.

        Raises:
            Refusal: if its time hasn't come, or its calls would be refused.
        """
        if skip_delay and self.backend.chain_id() not in LOCAL_CHAINS:
            raise Refusal("only a local chain's time can be moved")
        operation = self.operations.find(text) if text is not None else self._only(skip_delay)
        if account is not None:
            self._check_executor(account)
        if skip_delay and account is None:
            raise Refusal("--skip-delay executes: it needs an --account")
        return self._execute(operation, account, skip_delay)

    def _only(self, skip_delay: bool) -> Operation:
        waiting = [one for one in self.operations.announced() if self.operations.is_open(one)]
        if skip_delay and len(waiting) > 1:
            # Of an announcement and what it is for, the latter: it takes the former along.
            needed = {one.predecessor for one in waiting}
            waiting = [one for one in waiting if one.id not in needed]
        found = waiting if skip_delay else [one for one in waiting if self._state(one) == "ready"]
        if len(found) != 1:
            what = "nothing is ready" if not found else "several operations could be executed: name one"
            raise Refusal(f"{what}: 'ape run govern list' shows what is proposed")
        return found[0]

    def _check_executor(self, account: Any) -> None:
        # Granted to the zero address it is open to everyone.
        if not self.timelock.hasRole(self.timelock.EXECUTOR_ROLE(), "0x" + "00" * 20):
            self._check_role("EXECUTOR_ROLE", account)

    def _execute(self, operation: Operation, account: Any, skip_delay: bool) -> Step:
        self._check_pending(operation)
        if operation.predecessor != NO_WORD and (before := self.operations.ready_at(operation.predecessor)) != DONE:
            first = self.operations.find("0x" + operation.predecessor.hex())
            if not before or not skip_delay:
                raise Refusal(
                    f"{first.name} was cancelled, and this can only follow it: propose it anew"
                    if not before
                    else f"{first.name} comes first: {self._calls_text(first)}"
                )
            self._execute(first, account, skip_delay)
        ready = self.operations.ready_at(operation.id)
        now = self.backend.timestamp()
        if ready > now:
            if not skip_delay:
                raise Refusal(f"its delay runs: it may be executed from {until(ready, now)}")
            self.backend.travel(ready - now)
        if (early := self._early(operation)) > 0:
            if not skip_delay:
                raise Refusal(
                    "too early: this notice would lapse before the other fund's matures; execute it in "
                    f"{duration_text(early)}, so that both mature at once"
                )
            self.backend.travel(early)
        left = max((notice.left for notice in self._notices_of(operation) if notice.state == "running"), default=0)
        if left and skip_delay:
            self.backend.travel(left)
        if (reason := self.operations.refusal(operation)) is not None:
            raise Refusal(f"it would be refused: {reason}{self._hint(operation, reason)}")
        return self._send(operation, account)

    def _early(self, operation: Operation) -> int:
        """Seconds to wait before a merger's notice is given, where the other fund's takes so much longer that this one
        would lapse before (M18); 0: none.
        """
        for call in operation.calls:
            decoded = self._decode(call.target, call.payload)
            if decoded is None or (decoded[0].contract, decoded[0].function) != ("NoticeBoard", "announce"):
                continue
            one = self.notices.concerning(decoded[1]["fund"], decoded[1]["call"])
            other = self.notices.counterpart(decoded[1]["fund"], decoded[1]["call"])
            if one is not None and other is not None and other.state == "running":
                takes = self.notices.takes(one)
                if takes + LIFE - SPARE <= other.left:
                    return other.left - takes
        return 0

    def _hint(self, operation: Operation, reason: str) -> str:
        if reason not in NOTICE_REASONS:
            return ""
        notices = [notice for notice in self._notices_of(operation) if notice.state != "mature"]
        if any(notice.state in ("none", "lapsed") for notice in notices):
            return "; propose it again, which announces it anew"
        return "; " + "; ".join(f"notice of {one.keeper.name}: {_progress(one)}" for one in notices)

    def _send(self, operation: Operation, account: Any) -> Step:
        call = operation.calls[0]
        part, decoded = self.directory.by_address(call.target), self._decode(call.target, call.payload)
        rows = self._rows(part, *decoded) if part is not None and decoded is not None else []
        function = self.timelock.execute_batch if operation.batch else self.timelock.execute
        shown: dict[str, Any] = {"operation": operation.name, "calls": self._calls_text(operation)}
        data = self.backend.encode(function, *operation.terms)
        step = Step(Transaction(address_of(self.timelock), data, f"execute {self._calls_text(operation)}"), shown)
        if account is not None:
            function(*operation.terms, sender=account)
            shown["state"] = self._state(operation)
            if rows and part is not None and decoded is not None:
                after = self._rows(part, *decoded)
                changes = [
                    {"parameter": old["parameter"], "before": old["now"], "now": new["now"]}
                    for old, new in zip(rows, after, strict=True)
                    if old["now"] != ""
                ]
                shown |= {"changes": changes} if changes else {}
        return step


def _progress(notice: Notice) -> str:
    if notice.state == "none":
        return "none given"
    return f"{duration_text(min(notice.passed, notice.length))} of {duration_text(notice.length)}"
