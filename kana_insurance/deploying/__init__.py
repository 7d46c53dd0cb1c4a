"""Deployment to a real network: checked, rehearsed on a fork, written down step by step, resumable.

:func:`prepare` looks and sends nothing; :func:`carry_out` sends. What is deployed, and how it is wired, is
:func:`kana_insurance.deployment.deploy` alone, the same as on a local chain and in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kana_insurance.backends import Reverted
from kana_insurance.backends.rpc import RpcBackend
from kana_insurance.deploying.journal import Journal, JournalFile, ScratchFile, locked, new_journal, open_journal
from kana_insurance.deploying.preflight import check_balance, check_chain
from kana_insurance.deploying.rehearsal import Rehearsal, rehearse
from kana_insurance.deploying.sources import write_sources
from kana_insurance.deploying.steps import Request, Sent, Sign, StepBackend
from kana_insurance.deployment import deploy, network_name
from kana_insurance.networks import Plan
from kana_insurance.system import DeploymentError, System

__all__ = ["Options", "Prepared", "Target", "carry_out", "prepare"]


@dataclass(frozen=True)
class Target:
    """The chain to deploy to.

    Attributes:
        url: Its node.
        network: What Ape calls it.
        request: Reaches the node, where it isn't by plain HTTP.
        forkable: Whether others reach the node at ``url`` by HTTP, so that it can be forked.
    """

    url: str
    network: str = ""
    request: Request | None = None
    forkable: bool = True


@dataclass(frozen=True)
class Options:
    """How to deploy.

    Attributes:
        restart: Give up what an earlier run has sent.
        resend: Send the last step anew where another transaction took its nonce.
        rehearse: Deploy on a fork first.
        keep: Whether journal, record and sources are written: not where the chain ends with the command.
    """

    restart: bool = False
    resend: bool = False
    rehearse: bool = True
    keep: bool = True


@dataclass(frozen=True)
class Prepared:
    """A deployment that nothing speaks against.

    Attributes:
        target, plan, deployer, options: As given.
        network: The record's name.
        file: The journal.
        rehearsal: What will be sent; None without a fork.
    """

    target: Target
    plan: Plan
    deployer: str
    options: Options
    network: str
    file: JournalFile
    rehearsal: Rehearsal | None


def prepare(
    plan: Plan,
    target: Target,
    deployer: str,
    options: Options = Options(),
    progress: Callable[[str], None] = lambda _: None,
    *,
    must_pay: bool = True,
) -> Prepared:
    """Check plan, chain and deployer, and rehearse; sends nothing.

    Args:
        plan: What to deploy.
        target: Where.
        deployer: Who sends.
        options: How.
        progress: Told of what is done.
        must_pay: Whether the deployer's balance must suffice.

    Raises:
        DeploymentError: with what speaks against it.
    """
    progress("checking the chain")
    backend = _reader(target)
    check_chain(backend, plan, deployer)
    network = network_name(backend.chain_id(), plan.network or target.network)
    fresh = new_journal(plan.config, network, backend.chain_id(), deployer)
    file = open_journal(fresh, restart=options.restart) if options.keep else ScratchFile(fresh)
    rehearsal = None
    if options.rehearse:
        if not target.forkable:
            raise DeploymentError(
                f"{target.url} can't be forked for a rehearsal: name a node by http:// or https://, or add "
                "--no-rehearsal to send without one"
            )
        progress("rehearsing on a fork")
        rehearsal = rehearse(
            target.url,
            backend,
            plan.config,
            deployer,
            network,
            file.journal,
            resend=options.resend,
            progress=lambda what: progress(f"rehearsing on a fork: {what}"),
        )
        if must_pay:
            check_balance(backend, deployer, rehearsal.cost, plan.coin)
    return Prepared(target, plan, deployer, options, network, file, rehearsal)


def _reader(target: Target) -> RpcBackend:
    """Reaches the chain without sending."""
    empty = Journal(version="", network="", chain_id=0, deployer="", configuration="")
    return StepBackend(target.url, ScratchFile(empty), None, request=target.request)


def carry_out(
    prepared: Prepared, sign: Sign, told: Callable[[Sent], None] = lambda _: None
) -> tuple[System, Path | None]:
    """Send what isn't sent yet, check the result, write the record and the sources, remove the journal.

    Args:
        prepared: By :func:`prepare`.
        sign: Signs for the deployer.
        told: Told of every transaction.

    Returns:
        The system, and where its record is; None where nothing is kept.

    Raises:
        DeploymentError, NodeError: if it breaks off; the same call goes on where it did.
    """
    if not prepared.options.keep:
        return _send(prepared, sign, told), None
    with locked(prepared.network):
        prepared.file.save()
        system = _send(prepared, sign, told)
        path = system.record.write()
        write_sources(system.record)
        prepared.file.remove()
    return system, path


def _send(prepared: Prepared, sign: Sign, told: Callable[[Sent], None]) -> System:
    target = prepared.target
    backend = StepBackend(target.url, prepared.file, sign, told, target.request, resend=prepared.options.resend)
    try:
        return deploy(prepared.plan.config, backend, prepared.deployer, network=prepared.network)
    except Reverted as error:
        raise DeploymentError(f"the chain refused: {error}") from error
