"""The chain that Ape is connected to: scripts, and tests on Anvil."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ape import Project, accounts, chain
from ape import project as local_project
from eth_utils import to_checksum_address

from kana_insurance.backends import ROOT, ContractMissing, Reverted, address_of, blueprint_of, decode_reason, source_of

#: Blocks in one request for logs: public nodes refuse more than some thousands.
LOG_BLOCKS = 5_000


#: Added to every estimate: in a later second than that of the estimate a lending pool books interest first.
LATER_GAS = 30_000


def _eth_call(params: dict[str, str | None], block: str, provider: Any) -> None:
    """A plain call, for its refusal alone."""
    known = {key: value for key, value in params.items() if value is not None}
    answer = provider.web3.provider.make_request("eth_call", [known, block])
    if "error" in answer:
        data = answer["error"].get("data")
        raise Reverted(decode_reason(bytes.fromhex(data[2:]) if isinstance(data, str) else b""))


@contextmanager
def probed(provider: Any) -> Iterator[None]:
    """Try every transaction and call of Ape's provider by a plain ``eth_call`` first.

    A refusal then comes as :class:`Reverted` with the contract's reason, in 2 ms, nothing sent and no trace printed;
    Ape alone takes 100 ms to render the trace of a failure. Transactions are tried in the pending block, calls in the
    latest.
    """
    kind = type(provider)
    own = {name: kind.__dict__.get(name) for name in ("send_transaction", "send_call", "estimate_gas_cost")}
    send, call, estimate = kind.send_transaction, kind.send_call, kind.estimate_gas_cost

    def ask(self: Any, txn: Any, block: str) -> None:
        params = {"from": txn.sender, "to": txn.receiver or None, "data": "0x" + bytes(txn.data).hex()}
        _eth_call(params, block, self)

    def probed_send(self: Any, txn: Any, *args: Any, **kwargs: Any) -> Any:
        ask(self, txn, "pending")
        return send(self, txn, *args, **kwargs)

    def probed_call(self: Any, txn: Any, *args: Any, **kwargs: Any) -> Any:
        ask(self, txn, "latest")
        return call(self, txn, *args, **kwargs)

    def probed_estimate(self: Any, txn: Any, *args: Any, **kwargs: Any) -> Any:
        ask(self, txn, "pending")
        return int(estimate(self, txn, *args, **kwargs)) + LATER_GAS

    kind.send_transaction, kind.send_call = probed_send, probed_call
    kind.estimate_gas_cost = probed_estimate
    try:
        yield
    finally:
        for name, value in own.items():
            if value is None:
                delattr(kind, name)
            else:
                setattr(kind, name, value)


@cache
def _project() -> Any:
    """Ape's project, or ours beside it: in another project's tests Ape's own is that one."""
    return local_project if Path(local_project.path).resolve() == ROOT else Project(ROOT)


@cache
def container(contract: str) -> Any:
    """Ape's container of a contract type; asked of Ape once, which looks at the sources every time.

    Raises:
        ContractMissing: if the sources have none of that name, or it doesn't compile.
    """
    source_of(contract)
    try:
        return getattr(_project(), contract)
    except AttributeError as error:
        raise ContractMissing(f"{contract} does not compile: run 'ape compile'") from error


class ApeBackend:
    """Backend over Ape's active provider; senders are Ape accounts."""

    def container(self, contract: str) -> Any:
        """Ape's container of a contract type.

        Raises:
            ContractMissing: if the sources have none of that name, or it doesn't compile.
        """
        return container(contract)

    def deploy(self, contract: str, *args: Any, sender: Any) -> Any:
        """Deploy a contract of the project by name."""
        return sender.deploy(self.container(contract), *args)

    def deploy_blueprint(self, contract: str, *, sender: Any) -> str:
        """Deploy a contract's creation code as an ERC-5202 blueprint; its address."""
        # Not by `declare`: that has the node estimate its gas for nobody, who can't pay for it.
        code = blueprint_of(bytes(self.container(contract).contract_type.deployment_bytecode.to_bytes()))
        transaction = chain.provider.network.ecosystem.create_transaction(
            chain_id=self.chain_id(), data=code, sender=sender.address
        )
        return str(sender.call(transaction).contract_address)

    def at(self, contract: str, address: str) -> Any:
        """The contract of that name at an address."""
        return self.container(contract).at(to_checksum_address(address), fetch_from_explorer=False)

    def encode(self, function: Any, *args: Any) -> bytes:
        """Call data of a contract's function."""
        return bytes(function.encode_input(*args))

    def simulate(self, sender: str, target: str, data: bytes) -> None:
        """Make a call as any address without changing anything."""
        _eth_call({"from": sender, "to": target, "data": "0x" + data.hex()}, "pending", chain.provider)

    def impersonate(self, address: str) -> Any:
        """A sender that acts as any address, contracts too; local chains alone."""
        account = accounts[to_checksum_address(address_of(address))]
        if account.balance < 10**20:
            account.balance = 10**20
        return account

    def has_contract(self, contract: str) -> bool:
        """Whether the project has a contract of that name."""
        try:
            return source_of(contract).is_file()
        except ContractMissing:
            return False

    def has_code(self, address: str) -> bool:
        """Whether there is a contract at an address."""
        return len(chain.provider.get_code(to_checksum_address(address_of(address)))) > 0

    def code(self, address: str, block: int | None = None) -> bytes:
        """The code at an address, in the latest block or an earlier one."""
        found = chain.provider.get_code(to_checksum_address(address_of(address)), block_id=block)
        return bytes(found)

    def logs(self, address: str, topics: list[str | None], from_block: int = 0) -> list[list[str]]:
        """Topics of a contract's logs that have those of ``topics`` (None: any) in their places, since a block."""
        last, found = self.block_number(), []
        for start in range(from_block, last + 1, LOG_BLOCKS):
            query = {
                "address": to_checksum_address(address_of(address)),
                "fromBlock": hex(start),
                "toBlock": hex(min(start + LOG_BLOCKS - 1, last)),
                "topics": topics,
            }
            found += [list(log["topics"]) for log in chain.provider.make_request("eth_getLogs", [query])]
        return found

    def events(self, contract: Any, name: str, from_block: int = 0) -> list[dict[str, Any]]:
        """Arguments of a contract's events of one name since a block, in order."""
        last = self.block_number()
        found = getattr(contract, name).range(from_block, last + 1)
        return [dict(entry.event_arguments) for entry in found]

    def chain_id(self) -> int:
        """The chain's id."""
        return int(chain.provider.chain_id)

    def block_number(self) -> int:
        """Number of the latest block."""
        return int(chain.provider.get_block("latest").number)

    def timestamp(self, block: int | None = None) -> int:
        """Timestamp of a block, by default the latest, Unix seconds."""
        return int(chain.provider.get_block("latest" if block is None else block).timestamp)

    def travel(self, seconds: int) -> None:
        """Let time pass and mine a block; local chains alone."""
        # Not through Ape: it moves the time of nodes that it knows to be for development alone.
        now = max(self.timestamp(), int(chain.provider.get_block("pending").timestamp))
        chain.provider.make_request("evm_setNextBlockTimestamp", [now + seconds])
        chain.provider.make_request("evm_mine", [])
