"""Commands as the documents have them: the lines of code blocks, with the times and words beside them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DAY = 86_400
_LATER = re.compile(r"(\d+) days? later$")
#: Words in capitals stand for something else; part of a value too, as in limit=LIMIT.
_PLACEHOLDER = re.compile(r"(?<![\w/])[A-Z][A-Z]+(?:_[A-Z0-9]+)*(?![\w/])")
_INLINE = re.compile(r"`(ape run [^`]+)`")


@dataclass(frozen=True)
class Command:
    """A command of a document.

    Attributes:
        text: As it stands there.
        after: Seconds to wait before it.
        says: What it prints; empty: the document doesn't say.
    """

    text: str
    after: int = 0
    says: str = ""

    def words(self, values: Mapping[str, str]) -> list[str]:
        """Its words after "ape run", with what the placeholders stand for.

        Raises:
            KeyError: if one isn't known.
        """
        return [_filled(word, values) for word in shlex.split(self.text)[2:]]

    def said(self, values: Mapping[str, str]) -> str:
        """What it prints, with what the placeholders stand for."""
        return _filled(self.says, values)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """A word with what it stands for; a market's name, such as ETH / USD, stands for itself."""
    if " / " in text:
        return text
    return _PLACEHOLDER.sub(lambda found: values[found[0]], text)


def _command(line: str) -> Command:
    """A line of a block.

    Raises:
        ValueError: if it is no command, or what stands beside it isn't understood.
    """
    text, _, beside = line.partition(" # ")
    if not text.startswith("ape run "):
        raise ValueError(f"no command: {line}")
    after, says = 0, ""
    for part in filter(None, (one.strip() for one in beside.split(";"))):
        if found := _LATER.match(part):
            after = int(found[1]) * DAY
        elif part.startswith("says: "):
            says = part.removeprefix("says: ")
        else:
            raise ValueError(f"'{part}' is neither a time nor what is said: {line}")
    return Command(text.strip(), after, says)


def sections(path: Path) -> dict[str, list[Command]]:
    """The commands of each section of a document, by its heading; sections without any are left out."""
    found: dict[str, list[Command]] = {}
    heading, in_block = "", False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            in_block = not in_block
        elif line.startswith("## "):
            heading = line.removeprefix("## ")
        elif in_block and line.strip():
            found.setdefault(heading, []).append(_command(line))
    return found


def mentioned(path: Path) -> Iterator[list[str]]:
    """The words after "ape run" of each command that the text mentions."""
    for found in _INLINE.finditer(path.read_text(encoding="utf-8").replace("\n", " ")):
        yield found[1].split()[2:]
