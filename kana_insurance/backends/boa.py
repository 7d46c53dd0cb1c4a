"""A chain inside this process, titanoboa's: for state machines and mutants. Senders are addresses.

Importing this module starts nothing of Ape.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import boa
from boa import interpret
from boa.interpret import set_search_paths

from kana_insurance.backends import EVM_VERSION, ROOT, ContractMissing, Reverted, address_of, decode_reason, source_of


def _fingerprint(module: Any, seen: dict[str, str] | None = None) -> str:
    """What titanoboa keeps a compiled contract under: a hash of its source and of all that it imports, at any depth.

    Its own looks at the first level alone, so that a change of a module's module would go unseen.
    """
    seen = {} if seen is None else seen
    parts = []
    for statement in module.import_stmts:
        info = statement._metadata["import_info"]
        path = str(info.compiler_input.path)
        if path not in seen:
            inner = getattr(info.typ, "module_t", None)
            of_file = str(interpret.hash_input(info.compiler_input))
            seen[path] = of_file if inner is None else _fingerprint(inner, seen)
        parts.append(seen[path])
    return str(interpret.sha256sum("".join([*parts, module._module.source_sha256sum])))


interpret.get_module_fingerprint = _fingerprint


@cache
def deployer(contract: str) -> Any:
    """The titanoboa deployer of a contract of the project, compiled once a process."""
    set_search_paths([str(ROOT)])
    source = source_of(contract)
    return boa.load_partial(str(source), compiler_args={"evm_version": EVM_VERSION})


class BoaBackend:
    """Backend over titanoboa's current environment."""

    def deploy(self, contract: str, *args: Any, sender: Any) -> Any:
        """Deploy a contract of the project by name."""
        with boa.env.prank(address_of(sender)):
            return deployer(contract).deploy(*args)

    def deploy_blueprint(self, contract: str, *, sender: Any) -> str:
        """Deploy a contract's creation code as an ERC-5202 blueprint; its address."""
        with boa.env.prank(address_of(sender)):
            return str(deployer(contract).deploy_as_blueprint().address)

    def at(self, contract: str, address: str) -> Any:
        """The contract of that name at an address."""
        return deployer(contract).at(address)

    def encode(self, function: Any, *args: Any) -> bytes:
        """Call data of a contract's function."""
        return bytes(function.prepare_calldata(*args))

    def simulate(self, sender: str, target: str, data: bytes) -> None:
        """Make a call as any address without changing anything."""
        with boa.env.anchor():
            computation = boa.env.execute_code(to_address=target, sender=sender, data=data)
        if computation.is_error:
            raise Reverted(decode_reason(bytes(computation.output)))

    def impersonate(self, address: str) -> Any:
        """A sender that acts as any address, contracts too."""
        return address_of(address)

    def has_contract(self, contract: str) -> bool:
        """Whether the project has a contract of that name."""
        try:
            return source_of(contract).is_file()
        except ContractMissing:
            return False

    def has_code(self, address: str) -> bool:
        """Whether there is a contract at an address."""
        return len(boa.env.get_code(address_of(address))) > 0

    def code(self, address: str, block: int | None = None) -> bytes:
        """The code at an address.

        Raises:
            NotImplementedError: of an earlier block.
        """
        if block not in (None, self.block_number()):
            raise NotImplementedError("titanoboa keeps no past blocks")
        return bytes(boa.env.get_code(address_of(address)))

    def logs(self, address: str, topics: list[str | None], from_block: int = 0) -> list[list[str]]:
        """Not kept here.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"titanoboa keeps no past logs: {address} {topics} {from_block}")

    def events(self, contract: Any, name: str, from_block: int = 0) -> list[dict[str, Any]]:
        """Not kept here.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"titanoboa keeps no past events: {contract} {name} {from_block}")

    def chain_id(self) -> int:
        """The chain's id."""
        return int(boa.env.evm.patch.chain_id)

    def block_number(self) -> int:
        """Number of the latest block."""
        return int(boa.env.evm.patch.block_number)

    def timestamp(self, block: int | None = None) -> int:
        """Timestamp of the block that transactions are in, Unix seconds.

        Raises:
            NotImplementedError: for any other block.
        """
        if block not in (None, self.block_number()):
            raise NotImplementedError("titanoboa keeps no past blocks")
        return int(boa.env.timestamp)

    def travel(self, seconds: int) -> None:
        """Let time pass."""
        boa.env.time_travel(seconds=seconds)


def attempt(function: Any, *args: Any, sender: Any) -> Any:
    """Call a contract's function without the cost of a stack trace when it reverts; state changes as in any call.

    Raises:
        Reverted: with the contract's reason.
    """
    computation = boa.env.execute_code(
        to_address=function.contract.address,
        sender=address_of(sender),
        data=function.prepare_calldata(*args),
        is_modifying=function.func_t.is_mutable,
        contract=function.contract,
    )
    if computation.is_error:
        raise Reverted(decode_reason(bytes(computation.output)), function.func_t.name)
    return function.contract.marshal_to_python(computation, function.func_t.return_type)
