"""The real contracts beside the model: the calls of each bar as one block on an Anvil of their own.

Transactions are signed here with nonces counted here and go out as one JSON-RPC request a bar; the node mines only when
told to, so a bar is a block and its transactions run in the order in which the model made them. Every receipt is read.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from kana_insurance.amounts import WAD
from kana_insurance.backends import address_of
from kana_insurance.backends.rpc import Key, Receipt, RpcBackend
from kana_insurance.deployment import DeploymentConfig, MarketConfig, System, deploy
from kana_insurance.orders import sign_order
from kana_insurance.replay.engine import Accounts, Settings, Sizes
from kana_insurance.replay.layers import STAKER_BPS, terms
from kana_insurance.replay.market import SignedFill
from kana_insurance.replay.prices import FEED_DECIMALS, History
from kana_insurance.replay.world import WAD_OF_FEED, Addresses, Call

#: Anvil as a replay wants it: mines when told, first come first served, blocks without a bound, and remembers as many
#: blocks as may be unread, so that a failure can be traced.
ANVIL = ("--order", "fifo", "--gas-limit", "100000000000", "--no-mining", "--prune-history", "64")
#: Gas given to a call, and for each entry of a batch or name of a deleveraging.
CALL_GAS, ENTRY_GAS = 1_000_000, 400_000
#: Blocks whose receipts are read at once.
READ_EVERY = 50
#: Blocks by which the model may be ahead of the chain.
AHEAD = 200


class ChainError(RuntimeError):
    """The chain did not do what the model did; the message names the call and the reason."""


@dataclass
class Chain:
    """A deployed system that follows the model, on a thread of its own while the model runs ahead.

    Args:
        system: The system, reached by raw JSON-RPC.
        keys: Senders by address.
    """

    system: System
    keys: dict[str, Key]
    transactions: int = 0
    gas: int = 0
    _unread: list[tuple[int, list[Call], list[str]]] = field(default_factory=list)
    _worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _jobs: deque[Future[None]] = field(default_factory=deque)

    @property
    def backend(self) -> RpcBackend:
        """The way to the node."""
        backend = self.system.backend
        assert isinstance(backend, RpcBackend)
        return backend

    @property
    def addresses(self) -> Addresses:
        """Where the contracts are."""
        system = self.system
        return Addresses(
            token=address_of(system.asset),
            feed=address_of(system.feeds[0]),
            fund=address_of(system.fund),
            house=address_of(system.house),
            gateway=address_of(system.gateway),
            treasury=system.config.treasury,
            fee_recipient=system.config.fee_recipient,
            chain_id=self.backend.chain_id(),
            layers={layer.name: (address_of(layer.underwriter), address_of(layer.backstop)) for layer in system.layers},
        )

    def mine(self, calls: list[Call], time: int) -> None:
        """Make calls in one block of that time, soon: :meth:`finish` waits for all.

        Raises:
            ChainError: if a transaction of an earlier block failed or is missing.
        """
        self._jobs.append(self._worker.submit(self._mine, calls, time))
        while self._jobs[0].done() or len(self._jobs) > AHEAD:
            self._jobs.popleft().result()
            if not self._jobs:
                break

    def finish(self) -> None:
        """Wait until all blocks are mined and their receipts read.

        Raises:
            ChainError: for the first transaction that failed or is missing.
        """
        while self._jobs:
            self._jobs.popleft().result()
        self._read()

    def close(self) -> None:
        """Drop what isn't mined yet; for the end, good or bad."""
        self._worker.shutdown(cancel_futures=True)

    def _mine(self, calls: list[Call], time: int) -> None:
        """One block."""
        requests = [("eth_sendRawTransaction", [self._transaction(call)]) for call in calls]
        hashes = self.backend.rpc_batch(requests) if requests else []
        self.backend.rpc("evm_mine", hex(time))
        self._unread.append((time, calls, hashes))
        if len(self._unread) >= READ_EVERY:
            self._read()

    def _read(self) -> None:
        """Read the receipts of all blocks mined since the last time."""
        latest = self.backend.block_number()
        numbers = range(latest - len(self._unread) + 1, latest + 1)
        blocks = self.backend.rpc_batch([("eth_getBlockReceipts", [hex(number)]) for number in numbers])
        for (time, calls, hashes), receipts in zip(self._unread, blocks, strict=True):
            if [receipt["transactionHash"] for receipt in receipts] != hashes:
                raise ChainError(f"the block of time {time} doesn't hold what was sent, in that order")
            for call, receipt in zip(calls, receipts, strict=True):
                if int(receipt["status"], 16) != 1:
                    name = f"{call.contract}.{call.function}"
                    reason = self.backend.reason_of(Receipt(name, receipt["transactionHash"]))
                    raise ChainError(f"{name} by {call.sender} at {time} reverted, which the model did not: {reason}")
                self.gas += int(receipt["gasUsed"], 16)
            self.transactions += len(calls)
        self._unread.clear()

    def _transaction(self, call: Call) -> str:
        """A call as a signed transaction."""
        contract = {
            "token": self.system.asset,
            "feed": self.system.aggregators[0],
            "fund": self.system.fund,
            "house": self.system.house,
            "gateway": self.system.gateway,
            "backstop": self.system.backstop,
            "reinsurance_backstop": self.system.reinsurance_backstop,
        }[call.contract]
        args, gas = call.args, CALL_GAS
        if isinstance(args[0], SignedFill):
            args = self._fill(args[0])
        elif call.function in ("liquidate_batch", "deleverage"):
            gas += ENTRY_GAS * max(len(arg) for arg in args if isinstance(arg, list))
        data = getattr(contract, call.function).encode(*args)
        return self.backend.sign(self.keys[call.sender], contract.address, data, gas)

    def _fill(self, fill: SignedFill) -> tuple[Any, ...]:
        """The gateway's arguments: both orders with their traders' signatures."""
        chain_id, gateway = self.backend.chain_id(), address_of(self.system.gateway)
        maker, taker = fill.orders
        signatures = [
            sign_order(order, key, chain_id, gateway) for order, key in zip(fill.orders, fill.keys, strict=True)
        ]
        return maker.as_tuple(), signatures[0], taker.as_tuple(), signatures[1], fill.size


