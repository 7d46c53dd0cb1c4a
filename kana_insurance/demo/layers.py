"""The acts of stakers and reinsurance: they stake, earn, want to leave, pay, are held, and claim what is left."""

from __future__ import annotations

from typing import Any

from kana_insurance.amounts import format_amount
from kana_insurance.backends import address_of
from kana_insurance.backends.rpc import Key
from kana_insurance.demo.cast import (
    ALT_MARKET,
    COIN_MARKET,
    ETH_MARKET,
    REINSURANCE,
    STAKERS,
    Acts,
    Stake,
    Worth,
    person,
)
from kana_insurance.demo.stage import Stage, Watch
from kana_insurance.deployment import DAY
from kana_insurance.kit import COIN, U
from kana_insurance.report import tokens
from kana_insurance.stakers import day_text

HOUR = 3_600
SHARE = 10**12  # for 1 U at first
#: Who stakes where: by name, the layer and the stake.
STAKES = {
    "staker 1": ("stakers", 3_000 * U),
    "staker 2": ("stakers", 1_000 * U),
    "staker 3": ("stakers", 1_000 * U),
    "reinsurer": ("reinsurance", 3_000 * U),
}

#: The parts of a loss in the order of the waterfall, as the table of one loss names them.
_WATERFALL = (
    "W's own collateral",
    "the reserve",
    "the stakers",
    "the reinsurance",
    "other ETH traders",
    "bad debt",
)


