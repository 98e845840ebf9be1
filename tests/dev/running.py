"""`hub dev` as somebody in a terminal runs it: a process with signals, output and a data directory."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from hub.dev import session
from tests.hub_nodes import ROOT

SECONDS = 60


def until(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Wait until something is true and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.02)
    return found


def free_ports(count: int) -> int:
    """Find consecutive ports that are free, and return the first; below those that the kernel lends out meanwhile."""
    while True:
        first = random.randrange(10_000, 32_000)
        if all(is_free(port) for port in range(first, first + count)):
            return first


def is_free(port: int) -> bool:
    """Say whether nobody has a port."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Dev:
    """One run of `hub dev` on a data directory, without delivery unless that is asked for."""

    def __init__(
        self, directory: Path, *options: str, nodes: int = 1, delivery: bool = False, **environment: str
    ) -> None:
        self.directory = directory
        self.log = directory.with_suffix(".log")
        self.pids: dict[str, int] = {}
        self._command = [sys.executable, "-m", "hub", "dev", "--data-dir", str(directory)]
        self._command += [] if delivery else ["--no-delivery"]
        self._command += ["--nodes", str(nodes), "--port", str(free_ports(nodes)), *options]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "MAKE"))}
        self._environment = kept | environment
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start().ready()

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.gone()

    def start(self, *before: str) -> Self:
        """Start it, behind another command if one is given, and do not wait."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*before, *self._command],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def ready(self) -> Self:
        """Wait until it says that everything runs."""
        until(lambda: "Ready in" in self.output() or self.process.poll() is not None, "hub dev is ready")
        assert self.process.poll() is None, self.output()
        self.pids = self.described()["pids"]
        return self

    def described(self) -> dict[str, Any]:
        """Read dev.json."""
        return json.loads((self.directory / "dev.json").read_text())

    def output(self) -> str:
        """Read everything it has said."""
        return self.log.read_text()

    def interrupt(self) -> int:
        """Press Ctrl-C, once, and return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(SECONDS)

    def gone(self) -> None:
        """Wait until nothing of what it started is left."""
        until(lambda: not self.left(), f"{self.pids} are gone", 15)

    def left(self) -> list[int]:
        """Return the processes it started that are still there."""
        return [pid for leader in self.pids.values() for pid in session.members(leader)]
