"""An embedded Redis (or Valkey, its free successor) on a private Unix socket.

Used by the launcher and the tests. What it holds is a hint and a doorbell, never the truth, so one snapshot a minute
is enough. Valkey and Redis cannot read each other's snapshots: each has a directory of its own.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from hub.dev.account import own_account
from hub.dev.binaries import Binary, find_redis
from hub.dev.process import Process
from hub.dev.program import Program
from hub.dev.sockets import remove_if_empty, socket_directory


class Redis:
    """A Redis server on a data directory. `durable=False` writes no snapshots: tests only."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory.absolute()
        self.durable = durable
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    @cached_property
    def binary(self) -> Binary:
        """The server that will be run."""
        return find_redis()

    @property
    def home(self) -> Path:
        """Where the snapshots are."""
        return self.directory / self.binary.flavour

    @property
    def socket(self) -> Path:
        """The server's Unix socket."""
        return socket_directory(self.home, own_account()) / "redis.sock"

    @property
    def url(self) -> str:
        """The address, as redis-py, RQ and rq-dashboard take it."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """The server's process id; the server must have been started."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self, timeout_seconds: float = 30) -> None:
        """Start the server and return when it answers."""
        self._process = Process(self.prepare(), self.directory / "redis.log")
        self._process.wait_ready(timeout_seconds)

    def stop(self, timeout_seconds: float = 10) -> None:
        """Stop the server; it writes a last snapshot if it is durable."""
        if self._process is not None:
            self._process.stop(timeout_seconds)
        self.leave()

    def kill(self) -> None:
        """Kill the server as a crash would."""
        if self._process is not None:
            self._process.kill()

    def leave(self) -> None:
        """Remove what a stopped server leaves outside its data directory; harmless while it runs."""
        remove_if_empty(self.socket.parent)

    def erase(self) -> None:
        """Remove the snapshots of a stopped server."""
        self.leave()
        shutil.rmtree(self.home, ignore_errors=True)

    def prepare(self) -> Program:
        """Make the directory and say what to run."""
        self.home.mkdir(parents=True, exist_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "save": "60 1" if self.durable else "",
            "logfile": "",
            "loglevel": "warning",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        return Program(
            name="redis",
            command=[str(self.binary.path), *arguments],
            ready=self._ready,
            noise=("Memory overcommit must be enabled",),  # advice for machines that keep their truth in it
        )

    def _ready(self, _pid: int) -> bool:
        """Ask for a PONG; while a snapshot is loaded the answer is an error."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        return False
