"""``python -m kana_insurance.demo``: tells the story on an Anvil of its own and writes out/demo.html.

Exit code 0: every claim held; 1: one did not, or something that the story needs was refused.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from kana_insurance.anvil import Anvil, AnvilError
from kana_insurance.backends import ContractMissing, Reverted
from kana_insurance.backends.artifacts import prepare
from kana_insurance.backends.rpc import NodeError, RpcBackend
from kana_insurance.demo import page
from kana_insurance.demo.cast import GENESIS, THRESHOLD
from kana_insurance.demo.stage import WIDTH, Stage, StoryError
from kana_insurance.demo.story import Story, deploy
from kana_insurance.deployment import CONTRACT_NAMES, DeploymentError
from kana_insurance.report import tokens


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m kana_insurance.demo", description="Show the fund live through a crash."
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo.html"), help="the report (default: %(default)s)")
    options = parser.parse_args(arguments)
    console, errors = Console(width=min(Console().width, 110)), Console(stderr=True)
    try:
        return _tell(console, options.out)
    except (AnvilError, ContractMissing, DeploymentError, NodeError, Reverted, StoryError) as error:
        errors.print(str(error), style="bold red", highlight=False, soft_wrap=True)
        return 1


def _tell(console: Console, out: Path) -> int:
    """The whole demo; returns the exit code."""
    with console.status("compiling the contracts (once)"):
        prepare([*CONTRACT_NAMES.values(), "PriceFeed", "MockAggregator", "FaucetToken"])
    begun = time.monotonic()
    with Anvil(timestamp=GENESIS) as node:
        with console.status("deploying on a local chain"):
            backend = RpcBackend(node.url)
            stage = Stage(deploy(backend), backend, console)
        console.print(
            "[bold]The Kana insurance fund lives through a crash[/]\n"
            f"A fund with a threshold of {tokens(THRESHOLD, 6, 0)} U in front of a venue's markets COIN, ALT and ETH, "
            "stakers and a reinsurance behind it, DOGE with a fund of its own, and two lending pools, on a chain of "
            "its own. U is one KanaUSDT. After each step the whole state on the chain is compared with the "
            "reference model.",
            highlight=False,
            width=WIDTH,
        )
        tale = Story(stage).tell()
    seconds = time.monotonic() - begun
    claims = [claim for step in stage.steps for claim in step.claims]
    failed = sum(not claim.good for claim in claims)
    path = page.write(stage, tale, out, seconds)
    if failed:
        console.print(f"\n[bold red]✗ {failed} of {len(claims)} claims failed[/]", highlight=False)
    else:
        console.print(
            f"\n[bold green]✓ all {len(claims)} claims hold[/]: chain and model are equal to the unit after each of "
            f"the {len(stage.steps)} steps",
            highlight=False,
        )
    console.print(f"{seconds:.0f} s, report: {path}", highlight=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
