"""What SECURITY.md and its pages say of powers, against the contracts: what nobody can, what needs notice."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kana_insurance.access import ACCESS, ANYONE, ROLES, render_powers, with_powers
from kana_insurance.backends import ROOT
from tests.utils.plain_calls import abi_functions, is_view

PAGES = ("SECURITY.md", "docs/emergencies.md", "docs/migration.md")
DEFINED = re.compile(r"^def (test_\w+)", re.MULTILINE)
#: What could put other code in a contract's place, or end it.
CHANGES_CODE = re.compile(r"is_delegate_call|create_minimal_proxy_to|create_copy_of|selfdestruct|DELEGATECALL")
IMPORTED = re.compile(
    r"^\s*from (snekmate[\w.]*|contracts[\w.]*|\.[\w.]*) import (\w+)|^import (snekmate[\w.]+)", re.MULTILINE
)


def sources() -> Iterator[Path]:
    """Every Vyper source that goes into a deployed contract: the project's, and what it imports of snekmate."""
    spec = importlib.util.find_spec("snekmate")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    installed = Path(spec.submodule_search_locations[0]).parent
    queue = [*(ROOT / "contracts").glob("*.vy"), *(ROOT / "contracts/modules").glob("*.vy")]
    seen: set[Path] = set()
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        for package, name, _ in IMPORTED.findall(path.read_text(encoding="utf-8")):
            if package.startswith("snekmate"):
                queue += (installed / package.replace(".", "/")).glob(f"{name}.vy")
            elif package.startswith("."):
                queue += (path.parent / package.replace("..", "../").replace(".", "", 1)).glob(f"{name}.vy")
        yield path


def test_never__code_that_could_change() -> None:
    """No proxy, no delegated call, no end of a contract, in any source that is deployed."""
    found = {path.name: path.read_text(encoding="utf-8") for path in sources()}
    assert {"Timelock.vy", "ledger.vy", "access_control.vy", "create2.vy"} <= set(found)
    assert [name for name, text in found.items() if CHANGES_CODE.search(without_comments(text))] == []


def without_comments(text: str) -> str:
    """A Vyper source without comments and docstrings."""
    return re.sub(r'#.*|"""[\s\S]*?"""', "", text)


def test_never__what_no_function_offers() -> None:
    """Shares are minted to who pays for them, and a price is set by nobody: whatever a role may call does neither."""
    changing: dict[str, set[str]] = {}
    for contract, entry in abi_functions():
        if not is_view(entry) and ACCESS[contract][entry["name"]].allowed != ANYONE:
            changing.setdefault(contract, set()).add(entry["name"])
    assert "PriceFeed" not in changing
    assert not any("mint" in name or "price" in name for names in changing.values() for name in names)
    # Of a backstop's only two name an account: the fund that is paid, the receiver of other tokens.
    assert changing["Backstop"] == {"open", "slash", "book_revenue", "hold", "set_cooldown", "set_stream", "rescue"}
    naming = {
        entry["name"]
        for contract, entry in abi_functions()
        if contract == "Backstop" and entry["name"] in changing[contract] and "address" in str(entry["inputs"])
    }
    assert naming == {"slash", "rescue"}
    # Of the house's none names a trader but the gateway's, which needs his signature.
    assert changing["ClearingHouse"] == {"trade", "connect_fund", "disconnect_fund", "close_market"}


@pytest.mark.parametrize(
    ("source", "contract", "use"),
    [("InsuranceFund", "InsuranceFund", "_use"), ("Underwriter", "Underwriter", "_use_notice")],
)
def test_powers__notice__exactly_where_the_contract_uses_one(source: str, contract: str, use: str) -> None:
    text = (ROOT / "contracts" / f"{source}.vy").read_text(encoding="utf-8")
    functions = re.split(r"\n@external\n", text)[1:]
    uses = {
        re.search(r"^def (\w+)", body, re.MULTILINE)[1]  # type: ignore[index]
        for body in functions
        if re.search(rf"(fund_notices|self)\.{use}\w*\(", body.partition("\n@internal")[0])
    }
    assert {name for name, rule in ACCESS[contract].items() if rule.notice} == uses
    assert ACCESS["FundFactory"]["merge"].notice


def test_powers__every_role_and_function__in_the_table() -> None:
    table = render_powers()
    for functions in ACCESS.values():
        for name, rule in functions.items():
            assert (f"`{name}`" in table) or rule.allowed == ANYONE
    shown = {line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]}
    assert shown - {"executor", "nobody"} <= set(ROLES)
    assert {"governance", "treasurer", "guardian", "venue", "proposer", "executor", "nobody"} <= shown
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert with_powers(page) == page
    with pytest.raises(ValueError, match="lacks the markers"):
        with_powers("no table here")


@pytest.mark.parametrize("name", PAGES)
def test_page__tests_and_links__are_there(name: str) -> None:
    """Every test that a page names exists, and every page and heading that it points to."""
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    defined = {one for test in (ROOT / "tests").rglob("test_*.py") for one in DEFINED.findall(test.read_text())}
    assert set(re.findall(r"`(test_\w+)`", text)) <= defined
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([\w-]*))?\)", text):
        other = (path.parent / target).resolve() if target else path
        assert other.exists(), target
        assert not anchor or anchor in headings(other), f"{target}#{anchor}"


def headings(path: Path) -> set[str]:
    """The anchors of a page's headings."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in found}
