"""Relays and workers as a deployment runs them: processes, on a given database and Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Crew:
    """Starts, kills and ends the processes of delivery; a context manager that leaves none behind."""

    def __init__(self, **settings: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        self._environment = inherited | {f"HUB_{name.upper()}": value for name, value in settings.items()}
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, program: tuple[str, ...] = ("-m", "delivery")) -> subprocess.Popen[bytes]:
        """Start `python -m delivery …`."""
        process = subprocess.Popen(
            [sys.executable, *program, *command], env=self._environment, cwd=ROOT, start_new_session=True
        )
        self.processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill one hard."""
        process.kill()
        process.wait()
        self.processes.remove(process)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
        late = []
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                late.append(process.args)
        assert late == [], "a process did not end on SIGTERM"
