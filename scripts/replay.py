"""``ape run replay``: a price history with traders, a keeper and a thief, on the real contracts beside the model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from kana_insurance.anvil import AnvilError
from kana_insurance.backends import ContractMissing
from kana_insurance.backends.rpc import NodeError
from kana_insurance.replay import page, terminal
from kana_insurance.replay.chain import ChainError
from kana_insurance.replay.engine import UNIT, Settings
from kana_insurance.replay.prices import PriceFileError, built_in, read_prices
from kana_insurance.replay.run import run

OUT = Path("out")
#: What stands behind the reserve, whole tokens: the built-in path and the crash of 2020 draw on all of it.
STAKERS, REINSURANCE = 50_000, 80_000
MOST = Settings.contributions // UNIT


@click.command()
@click.option(
    "--prices",
    type=click.Path(path_type=Path),
    help="CSV file with the columns timestamp_utc, open, high, low, close, volume; without it a built-in path.",
)
@click.option("--traders", default=200, show_default=True, type=click.IntRange(2, 5_000), help="Traders in the book.")
@click.option("--seed", default=7, show_default=True, type=int, help="Decides who trades what and when.")
@click.option(
    "--stakers",
    default=STAKERS,
    show_default=True,
    type=click.IntRange(0, MOST),
    help=f"Whole tokens that stakers put behind the reserve, of the {MOST:,} that there are; what no layer has is "
    "contributed to the reserve. 0: no such layer.",
)
@click.option(
    "--reinsurance",
    default=REINSURANCE,
    show_default=True,
    type=click.IntRange(0, MOST),
    help="The same of the reinsurance behind the stakers.",
)
@click.option(
    "--network",
    default="ethereum:local:foundry",
    show_default=True,
    help="Local chains only: a replay mints tokens and moves time, on an Anvil that it starts itself.",
)
@click.option("--out", default=OUT, show_default=True, type=click.Path(path_type=Path), help="Folder of the report.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, in whole tokens.")
@click.option("--raw", is_flag=True, help="With --json: in base units.")
def cli(
    prices: Path | None,
    traders: int,
    seed: int,
    stakers: int,
    reinsurance: int,
    network: str,
    out: Path,
    as_json: bool,
    raw: bool,
) -> None:
    """Replay a crash: traders of 2x to 20x, a keeper, a thief and stakers, on the real contracts beside the model.

    Writes replay.html and replay.json. Exit code 0: every check held; 1: one did not, or the chain did something else
    than the model; 2: an option or the price file is wrong.
    """
    console, errors = Console(), Console(stderr=True)
    if ":local" not in network:
        raise click.UsageError(f"a replay runs on a local chain alone, not on {network}")
    if stakers + reinsurance > MOST:
        raise click.UsageError(f"stakers and reinsurance take {stakers + reinsurance:,} of the {MOST:,} that there are")
    settings = Settings.split(stakers * UNIT, reinsurance * UNIT, traders=traders, seed=seed)
    try:
        history = read_prices(prices) if prices else built_in()
    except PriceFileError as error:
        errors.print(f"{prices}: {error}", style="red", highlight=False, soft_wrap=True)
        sys.exit(2)
    try:
        with terminal.bar(errors) as progress:
            outcome = run(history, settings, progress)
    except (AnvilError, ChainError, ContractMissing, NodeError) as error:
        errors.print(str(error), style="red", highlight=False, soft_wrap=True)
        sys.exit(1)
    report = page.write(outcome, out)
    figures = out / "replay.json"
    figures.write_text(json.dumps(outcome.as_json(), indent=2) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(outcome.as_json(raw), indent=2))
    else:
        terminal.show(outcome, console)
        console.print(f"{report} and {figures} written", highlight=False)
    sys.exit(0 if outcome.good else 1)


if __name__ == "__main__":
    cli()
