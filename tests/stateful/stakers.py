"""A backstop, its underwriter and two funds that draw on it: contracts beside the model, the same to the unit.

After each step the states, results, reasons and events are compared and the stakers' invariants checked on what the
contracts say: I6, I7's part, I11, and that shares, assets and tokens are conserved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boa
from boa.contracts.event_decoder import RawLogEntry

from kana_insurance.backends import ZERO, address_of
from kana_insurance.backends.boa import BoaBackend
from kana_insurance.kit import DAY, U
from kana_insurance.model import Clock, Refused, TokenLedger
from kana_insurance.model import staker_invariants as inv
from kana_insurance.model.backstop import BackstopModel
from kana_insurance.model.state import Event
from kana_insurance.model.underwriter import UnderwriterModel
from tests.stateful.chain import Chain

START = 20_833 * DAY + DAY // 2
RICHES = 10**9 * U
COOLDOWN, STREAM, MIN_STAKED = 14, 7 * DAY, 1_000 * U
TERMS = ((50_000 * U, 0, DAY, 0), (20_000 * U, 3_000 * U, DAY, 1_500))
# In other words on chain: ids and calldata.
UNCOMPARED = frozenset({"NoticeGiven", "NoticeUsed", "NoticeCancelled", "Transfer", "Approval", "OperatorSet"})
SPELLED = {"request_redeem": "requestRedeem", "set_operator": "setOperator"}


class DifferentError(AssertionError):
    """Chain and model don't agree."""


def deploy() -> dict[str, Any]:
    """The contracts, ready for money; funds and governance are called from their addresses."""
    boa.env.evm.patch.timestamp = START
    backend, me = BoaBackend(), boa.env.generate_address("deployer")
    token = backend.deploy("KanaUSDT", sender=me)
    timelock = backend.deploy("Timelock", 2 * DAY, 2 * DAY, [me], [me], sender=me)
    board = backend.deploy("NoticeBoard", sender=me)
    roles = (board.address, ZERO, timelock.address, me, me, me, me)
    funds = [backend.deploy("InsuranceFund", token.address, *roles, 10**6 * U, 3_000, 2_000, sender=me) for _ in TERMS]
    layer = backend.deploy("Underwriter", token.address, timelock.address, me, sender=me)
    words = ("Kana Backstop", "kBACK", layer.address, COOLDOWN, STREAM, MIN_STAKED)
    vault = backend.deploy("Backstop", token.address, *words, sender=me)
    stakers = [boa.env.generate_address(f"staker {number}") for number in range(6)]
    layer.connect_backstop(vault.address, sender=me)
    for fund, terms in zip(funds, TERMS, strict=True):
        layer.set_fund(fund.address, *terms, sender=me)
    layer.finish_setup(sender=me)
    for person in (*stakers, *funds):
        token.faucet_to(address_of(person), RICHES, sender=me)
    for staker in stakers:
        token.approve(vault.address, 2**256 - 1, sender=staker)
    for fund in funds:
        token.approve(layer.address, 2**256 - 1, sender=fund.address)
    return {"token": token, "timelock": timelock, "funds": funds, "layer": layer, "vault": vault, "stakers": stakers}


