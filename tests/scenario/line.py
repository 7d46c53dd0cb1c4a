"""A line to a node that breaks where a test wants it to, and the state of a deployment to be compared."""

from __future__ import annotations

from typing import Any

from eth_utils import keccak

from kana_insurance.backends.rpc import NodeError, RpcBackend
from kana_insurance.deployment import ROLES, System

SENDING = "eth_sendRawTransaction"
#: Where a line breaks around the sending of a transaction: before it, once it is sent, once the node tells of it; or
#: the node loses the transaction, or keeps it waiting.
BREAKS = ("before", "after", "receipt", "dropped", "pending")


class BrokenError(NodeError):
    """The line broke."""


class Line:
    """Requests to a node over plain HTTP, as a deployment's target takes them.

    Args:
        url: The node.
        step: Which transaction it breaks at, from 1; 0: it doesn't.
        how: One of BREAKS.
    """

    def __init__(self, url: str, step: int = 0, how: str = "before") -> None:
        self.chain = RpcBackend(url)
        self.step = step
        self.how = how
        #: How many transactions were sent.
        self.sent = 0
        #: Hash of the one that it broke at.
        self.hash = ""

    def __call__(self, method: str, params: list[Any]) -> dict[str, Any]:
        """One request.

        Raises:
            BrokenError: where the line breaks.
        """
        if method == SENDING:
            self.sent += 1
            if self.sent == self.step and self.how != "receipt":
                self._break(params)
        if method == "eth_getTransactionReceipt" and self.sent == self.step and self.how == "receipt":
            raise BrokenError("the line broke before the receipt came")
        return self.chain._post([(method, params)])[0]

    def _break(self, params: list[Any]) -> None:
        if self.how != "before":
            if self.how in ("dropped", "pending"):
                self.chain.rpc("evm_setAutomine", False)
            self.hash = self.chain.rpc(SENDING, *params)
            if self.how == "dropped":
                self.chain.rpc("anvil_dropTransaction", self.hash)
                self.chain.rpc("evm_setAutomine", True)
            elif self.how == "pending":
                self.chain.rpc("evm_setIntervalMining", 1)
        raise BrokenError("the line broke")


def end_state(system: System) -> dict[str, Any]:
    """What two deployments of one configuration from one nonce have in common: record, code at every address, roles."""
    record = system.record.model_dump(mode="json", exclude={"block"})
    addresses = set(system.record.addresses.values())
    addresses |= {address for market in system.record.markets for address in (market.feed, market.aggregator)}
    addresses |= {address for one in system.record.collaterals for address in (one.token, one.feed, one.aggregator)}
    addresses |= set(system.record.constructor_args["factory"][3:])
    code = {address: keccak(system.backend.code(address)).hex() for address in sorted(addresses)}
    people = {system.record.deployer, *(one for some in system.config.holders().values() for one in some)}
    people.add(system.timelock.address)
    roles = {
        (role, address, part): bool(getattr(system, part).hasRole(word, address))
        for part in ("fund", "registry", "underwriter", "lending")
        for role, word in ROLES.items()
        for address in people
    }
    return {"record": record, "code": code, "roles": roles}
