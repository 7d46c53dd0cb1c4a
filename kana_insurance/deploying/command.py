"""What `ape run deploy` does: Ape's node and account, a network's file, dry runs, questions, output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from kana_insurance.backends.rpc import NodeError
from kana_insurance.cli import OWN_NODE, is_own_node, refresh_build, show
from kana_insurance.deploying import Options, Prepared, Target, carry_out, prepare
from kana_insurance.deploying.journal import journal_path
from kana_insurance.deploying.preflight import coins
from kana_insurance.deploying.rehearsal import Rehearsal, Row
from kana_insurance.deploying.steps import Draft, Request, Sent, Sign
from kana_insurance.deployment import LOCAL_STAKERS, DeploymentConfig, deploy, local_config
from kana_insurance.networks import Plan, read_plan
from kana_insurance.pools import LOCAL_POOL
from kana_insurance.system import LOCAL_CHAINS, SEQUENCED, DeploymentError, System, network_name, record_path


def run_deploy(
    account: Any,
    config_file: Path | None,
    *,
    deployer: str,
    options: Options,
    dry_run: bool,
    yes: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Deploy on the connected network, write the record, print it; or print what would be sent.

    Raises:
        click.UsageError: if a public network is deployed to without a configuration.
        DeploymentError: if the deployment can't be made, or one is recorded already.
    """
    from ape import chain

    from kana_insurance.backends.ape import ApeBackend

    plan = read_plan(config_file) if config_file is not None else None
    refresh_build()
    backend = ApeBackend()
    local = backend.chain_id() in LOCAL_CHAINS
    name = network_name(backend.chain_id(), str(chain.provider.network.name))
    own = is_own_node()
    if plan is None and not local:
        raise click.UsageError(f"'{name}' is a public network: name its roles and markets in a --config file")
    if plan is None and not dry_run:
        with Console(stderr=True).status("deploying") as line:
            system = deploy(_local_config(deployer), backend, account, network=name, progress=line.update)
        path = None if own else system.record.write()
    else:
        # On a local chain nothing is lost by sending at once.
        how = replace(options, rehearse=dry_run or (options.rehearse and not local), keep=not own)
        what = plan or Plan(Path("local configuration"), _local_config(deployer))
        done = run(what, account, deployer, how, dry_run=dry_run, force=force, yes=yes or local, as_json=as_json)
        if done is None:
            return
        system, path = done
    parts = {**system.record.addresses, **{f"feed of {m.name}": m.feed for m in system.record.markets}}
    for one in system.record.collaterals:
        parts |= {f"collateral {one.name}": one.token, f"feed of collateral {one.name}": one.feed}
    result = {
        "network": system.record.network,
        "chain_id": str(system.record.chain_id),
        "record": str(path or "not written"),
        "addresses": parts,
        "roles": {role: ", ".join(holders) for role, holders in system.config.holders().items()},
    }
    show(result, title="deployed", as_json=as_json)
    if own:
        click.echo(f"note: the record was not written: {OWN_NODE}", err=True)


def _local_config(deployer: str) -> DeploymentConfig:
    """What is deployed on a local chain without a configuration."""
    from ape import accounts

    others = [str(accounts.test_accounts[number].address) for number in range(7)]
    roles = [address for address in others if address != deployer][:5]
    return local_config(roles, stakers=LOCAL_STAKERS, pool=LOCAL_POOL)


def target_of(provider: Any) -> Target:
    """The chain that Ape is connected to."""
    url = str(getattr(provider, "uri", "") or "")
    forkable = url.startswith(("http://", "https://"))
    return Target(url, str(provider.network.name), _request_of(provider), forkable)


def _request_of(provider: Any) -> Request:
    """Requests through Ape's provider, whatever it reaches the node by."""

    def request(method: str, params: list[Any]) -> dict[str, Any]:
        try:
            return dict(provider.web3.provider.make_request(method, params))
        except (OSError, ValueError, TimeoutError) as error:
            words = (str(error).splitlines() or [type(error).__name__])[0]
            raise NodeError(f"no node answers to {method}: {words}") from error

    return request


