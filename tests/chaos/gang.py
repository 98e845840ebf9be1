"""Relays and workers that keep dying, and somebody who keeps starting them again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from tests.chaos.frail import POINTS
from tests.delivery.crew import Crew
from tests.faults.conftest import is_alive

YOUNG_SECONDS = 6.0
"""Until then it is still starting: killing it would prove nothing."""
LIVES = "never"


class Gang:
    """A crew under attack. `kills` counts the processes that were killed, by us or at a point of their own."""

    def __init__(self, crew: Crew, record: Path, rng: random.Random) -> None:
        self._crew = crew
        self._record = record
        self._rng = rng
        self._members: list[tuple[Any, str, float]] = []
        self.kills = 0

    @property
    def points(self) -> list[str]:
        """The points at which processes have died so far."""
        return self._record.read_text().splitlines() if self._record.exists() else []

    def start(self, command: str, point: str = LIVES, count: int = 1) -> Any:
        """Start one that dies at a point, or lives."""
        program = ("-m", "tests.chaos.frail", f"{point}:{count}", str(self._record))
        process = self._crew.start(command, program=program)
        self._members.append((process, command, time.monotonic()))
        return process

    def start_any(self, command: str) -> None:
        """Start one that may die at any of its points."""
        points = [name for name, (kind, *_) in POINTS.items() if kind == command]
        self.start(command, self._rng.choice([*points, LIVES, LIVES]), self._rng.randint(1, 3))

    def tend(self, *, frail: bool = True) -> None:
        """Replace whoever has died."""
        for member in list(self._members):
            process, command, _ = member
            if process.poll() is not None:
                self.kills += process.returncode == -signal.SIGKILL
                self._forget(member)
                if frail:
                    self.start_any(command)
                else:
                    self.start(command)

    def kill_any(self) -> None:
        """Kill one that has had time to begin."""
        grown = [one for one in self._members if time.monotonic() - one[2] > YOUNG_SECONDS and one[0].poll() is None]
        if grown:
            self._rng.choice(grown)[0].kill()

    async def replace_all(self) -> None:
        """Kill everybody, and let them be replaced by ones that live."""
        for process, _, _ in self._members:
            if process.poll() is None:
                process.kill()
        await asyncio.gather(*(asyncio.to_thread(process.wait) for process, _, _ in self._members))
        self.tend(frail=False)

    def _forget(self, member: Any) -> None:
        self._members.remove(member)
        self._crew.processes.remove(member[0])


def crash(postgres: Any) -> None:
    """Stop Postgres as `pg_ctl -m immediate` does, with everything in the middle of something; start it again."""
    os.kill(postgres.pid, signal.SIGQUIT)
    deadline = time.monotonic() + 10
    while is_alive(postgres.pid):
        assert time.monotonic() < deadline, "Postgres does not stop"
        time.sleep(0.02)
    postgres.kill()  # it is dead; this collects it
    postgres.start()
