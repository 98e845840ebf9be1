"""One child of the launcher: a program that is kept running until it is told to stop.

It leads a session of its own, so a Ctrl-C in the terminal reaches only the launcher and the order of stopping is ours.
A child that ends by itself is said so and started again, after a wait that doubles while it keeps failing. Built on
asyncio's subprocess protocol, not its streams: an exit is seen even while a grandchild keeps the pipe open, and a
line may be of any length.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable

from hub.dev import session
from hub.dev.console import Console
from hub.dev.guard import Guard
from hub.dev.program import Program, StartError

POLL_SECONDS = 0.05
READY_SECONDS = 60.0
FIRST_BACKOFF_SECONDS = 0.25
LONGEST_BACKOFF_SECONDS = 8.0
STEADY_SECONDS = 10.0
"""A child that ran this long has recovered: its next crash is its first."""
LINE_BYTES = 64 * 1024
PIPE_FLUSH_SECONDS = 0.1


class _Run(asyncio.SubprocessProtocol):
    """One run of a child: its output in lines, and its end."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._rest = b""
        self.ended = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._emit(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if self._rest:
            self._emit(self._rest)
        self._rest = b""

    def process_exited(self) -> None:
        self.ended.set_result(None)

    def _emit(self, line: bytes) -> None:
        self._show(line.decode(errors="replace").rstrip())


class Child:
    """A program kept running. `prepare` is called before every start, so it sees what a crash left behind."""

    def __init__(self, name: str, prepare: Callable[[], Program], *, rank: int, guard: Guard, console: Console) -> None:
        self.name = name
        self.rank = rank
        self.restarted: Callable[[], None] = lambda: None
        self._prepare = prepare
        self._guard = guard
        self._console = console
        self._stopping = False
        self._keeper: asyncio.Task[None] | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._run: _Run | None = None
        self._program: Program | None = None

    @property
    def pid(self) -> int:
        """The process id, which is also its session's."""
        assert self._transport is not None, "not started"
        return self._transport.get_pid()

    async def start(self) -> None:
        """Start it, return when it is ready, and keep it running; raise `StartError` when it does not get there."""
        await self._launch()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def stop(self, timeout_seconds: float) -> None:
        """Ask it to end, wait, and end what is left of its session by force."""
        self._stopping = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._run is None or self._program is None:
            return
        if not self._run.ended.done():
            self._signal(self._program.stop_signal)
            await asyncio.wait([self._run.ended], timeout=timeout_seconds)
        await self._clear()

    def kill(self) -> None:
        """End it now; a `stop` that is waiting for it returns."""
        if self._transport is not None and self._run is not None and not self._run.ended.done():
            session.send(self.pid, signal.SIGKILL)

    async def _launch(self) -> None:
        self._program = await asyncio.to_thread(self._prepare)
        command = self._guard.registering(self._program.command, rank=self.rank, stop_signal=self._program.stop_signal)
        self._transport, self._run = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Run(self._show),
            *command,
            stdin=self._guard.pipe,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._program.full_environment(),
            cwd=self._program.directory,
            start_new_session=True,
            **self._program.account.popen(),
        )
        await self._until_ready(self._program, self._run)

    async def _until_ready(self, program: Program, run: _Run) -> None:
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while not await asyncio.to_thread(program.ready, self.pid):
            await asyncio.wait([run.ended], timeout=POLL_SECONDS)
            if run.ended.done():
                await asyncio.sleep(PIPE_FLUSH_SECONDS)
                raise StartError(f"{self.name} {self._how_it_ended()} before it was ready")
            if asyncio.get_running_loop().time() > deadline:
                raise StartError(f"{self.name} was not ready in {READY_SECONDS:g} s")

    async def _keep(self) -> None:
        """Start it again whenever it ends."""
        loop = asyncio.get_running_loop()
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            assert self._run is not None
            began = loop.time()
            await asyncio.wait([self._run.ended])
            if loop.time() - began > STEADY_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            trouble: str | None = f"{self.name} {self._how_it_ended()}"
            while trouble is not None:
                await self._clear()
                self._console.event(f"{trouble}; starting it again in {backoff:g} s")
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)
                trouble = await self._launch_again()

    async def _launch_again(self) -> str | None:
        """Return what was in the way, or None when it runs."""
        try:
            await self._launch()
        except StartError as error:
            return str(error)
        self._console.event(f"{self.name} runs again, pid {self.pid}")
        self.restarted()
        return None

    async def _clear(self) -> None:
        """Kill what is left of the session, collect the last output, let the guard forget it."""
        assert self._transport is not None
        await asyncio.to_thread(session.kill, self.pid)
        await asyncio.sleep(PIPE_FLUSH_SECONDS)
        self._transport.close()
        self._guard.forget(self.pid)

    def _show(self, text: str) -> None:
        assert self._program is not None
        if not any(noise in text for noise in self._program.noise):
            self._console.line(self.name, text)

    def _signal(self, number: int) -> None:
        try:
            assert self._transport is not None
            self._transport.send_signal(number)
        except ProcessLookupError:
            pass

    def _how_it_ended(self) -> str:
        assert self._transport is not None
        code = self._transport.get_returncode()
        return f"was killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended with {code}"
