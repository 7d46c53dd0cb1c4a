"""Deploy and wire the whole system."""

from pathlib import Path
from typing import Any

import click

from kana_insurance.cli import AddressType, KanaCommand, account_option, json_option


@click.command(
    cls=KanaCommand,
    name="deploy",
    short_help="Deploy and wire the whole system",
    example="ape run deploy --account TEST::0",
)
@account_option(what="The deployer, who pays and holds no role afterwards", required=False)
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What to deploy: a network's YAML file (networks/ has examples), or JSON, as the 'config' of a record is. "
    "Local chains have a default.",
)
@click.option("--dry-run", is_flag=True, help="Show every transaction and what it costs, on a fork; send nothing.")
@click.option(
    "--deployer",
    type=AddressType(),
    metavar="ADDRESS",
    help="The deployer of a dry run, instead of --account: no key is needed.",
)
@click.option("--yes", is_flag=True, help="Don't ask before sending.")
@click.option("--no-rehearsal", is_flag=True, help="Send without a rehearsal on a fork, the cost unknown.")
@click.option("--restart", is_flag=True, help="Give up what an earlier run has deployed, and begin anew.")
@click.option("--resend", is_flag=True, help="Go on although another transaction of the deployer took a step's nonce.")
@click.option("--force", is_flag=True, help="Replace the record of an earlier deployment on a public network.")
@json_option
def cli(
    account: Any,
    config: Path | None,
    dry_run: bool,
    deployer: str | None,
    yes: bool,
    no_rehearsal: bool,
    restart: bool,
    resend: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Deploy asset, timelock, notice board, the factory of funds and through it the fund, the stakers' backstop with
    its underwriter, price feeds, registry, gateway, house, a lending pool with its registry, and lens, wire them, end
    the deployer's power, check every role, and write deployments/<network>.json. A configuration can ask for markets
    with a fund of their own, and for funds of other assets, each with a venue and a pool.

    With --config the chain is compared with the file first and, on a public network, all is rehearsed on a fork: what
    it costs is shown, and asked for. Every transaction is written to deployments/<network>.pending.json before it is
    sent. When anything breaks off, run the same command again: what is deployed is not deployed twice. Sources for
    block explorers end up in deployments/<network>.verify.

    On a local chain, without --config: threshold 1,000,000 KanaUSDT, a staked layer, two markets, a pool with two
    collaterals, TEST::1 treasurer, TEST::2 guardian, TEST::3 proposer of the timelock, TEST::4 fee recipient, TEST::5
    treasury.
    """
    from kana_insurance.deploying import Options
    from kana_insurance.deploying.command import run_deploy

    if dry_run and no_rehearsal:
        raise click.UsageError("--dry-run is the rehearsal: leave --no-rehearsal out")
    if deployer is not None and not dry_run:
        raise click.UsageError("--deployer is for --dry-run: name the --account that signs")
    if account is None and deployer is None:
        raise click.UsageError("name the --account that deploys" + (", or a --deployer" if dry_run else ""))
    run_deploy(
        account,
        config,
        deployer=deployer or str(account.address),
        options=Options(restart=restart, resend=resend, rehearse=not no_rehearsal),
        dry_run=dry_run,
        yes=yes,
        force=force,
        as_json=as_json,
    )