class Stakers:
    """Contracts and model of one backstop, moved together."""

    def __init__(self, parts: dict[str, Any], chain: Chain) -> None:
        self.chain = chain
        self.contracts = {name: parts[name] for name in ("token", "layer", "vault")}
        self.stakers = [str(staker) for staker in parts["stakers"]]
        self.funds = [str(fund.address) for fund in parts["funds"]]
        self.governance = str(parts["timelock"].address)
        self.steps = self.refused = 0
        self.events: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()

    @contextmanager
    def played(self) -> Iterator[None]:
        """A run of its own, from the beginning, undone afterwards."""
        with boa.env.anchor():
            boa.env.evm.patch.timestamp = START
            self.begin()
            yield

    def begin(self) -> None:
        """Both sides are at the beginning."""
        self.clock, self.token = Clock(START), TokenLedger(6)
        for person in (*self.stakers, *self.funds):
            self.token.mint(person, RICHES)
        address = str(self.contracts["vault"].address)
        terms = {"cooldown_days": COOLDOWN, "stream_length": STREAM, "min_staked": MIN_STAKED}
        self.vault = BackstopModel(address, self.token, self.clock, **terms)
        self.layer = UnderwriterModel(str(self.contracts["layer"].address), self.vault, self.clock)
        for fund, drawn in zip(self.funds, TERMS, strict=True):
            self.layer.set_fund("deployer", fund, *drawn)
        self.layer.finish_setup("deployer")
        self.donated = 0
        self.exits = inv.ExitsWatched()
        self.chain.forget()
        self.compare_states()

    # ------------------------------------------------------------------ steps

    def stake(self, function: str, sender: str, *args: Any) -> Any:
        """A call of the vault."""
        return self._both("vault", function, sender, *args)

    def draw(self, function: str, sender: str, *args: Any) -> Any:
        """A call of the underwriter."""
        return self._both("layer", function, sender, *args)

    def wait(self, seconds: int) -> None:
        """Let time pass on both sides."""
        self.clock.advance(seconds)
        boa.env.evm.patch.timestamp = self.clock.now
        self.chain.forget()
        self.steps += 1
        before = self.state
        self.compare_states()
        self.check(before, [])

    def donate(self, sender: str, amount: int) -> None:
        """A plain transfer to the vault, which changes nothing there (M19)."""
        before = self.state
        self.token.transfer(sender, self.vault.address, amount)
        went, reason, _ = self.chain.execute(
            self.contracts["token"].transfer, self.vault.address, amount, sender=sender
        )
        assert went, reason
        self.donated += amount
        self.compare_states()
        assert {**before, "tokens": 0, "wallets": 0} == {**self.state, "tokens": 0, "wallets": 0}

    def notice(self, name: str, call: tuple[Any, ...]) -> Any:
        """``announce`` or ``cancel_notice`` for a call."""
        from eth_utils import keccak

        data = bytes(self.contracts["layer"].set_fund.prepare_calldata(*call[1:]))
        argument = data if name == "announce" else keccak(data)
        expected = self._model(getattr(self.layer, name), (self.governance, call))
        function = getattr(self.contracts["layer"], name)
        went, found, _ = self.chain.execute(function, argument, sender=self.governance)
        if went == isinstance(expected, Refused) or (not went and found != expected.reason):
            raise DifferentError(f"{name}: chain {found!r}, model {expected!r}")
        self.compare_states()
        return expected

    def _both(self, part: str, name: str, sender: str, *args: Any) -> Any:
        model = getattr(self.vault if part == "vault" else self.layer, name)
        expected = self._model(model, (sender, *args))
        function = getattr(self.contracts[part], SPELLED.get(name, name))
        went, found, raw = self.chain.execute(function, *args, sender=sender)
        wanted = expected.reason if isinstance(expected, Refused) else expected
        if name in ("transfer", "set_operator") and went:
            found = None
        if went == isinstance(expected, Refused) or found != wanted:
            raise DifferentError(f"{name}{args}: chain {found!r}, model {wanted!r}")
        if went:
            self._compare_events(raw)
        before = self.state
        self.compare_states()
        if isinstance(expected, Refused):
            assert self.state == before, "a refused call changed something"
        self.check(before, [*self.vault.log])
        return expected

    def _model(self, model: Any, args: tuple[Any, ...]) -> Any:
        self.vault.log.clear()
        self.layer.log.clear()
        self.steps += 1
        exits, epoch = self.vault.exits, self.vault.exits.epoch
        latest = {name: max(exits.request_days(name), default=0) for name in self.stakers}
        try:
            result = model(*args)
        except Refused as refusal:
            self.refused += 1
            self.reasons[refusal.reason] += 1
            return refusal
        for log in (self.vault.log, self.layer.log):
            self.events.update(event.name for event in log)
        # What the events don't tell apart.
        requests = self.vault.log.named("RedeemRequest")
        claims = self.vault.log.named("Withdraw")
        self.events["(pool died)"] += exits.epoch != epoch
        self.events["(earlier day)"] += any(one["requestId"] < latest[one["controller"]] for one in requests)
        self.events["(claim behind pending)"] += any(latest[one["owner"]] > exits.due_day() for one in claims)
        self.events["(at a lower rate)"] += bool(requests) and exits.rate_assets != exits.rate_units
        return result

    # ------------------------------------------------------------------ comparisons

    def model_state(self) -> dict[str, Any]:
        """The model's state, and the balances of everybody."""
        people = (*self.stakers, *self.funds)
        return {
            **self.vault.state(),
            "layer": self.layer.state(),
            "limits": (self.vault.max_deposit(), self.vault.max_mint(), self.vault.takes_revenue()),
            "claims": {name: (self.vault.max_redeem(name), self.vault.max_withdraw(name)) for name in self.stakers},
            "ids": {name: tuple(self.vault.exits.request_days(name)[:128]) for name in self.stakers},
            "total_capacity": self.vault.total_capacity(),
            "longest_cooldown": self.layer.longest_cooldown(self.clock.now - 20 * DAY),
            "wallets": {person: self.token.balances[person] for person in people},
        }

    def chain_state(self) -> dict[str, Any]:
        """The same from the contracts' views; which days and requests there are is the model's word."""
        vault, layer, token = self.contracts["vault"], self.contracts["layer"], self.contracts["token"]
        read = self.chain.read
        zero = "0x" + "0" * 40
        shares = {name: read(vault.balanceOf, name) for name in self.stakers}
        days = {day: tuple(read(vault.day, day)) for day in self.vault.exits.days}
        keys = list(self.vault.exits.requests)
        views = (vault.pendingRedeemRequest, vault.claimableRedeemRequest, vault.request_assets)
        terms = {fund: read(layer.terms, fund)._asdict() for fund in self.layer.terms}
        return {
            "closed": read(vault.closed),
            "staked": read(vault.totalAssets),
            "total_shares": read(vault.totalSupply),
            "shares": {name: amount for name, amount in shares.items() if amount},
            "stream": read(vault.stream)._asdict(),
            "exit_pool": tuple(read(vault.exit_pool_state)),
            "days": days,
            "requests": {(name, day): tuple(read(view, day, name) for view in views) for name, day in keys},
            "cooldown_days": read(vault.cooldown_days),
            "tokens": read(token.balanceOf, self.vault.address),
            "layer": {
                "terms": terms,
                "funds": tuple(str(fund) for fund in read(layer.funds)),
                "held_until": read(layer.held_until),
                "exit_clock": read(layer.exit_clock),
                "capacity": {fund: read(layer.capacity, fund) for fund in self.layer.terms},
            },
            "limits": (read(vault.maxDeposit, zero), read(vault.maxMint, zero), read(vault.takes_revenue)),
            "claims": {name: (read(vault.maxRedeem, name), read(vault.maxWithdraw, name)) for name in self.stakers},
            "ids": {name: tuple(read(vault.request_ids, name)) for name in self.stakers},
            "total_capacity": read(vault.total_capacity),
            "longest_cooldown": read(layer.longest_cooldown, self.clock.now - 20 * DAY),
            "wallets": {person: read(token.balanceOf, person) for person in (*self.stakers, *self.funds)},
        }

    def compare_states(self) -> None:
        """Both sides say the same."""
        self.state = self.chain_state()
        expected = self.model_state()
        if self.state != expected:
            raise DifferentError("; ".join(_differences(self.state, expected)))

    def _compare_events(self, raw: list[tuple[Any, ...]]) -> None:
        for part, log in (("vault", self.vault.log), ("layer", self.layer.log)):
            contract = self.contracts[part]
            entries = [RawLogEntry(*entry) for entry in sorted(raw)]
            decoded = [contract.decode_log(one) for one in entries if one.address == contract.address.canonical_address]
            found = [_event(event) for event in decoded if type(event).__name__ not in UNCOMPARED]
            expected = [event for event in log if event.name not in UNCOMPARED]
            if found != expected:
                raise DifferentError(f"events: chain {found}, model {expected}")

    # ------------------------------------------------------------------ invariants

    def check(self, before: dict[str, Any], events: list[Event]) -> None:
        """Every invariant of stakers, on what the contracts say."""
        inv.i6_price_holds(before, self.state, events)
        self.exits.follow(self.state, events)
        inv.m21_slash(before, self.state, events, U)
        inv.shares_conserved(self.state)
        inv.tokens_cover(self.state, self.donated, self.steps)


def _event(event: Any) -> Event:
    values = {name: value for name, value in event._asdict().items() if name != "address"}
    return Event(type(event).__name__, {k: str(v) if isinstance(v, str) else v for k, v in values.items()})


def _differences(found: Any, expected: Any, path: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys(), key=str):
            yield from _differences(found.get(key), expected.get(key), f"{path}/{key}")
    elif found != expected:
        yield f"{path}: chain {found!r}, model {expected!r}"
