"""`hub dev`: starts the system in order, keeps it running, and stops it in order.

Starting is a task of its own, so that a Ctrl-C is heard at any moment of it. A second one, at least a second later
(an impatient finger counts once), ends everything by force. A guard process cleans up if this one is killed. Docker
Compose was rejected for development: it is one more thing to install.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence

from hub import config
from hub.dev import cast
from hub.dev.child import Child
from hub.dev.console import Console
from hub.dev.directory import DataDirectory
from hub.dev.guard import Guard
from hub.dev.system import Part, System, processes, servers
from hub.identity import DEFAULT_TENANT
from hub.keys import hash_key, parse_key
from hub.store import ApiKeys, Database
from hub.store.migration import migrate

STOP_SECONDS = 10.0
DEBOUNCE_SECONDS = 1.0
PARENT_POLL_SECONDS = 0.5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Launcher:
    """One run of the system. `run` returns when it has stopped."""

    def __init__(
        self,
        system: System,
        *,
        directory: DataDirectory,
        guard: Guard,
        console: Console,
        ready: Callable[[], None],
    ) -> None:
        """`ready` is called once, when every process answers."""
        self._system = system
        self._directory = directory
        self._ready = ready
        self._guard = guard
        self._console = console
        self._children: list[Child] = []
        self._stop = asyncio.Event()
        self._stopping_since: float | None = None

    async def run(self) -> None:
        """Start everything, wait until it is to stop, stop it; raise `StartError` when it does not start."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        watching = asyncio.create_task(self._watch_make())
        starting = asyncio.create_task(self._start())
        waiting = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([starting, waiting], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await waiting
        finally:
            for task in (starting, waiting, watching):
                task.cancel()
            await asyncio.gather(starting, waiting, watching, return_exceptions=True)
            await self._stop_all()

    async def _start(self) -> None:
        self._console.progress("starting Postgres and Redis")
        await self._start_parts(servers(self._system))
        self._console.progress("preparing the database")
        await prepare_database(self._system)
        self._console.progress("starting the nodes")
        await self._start_parts(processes(self._system))
        for child in self._children:
            child.restarted = self._describe
        self._describe()
        self._ready()

    async def _start_parts(self, parts: Sequence[Part]) -> None:
        """Start several at once; the first that fails ends the attempt."""
        children = [
            Child(part.name, part.prepare, rank=part.rank, guard=self._guard, console=self._console) for part in parts
        ]
        self._children += children
        try:
            async with asyncio.TaskGroup() as group:
                for child in children:
                    group.create_task(child.start())
        except ExceptionGroup as group_error:
            raise group_error.exceptions[0] from None

    def _describe(self) -> None:
        """Write dev.json, at the start and whenever a pid has changed."""
        self._directory.write_summary(self._system.describe({child.name: child.pid for child in self._children}))

    async def _stop_all(self) -> None:
        self._directory.remove_summary()
        for rank in sorted({child.rank for child in self._children}):
            ending = [child for child in self._children if child.rank == rank]
            await asyncio.gather(*(child.stop(STOP_SECONDS) for child in ending))
        for server in (self._system.postgres, self._system.redis):
            if server is not None:
                server.leave()

    def _on_signal(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._stopping_since is None:
            self._stopping_since = now
            self._console.event("stopping; Ctrl-C again to force it")
            self._stop.set()
        elif now - self._stopping_since > DEBOUNCE_SECONDS:
            self._console.event("stopping by force")
            for child in self._children:
                child.kill()

    async def _watch_make(self) -> None:
        """Stop when the `make` that started us is killed: to who typed it, `make run` is the parent."""
        parent = os.getppid()
        while "MAKELEVEL" in os.environ:
            await asyncio.sleep(PARENT_POLL_SECONDS)
            if os.getppid() != parent:
                self._on_signal()
                return


async def prepare_database(system: System) -> None:
    """Bring the schema up to date; make sure that the development API key and the demo's users are known."""
    await migrate(system.database_url)
    settings = config.load(
        database_url=system.database_url, redis_url=system.redis_url, jwt_secret=system.secrets.jwt_secret
    )
    database = await Database(settings).open()
    try:
        key = system.secrets.api_key
        await ApiKeys(database).create(
            parse_key(key),
            hash_key(key),
            tenant=DEFAULT_TENANT,
            name="dev",
            scopes=["publish", "admin"],
            expires_at=None,
        )
        await cast.introduce(database)
    finally:
        await database.close()
