"""The two ways a user listens to the hub, behind one interface, and what a client believes.

`Listener` is a minimal client of hub.v1 that keeps every frame it gets and applies them by the protocol's rule, over
either transport; tests compare what its `Inbox` believes with what the API says.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import httpx2
import websockets

if TYPE_CHECKING:
    from tests.hub_nodes import Cluster

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # a client would load the system's certificates: 40 ms each
_refs = itertools.count()


class WayIn(NamedTuple):
    """What a handshake carries, and what is said first after it."""

    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    subprotocols: Sequence[str] = ("hub.v1",)
    first: str | None = None


class Refused(Exception):
    """The handshake was answered with an HTTP error."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"{status}: {body[:300]!r}")
        self.status = status
        self.headers = headers
        self.body = body


class Inbox:
    """What a client believes: it applies frames by the one rule of hub.v1, and never adds or subtracts.

    After a `resync` it is `stale` until it was loaded over HTTP (`load`).
    """

    def __init__(self) -> None:
        self.stale = False
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
            case "resync":
                self.epoch, self.seq, self.stale = frame["epoch"], frame["seq"], True
                self._count(frame)

    def load(self, page: dict[str, Any]) -> None:
        """Start anew from a page of `GET /v1/inbox` that holds the whole list."""
        assert page["next_cursor"] is None
        self.epoch, self.seq, self.stale = page["epoch"], page["seq"], False
        self._count(page)
        self.items = {item["id"]: item for item in page["items"]}

    @property
    def listed(self) -> list[dict[str, Any]]:
        """What it would show, newest first."""
        shown = [item for item in self.items.values() if not item["archived"] and item["snoozed_until"] is None]
        return sorted(shown, key=lambda item: -item["created_seq"])

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
        way_in: WayIn | None = None,
        answers: bool = True,
    ) -> None:
        self.user = user
        self.transport = transport
        self.frames: list[dict[str, Any]] = []
        self.said: list[str] = []  # the JSON of each frame as it came
        self.ids: list[str | None] = []
        self.subprotocol: str | None = None
        self.inbox = inbox or Inbox()
        self.closed: int | None = None
        self.reading = asyncio.Event()  # cleared, nothing more is read from the socket
        self.reading.set()
        self._resuming = inbox is not None
        self._url = url or cluster.url(node)
        self._way_in = way_in or cluster.way_in(user, transport, token)
        self._resumes_itself = self._resuming and way_in is None
        self._answers = answers
        self._snapshot = snapshot
        self._news = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None
        self._socket: Any = None

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read())
        await self.until(lambda: self.frames or (self._reader and self._reader.done()))
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
        query = dict(self._way_in.query) | ({} if self._snapshot is None else {"snapshot": str(self._snapshot)})
        try:
            if self.transport == "websocket":
                await self._read_websocket(query)
            else:
                await self._read_sse(query)
        finally:
            async with self._news:
                self._news.notify_all()

    async def _read_websocket(self, query: dict[str, str]) -> None:
        if self._resumes_itself:
            query["resume"] = self.cursor
        url = httpx2.URL(self._url.replace("http", "ws", 1) + "/v1/ws", params=query)
        headers = dict(self._way_in.headers)
        subprotocols: Any = list(self._way_in.subprotocols) or None
        connecting = websockets.connect(
            str(url), additional_headers=headers, subprotocols=subprotocols, max_size=None, ping_interval=None
        )
        try:
            socket = await connecting
        except websockets.InvalidStatus as refusal:
            answer = refusal.response
            raise Refused(answer.status_code, answer.headers, answer.body) from None
        async with socket:
            self._socket, self.subprotocol = socket, socket.subprotocol
            try:
                if self._way_in.first is not None:
                    await socket.send(self._way_in.first)
                async for message in socket:
                    assert isinstance(message, str), "frames are text"
                    await self._take(message, None)
            except websockets.ConnectionClosed:
                pass
            self.closed = socket.close_code

    async def _read_sse(self, query: dict[str, str]) -> None:
        headers = dict(self._way_in.headers)
        if self._resumes_itself:
            headers["Last-Event-ID"] = self.cursor
        timeout = httpx2.Timeout(10, read=None)
        async with (
            httpx2.AsyncClient(timeout=timeout, verify=NO_TLS) as client,
            client.stream("GET", self._url + "/v1/stream", params=query, headers=headers) as answer,
        ):
            if answer.status_code != 200:
                raise Refused(answer.status_code, answer.headers, await answer.aread())
            assert answer.headers["content-type"].startswith("text/event-stream")
            with contextlib.suppress(httpx2.TransportError):
                async for event in _events(answer.aiter_bytes()):
                    assert json.loads(event["data"])["t"] == event["event"]
                    await self._take(event["data"], event.get("id"))
        self.closed = next((frame["code"] for frame in reversed(self.frames) if frame["t"] == "bye"), 1006)

    async def _take(self, said: str, id: str | None) -> None:
        await self.reading.wait()
        frame = json.loads(said)
        if frame["t"] == "ping" and self.transport == "websocket" and self._answers:
            await self.say(t="pong", seq=self.inbox.seq)
        async with self._news:
            self.inbox.take(frame, resuming=self._resuming)
            self.frames.append(frame)
            self.said.append(said)
            self.ids.append(id)
            self._news.notify_all()

    async def say(self, **command: Any) -> None:
        """Send a command (WebSocket)."""
        await self.say_raw(json.dumps(command))

    async def say_raw(self, message: str | bytes | Iterator[str], *, as_text: bool | None = None) -> None:
        """Send any message: text, binary or in fragments (WebSocket)."""
        await self._socket.send(message, text=as_text)

    async def hang_up(self, code: int = 1000) -> None:
        """Close the connection from this side (WebSocket)."""
        await self._socket.close(code)

    async def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command with a `ref` and return what answers it, `ok` or `error` (WebSocket)."""
        ref = next(_refs)
        await self.say(**command, ref=ref)
        await self.until(lambda: any(frame.get("ref") == ref for frame in self.frames))
        return next(frame for frame in self.frames if frame.get("ref") == ref)

    async def until(self, happened: Any, timeout: float = 10) -> None:
        """Wait until something is true of this listener; checked after every frame."""
        async with asyncio.timeout(timeout), self._news:  # Python 3.11's `wait_for` may swallow a cancellation
            await self._news.wait_for(happened)

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
        async with asyncio.timeout(timeout):
            await asyncio.shield(self._reader)
        assert self.closed is not None
        return self.closed

    def of(self, name: str) -> list[dict[str, Any]]:
        """List the frames of a name."""
        return [frame for frame in self.frames if frame["t"] == name]


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[dict[str, str]]:
    """Split an event stream; fields without data (`retry`) are not events."""
    waiting = b""
    async for chunk in chunks:
        *blocks, waiting = (waiting + chunk).split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
            if "data" in fields:
                yield fields
