"""Runs scripts through click as ``ape run`` would, in this process, and reads what they print."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import pytest
from click.testing import Result

from kana_insurance.backends import ROOT, Backend
from kana_insurance.deployment import DeploymentRecord, System, attach

SCRIPTS = ROOT / "scripts"

Run = Callable[..., Result]


@contextmanager
def attached_once() -> Iterator[None]:
    """Let scripts find the deployment of a record once, not anew in each command: that is a third of their time."""
    found: dict[str, System] = {}

    def attach_once(backend: Backend, record: DeploymentRecord) -> System:
        key = record.model_dump_json()
        if key not in found:
            found[key] = attach(backend, record)
        return found[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kana_insurance.cli.attach", attach_once)
        yield


def load(name: str) -> click.Command:
    """The command of a script, as ``ape run`` finds it."""
    specification = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    command: click.Command = module.cli
    return command


def figures(result: Result) -> Any:
    """The JSON that a script printed."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(result: Result, words: str, code: int = 1) -> None:
    """The script failed with this exit code, saying these words."""
    assert result.exit_code == code, result.output
    assert words in result.output
