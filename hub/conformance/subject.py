"""The server under test, seen from outside: publishing, changing, and streams over both transports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import httpx2
import websockets

Transport = Literal["websocket", "sse"]
PATIENCE_SECONDS = 5.0


class Broken(AssertionError):
    """A rule does not hold; the text says what was seen instead."""


def expect(holds: object, seen: object) -> None:
    """Demand something; `seen` is told if it does not hold."""
    if not holds:
        raise Broken(f"saw {seen!r}")


class Stream:
    """One connection: frames as they come, in order."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[tuple[str | None, dict[str, Any]]] = asyncio.Queue()
        self.closed: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.send: Callable[[str], Any] | None = None

    async def next(self, *names: str) -> dict[str, Any]:
        """Wait for the next frame of one of these names (any, without names); pings are passed over."""
        return (await self.next_with_id(*names))[1]

    async def next_with_id(self, *names: str) -> tuple[str | None, dict[str, Any]]:
        """Wait as `next` does, and return the event's id too."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    id, frame = await self.frames.get()
                    if frame["t"] in names or (not names and frame["t"] != "ping"):
                        return id, frame
        except TimeoutError:
            raise Broken(f"no {' or '.join(names) or 'frame'} within {PATIENCE_SECONDS:g} s") from None

    async def silent(self, seconds: float = 0.5) -> None:
        """Demand that nothing but pings comes for a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    _, frame = await self.frames.get()
                    expect(frame["t"] == "ping", frame)

    async def say(self, **command: Any) -> None:
        """Send a command (WebSocket)."""
        assert self.send is not None
        await self.send(json.dumps(command))


class Subject:
    """A server, an API key and a way to get tokens."""

    def __init__(self, url: str, *, api_key: str, token: Callable[[str], str]) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._key = api_key

    def new_user(self) -> str:
        """Name a user nobody else uses."""
        return f"conformance-{uuid.uuid4().hex[:12]}"

    async def publish(self, user: str, title: str = "conformance", **headers: str) -> httpx2.Response:
        """Publish to a user."""
        body = {"to": user, "category": "conformance", "title": title}
        return await self.call("POST", "/v1/notifications", self._key, body, **headers)

    async def published(self, user: str, count: int = 1) -> list[dict[str, Any]]:
        """Publish so many and return each one's `{user_id, id, seq}`."""
        return [(await self.publish(user, f"{number}")).json()["notifications"][0] for number in range(count)]

    async def as_user(self, user: str, method: str, path: str, body: Any = None) -> httpx2.Response:
        """Make a request as a user."""
        return await self.call(method, path, self.token(user), body)

    async def as_service(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        """Make a request as a service."""
        return await self.call(method, path, self._key, body)

    async def call(self, method: str, path: str, bearer: str, body: Any, **headers: str) -> httpx2.Response:
        """Make a request."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx2.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS) as http:
            return await http.request(method, path, json=body, headers={"Authorization": f"Bearer {bearer}", **named})

    @contextlib.asynccontextmanager
    async def stream(
        self, user: str, transport: Transport, *, cursor: str | None = None, snapshot: int | None = None
    ) -> AsyncIterator[Stream]:
        """Open a stream of a user."""
        stream = Stream()
        query = {} if snapshot is None else {"snapshot": str(snapshot)}
        follow = self._websocket if transport == "websocket" else self._sse
        following = asyncio.create_task(follow(stream, self.token(user), cursor, query))
        try:
            yield stream
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _websocket(self, stream: Stream, token: str, cursor: str | None, query: dict[str, str]) -> None:
        if cursor is not None:
            query["resume"] = cursor
        url = str(httpx2.URL(self.url.replace("http", "ws", 1) + "/v1/ws", params=query))
        subprotocols: Any = ["hub.v1", f"bearer.{token}"]
        async with websockets.connect(url, subprotocols=subprotocols, ping_interval=None) as socket:
            stream.send = socket.send
            with contextlib.suppress(websockets.ConnectionClosed):
                async for message in socket:
                    stream.frames.put_nowait((None, json.loads(message)))
        stream.closed.set_result(socket.close_code)

    async def _sse(self, stream: Stream, token: str, cursor: str | None, query: dict[str, str]) -> None:
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": cursor} if cursor is not None else {})
        timeout = httpx2.Timeout(PATIENCE_SECONDS, read=None)
        async with (
            httpx2.AsyncClient(base_url=self.url, timeout=timeout) as http,
            http.stream("GET", "/v1/stream", params=query, headers=headers) as answer,
        ):
            id = None
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    id = value
                elif name == "data":
                    stream.frames.put_nowait((id, json.loads(value)))
        stream.closed.set_result(None)
