"""A deployment run first on a fork of the chain: does all of it work, in which transactions, what do they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_utils import is_address, to_checksum_address

from kana_insurance.anvil import Anvil
from kana_insurance.backends.rpc import RpcBackend
from kana_insurance.config import DeploymentConfig
from kana_insurance.deploying.journal import Journal, ScratchFile
from kana_insurance.deploying.steps import Fees, Sent, StepBackend, arguments_of, fees_of
from kana_insurance.deployment import deploy
from kana_insurance.system import System

#: What the deployer holds on the fork, wei: the fork tells what a deployment costs, whoever can pay it.
RICH = 10**24


@dataclass(frozen=True)
class Row:
    """A transaction as it is shown before it is sent.

    Attributes:
        number: Its number, from 1.
        to: The contract that it calls, or "create" and where.
        function: What it calls.
        arguments: Names and values.
        gas: What it used on the fork, or on the chain if it is mined there.
        done: Whether an earlier run sent it.
        size: Bytes of its data.
    """

    number: int
    to: str
    function: str
    arguments: list[tuple[str, Any]]
    gas: int
    done: bool
    size: int


@dataclass(frozen=True)
class Rehearsal:
    """What a deployment will send.

    Attributes:
        rows: Every transaction, in order.
        fees: What gas costs on the chain now.
        system: The system on the fork; its node has ended.
    """

    rows: list[Row]
    fees: Fees
    system: System

    @property
    def gas(self) -> int:
        """Gas of what is still to be sent."""
        return sum(row.gas for row in self.rows if not row.done)

    @property
    def cost(self) -> int:
        """What that costs at the present fee, wei."""
        return self.gas * self.fees.now


def rehearse(
    url: str,
    chain: RpcBackend,
    config: DeploymentConfig,
    deployer: str,
    network: str,
    journal: Journal,
    *,
    resend: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Rehearsal:
    """Deploy on a fork of the node at a URL, from where the journal ends.

    Args:
        url: The node, over HTTP.
        chain: The same node.
        config: What to deploy.
        deployer: Who sends; its key isn't needed.
        network: The network's name.
        journal: What is sent already; it stays as it is.
        resend: As for the deployment itself.
        progress: Told of every transaction.

    Raises:
        AnvilError: if no fork can be made.
        DeploymentError, Reverted, NodeError: what the deployment itself would fail with.
    """
    copy = journal.model_copy(deep=True)
    for step in copy.steps:
        if step.mined is None:
            # What waits to be mined isn't on the fork.
            step.hashes = [one for one in step.hashes if chain.rpc("eth_getTransactionReceipt", one) is not None]
    rows: list[Row] = []

    def told(sent: Sent) -> None:
        if sent.state in ("mined", "found"):
            rows.append(_row(sent))
            progress(rows[-1].function)

    with Anvil(arguments=("--fork-url", url, "--no-storage-caching", "--accounts", "1")) as node:
        backend = StepBackend(node.url, ScratchFile(copy), None, told, resend=resend)
        backend.rpc("anvil_impersonateAccount", deployer)
        backend.rpc("anvil_setBalance", deployer, hex(RICH))
        system = deploy(config, backend, deployer, network=network)
    return Rehearsal(rows, fees_of(chain), system)


def _row(sent: Sent) -> Row:
    step = sent.step
    contract = step.what.partition(".")[0]
    target = f"create {step.address}" if step.to is None else f"{contract} {step.to}"
    return Row(
        step.number,
        target,
        step.what,
        [(name, _shown(value)) for name, value in arguments_of(step.what, sent.data)],
        step.gas_used or 0,
        sent.state == "found",
        len(sent.data),
    )


def _shown(value: Any) -> Any:
    """A decoded argument as text; lists and structs as lists."""
    if isinstance(value, (list, tuple)):
        return [_shown(item) for item in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, str) and is_address(value):
        return str(to_checksum_address(value))
    return value if isinstance(value, (bool, str)) else str(value)
