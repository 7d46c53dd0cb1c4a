"""ABI and creation code of the project's contracts, compiled when they are asked for.

In the project's folder the compiler's outputs are those that the tools keep under .build until a contract, or anything
it imports, changes; elsewhere each process compiles for itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from kana_insurance.backends import EVM_VERSION, ROOT, ContractMissing, reach_tools, source_of

#: What is asked of the compiler, in the order of its output.
FORMATS = "abi,layout,bytecode,bytecode_runtime"

_known: dict[str, dict[str, Any]] = {}


def prepare(contracts: Iterable[str]) -> None:
    """Compile several contracts side by side, before they are needed one by one.

    Raises:
        ContractMissing: if there is none of that name, or one doesn't compile; with the compiler's words.
    """
    sources = [source_of(contract) for contract in contracts if contract not in _known]
    if not sources:
        return
    reach_tools()
    try:
        from tools.build import BuildError
        from tools.outputs import compile_all
    except ImportError:
        _known.update({source.stem: _compile(source) for source in sources})
        return
    try:
        _known.update(compile_all(sources))
    except BuildError as error:
        raise ContractMissing(str(error)) from error


def _compile(source: Path) -> dict[str, Any]:
    """Compile one contract with the compiler beside this Python."""
    vyper = Path(sys.executable).with_name("vyper")
    command = [str(vyper), "--evm-version", EVM_VERSION, "-f", FORMATS, str(source.relative_to(ROOT))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ContractMissing(f"{source.stem} does not compile:\n{done.stderr.strip()}")
    abi, layout, bytecode, runtime = done.stdout.splitlines()
    return {
        "abi": json.loads(abi),
        "layout": json.loads(layout),
        "bytecode": bytecode,
        "bytecode_runtime": runtime,
    }


@cache
def artifact(contract: str) -> dict[str, Any]:
    """``abi``, ``layout``, ``bytecode`` and ``bytecode_runtime`` of a contract.

    Raises:
        ContractMissing: as :func:`prepare`.
    """
    prepare([contract])
    return _known[contract]
