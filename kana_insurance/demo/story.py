"""The story: a fund, three markets, a fourth one apart, a crash. Each act is a function of a stage; together they take
ten seconds.

The cast and the terms are in ``cast``, the acts of stakers and reinsurance in ``layers``, of the market apart in
``isolated``, of the lending pools in ``lending``.
"""

from __future__ import annotations

from typing import Any

from kana_insurance import orders
from kana_insurance.backends import Reverted
from kana_insurance.demo.cast import (
    ALT_MARKET,
    COIN_MARKET,
    DOGE_MARKET,
    LAYERS,
    MARKETS,
    PEOPLE,
    THRESHOLD,
    Split,
    Tale,
    deploy,
    person,
)
from kana_insurance.demo.isolated import IsolatedActs
from kana_insurance.demo.layers import LayerActs
from kana_insurance.demo.lending import LendingActs
from kana_insurance.demo.stage import StoryError, Watch
from kana_insurance.deployment import DAY
from kana_insurance.kit import COIN, U
from kana_insurance.report import tokens


class Story(LayerActs, IsolatedActs, LendingActs):
    """The acts, in order."""

    def tell(self) -> Tale:
        """All acts.

        Raises:
            StoryError: if the chain or the model refuses what the story needs.
        """
        self.contributions()
        self.positions()
        self.crash()
        self.first_liquidation()
        self.at_the_cap()
        self.sell_what_was_taken()
        self.treasurer()
        self.notice()
        self.insolvent()
        self.limit_exhausted()
        self.deleveraging()
        self.market_apart()
        self.staking()
        self.streaming()
        self.leaving()
        self.every_layer()
        self.guardian()
        self.claiming()
        self.lending()
        self.books()
        return self.tale

    # ------------------------------------------------------------------ acts

    def contributions(self) -> None:
        """Several accounts contribute, one of them by permit (M7)."""
        stage, kit = self.stage, self.kit
        one, two, three = (person(f"contributor {number}") for number in (1, 2, 3))
        given = Watch("contributions, recorded", lambda: int(kit.fund.total_contributions()))
        with stage.step(
            "Contributions",
            "Three accounts contribute: two approve and contribute, the third signs a permit and needs one "
            "transaction. Contributions are recorded apart from every trading balance.",
            [self.reserve(), self.room(), given],
        ):
            stage.contribute(one, 4_000 * U)
            stage.contribute(two, 3_000 * U)
            amount, deadline = 2_500 * U, kit.now() + DAY
            stage.mint(three, amount)
            terms = (str(three), kit.fund.address, amount, 0, deadline)
            permit = orders.permit_data(kit.asset.address, "Kana USDT", "1", kit.backend.chain_id(), *terms)
            v, r, s = orders.split_signature(orders.sign_typed(permit, three))
            call = ("contribute_with_permit", (amount, deadline, v, r, s))
            stage.act("fund", "contribute", three, amount, chain=call)
            recorded = [int(kit.fund.contributions(account)) for account in (one, two, three)]
            stage.equal(
                "each contribution is recorded: 4,000 + 3,000 + 2,500 U", recorded, [4_000 * U, 3_000 * U, amount]
            )
            stage.equal("the reserve is their sum", int(kit.fund.reserve()), sum(recorded))

    def positions(self) -> None:
        """Traders of different leverage on both sides, by signed orders, filled in parts (M27)."""
        stage = self.stage
        # (size in COIN, equity after the fee, fee of 5 bps)
        longs = {"A": (100, 1_000), "B": (500, 5_000), "C": (500, 5_000), "D": (250, 2_500)}
        longs |= {"E": (80, 1_000), "F": (100, 3_400), "G": (40, 2_000)}
        with stage.step(
            "Traders open positions",
            "Seven longs of 2x to 10x and two shorts of 2x and 3x sign orders at 100 U; anyone may submit a pair. The "
            "shorts' two orders are filled in parts. Margin leaves the free balances, fees accrue in the venue.",
            [
                Watch("open interest", lambda: int(self.kit.house.books(COIN_MARKET).open_interest), "COIN", 18),
                Watch("the market's pot", lambda: int(self.kit.house.books(COIN_MARKET).pot)),
                Watch("fees accrued", lambda: int(self.kit.house.books(COIN_MARKET).fees)),
            ],
        ):
            sells = {
                "S": self._order(person("short S"), False, 1_000 * COIN, 100 * COIN, 34_000 * U),
                "T": self._order(person("short T"), False, 570 * COIN, 100 * COIN, 28_600 * U),
            }
            buys = {
                name: self._order(
                    person(f"long {name}"), True, size * COIN, 100 * COIN, equity * U + size * 100 * U * 5 // 10_000
                )
                for name, (size, equity) in longs.items()
            }
            plan = [("S", "A", 100), ("S", "B", 500), ("S", "D", 250), ("S", "C", 150)]
            plan += [("T", "C", 350), ("T", "E", 80), ("T", "F", 100), ("T", "G", 40)]
            for maker, taker, size in plan:
                stage.trade(sells[maker], buys[taker], size * COIN)
            rows = []
            for name, (size, equity) in longs.items():
                stage.equal(f"equity of long {name}", stage.equity(person(f"long {name}")), equity * U, quiet=True)
                rows.append([f"long {name}", f"{size}", f"{equity:,}", f"{size * 100 / equity:.1f}x"])
            for name, size in (("S", -1_000), ("T", -570)):
                equity = stage.equity(person(f"short {name}"))
                rows.append([f"short {name}", f"{size:,}", tokens(equity, 6, 2), f"{-size * 100 * U / equity:.1f}x"])
            stage.table(["trader", "COIN", "equity, U", "leverage"], rows)

    def crash(self) -> None:
        """The price falls by 6 %; who is at 10x falls below maintenance margin (M28)."""
        stage = self.stage
        names = "ABCDEFG"
        with stage.step(
            "The crash",
            "COIN falls from 100 to 94 U. A position may be liquidated when its equity is below 5 % of its value.",
            [Watch("COIN", lambda: self.kit.mark(COIN_MARKET), "U", 18)]
            + [self.equity(person(f"long {name}"), f"long {name}") for name in names],
        ):
            stage.price(COIN_MARKET, 94 * COIN)
            house = self.kit.house
            due = [name for name in names if house.is_liquidatable(COIN_MARKET, str(person(f"long {name}")))]
            stage.equal("the four at 10x are liquidatable, the others are not", due, ["A", "B", "C", "D"])

    def _liquidate(self, names: list[str], margin: int, expected: list[tuple[int, int, int]], batch: bool) -> None:
        """Liquidate longs of market 0 and claim the splits: (liquidator, fund, trader) in whole tokens."""
        stage, house = self.stage, self.kit.house
        accounts = [person(name) for name in names]
        sizes = [abs(stage.size(account)) for account in accounts]
        if batch:
            args: tuple[Any, ...] = (COIN_MARKET, list(zip(accounts, sizes, strict=True)), margin)
            receipt = stage.act("house", "liquidate_batch", self.liquidator, *args)
        else:
            args = (COIN_MARKET, accounts[0], sizes[0], margin)
            receipt = stage.act("house", "liquidate", self.liquidator, *args)
        done = [event.args for event in house.events(receipt) if event.name == "Liquidated"]
        rows = []
        for name, got, wanted in zip(names, done, expected, strict=True):
            split = Split(name, got["collateral"], got["to_liquidator"], got["to_fund"], got["to_trader"])
            self.tale.splits.append(split)
            rows.append(
                [name, *(tokens(v, 6, 2) for v in (split.collateral, split.liquidator, split.fund, split.back))]
            )
            found = (split.liquidator, split.fund, split.back)
            stage.equal(
                f"{name}: {sum(wanted):,} U = {wanted[0]:,} to the liquidator + {wanted[1]:,} to the fund + "
                f"{wanted[2]:,} back",
                found,
                tuple(part * U for part in wanted),
            )
        stage.table(["of the collateral left", "U", "liquidator", "fund", "trader"], rows)

    def first_liquidation(self) -> None:
        """One liquidation, split 30/20/50 (M1)."""
        trader = person("long A")
        self.stage.deposit(self.liquidator, 40_000 * U)
        with self.stage.step(
            "A liquidation: 30 / 20 / 50",
            "The liquidator takes long A's 100 COIN over at the mark. The position is closed first; what is left of "
            "its collateral is split: 30 % to the liquidator, 20 % to the fund, the rest back to the trader.",
            [
                self.free(trader, "long A"),
                self.free(self.liquidator, "liquidator"),
                self.position(self.liquidator, "liquidator"),
                self.reserve(),
                self.room(),
            ],
        ):
            self._liquidate(["long A"], 1_000 * U, [(120, 80, 200)], batch=False)

    def at_the_cap(self) -> None:
        """A batch that fills the reserve up to its threshold: whole slice, part of one, none (M1, M2, M4)."""
        names = ["long B", "long C", "long D"]
        with self.stage.step(
            "The cap",
            "Three more in one batch. The fund has room for one whole slice and 20 U of the next; then it takes "
            "nothing. What the cap keeps out stays with the trader, never with the liquidator.",
            [
                self.reserve(),
                self.room(),
                self.free(self.liquidator, "liquidator"),
                *(self.free(person(name), name) for name in names),
            ],
        ):
            self._liquidate(names, 12_000 * U, [(600, 400, 1_000), (600, 20, 1_380), (300, 0, 700)], batch=True)
            self.stage.equal("the reserve stands exactly at its threshold", int(self.kit.fund.reserve()), THRESHOLD)

    def sell_what_was_taken(self) -> None:
        """The liquidator sells to the shorts, who take their profit."""
        stage, price = self.stage, 94 * COIN
        short_s, short_t = person("short S"), person("short T")
        with stage.step(
            "The liquidator sells what he took over",
            "1,350 COIN go to the shorts, who take their profit: signed orders again, at 94 U.",
            [
                self.position(self.liquidator, "liquidator"),
                self.free(self.liquidator, "liquidator"),
                self.free(short_s, "short S"),
                self.position(short_t, "short T"),
            ],
        ):
            sell = self._order(self.liquidator, False, 1_350 * COIN, price, 0, reduce_only=True)
            for buyer, size in ((short_s, 1_000 * COIN), (short_t, 350 * COIN)):
                stage.trade(sell, self._order(buyer, True, size, price, 0, reduce_only=True), size)
            stage.equal(
                "short S made exactly 6,000 U less fees of 67 U", stage.free(short_s), (34_000 + 6_000 - 67) * U
            )

    def treasurer(self) -> None:
        """A treasurer takes the excess alone, to the treasury alone (M8)."""
        stage, kit = self.stage, self.kit
        treasurer = kit.actors.treasurer
        with stage.step(
            "The treasurer",
            "At the threshold there is nothing to take. A late contribution of 1,500 U lifts the reserve above it; "
            "that much may go, and to the treasury alone: the function takes no receiver.",
            [
                self.reserve(),
                Watch("excess", lambda: int(kit.fund.excess())),
                self.tokens_of(kit.actors.treasury, "treasury"),
            ],
        ):
            refused = {"reason": "fund: below threshold", "says": "1 U while the reserve is at its threshold"}
            stage.refuse("fund", "withdraw_excess", treasurer, U, **refused)
            stage.contribute(person("latecomer"), 1_500 * U)
            stage.refuse(
                "fund",
                "withdraw_excess",
                treasurer,
                1_500 * U + 1,
                reason="fund: above excess",
                says="one unit too much",
            )
            stage.act("fund", "withdraw_excess", treasurer, 1_500 * U)
            stage.equal("exactly the excess went", int(kit.asset.balanceOf(str(kit.actors.treasury))), 1_500 * U)
            stage.refuse("fund", "withdraw_excess", treasurer, 1, **{**refused, "says": "one unit more afterwards"})

    def notice(self) -> None:
        """Lowering the threshold to withdraw afterwards is stopped by delay and notice (M9)."""
        stage, kit = self.stage, self.kit
        lower = 4_000 * U
        payload = kit.encode(kit.fund, "set_threshold", lower)
        with stage.step(
            "“Lower the threshold, then withdraw”",
            "Governance wants 4,000 U as the threshold, so that 6,000 U can go. The timelock makes it wait two days; "
            "then the fund itself refuses: lowering needs a notice of ten more days, given in public before, so that "
            "stakers, who wait seven, could leave first. Until it has run out, the old threshold counts.",
            [self.reserve(), Watch("threshold", lambda: int(kit.fund.threshold()))],
        ):
            call = (kit.fund.address, 0, payload, b"\x00" * 32, b"\x01" * 32)
            delay = int(kit.timelock.get_minimum_delay())
            kit.timelock.schedule(*call, delay, sender=kit.actors.proposer)
            self._timelock_refuses(call, "timelock_controller: operation is not ready", "executing at once")
            stage.travel(delay)
            self._timelock_refuses(call, "fund: no notice", "executing after the timelock's two days")
            stage.announce("set_threshold", lower)
            self._timelock_refuses(call, "fund: notice not mature", "executing while the notice runs")
            stage.refuse(
                "fund",
                "withdraw_excess",
                kit.actors.treasurer,
                U,
                reason="fund: below threshold",
                says="the treasurer meanwhile",
            )
            stage.equal("the threshold is the old one", int(kit.fund.threshold()), THRESHOLD, quiet=True)

    def _timelock_refuses(self, call: tuple[Any, ...], reason: str, says: str) -> None:
        try:
            self.kit.timelock.execute.call(*call, sender=self.kit.actors.proposer)
            found = "nothing: it went through"
        except Reverted as error:
            found = error.reason
        self.stage.claim(f"{says}: refused, “{reason}”", found == reason, f"the chain said {found}")

    def insolvent(self) -> None:
        """A gap makes a position insolvent: covered by the reserve, no reward for anyone (M3, M10, M12)."""
        stage = self.stage
        trader, last = person("long H"), person("long E")
        sell = self._order(person("short T"), False, 100 * COIN, 100 * COIN, 0)
        stage.price(COIN_MARKET, 100 * COIN)
        stage.trade(sell, self._order(trader, True, 100 * COIN, 100 * COIN, 1_005 * U), 100 * COIN)
        with stage.step(
            "A gap: insolvent, covered, no reward",
            "COIN is back at 100 U and long H opens 100 COIN at 10x. Then it falls to 88 U in one update: H has lost "
            "1,200 U and had 1,000. The liquidator gets nothing for it; the reserve pays the missing 200 U, which "
            "count against the market's limit. The 8 U that the next liquidation brings give as much of it back.",
            [
                self.equity(trader, "long H"),
                self.reserve(),
                self.used(COIN_MARKET, "COIN"),
                self.position(self.liquidator, "liquidator"),
            ],
        ):
            stage.price(COIN_MARKET, 88 * COIN)
            stage.equal("H is worth less than nothing: −200 U", stage.equity(trader), -200 * U)
            before = stage.free(self.liquidator)
            size = stage.size(trader)
            call = (COIN_MARKET, trader, size, 5_000 * U)
            self._resolve(trader, "long H", 1_000 * U, "liquidate", self.liquidator, *call)
            stage.equal("the liquidator's reward is 0", stage.free(self.liquidator), before - 5_000 * U)
            stage.equal("the reserve paid exactly 200 U", int(self.kit.fund.reserve()), THRESHOLD - 200 * U)
            self._liquidate(["long E"], 0, [(12, 8, 20)], batch=False)
            stage.equal("200 − 8 U of the limit are used", stage.used(), 192 * U)
            stage.equal("long E is flat", stage.size(last), 0, quiet=True)

    def limit_exhausted(self) -> None:
        """A market's limit ends; the rest is shared by base size (M11, M29)."""
        stage, price = self.stage, 20 * COIN
        long_x, long_v = person("ALT long X"), person("ALT long V")
        short_p, short_q = person("ALT short P"), person("ALT short Q")
        others = {"long V": (long_v, 700), "short P": (short_p, 1_300), "short Q": (short_q, 400)}
        sell_p = self._order(short_p, False, 1_300 * COIN, price, 13_000 * U, ALT_MARKET)
        sell_q = self._order(short_q, False, 400 * COIN, price, 4_000 * U, ALT_MARKET)
        buy_x = self._order(long_x, True, 1_000 * COIN, price, 2_010 * U, ALT_MARKET)
        buy_v = self._order(long_v, True, 700 * COIN, price, 7_000 * U, ALT_MARKET)
        for maker, taker, size in ((sell_p, buy_x, 1_000), (sell_p, buy_v, 300), (sell_q, buy_v, 400)):
            stage.trade(maker, taker, size * COIN)
        with stage.step(
            "A market's limit ends",
            "ALT may cost the fund 500 U for life. It falls from 20 to 17 U in one update and long X, 10x on 1,000 "
            "ALT, lacks 1,000 U. The fund pays 500 and no more; the other 500 are shared by all other positions of "
            "ALT, by base size, long and short alike. The COIN market isn't touched.",
            [
                self.reserve(),
                self.used(ALT_MARKET, "ALT"),
                self.used(COIN_MARKET, "COIN"),
                *(self.equity(account, name, ALT_MARKET) for name, (account, _) in others.items()),
            ],
        ):
            before = {}
            stage.price(ALT_MARKET, 17 * COIN)
            for name, (account, _) in others.items():
                before[name] = stage.equity(account, ALT_MARKET)
            call = (ALT_MARKET, long_x, 1_000 * COIN, 3_000 * U)
            self._resolve(long_x, "ALT long X", 2_000 * U, "liquidate", self.liquidator, *call)
            stage.equal("the limit is used up: 500 of 500 U", stage.used(ALT_MARKET), 500 * U)
            expected = {"long V": 145_833_334, "short P": 270_833_334, "short Q": 83_333_334}
            rows = []
            for name, (account, size) in others.items():
                stage.act("house", "settle", self.liquidator, ALT_MARKET, account)
                charge = before[name] - stage.equity(account, ALT_MARKET)
                stage.equal(f"{name} bears {size:,} of 2,400 ALT", charge, expected[name], quiet=True)
                rows.append([name, f"{size:,}", tokens(charge)])
            stage.table(["charged", "ALT", "U"], [*rows, ["all", "2,400", tokens(sum(expected.values()))]])
            dust = int(self.kit.house.books(ALT_MARKET).dust)
            stage.equal("charges are rounded up: 500 U and 2 units of dust, kept in the books", dust, 2)

    def deleveraging(self) -> None:
        """A bankrupt position that nobody takes is closed against the other side (M28a)."""
        stage = self.stage
        trader, short_t = person("long K"), person("short T")
        passer_by = person("passer-by")
        sell = self._order(short_t, False, 100 * COIN, 88 * COIN, 0)
        buy = self._order(trader, True, 100 * COIN, 88 * COIN, 884_400_000)
        stage.trade(sell, buy, 100 * COIN)
        with stage.step(
            "Nobody takes it: deleveraging",
            "Long K, 10x at 88 U, is bankrupt at 78 U: no reward, so no taker. Anyone flags it without capital; ten "
            "minutes later anyone closes it at the mark against short T. The reserve covers K's 120 U first, so T "
            "loses nothing.",
            [
                self.position(trader, "long K"),
                self.equity(trader, "long K"),
                self.position(short_t, "short T"),
                self.reserve(),
                self.used(COIN_MARKET, "COIN"),
            ],
        ):
            stage.price(COIN_MARKET, 78 * COIN)
            stage.act("house", "flag", passer_by, COIN_MARKET, trader)
            call = (COIN_MARKET, trader, [short_t])
            stage.refuse(
                "house", "deleverage", passer_by, *call, reason="house: grace running", says="deleveraging at once"
            )
            stage.travel(600)
            before = stage.equity(short_t)
            self._resolve(trader, "long K", 880 * U, "deleverage", passer_by, *call)
            stage.equal("long K is flat and owes nothing", (stage.size(trader), stage.equity(trader)), (0, 0))
            stage.equal("short T was closed at the mark and lost nothing", stage.equity(short_t), before)
            stage.equal("the reserve paid exactly 120 U", stage.used(), 312 * U)

    def books(self) -> None:
        """Every token is accounted for (M26)."""
        stage, kit = self.stage, self.kit
        house, fund = kit.house, kit.fund
        with stage.step(
            "The books",
            "Every token is counted: what was minted is in a fund, in a layer's vault, in the house, in the "
            "treasury, or in somebody's hands.",
        ):
            supply = int(kit.asset.totalSupply())
            vaults = {layer.name: layer.backstop for layer in kit.system.layers}
            held = {
                "the fund": int(kit.asset.balanceOf(fund.address)),
                "DOGE's own fund": int(kit.asset.balanceOf(kit.isolated[DOGE_MARKET].address)),
                **{f"the vault, {name}": int(kit.asset.balanceOf(vault.address)) for name, vault in vaults.items()},
                "the house": int(kit.asset.balanceOf(house.address)),
                "the treasury": int(kit.asset.balanceOf(str(kit.actors.treasury))),
                "wallets": sum(int(kit.asset.balanceOf(str(person(name)))) for name in PEOPLE),
            }
            accounted = self._accounted()
            rows = [[name, tokens(value)] for name, value in held.items()]
            stage.table(["tokens", "U"], [*rows, ["minted", tokens(stage.minted)]])
            stage.equal("every token minted is found", (sum(held.values()), supply), (stage.minted, stage.minted))
            stage.equal("the fund's tokens are its reserve, to the unit", held["the fund"], int(fund.reserve()))
            for name, vault in vaults.items():
                booked = int(vault.totalAssets()) + int(vault.stream().unvested) + int(vault.exit_pool_state()[0])
                stage.equal(
                    f"the tokens of the vault, {name}: stake, stream and exits, to the unit",
                    held[f"the vault, {name}"],
                    booked,
                )
            stage.equal("the house's tokens are what its books say, to the unit", held["the house"], accounted)

    def _accounted(self) -> int:
        """Tokens that the house's books on the chain account for: free balances, positions, fees, dust (M26)."""
        house = self.kit.house
        everybody = [*map(person, PEOPLE), *self.kit.actors.others, self.kit.actors.fee_recipient]
        total = sum(self.stage.free(account) for account in everybody)
        for market_id in range(len(MARKETS)):
            books = house.books(market_id)
            total += int(books.fees) + int(books.dust_fees) + int(books.dust)
            total += sum(int(house.position(market_id, str(account)).balance) for account in everybody)
            total -= int(self.kit.system.fund_of(market_id).bad_debt(house.address, market_id))
        return total


__all__ = ["LAYERS", "Story", "StoryError", "Tale", "deploy"]
