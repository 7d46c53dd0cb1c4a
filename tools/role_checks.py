"""Take away one check of who calls at a time and demand that a test fails (M36, I15).

Finds every check in the contracts and their modules by how checks are written there, follows the calls from each
external function to them, and compares that with the table of `kana_insurance/access.py`: a function that not anyone
may call without a check, or a check in one that anyone may call, is an error. Then each check is removed in a copy of
the project, as `tools/mutants.py` plants a fault, and the rows of `tests/unit/test_access.py` for the functions behind
it must fail; where the table cannot see a check, the tests named in :data:`OWN_TESTS`.

Checks that no function shares are removed together, since a row of the table runs the code of its function alone: each
must make a row of its own fail, and one that doesn't is tried again by itself. `--singly` tries all by themselves.
Exits 1 when a check survives, does not compile away or does not fit the table, 2 when the tests fail with all checks in
place.
"""

from __future__ import annotations

import argparse
import fnmatch
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from kana_insurance.access import ACCESS, ANYONE
from tests.utils.plain_calls import abi_functions, is_view, signature
from tools.build import CONTRACTS, ROOT
from tools.mutants import Mutant, Outcome, Tree, baseline, show

TABLE = "tests/unit/test_access.py::test_access__each_role__is_allowed_or_told_why"

#: A statement that refuses by who calls.
REFUSALS = re.compile(
    r"(self\._check_(governance|setter|guardian|deployer|underwriter|registry|self|operator)"
    r"|succession\._check_factory"
    r"|access_control\._check_role"
    r"|timelock_controller\._only_role_or_open_role"
    r"|erc20\._spend_allowance"
    r"|(assert|checks\._require)(?=.*(== msg\.sender|msg\.sender ==|\._(has|is)\w*\([^()]*msg\.sender)))",
    re.DOTALL,
)
#: The lookup of a market under the caller's address, which is a fund's check that the caller is its venue.
LOOKUP = re.compile(r"(self|ledger)\._market\(venue, market_id\)")
#: Conditions of an `if` that does for its caller what a refusal does.
CONDITIONS = re.compile(r"if (not drawings\._is_registered\(msg\.sender\)|not self\._acts_for\(controller\)):")
MARKET_IS_UNKNOWN = "if market == 0:\n        checks._refuse("

#: Checks that the table can't see, by function: of the setup, of what is the caller's own, and of calls that do nothing
#: for others.
OWN_TESTS = {
    "InsuranceFund.finish_setup": "tests/unit/fund/test_setup.py::test_finish_setup__opens_and_ends_the_deployer",
    "InsuranceFund.renounceRole": "tests/unit/fund/test_setup.py::test_renounce__into_nothing__is_refused",
    "FundFactory.finish_setup": "tests/unit/test_factory.py::test_finish_setup__deployer__has_nothing_left",
    "MarketRegistry.finish_setup": "tests/unit/venue/test_registry.py::test_finish_setup__deployer__ends_his_power",
    "MarketRegistry.connect_house": "tests/unit/venue/test_registry.py::test_connect_house__deployer__once",
    "MarketRegistry.renounceRole": "tests/unit/fund/test_setup.py::test_renounce__into_nothing__is_refused",
    "Underwriter.connect_backstop": (
        "tests/unit/stakers/test_underwriter.py::test_setup__in_order__opens_and_leaves_the_deployer_nothing"
    ),
    "Underwriter.finish_setup": (
        "tests/unit/stakers/test_underwriter.py::test_setup__in_order__opens_and_leaves_the_deployer_nothing"
    ),
    "Underwriter.hold": "tests/unit/stakers/test_underwriter.py::test_hold__stranger__is_ignored",
    "LendingRegistry.connect_pool": "tests/unit/lending/test_registry_of_pool.py::test_setup__in_order__opens_the_pool",
    "LendingRegistry.finish_setup": "tests/unit/lending/test_registry_of_pool.py::test_setup__in_order__opens_the_pool",
    "LendingRegistry.renounceRole": "tests/unit/fund/test_setup.py::test_renounce__into_nothing__is_refused",
    "LendingPool.withdraw": "tests/unit/lending/test_lenders.py::test_withdraw__by_another__spends_the_allowance",
    "LendingPool.redeem": "tests/unit/lending/test_lenders.py::test_withdraw__by_another__spends_the_allowance",
    "LendingPool.transferFrom": (
        "tests/unit/lending/test_lenders.py::test_shares__plain_token__without_minters_and_owner"
    ),
    "Timelock.renounceRole": (
        "tests/unit/test_timelock.py::test_roles__proposer_granted_and_revoked__cancels_too_and_the_last_stays"
    ),
    "Backstop.requestRedeem": "tests/unit/stakers/test_vault.py::test_request__by_allowance__spends_it",
    "Backstop.cancel_request": (
        "tests/unit/stakers/test_vault.py::test_request__for_a_controller__is_his_to_cancel_and_claim"
    ),
    "Backstop.redeem": "tests/unit/stakers/test_vault.py::test_request__for_a_controller__is_his_to_cancel_and_claim",
    "Backstop.withdraw": (
        "tests/unit/stakers/test_vault.py::test_operator__may_request_cancel_and_claim_until_dismissed"
    ),
    "Backstop.transferFrom": "tests/unit/stakers/test_vault.py::test_share__transfer_and_permit__work_as_tokens_do",
}


