"""A fresh chain with the whole system on it, and the fund's operations measured one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kana_insurance import orders
from kana_insurance.anvil import Anvil
from kana_insurance.backends import address_of
from kana_insurance.backends.rpc import Key, Receipt, RpcBackend
from kana_insurance.kit import COIN, Actors, Kit, U, deploy_kit
from tools.gasbench.trace import Trace, trace

#: The chain's first block.
GENESIS = 1_800_000_000
FOREVER = 2**64
UNLIMITED = 2**256 - 1
#: An amount of four bytes without a zero, as the floors have it: about 305 U.
AMOUNT = 0x12345678
#: A batch, and the entry by which it grew.
BATCH = 50
#: The market of the venue that is insured, and the one whose losses are all socialised; both start at this mark.
INSURED, UNINSURED = 0, 1
MARK = 100 * COIN


@dataclass(frozen=True)
class Measured:
    """One measured operation.

    Attributes:
        trace: What the transaction did.
        names: Contract names by address in lower case.
    """

    trace: Trace
    names: dict[str, str] = field(default_factory=dict)


@contextmanager
def bench(progress: Callable[[str], None] = lambda _: None) -> Iterator[Bench]:
    """A bench on an Anvil of its own, stopped at the end."""
    with Anvil(timestamp=GENESIS) as node:
        yield Bench(RpcBackend(node.url), progress)


class Bench:
    """The deployed system, a lean contract venue, and accounts that have done everything once where it says so."""

    def __init__(self, backend: RpcBackend, progress: Callable[[str], None]) -> None:
        self.backend = backend
        self.progress = progress
        self.accounts = [self.account(number) for number in range(1, 21)]
        actors = Actors.of(self.accounts)
        progress("deploying")
        markets = actors.config().markets
        limits = {INSURED: 50_000 * U, UNINSURED: 0}
        self.kit: Kit = deploy_kit(
            backend,
            actors,
            markets=[
                market.model_copy(update={"price": MARK, "max_insurance": limits[number]})
                for number, market in enumerate(markets)
            ],
        )
        self.actors = actors
        self.fund, self.token, self.house = self.kit.fund, self.kit.asset, self.kit.house
        self.venue = self._register_venue()
        self.names = self._names()
        # From here on every block has a second of its own; before, the waits of the timelock set the time.
        backend.rpc("anvil_setBlockTimestampInterval", 1)

    def account(self, number: int) -> Key:
        """An account with ether; the same number is always the same one."""
        key = Key(number.to_bytes(32, "big"))
        self.backend.rpc("anvil_setBalance", key.address, hex(10**22))
        return key

    def _register_venue(self) -> Any:
        """The lean venue, with market 0 at the fund and tokens of its own."""
        self.progress("registering the bench's venue, by timelock and notice")
        venue = self.backend.deploy("BenchVenue", self.token.address, self.fund.address, sender=self.actors.deployer)
        self.kit.govern(self.fund, "register_market", venue.address, 0, True, notice=True)
        self.kit.govern(self.fund, "set_max_insurance", venue.address, 0, 50_000 * U, notice=True)
        self.kit.mint(venue, 10**6 * U)
        return venue

    def _names(self) -> dict[str, str]:
        """Contract names by address in lower case."""
        system = self.kit.system
        parts = {
            "fund": system.fund,
            "token": system.asset,
            "venue": self.venue,
            "registry": system.registry,
            "gateway": system.gateway,
            "house": system.house,
        }
        named = {address_of(part).lower(): name for name, part in parts.items()}
        named |= {address_of(feed).lower(): "feed" for feed in system.feeds}
        return named | {address_of(source).lower(): "aggregator" for source in system.aggregators}

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.backend.rpc("evm_setNextBlockTimestamp", self.backend.timestamp() + seconds)
        self.backend.rpc("evm_mine")
        self.kit.refresh_prices()

    def measured(self, receipt: Receipt) -> Measured:
        """The trace of a transaction just sent."""
        return Measured(trace(self.backend, receipt.hash), self.names)

    # ----------------------------------------------------------------- the fund

    def contributor(self, number: int, allowance: int = UNLIMITED) -> Key:
        """An account with tokens and an allowance to the fund."""
        account = self.account(number)
        self.kit.mint(account, 10**6 * U)
        if allowance:
            self.token.approve(self.fund.address, allowance, sender=account)
        return account

    def permit(self, owner: Key, nonce: int) -> tuple[int, bytes, bytes]:
        """(v, r, s) of a permit of AMOUNT to the fund."""
        data = orders.permit_data(
            self.token.address,
            "Kana USDT",
            "1",
            self.backend.chain_id(),
            owner.address,
            self.fund.address,
            AMOUNT,
            nonce,
            FOREVER,
        )
        return orders.split_signature(orders.sign_typed(data, owner))

    def fund_operations(self) -> Iterator[tuple[str, Measured]]:
        """Every operation of the fund but the withdrawal, by its id."""
        fund, venue = self.fund, self.venue
        self.progress("measuring the fund")
        fund.contribute(500_000 * U, sender=self.contributor(100))

        account = self.contributor(101)
        yield "contribute_first", self.measured(fund.contribute(AMOUNT, sender=account))
        yield "contribute_repeat", self.measured(fund.contribute(AMOUNT, sender=account))

        account = self.contributor(102, allowance=0)
        for nonce, name in enumerate(("permit_first", "permit_repeat")):
            signature = self.permit(account, nonce)
            sent = fund.contribute_with_permit(AMOUNT, FOREVER, *signature, sender=account)
            yield name, self.measured(sent)

        venue.settle(AMOUNT, sender=self.actors.keeper)
        yield "settle", self.measured(venue.settle(AMOUNT, sender=self.actors.keeper))
        yield from self.batches()
        venue.cover(AMOUNT, sender=self.actors.keeper)
        yield "cover", self.measured(venue.cover(AMOUNT, sender=self.actors.keeper))
        yield "settle_used", self.measured(venue.settle(AMOUNT, sender=self.actors.keeper))

    def batches(self) -> Iterator[tuple[str, Measured]]:
        """Batches of liquidations of one market: for the fund alone, and with credits to known traders."""
        traders = [int(self.account(200 + number).address, 16) for number in range(BATCH)]
        credited = [trader | (AMOUNT << 160) for trader in traders]
        for name, function, entries in (
            ("settle_batch", self.venue.settle_batch, [AMOUNT] * BATCH),
            ("settle_batch_credits", self.venue.settle_batch_and_credit, credited),
        ):
            function(entries, sender=self.actors.keeper)
            yield name, self.measured(function(entries, sender=self.actors.keeper))

    def withdraw_excess(self) -> Measured:
        """The second withdrawal. It leaves the reserve above the threshold: the fund takes no slices afterwards."""
        self.fund.contribute(600_000 * U, sender=self.account(101))
        self.fund.withdraw_excess(AMOUNT, sender=self.actors.treasurer)
        return self.measured(self.fund.withdraw_excess(AMOUNT, sender=self.actors.treasurer))
