"""The load generator: a C program of the shared tools, compiled once.

It opens the connections, publishes, checks every delivery for loss, duplicates, order and addressee, and reads memory
and processor time of the measured processes from /proc. It never answers a `ping`, so servers must not expect it to.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from bench.ground import Missing

ROOT = Path(__file__).parent.parent
SOURCE = ROOT.parent / "shared" / "tools" / "lg.c"
RUN_SECONDS = 240
WRONG = ("failed", "dropped", "pub_fail", "lost", "dup", "disorder", "misrouted")


@dataclass(frozen=True, kw_only=True)
class Running:
    """A contender that runs, in the generator's terms: templates of addresses, headers and the body of a publish."""

    pids: Mapping[str, str]
    redis_url: str = ""
    database_url: str = ""
    listen: Sequence[str] = ()
    publish: Sequence[str] = ()
    listen_headers: Sequence[str] = ()
    publish_headers: Sequence[str] = ()
    body: str = "{payload}"
    tokens: Callable[[int], Path] | None = None

    def listening(self, connections: int, users: int | None = None) -> list[str]:
        """Options that open connections, of as many users or (by default) of a user each."""
        options = [*_each("--url", self.listen), *_each("--header", self.listen_headers)]
        if self.tokens is not None:
            options += ["--tokens", str(self.tokens(users or connections))]
        return [*options, "--conns", str(connections), "--users", str(users or connections)]

    def only(self, number: int) -> Self:
        """Return the same with one of its nodes only."""
        return replace(self, listen=[self.listen[number]], publish=[self.publish[number]])

    def publishing(self) -> list[str]:
        """Options that publish."""
        options = [*_each("--pub", self.publish), *_each("--pub-header", self.publish_headers)]
        return [*options, "--pub-body", self.body]


class Generator:
    """Compiles the program, then runs it."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None or not SOURCE.is_file():
            source = SOURCE.relative_to(ROOT.parent)
            raise Missing(f"the load generator: needs a C compiler, zlib's headers and {source} beside the project")
        self._program = directory / "lg"
        subprocess.run([compiler, "-O2", "-w", "-o", self._program, SOURCE, "-lz"], check=True)

    def run(self, running: Running, *options: object) -> dict[str, Any]:
        """Run it and return what it saw; raise if anything was lost, repeated, out of order or refused."""
        pids = ",".join(f"{name}:{pid}" for name, pid in running.pids.items())
        command = [str(self._program), "--pids", pids, *map(str, options)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        if done.returncode != 0 or not done.stdout.strip():
            raise RuntimeError(done.stderr[-2000:])
        seen: dict[str, Any] = json.loads(done.stdout)
        wrong = {name: seen[name] for name in WRONG if seen.get(name)}
        if wrong:
            raise RuntimeError(f"{wrong}: {done.stderr[-1000:]}")
        return seen


def _each(option: str, values: Sequence[str]) -> list[str]:
    return [part for value in values for part in (option, value)]
