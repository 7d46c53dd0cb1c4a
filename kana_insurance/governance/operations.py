"""The timelock's operations and the notices that calls need, as the chain has them (M9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils import keccak, to_checksum_address

from kana_insurance.backends import ZERO, Reverted, address_of
from kana_insurance.client import Refusal
from kana_insurance.deployment import System
from kana_insurance.governance.actions import MERGER, recognise
from kana_insurance.governance.directory import Directory, Part

NO_WORD = b"\x00" * 32
#: What the timelock says of an operation that was executed.
DONE = 1
#: How long after its maturity a notice lapses, seconds (M9).
LIFE = 7 * 86_400
#: How much longer it takes than the longest cooldown, and how long where nobody is staked, seconds (M9).
AFTER_COOLDOWN = 3 * 86_400
WITHOUT_LAYER = 2 * 86_400
#: What funds and underwriters say where a notice is missing or not of use now.
NOTICE_REASONS = frozenset(
    f"{who}: {why}" for who in ("fund", "layer") for why in ("no notice", "notice not mature", "notice lapsed")
)


@dataclass(frozen=True)
class Call:
    """A call of the timelock: no ether goes with it."""

    target: str
    payload: bytes


@dataclass(frozen=True)
class Operation:
    """One or several calls that the timelock makes together, after its delay.

    Attributes:
        calls: In their order.
        predecessor: The operation that must be done before; zeros: none.
        salt: Tells equal operations apart.
        batch: Whether it was announced as a batch, one of a single call too.
        id: Its hash.
    """

    calls: tuple[Call, ...]
    predecessor: bytes
    salt: bytes
    batch: bool
    id: bytes

    @property
    def name(self) -> str:
        """The id as text."""
        return "0x" + self.id.hex()

    @property
    def terms(self) -> tuple[Any, ...]:
        """The arguments of the timelock's functions that tell it."""
        if not self.batch:
            call = self.calls[0]
            return call.target, 0, call.payload, self.predecessor, self.salt
        targets = [call.target for call in self.calls]
        return targets, [0] * len(targets), [call.payload for call in self.calls], self.predecessor, self.salt


class Operations:
    """The operations of a deployment's timelock."""

    def __init__(self, system: System) -> None:
        self.backend = system.backend
        self.timelock = system.timelock
        self._executors = system.config.executors

    def make(self, calls: Sequence[Call], predecessor: bytes, salt: bytes) -> Operation:
        """An operation that may not be announced yet."""
        draft = Operation(tuple(calls), predecessor, salt, len(calls) > 1, b"")
        return self._with_id(draft)

    def _with_id(self, draft: Operation) -> Operation:
        hashed = self.timelock.hash_operation_batch if draft.batch else self.timelock.hash_operation
        return Operation(draft.calls, draft.predecessor, draft.salt, draft.batch, bytes(hashed(*draft.terms)))

    def announced(self) -> list[Operation]:
        """Every operation that was ever announced, the latest last; what was cancelled and announced anew, once."""
        calls: dict[bytes, dict[int, Call]] = {}
        predecessors: dict[bytes, bytes] = {}
        for event in self.backend.events(self.timelock, "CallScheduled"):
            key, index = bytes(event["id"]), int(event["index"])
            if index == 0:
                calls.pop(key, None)
            call = Call(to_checksum_address(str(event["target"])), bytes(event["payload"]))
            calls.setdefault(key, {})[index] = call
            predecessors[key] = bytes(event["predecessor"])
        salts = {bytes(event["id"]): bytes(event["salt"]) for event in self.backend.events(self.timelock, "CallSalt")}
        found = []
        for key, made in calls.items():
            ordered = tuple(made[index] for index in sorted(made))
            terms = (ordered, predecessors[key], salts.get(key, NO_WORD))
            single = self._with_id(Operation(*terms, len(ordered) > 1, b""))
            found.append(single if single.id == key else Operation(*terms, True, key))
        return found

    def find(self, text: str) -> Operation:
        """The operation of an id, or of the beginning of one.

        Raises:
            Refusal: if there is none, or there are several.
        """
        wanted = text.strip().lower()
        wanted = wanted if wanted.startswith("0x") else f"0x{wanted}"
        fitting = [one for one in self.announced() if one.name.startswith(wanted)]
        if len(fitting) == 1:
            return fitting[0]
        problem = "several operations begin" if fitting else "no operation was announced whose id begins"
        raise Refusal(f"{problem} with {wanted}: 'ape run govern list' shows them")

    def ready_at(self, key: bytes) -> int:
        """When an operation may be executed, Unix seconds; 1: it was executed; 0: never announced, or cancelled."""
        return int(self.timelock.get_timestamp(key))

    def is_open(self, operation: Operation) -> bool:
        """Whether it waits, and nothing that it waits for was cancelled."""
        alive = operation.predecessor == NO_WORD or self.ready_at(operation.predecessor) > 0
        return self.ready_at(operation.id) > DONE and alive

    def refusal(self, operation: Operation) -> str | None:
        """Why its calls would be refused now; None: they wouldn't. Whether its time has come is another question."""
        try:
            if len(operation.calls) == 1:
                call = operation.calls[0]
                self.backend.simulate(address_of(self.timelock), call.target, call.payload)
            elif (executor := self.executor()) is not None:
                data = self.backend.encode(self.timelock.execute_batch, *operation.terms)
                self.backend.simulate(executor, address_of(self.timelock), data)
        except Reverted as error:
            return error.reason or "without a reason"
        return None

    def executor(self) -> str | None:
        """An account that may execute, of those recorded; None: they have all changed."""
        role = self.timelock.EXECUTOR_ROLE()
        return next((one for one in self._executors if self.timelock.hasRole(role, one)), None)


