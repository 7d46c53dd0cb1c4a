"""Pytest fixtures of a deployed Kana system, for this project and for others.

In another project, with Kana installed from a checkout (``pip install -e``): ``pytest_plugins =
["kana_insurance.testing"]`` in its root conftest, ``test: number_of_accounts: 20`` and Foundry as the local provider in
its ape-config.yaml, then ``ape test``. In runs without Ape (``-p no:ape_test``) import :func:`boa_system` and
:func:`reverts_with` from here; nothing of Ape is started.

The system is deployed once a session, by the code of ``ape run deploy``; Ape's snapshots undo what each test did.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kana_insurance.backends import revert_reason
from kana_insurance.deployment import System
from kana_insurance.kit import COIN, DAY, Actors, Kit, SignedOrder, U, deploy_kit, deploy_standalone

__all__ = [
    "COIN",
    "DAY",
    "Actors",
    "Kit",
    "SignedOrder",
    "U",
    "boa_standalone",
    "boa_system",
    "logs",
    "reverts_with",
]


# ------------------------------------------------------------------- titanoboa


def boa_actors() -> Actors:
    """Twenty accounts with keys for titanoboa; each is its address too."""
    import boa
    from eth_utils import keccak

    from kana_insurance.backends.rpc import Key

    boa.env.evm.patch.chain_id = 31337  # a local chain, as Anvil's
    everyone = [Key(keccak(text=f"kana account {number}")) for number in range(20)]
    for account in everyone:
        boa.env.set_balance(account, 10**24)
    return Actors.of(everyone)


def boa_system(**overrides: Any) -> Kit:
    """The whole system in titanoboa's current environment; see ``local_config`` for what can be overridden."""
    from kana_insurance.backends.boa import BoaBackend

    return deploy_kit(BoaBackend(), boa_actors(), **overrides)


def boa_standalone(**options: Any) -> Kit:
    """A fund alone with a contract as its venue, in titanoboa; options of ``deploy_standalone``."""
    from kana_insurance.backends.boa import BoaBackend

    return deploy_standalone(BoaBackend(), boa_actors(), **options)


# --------------------------------------------------------------------- reverts


@contextmanager
def reverts_with(reason: str) -> Iterator[None]:
    """Expect that a call within reverts with exactly this reason; calls before it are made as usual.

    On Ape every transaction within is tried by a call in the pending block first, and the refusal comes from that: 2 ms
    instead of the 100 ms that Ape's trace of a mined failure takes.
    """
    with _probed():
        try:
            yield
        except Exception as error:
            found = revert_reason(error)
            if found is None:
                raise
            if found != reason:
                raise AssertionError(f"expected the reason {reason!r}, got {found!r}") from error
            return
    raise AssertionError(f"expected a revert with {reason!r}, nothing reverted")


@contextmanager
def _probed() -> Iterator[None]:
    """Try Ape's transactions before they are sent, where Ape is connected."""
    ape = sys.modules.get("ape")
    provider = ape.networks.active_provider if ape is not None else None
    if provider is None or not hasattr(provider, "web3"):
        yield
        return
    from kana_insurance.backends.ape import probed

    with probed(provider):
        yield


def logs(receipt: Any, contract: Any) -> list[tuple[str, dict[str, Any]]]:
    """(name, arguments) of the events that a contract logged in a receipt of Ape, in order."""
    return [
        (event.event_name, dict(event.event_arguments))
        for event in receipt.events
        if str(event.contract_address).lower() == str(contract.address).lower()
    ]


# -------------------------------------------------------------------- fixtures


@pytest.fixture(scope="session")
def actors() -> Actors:
    """The accounts by what they do."""
    from ape import accounts

    if len(accounts.test_accounts) < 20:
        raise pytest.UsageError("the fixtures of Kana need 'test: number_of_accounts: 20' in ape-config.yaml")
    return Actors.of(accounts.test_accounts[number] for number in range(20))


@pytest.fixture(scope="session")
def backend() -> Any:
    """Ape's chain."""
    from kana_insurance.backends.ape import ApeBackend

    return ApeBackend()


@pytest.fixture(scope="session")
def kana(backend: Any, actors: Actors) -> Kit:
    """The whole system with everything tests do with it."""
    return deploy_kit(backend, actors)


@pytest.fixture(scope="session")
def standalone(backend: Any, actors: Actors) -> Kit:
    """A fund alone with a contract as its venue: markets 0 and 1 (perpetuals, 50,000 U) and 2 (lending)."""
    return deploy_standalone(backend, actors, lending=[2])


@pytest.fixture
def deploy_system(backend: Any, actors: Actors) -> Callable[..., Kit]:
    """Deploys another system with fields of the configuration overridden."""
    return lambda **overrides: deploy_kit(backend, actors, **overrides)


@pytest.fixture
def deploy_fund(backend: Any, actors: Actors) -> Callable[..., Kit]:
    """Deploys another fund alone; options of ``deploy_standalone``."""
    return lambda **options: deploy_standalone(backend, actors, **options)


@pytest.fixture
def deployment(kana: Kit) -> System:
    """The deployed system."""
    return kana.system


@pytest.fixture
def sign_order(kana: Kit) -> Callable[..., SignedOrder]:
    """See ``Kit.sign_order``."""
    return kana.sign_order


@pytest.fixture
def open_position(kana: Kit) -> Callable[..., Any]:
    """See ``Kit.open_position``."""
    return kana.open_position


@pytest.fixture
def set_price(kana: Kit) -> Callable[..., None]:
    """See ``Kit.set_price``."""
    return kana.set_price


@pytest.fixture
def govern(kana: Kit) -> Callable[..., Any]:
    """See ``Kit.govern``."""
    return kana.govern


def _part(name: str) -> Any:
    """A fixture that hands out one part of the system."""

    def part(kana: Kit) -> Any:
        return getattr(kana, name)

    part.__doc__ = f"The {name} of the system."
    return pytest.fixture(part, name=name)


def _actor(name: str) -> Any:
    """A fixture that hands out one account."""

    def actor(actors: Actors) -> Any:
        return getattr(actors, name)

    actor.__doc__ = f"The account that is the {name}."
    return pytest.fixture(scope="session", name=name)(actor)


asset, timelock, fund = _part("asset"), _part("timelock"), _part("fund")
registry, gateway, house, lens = _part("registry"), _part("gateway"), _part("house"), _part("lens")
deployer, treasurer, guardian, proposer = (_actor(n) for n in ("deployer", "treasurer", "guardian", "proposer"))
fee_recipient, treasury, trader = (_actor(n) for n in ("fee_recipient", "treasury", "trader"))
counterparty, liquidator, keeper = (_actor(n) for n in ("counterparty", "liquidator", "keeper"))
contributor, outsider = _actor("contributor"), _actor("outsider")


@pytest.fixture
def aggregator(kana: Kit) -> Any:
    """The mock aggregator of market 0."""
    return kana.aggregators[0]


@pytest.fixture
def feed(kana: Kit) -> Any:
    """The price feed of market 0."""
    return kana.feeds[0]
