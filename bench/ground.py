"""What every measurement stands on: a Postgres and a Redis, a scratch directory, and who runs on which processor.

Where there are two processors or more, whoever is measured has the first one alone; the load generator, Postgres and
Redis share the others. Postgres is as durable as in production. Each measurement gets a database of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import asyncpg

from hub.dev.binaries import find_redis
from hub.dev.postgres import Postgres
from hub.dev.process import Process
from hub.dev.program import Program
from hub.store.migration import migrate

START_SECONDS = 30
STOP_SECONDS = 15
MEASURED = {0}
AROUND = set(range(1, os.cpu_count() or 1)) or MEASURED


class Missing(Exception):
    """Something cannot be measured here; the text says what to install."""


class Ground:
    """The servers of one run of the bench; enter it to start them."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="hub-bench-", dir="/tmp"))
        self.directory.chmod(0o755)
        self._postgres = Postgres(self.directory)
        self._redis_port = free_port()
        self._redis: Process | None = None
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        os.sched_setaffinity(0, AROUND)
        self._postgres.start()
        self._redis = Process(self._redis_program(), self.directory / "redis.log")
        self._redis.wait_ready(START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        if self._redis is not None:
            self._redis.stop(STOP_SECONDS)
        self._postgres.stop(STOP_SECONDS)
        self._postgres.erase()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def redis_url(self) -> str:
        """Where Redis is; over TCP, because the generator speaks nothing else."""
        return f"redis://127.0.0.1:{self._redis_port}"

    @property
    def pids(self) -> dict[str, str]:
        """The servers' processes, as the generator takes them; a star adds children."""
        assert self._redis is not None
        return {"postgres": f"{self._postgres.pid}*", "redis": str(self._redis.pid)}

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database with the schema; drop it afterwards."""
        name = f"bench_{next(self._numbers)}"
        execute(self._postgres.url, f"create database {name}")
        url = self._postgres.url.replace("/hub?", f"/{name}?")
        asyncio.run(migrate(url))
        try:
            yield url
        finally:
            execute(self._postgres.url, f"drop database {name} with (force)")

    def run(
        self,
        name: str,
        command: Sequence[str],
        *,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a process that is measured, on the processor that is kept for it."""
        program = Program(name=name, command=command, ready=lambda _pid: ready(), environment=environment or {})
        os.sched_setaffinity(0, MEASURED)  # a child inherits it, and so do all of its own from the first moment
        try:
            process = Process(program, self.directory / f"{name}.log")
        finally:
            os.sched_setaffinity(0, AROUND)
        process.wait_ready(START_SECONDS)
        return process

    def _redis_program(self) -> Program:
        options = ["--port", str(self._redis_port), "--bind", "127.0.0.1", "--save", "", "--logfile", ""]
        command = [str(find_redis().path), *options]
        return Program(name="redis", command=command, ready=lambda _pid: answers(self._redis_port))


def execute(url: str, *statements: str) -> list[Any]:
    """Run statements, each on its own, and return the last one's rows."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return [await connection.fetch(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(run())


def free_port() -> int:
    """Find a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Tell whether something listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def processor_seconds(pid: int) -> float:
    """Return the processor time a process has used, all its threads together."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
