"""A running node over plain JSON-RPC: what demo and replay use, where thousands of transactions are sent.

Nonces are counted here, gas is a fixed limit, nothing is estimated, transactions are signed here, and
:meth:`RpcBackend.batch` sends many of them in one request. Senders are accounts with a private ``key`` (:class:`Key`,
eth_account's), or plain addresses that the node has unlocked.
"""

from __future__ import annotations

import itertools
import time
from collections import namedtuple
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import requests
from eth_abi.abi import decode, encode
from eth_utils import keccak, to_canonical_address, to_checksum_address

from kana_insurance.backends import ContractMissing, Reverted, address_of, blueprint_of, decode_reason, source_of
from kana_insurance.backends.artifacts import artifact
from kana_insurance.orders import private_key, sign_digest

GAS = 5_000_000
DEPLOY_GAS = 14_000_000
#: Calls that create a contract, or may.
CREATING = frozenset({"create_fund", "create_layer", "execute", "execute_batch"})
MAX_FEE = 100 * 10**9
#: Calls, and transactions, in one JSON-RPC request at most; Anvil stalls on a thousand transactions at once.
CHUNK = 1_000
SEND_CHUNK = 200
#: How long to wait for transactions to be mined, while none is.
MINING_SECONDS = 60


class NodeError(Exception):
    """A node that doesn't answer, or refuses a request for another cause than a revert."""


class Key(str):
    """An address together with its private key: usable wherever an address is, and as a signer."""

    __slots__ = ("key",)
    key: bytes

    def __new__(cls, key: bytes) -> Key:
        """The account of a private key of 32 bytes."""
        from coincurve import PrivateKey

        public = PrivateKey(key).public_key.format(compressed=False)
        self = super().__new__(cls, to_checksum_address(keccak(public[1:])[-20:]))
        self.key = key
        return self

    @property
    def address(self) -> str:
        """The address alone."""
        return str(self)


def canonical_type(item: dict[str, Any]) -> str:
    """The ABI type of an input or output, tuples written out."""
    kind: str = item["type"]
    if kind.startswith("tuple"):
        return f"({','.join(canonical_type(part) for part in item['components'])}){kind.removeprefix('tuple')}"
    return kind


def _plain(value: Any) -> Any:
    """An argument as the encoder takes it: accounts and contracts as addresses, dicts as tuples."""
    if isinstance(value, dict):
        return tuple(_plain(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item) for item in value)
    return value.address if hasattr(value, "address") else value


@lru_cache(maxsize=256)
def _struct(title: str, names: tuple[str, ...]) -> Any:
    return namedtuple(title, names)


def _named(item: dict[str, Any], value: Any) -> Any:
    """A decoded value with the names of its fields; addresses in checksum form."""
    kind: str = item["type"]
    if kind.endswith("]"):
        inner = {**item, "type": kind[: kind.rindex("[")]}
        return [_named(inner, part) for part in value]
    if kind == "tuple":
        names = tuple(part["name"] for part in item["components"])
        title = str(item.get("internalType", "Struct")).split(" ")[-1].split(".")[-1] or "Struct"
        fields = (_named(part, one) for part, one in zip(item["components"], value, strict=True))
        return _struct(title, names)(*fields)
    return to_checksum_address(value) if kind == "address" else value


@dataclass(frozen=True)
class Event:
    """A decoded log."""

    contract: str
    name: str
    args: dict[str, Any]


@dataclass
class Receipt:
    """What became of a transaction; empty while its batch isn't sent."""

    call: str
    hash: str = ""
    status: int = 0
    gas_used: int = 0
    block_number: int = 0
    logs: list[dict[str, Any]] = field(default_factory=list)
    contract_address: str | None = None