@dataclass(frozen=True)
class Function:
    """A function of a source file: where its text begins and ends, and whether it is called from outside."""

    file: Path
    name: str
    start: int
    text: str
    external: bool

    @property
    def contract(self) -> str:
        """The file's name, which is the contract's."""
        return self.file.stem


@dataclass(frozen=True)
class Check:
    """A check of who calls: the text that makes it, what stands there without it, and who relies on it."""

    function: Function
    line: int
    text: str
    without: str
    relied_on: tuple[str, ...]

    @property
    def name(self) -> str:
        """File, function and line."""
        return f"{self.function.file.stem}.{self.function.name}:{self.line}"

    def mutant(self) -> Mutant:
        """The fault that removes the check; found by the function's head, since checks repeat."""
        head, after = self.text, self.without
        return Mutant(self.name, str(self.function.file.relative_to(ROOT)), ((head, after),), self.tests(), "ape")

    def tests(self) -> tuple[str, ...]:
        """The tests of which one must fail without the check."""
        named = [OWN_TESTS[function] for function in self.relied_on if function in OWN_TESTS]
        rows = [
            f"{TABLE}[{contract}.{signature(entry)}]"
            for contract, entry in abi_functions()
            if not is_view(entry)
            and (function := f"{contract}.{entry['name']}") in self.relied_on
            and function not in OWN_TESTS
        ]
        return tuple(dict.fromkeys(rows + named))


def functions() -> list[Function]:
    """Every function of the contracts and modules, those for tests apart."""
    found = []
    for file in sorted([*CONTRACTS.glob("*.vy"), *(CONTRACTS / "modules").glob("*.vy")]):
        source = file.read_text(encoding="utf-8")
        starts = [match.start() for match in re.finditer(r"^@(external|internal|deploy)\b", source, re.MULTILINE)]
        for start, end in zip(starts, [*starts[1:], len(source)], strict=True):
            text = re.split(r"\n(?=[^\s@)d\]])", source[start:end])[0]
            name = re.search(r"^def (\w+)\(", text, re.MULTILINE)
            assert name is not None
            found.append(Function(file, name[1], start, text, text.startswith("@external")))
    return found