class LayerActs(Acts):
    """Stakers and reinsurance, in order."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.vaults = {layer.name: layer.backstop for layer in self.kit.system.layers}
        self.underwriters = {layer.name: layer.underwriter for layer in self.kit.system.layers}
        self.staked: list[str] = []
        self.before_slash: dict[str, int] = {}
        self.after_slash: dict[str, int] = {}
        #: Of staker 2's request: its day and its worth then, base units.
        self.request_day = self.requested = 0

    # ------------------------------------------------------------------ figures

    def worth(self, name: str) -> int:
        """What a staker's shares and requests are worth, and what was claimed, base units."""
        vault, me = self.vaults[STAKES[name][0]], str(person(name))
        value = int(vault.convertToAssets(vault.balanceOf(me))) + int(self.kit.asset.balanceOf(me))
        return value + sum(int(vault.request_assets(day, me)) for day in vault.request_ids(me))

    def worths(self) -> dict[str, int]:
        """What everybody who has staked has; kept for the chart."""
        found = {name: self.worth(name) for name in self.staked}
        at = self.stage.now()
        self.tale.worths += [Worth(at, name, value) for name, value in found.items()]
        return found

    def mark(self, what: str) -> None:
        """Keep a happening for the chart."""
        self.tale.marks.append((self.stage.now(), what))

    def unvested(self) -> int:
        """The stakers' revenue on its way."""
        return int(self.vaults["stakers"].stream().unvested)

    def _watch_worth(self, name: str) -> Watch:
        return Watch(f"worth, {name}", lambda: self.worth(name))

    def _watch_staked(self, layer: str) -> Watch:
        return Watch(f"staked, {layer}", lambda: int(self.vaults[layer].totalAssets()))

    def _watch_capacity(self, layer: str) -> Watch:
        fund = self.kit.fund.address
        return Watch(f"the fund may draw, {layer}", lambda: int(self.underwriters[layer].capacity(fund)))

    def _stake(self, name: str) -> Key:
        layer, amount = STAKES[name]
        account = person(name)
        self.stage.provide(account, amount, layer)
        self.stage.act(layer, "deposit", account, amount, str(account))
        self.staked.append(name)
        return account

    def _collect(self, market_id: int) -> dict[str, int]:
        """Collect a market's fees; how the fund's part was shared (M24)."""
        receipt = self.stage.act("house", "collect_fees", self.liquidator, market_id)
        (settled,) = [event.args for event in self.kit.fund.events(receipt) if event.name == "FeesSettled"]
        return {name: int(settled[name]) for name in ("amount", "premiums", "streamed", "booked")}

    # ------------------------------------------------------------------ acts

    def staking(self) -> None:
        """Two layers get something to lose (M10, M19, M23)."""
        stage, fund = self.stage, self.kit.fund
        with stage.step(
            "Staking behind the fund",
            "The fund has named two layers behind its reserve: its stakers and a reinsurance. Two accounts stake 3,000 "
            "and 1,000 U with the stakers, a third 3,000 U with the reinsurance; deposits are immediate. What the fund "
            "may draw there has a limit for life: 2,000 and 1,000 U.",
            [
                *(self._watch_staked(layer) for layer in self.vaults),
                *(self._watch_capacity(layer) for layer in self.vaults),
                Watch("coverage of ETH", lambda: int(fund.coverage(self.kit.house.address, ETH_MARKET))),
            ],
        ):
            for name in ("staker 1", "staker 2", "reinsurer"):
                self._stake(name)
            vault = self.vaults["stakers"]
            shares = [int(vault.balanceOf(str(person(f"staker {number}")))) for number in (1, 2)]
            stage.equal("shares at par: 3,000 and 1,000", shares, [3_000 * SHARE, 1_000 * SHARE])
            coverage = int(fund.coverage(self.kit.house.address, ETH_MARKET))
            stage.equal("ETH is covered by the reserve, 2,000 and 1,000 U", coverage, int(fund.reserve()) + 3_000 * U)
            self.worths()
            self.mark("fees stream")

    def streaming(self) -> None:
        """Fees pay a premium, stream to the stakers and fill the reserve; who comes late gets nothing of before."""
        stage, kit, vault = self.stage, self.kit, self.vaults["stakers"]
        length = STAKERS.stream_length
        with stage.step(
            "Fees stream to the stakers",
            "Half of COIN's fees is the fund's. A tenth of that is the reinsurance's premium; of the rest half goes to "
            "the reserve and half to the stakers, over seven days. After half of the time half has arrived. Staker 3 "
            "comes just before ALT's fees do: what came earlier isn't his.",
            [
                self.free(kit.actors.fee_recipient, "fee recipient"),
                self.reserve(),
                self._watch_staked("stakers"),
                *(self._watch_worth(name) for name in ("staker 1", "staker 2", "reinsurer")),
            ],
        ):
            first = self._collect(COIN_MARKET)
            paid_at = stage.clock.now
            parts = (first["premiums"], first["streamed"], first["booked"])
            expected = (10_594_500, 47_675_250, 47_675_250)
            stage.equal("COIN: 105.945 U = 10.5945 premium + 47.67525 stream + 47.67525 reserve", parts, expected)
            stage.equal("that is all of the fund's part", sum(parts), first["amount"], quiet=True)
            self.worths()
            stage.travel(length // 2)
            self.worths()
            left = length - (stage.now() - paid_at)
            on_its_way = -(-first["streamed"] * left // length)
            stage.equal("after half of the time half is the stakers', to the second", self.unvested(), on_its_way)
            arriving = self._stake_late()
            self.worths()
            unvested, remaining = self.unvested(), int(vault.stream().remaining)
            second = self._collect(ALT_MARKET)
            mean = (unvested * remaining + second["streamed"] * length) // (unvested + second["streamed"])
            stage.equal(
                "ALT's fees join: the time to go is the weighted mean of both",
                int(vault.stream().remaining) + stage.now() - stage.clock.now,
                mean,
            )
            late = (
                (arriving + second["streamed"]) * int(vault.balanceOf(person("staker 3"))) // int(vault.totalSupply())
            )
            stage.travel(mean)
            stage.equal("all of it has arrived", self.unvested(), 0, quiet=True)
            earned = {name: value - STAKES[name][1] for name, value in self.worths().items()}
            streamed = first["streamed"] + second["streamed"]
            stakers = [earned[f"staker {number}"] for number in (1, 2, 3)]
            stage.claim(
                f"the three stakers earned all {_exactly(streamed)} U, but for rounding",
                0 <= streamed - sum(stakers) <= 3,
                f"they earned {stakers}",
            )
            stage.claim(
                f"staker 3's {_exactly(stakers[2])} U are his share of what arrived since he came, and no more",
                abs(stakers[2] - late) <= 2,
                f"his share is {late}",
            )
            rows = [[name, tokens(staked, 6, 0), tokens(earned[name])] for name, (_, staked) in STAKES.items()]
            stage.table(["", "staked, U", "earned, U"], rows)

    def _stake_late(self) -> int:
        """Staker 3 comes at the price of the moment; what was still on its way then, base units (M22)."""
        stage, vault = self.stage, self.vaults["stakers"]
        account, (layer, amount) = person("staker 3"), STAKES["staker 3"]
        stage.provide(account, amount, layer)
        arriving, price = self.unvested(), int(vault.previewDeposit(amount))
        stage.act(layer, "deposit", account, amount, str(account))
        self.staked.append("staker 3")
        self.mark("staker 3 comes")
        shares = int(vault.balanceOf(account))
        stage.claim(
            f"staker 3 pays the price of the moment: {format_amount(shares // 10**6, 6)} shares for 1,000 U",
            shares == price < 1_000 * SHARE,
            f"a preview said {price}",
        )
        return arriving

    def leaving(self) -> None:
        """A request takes shares out at the present price and matures after the cooldown (M20)."""
        stage, kit, vault = self.stage, self.kit, self.vaults["stakers"]
        leaver = person("staker 2")
        me, shares = str(leaver), int(vault.balanceOf(str(leaver)))
        self.request_day = -(-kit.now() // DAY) + STAKERS.cooldown_days
        with stage.step(
            "A staker wants to leave",
            "Staker 2 asks for all his shares. They leave at the price of the moment, earn nothing from now on, and "
            f"bear losses until the first day that begins seven days later: {day_text(self.request_day)}.",
            [
                Watch("shares, staker 2", lambda: int(vault.balanceOf(me)), "", 12),
                self._watch_worth("staker 2"),
                self._watch_staked("stakers"),
                Watch("pending exits", lambda: int(vault.exit_pool_state()[0])),
            ],
        ):
            before = self.worth("staker 2")
            call = ("requestRedeem", (shares, me, me))
            stage.act("stakers", "request_redeem", leaver, shares, me, me, chain=call)
            self.requested = int(vault.request_assets(self.request_day, me))
            stage.equal("his request is worth what his shares were", self.requested, before)
            stage.equal("it goes by its day", list(vault.request_ids(me)), [self.request_day], quiet=True)
            self._refuse_claim("claiming at once", shares)
            self.mark("staker 2 asks to leave")

    def _refuse_claim(self, says: str, shares: int) -> None:
        me = str(person("staker 2"))
        reason = "backstop: above claimable"
        self.stage.refuse("stakers", "redeem", person("staker 2"), shares, me, me, reason=reason, says=says)

    def every_layer(self) -> None:
        """One loss runs through collateral, reserve, stakers, reinsurance and the other traders (M10, M13, M21)."""
        stage, kit, price = self.stage, self.kit, 2_000 * COIN
        long_w, long_y, short_z = person("ETH long W"), person("ETH long Y"), person("ETH short Z")
        others = {"long Y": long_y, "short Z": short_z}
        sell = self._order(short_z, False, 60 * COIN, price, 60_024 * U, ETH_MARKET)
        stage.trade(sell, self._order(long_w, True, 50 * COIN, price, 10_050 * U, ETH_MARKET), 50 * COIN)
        stage.trade(sell, self._order(long_y, True, 10 * COIN, price, 10_010 * U, ETH_MARKET), 10 * COIN)
        stage.deposit(self.liquidator, 20_000 * U)
        self._collect(ETH_MARKET)
        stage.travel(DAY)
        with stage.step(
            "A crash through every layer",
            "Long W holds 50 ETH at 10x. ETH falls from 2,000 to 1,540 U in one update: W has lost 23,000 U and had "
            "10,000. In one transaction the reserve pays until it is empty, then the stakers, then the reinsurance, "
            "each up to its limit, and the other ETH traders share the rest by base size.",
            [
                self.equity(long_w, "ETH long W", ETH_MARKET),
                self.reserve(),
                Watch("revenue on its way", self.unvested),
                self._watch_staked("stakers"),
                Watch("pending exits", lambda: int(self.vaults["stakers"].exit_pool_state()[0])),
                self._watch_staked("reinsurance"),
                self.used(ETH_MARKET, "ETH"),
                *(self.equity(account, name, ETH_MARKET) for name, account in others.items()),
            ],
        ):
            stage.price(ETH_MARKET, 1_540 * COIN)
            stage.equal("W is worth less than nothing: −13,000 U", stage.equity(long_w, ETH_MARKET), -13_000 * U)
            equities = {name: stage.equity(account, ETH_MARKET) for name, account in others.items()}
            had, free = int(kit.fund.reserve()), stage.free(self.liquidator)
            self.before_slash = self.worths()
            self.mark("ETH crashes")
            call = (ETH_MARKET, long_w, 50 * COIN, 10_000 * U)
            receipt = self._resolve(long_w, "ETH long W", 10_000 * U, "liquidate", self.liquidator, *call)
            self.after_slash = self.worths()
            stage.equal(
                "the liquidator's reward is 0 again", stage.free(self.liquidator), free - 10_000 * U, quiet=True
            )
            self._claim_layers(receipt, had)
            self._claim_slash(receipt)
            rest = 10_000 * U - had
            stage.equal(f"the rest, {_exactly(rest)} U, is socialised; no bad debt", self._last_parts()[-2:], (rest, 0))
            charges = {}
            for name, account in others.items():
                stage.act("house", "settle", self.liquidator, ETH_MARKET, account)
                charges[name] = equities[name] - stage.equity(account, ETH_MARKET)
            stage.equal(
                "long Y bears 10 of 70 ETH, short Z 60 of 70",
                charges,
                {"long Y": -(-rest * 10 // 70), "short Z": -(-rest * 60 // 70)},
            )
            rows = [[name, tokens(part)] for name, part in zip(_WATERFALL, self._last_parts(), strict=True)]
            stage.table(["W's loss of 23,000 U", "U"], rows)

    def _last_parts(self) -> tuple[int, ...]:
        return self.tale.losses[-1].parts

    def _claim_layers(self, receipt: Any, had: int) -> None:
        """Each layer paid what it could, in order (M10, I7)."""
        stage, fund = self.stage, self.kit.fund
        _, reserve, stakers, reinsurance, *_ = self._last_parts()
        stage.equal(f"the reserve paid all it had, {_exactly(had)} U", (reserve, int(fund.reserve())), (had, 0))
        stage.equal("the stakers paid exactly the fund's limit there, 2,000 U", stakers, STAKERS.limit)
        stage.equal("the reinsurance paid exactly 1,000 U", reinsurance, REINSURANCE.limit)
        order = [str(event.args["layer"]) for event in fund.events(receipt) if event.name == "LayerPaid"]
        stage.equal("in that order", order, [address_of(layer) for layer in self.underwriters.values()], quiet=True)

    def _claim_slash(self, receipt: Any) -> None:
        """Unvested revenue went first, then stake and pending exits at one rate (M21)."""
        vault = self.vaults["stakers"]
        (slash,) = [event.args for event in vault.events(receipt) if event.name == "Slashed"]
        unvested, pending = int(slash["from_unvested"]), int(slash["from_pending"])
        self.stage.equal(f"the stakers' {_exactly(unvested)} U on their way went first", self.unvested(), 0)
        rates = [
            (self.before_slash[name] - self.after_slash[name]) * 10**6 // self.before_slash[name]
            for name in ("staker 1", "staker 2", "staker 3")
        ]
        rate = format_amount(rates[0] // 100, 2, places=2)
        self.stage.claim(
            f"who stays and who is leaving lost the same {rate} % of the stake",
            max(rates) - min(rates) <= 1,
            f"{rates}",
        )
        self.stage.equal(
            "the leaver's part is the pool's", self.requested - self.worth("staker 2"), pending, quiet=True
        )

    def guardian(self) -> None:
        """A pause holds exits and notices alike (M9, M37)."""
        stage, kit = self.stage, self.kit
        vault, leaver = self.vaults["stakers"], str(person("staker 2"))
        shares = int(vault.pendingRedeemRequest(self.request_day, leaver))
        payload = stage.announce("set_max_insurance", address_of(kit.house), COIN_MARKET, 50_000 * U)
        stage.travel(self.request_day * DAY - HOUR - kit.now())
        noticed = Watch(
            "COIN's notice, hours passed", lambda: int(kit.notices.notice(kit.fund.address, payload)[0]) // HOUR, "h", 0
        )
        with stage.step(
            "The guardian pauses payouts",
            "Governance has given notice that it wants to raise COIN's limit; that takes ten days. An hour before "
            "staker 2's day the guardian pauses payouts for two days, to look into the crash. Until a day after that "
            "no exit matures and no notice goes on: nobody gets ahead of a loss, nor governance of the stakers.",
            [
                noticed,
                Watch("claimable, staker 2", lambda: int(vault.maxWithdraw(leaver))),
            ],
        ):
            stage.act("fund", "pause_payouts", kit.actors.guardian, 2 * DAY)
            self.mark("exits held")
            resume_at, passed = int(kit.fund.payouts_resume_at()), int(kit.notices.notice(kit.fund.address, payload)[0])
            held = [int(underwriter.held_until()) for underwriter in self.underwriters.values()]
            stage.equal("both layers' exits are held until a day after the pause", held, [resume_at + DAY] * 2)
            again = {"reason": "fund: paused too recently", "says": "pausing once more"}
            stage.refuse("fund", "pause_payouts", kit.actors.guardian, DAY, **again)
            excess = {"reason": "fund: payouts paused", "says": "the treasurer meanwhile"}
            stage.refuse("fund", "withdraw_excess", kit.actors.treasurer, U, **excess)
            stage.travel(DAY + DAY // 2)
            late = kit.now() > self.request_day * DAY
            stage.claim("staker 2's day has begun", late, f"it is {kit.now()}", quiet=True)
            self._refuse_claim("claiming on the day, held", shares)
            call = ("set_max_insurance", address_of(kit.house), COIN_MARKET, 50_000 * U)
            stage.equal(
                "36 hours on, the notice stands still, on the chain and in the model",
                (int(kit.notices.notice(kit.fund.address, payload)[0]), stage.fund.notices.notice(stage.fund, call)[0]),
                (passed, passed),
            )

    def claiming(self) -> None:
        """After the cooldown and the hold, what is left is claimed (M20)."""
        stage, kit, vault = self.stage, self.kit, self.vaults["stakers"]
        leaver = person("staker 2")
        me = str(leaver)
        stage.travel(int(self.underwriters["stakers"].held_until()) - kit.now())
        with stage.step(
            "The claim",
            "The hold has ended and the day has matured: staker 2 claims what the crash has left of his request. "
            "The others stay.",
            [
                Watch("claimable, staker 2", lambda: int(vault.maxWithdraw(me))),
                self.tokens_of(leaver, "staker 2"),
                self._watch_staked("stakers"),
            ],
        ):
            due = int(vault.maxWithdraw(me))
            stage.equal("what is claimable is what the crash has left", due, self.after_slash["staker 2"])
            shares = int(vault.maxRedeem(me))
            stage.act("stakers", "redeem", leaver, shares, me, me)
            self.mark("staker 2 claims")
            received = int(kit.asset.balanceOf(me))
            stage.equal(f"he has {_exactly(received)} of {_exactly(self.requested)} U", received, due)
            stage.claim("no claim pays more than its request was worth", received <= self.requested, f"{received}")
            left = self.worths()
            rows = []
            for name, (_, staked) in STAKES.items():
                earned, lost = self.before_slash[name] - staked, self.before_slash[name] - self.after_slash[name]
                self.tale.stakes.append(Stake(name, staked, earned, lost, left[name]))
                rows.append([name, *(tokens(value) for value in (staked, earned, lost, left[name]))])
                stage.equal(f"{name}: staked + earned − lost = left", staked + earned - lost, left[name], quiet=True)
            stage.table(["stakes, U", "staked", "earned", "lost", "left"], rows)


def _exactly(value: int) -> str:
    """An amount in U, its decimals as far as they aren't zero."""
    return format_amount(value, 6, places=2)
