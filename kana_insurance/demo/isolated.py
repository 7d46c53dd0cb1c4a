"""The act of the market apart: it fails beside a healthy shared fund, and nothing of that fund moves (M17)."""

from __future__ import annotations

from kana_insurance.backends import address_of
from kana_insurance.demo.cast import DOGE_MARKET, DOGE_THRESHOLD, Acts, person
from kana_insurance.demo.stage import Watch
from kana_insurance.kit import COIN, U
from kana_insurance.reader import fund_state
from kana_insurance.report import tokens


class IsolatedActs(Acts):
    """What happens in the market that has a fund of its own."""

    def market_apart(self) -> None:
        """An isolated fund of 10 U meets a shortfall of 1,000 U (M17, I8)."""
        stage, kit, price = self.stage, self.kit, 10 * COIN
        own, shared = kit.isolated[DOGE_MARKET], kit.fund
        long_n, long_m, short_o = (person(f"DOGE {name}") for name in ("long N", "long M", "short O"))
        giver = person("contributor 1")
        sell = self._order(short_o, False, 2_000 * COIN, price, 10_004 * U, DOGE_MARKET)
        for buyer, margin in ((long_n, 1_005 * U), (long_m, 5_005 * U)):
            buy = self._order(buyer, True, 1_000 * COIN, price, margin, DOGE_MARKET)
            stage.trade(sell, buy, 1_000 * COIN)
        others = {"long M": (long_m, 1_000, 330 * U), "short O": (short_o, 2_000, 660 * U)}
        people = [str(giver), str(self.liquidator)]
        before = self._shared(people)
        with stage.step(
            "A market apart",
            f"DOGE has a fund of its own, made by the same factory, with a threshold of "
            f"{tokens(DOGE_THRESHOLD, 6, 0)} U and 10 U in it. DOGE falls from 10 to 8 U in one update; long N, 10x on "
            "1,000 DOGE, lacks 1,000 U. Its fund pays the 10 U that it has and DOGE's own traders bear the rest. The "
            "fund of the other markets stands beside it with all that it has and pays nothing.",
            [
                Watch("reserve, DOGE's own fund", lambda: int(own.reserve())),
                Watch("reserve, the shared fund", lambda: int(shared.reserve())),
                *(self.equity(account, name, DOGE_MARKET) for name, (account, _, _) in others.items()),
            ],
        ):
            stage.mint(giver, 10 * U)
            kit.asset.approve(address_of(own), 10 * U, sender=giver)
            stage.act(f"isolated {DOGE_MARKET}", "contribute", giver, 10 * U)
            stage.price(DOGE_MARKET, 8 * COIN)
            equities = {name: stage.equity(account, DOGE_MARKET) for name, (account, _, _) in others.items()}
            stage.equal("N is worth less than nothing: −1,000 U", stage.equity(long_n, DOGE_MARKET), -1_000 * U)
            call = (DOGE_MARKET, long_n, 1_000 * COIN, 3_000 * U)
            self._resolve(long_n, "DOGE long N", 1_000 * U, "liquidate", self.liquidator, *call)
            used = int(own.market(address_of(kit.house), DOGE_MARKET).used)
            stage.equal("DOGE's fund paid all it had: 10 of 1,000 U", (used, int(own.reserve())), (10 * U, 0))
            rows = []
            for name, (account, size, share) in others.items():
                stage.act("house", "settle", self.liquidator, DOGE_MARKET, account)
                charge = equities[name] - stage.equity(account, DOGE_MARKET)
                stage.equal(f"{name} bears {size:,} of 3,000 DOGE", charge, share, quiet=True)
                rows.append([name, f"{size:,}", tokens(charge)])
            stage.table(["charged", "DOGE", "U"], [*rows, ["all", "3,000", tokens(990 * U)]])
            stage.equal("the shared fund and its layers are what they were, to the unit", self._shared(people), before)
            venue = kit.impersonate(kit.house)
            stage.refuse(
                "fund",
                "cover_shortfall",
                venue,
                DOGE_MARKET,
                U,
                reason="fund: unknown market",
                says="asking the shared fund for DOGE",
            )

    def _shared(self, people: list[str]) -> tuple[object, ...]:
        """All that the shared fund says, and what its layers hold."""
        kit = self.kit
        vaults = [layer.backstop for layer in kit.system.layers]
        held = [(int(vault.totalAssets()), int(kit.asset.balanceOf(vault.address))) for vault in vaults]
        return fund_state(kit.system, people), held
