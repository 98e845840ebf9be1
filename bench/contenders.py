"""Who is measured: the hub with one node or several, on either transport. The peers are in peers/.

A contender is something that, entered with a `Ground`, runs and says how to reach it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from bench.generator import ROOT, Running
from bench.ground import STOP_SECONDS, Ground, answers, execute, free_port
from hub import auth, config
from hub.dev.process import Process
from hub.keys import new_key

SECRET = "bench-secret-" * 4
BODY = '{"to":"{user}","category":"bench","title":"t","body":"{payloads}"}'
SETTINGS = {
    "HUB_JWT_SECRET": SECRET,
    "HUB_PING_SECONDS": "300",  # the generator does not answer
    "HUB_MAX_CONNECTIONS_PER_USER": "100000",
    "HUB_RATE_LIMIT_PUBLISH": "1000000/second",
    "HUB_DRAIN_SECONDS": "0",
}


class Contender(Protocol):
    """Something that can be measured."""

    name: str

    def run(self, ground: Ground) -> contextlib.AbstractContextManager[Running]:
        """Run it on the ground; raise `Missing` if it is not installed."""


class Hub:
    """The hub as it is deployed: complete, each node a process started by `hub serve`."""

    def __init__(self, transport: str = "WebSocket", *, nodes: int = 1, **settings: object) -> None:
        self.name = f"hub, {transport}"
        self._listen = "ws://127.0.0.1:{}/v1/ws" if transport == "WebSocket" else "http://127.0.0.1:{}/v1/stream"
        self._nodes = nodes
        self._settings = {f"HUB_{name.upper()}": str(value) for name, value in settings.items()}

    @contextlib.contextmanager
    def run(self, ground: Ground) -> Iterator[Running]:
        """Run the nodes on a database of their own; the first is called `hub`, the others `hub-1` and so on."""
        with ground.database() as database_url, contextlib.ExitStack() as stack:
            pids, ports = {}, []
            for name in ["hub", *(f"hub-{number}" for number in range(1, self._nodes))]:
                process, port = self._start(ground, name, database_url)
                stack.callback(process.stop, STOP_SECONDS)
                pids[name] = str(process.pid)
                ports.append(port)
            yield Running(
                pids=pids | ground.pids,
                redis_url=ground.redis_url,
                database_url=database_url,
                listen=[self._listen.format(port) for port in ports],
                listen_headers=["Authorization: Bearer {token}"],
                publish=[f"http://127.0.0.1:{port}/v1/notifications" for port in ports],
                publish_headers=[f"Authorization: Bearer {_api_key(database_url)}", "Content-Type: application/json"],
                body=BODY,
                tokens=partial(tokens, ground.directory),
            )

    def _start(self, ground: Ground, name: str, database_url: str) -> tuple[Process, int]:
        port = free_port()
        where = {"HUB_DATABASE_URL": database_url, "HUB_REDIS_URL": ground.redis_url, "HUB_PORT": str(port)}
        environment = {"PYTHONPATH": str(ROOT), **SETTINGS, **where, **self._settings}
        command = [sys.executable, "-m", "hub", "serve"]
        return ground.run(name, command, ready=lambda: answers(port), environment=environment), port


def _api_key(database_url: str) -> str:
    key = new_key()
    execute(
        database_url,
        "insert into api_keys (id, tenant, name, hash, scopes)"
        f" values ('{key.id}', 'default', 'bench', '\\x{key.hash.hex()}', array['publish', 'admin'])",
    )
    return key.text


def tokens(directory: Path, users: int) -> Path:
    """Write a file with a token per user, named u0, u1, …"""
    path = directory / f"tokens-{users}"
    if not path.exists():
        settings = config.load(database_url="postgresql://-", redis_url="redis://-", jwt_secret=SECRET)
        signed = (auth.sign(settings, user=f"u{number}", ttl_seconds=86_400) for number in range(users))
        path.write_text("".join(f"{token}\n" for token in signed))
    return path