def signer_of(account: Any) -> Sign:
    """Has an Ape account sign: a keyfile, a hardware wallet, or a test account.

    Raises:
        DeploymentError: of the signer, if the account's owner doesn't sign.
    """
    from ape import chain

    def sign(draft: Draft) -> bytes:
        fields = {
            "type": 2,
            "chain_id": draft.chain_id,
            "sender": account.address,
            "nonce": draft.nonce,
            "data": draft.data,
            "gas_limit": draft.gas,
            "max_fee": draft.fees.most,
            "max_priority_fee": draft.fees.tip,
        }
        if draft.to is not None:
            fields["receiver"] = draft.to
        transaction = chain.provider.network.ecosystem.create_transaction(**fields)
        signed = account.sign_transaction(transaction)
        if signed is None:
            raise DeploymentError("a transaction was not signed: run the same command again to go on with it")
        return bytes(signed.serialize_transaction())

    return sign


def run(
    plan: Plan,
    account: Any,
    deployer: str,
    options: Options,
    *,
    dry_run: bool,
    force: bool,
    yes: bool,
    as_json: bool,
) -> tuple[System, Path | None] | None:
    """Deploy a plan to the chain that Ape is connected to, or show what would be sent.

    Args:
        plan: What to deploy.
        account: Ape's account that signs; None in a dry run alone.
        deployer: Its address.
        options: How.
        dry_run: Send nothing.
        force: Replace an earlier deployment's record.
        yes: Don't ask.
        as_json: Print the dry run as JSON; ask nothing, tell no progress.

    Returns:
        The system and its record; None after a dry run.

    Raises:
        DeploymentError: with what speaks against it, or what broke it off.
    """
    from ape import chain

    target = target_of(chain.provider)
    local = chain.provider.chain_id in LOCAL_CHAINS
    network = network_name(chain.provider.chain_id, plan.network or target.network)
    done = record_path(network).exists() and not journal_path(network).exists()
    if done and not (local or force or dry_run):
        raise DeploymentError(f"{record_path(network)} records a deployment already: add --force to replace it")
    with Console(stderr=True).status("checking the chain") as line:
        prepared = prepare(plan, target, deployer, options, line.update, must_pay=not dry_run)
    rehearsal = prepared.rehearsal
    if dry_run:
        assert rehearsal is not None
        if as_json:
            show(_figures(prepared, rehearsal), title="dry run", as_json=True)
        else:
            _print_rows(prepared, rehearsal)
        return None
    if not yes:
        _ask(prepared)
    if rehearsal is not None:
        _unlock(account)
    total = len(rehearsal.rows) if rehearsal is not None else None
    with _kept(prepared), _quiet():
        return carry_out(prepared, signer_of(account), _teller(total, silent=as_json))


def _ask(prepared: Prepared) -> None:
    """Have the operator agree to what it costs."""
    if prepared.rehearsal is not None:
        click.echo(_summary(prepared, prepared.rehearsal), err=True)
    else:
        click.echo("nothing was rehearsed: what it costs, and whether all of it works, isn't known", err=True)
    if not sys.stdin.isatty():
        raise DeploymentError("nobody is there to agree: add --yes to send, or --dry-run to see every transaction")
    click.confirm("send them?", abort=True, err=True)


