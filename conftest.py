"""What every test run needs: the project's tools on PATH, fresh builds, statement coverage, the project's fixtures."""

from __future__ import annotations

import gc

import pytest
from _pytest.unraisableexception import gc_collect_iterations_key

from tests.utils import quick_ape
from tools.build import ROOT, BuildError, prepare_environment, refresh

prepare_environment()

pytest_plugins = ["tests.utils.coverage"]


def _uses_ape(config: pytest.Config) -> bool:
    """Whether this run has Ape; with ``-p no:ape_test`` (model, titanoboa) nothing of it may start."""
    return config.pluginmanager.hasplugin("ape_test")


def pytest_configure(config: pytest.Config) -> None:
    """Make the fixtures of ``kana_insurance.testing`` known to runs on a chain, and the chain fast."""
    _collect_garbage_seldom(config)
    if not _uses_ape(config):
        return
    _skip_step_records()
    quick_ape.install(own_connections=not config.getoption("--contract-coverage"))
    if any((ROOT / "kana_insurance").glob("testing*")):
        config.pluginmanager.import_plugin("kana_insurance.testing")


def _collect_garbage_seldom(config: pytest.Config) -> None:
    """Look for garbage less often: contracts' syntax trees live as long as the run, and each search walks them all.

    At the end pytest searches five times for what failed unseen; once is enough for objects without finalizers.
    """
    gc.set_threshold(50_000, 50, 50)
    config.stash[gc_collect_iterations_key] = 1


def _skip_step_records() -> None:
    """Start Ape's Anvil without ``--steps-tracing``: recording every step makes loops twenty times slower.

    A trace that is asked for is made by replaying the transaction, with or without it.
    """
    from ape_foundry.provider import FoundryProvider

    build = FoundryProvider.build_command
    FoundryProvider.build_command = lambda self: [word for word in build(self) if word != "--steps-tracing"]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile what changed, imports included, before a test can meet old bytecode.

    A contract that fails to compile is gone from the build: the tests that use it fail, the others still run.
    """
    if not _uses_ape(session.config) or session.config.option.collectonly:
        return
    try:
        refresh()
    except BuildError as error:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"does not compile: {error}", red=True)


@pytest.fixture(scope="session", autouse=True)
def _one_second_a_block(request: pytest.FixtureRequest) -> None:
    """Let the chain's clock follow its blocks, not the machine's: a busy machine must not move a window's drain."""
    if _uses_ape(request.config):
        from ape import chain

        chain.provider.make_request("anvil_setBlockTimestampInterval", [1])
