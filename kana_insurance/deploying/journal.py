"""The journal of a deployment that isn't done: every transaction, written before it is sent and when it is mined.

It is a file beside the record, ``deployments/<network>.pending.json``. Each version replaces the one before at once and
is on the disk before anything is sent, so that whatever breaks off (the connection, the node, this program, the
machine), the file says which transactions there may be.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eth_utils import keccak
from pydantic import BaseModel, ValidationError

from kana_insurance.config import DeploymentConfig
from kana_insurance.system import DeploymentError, project_version, record_path


class Step(BaseModel):
    """A transaction of a deployment."""

    number: int
    #: What it does: contract and function.
    what: str
    #: Its sender's nonce; with it, and a contract's address, all that follows is settled before it is sent.
    nonce: int
    #: Whom it calls; None: it creates ``address``.
    to: str | None
    address: str | None
    #: Hash of the addressee and the data.
    digest: str
    #: The latest block when it was signed.
    block: int
    #: What was signed for this nonce, the latest last.
    hashes: list[str] = []
    #: Earlier attempts that were mined and reverted, or were displaced.
    failed: list[str] = []
    #: The block that it is in, once it is.
    mined: int | None = None
    gas_used: int | None = None


class Journal(BaseModel):
    """All transactions of a deployment so far, in order."""

    version: str
    network: str
    chain_id: int
    deployer: str
    #: Hash of the configuration.
    configuration: str
    steps: list[Step] = []


def configuration_hash(config: DeploymentConfig) -> str:
    """What tells two configurations apart, whatever file they are from."""
    return "0x" + keccak(text=config.model_dump_json()).hex()


def new_journal(config: DeploymentConfig, network: str, chain_id: int, deployer: str) -> Journal:
    """The journal of a deployment that hasn't begun."""
    return Journal(
        version=project_version(),
        network=network,
        chain_id=chain_id,
        deployer=deployer,
        configuration=configuration_hash(config),
    )


class JournalFile:
    """A journal on the disk.

    Args:
        path: The file.
        journal: What is in it, or will be.
    """

    def __init__(self, path: Path, journal: Journal) -> None:
        self.path = path
        self.journal = journal

    def save(self) -> None:
        """Write it; on return it is on the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(self.path.name + ".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(self.journal.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self) -> None:
        """The deployment is done."""
        self.path.unlink(missing_ok=True)


class ScratchFile(JournalFile):
    """A journal that isn't kept: of a fork, or of a chain that ends with the command."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(Path(os.devnull), journal)

    def save(self) -> None:
        """Nothing is written."""

    def remove(self) -> None:
        """Nothing is there."""


def journal_path(network: str) -> Path:
    """Where a network's journal is: beside its record."""
    path = record_path(network)
    return path.with_name(f"{path.stem}.pending.json")


def open_journal(fresh: Journal, *, restart: bool = False) -> JournalFile:
    """The journal to go on with: the one on the disk if it is of this deployment, else the fresh one.

    Args:
        fresh: The journal of this deployment, nothing sent yet.
        restart: Whether one on the disk is given up.

    Raises:
        DeploymentError: if the one on the disk is of another deployment, or can't be read.
    """
    path = journal_path(fresh.network)
    if restart or not path.exists():
        return JournalFile(path, fresh)
    try:
        kept = Journal.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise DeploymentError(
            f"{path} can't be read ({str(error).splitlines()[0]}): it says what a broken-off deployment has sent. "
            "Restore it, or add --restart to begin a new deployment"
        ) from None
    what = {"chain_id": "on another chain", "deployer": "by another deployer", "configuration": "with another file"}
    for name, words in what.items():
        if getattr(kept, name) != getattr(fresh, name):
            mined = sum(step.mined is not None for step in kept.steps)
            raise DeploymentError(
                f"{path} is of a deployment that was begun {words} ({name} {getattr(kept, name)}, now "
                f"{getattr(fresh, name)}) and has {mined} of its transactions on the chain: go on with what it was "
                "begun with, or add --restart to give it up and begin anew"
            )
    return JournalFile(path, kept)


@contextmanager
def locked(network: str) -> Iterator[None]:
    """Let no second deployment to the same network run meanwhile.

    Raises:
        DeploymentError: if one does.
    """
    path = journal_path(network).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DeploymentError(f"another deployment to '{network}' is running on this machine") from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
