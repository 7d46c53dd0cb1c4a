"""Where the attacks on stakers take place: funds with a contract as their venue, and layers of stakers behind them.

Amounts are base units of KanaUSDT (``U`` is one token), shares have six decimals more, times are Unix seconds and days
Unix day numbers. The reserve is empty at first: what is covered comes out of the layers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ape import chain

from kana_insurance.backends import address_of
from kana_insurance.kit import DAY, Actors, U

THRESHOLD = 1_000_000 * U
#: No bound: a billion tokens.
UNBOUNDED = 10**9 * U
COOLDOWN = 14
STREAM = 7 * DAY
MIN_STAKED = 1_000 * U
#: Shares of one asset at first (M19).
FIRST = 10**6
MARKET = 0
NOBODY = "0x" + "00" * 20


class Layer(NamedTuple):
    """A backstop: who funds and governance talk to, and the stakers' vault."""

    underwriter: Any
    vault: Any


class Stakers:
    """Funds and layers, wired and open; every fund has all layers in their order.

    Args:
        backend: Ape's chain.
        actors: The accounts.
        funds: How many funds.
        layers: How many layers, 1 or 2.
        limits: Lifetime limit of a fund at a layer, by (fund, layer); unbounded where none is named.
        premium_bps: Of each fund at each layer.
        min_staked: Of each layer.
    """

    def __init__(
        self,
        backend: Any,
        actors: Actors,
        *,
        funds: int = 1,
        layers: int = 1,
        limits: dict[tuple[int, int], int] | None = None,
        premium_bps: int = 0,
        min_staked: int = MIN_STAKED,
    ) -> None:
        self.backend, self.actors = backend, actors
        me = actors.deployer
        people = [address_of(actors.proposer)]
        self.asset = backend.deploy("KanaUSDT", sender=me)
        self.timelock = backend.deploy("Timelock", 2 * DAY, 2 * DAY, people, people, sender=me)
        self.governance = backend.impersonate(self.timelock)
        #: A contract that makes lists of calls in one transaction, and the sender that acts as it.
        self.script = backend.deploy("Script", sender=me)
        self.venue = backend.impersonate(self.script)
        self.notices = backend.deploy("NoticeBoard", sender=me)
        self.layers = [self._layer(me, min_staked) for _ in range(layers)]
        self.funds = [self._fund(me) for _ in range(funds)]
        for number, fund in enumerate(self.funds):
            for place, layer in enumerate(self.layers):
                limit = (limits or {}).get((number, place), UNBOUNDED)
                layer.underwriter.set_fund(fund, limit, 0, DAY, premium_bps, sender=me)
            staked, reinsurance, *_ = *(address_of(layer.underwriter) for layer in self.layers), NOBODY
            fund.set_layers(staked, reinsurance, 5_000, sender=me)
            fund.finish_setup(sender=me)
            self.asset.approve(fund, 2**256 - 1, sender=self.venue)
        for layer in self.layers:
            layer.underwriter.finish_setup(sender=me)
        self.fund, self.underwriter, self.vault = self.funds[0], *self.layers[0]

    def _layer(self, me: Any, min_staked: int) -> Layer:
        underwriter = self.backend.deploy(
            "Underwriter", address_of(self.asset), address_of(self.timelock), address_of(me), sender=me
        )
        vault = self.backend.deploy(
            "Backstop",
            address_of(self.asset),
            "Staked Kana USDT",
            "sKUSD",
            address_of(underwriter),
            COOLDOWN,
            STREAM,
            min_staked,
            sender=me,
        )
        underwriter.connect_backstop(vault, sender=me)
        return Layer(underwriter, vault)

    def _fund(self, me: Any) -> Any:
        actors = self.actors
        fund = self.backend.deploy(
            "InsuranceFund",
            address_of(self.asset),
            address_of(self.notices),
            NOBODY,
            address_of(self.timelock),
            *(address_of(account) for account in (actors.treasurer, actors.guardian, me, actors.treasury)),
            THRESHOLD,
            3_000,
            2_000,
            sender=me,
        )
        fund.register_market(self.script, MARKET, True, sender=me)
        fund.set_max_insurance(self.script, MARKET, UNBOUNDED, sender=me)
        return fund

    # ------------------------------------------------------------------- time

    def now(self) -> int:
        """Timestamp of the latest block."""
        return int(self.backend.timestamp())

    def at(self, time: int) -> None:
        """Give the next block this timestamp."""
        chain.provider.make_request("evm_setNextBlockTimestamp", [time])

    def travel_to(self, time: int) -> None:
        """Mine a block with this timestamp, so that views are of that time."""
        self.at(time)
        chain.provider.make_request("evm_mine", [])

    def next_day(self) -> int:
        """Travel to the begin of the next day; returns its first second."""
        begin = (self.now() // DAY + 1) * DAY
        self.travel_to(begin)
        return begin

    # ------------------------------------------------------------------ money

    def give(self, account: Any, amount: int, spender: Any) -> None:
        """Mint to an account, and let the spender pull exactly this."""
        self.asset.faucet_to(address_of(account), amount, sender=self.actors.keeper)
        self.asset.approve(address_of(spender), amount, sender=account)

    def stake(self, account: Any, amount: int, *, time: int | None = None, layer: int = 0) -> int:
        """Mint and deposit; returns the shares."""
        vault = self.layers[layer].vault
        self.give(account, amount, vault)
        before = vault.balanceOf(account)
        if time is not None:
            self.at(time)
        vault.deposit(amount, account, sender=account)
        return int(vault.balanceOf(account) - before)

    def request(self, account: Any, shares: int, *, time: int | None = None) -> int:
        """Request redemption; returns the id."""
        if time is not None:
            self.at(time)
        receipt = self.vault.requestRedeem(shares, account, account, sender=account)
        (entry,) = receipt.decode_logs(self.vault.RedeemRequest)
        return int(entry.requestId)

    def claim_all(self, account: Any) -> int:
        """Claim what is claimable; returns what came."""
        before = self.asset.balanceOf(account)
        self.vault.redeem(self.vault.maxRedeem(account), account, account, sender=account)
        return int(self.asset.balanceOf(account) - before)

    def cover(self, amount: int, *, time: int | None = None) -> int:
        """Let the venue report a shortfall; returns what it was paid."""
        before = self.asset.balanceOf(self.venue)
        if time is not None:
            self.at(time)
        self.fund.cover_shortfall(MARKET, amount, sender=self.venue)
        return int(self.asset.balanceOf(self.venue) - before)

    def fees(self, amount: int, *, time: int | None = None) -> None:
        """Let the venue pay the fund fees; half of them, without a premium, goes to the stakers."""
        self.asset.faucet_to(self.venue, amount, sender=self.actors.keeper)
        if time is not None:
            self.at(time)
        self.fund.settle_fees(MARKET, amount, sender=self.venue)

    def contribute(self, amount: int) -> None:
        """Fill the reserve of the first fund."""
        self.give(self.actors.contributor, amount, self.fund)
        self.fund.contribute(amount, sender=self.actors.contributor)

    # ------------------------------------------------------------------- reads

    def worth(self, account: Any) -> int:
        """What an account's shares are worth, rounded down."""
        return int(self.vault.convertToAssets(self.vault.balanceOf(account)))

    def call(self, contract: Any, function: str, *args: Any) -> tuple[str, bytes]:
        """A call for the script."""
        return address_of(contract), self.backend.encode(getattr(contract, function), *args)


def day_of_request(time: int, cooldown: int = COOLDOWN) -> int:
    """The first day that begins at least one cooldown after a time (M20)."""
    return -(-time // DAY) + cooldown
