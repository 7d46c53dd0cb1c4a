"""The compiler's outputs of a contract (ABI, layout, code, source maps), kept under .build until an import changes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tools.build import ROOT, BuildError, deployables, fingerprints, prepare_environment

FORMATS = ("abi", "layout", "bytecode", "bytecode_runtime", "source_map", "source_map_runtime", "annotated_ast")
CACHE = ROOT / ".build" / "outputs"


def is_testing(source: Path) -> bool:
    """Whether a contract exists for tests alone."""
    return "testing" in source.relative_to(ROOT / "contracts").parts


def _evm_version() -> str:
    """The EVM version that Ape compiles for; read without a YAML parser, since it is one line."""
    for line in (ROOT / "ape-config.yaml").read_text(encoding="utf-8").splitlines():
        key, _, value = line.strip().partition(":")
        if key == "evm_version":
            return value.strip()
    raise BuildError("ape-config.yaml names no evm_version")


def compile_one(source: Path, fingerprint: str) -> dict[str, Any]:
    """Every format of one contract; values as the compiler prints them, decoded from JSON where they are JSON.

    Raises:
        BuildError: when it does not compile, with the compiler's words.
    """
    kept = CACHE / f"{source.stem}.json"
    if kept.is_file():
        cached: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if cached["fingerprint"] == fingerprint:
            return cached
    command = ["vyper", "--evm-version", _evm_version(), "-f", ",".join(FORMATS), str(source.relative_to(ROOT))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{source.relative_to(ROOT)} does not compile:\n{done.stderr}")
    lines = done.stdout.splitlines()
    result: dict[str, Any] = {"fingerprint": fingerprint, "source": str(source.relative_to(ROOT))}
    for name, line in zip(FORMATS, lines, strict=True):
        result[name] = line if line.startswith("0x") else json.loads(line)
    CACHE.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result), encoding="utf-8")
    return result


def compile_all(sources: Iterable[Path] | None = None) -> dict[str, dict[str, Any]]:
    """Outputs by contract name, of all deployables or of those named.

    Raises:
        BuildError: as :func:`compile_one`.
    """
    prepare_environment()
    marks = fingerprints()
    chosen = list(deployables() if sources is None else sources)
    with ThreadPoolExecutor(max_workers=2) as pool:
        done = pool.map(lambda source: compile_one(source, marks[str(source.relative_to(ROOT))]), chosen)
        return {source.stem: output for source, output in zip(chosen, done, strict=True)}


def deployed_size(output: dict[str, Any]) -> int:
    """Bytes of code that a contract occupies on chain: its runtime code and the immutables after it."""
    immutables = sum(_lengths(output["layout"].get("code_layout", {})))
    return (len(output["bytecode_runtime"]) - 2) // 2 + immutables


def _lengths(layout: dict[str, Any]) -> Iterable[int]:
    """Lengths of all immutables; those of a module are nested under its name."""
    for entry in layout.values():
        if isinstance(entry.get("length"), int):
            yield entry["length"]
        else:
            yield from _lengths(entry)
