"""A lending pool of its own, with a fund behind it: what lending, borrowing and liquidating cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kana_insurance.backends import address_of
from kana_insurance.backends.rpc import Key
from kana_insurance.kit import U, deploy_kit
from kana_insurance.pools import LOCAL_POOL
from tools.gasbench.bench import AMOUNT, UNLIMITED, Bench, Measured
from tools.gasbench.trace import trace

#: The collateral of 18 decimals, and how much of it a loan has.
ETH = 0
COINS = 10**18
#: A loan of three quarters of its collateral's worth, 2,000 U a coin; and prices that make it liquidatable, insolvent.
DEBT = 1_500 * U
LOW, LOWER = 1_850, 1_000


class LendingBench:
    """On the bench's chain: others have lent and borrowed, interest accrues, and a year's worth of seconds goes by."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        bench.progress("measuring a lending pool")
        self.kit = deploy_kit(bench.backend, bench.actors, venue=False, pool=LOCAL_POOL, asset=address_of(bench.token))
        self.pool, self.fund = self.kit.pool, self.kit.fund
        self.coin = self.kit.collateral(ETH)
        records = self.kit.system.record.collaterals
        self.names = {
            address_of(part).lower(): name
            for name, part in (
                ("token", bench.token),
                ("collateral", self.coin),
                ("pool", self.pool),
                ("registry", self.kit.lending),
                ("fund", self.fund),
                ("feed", records[ETH].feed),
                ("aggregator", records[ETH].aggregator),
            )
        }
        self.price(2_000)
        crowd = self.account(400)
        self.pool.deposit(10**6 * U, crowd.address, sender=crowd)
        self.borrower(401)

    def account(self, number: int) -> Key:
        """An account with tokens of both kinds, all allowed to the pool."""
        account = self.bench.account(number)
        self.kit.mint(account, 2 * 10**6 * U)
        self.bench.token.approve(self.pool.address, UNLIMITED, sender=account)
        self.coin.faucet_to(account.address, 100 * COINS, sender=self.bench.actors.keeper)
        self.coin.approve(self.pool.address, UNLIMITED, sender=account)
        return account

    def borrower(self, number: int) -> Key:
        """An account with a loan."""
        account = self.account(number)
        self.pool.add_collateral(ETH, COINS, sender=account)
        self.pool.borrow(ETH, DEBT, sender=account)
        return account

    def price(self, whole: int) -> None:
        """Publish a price of the collateral, whole units of the quote."""
        self.kit.set_collateral_price(whole * 10**18, ETH)

    def sent(self, function: str, *args: object, sender: Key) -> Measured:
        """A call of the pool, measured."""
        receipt = getattr(self.pool, function)(*args, sender=sender)
        return Measured(trace(self.bench.backend, receipt.hash), self.names)

    def operations(self) -> Iterator[tuple[str, Measured]]:
        """What lenders and borrowers do, then liquidators."""
        lender, borrower = self.account(402), self.account(403)
        yield "supply_first", self.sent("deposit", AMOUNT, lender.address, sender=lender)
        yield "supply_repeat", self.sent("deposit", AMOUNT, lender.address, sender=lender)
        yield "supply_withdraw", self.sent("withdraw", AMOUNT, lender.address, lender.address, sender=lender)
        yield "collateral_first", self.sent("add_collateral", ETH, COINS, sender=borrower)
        yield "collateral_repeat", self.sent("add_collateral", ETH, COINS, sender=borrower)
        yield "borrow_first", self.sent("borrow", ETH, AMOUNT, sender=borrower)
        yield "borrow_repeat", self.sent("borrow", ETH, AMOUNT, sender=borrower)
        yield "collateral_out", self.sent("withdraw_collateral", ETH, COINS // 8, sender=borrower)
        yield "repay", self.sent("repay", ETH, AMOUNT, sender=borrower)
        yield "repay_whole", self.sent("repay", ETH, UNLIMITED, sender=borrower)
        yield from self.liquidations()
        yield "pool_fees", self.sent("collect_fees", sender=self.bench.actors.keeper)

    def liquidations(self) -> Iterator[tuple[str, Measured]]:
        """By somebody who has liquidated before: parts, a bankruptcy that the fund covers, one that lenders bear."""
        liquidator = self.account(404)
        victims = [self.borrower(410 + number) for number in range(4)]
        self.price(LOW)
        first, second, covered, borne = (victim.address for victim in victims)
        self.pool.liquidate(ETH, first, UNLIMITED, sender=liquidator)
        yield "liquidate_loan", self.sent("liquidate", ETH, second, UNLIMITED, sender=liquidator)
        self.price(LOWER)
        yield "flag_loan", self.sent("flag", ETH, covered, sender=liquidator)
        self.kit.contribute(self.bench.actors.contributor, 10_000 * U)
        yield "bankruptcy_covered", self.sent("liquidate", ETH, covered, UNLIMITED, sender=liquidator)
        reserve: Any = self.fund.reserve()
        self.fund.cover_shortfall(0, int(reserve), sender=self.bench.backend.impersonate(self.pool.address))
        yield "bankruptcy_borne", self.sent("liquidate", ETH, borne, UNLIMITED, sender=liquidator)
        self.price(2_000)