def launch(url: str, history: History, settings: Settings, accounts: Accounts, roles: list[str]) -> Chain:
    """Deploy the replay's system on the node at ``url``, by the code of ``ape run deploy``.

    Args:
        url: An Anvil started with :data:`ANVIL` and a genesis before the first bar.
        history: For the feed's first answer.
        settings: Market and fund.
        accounts: Who will send; they get ether.
        roles: Six addresses: deployer's aside, treasurer, guardian, proposer, fee recipient, treasury.
    """
    backend = RpcBackend(url)
    stakers = [key for layer in settings.stakes for key in accounts.stakers[layer]]
    senders = [Key(key) for key in (accounts.relayer, accounts.keeper, accounts.long, accounts.short, *stakers)]
    backend.rpc_batch([("anvil_setBalance", [str(sender), hex(10**24)]) for sender in senders])
    treasurer, guardian, proposer, fee_recipient, treasury = roles
    sizes = Sizes.of(settings, history)
    layers = {name: terms(name, stake) for name, stake in settings.stakes.items()}
    config = DeploymentConfig(
        proposers=[proposer],
        executors=[proposer],
        treasurer=treasurer,
        guardian=guardian,
        treasury=treasury,
        fee_recipient=fee_recipient,
        threshold=settings.threshold,
        staker_bps=STAKER_BPS,
        stakers=layers.get("stakers"),
        reinsurance=layers.get("reinsurance"),
        markets=[
            MarketConfig(
                name="BASE / USD",
                price=history.bars[0].open * WAD_OF_FEED,
                feed_decimals=FEED_DECIMALS,
                max_insurance=settings.max_insurance,
                initial_margin_bps=settings.initial_margin_bps,
                maintenance_margin_bps=settings.maintenance_margin_bps,
                fill_band_bps=settings.fill_band_bps,
                open_interest_cap=sizes.open_interest_cap,
                position_cap=sizes.position_cap,
            )
        ],
    )
    assert WAD_OF_FEED * 10**FEED_DECIMALS == WAD
    backend.rpc("evm_setAutomine", True)
    system = deploy(config, backend, senders[0])
    backend.rpc("evm_setAutomine", False)
    return Chain(system, {str(sender): sender for sender in senders})
