"""Carries out the commands of a document as they stand there, in this process, and learns from what they print."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from kana_insurance.backends.rpc import RpcBackend
from kana_insurance.kit import Kit
from tests.scenario.running import attached_once, load
from tests.utils.documents import Command

#: Who has which role, by the number of Ape's test account.
PEOPLE = {
    "TREASURER": 1,
    "GUARDIAN": 2,
    "PROPOSER": 3,
    "EXECUTOR": 3,
    "TRADER": 6,
    "MAKER": 7,
    "ANYONE": 9,
    "STAKER": 10,
    "NEWCOMER": 11,
}
#: What the first address stands for that a script prints.
MAKES = {"create_feed": "FEED", "create_fund": "NEW"}
FREE = re.compile(r"when it is ready: ape run govern execute (0x\w+)")
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass
class Stage:
    """A system on which a page's commands are carried out.

    Attributes:
        kit: The system.
        values: What the page's words in capitals stand for.
        record: Its record, where it isn't the network's own.
        feeds: Aggregators that are kept fresh besides the recorded ones.
    """

    kit: Kit
    values: dict[str, str] = field(default_factory=lambda: {name: f"TEST::{number}" for name, number in PEOPLE.items()})
    record: Path | None = None
    feeds: list[Any] = field(default_factory=list)

    def travel(self, seconds: int) -> None:
        """Let time pass, all prices fresh afterwards."""
        self.kit.travel(seconds)
        for aggregator in self.feeds:
            aggregator.push(aggregator.latestRoundData()[1], sender=self.kit.actors.keeper)

    def play(self, commands: Iterable[Command], url: str) -> None:
        """Carry commands out one after the other."""
        with attached_once():
            for command in commands:
                self.run(command, url)

    def run(self, command: Command, url: str) -> None:
        """Carry a command out as the page has it, and learn from what it prints."""
        if command.after:
            self.travel(command.after)
        script, *words = command.words(self.values)
        words += ["--network", url, *(["--record", str(self.record)] if self.record else [])]
        result = CliRunner().invoke(load(script), words, input="y\n")
        if isinstance(self.kit.backend, RpcBackend):
            # The same accounts have sent through Ape.
            self.kit.backend.forget_nonces()
        fine = {0, 1} if script == "audit" else {0}
        assert result.exit_code in fine, f"{command.text}\n{result.output}"
        said = command.said(self.values)
        assert said in result.output, f"{command.text} doesn't say '{said}'\n{result.output}"
        if script in MAKES:
            self.values[MAKES[script]] = ADDRESS.findall(result.output)[0]
        if scheduled := FREE.findall(result.output):
            number = 1 + sum(name.startswith("OPERATION_") for name in self.values)
            self.values |= {"OPERATION": scheduled[-1], f"OPERATION_{number}": scheduled[-1]}
            self.values |= {f"ANNOUNCEMENT_{number}": scheduled[0], f"SECOND_ANNOUNCEMENT_{number}": scheduled[-2:][0]}