def _unlock(account: Any) -> None:
    """Have a keyfile's passphrase once for all transactions that were agreed to, not each confirmed apart."""
    alias = getattr(account, "alias", None) or ""
    if hasattr(account, "set_autosign") and not os.environ.get(f"APE_ACCOUNTS_{alias}_PASSPHRASE"):
        account.set_autosign(True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what Ape says of a keyfile at every signature."""
    from ape.logging import LogLevel, logger

    with logger.at_level(max(logger.level, LogLevel.ERROR)):
        yield


@contextmanager
def _kept(prepared: Prepared) -> Iterator[None]:
    """Say where a deployment that breaks off is kept."""
    try:
        yield
    except BaseException:
        steps = prepared.file.journal.steps
        if steps and prepared.options.keep:
            mined = sum(step.mined is not None for step in steps)
            click.echo(
                f"note: {mined} transactions are on the chain, {prepared.file.path} keeps them: run the same command "
                "again to go on",
                err=True,
            )
        raise


def _teller(total: int | None, *, silent: bool) -> Callable[[Sent], None]:
    def told(sent: Sent) -> None:
        step = sent.step
        if silent or (total is None and sent.state == "sent"):
            return
        number = f"{step.number:3}{f'/{total}' if total is not None else ''}"
        where = f"{step.what}{f' at {step.address}' if step.address else ''}"
        if sent.state in ("sent", "again"):
            again = "sent again" if sent.state == "again" else "sent"
            click.echo(f"{number}  {where}: {again}, nonce {step.nonce}, {step.hashes[-1]}", err=True)
            return
        found = "found" if sent.state == "found" else "mined"
        click.echo(f"{number}  {where}: {found} in block {step.mined}, {step.gas_used or 0:,} gas", err=True)

    return told


# ---------------------------------------------------------------------- dry run


def _summary(prepared: Prepared, rehearsal: Rehearsal) -> str:
    rows = [row for row in rehearsal.rows if not row.done]
    done = len(rehearsal.rows) - len(rows)
    coin, fees = prepared.plan.coin, rehearsal.fees
    lines = [
        f"{len(rows)} transactions{f' ({done} are on the chain already)' if done else ''}, {rehearsal.gas:,} gas, "
        f"about {coins(rehearsal.cost)} {coin} at the present fee of {_gwei(fees.now)} Gwei; at most "
        f"{coins(rehearsal.gas * fees.most)} {coin}, {_gwei(fees.most)} Gwei, is offered"
    ]
    if rehearsal.system.record.chain_id in SEQUENCED:
        size = sum(row.size for row in rows)
        lines.append(f"a rollup may charge for {size:,} bytes of data on top, which the fork doesn't know")
    return "\n".join(lines)


def _gwei(wei: int) -> str:
    return f"{wei / 10**9:.4g}"


def _print_rows(prepared: Prepared, rehearsal: Rehearsal) -> None:
    coin = prepared.plan.coin
    for row in rehearsal.rows:
        state = "on the chain" if row.done else f"{coins(row.gas * rehearsal.fees.now)} {coin}"
        click.echo(f"{row.number:3}  {row.function}")
        click.echo(f"     {row.to}")
        for name, value in row.arguments:
            click.echo(f"       {name} = {_argument(value)}")
        click.echo(f"     {row.gas:,} gas, {state}")
    click.echo(f"total: {_summary(prepared, rehearsal)}")
    click.echo(f"nothing was sent; deployer {prepared.deployer}, network {prepared.network}")


def _argument(value: Any) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(_argument, value))})"
    return (
        f'"{value}"' if isinstance(value, str) and not value.startswith("0x") and not value.isdecimal() else str(value)
    )


def _figures(prepared: Prepared, rehearsal: Rehearsal) -> dict[str, Any]:
    def figures(row: Row) -> dict[str, Any]:
        return {
            "number": row.number,
            "function": row.function,
            "to": row.to,
            "arguments": dict(row.arguments),
            "gas": str(row.gas),
            "cost": str(0 if row.done else row.gas * rehearsal.fees.now),
            "done": row.done,
        }

    return {
        "network": prepared.network,
        "chain_id": str(rehearsal.system.record.chain_id),
        "deployer": prepared.deployer,
        "transactions": [figures(row) for row in rehearsal.rows],
        "gas": str(rehearsal.gas),
        "base_fee": str(rehearsal.fees.base),
        "tip": str(rehearsal.fees.tip),
        "cost": str(rehearsal.cost),
    }