class Function:
    """A contract's function; several with one name differ by the number of arguments."""

    def __init__(self, contract: RpcContract, name: str, entries: Sequence[dict[str, Any]]) -> None:
        self.contract = contract
        self.name = name
        self._entries = {len(entry["inputs"]): entry for entry in entries}
        self._selectors = {
            count: keccak(text=f"{name}({','.join(map(canonical_type, entry['inputs']))})")[:4]
            for count, entry in self._entries.items()
        }

    def _entry(self, count: int) -> dict[str, Any]:
        if count not in self._entries:
            raise TypeError(f"{self} takes {' or '.join(map(str, self._entries))} arguments, not {count}")
        return self._entries[count]

    def __str__(self) -> str:
        return f"{self.contract.name}.{self.name}"

    def encode(self, *args: Any) -> bytes:
        """Call data."""
        entry = self._entry(len(args))
        return self._selectors[len(args)] + encode(list(map(canonical_type, entry["inputs"])), _plain(args))

    def decode(self, data: bytes, count: int = -1) -> Any:
        """What a call with ``count`` arguments returned."""
        outputs = (self._entry(count) if count >= 0 else next(iter(self._entries.values())))["outputs"]
        if not outputs:
            return None
        values = decode(list(map(canonical_type, outputs)), data)
        named = tuple(_named(item, value) for item, value in zip(outputs, values, strict=True))
        return named[0] if len(named) == 1 else named

    def call(self, *args: Any, sender: Any = None) -> Any:
        """What the call would return now, without sending it."""
        data = self.contract.backend.eth_call(self.contract.address, self.encode(*args), sender, str(self))
        return self.decode(data, len(args))

    def __call__(self, *args: Any, sender: Any = None, gas: int | None = None) -> Any:
        """Read a view; send anything else and return its receipt."""
        if self._entry(len(args))["stateMutability"] in ("view", "pure"):
            return self.call(*args, sender=sender)
        if sender is None:
            raise TypeError(f"{self} changes state: name its sender")
        limit = gas or (DEPLOY_GAS if self.name in CREATING else GAS)
        return self.contract.backend.send(sender, self.contract.address, self.encode(*args), limit, str(self))


class RpcContract:
    """A contract at an address; its functions are attributes."""

    def __init__(self, backend: RpcBackend, name: str, address: str, abi: list[dict[str, Any]]) -> None:
        self.backend = backend
        self.name = name
        self.address = to_checksum_address(address)
        by_name: dict[str, list[dict[str, Any]]] = {}
        self._events: dict[str, dict[str, Any]] = {}
        for entry in abi:
            if entry["type"] == "function":
                by_name.setdefault(entry["name"], []).append(entry)
            elif entry["type"] == "event":
                signature = f"{entry['name']}({','.join(map(canonical_type, entry['inputs']))})"
                self._events["0x" + keccak(text=signature).hex()] = entry
        self._functions = {name: Function(self, name, entries) for name, entries in by_name.items()}

    def __getattr__(self, name: str) -> Function:
        try:
            return self.__dict__["_functions"][name]
        except KeyError:
            raise AttributeError(f"{self.__dict__.get('name')} has no function {name}") from None

    def __repr__(self) -> str:
        return f"<{self.name} {self.address}>"

    def topic(self, event: str) -> str:
        """The first topic of an event's logs."""
        return next(topic for topic, entry in self._events.items() if entry["name"] == event)

    def decode_log(self, log: dict[str, Any]) -> Event | None:
        """A log of this contract, decoded; None for another's or an unknown one."""
        entry = self._events.get(log["topics"][0]) if log["topics"] else None
        if entry is None or to_checksum_address(log["address"]) != self.address:
            return None
        topics = iter(log["topics"][1:])
        plain = [item for item in entry["inputs"] if not item["indexed"]]
        data = iter(decode(list(map(canonical_type, plain)), bytes.fromhex(log["data"][2:])))
        args = {}
        for item in entry["inputs"]:
            if item["indexed"]:
                value = decode([canonical_type(item)], bytes.fromhex(next(topics)[2:]))[0]
            else:
                value = next(data)
            args[item["name"]] = _named(item, value)
        return Event(self.name, entry["name"], args)

    def events(self, *receipts: Receipt) -> list[Event]:
        """This contract's events in receipts, in order."""
        found = (self.decode_log(log) for receipt in receipts for log in receipt.logs)
        return [event for event in found if event is not None]


