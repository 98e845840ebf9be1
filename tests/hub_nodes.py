"""Nodes as a deployment runs them: `Cluster` starts `hub serve` processes on given servers.

Who listens to them is in listener.py, and can be imported from here too.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Self

import httpx2

from hub import auth, keys
from hub.config import Settings
from hub.store import ApiKeys, Database
from hub.store.migration import migrate
from tests.listener import NO_TLS, Inbox, Listener, Refused, WayIn

__all__ = ["NO_TLS", "Cluster", "Inbox", "Listener", "Node", "Refused", "WayIn"]

ROOT = Path(__file__).parent.parent
SECRET = "cluster-secret-" * 4
ORIGIN = "https://app.example.com"
TRANSPORTS = ("websocket", "sse")
_numbers = itertools.count()


def new_user(name: str = "user") -> str:
    """Name a user nobody else uses."""
    return f"{name}-{os.getpid()}-{next(_numbers)}"


def free_port() -> int:
    """Find a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Node:
    """One `hub serve` process."""

    def __init__(self, environment: dict[str, str], port: int, log: IO[bytes] | None = None) -> None:
        self._environment = {**environment, "HUB_PORT": str(port)}
        self._log = log
        self.command = [sys.executable, "-m", "hub", "serve"]
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting."""
        self.process = subprocess.Popen(
            self.command, env=self._environment, cwd=ROOT, start_new_session=True, stderr=self._log
        )

    def wait_until_ready(self) -> None:
        """Wait until it takes requests."""
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(self.url + "/readyz", timeout=2, verify=NO_TLS).status_code == 200:
                    return
            assert self.process is not None
            assert self.process.poll() is None, "the node ended"
            assert time.monotonic() < deadline, "the node is not ready"
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout: float = 30) -> int:
        """Wait for its end and return its exit code."""
        assert self.process is not None
        return self.process.wait(timeout)

    def kill(self) -> None:
        """Kill it hard."""
        self.signal(signal.SIGKILL)
        self.wait()


async def prepare(settings: Settings) -> str:
    """Migrate a database and make an API key: what `hub migrate` and `hub keys create` do, without their start."""
    await migrate(settings.database_url)
    key = keys.new_key()
    database = await Database(settings).open()
    try:
        await ApiKeys(database).create(
            key.id, key.hash, tenant="default", name="tests", scopes=["publish", "admin"], expires_at=None
        )
    finally:
        await database.close()
    return key.text


class Cluster:
    """Some nodes on one Postgres and one Redis, with an API key; extra settings as keywords (`ping_seconds="1"`).

    What the nodes log goes where the test's own output goes, or into `log`. With an `api_key` the database is taken as
    migrated: another cluster made both.
    """

    def __init__(
        self,
        database_url: str,
        redis_url: str,
        *,
        nodes: int = 2,
        log: IO[bytes] | None = None,
        api_key: str = "",
        **settings: str,
    ) -> None:
        self.redis_prefix = f"test-{os.getpid()}-{next(_numbers)}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HUB_")},
            "HUB_DATABASE_URL": database_url,
            "HUB_REDIS_URL": redis_url,
            "HUB_REDIS_PREFIX": self.redis_prefix,
            "HUB_JWT_SECRET": SECRET,
            "HUB_ALLOWED_ORIGINS": ORIGIN,
            "HUB_DRAIN_SECONDS": "1",
            "HUB_LOG_LEVEL": "WARNING",
            "HUB_LEAN": os.environ.get("LEAN", "true"),
            **{f"HUB_{name.upper()}": value for name, value in settings.items()},
        }
        self.nodes = [Node(self._environment, free_port(), log) for _ in range(nodes)]
        self.settings = Settings(database_url=database_url, redis_url=redis_url, jwt_secret=SECRET)
        self.api_key = api_key

    def __enter__(self) -> Self:
        if not self.api_key:
            with ThreadPoolExecutor(1) as thread:  # whoever starts a cluster may have a loop running
                self.api_key = thread.submit(asyncio.run, prepare(self.settings)).result()
        for node in self.nodes:
            node.start()
        try:
            for node in self.nodes:
                node.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        running = [node for node in self.nodes if node.process is not None and node.process.poll() is None]
        for node in running:
            node.signal(signal.SIGCONT)
            node.signal(signal.SIGTERM)
        for node in running:
            try:
                node.wait(15)
            except subprocess.TimeoutExpired:
                node.kill()
                raise

    def run(self, *command: str) -> str:
        """Run a `hub` command on the cluster's servers and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "hub", *command],
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def url(self, node: int = 0) -> str:
        """Address of a node."""
        return self.nodes[node % len(self.nodes)].url

    def token(self, user: str, ttl_seconds: float = 3600, tenant: str = "default") -> str:
        """Sign a token."""
        return auth.sign(self.settings, user=user, ttl_seconds=ttl_seconds, tenant=tenant)

    def client(self, node: int = 0, **headers: str) -> httpx2.AsyncClient:
        """Make a client of one node that is nobody."""
        return httpx2.AsyncClient(base_url=self.url(node), headers=headers, timeout=20, verify=NO_TLS)

    def service(self, node: int = 0) -> httpx2.AsyncClient:
        """Make a client of one node with the API key."""
        return self.client(node, Authorization=f"Bearer {self.api_key}")

    def user(self, user: str, node: int = 0) -> httpx2.AsyncClient:
        """Make a client of one node with a user's token."""
        return self.client(node, Authorization=f"Bearer {self.token(user)}")

    def way_in(self, user: str, transport: str, token: str | None = None) -> WayIn:
        """Make the usual way in: a token in the subprotocol, or in the header where there is none."""
        token = token or self.token(user)
        if transport == "websocket":
            return WayIn(subprotocols=["hub.v1", f"bearer.{token}"])
        return WayIn(headers={"Authorization": f"Bearer {token}"})

    async def publish(self, to: str | list[str], title: str = "hello", node: int = 0, **fields: Any) -> dict[str, Any]:
        """Publish, and return the answer."""
        async with self.service(node) as service:
            body = {"to": to, "category": "test", "title": title, **fields}
            answer = await service.post("/v1/notifications", json=body)
        assert answer.status_code == 201, answer.text
        published: dict[str, Any] = answer.json()
        return published
