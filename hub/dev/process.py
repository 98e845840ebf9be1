"""One program run synchronously: for tests and scripts, which want a server and no event loop.

Its output goes to a file, so that a failed start can show its last lines. The launcher has its own `child.Child`,
which prefixes the output, restarts what crashes and lives on the event loop.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from hub.dev.program import Program, StartError

POLL_SECONDS = 0.02
LAST_LINES = 20


class Process:
    """A running program, alone in its session so that all its descendants can be ended with it."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=program.directory,
                env=program.full_environment(),
                start_new_session=True,
                **program.account.popen(),
            )

    @property
    def pid(self) -> int:
        """The process id, which is also its session's and its process group's."""
        pid: int = self._process.pid
        return pid

    def wait_ready(self, timeout_seconds: float) -> None:
        """Return when the program answers; stop it and raise `StartError` when it ends or takes too long."""
        deadline = time.monotonic() + timeout_seconds
        while not self.program.ready(self.pid):
            if self._process.poll() is not None:
                raise StartError(f"{self.program.name} ended with {self._process.returncode}:\n{self._tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise StartError(f"{self.program.name} was not ready in {timeout_seconds:g} s:\n{self._tail()}")
            time.sleep(POLL_SECONDS)

    def stop(self, timeout_seconds: float) -> None:
        """Ask the program to end, and force it after the timeout. Stopping twice is harmless."""
        if self._process.poll() is None:
            self._process.send_signal(self.program.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_seconds)
        self.kill()

    def kill(self) -> None:
        """Kill the program and everything in its process group, now."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])
