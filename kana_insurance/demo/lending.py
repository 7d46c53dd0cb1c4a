"""The act of the lenders: one loan fails in two pools alike, one with something in its fund and one without (M33)."""

from __future__ import annotations

from kana_insurance.backends import address_of
from kana_insurance.backends.rpc import Key
from kana_insurance.demo.cast import Acts, PoolLoss, person
from kana_insurance.demo.stage import Watch
from kana_insurance.kit import COIN, Kit, U
from kana_insurance.pool_mirror import PoolMirror, chain_state, pool_mirror_of
from kana_insurance.report import tokens

#: What each lends, and what a pool pays back of it in percent, by the pool's asset.
LENT = {"lender 1": 500 * U, "lender 2": 300 * U, "lender 3": 200 * U}
LEFT = {"KEUR": 96, "KGBP": 90}
#: What the fund of the first pool has.
RESERVE = 60 * U
#: The loan: 0.35 ether of 2,000 for 504; they are worth 420 at 1,200.
COLLATERAL, DEBT, PRICE, FALLEN = 35 * COIN // 100, 504 * U, 2_000 * COIN, 1_200 * COIN
ETHER = 0


class LendingActs(Acts):
    """What happens in the lending pools."""

    def lending(self) -> None:
        """A loan is bankrupt; the fund pays, then all lenders the same share, whoever leaves first (M33, T73)."""
        stage = self.stage
        pools = {symbol: self._open(number, symbol) for number, symbol in enumerate(LEFT)}
        watched = [self._assets(symbol, kit) for symbol, (kit, _) in pools.items()]
        with stage.step(
            "Lending, insured",
            "Two more assets, each with a fund of its own, made by the same factory, and a lending pool that it "
            f"insures. In each three lenders bring 1,000 and a borrower takes {tokens(DEBT, 6, 0)} against 0.35 ether "
            "at 2,000. (Rates are 0 here, so that the figures stay round.) The fund of the first has "
            f"{tokens(RESERVE, 6, 0)}, that of the second nothing.",
            watched,
        ):
            for symbol, (kit, mirror) in pools.items():
                self._lend_and_borrow(symbol, kit, mirror)
        with stage.step(
            "A loan fails in both",
            "Ether falls from 2,000 to 1,200 in one update: 420 of collateral for a debt of 504. A passer-by flags the "
            "loans, which stops withdrawals for at most an hour, so that nobody leaves before the loss is counted. "
            "The liquidator gives 404 for the collateral: its worth less the premium, and the fund's part of that, "
            "which repays the loan. 100 are lacking: each fund pays what it has, the lenders bear the rest, all the "
            "same share of what is theirs. Then all leave, each pool's in another order.",
            watched,
        ):
            for turn, (symbol, (kit, mirror)) in enumerate(pools.items()):
                self._fail(symbol, kit, mirror)
                self._leave(symbol, kit, turn)

    @staticmethod
    def _assets(symbol: str, kit: Kit) -> Watch:
        """What is the lenders' of a pool."""
        return Watch(f"lenders' assets, {symbol}", lambda: int(kit.pool.totalAssets()), symbol)

    def _open(self, number: int, symbol: str) -> tuple[Kit, PoolMirror]:
        """A pool and its model, compared after every step from now on."""
        kit = self.kit.of(number)
        mirror = pool_mirror_of(kit.system, self.stage.clock)
        people = [*map(person, LENT), person("borrower"), self.liquidator, person("contributor 1")]
        self.stage.parts |= {f"pool {symbol}": (kit.pool, mirror.pool), f"fund {symbol}": (kit.fund, mirror.fund)}
        self.stage.sides[symbol] = mirror.state, lambda: chain_state(kit.system, people)
        self._price(kit, mirror, PRICE)
        return kit, mirror

    def _price(self, kit: Kit, mirror: PoolMirror, price: int) -> None:
        kit.set_collateral_price(price, ETHER)
        self.stage.clock.now = kit.now()
        mirror.feeds[ETHER].push(price)

    def _provide(self, kit: Kit, mirror: PoolMirror, account: Key, spender: object, amount: int) -> None:
        kit.provide(account, spender, amount)
        mirror.token.mint(str(account), amount)

    def _lend_and_borrow(self, symbol: str, kit: Kit, mirror: PoolMirror) -> None:
        stage, borrower, giver = self.stage, person("borrower"), person("contributor 1")
        if LEFT[symbol] == max(LEFT.values()):
            self._provide(kit, mirror, giver, kit.fund, RESERVE)
            stage.act(f"fund {symbol}", "contribute", giver, RESERVE)
        for name, amount in LENT.items():
            self._provide(kit, mirror, person(name), kit.pool, amount)
            stage.act(f"pool {symbol}", "deposit", person(name), amount, str(person(name)))
        coin = kit.collateral(ETHER)
        coin.faucet_to(str(borrower), COLLATERAL, sender=borrower)
        coin.approve(address_of(kit.pool), COLLATERAL, sender=borrower)
        mirror.coins[ETHER].mint(str(borrower), COLLATERAL)
        stage.act(f"pool {symbol}", "add_collateral", borrower, ETHER, COLLATERAL)
        stage.act(f"pool {symbol}", "borrow", borrower, ETHER, DEBT)
        found = (int(kit.pool.totalAssets()), int(kit.pool.books().cash), int(kit.fund.reserve()))
        reserve = RESERVE if LEFT[symbol] == max(LEFT.values()) else 0
        stage.equal(f"{symbol}: 1,000 lent, 496 of it in cash", found, (1_000 * U, 1_000 * U - DEBT, reserve))

    def _fail(self, symbol: str, kit: Kit, mirror: PoolMirror) -> None:
        """The loan becomes insolvent, is flagged and liquidated."""
        stage, borrower, pool = self.stage, person("borrower"), f"pool {symbol}"
        self._price(kit, mirror, FALLEN)
        stage.act(pool, "flag", person("passer-by"), ETHER, str(borrower))
        runner = person("lender 2")
        stage.refuse(
            pool,
            "withdraw",
            runner,
            LENT["lender 2"],
            str(runner),
            str(runner),
            reason="pool: withdrawals stopped",
            says=f"{symbol}: leaving before the loss is counted",
        )
        self._provide(kit, mirror, self.liquidator, kit.pool, DEBT)
        receipt = stage.act(pool, "liquidate", self.liquidator, ETHER, str(borrower), DEBT)
        events = {event.name: event.args for event in kit.pool.events(receipt)}
        seized, resolved = events["Liquidated"], events["LoanResolved"]
        loss = PoolLoss(
            symbol,
            int(seized["repaid"]),
            int(resolved["covered"]),
            int(resolved["lenders_loss"]),
            int(resolved["bad_debt"]),
        )
        self.tale.pools.append(loss)
        short, covered = 100 * U, RESERVE if LEFT[symbol] == max(LEFT.values()) else 0
        stage.equal(f"{symbol}: the liquidator repaid 404, 100 are lacking", resolved["shortfall"], short)
        parts = (loss.covered, loss.lenders, loss.bad_debt)
        told = f"{symbol}: the fund paid {tokens(covered, 6, 0)}, the lenders bear {tokens(short - covered, 6, 0)}"
        stage.equal(told, parts, (covered, short - covered, 0))
        stage.equal(f"{symbol}: fund + lenders + bad debt = shortfall", sum(parts), short, quiet=True)
        stage.equal(f"{symbol}: withdrawals go on", bool(kit.pool.withdrawals_stopped()), False, quiet=True)

    def _leave(self, symbol: str, kit: Kit, turn: int) -> None:
        """All lenders leave, in one order or the other; each gets the same part of what he lent."""
        stage, rows = self.stage, []
        for name in list(LENT) if turn == 0 else list(reversed(LENT)):
            lender, lent = person(name), LENT[name]
            before = int(kit.asset.balanceOf(str(lender)))
            shares = int(kit.pool.balanceOf(str(lender)))
            stage.act(f"pool {symbol}", "redeem", lender, shares, str(lender), str(lender))
            got = int(kit.asset.balanceOf(str(lender))) - before
            # Rounding takes at most one unit.
            good = 0 <= lent * LEFT[symbol] // 100 - got <= 1
            stage.claim(f"{symbol}: {name} gets {LEFT[symbol]} % of what he lent", good, f"got {got} of {lent}")
            rows.append([name, tokens(lent), tokens(got)])
        stage.table([f"{symbol}, in the order of leaving", "lent", "got back"], rows)
