"""Deploy and wire the whole system."""

from pathlib import Path
from typing import Any

import click

from kana_insurance.cli import KanaCommand, account_option, json_option


@click.command(
    cls=KanaCommand,
    name="deploy",
    short_help="Deploy and wire the whole system",
    example="ape run deploy --account TEST::0",
)
@account_option(what="The deployer, who holds no role afterwards")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A configuration as JSON (the 'config' of a record is one). Local chains have a default.",
)
@click.option("--force", is_flag=True, help="Replace the record of an earlier deployment on a public network.")
@json_option
def cli(account: Any, config: Path | None, force: bool, as_json: bool) -> None:
    """Deploy asset, timelock, notice board, the factory of funds and through it the fund, the stakers' backstop with
    its underwriter, price feeds, registry, gateway, house and lens, wire them, end the deployer's power, check every
    role, and write deployments/<network>.json. A configuration can ask for markets with a fund of their own, and for
    funds of other assets, each with a venue.

    On a local chain, without --config: threshold 1,000,000 KanaUSDT, a staked layer, two markets, TEST::1 treasurer,
    TEST::2 guardian, TEST::3 proposer of the timelock, TEST::4 fee recipient, TEST::5 treasury.
    """
    from kana_insurance.cli import run_deploy

    run_deploy(account, config, force=force, as_json=as_json)
