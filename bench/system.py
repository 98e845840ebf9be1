"""The system under measurement: `hub dev` with one node, and the load generator that talks to it.

The generator is the C program of the shared tools; it opens the connections, publishes, checks every delivery for loss,
duplicates and order, and reads the node's memory and processor time from /proc.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from hub import auth
from hub.config import Settings

ROOT = Path(__file__).parent.parent
SOURCE = ROOT.parent / "shared" / "tools" / "lg.c"
START_SECONDS = 60


class Unavailable(Exception):
    """The measurement cannot be made here; the text says what is missing."""


class Generator:
    """The load generator, compiled once."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None or not SOURCE.is_file():
            raise Unavailable(f"needs a C compiler, zlib's headers and {SOURCE.relative_to(ROOT.parent)}")
        self._program = directory / "lg"
        subprocess.run([compiler, "-O2", "-w", "-o", self._program, SOURCE, "-lz"], check=True)

    def run(self, *options: str) -> dict[str, Any]:
        """Run it and return its one line of JSON."""
        done = subprocess.run([self._program, *options], capture_output=True, text=True, timeout=300)
        if done.returncode != 0 or not done.stdout.strip():
            raise RuntimeError(done.stderr[-2000:])
        result: dict[str, Any] = json.loads(done.stdout)
        return result


class System:
    """One node of `hub dev`, with settings that suit a generator which never answers pings."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self._directory = directory
        self._settings = {f"HUB_{name.upper()}": value for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self.described: dict[str, Any] = {}

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        quiet = {"HUB_PING_SECONDS": "300", "HUB_LOG_LEVEL": "WARNING", "HUB_RATE_LIMIT_PUBLISH": "1000000/second"}
        data = self._directory / "data"
        command = [sys.executable, "-m", "hub", "dev", "--nodes", "1", "--port", str(port), "--no-delivery"]
        with (self._directory / "hub.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--data-dir", str(data)],
                cwd=ROOT,
                env={**os.environ, **quiet, **self._settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.described = self._wait(data / "dev.json")
        return self

    def _wait(self, path: Path) -> dict[str, Any]:
        deadline = time.monotonic() + START_SECONDS
        while not path.is_file():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._directory / "hub.log").read_text()[-2000:])
            time.sleep(0.05)
        described: dict[str, Any] = json.loads(path.read_text())
        return described

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    @property
    def url(self) -> str:
        """The node's address."""
        return str(self.described["nodes"][0])

    @property
    def pid(self) -> int:
        """The node's process id."""
        return int(self.described["pids"]["node-0"])

    def tokens(self, users: int) -> str:
        """Write a file with a token per user, named u0, u1, …; return its path."""
        known = ("jwt_secret", "jwt_audience", "jwt_issuer", "database_url", "redis_url")
        settings = Settings(**{name: self.described[name] for name in known})
        path = self._directory / f"tokens-{users}"
        path.write_text("".join(auth.sign(settings, user=f"u{n}", ttl_seconds=86_400) + "\n" for n in range(users)))
        return str(path)

    def listening(self, transport: str, connections: int) -> list[str]:
        """Options for the generator that connect so many users."""
        url = f"{self.url.replace('http', 'ws', 1)}/v1/ws" if transport == "websocket" else f"{self.url}/v1/stream"
        tokens = self.tokens(connections)
        return [
            *("--url", url, "--header", "Authorization: Bearer {token}", "--tokens", tokens),
            *("--conns", str(connections), "--pids", f"hub:{self.pid}"),
        ]

    def publishing(self) -> list[str]:
        """Options for the generator that publish to them."""
        body = '{"to":"{user}","category":"bench","title":"t","body":"{payloads}"}'
        return [
            *("--pub", f"{self.url}/v1/notifications", "--pub-header", "Content-Type: application/json"),
            *("--pub-header", f"Authorization: Bearer {self.described['api_key']}", "--pub-body", body),
        ]


def scratch() -> Path:
    """Make a directory for one measurement."""
    return Path(tempfile.mkdtemp(prefix="hub-bench-", dir="/tmp"))
