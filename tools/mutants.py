"""Plant one fault at a time and demand that the tests named for it fail.

Reads the files of tests/mutants, lists of tables::

    [[mutant]]
    name = "T26 expired order"
    file = "contracts/OrderGateway.vy"
    find = "assert block.timestamp <= order.expiry"   # must occur exactly once in the file
    replace = "assert True"
    tests = ["tests/attacks/test_orders.py::test_fill__expired__refused"]
    suite = "ape"                                     # or "boa": no Ape, titanoboa or the model

``find`` may be a list with as many entries in ``replace``, for faults that need several edits of the file. The work
happens in a copy of the tree; each fault is taken back before the next. All named tests must pass without a fault
first. Exits 1 when a mutant survives, does not apply or does not compile, 2 when the tests fail without any.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tools.build import ROOT

LISTS = ROOT / "tests" / "mutants"
SUITES = {"ape": ["ape", "test", "-p", "no:boa_test"], "boa": ["pytest", "-p", "no:ape_test"]}
PASSED, FAILED = 0, 1
UNCOMPILED = ("does not compile: ", "vyper.exceptions.")


class MutantError(Exception):
    """An entry of the list that cannot be used, with the reason."""


@dataclass(frozen=True)
class Mutant:
    """One planted fault: what to replace in which file, and the tests that must notice."""

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]
    suite: str

    @classmethod
    def read(cls, entry: dict[str, Any]) -> Mutant:
        """From a table of the list.

        Raises:
            MutantError: when a key is missing, unknown or empty.
        """
        name = entry.get("name", "without a name")
        unknown = entry.keys() ^ {"name", "file", "find", "replace", "tests", "suite"}
        if unknown:
            raise MutantError(f"{name}: missing or unknown keys {', '.join(sorted(unknown))}")
        find, replace = entry["find"], entry["replace"]
        finds = [find] if isinstance(find, str) else find
        replaces = [replace] if isinstance(replace, str) else replace
        if len(finds) != len(replaces) or not finds or finds == replaces:
            raise MutantError(f"{name}: find and replace must be of one length and differ")
        if entry["suite"] not in SUITES or not entry["tests"]:
            raise MutantError(f"{name}: suite must be one of {', '.join(SUITES)}, and tests not empty")
        edits = tuple(zip(finds, replaces, strict=True))
        return cls(name, entry["file"], edits, tuple(entry["tests"]), entry["suite"])

    def apply(self, text: str) -> str:
        """The file's text with the fault in it.

        Raises:
            MutantError: when a text to find does not occur exactly once.
        """
        for find, replace in self.edits:
            if (count := text.count(find)) != 1:
                raise MutantError(f"{find!r} occurs {count} times in {self.file}")
            text = text.replace(find, replace)
        return text


@dataclass
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    verdict: str
    detail: str
    seconds: float

    @property
    def good(self) -> bool:
        """Whether the tests noticed."""
        return self.verdict == "killed"


def read_list() -> list[Mutant]:
    """The mutants of tests/mutants.

    Raises:
        MutantError: when the list or an entry is not usable, or a name occurs twice.
    """
    mutants: list[Mutant] = []
    for path in sorted(LISTS.glob("*.toml")):
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise MutantError(f"{path.relative_to(ROOT)}: {error}") from error
        mutants += [Mutant.read(entry) for entry in content.get("mutant", [])]
    names = [mutant.name for mutant in mutants]
    if twice := {name for name in names if names.count(name) > 1}:
        raise MutantError(f"names occur twice: {', '.join(sorted(twice))}")
    return mutants


class Tree:
    """A copy of the project's files, with the installed tools linked, in which tests run."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
            source, target = ROOT / name, folder / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        for name in (".venv", "node_modules"):
            (folder / name).symlink_to(ROOT / name)
        if (ROOT / ".build").is_dir():
            shutil.copytree(ROOT / ".build", folder / ".build", ignore=shutil.ignore_patterns("outputs", "lock"))
        # The package is installed from the real tree: the copy must come before it on the path.
        tools = os.pathsep.join((str(folder / ".venv/bin"), str(folder / "node_modules/.bin"), os.environ["PATH"]))
        self.edits = 0
        self.environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
            "PATH": tools,
            "PYTHONPATH": str(folder),
            "APE_DATA_FOLDER": str(folder / ".ape-data"),
        }

    def run(self, suite: str, tests: tuple[str, ...], *extra: str) -> tuple[int, str]:
        """Run tests; returns pytest's exit code and what it printed."""
        command = [*SUITES[suite], *tests, "-q", "--no-header", "-p", "no:cacheprovider", *extra]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def keep_build(self) -> None:
        """Remember the build of the tree without a fault, so that taking a fault back costs no compile."""
        shutil.rmtree(self.root / ".build-kept", ignore_errors=True)
        if (self.root / ".build").is_dir():
            shutil.copytree(self.root / ".build", self.root / ".build-kept")

    def restore_build(self) -> None:
        """Take the remembered build back."""
        if (self.root / ".build-kept").is_dir():
            shutil.copytree(self.root / ".build-kept", self.root / ".build", dirs_exist_ok=True)

    def attempt(self, mutant: Mutant) -> Outcome:
        """Plant the fault, run its tests, take it back."""
        start = time.monotonic()
        try:
            with self.planted([mutant]):
                verdict, detail = self._judge(mutant)
        except MutantError as error:
            verdict, detail = "not applied", str(error)
        return Outcome(mutant, verdict, detail, time.monotonic() - start)

    @contextmanager
    def planted(self, mutants: list[Mutant]) -> Iterator[None]:
        """Plant faults, and take them back afterwards.

        Raises:
            MutantError: when one does not fit its file.
        """
        originals: dict[Path, str] = {}
        try:
            for mutant in mutants:
                path = self.root / mutant.file
                text = path.read_text(encoding="utf-8") if path.is_file() else ""
                planted = mutant.apply(text)
                originals.setdefault(path, text)
                self._write(path, planted)
            yield
        finally:
            for path, text in originals.items():
                self._write(path, text)
            if originals:
                self.restore_build()

    def _write(self, path: Path, text: str) -> None:
        """Write a file under a time of its own: Python takes a same-sized file of the same second for unchanged."""
        path.write_text(text, encoding="utf-8")
        self.edits += 1
        stamp = time.time() - 1_000_000 + self.edits
        os.utime(path, (stamp, stamp))

    def _judge(self, mutant: Mutant) -> tuple[str, str]:
        code, printed = self.run(mutant.suite, mutant.tests, "-x")
        for sign in UNCOMPILED:
            if sign in printed:
                return "not compiled", printed[printed.index(sign) :].strip()[:400]
        if code == FAILED and " failed" in printed:
            return "killed", _last_line(printed)
        if code == PASSED:
            return "survived", _last_line(printed)
        return "broken run", printed.strip()[-400:]


