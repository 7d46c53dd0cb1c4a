"""A backstop of its own: what staking, leaving and claiming cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kana_insurance.backends import address_of
from kana_insurance.backends.rpc import Key
from kana_insurance.kit import U
from kana_insurance.model.clock import DAY
from tools.gasbench.bench import AMOUNT, UNLIMITED, Bench, Measured
from tools.gasbench.trace import trace

#: Shares of AMOUNT, and of what is requested: a part of them.
SHARES = AMOUNT * 10**6
REQUESTED = SHARES // 8


class StakingBench:
    """On the bench's chain: somebody else has staked and is leaving, and revenue is on its way."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        bench.progress("measuring a backstop")
        me, token, deploy = bench.actors.deployer, address_of(bench.token), bench.backend.deploy
        self.layer = deploy("Underwriter", token, address_of(bench.kit.timelock), address_of(me), sender=me)
        terms = ("Staked Kana USDT", "sKUSD", self.layer.address, 14, 7 * DAY, 0)
        self.vault: Any = deploy("Backstop", token, *terms, sender=me)
        self.layer.connect_backstop(self.vault.address, sender=me)
        self.layer.set_fund(bench.fund.address, 10**6 * U, 0, DAY, 0, sender=me)
        self.layer.finish_setup(sender=me)
        self.names = {token.lower(): "token", self.vault.address.lower(): "vault"}
        crowd = self.staker(300)
        self.vault.deposit(10**5 * U, crowd.address, sender=crowd)
        self.vault.requestRedeem(U * 10**6, crowd.address, crowd.address, sender=crowd)
        fund = bench.backend.impersonate(bench.fund.address)
        bench.kit.mint(fund, 10**4 * U)
        bench.token.approve(self.layer.address, 10**4 * U, sender=fund)
        self.layer.add_revenue(10**4 * U, sender=fund)

    def staker(self, number: int) -> Key:
        """An account with tokens and an allowance to the vault."""
        account = self.bench.account(number)
        self.bench.kit.mint(account, 10**6 * U)
        self.bench.token.approve(self.vault.address, UNLIMITED, sender=account)
        return account

    def measured(self, receipt: Any) -> Measured:
        """The trace of a transaction just sent."""
        return Measured(trace(self.bench.backend, receipt.hash), self.names)

    def operations(self) -> Iterator[tuple[str, Measured]]:
        """In, twice; out, on two days; and the claims."""
        vault, one, other = self.vault, self.staker(301), self.staker(302)
        yield "stake_first", self.measured(vault.deposit(AMOUNT, one.address, sender=one))
        yield "stake_repeat", self.measured(vault.deposit(AMOUNT, one.address, sender=one))
        vault.deposit(AMOUNT, other.address, sender=other)

        self.bench.wait(DAY)
        yield "request_first", self.measured(vault.requestRedeem(REQUESTED, one.address, one.address, sender=one))
        yield "request_later", self.measured(vault.requestRedeem(REQUESTED, one.address, one.address, sender=one))
        request = vault.requestRedeem(REQUESTED, other.address, other.address, sender=other)
        yield "request_other", self.measured(request)
        yield "cancel", self.measured(self._cancel(one))
        vault.requestRedeem(REQUESTED, one.address, one.address, sender=one)

        self.bench.wait(20 * DAY)
        vault.roll(sender=self.bench.actors.keeper)
        # Whoever claims has held the asset before, as the floor's receiver has.
        claimable = vault.maxRedeem(one.address)
        yield "claim", self.measured(vault.redeem(claimable, one.address, one.address, sender=one))
        claimable = vault.maxWithdraw(other.address) // 2
        yield "claim_part", self.measured(vault.withdraw(claimable, other.address, other.address, sender=other))

        vault.requestRedeem(REQUESTED, one.address, one.address, sender=one)
        self.bench.wait(20 * DAY)
        claimable = vault.maxRedeem(one.address)
        yield "claim_unrolled", self.measured(vault.redeem(claimable, one.address, one.address, sender=one))

    def _cancel(self, account: Key) -> Any:
        (day,) = self.vault.request_ids(account.address)
        return self.vault.cancel_request(day, account.address, sender=account)
