"""Write the committed ABIs (abi/), storage layouts (docs/layout/), the access table (docs/access.md) and the powers in
SECURITY.md, or check them.

``python tools/artifacts.py`` writes, ``python tools/artifacts.py --check`` compares and exits 1 when something differs.
Contracts of contracts/testing have neither.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kana_insurance import access
from tools.build import ROOT, BuildError, deployables
from tools.outputs import compile_all, is_testing

ABI = ROOT / "abi"
LAYOUT = ROOT / "docs" / "layout"
ACCESS = ROOT / "docs" / "access.md"
SECURITY = ROOT / "SECURITY.md"
#: The path of installed packages at the start of a name.
INSTALLED = re.compile(r'"[^"\n]*/site-packages/')


def _abi_order(entry: dict[str, Any]) -> tuple[str, str, str]:
    """Sort key: kind, name, and the inputs that tell overloads apart."""
    return entry["type"], entry.get("name", ""), json.dumps(entry.get("inputs", []), sort_keys=True)


def _text(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def _layout(value: Any) -> str:
    """A layout, whose types of installed packages don't tell where these are installed."""
    return INSTALLED.sub('"', _text(value))


def expected() -> dict[Path, str]:
    """What each committed file must hold, by path."""
    sources = [source for source in deployables() if not is_testing(source)]
    files = {ACCESS: access.render(), SECURITY: access.with_powers(SECURITY.read_text(encoding="utf-8"))}
    for name, output in compile_all(sources).items():
        files[ABI / f"{name}.json"] = _text(sorted(output["abi"], key=_abi_order))
        files[LAYOUT / f"{name}.json"] = _layout(output["layout"])
    return files


def main() -> int:
    """Command line: 0 when all is current or written, 1 when something is out of date or does not compile."""
    parser = argparse.ArgumentParser(description="Write ABIs, storage layouts, access table and powers, or check them.")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is out of date")
    check = parser.parse_args().check
    try:
        wanted = expected()
    except (BuildError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    have = {path: path.read_text(encoding="utf-8") for folder in (ABI, LAYOUT) for path in folder.glob("*.json")}
    have |= {path: path.read_text(encoding="utf-8") for path in (ACCESS, SECURITY) if path.exists()}
    changed = sorted(path for path in wanted.keys() | have.keys() if wanted.get(path) != have.get(path))
    for path in changed:
        reason = "stale" if path not in wanted else "missing" if path not in have else "out of date"
        print(f"{path.relative_to(ROOT)}: {reason if check else 'removed' if path not in wanted else 'written'}")
        if not check and path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        elif not check:
            path.unlink()
    if check and changed:
        print("run make fmt and commit what it writes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