def statements(text: str) -> Iterator[tuple[int, str]]:
    """(offset, text) of the simple statements of a function, their brackets closed; doc strings hold none."""
    body = text.index(":\n", text.index("def ")) + 2
    if '"""' in text[body:]:
        body = text.index('"""', text.index('"""', body) + 3) + 3
    offset, kept, begin = body, "", body
    for line in text[body:].splitlines(keepends=True):
        if not kept:
            begin = offset + len(line) - len(line.lstrip())
        kept += line
        offset += len(line)
        code = re.sub(r'#.*|"[^"]*"', "", kept)
        if sum(code.count(c) for c in "([{") == sum(code.count(c) for c in ")]}"):
            if kept.strip() and not kept.lstrip().startswith("#"):
                yield begin, kept.strip()
            kept = ""


def _called(function: Function, everything: dict[tuple[str, str], Function]) -> Iterator[Function]:
    """The project's functions that a function calls."""
    source = function.file.read_text(encoding="utf-8")
    names = {short or long: long for long, short in re.findall(r"import (\w+)(?: as (\w+))?", source)}
    for owner, name in re.findall(r"\b(\w+)\.(_\w+)\(", function.text):
        target = everything.get((function.file.stem if owner == "self" else names.get(owner, ""), name))
        if target is not None:
            yield target


def reach() -> dict[tuple[str, str], set[str]]:
    """By file and function: the external functions ("Contract.name") from which it is reached, itself included."""
    everything = {(one.file.stem, one.name): one for one in functions()}
    reached: dict[tuple[str, str], set[str]] = {key: set() for key in everything}
    for one in everything.values():
        if one.external and "modules" not in one.file.parts:
            ends, seen = [one], set()
            while ends:
                at = ends.pop()
                if (key := (at.file.stem, at.name)) not in seen:
                    seen.add(key)
                    reached[key].add(f"{one.contract}.{one.name}")
                    ends += _called(at, everything)
    return reached


def _without(statement: str, is_lookup: bool) -> str | None:
    """What stands in a statement's place when its check is gone; None if it makes none."""
    if is_lookup and LOOKUP.fullmatch(statement):
        return "pass"
    if is_lookup and LOOKUP.search(statement):
        return LOOKUP.sub(r"\1.markets[venue][market_id]", statement)
    if statement.startswith("if ") and CONDITIONS.match(statement):
        return "if False:"
    return "pass" if REFUSALS.match(statement) else None


def checks() -> list[Check]:
    """Every check of who calls, by file and line."""
    venues = {f"InsuranceFund.{name}" for name, rule in ACCESS["InsuranceFund"].items() if "venue" in rule.allowed}
    venues -= {f"InsuranceFund.{name}" for name, rule in ACCESS["InsuranceFund"].items() if rule.allowed == ANYONE}
    reached, found = reach(), []
    for function in functions():
        relying = reached[function.file.stem, function.name]
        source = function.file.read_text(encoding="utf-8")
        head = function.text.index("def ")
        places = [(offset, text, _without(text, bool(relying & venues))) for offset, text in statements(function.text)]
        if MARKET_IS_UNKNOWN in function.text:
            offset = function.text.index(MARKET_IS_UNKNOWN)
            places.append((offset, "if market == 0:", "if False:"))
        for offset, text, without in places:
            if without is None or not relying or text not in function.text:
                continue
            is_lookup = "market" in text and not REFUSALS.match(text)
            found.append(
                Check(
                    function,
                    source.count("\n", 0, function.start + offset) + 1,
                    function.text[head : offset + len(text)],
                    function.text[head:offset] + without,
                    tuple(sorted(relying & venues if is_lookup else relying)),
                )
            )
    return found