@dataclass(frozen=True)
class Notice:
    """A notice, given or not.

    Attributes:
        keeper: The fund or the underwriter that it concerns.
        payload: The call that it is for.
        state: "none", "running", "mature" or "lapsed".
        passed: Seconds of its clock that have passed.
        length: Seconds that it takes; 0 where none was given.
    """

    keeper: Part
    payload: bytes
    state: str
    passed: int = 0
    length: int = 0

    @property
    def left(self) -> int:
        """Seconds until the call may be made, were its clock to run on."""
        return max(self.length - self.passed, 0)


class Notices:
    """The notices of funds and underwriters."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.backend = directory.system.backend

    def of(self, keeper: Part, payload: bytes) -> Notice:
        """The notice of a call, as it stands."""
        if keeper.contract == "InsuranceFund":
            passed, length = map(int, self._board(keeper).notice(keeper.address, payload))
        else:
            mature, lapse = map(int, keeper.at.notice(keccak(payload)))
            # It says when, not how long: from the maturity that was told when notice was given.
            length = self._length(keeper, payload) if lapse else 0
            passed = length - (mature - self.backend.timestamp())
        if length == 0:
            return Notice(keeper, payload, "none")
        state = "running" if passed < length else "mature" if passed < length + LIFE else "lapsed"
        return Notice(keeper, payload, state, max(passed, 0), length)

    def takes(self, notice: Notice) -> int:
        """Seconds that a notice takes, were it given now and no cooldown raised meanwhile (M9)."""
        if notice.length:
            return notice.length
        keeper = notice.keeper
        if keeper.contract == "Underwriter":
            layers = [keeper.at]
        else:
            action = recognise(notice.payload, keeper.contract)
            placed = action.decode(notice.payload) if action and action.function == "set_layers" else None
            there = keeper.at.layers()
            named = (placed["staked"], placed["reinsurance"]) if placed else (there.staked, there.reinsurance)
            layers = [self.backend.at("Underwriter", str(one)) for one in named if str(one) != ZERO]
        now = self.backend.timestamp()
        return max((int(one.longest_cooldown(now)) + AFTER_COOLDOWN for one in layers), default=WITHOUT_LAYER)

    def _board(self, fund: Part) -> Any:
        return self.backend.at("NoticeBoard", str(fund.at.notices()))

    def _length(self, keeper: Part, payload: bytes) -> int:
        given = [one for one in self.backend.events(keeper.at, "NoticeGiven") if bytes(one["call"]) == payload]
        return int(given[-1]["notice_seconds"]) if given else 0

    def given(self) -> list[Notice]:
        """Every notice that was given and neither used nor withdrawn, lapsed ones too."""
        wanted: dict[tuple[str, bytes], Part] = {}
        system = self.directory.system
        for event in self.backend.events(system.notices, "NoticeGiven"):
            if (fund := self.directory.by_address(str(event["fund"]))) is not None:
                wanted[fund.address, bytes(event["call"])] = fund
        for layer in self.directory.of({"Underwriter"}):
            for event in self.backend.events(layer.at, "NoticeGiven"):
                wanted[layer.address, bytes(event["call"])] = layer
        found = [self.of(keeper, payload) for (_, payload), keeper in wanted.items()]
        return [notice for notice in found if notice.state != "none"]

    def announcement(self, notice: Notice) -> Call:
        """The call that gives a notice."""
        keeper = notice.keeper
        if keeper.contract == "InsuranceFund":
            board = self._board(keeper)
            return Call(address_of(board), self.backend.encode(board.announce, keeper.address, notice.payload))
        return Call(keeper.address, self.backend.encode(keeper.at.announce, notice.payload))

    def concerned(self, part: Part, function: str, values: dict[str, Any], payload: bytes) -> list[Notice]:
        """The notices that a call needs, if it needs any: its own, or those of both funds of a merger (M18)."""
        if part.contract in ("InsuranceFund", "Underwriter"):
            return [self.of(part, payload)]
        if (part.contract, function) != ("FundFactory", "merge"):
            return []
        hand_over, adopt = MERGER
        pairs = ((values["old"], hand_over, values["successor"]), (values["successor"], adopt, values["old"]))
        found = [self.concerning(fund, half.encode({half.arguments[0].name: other})) for fund, half, other in pairs]
        return [notice for notice in found if notice is not None]

    def concerning(self, fund: str, payload: bytes) -> Notice | None:
        """The notice of a call to a fund, if that is one of the deployment's."""
        keeper = self.directory.by_address(fund)
        return None if keeper is None else self.of(keeper, bytes(payload))

    def counterpart(self, fund: str, payload: bytes) -> Notice | None:
        """Of one half of a merger, the notice of the other half at the other fund; None of another call."""
        for half, other in (MERGER, MERGER[::-1]):
            if payload[:4] == half.selector:
                found = half.decode(payload)[half.arguments[0].name]
                return self.concerning(found, other.encode({other.arguments[0].name: fund}))
        return None
