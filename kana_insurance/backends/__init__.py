"""How the project reaches a chain: through Ape, through titanoboa, or straight over JSON-RPC.

All three hand out contracts that are used alike: ``fund.contribute(amount, sender=account)`` sends, ``fund.reserve()``
reads, ``fund.address`` is the address; structs go in as tuples and come out with their fields' names. What is built on
:class:`Backend` (deployment, client, reader, fixtures) doesn't know which one it has.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
EVM_VERSION = "cancun"
ZERO = "0x" + "00" * 20

_BLUEPRINT_PREAMBLE = bytes.fromhex("fe7100")
_ERROR_SELECTOR = bytes.fromhex("08c379a0")
_PANIC_SELECTOR = bytes.fromhex("4e487b71")


def reach_tools() -> None:
    """Let the project's tools be imported where it is run from its own folder: `ape run` takes that off the path."""
    if Path.cwd().resolve() == ROOT and str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))


class Reverted(Exception):  # noqa: N818 - what happened, not a fault of the program
    """A call that the chain refused; ``reason`` is the contract's own, empty where it gave none."""

    def __init__(self, reason: str, call: str = "") -> None:
        super().__init__(f"{call + ': ' if call else ''}{reason or 'reverted without a reason'}")
        self.reason = reason


class ContractMissing(Exception):  # noqa: N818
    """A contract that isn't among the sources, or doesn't compile."""


class Backend(Protocol):
    """What deployment and tools need of a chain."""

    def deploy(self, contract: str, *args: Any, sender: Any) -> Any:
        """Deploy a contract of the project by name.

        Raises:
            ContractMissing: if there is no such contract.
        """

    def deploy_blueprint(self, contract: str, *, sender: Any) -> str:
        """Deploy a contract's creation code as an ERC-5202 blueprint; its address.

        Raises:
            ContractMissing: if there is no such contract.
        """

    def at(self, contract: str, address: str) -> Any:
        """The contract of that name at an address."""

    def encode(self, function: Any, *args: Any) -> bytes:
        """Call data of a contract's function."""

    def simulate(self, sender: str, target: str, data: bytes) -> None:
        """Make a call as any address without changing anything.

        Raises:
            Reverted: if it would be refused; with the contract's reason.
        """

    def impersonate(self, address: str) -> Any:
        """A sender that acts as any address, contracts too; local chains alone."""

    def has_contract(self, contract: str) -> bool:
        """Whether the project has a contract of that name."""

    def has_code(self, address: str) -> bool:
        """Whether there is a contract at an address."""

    def code(self, address: str, block: int | None = None) -> bytes:
        """The code at an address, in the latest block or an earlier one."""

    def events(self, contract: Any, name: str, from_block: int = 0) -> list[dict[str, Any]]:
        """Arguments of a contract's events of one name since a block, in order."""

    def logs(self, address: str, topics: list[str | None], from_block: int = 0) -> list[list[str]]:
        """Topics of a contract's logs that have those of ``topics`` (None: any) in their places, since a block."""

    def chain_id(self) -> int:
        """The chain's id."""

    def block_number(self) -> int:
        """Number of the latest block."""

    def timestamp(self, block: int | None = None) -> int:
        """Timestamp of a block, by default the latest, Unix seconds."""

    def travel(self, seconds: int) -> None:
        """Let time pass and mine a block; local chains alone."""


def blueprint_of(creation_code: bytes) -> bytes:
    """What to send to deploy creation code as an ERC-5202 blueprint: version 0, without data."""
    code = _BLUEPRINT_PREAMBLE + creation_code
    # PUSH2 length, RETURNDATASIZE, DUP2, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURN: returns what follows itself.
    return b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("3d81600a3d39f3") + code


def address_of(account: Any) -> str:
    """The address of an account, a contract, or an address."""
    return str(getattr(account, "address", account))


def decode_reason(data: bytes) -> str:
    """The reason in the data of a revert; a panic's code in words; empty where there is none."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    try:
        if data.startswith(_ERROR_SELECTOR):
            return str(decode(["string"], data[4:])[0])
        if data.startswith(_PANIC_SELECTOR):
            return f"panic {decode(['uint256'], data[4:])[0]:#x}"
    except DecodingError:
        return ""
    return ""


def revert_reason(error: BaseException) -> str | None:
    """The contract's reason in any backend's error; None where the error is no revert."""
    if isinstance(error, Reverted):
        return error.reason
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "ContractLogicError" in kinds:
        message = str(getattr(error, "revert_message", None) or getattr(error, "message", None) or "")
        return "" if message in ("Transaction failed.", "execution reverted") else message
    if "BoaError" in kinds:
        trace: Any = getattr(error, "call_trace", None)
        return decode_reason(bytes(trace.computation.output)) if trace is not None else ""
    return None


def source_of(contract: str) -> Path:
    """The source of a deployable contract.

    Raises:
        ContractMissing: if there is none of that name.
    """
    for folder in (CONTRACTS, CONTRACTS / "testing"):
        path = folder / f"{contract}.vy"
        if path.is_file():
            return path
    raise ContractMissing(f"there is no contract {contract} under contracts/")