def _last_line(printed: str) -> str:
    lines = [
        line.strip("= ") for line in printed.splitlines() if " in " in line and ("passed" in line or "failed" in line)
    ]
    return lines[-1] if lines else ""


def baseline(tree: Tree, mutants: list[Mutant]) -> str:
    """Run all named tests on the tree without a fault; empty when they pass, else what was printed."""
    for suite in SUITES:
        tests = tuple(dict.fromkeys(test for mutant in mutants if mutant.suite == suite for test in mutant.tests))
        if tests:
            code, printed = tree.run(suite, tests)
            if code != PASSED:
                return printed
    return ""


def show(console: Console, outcomes: list[Outcome]) -> None:
    """Print the table and the sum."""
    table = Table(title="mutants")
    for column in ("mutant", "file", "verdict", "detail", "seconds"):
        table.add_column(column, justify="right" if column == "seconds" else "left", overflow="fold")
    for outcome in outcomes:
        colour = "green" if outcome.good else "red"
        verdict = f"[{colour}]{outcome.verdict}[/]"
        detail = outcome.detail.replace("[", "\\[")
        table.add_row(outcome.mutant.name, outcome.mutant.file, verdict, detail, f"{outcome.seconds:.1f}")
    console.print(table)
    console.print(f"{sum(outcome.good for outcome in outcomes)} of {len(outcomes)} mutants killed")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Plant one fault at a time and demand that its tests fail.")
    parser.add_argument("--only", metavar="PATTERN", default="*", help="mutants whose name or file fits, as in a shell")
    parser.add_argument("--list", action="store_true", help="name the mutants and run nothing")
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, emoji=False, width=None if sys.stdout.isatty() else 160)
    try:
        everything = read_list()
    except MutantError as error:
        print(error, file=sys.stderr)
        return 1
    pattern = arguments.only if any(c in arguments.only for c in "*?[") else f"*{arguments.only}*"
    mutants = [m for m in everything if fnmatch.fnmatch(m.name, pattern) or fnmatch.fnmatch(m.file, pattern)]
    if not mutants:
        print(f"no mutant fits {arguments.only}", file=sys.stderr)
        return 1
    if arguments.list:
        for mutant in mutants:
            print(f"{mutant.name}: {mutant.file}, {len(mutant.tests)} tests ({mutant.suite})")
        return 0
    with tempfile.TemporaryDirectory(prefix="kana-mutants-") as folder:
        tree = Tree(Path(folder))
        console.print(f"{len(mutants)} mutants; first their tests without a fault")
        if printed := baseline(tree, mutants):
            console.print(printed, markup=False, highlight=False)
            console.print("the tests fail without a fault", style="red")
            return 2
        tree.keep_build()
        outcomes = []
        bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*bar, console=console) as progress:
            task = progress.add_task("mutants", total=len(mutants))
            for mutant in mutants:
                progress.update(task, description=mutant.name)
                outcomes.append(tree.attempt(mutant))
                progress.advance(task)
    show(console, outcomes)
    if arguments.json:
        rows = [
            {"name": o.mutant.name, "verdict": o.verdict, "detail": o.detail, "seconds": o.seconds} for o in outcomes
        ]
        print(json.dumps(rows, indent=2))
    return 0 if all(outcome.good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
