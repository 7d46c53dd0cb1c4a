"""Four funds at once, contracts and models: a shared and an isolated market in each of two assets (I8, M16 to M18).

Each move concerns one fund, or a merger of two; afterwards every other one is what it was to the unit, and all are what
the models say. 1,500 steps as a rule, 50,000 with ``KANA_DEEP=1``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import boa
import pytest

from kana_insurance import reader
from kana_insurance.deployment import FaucetConfig, FundConfig, MarketConfig
from kana_insurance.kit import COIN, DAY, Kit, merger_call
from kana_insurance.mirror import Mirror, mirror_of
from kana_insurance.model import FactoryModel, FundModel, Refused
from kana_insurance.model import invariants as inv
from kana_insurance.model.units import MAX_AMOUNT
from kana_insurance.testing import boa_system
from tests.stateful.chain import Cached, Chain
from tests.stateful.twins import own_chain

DEEP = bool(os.environ.get("KANA_DEEP"))
STEPS = 50_000 if DEEP else 1_500
MOVES = 150
DECIMALS = (6, 18)
CAPS = {"open_interest_cap": 10**6 * COIN, "position_cap": 10**6 * COIN}
#: What a run that means something has seen.
EVENTS = (
    *("Contributed", "LiquidationSettled", "FeesSettled", "ShortfallCovered", "BadDebtRecorded", "BadDebtRepaid"),
    *("ExcessWithdrawn", "PayoutsPaused", "HandedOver", "Adopted", "MarketAdopted"),
)
#: How often each move is chosen.
WEIGHTS = {
    "contribute": 3,
    "skim": 2,
    "settle": 5,
    "fees": 3,
    "cover": 5,
    "record": 2,
    "repay": 2,
    "withdraw": 2,
    "pause": 1,
    "govern": 2,
    "wrong_fund": 2,
    "announce": 1,
    "merge": 2,
    "wait": 2,
}


@dataclass(frozen=True)
class Fund:
    """One of the four: of an asset, for one of its markets."""

    kit: Kit
    mirror: Mirror
    market_id: int
    contract: Any
    model: FundModel

    @property
    def unit(self) -> int:
        """One whole token."""
        return int(10**self.mirror.token.decimals)

    @property
    def house(self) -> str:
        """The venue of the asset."""
        return str(self.kit.house.address)


def terms(decimals: int) -> dict[str, Any]:
    """A shared and an isolated market."""
    unit = 10**decimals
    return {
        "asset": FaucetConfig(name=f"Token of {decimals}", symbol=f"T{decimals}", decimals=decimals),
        "threshold": 1_000 * unit,
        "markets": [
            MarketConfig(name="SHARED", max_insurance=5_000 * unit, **CAPS),
            MarketConfig(name="ISOLATED", max_insurance=900 * unit, isolated=True, threshold=200 * unit, **CAPS),
        ],
    }


class Four:
    """The four funds, and the factory's books, on chain and in the model."""

    def __init__(self) -> None:
        first, second = DECIMALS
        self.kit = boa_system(**terms(first), others=[FundConfig(**terms(second))])
        self.actors = self.kit.actors
        self.giver, self.keeper = str(self.actors.contributor), str(self.actors.keeper)
        self.people = [self.giver, str(self.actors.treasury), str(self.actors.treasurer)]
        self.count: Counter[str] = Counter()
        self.steps = 0
        kits = (self.kit, self.kit.of(0))
        for kit in kits:
            for holder in (self.giver, str(kit.house.address)):
                kit.mint(holder, 10**8 * 10 ** int(kit.asset.decimals()))
        for kit in kits:
            for contract in (kit.fund, kit.isolated[1]):
                kit.asset.approve(contract, 2**256 - 1, sender=self.giver)
        self.chain = Chain()
        self.views = {
            kit.fund.address: replace(
                kit.system,
                asset=Cached(self.chain, kit.asset),
                registry=Cached(self.chain, kit.registry),
                house=Cached(self.chain, kit.house),
            )
            for kit in kits
        }
        self.cached = {
            str(contract.address): Cached(self.chain, contract)
            for kit in kits
            for contract in (kit.fund, kit.isolated[1])
        }

    def begin(self) -> None:
        """The models as the deployment left the chain; one clock for all."""
        self.chain.forget()
        self.funds: list[Fund] = []
        self.factory = FactoryModel(str(self.kit.factory.address), mirror_of(self.kit.system).clock)
        self.clock = self.factory.clock
        for kit in (self.kit, self.kit.of(0)):
            mirror = mirror_of(kit.system, self.clock)
            for holder in (self.giver, str(kit.house.address)):
                mirror.token.mint(holder, 10**8 * 10**mirror.token.decimals)
            for market_id, (contract, model) in enumerate(
                ((kit.fund, mirror.fund), (kit.isolated[1], mirror.isolated[1]))
            ):
                fund = Fund(kit, mirror, market_id, contract, model)
                self.funds.append(fund)
                self.factory.create_fund("deployer", model, market_id == 1, len(self.funds))
                self.factory.assign("deployer", fund.house, market_id, model.address)
        self.before = self.after = self.states()
        self.check([])

    # ------------------------------------------------------------------ steps

    def states(self) -> list[dict[str, Any]]:
        """What the chain says of every fund."""
        return [
            reader.fund_state(
                self.views[fund.kit.fund.address], self._contributors(fund), self.cached[str(fund.contract.address)]
            )
            for fund in self.funds
        ]

    def _contributors(self, fund: Fund) -> list[str]:
        return [*self.people, *(other.model.address for other in self.funds if other.kit is fund.kit)]

    def both(self, fund: Fund, name: str, sender: Any, *args: Any) -> None:
        """A call of a fund on both sides; nothing else moves."""
        model = getattr(fund.model, name)
        self.step([fund], lambda: model(str(sender), *args), getattr(fund.contract, name), args, sender)

    def step(
        self, concerned: list[Fund], model: Callable[[], Any], function: Any, args: tuple[Any, ...], sender: Any
    ) -> None:
        """A call on both sides: the same outcome, the same states, and every fund that isn't concerned untouched."""
        for fund in self.funds:
            fund.model.log.clear()
        self.clock.now = int(boa.env.timestamp)
        self.steps += 1
        refused = None
        try:
            model()
        except Refused as error:
            refused = error.reason
        went, found, _ = self.chain.execute(function, *args, sender=sender)
        assert (None if went else found) == refused, f"{function.func_t.name}{args}: chain {found!r}, model {refused!r}"
        self.count["refused" if refused else "done"] += 1
        self.before, self.after = self.after, self.states()
        self.check(concerned if went else [])

    def check(self, concerned: list[Fund]) -> None:
        """Chain and models agree; who isn't concerned is what he was (I8); each fund's own invariants."""
        for fund, before, after in zip(self.funds, self.before, self.after, strict=True):
            assert after == fund.model.state(), f"{fund.model.address} differs: {after} and {fund.model.state()}"
            if fund not in concerned:
                inv.i8_isolated_untouched(before, after)
                continue
            self.count.update(event.name for event in fund.model.log)
            inv.i13_contributions_add_up(after)
            inv.m14_bad_debts_add_up(after)
            inv.i1_tokens_back_the_reserve(after, None)
            if len(concerned) == 1:
                inv.i2_i4_i5_trace(before, after, fund.model.log)

    # ------------------------------------------------------------------ moves

    def play(self, seed: int) -> None:
        """A run of its own from the beginning."""
        random = Random(seed)
        told: list[str] = []
        with boa.env.anchor():
            self.begin()
            for name in random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=MOVES):
                fund = random.choice(self.funds)
                told.append(f"{name} {fund.model.address} {fund.market_id}")
                try:
                    getattr(self, name)(fund, random)
                except AssertionError as error:
                    raise AssertionError(
                        f"run {seed}, move {len(told)}: {error}; the last ones: {told[-8:]}"
                    ) from error

    def amount(self, fund: Fund, random: Random) -> int:
        """Something, or an edge."""
        whole = random.choice((1, 7, 90, 500, 2_000, 40_000)) * fund.unit
        return random.choice((0, 1, whole, whole, whole + 1, whole - 1, MAX_AMOUNT + 1))

    def market(self, fund: Fund, random: Random) -> int:
        """Mostly its own market; once merged, a shared fund has both."""
        return fund.market_id if random.random() < 0.7 else random.randrange(2)

    def contribute(self, fund: Fund, random: Random) -> None:
        self.both(fund, "contribute", self.giver, self.amount(fund, random))

    def skim(self, fund: Fund, random: Random) -> None:
        amount = random.choice((0, 1, 13 * fund.unit))
        token, address = fund.mirror.token, fund.model.address

        def give() -> None:
            token.transfer(self.giver, address, amount)

        self.step([fund], give, fund.kit.asset.transfer, (address, amount), self.giver)
        self.both(fund, "skim", self.giver, self.giver)

    def settle(self, fund: Fund, random: Random) -> None:
        self.both(fund, "settle_liquidation", fund.house, self.market(fund, random), self.amount(fund, random))

    def fees(self, fund: Fund, random: Random) -> None:
        self.both(fund, "settle_fees", fund.house, self.market(fund, random), self.amount(fund, random))

    def cover(self, fund: Fund, random: Random) -> None:
        self.both(fund, "cover_shortfall", fund.house, self.market(fund, random), self.amount(fund, random))

    def record(self, fund: Fund, random: Random) -> None:
        amount = random.choice((0, 3 * fund.unit + 1, 300 * fund.unit))
        self.both(fund, "record_bad_debt", fund.house, self.market(fund, random), amount)

    def repay(self, fund: Fund, random: Random) -> None:
        market_id = self.market(fund, random)
        owed = fund.model.bad_debt(fund.house, market_id)
        self.both(fund, "repay_bad_debt", fund.house, market_id, random.choice((owed, owed + 1, owed // 2)))

    def withdraw(self, fund: Fund, random: Random) -> None:
        excess = fund.model.excess()
        amount = random.choice((excess, excess + 1, excess // 2 + 1))
        self.both(fund, "withdraw_excess", str(self.actors.treasurer), amount)

    def pause(self, fund: Fund, random: Random) -> None:
        guardian = str(self.actors.guardian)
        if random.random() < 0.6:
            self.both(fund, "pause_payouts", guardian, random.choice((3_600, DAY, 8 * DAY)))
        else:
            self.both(fund, "resume_payouts", guardian)

    def govern(self, fund: Fund, random: Random) -> None:
        """What acts at once: less for a market, a window, other shares, more to be kept."""
        unit, governance = fund.unit, str(self.kit.timelock.address)
        market = fund.model.markets.get((fund.house, fund.market_id))
        less = (market.max_insurance if market else 1) * 9 // 10
        name, *args = random.choice(
            (
                ("set_max_insurance", fund.house, fund.market_id, less),
                ("set_window", random.choice((0, 700 * unit)), DAY),
                ("set_split", random.choice((0, 3_000)), 2_000),
                ("set_threshold", fund.model.threshold + unit),
            )
        )
        self.both(fund, name, governance, *args)

    def wrong_fund(self, fund: Fund, random: Random) -> None:
        """A house of the other asset, and a market that another fund serves, are nobody here."""
        other = random.choice([one for one in self.funds if one is not fund])
        name = random.choice(("settle_liquidation", "settle_fees", "cover_shortfall", "record_bad_debt"))
        self.both(fund, name, other.house, other.market_id, 5)

    def _pair(self, fund: Fund) -> tuple[Fund, Fund]:
        """An asset's isolated fund and its shared one."""
        shared, isolated = (one for one in self.funds if one.kit is fund.kit)
        return isolated, shared

    def announce(self, fund: Fund, random: Random) -> None:
        """Notice of the merger to one side of it, or to both and the time that they take."""
        old, successor = self._pair(fund)
        sides = [(old, "hand_over", successor), (successor, "adopt", old)]
        both = random.random() < 0.5
        for one, name, other in sides if both else [random.choice(sides)]:
            self._announce(one, name, other)
        if both:
            boa.env.time_travel(seconds=2 * DAY)

    def _announce(self, one: Fund, name: str, other: Fund) -> None:
        governance, address = str(self.kit.timelock.address), other.model.address

        def give() -> None:
            one.model.notices.announce(governance, one.model, (name, address))

        args = (one.model.address, merger_call(name, address))
        self.step([], give, self.kit.notices.announce, args, governance)

    def merge(self, fund: Fund, random: Random) -> None:
        """The isolated fund into the shared one of its asset, with or without its market; or the other way."""
        old, successor = self._pair(fund) if random.random() < 0.9 else self._pair(fund)[::-1]
        keys = random.choice(([], [(old.house, 1)], [(old.house, 1)], [(old.house, 0)]))
        governance = str(self.kit.timelock.address)
        names = (old.model.address, successor.model.address)

        def model() -> None:
            self.factory.merge(governance, *names, keys)

        self.step([old, successor], model, self.kit.factory.merge, (*names, keys), governance)

    def wait(self, fund: Fund, random: Random) -> None:  # noqa: ARG002 - time is everybody's
        """Time passes; nothing else moves."""
        boa.env.time_travel(seconds=random.choice((60, 3_600, DAY, 2 * DAY, 5 * DAY)))


def test_machine__four_funds_of_two_assets__only_the_one_concerned_moves(capsys: pytest.CaptureFixture[str]) -> None:
    with own_chain():
        four = Four()
        seed = 0
        while four.steps < STEPS:
            four.play(seed)
            seed += 1
        with capsys.disabled():
            print(
                f"\n{four.steps:,} steps, {seed} runs: " + ", ".join(f"{k} {n:,}" for k, n in four.count.most_common())
            )
        missing = [name for name in EVENTS if not four.count[name]]
        assert not missing, f"none of {missing} in {four.steps} steps"
