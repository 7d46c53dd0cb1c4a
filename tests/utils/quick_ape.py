"""Spares Ape what it does again and again around every call of a test; what is called and answered stays the same.

Ape looks for proxies, opens settings, derives its twenty accounts, asks for the gas limit of the latest block and for
the code of each contract before each call: four fifths of the time of a test. Loaded by the root conftest.
"""

from __future__ import annotations

import select
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

_LENGTH = b"content-length:"


class _NoAnswerError(Exception):
    """A node answers otherwise than Anvil does."""


def install(*, own_connections: bool) -> None:
    """Make Ape quick for the rest of this process.

    Args:
        own_connections: Whether requests may go past ``requests``, which statement coverage listens to.
    """
    if own_connections:
        _plain_requests()
    _short_waits()
    _remembered_code()
    _remembered_gas_limit()
    _remembered_accounts()
    _remembered_settings()


def _plain_requests() -> None:
    """Send requests to a node of this machine through one kept connection a thread, without proxies and cookies."""
    from web3._utils.http_session_manager import HTTPSessionManager

    kept = threading.local()
    ordinary = HTTPSessionManager.make_post_request

    def post(self: Any, endpoint_uri: Any, data: Any, **options: Any) -> bytes:
        address = urlsplit(str(endpoint_uri))
        if address.scheme != "http" or address.hostname not in ("127.0.0.1", "localhost") or address.port is None:
            return bytes(ordinary(self, endpoint_uri, data, **options))
        connections: dict[str, socket.socket] = kept.__dict__.setdefault("connections", {})
        if address.netloc not in connections or _closed(connections[address.netloc]):
            try:
                connections[address.netloc] = _connect(address.hostname, address.port)
            except OSError:
                connections.pop(address.netloc, None)
                # Nobody there: in the words that Ape knows.
                return bytes(ordinary(self, endpoint_uri, data, **options))
        try:
            return _answer(connections[address.netloc], bytes(data))
        except BaseException:
            connections.pop(address.netloc).close()
            raise

    HTTPSessionManager.make_post_request = post


def _connect(host: str, port: int) -> socket.socket:
    connection = socket.create_connection((host, port), timeout=120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _closed(connection: socket.socket) -> bool:
    """Whether the node ended a connection: nothing but its end can be waiting to be read between two requests."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    connection.close()
    return True


def _answer(connection: socket.socket, data: bytes) -> bytes:
    """The body of the answer to a request.

    Raises:
        OSError: if the node goes away.
        _NoAnswerError: if the answer isn't "200 OK" of a stated length.
    """
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    connection.sendall(head % len(data) + data)
    received = bytearray()
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _more(connection)
    status, *lines = bytes(received[:end]).lower().split(b"\r\n")
    lengths = [int(line[len(_LENGTH) :]) for line in lines if line.startswith(_LENGTH)]
    if b" 200 " not in status or not lengths:
        raise _NoAnswerError(f"no answer of a node: {status!r}, {lines!r}")
    whole = end + 4 + lengths[0]
    while len(received) < whole:
        received += _more(connection)
    return bytes(received[end + 4 :])


def _more(connection: socket.socket) -> bytes:
    if not (part := connection.recv(1 << 20)):
        raise ConnectionError("the node ended the connection")
    return part


def _short_waits() -> None:
    """Ask again after 5 ms, not 100, for the receipt of a transaction that is being mined."""
    from web3.eth import Eth

    wait = Eth.wait_for_transaction_receipt

    def wait_less(self: Any, transaction_hash: Any, timeout: float = 120, poll_latency: float = 0.005) -> Any:
        return wait(self, transaction_hash, timeout, poll_latency)

    Eth.wait_for_transaction_receipt = wait_less


def _remembered_code() -> None:
    """Look once whether a contract object's address has code, not before each of its calls."""
    from ape.contracts.base import ContractMethodHandler

    look = ContractMethodHandler._validate_is_contract

    def look_once(self: Any) -> None:
        known = self.contract.__dict__
        if "_kana_has_code" not in known:
            look(self)
            known["_kana_has_code"] = True

    ContractMethodHandler._validate_is_contract = look_once


def _remembered_gas_limit() -> None:
    """Ask a node once for the gas limit of its blocks: Anvil never changes it."""
    from ape_foundry.provider import FoundryProvider

    ask = FoundryProvider.max_gas
    limits: dict[str, int] = {}

    def limit(self: Any) -> int:
        if self.uri not in limits:
            limits[self.uri] = int(ask.__get__(self))
        return limits[self.uri]

    FoundryProvider.max_gas = property(limit)


def _remembered_accounts() -> None:
    """Derive each test account from its words once."""
    from ape_test.accounts import TestAccountContainer

    container: Any = TestAccountContainer
    derive = container.generate_account
    accounts: dict[tuple[str, str, int], Any] = {}

    def account(self: Any, index: int | None = None) -> Any:
        if index is None or index >= self.number_of_accounts:
            return derive(self, index)
        key = (self.mnemonic, self.hd_path, index)
        if key not in accounts:
            accounts[key] = derive(self, index)
        return accounts[key]

    container.generate_account = account


def _remembered_settings() -> None:
    """Read the settings of a network that every transaction asks for once."""
    from ape.api.networks import NetworkAPI
    from ape_ethereum.ecosystem import Ethereum

    ethereum: Any = Ethereum
    network: Any = NetworkAPI
    types, confirmations = ethereum.default_transaction_type, network.required_confirmations
    known: dict[tuple[str, str], Any] = {}

    def kind(self: Any) -> Any:
        provider = self.network_manager.active_provider
        key = ("type", provider.network.name if provider is not None else "")
        if key not in known:
            known[key] = types.__get__(self)
        return known[key]

    def awaited(self: Any) -> int:
        key = (self.ecosystem.name, self.name)
        if key not in known:
            known[key] = confirmations.__get__(self)
        return int(known[key])

    ethereum.default_transaction_type = property(kind)
    network.required_confirmations = property(awaited)
