"""A node with the deployed system for scripts to run on; what a test's scripts do is undone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from eth_account import Account

from kana_insurance.anvil import Anvil
from kana_insurance.backends.rpc import Key, RpcBackend
from kana_insurance.deployment import attach, read_record
from kana_insurance.kit import Actors, Kit, U
from tests.scenario.running import Run, load

MNEMONIC = "test test test test test test test test test test test junk"


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with Anvil(arguments=("--accounts", "20")) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the records of this module are kept."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("deployments")
        patch.setenv("KANA_DEPLOYMENTS", str(path))
        yield path


@pytest.fixture(scope="module")
def run_any(node: Anvil, folder: Path) -> Run:
    """Run a script; an exception that isn't an exit fails the test."""

    def run(script: str, *arguments: str, network: str = node.url) -> Result:
        result = CliRunner().invoke(load(script), [*arguments, "--network", network])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    assert folder.is_dir()
    return run


@pytest.fixture(scope="module")
def deployed(run_any: Run) -> Result:
    return run_any("deploy", "--account", "TEST::0", "--json")


@pytest.fixture
def run(run_any: Run, deployed: Result, node: Anvil) -> Iterator[Run]:
    """Run scripts on the deployed system; what they do is undone afterwards."""
    assert deployed.exit_code == 0, deployed.output
    chain = RpcBackend(node.url)
    snapshot = chain.rpc("evm_snapshot")
    yield run_any
    chain.rpc("evm_revert", snapshot)


@pytest.fixture
def kit(run: Run, node: Anvil) -> Kit:
    """The same system without Ape, to set the stage fast; TEST::6 to TEST::8 hold 10,000 KanaUSDT each."""
    assert run is not None
    Account.enable_unaudited_hdwallet_features()
    paths = [f"m/44'/60'/0'/0/{number}" for number in range(12)]
    keys = [Key(bytes(Account.from_mnemonic(MNEMONIC, account_path=path).key)) for path in paths]
    result = Kit(attach(RpcBackend(node.url), read_record("local")), Actors.of(keys))
    for account in (result.actors.trader, result.actors.counterparty, result.actors.liquidator):
        result.mint(account, 10_000 * U)
    return result