class RpcBackend:
    """Backend over the node at a URL.

    Raises:
        NodeError: if nothing answers there.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        # Looking for proxies costs more than a request to a node of one's own.
        self._session.trust_env = False
        self._ids = itertools.count(1)
        self._nonces: dict[str, int] = {}
        self._queue: list[tuple[Receipt, str, list[Any]]] | None = None
        self._seen = "pending"
        self._chain_id = int(self.rpc("eth_chainId"), 16)

    # ------------------------------------------------------------------ JSON-RPC

    def rpc(self, method: str, *params: Any) -> Any:
        """The result of one request.

        Raises:
            NodeError: if the node doesn't answer, or answers with an error.
        """
        return self.rpc_batch([(method, list(params))])[0]

    def rpc_batch(self, requests_: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """The results of many requests, in order.

        Raises:
            NodeError: as :meth:`rpc`, for the first that fails.
        """
        answers = self._post(requests_)
        for (method, _), answer in zip(requests_, answers, strict=True):
            if "error" in answer:
                raise NodeError(f"{method}: {answer['error'].get('message', answer['error'])}")
        return [answer["result"] for answer in answers]

    def _post(self, requests_: Sequence[tuple[str, list[Any]]], chunk: int = CHUNK) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        for start in range(0, len(requests_), chunk):
            body = [
                {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
                for method, params in requests_[start : start + chunk]
            ]
            try:
                response = self._session.post(self.url, json=body, timeout=60)
                response.raise_for_status()
                answers = {answer["id"]: answer for answer in response.json()}
            except (requests.RequestException, ValueError, KeyError, TypeError) as error:
                raise NodeError(f"no node answers at {self.url}: {error}") from error
            results += [answers[item["id"]] for item in body]
        return results

    def eth_call(self, to: str, data: bytes, sender: Any = None, call: str = "") -> bytes:
        """The data that a call returns in the next block, or in that of :meth:`as_of`.

        Raises:
            Reverted: if it would revert.
        """
        return self.eth_calls([(to, data, sender, call)])[0]

    def eth_calls(self, calls: Sequence[tuple[str, bytes, Any, str]]) -> list[bytes]:
        """The data that many calls (to, data, sender, name) return in that block.

        Raises:
            Reverted: for the first that would revert.
        """
        wanted = []
        for to, data, sender, _ in calls:
            params = {"to": to, "data": "0x" + data.hex()}
            if sender is not None:
                params["from"] = address_of(sender)
            wanted.append(("eth_call", [params, self._seen]))
        results = []
        for (_, _, _, call), answer in zip(calls, self._post(wanted), strict=True):
            if "error" in answer:
                raise as_revert(answer["error"], call)
            results.append(bytes.fromhex(answer["result"][2:]))
        return results

    @contextmanager
    def as_of(self, block: int) -> Iterator[None]:
        """Let calls within see a block that was mined, and its time, instead of the next one."""
        self._seen = hex(block)
        try:
            yield
        finally:
            self._seen = "pending"

    def read_many(self, calls: Sequence[tuple[Function, tuple[Any, ...]]]) -> list[Any]:
        """Many reads (function, arguments) in one request.

        Raises:
            Reverted: for the first that reverts.
        """
        raw = self.eth_calls([(f.contract.address, f.encode(*args), None, str(f)) for f, args in calls])
        return [f.decode(data, len(args)) for (f, args), data in zip(calls, raw, strict=True)]

    # -------------------------------------------------------------- transactions

    def next_nonce(self, address: str) -> int:
        """The nonce of the account's next transaction; counted here after the first."""
        if address not in self._nonces:
            self._nonces[address] = int(self.rpc("eth_getTransactionCount", address, "pending"), 16)
        self._nonces[address] += 1
        return self._nonces[address] - 1

    def forget_nonces(self) -> None:
        """Ask the node anew: after a snapshot was restored, or others sent for the same accounts."""
        self._nonces.clear()

    def _signed(self, key: bytes, nonce: int, to: str | None, data: bytes, gas: int, fee: int = MAX_FEE) -> str:
        return self.signed(key, self._chain_id, nonce, to, data, gas, fee, 10**9)

    @staticmethod
    def signed(key: bytes, chain_id: int, nonce: int, to: str | None, data: bytes, gas: int, fee: int, tip: int) -> str:
        """An EIP-1559 transaction, signed; fee and tip are the most that it pays, wei a unit of gas."""
        import rlp  # type: ignore[import-untyped]

        target = to_canonical_address(to) if to else b""
        fields: list[Any] = [chain_id, nonce, tip, fee, gas, target, 0, data, []]
        signature = sign_digest(keccak(b"\x02" + rlp.encode(fields)), key)
        parts = [signature[64] - 27, int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")]
        return "0x02" + rlp.encode([*fields, *parts]).hex()

    def sign(self, sender: Any, to: str, data: bytes, gas: int = GAS) -> str:
        """The sender's next transaction, signed, for whoever sends and mines it in an own way.

        Raises:
            ValueError: if the sender has no private key to give.
        """
        if (key := private_key(sender)) is None:
            raise ValueError(f"{address_of(sender)} has no private key here")
        return self._signed(key, self.next_nonce(to_checksum_address(address_of(sender))), to, data, gas)

    def send(self, sender: Any, to: str | None, data: bytes, gas: int = GAS, call: str = "") -> Receipt:
        """Send a transaction and wait for it; within :meth:`batch`, queue it.

        Raises:
            Reverted: if it reverted.
        """
        address = to_checksum_address(address_of(sender))
        nonce = self.next_nonce(address)
        # The node takes what pays more first: a falling fee keeps a batch in order.
        fee = MAX_FEE - len(self._queue or [])
        receipt = Receipt(call)
        request: tuple[str, list[Any]]
        if (key := private_key(sender)) is not None:
            request = ("eth_sendRawTransaction", [self._signed(key, nonce, to, data, gas, fee)])
        else:
            params = {"from": address, "nonce": hex(nonce), "gas": hex(gas), "data": "0x" + data.hex()}
            params |= {"maxFeePerGas": hex(fee), "maxPriorityFeePerGas": hex(10**9)}
            request = ("eth_sendTransaction", [params | ({"to": to} if to else {})])
        if self._queue is not None:
            self._queue.append((receipt, *request))
        else:
            self._flush([(receipt, *request)], check=True)
        return receipt

    @contextmanager
    def batch(self, *, check: bool = True) -> Iterator[list[Receipt]]:
        """Send what is sent within together at the end, executed in exactly that order; the list then holds receipts.

        Nothing within has happened yet while the batch is open: read before or after it. Anvil alone.

        With ``check`` the first one that reverted raises :class:`Reverted`; without it, see each ``status``.
        """
        if self._queue is not None:
            raise RuntimeError("batches don't nest")
        self._queue = []
        receipts: list[Receipt] = []
        try:
            yield receipts
            queue = self._queue
        except BaseException:
            self.forget_nonces()
            raise
        finally:
            self._queue = None
        receipts += [receipt for receipt, _, _ in queue]
        self._flush(queue, check)

    def _flush(self, queue: Sequence[tuple[Receipt, str, list[Any]]], check: bool) -> None:
        """Send, have it mined, fill in the receipts."""
        if not queue:
            return
        try:
            if len(queue) == 1:
                found = self._receipts(self._sent(queue))
            else:
                self.rpc("evm_setAutomine", False)
                try:
                    found = self._receipts(self._sent(queue), mine=True)
                finally:
                    self.rpc("evm_setAutomine", True)
        except (NodeError, Reverted):
            self.forget_nonces()
            raise
        for (receipt, _, _), answer in zip(queue, found, strict=True):
            receipt.status = int(answer["status"], 16)
            receipt.gas_used = int(answer["gasUsed"], 16)
            receipt.block_number = int(answer["blockNumber"], 16)
            receipt.logs = answer["logs"]
            receipt.contract_address = answer.get("contractAddress")
        if check:
            for receipt, _, _ in queue:
                if not receipt.status:
                    raise Reverted(self.reason_of(receipt), receipt.call)

    def _sent(self, queue: Sequence[tuple[Receipt, str, list[Any]]]) -> list[str]:
        """Send transactions and return their hashes."""
        answers = self._post([(method, params) for _, method, params in queue], SEND_CHUNK)
        for (receipt, _, _), answer in zip(queue, answers, strict=True):
            if "error" in answer:
                raise as_revert(answer["error"], receipt.call)
            receipt.hash = answer["result"]
        return [receipt.hash for receipt, _, _ in queue]

    def _receipts(self, hashes: Sequence[str], *, mine: bool = False) -> list[dict[str, Any]]:
        """The receipts of transactions, as soon as all are mined; with ``mine`` the node is told to."""
        found: dict[str, dict[str, Any]] = {}
        end = time.monotonic() + MINING_SECONDS
        while missing := [name for name in hashes if name not in found]:
            if mine:
                self.rpc("evm_mine")
            answers = self.rpc_batch([("eth_getTransactionReceipt", [name]) for name in missing])
            fresh = {name: answer for name, answer in zip(missing, answers, strict=True) if answer is not None}
            found |= fresh
            if not fresh:
                if time.monotonic() > end:
                    raise NodeError(f"{len(missing)} transactions were not mined in {MINING_SECONDS} seconds")
                time.sleep(0.002)
        return [found[name] for name in hashes]

    def reason_of(self, receipt: Receipt) -> str:
        """Why a mined transaction reverted, from its trace."""
        trace = self.rpc("debug_traceTransaction", receipt.hash, {"tracer": "callTracer"})
        output = str(trace.get("output") or "0x")
        return decode_reason(bytes.fromhex(output[2:])) or str(trace.get("revertReason") or trace.get("error") or "")

    # ------------------------------------------------------------------- Backend

    def deploy(self, contract: str, *args: Any, sender: Any) -> RpcContract:
        """Deploy a contract of the project by name."""
        compiled = artifact(contract)
        inputs: list[dict[str, Any]] = next(
            (entry["inputs"] for entry in compiled["abi"] if entry["type"] == "constructor"), []
        )
        tail = encode(list(map(canonical_type, inputs)), _plain(args))
        address = to_checksum_address(address_of(sender))
        data = bytes.fromhex(compiled["bytecode"][2:]) + tail
        receipt = self.send(sender, None, data, DEPLOY_GAS, f"{contract}.__init__")
        if receipt.contract_address is None:
            raise NodeError(f"{contract}: the node names no address for the deployment by {address}")
        return self.at(contract, receipt.contract_address)

    def deploy_blueprint(self, contract: str, *, sender: Any) -> str:
        """Deploy a contract's creation code as an ERC-5202 blueprint; its address."""
        code = blueprint_of(bytes.fromhex(artifact(contract)["bytecode"][2:]))
        receipt = self.send(sender, None, code, DEPLOY_GAS, f"{contract} as a blueprint")
        if receipt.contract_address is None:
            raise NodeError(f"{contract}: the node names no address for its blueprint")
        return to_checksum_address(receipt.contract_address)

    def at(self, contract: str, address: str) -> RpcContract:
        """The contract of that name at an address."""
        return RpcContract(self, contract, address, artifact(contract)["abi"])

    def encode(self, function: Function, *args: Any) -> bytes:
        """Call data of a contract's function."""
        return function.encode(*args)

    def simulate(self, sender: str, target: str, data: bytes) -> None:
        """Make a call as any address without changing anything."""
        self.eth_call(target, data, sender)

    def impersonate(self, address: str) -> str:
        """A sender that acts as any address, contracts too; Anvil alone."""
        self.rpc_batch(
            [
                ("anvil_impersonateAccount", [address_of(address)]),
                ("anvil_setBalance", [address_of(address), hex(10**20)]),
            ]
        )
        return to_checksum_address(address_of(address))

    def has_contract(self, contract: str) -> bool:
        """Whether the project has a contract of that name."""
        try:
            return source_of(contract).is_file()
        except ContractMissing:
            return False

    def has_code(self, address: str) -> bool:
        """Whether there is a contract at an address."""
        return len(self.rpc("eth_getCode", address_of(address), "latest")) > 2

    def code(self, address: str, block: int | None = None) -> bytes:
        """The code at an address, in the latest block or an earlier one."""
        name = "latest" if block is None else hex(block)
        return bytes.fromhex(self.rpc("eth_getCode", address_of(address), name)[2:])

    def logs(self, address: str, topics: list[str | None], from_block: int = 0) -> list[list[str]]:
        """Topics of a contract's logs that have those of ``topics`` (None: any) in their places, since a block."""
        query = {"address": address_of(address), "fromBlock": hex(from_block), "topics": topics}
        return [log["topics"] for log in self.rpc("eth_getLogs", query)]

    def events(self, contract: RpcContract, name: str, from_block: int = 0) -> list[dict[str, Any]]:
        """Arguments of a contract's events of one name since a block, in order."""
        query = {"address": contract.address, "fromBlock": hex(from_block), "topics": [contract.topic(name)]}
        found = (contract.decode_log(log) for log in self.rpc("eth_getLogs", query))
        return [event.args for event in found if event is not None]

    def chain_id(self) -> int:
        """The chain's id."""
        return self._chain_id

    def block_number(self) -> int:
        """Number of the latest block."""
        return int(self.rpc("eth_blockNumber"), 16)

    def timestamp(self, block: int | None = None) -> int:
        """Timestamp of a block, by default the latest, Unix seconds."""
        name = "latest" if block is None else hex(block)
        return int(self.rpc("eth_getBlockByNumber", name, False)["timestamp"], 16)

    def travel(self, seconds: int) -> None:
        """Let time pass and mine a block; local chains alone."""
        # An increase of the node's offset would be lost where it counts blocks instead of seconds.
        pending = int(self.rpc("eth_getBlockByNumber", "pending", False)["timestamp"], 16)
        self.rpc("evm_setNextBlockTimestamp", max(self.timestamp(), pending) + seconds)
        self.rpc("evm_mine")


def as_revert(error: dict[str, Any], call: str) -> Exception:
    """A node's error as what it means."""
    message = str(error.get("message", error))
    data = error.get("data")
    if isinstance(data, dict):
        data = data.get("data")
    if error.get("code") == 3 or "revert" in message.lower():
        raw = bytes.fromhex(data[2:]) if isinstance(data, str) and data.startswith("0x") else b""
        return Reverted(decode_reason(raw) or message.partition("revert: ")[2], call)
    return NodeError(f"{call}: {message}")
