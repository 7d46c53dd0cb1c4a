"""An Anvil of one's own: started on a free port, stopped with everything it started."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent

#: How long a node may take to listen, seconds.
START_SECONDS = 30.0
#: How long it may take to end when asked to, and then when killed, seconds.
STOP_SECONDS = 5.0


class AnvilError(RuntimeError):
    """Anvil is missing or does not start; the message says what to do."""


def find_anvil() -> Path:
    """The Anvil to run: the one on PATH, else the project's own in ``node_modules/.bin``.

    Raises:
        AnvilError: if there is neither.
    """
    for folder in (None, str(Path.cwd() / "node_modules" / ".bin"), str(ROOT / "node_modules" / ".bin")):
        if found := shutil.which("anvil", path=folder):
            return Path(found)
    raise AnvilError(
        "anvil was not found, neither on PATH nor in node_modules/.bin: run 'make setup', or install Foundry "
        "(https://getfoundry.sh)"
    )


class Anvil:
    """A running node; use it as a context manager.

    Args:
        timestamp: Time of the genesis block, Unix seconds; the present by default.
        arguments: More of Anvil's own command-line arguments.

    Raises:
        AnvilError: if Anvil is missing, or ends or stays silent instead of listening.
    """

    def __init__(self, timestamp: int | None = None, arguments: tuple[str, ...] = ()) -> None:
        command = [str(find_anvil()), "--port", "0", *arguments]
        if timestamp is not None:
            command += ["--timestamp", str(timestamp)]
        self.url = ""
        self._tail: deque[str] = deque(maxlen=20)
        self._listening = threading.Event()
        # A process group of its own: npm's anvil is a script that starts the real one.
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        atexit.register(self.stop)
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()
        if not self._listening.wait(START_SECONDS) or not self.url:
            self.stop()
            raise AnvilError("anvil did not start: " + (" ".join(self._tail) or "it said nothing"))

    @property
    def pid(self) -> int:
        """Process id of what was started, also the id of its process group."""
        return self._process.pid

    def _drain(self) -> None:
        """Read all that the node prints, so that it never waits for a reader; note the address it listens on."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not self.url:
                self._tail.append(line.strip())
                if line.startswith("Listening on "):
                    self.url = "http://" + line.removeprefix("Listening on ").strip()
                    self._listening.set()
        self._listening.set()

    def stop(self) -> None:
        """End the node, whatever it started too; does nothing when it has ended.

        What was started holds the other end of the pipe: when that is closed, the node is gone, not only the script.
        """
        atexit.unregister(self.stop)
        for kind in (signal.SIGTERM, signal.SIGKILL):
            if not self._reader.is_alive():
                break
            os.killpg(self._process.pid, kind)
            self._reader.join(STOP_SECONDS)
        self._process.wait(STOP_SECONDS)

    def __enter__(self) -> Anvil:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
