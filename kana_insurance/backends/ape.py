"""The chain that Ape is connected to: scripts, and tests on Anvil."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ape import Project, accounts, chain
from ape import project as local_project
from eth_utils import to_checksum_address

from kana_insurance.backends import ROOT, ContractMissing, address_of, source_of


class ApeBackend:
    """Backend over Ape's active provider; senders are Ape accounts."""

    def __init__(self) -> None:
        # In another project's tests Ape's own project is that one: ours is opened beside it.
        here = Path(local_project.path).resolve() == ROOT
        self.project: Any = local_project if here else Project(ROOT)

    def container(self, contract: str) -> Any:
        """Ape's container of a contract type.

        Raises:
            ContractMissing: if the sources have none of that name, or it doesn't compile.
        """
        source_of(contract)
        try:
            return getattr(self.project, contract)
        except AttributeError as error:
            raise ContractMissing(f"{contract} does not compile: run 'ape compile'") from error

    def deploy(self, contract: str, *args: Any, sender: Any) -> Any:
        """Deploy a contract of the project by name."""
        return sender.deploy(self.container(contract), *args)

    def at(self, contract: str, address: str) -> Any:
        """The contract of that name at an address."""
        return self.container(contract).at(to_checksum_address(address), fetch_from_explorer=False)

    def encode(self, function: Any, *args: Any) -> bytes:
        """Call data of a contract's function."""
        return bytes(function.encode_input(*args))

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

    def timestamp(self) -> int:
        """Timestamp of the latest block, Unix seconds."""
        return int(chain.provider.get_block("latest").timestamp)

    def travel(self, seconds: int) -> None:
        """Let time pass and mine a block; local chains alone."""
        chain.mine(timestamp=max(self.timestamp(), int(chain.pending_timestamp)) + seconds)