def misfits(found: list[Check]) -> list[str]:
    """Where the checks and the table of access differ; empty when they fit."""
    checked = {function for check in found for function in check.relied_on}
    wrong = []
    for contract, rules in ACCESS.items():
        for name, rule in rules.items():
            function = f"{contract}.{name}"
            if rule.allowed != ANYONE and function not in checked:
                wrong.append(f"{function} is not for anyone and has no check")
            if rule.allowed == ANYONE and function in checked and function not in OWN_TESTS:
                wrong.append(f"{function} is for anyone and has a check")
    known = {f"{contract}.{name}" for contract, rules in ACCESS.items() for name in rules}
    wrong += [f"{function} has tests and no check" for function in sorted(set(OWN_TESTS) - checked)]
    wrong += [f"{check.name} has no test" for check in found if not check.tests()]
    return wrong + [f"{function} is not in the table" for function in sorted(checked - known)]


def batches(chosen: list[Check]) -> tuple[list[list[Check]], list[Check]]:
    """Checks that can be removed together, because no function relies on two of them; and those to remove singly.

    A row of the table runs one function. A test of :data:`OWN_TESTS` runs several: what it is named for goes singly.
    """
    together: list[list[Check]] = []
    singly = [check for check in chosen if not all(test.startswith(TABLE) for test in check.tests())]
    for check in (check for check in chosen if check not in singly):
        for batch in together:
            if not any(set(check.relied_on) & set(other.relied_on) for other in batch):
                batch.append(check)
                break
        else:
            together.append([check])
    return together, singly


def attempt_together(tree: Tree, batch: list[Check]) -> list[Outcome]:
    """Remove checks that no function shares, run all their rows once; what then stands goes singly."""
    start = time.monotonic()
    mutants = [check.mutant() for check in batch]
    tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    with tree.planted(mutants):
        _, printed = tree.run("ape", tests)
    failed = {
        line.split(" - ")[0].removeprefix("FAILED ") for line in printed.splitlines() if line.startswith("FAILED ")
    }
    took = (time.monotonic() - start) / len(batch)
    outcomes = []
    for mutant in mutants:
        seen = len(failed & set(mutant.tests))
        if seen:
            outcomes.append(Outcome(mutant, "killed", f"{seen} of {len(mutant.tests)} rows failed", took))
        else:
            outcomes.append(tree.attempt(mutant))
    return outcomes


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Take away one check of who calls at a time; a test must fail.")
    parser.add_argument("--only", metavar="PATTERN", default="*", help="checks whose name fits, as in a shell")
    parser.add_argument("--list", action="store_true", help="name the checks and run nothing")
    parser.add_argument("--singly", action="store_true", help="a compile and a run of tests for each check")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, emoji=False)
    everything = checks()
    if wrong := misfits(everything):
        print("\n".join(wrong), file=sys.stderr)
        return 1
    pattern = arguments.only if any(c in arguments.only for c in "*?[") else f"*{arguments.only}*"
    chosen = [check for check in everything if fnmatch.fnmatch(check.name, pattern)]
    if not chosen:
        print(f"no check fits {arguments.only}", file=sys.stderr)
        return 1
    if arguments.list:
        for check in chosen:
            print(f"{check.function.file.relative_to(ROOT)}:{check.line} {check.function.name}")
            print(f"    for {', '.join(check.relied_on)}")
        print(f"{len(chosen)} checks")
        return 0
    together, singly = ([], chosen) if arguments.singly else batches(chosen)
    with tempfile.TemporaryDirectory(prefix="kana-role-checks-") as folder:
        tree = Tree(Path(folder))
        console.print(f"{len(chosen)} checks; first the tests with all of them")
        if printed := baseline(tree, [check.mutant() for check in chosen]):
            console.print(printed, markup=False)
            console.print("the tests fail with all checks in place", style="red")
            return 2
        tree.keep_build()
        outcomes = []
        for batch in together:
            outcomes += attempt_together(tree, batch)
            console.print(f"{len(outcomes)} of {len(chosen)} tried")
        for check in singly:
            outcomes.append(tree.attempt(check.mutant()))
            console.print(f"{check.name}: {outcomes[-1].verdict}", markup=False)
    show(console, outcomes)
    return 0 if all(outcome.good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
