"""Check the house rules that no other tool checks: sizes, reasons, names, headers, constructs that are not used.

Prints each breach as ``path:line: what``, and the code size of every contract; exits 1 when there is a breach.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.build import CONTRACTS, ROOT, BuildError, deployables, prepare_environment
from tools.outputs import compile_all, deployed_size, is_testing

MAX_LINES = 600
MAX_CODE = 24_576
MAX_INIT_CODE = 49_152
#: What is deployed from an ERC-5202 blueprint, whose code is a preamble and the creation code (M18).
BLUEPRINTS, PREAMBLE = frozenset({"InsuranceFund", "Backstop"}), 3
MAX_REASON = 32
TEXT = {".py", ".vy", ".vyi", ".md", ".sh", ".toml", ".yaml", ".yml", ""}
REASON = re.compile(r"^[a-z][a-z0-9_]*: \S")
FORBIDDEN = re.compile(
    r"\bunsafe_\w+|\braw_call\b|\btx\.origin\b|\bself\.balance\b|\bskip_contract_check\b|@payable\b|\b__default__\b|"
    r"\bselfdestruct\b"
)
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.<-])/(?:work|root|home/\w+|Users/\w+)/")
#: The assertions whose code is shared: which argument is the reason. They alone have none of their own.
SHARED_CHECKS, SHARED_CHECKS_FILE = {"_require": 1, "_refuse": 0}, "checks.vy"
HEADER = ("@title ", "@license AGPL-3.0-only", "@author Kana", "@notice ")
CAMEL = re.compile(r"^[A-Z][A-Za-z0-9]*$")
SNAKE = re.compile(r"^[a-z][a-z0-9_]*$")


def files() -> list[Path]:
    """The files that are, or could be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in sorted(set(listed.splitlines())) if (path := ROOT / name).is_file()]


def _at(path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(ROOT)}:{line}: {what}"


def check_text(path: Path) -> Iterator[str]:
    """Length, unfinished work, and paths of one machine, in any text that is written by hand."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > MAX_LINES and path.name != "LICENSE":
        yield _at(path, MAX_LINES, f"{len(lines)} lines, at most {MAX_LINES} are allowed")
    for number, line in enumerate(lines, 1):
        if found := UNFINISHED.search(line):
            yield _at(path, number, f"unfinished: {found[0]}")
        if found := MACHINE_PATH.search(line):
            yield _at(path, number, f"a path of one machine: {found[0]}")


def check_source(path: Path) -> Iterator[str]:
    """Pragmas, header and name of a Vyper file."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if not lines or lines[0] != "# pragma version 0.4.3":
        yield _at(path, 1, "the first line must be '# pragma version 0.4.3'")
    module = path.suffix == ".vyi" or "modules" in path.parts
    if not module and not is_testing(path) and "# pragma nonreentrancy on" not in lines[:4]:
        yield _at(path, 2, "'# pragma nonreentrancy on' is missing")
    for tag in HEADER:
        if tag not in text:
            yield _at(path, 1, f"the header lacks {tag.strip()}")
    snake = "modules" in path.parts
    if not (SNAKE if snake else CAMEL).match(path.stem):
        yield _at(path, 1, f"the name must be {'snake_case' if snake else 'CamelCase'}")


def check_code(path: Path) -> Iterator[str]:
    """Constructs that are not used, anywhere outside comments and strings."""
    with path.open("rb") as handle:
        code: dict[int, list[str]] = defaultdict(list)
        for token in tokenize.tokenize(handle.readline):
            if token.type in (tokenize.NAME, tokenize.OP):
                code[token.start[0]].append(token.string)
    for number, words in sorted(code.items()):
        joined = re.sub(r" ?([.@]) ?", r"\1", " ".join(words))
        if found := FORBIDDEN.search(joined):
            yield _at(path, number, f"not used here: {found[0]}")


def check_reasons(path: Path) -> Iterator[str]:
    """Each assert and raise says why, within 32 characters, beginning with the module's name.

    The shared ones of modules/checks.vy take their reason from their callers, whose calls are checked instead.
    """
    from vyper import ast as vy_ast

    tree = vy_ast.parse_to_ast(path.read_text(encoding="utf-8"), module_path=str(path), resolved_path=str(path))
    checks: list[tuple[Any, Any]] = []
    for node in tree.get_descendants((vy_ast.Assert, vy_ast.Raise)):
        checks.append((node, node.msg if isinstance(node, vy_ast.Assert) else node.exc))
    for node in tree.get_descendants(vy_ast.Call):
        if isinstance(node.func, vy_ast.Attribute) and node.func.attr in SHARED_CHECKS:
            checks.append((node, node.args[SHARED_CHECKS[node.func.attr]]))
    if path.name == SHARED_CHECKS_FILE:
        checks.clear()
    for node, message in checks:
        if not isinstance(message, vy_ast.Str):
            yield _at(path, node.lineno, "a check without a reason")
        elif len(message.value) > MAX_REASON or not REASON.match(message.value):
            yield _at(
                path, node.lineno, f"reason {message.value!r}: '<module>: phrase', at most {MAX_REASON} characters"
            )


def check_stems(paths: list[Path]) -> Iterator[str]:
    """Ape knows contracts by file stem, so no two files may share one."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_stem[path.stem].append(path)
    for stem, same in sorted(by_stem.items()):
        if len(same) > 1:
            yield _at(same[-1], 1, f"the stem {stem} is taken by {same[0].relative_to(ROOT)}")


def check_sizes() -> Iterator[str]:
    """Code on chain and creation code within the limits of the EVM; prints both for every contract."""
    outputs = compile_all()
    if outputs:
        print(f"{'contract':<24} {'code':>7} {'left':>7} {'creation':>9}")
    for source in deployables():
        output = outputs[source.stem]
        size, creation = deployed_size(output), (len(output["bytecode"]) - 2) // 2
        print(f"{source.stem:<24} {size:>7,} {MAX_CODE - size:>7,} {creation:>9,}")
        if size > MAX_CODE:
            yield _at(source, 1, f"{size:,} bytes of code, at most {MAX_CODE:,} are allowed")
        if creation > MAX_INIT_CODE:
            yield _at(source, 1, f"{creation:,} bytes of creation code, at most {MAX_INIT_CODE:,} are allowed")
        if source.stem in BLUEPRINTS and creation + PREAMBLE > MAX_CODE:
            yield _at(source, 1, f"{creation:,} bytes of creation code, {MAX_CODE - PREAMBLE:,} fit a blueprint")


def breaches() -> Iterator[str]:
    """All breaches, in the order of the files."""
    all_files = files()
    for path in all_files:
        if path.suffix in TEXT and path.suffix != ".json":
            yield from check_text(path)
    sources = [path for path in all_files if path.is_relative_to(CONTRACTS) and path.suffix in (".vy", ".vyi")]
    for path in sources:
        yield from check_source(path)
        if not is_testing(path):
            yield from check_code(path)
            if path.suffix == ".vy":
                yield from check_reasons(path)
    yield from check_stems(sources)
    yield from check_sizes()


def main() -> int:
    """Command line: 0 when every rule holds."""
    prepare_environment()
    try:
        found = list(breaches())
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    for breach in found:
        print(breach)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
