"""Runs scripts through click as ``ape run`` would, in this process, and reads what they print."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any

import click
from click.testing import Result

from kana_insurance.backends import ROOT

SCRIPTS = ROOT / "scripts"

Run = Callable[..., Result]


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
