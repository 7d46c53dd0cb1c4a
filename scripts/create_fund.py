"""Create a fund through the timelock and the factory."""

from typing import Any

import click

from kana_insurance.backends import ZERO
from kana_insurance.backends.ape import ApeBackend
from kana_insurance.cli import (
    AddressType,
    KanaCommand,
    account_option,
    amount_of,
    connect,
    json_option,
    raw_option,
    record_option,
    show,
)
from kana_insurance.client import Refusal
from kana_insurance.funds import Funds, Plan
from kana_insurance.governance.directory import Directory

BPS = click.IntRange(min=0, max=10_000)


@click.command(
    cls=KanaCommand,
    name="create_fund",
    short_help="Create a fund through the timelock and the factory",
    example="ape run create_fund --threshold 5000 --isolated --salt 'DOGE / USD' --travel --account TEST::3",
)
@account_option(what="A proposer and executor of the timelock, who deploys the fund and holds no role in it afterwards")
@click.option("--asset", type=AddressType(), help="The token, by default the deployment's own.")
@click.option("--threshold", required=True, help="Cap of the reserve.")
@click.option("--salt", required=True, help="A name of its own: it is good for one fund, and finds it again.")
@click.option("--isolated", is_flag=True, help="A fund of one market; otherwise it is its asset's shared one.")
@click.option("--venue", type=AddressType(), help="The venue whose market it serves from the beginning.")
@click.option(
    "--market", "market_id", type=click.IntRange(min=0), default=0, show_default=True, help="The market's id."
)
@click.option("--lending", is_flag=True, help="The market is a lending pool: it has no maximum.")
@click.option("--max-insurance", default="0", show_default=True, help="What the market may cost the fund for life.")
@click.option("--stakers", help="Put a new staked layer behind it that may be drawn on for so much, for life.")
@click.option(
    "--staked", help="Put this layer, that there is already, behind it: a name such as stakers, or an address."
)
@click.option("--reinsurance", help="The same of the layer behind the stakers.")
@click.option("--liquidator-bps", type=BPS, help="A liquidator's share; by default the deployment's.")
@click.option("--fund-bps", type=BPS, help="The fund's share; by default the deployment's.")
@click.option("--treasurer", type=AddressType(), help="By default the deployment's, as the next two.")
@click.option("--guardian", type=AddressType())
@click.option("--treasury", type=AddressType(), help="Where the excess goes, for ever.")
@click.option("--travel", is_flag=True, help="Local chains alone: let the timelock's delay pass, so that all is done.")
@raw_option
@json_option
@record_option
def cli(
    account: Any,
    asset: str | None,
    threshold: str,
    max_insurance: str,
    stakers: str | None,
    staked: str | None,
    reinsurance: str | None,
    lending: bool,
    travel: bool,
    raw: bool,
    as_json: bool,
    record: Any,
    **options: Any,
) -> None:
    """Schedule the creation of a fund; run again when the timelock's delay has passed, the same command executes it,
    registers the market, places the stakers and opens the fund, and then schedules that the factory assigns the market.

    Each run takes the next step and says what comes after. What the contracts would refuse is told at once.
    """
    if lending and max_insurance != "0":
        raise click.UsageError("a lending pool has no --max-insurance")
    client = connect(record)
    if stakers is not None and staked is not None:
        raise click.UsageError("--stakers makes a new layer, --staked names one that there is: only one has a place")
    directory = Directory(client.system)
    token = str(asset or client.system.asset.address)
    if not ApeBackend().has_code(token):
        raise Refusal(f"there is no token at {token}")
    decimals = int(ApeBackend().at("KanaUSDT", token).decimals())
    plan = Plan(
        asset=token,
        threshold=amount_of(threshold, decimals, raw=raw, what="--threshold") or 0,
        max_insurance=amount_of(max_insurance, decimals, raw=raw, what="--max-insurance", zero=True) or 0,
        stakers=amount_of(stakers, decimals, raw=raw, what="--stakers"),
        staked=ZERO if staked is None else directory.layer(staked).address,
        reinsurance=ZERO if reinsurance is None else directory.layer(reinsurance).address,
        is_perp=not lending,
        **options,
    )
    result = Funds(client).create(account, plan, travel=travel)
    show(result, title="fund", as_json=as_json, raw=raw)
