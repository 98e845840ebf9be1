"""Nodes as a deployment runs them, and the two ways a user listens to them, behind one interface.

`Cluster` starts `hub serve` processes on given servers. `Listener` is a minimal client of hub.v1 that keeps every frame it
gets and applies them by the protocol's rule, over either transport; tests compare what it believes with what the API says.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import httpx2
import websockets

from hub import auth
from hub.config import Settings

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

    def __init__(self, environment: dict[str, str], port: int) -> None:
        self._environment = {**environment, "HUB_PORT": str(port)}
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hub", "serve"], env=self._environment, cwd=ROOT, start_new_session=True
        )

    def wait_until_ready(self) -> None:
        """Wait until it takes requests."""
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(self.url + "/readyz", timeout=2).status_code == 200:
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


class Cluster:
    """Some nodes on one Postgres and one Redis, with an API key; extra settings as keywords (`ping_seconds="1"`)."""

    def __init__(self, database_url: str, redis_url: str, *, nodes: int = 2, **settings: str) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HUB_")},
            "HUB_DATABASE_URL": database_url,
            "HUB_REDIS_URL": redis_url,
            "HUB_REDIS_PREFIX": f"test-{os.getpid()}-{next(_numbers)}",
            "HUB_JWT_SECRET": SECRET,
            "HUB_ALLOWED_ORIGINS": ORIGIN,
            "HUB_DRAIN_SECONDS": "1",
            "HUB_LOG_LEVEL": "WARNING",
            **{f"HUB_{name.upper()}": value for name, value in settings.items()},
        }
        self.nodes = [Node(self._environment, free_port()) for _ in range(nodes)]
        self.settings = Settings(database_url=database_url, redis_url=redis_url, jwt_secret=SECRET)
        self.api_key = ""

    def __enter__(self) -> Self:
        self.run("migrate")
        self.api_key = self.run("keys", "create", "--name", "tests", "--scopes", "publish,admin").strip()
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_until_ready()
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
        return httpx2.AsyncClient(base_url=self.url(node), headers=headers, timeout=20)

    def service(self, node: int = 0) -> httpx2.AsyncClient:
        """Make a client of one node with the API key."""
        return self.client(node, Authorization=f"Bearer {self.api_key}")

    def user(self, user: str, node: int = 0) -> httpx2.AsyncClient:
        """Make a client of one node with a user's token."""
        return self.client(node, Authorization=f"Bearer {self.token(user)}")

    async def publish(self, to: str | list[str], title: str = "hello", node: int = 0, **fields: Any) -> dict[str, Any]:
        """Publish, and return the answer."""
        async with self.service(node) as service:
            body = {"to": to, "category": "test", "title": title, **fields}
            answer = await service.post("/v1/notifications", json=body)
        assert answer.status_code == 201, answer.text
        published: dict[str, Any] = answer.json()
        return published


class Inbox:
    """What a client believes: it applies frames by the one rule of hub.v1, and never adds or subtracts."""

    def __init__(self) -> None:
        self.epoch = ""
        self.seq = 0
        self.unread = self.unseen = self.read_seq = self.seen_seq = 0
        self.items: dict[str, dict[str, Any]] = {}

    def take(self, frame: dict[str, Any], *, resuming: bool) -> None:
        """Apply a frame iff it is above the own seq."""
        match frame["t"]:
            case "hello" if not resuming:
                self.epoch, self.seq = frame["epoch"], frame["seq"]
                self._count(frame)
                for item in frame.get("items", []):
                    self.items[item["id"]] = item
            case "hello":
                pass
            case "notification" if frame["seq"] > self.seq:
                self.seq = frame["seq"]
                self._count(frame)
                item = frame["notification"]
                if frame["change"] in ("deleted", "expired", "recalled"):
                    self.items.pop(item["id"], None)
                else:
                    self.items[item["id"]] = item
            case "inbox" if frame["seq"] > self.seq:
                self.seq = frame["seq"]
                self._count(frame)
                self._watermark(frame)
            case "resumed":
                self.seq = max(self.seq, frame["to"])
                self._count(frame)
                self._watermark(frame)

    def _count(self, frame: dict[str, Any]) -> None:
        self.unread, self.unseen = frame["unread"], frame["unseen"]

    def _watermark(self, frame: dict[str, Any]) -> None:
        for item in self.items.values():
            item["read"] = item["read_at"] is not None or item["read_seq"] <= frame["read_seq"]
            item["seen"] = item["seen"] or item["created_seq"] <= frame["seen_seq"]


