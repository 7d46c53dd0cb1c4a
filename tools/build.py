"""Compile the contracts whose sources, or whatever these import, changed since the last build.

Ape compares each source file with the one it compiled, and nothing else: after an edit of a module, an interface or a
setting, the contracts that import it keep their old bytecode and tests pass against it. Here a contract's fingerprint
covers its whole import closure, the project's configuration and the versions of the tools.

Run it as ``python tools/build.py [--force]``; the root conftest calls :func:`refresh` before tests that use Ape.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
STATE = ROOT / ".build" / "fingerprints.json"
TOOLS = ("vyper", "ape-vyper", "eth-ape", "snekmate")

_IMPORT = re.compile(r"^\s*import\s+([\w.]+)|^\s*from\s+(\.*[\w.]*)\s+import\s+(\w+)", re.MULTILINE)


class BuildError(Exception):
    """Contracts that do not compile; the message names each with the compiler's words."""


def prepare_environment() -> None:
    """Put the project's own tools first on PATH and Ape's data into the project, as the Makefile does."""
    wanted = [str(ROOT / ".venv" / "bin"), str(ROOT / "node_modules" / ".bin")]
    have = os.environ.get("PATH", "").split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(wanted + [p for p in have if p not in wanted])
    os.environ.setdefault("APE_DATA_FOLDER", str(ROOT / ".ape-data"))


def deployables(contracts: Path = CONTRACTS) -> list[Path]:
    """The contracts that are compiled by themselves: every ``.vy`` outside ``modules`` folders."""
    return sorted(p for p in contracts.rglob("*.vy") if "modules" not in p.relative_to(contracts).parts)


def imported(source: Path, root: Path = ROOT) -> Iterator[Path]:
    """Files of the project that a source imports directly; packages (snekmate, ethereum) count by version."""
    for plain, base, name in _IMPORT.findall(source.read_text(encoding="utf-8")):
        dotted = plain or f"{base}{'' if base.endswith('.') else '.'}{name}"
        stripped = dotted.lstrip(".")
        dots = len(dotted) - len(stripped)
        tail = Path(*stripped.split("."))
        starts = [root] if dots == 0 else []
        starts.append(source.parent.joinpath(*[".."] * max(dots - 1, 0)))
        for start in starts:
            found = [p for ext in (".vy", ".vyi", ".json") if (p := (start / tail).with_suffix(ext)).is_file()]
            if found:
                yield found[0].resolve()
                break


def closure(source: Path, root: Path = ROOT) -> list[Path]:
    """A source and all files of the project that it imports, directly or not, sorted."""
    seen: set[Path] = set()
    open_ends = [source.resolve()]
    while open_ends:
        path = open_ends.pop()
        if path not in seen:
            seen.add(path)
            open_ends.extend(imported(path, root))
    return sorted(seen)


def fingerprints() -> dict[str, str]:
    """Fingerprint of every deployable, by source id."""
    base = hashlib.sha256((ROOT / "ape-config.yaml").read_bytes())
    for tool in TOOLS:
        base.update(f"{tool} {version(tool)}\n".encode())
    result = {}
    for source in deployables():
        digest = base.copy()
        for path in closure(source):
            digest.update(f"{path.relative_to(ROOT)}\n".encode())
            digest.update(path.read_bytes())
        result[str(source.relative_to(ROOT))] = digest.hexdigest()
    return result


@contextmanager
def _locked() -> Iterator[None]:
    """One build at a time; another run waits."""
    STATE.parent.mkdir(exist_ok=True)
    with (STATE.parent / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _built() -> dict[str, str]:
    """Digest of the code that the build holds, by source id."""
    manifest = STATE.parent / "__local__.json"
    if not manifest.is_file():
        return {}
    kinds = json.loads(manifest.read_text(encoding="utf-8")).get("contractTypes", {}).values()
    return {
        kind["sourceId"]: hashlib.sha256(json.dumps(kind.get("runtimeBytecode"), sort_keys=True).encode()).hexdigest()
        for kind in kinds
        if kind.get("sourceId")
    }


def _read_state() -> dict[str, str]:
    """Fingerprint of what the build holds, by source id: of code that is still the code that was built under it.

    Ape writes its whole build back from memory, so that another process may have put older code in its place.
    """
    if not STATE.is_file():
        return {}
    state: dict[str, list[str]] = json.loads(STATE.read_text(encoding="utf-8"))
    built = _built()
    return {source: entry[0] for source, entry in state.items() if len(entry) == 2 and built.get(source) == entry[1]}


def refresh(force: bool = False) -> list[str]:
    """Compile what is out of date and return its source ids.

    Raises:
        BuildError: if a contract does not compile. The others are compiled all the same, and what failed is removed
            from the build, so that no old bytecode stands in for it.
    """
    wanted = fingerprints()
    with _locked():
        state = {} if force else _read_state()
        stale = [source for source, value in wanted.items() if state.get(source) != value]
        if not stale:
            return []
        failures = _compile(stale)
        built = _built()
        good = {source: [value, built.get(source, "")] for source, value in wanted.items() if source not in failures}
        STATE.write_text(json.dumps(good, indent=1), encoding="utf-8")
    if failures:
        raise BuildError("\n".join(f"{source}: {reason}" for source, reason in failures.items()))
    return stale


def _compile(stale: list[str]) -> dict[str, str]:
    """Compile with Ape, all at once or, when that fails, one by one; returns what failed and why."""
    from ape import project
    from ape.exceptions import CompilerError

    kept = {
        name: kind
        for name, kind in (project.manifest.contract_types or {}).items()
        if kind.source_id not in stale and kind.source_id and (ROOT / kind.source_id).is_file()
    }
    project.manifest.contract_types = kept
    try:
        project.load_contracts(*stale, use_cache=False)
        return {}
    except CompilerError:
        pass
    failures = {}
    for source in stale:
        try:
            project.load_contracts(source, use_cache=False)
        except CompilerError as error:
            failures[source] = str(error)
    project.update_manifest(contract_types=dict(project.manifest.contract_types or {}))
    return failures


def main() -> int:
    """Command line: 0 when all is built, 1 when something does not compile."""
    parser = argparse.ArgumentParser(description="Compile the contracts that changed, or whose imports did.")
    parser.add_argument("--force", action="store_true", help="compile all of them")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    prepare_environment()
    try:
        done = refresh(arguments.force)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"compiled {len(done)} of {len(deployables())} contracts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
