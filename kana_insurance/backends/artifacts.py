"""ABI and creation code of the project's contracts, compiled when needed, kept under .build until a source changes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kana_insurance.backends import CONTRACTS, EVM_VERSION, ROOT, ContractMissing, source_of

CACHE = ROOT / ".build" / "artifacts"


@cache
def _sources_mark() -> str:
    """Fingerprint of all sources and of the compiler; whatever changes, everything is compiled anew."""
    mark = hashlib.sha256(f"{version('vyper')} {version('snekmate')} {EVM_VERSION}".encode())
    for path in sorted(p for p in CONTRACTS.rglob("*") if p.suffix in (".vy", ".vyi")):
        mark.update(str(path.relative_to(ROOT)).encode())
        mark.update(path.read_bytes())
    return mark.hexdigest()


def _compile(contract: str) -> dict[str, Any]:
    source = source_of(contract)
    kept = CACHE / f"{contract}.json"
    if kept.is_file():
        cached: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if cached["mark"] == _sources_mark():
            return cached
    vyper = Path(sys.executable).with_name("vyper")
    command = [str(vyper), "--evm-version", EVM_VERSION, "-f", "abi,bytecode", str(source.relative_to(ROOT))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ContractMissing(f"{contract} does not compile:\n{done.stderr.strip()}")
    abi, bytecode = done.stdout.splitlines()
    result = {"mark": _sources_mark(), "abi": json.loads(abi), "bytecode": bytecode}
    CACHE.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result), encoding="utf-8")
    return result


@cache
def artifact(contract: str) -> dict[str, Any]:
    """``abi`` and ``bytecode`` of a contract.

    Raises:
        ContractMissing: if there is none of that name, or it doesn't compile; with the compiler's words.
    """
    return _compile(contract)


def prepare(contracts: Iterable[str]) -> None:
    """Compile several contracts side by side, before they are needed one by one."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(_compile, contracts))