class Listener:
    """One connection of one user, over either transport; a context manager. `frames` is everything it was told."""

    def __init__(
        self,
        cluster: Cluster,
        user: str,
        transport: str,
        node: int = 0,
        *,
        inbox: Inbox | None = None,
        snapshot: int | None = None,
        url: str | None = None,
        token: str | None = None,
    ) -> None:
        self.user = user
        self.transport = transport
        self.frames: list[dict[str, Any]] = []
        self.ids: list[str | None] = []
        self.inbox = inbox or Inbox()
        self.closed: int | None = None
        self._resuming = inbox is not None
        self._url = url or cluster.url(node)
        self._token = token or cluster.token(user)
        self._snapshot = snapshot
        self._news = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None
        self._socket: Any = None

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read())
        await self.until(lambda: self.frames or self._reader and self._reader.done())
        if not self.frames:
            await self._reader
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reader is not None
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    @property
    def cursor(self) -> str:
        """Where it would resume."""
        return f"{self.inbox.epoch}:{self.inbox.seq}"

    async def _read(self) -> None:
        query = {} if self._snapshot is None else {"snapshot": str(self._snapshot)}
        try:
            if self.transport == "websocket":
                await self._read_websocket(query)
            else:
                await self._read_sse(query)
        finally:
            async with self._news:
                self._news.notify_all()

    async def _read_websocket(self, query: dict[str, str]) -> None:
        if self._resuming:
            query["resume"] = self.cursor
        url = httpx2.URL(self._url.replace("http", "ws", 1) + "/v1/ws", params=query)
        subprotocols: Any = ["hub.v1", f"bearer.{self._token}"]
        async with websockets.connect(str(url), subprotocols=subprotocols, max_size=None, ping_interval=None) as socket:
            self._socket = socket
            try:
                async for message in socket:
                    await self._take(json.loads(message), None)
            except websockets.ConnectionClosed:
                pass
            self.closed = socket.close_code

    async def _read_sse(self, query: dict[str, str]) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        if self._resuming:
            headers["Last-Event-ID"] = self.cursor
        timeout = httpx2.Timeout(10, read=None)
        async with (
            httpx2.AsyncClient(timeout=timeout) as client,
            client.stream("GET", self._url + "/v1/stream", params=query, headers=headers) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            event: dict[str, str] = {}
            with contextlib.suppress(httpx2.TransportError):
                async for line in answer.aiter_lines():
                    if line:
                        name, _, value = line.partition(": ")
                        event[name] = value
                    elif "data" in event:
                        frame = json.loads(event["data"])
                        assert frame["t"] == event["event"]
                        await self._take(frame, event.get("id"))
                        event = {}
        self.closed = next((frame["code"] for frame in reversed(self.frames) if frame["t"] == "bye"), 1006)

    async def _take(self, frame: dict[str, Any], id: str | None) -> None:
        if frame["t"] == "ping" and self.transport == "websocket":
            await self.say(t="pong", seq=self.inbox.seq)
        self.inbox.take(frame, resuming=self._resuming)
        async with self._news:
            self.frames.append(frame)
            self.ids.append(id)
            self._news.notify_all()

    async def say(self, **command: Any) -> None:
        """Send a command (WebSocket)."""
        await self._socket.send(json.dumps(command))

    async def until(self, happened: Any, timeout: float = 10) -> None:
        """Wait until something is true of this listener; checked after every frame."""
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(happened), timeout)

    async def until_seq(self, seq: int, timeout: float = 10) -> None:
        """Wait until it has applied everything up to a seq."""
        await self.until(lambda: self.inbox.seq >= seq, timeout)

    async def until_frame(self, name: str, timeout: float = 10, **fields: Any) -> dict[str, Any]:
        """Wait for a frame of a name with these fields, and return the last such."""

        def matching() -> list[dict[str, Any]]:
            return [f for f in self.frames if f["t"] == name and all(f.get(k) == v for k, v in fields.items())]

        await self.until(matching, timeout)
        return matching()[-1]

    async def until_closed(self, timeout: float = 10) -> int:
        """Wait for the end of the connection and return its close code (SSE: of the `bye`)."""
        assert self._reader is not None
        await asyncio.wait_for(asyncio.shield(self._reader), timeout)
        assert self.closed is not None
        return self.closed

    def of(self, name: str) -> list[dict[str, Any]]:
        """List the frames of a name."""
        return [frame for frame in self.frames if frame["t"] == name]
