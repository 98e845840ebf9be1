"""Following a user's stream: frames as they come, over every interruption, each change once.

By server-sent events, because that is plain HTTP and passes everywhere. A reconnect resumes at the highest seq that was
yielded; what the hub cannot prove it says (`resync`), and the caller gets to see that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2

from hub.client.exchange import HubProblem, backoff, problem_of

SILENCE_SECONDS = 60.0
Token = str | Callable[[], str] | Callable[[], Awaitable[str]]


class StreamEnded(Exception):
    """The hub ended the stream for good, or refused a second fresh token in a row; `code` is its close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


async def follow(
    url: str, *, token: Token, cursor: str | None = None, snapshot: int | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Yield every frame of a user's stream, from `cursor` on; reconnects until it is told not to.

    `token` is a JWT, or a function (asynchronous or not) that fetches one and is asked before every connection. Raises
    `StreamEnded`, or `HubProblem` where the hub refuses what can only be refused again.
    """
    position = _Position(cursor)
    query = {} if snapshot is None else {"snapshot": str(snapshot)}
    failures = refusals = 0
    async with httpx2.AsyncClient(base_url=url, timeout=httpx2.Timeout(10, read=SILENCE_SECONDS)) as http:
        while True:
            pause: float | None = None
            headers = {"Authorization": f"Bearer {await _fetch(token)}"}
            if position.cursor is not None:
                headers["Last-Event-ID"] = position.cursor
            try:
                async with http.stream("GET", "/v1/stream", params=query, headers=headers) as answer:
                    if answer.status_code != 200:
                        await answer.aread()
                        pause = _judge(answer)
                        refusals += answer.status_code == 401
                    else:
                        async for frame in position.read(answer):
                            failures = refusals = 0
                            yield frame
                        pause = _after(position.bye)
                        refusals += position.bye is not None and position.bye["code"] // 100 == 43
            except httpx2.TransportError:
                pass
            if refusals > 1:
                raise StreamEnded(4302, "a fresh token was refused twice")
            failures += 1
            await asyncio.sleep(backoff(failures) if pause is None else pause)


async def _fetch(token: Token) -> str:
    if isinstance(token, str):
        return token
    fetched = token()
    return fetched if isinstance(fetched, str) else await fetched


def _judge(answer: httpx2.Response) -> float | None:
    """Say how long to wait after a refusal (None: back off); raise where it would be the same again."""
    if answer.status_code == 401 or answer.status_code == 429 or answer.status_code >= 500:
        wanted = answer.headers.get("retry-after", "")
        return float(wanted) if wanted.isdigit() else None
    problem: HubProblem = problem_of(answer)
    raise problem


def _after(bye: dict[str, Any] | None) -> float | None:
    if bye is None:
        return None
    if not bye["reconnect"]:
        raise StreamEnded(bye["code"], bye["reason"])
    return float(bye["after_ms"]) / 1000 if bye["code"] // 100 == 42 else None


class _Position:
    """Where the stream is, and how it last ended. A frame is applied if and only if its seq is above the own."""

    def __init__(self, cursor: str | None) -> None:
        epoch, _, seq = (cursor or "").rpartition(":")
        self._epoch, self._seq = epoch, int(seq or 0)
        self.bye: dict[str, Any] | None = None

    @property
    def cursor(self) -> str | None:
        """Where to resume; None before the first frame."""
        return f"{self._epoch}:{self._seq}" if self._epoch else None

    async def read(self, answer: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
        """Yield the new frames of one connection (data lines of WHATWG HTML, server-sent events)."""
        self.bye = None
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "data":
                frame: dict[str, Any] = json.loads(value)
                if self._apply(frame):
                    yield frame

    def _apply(self, frame: dict[str, Any]) -> bool:
        """Move on by a frame; False if it was applied before."""
        match frame["t"]:
            case "hello" if not self._epoch:
                self._epoch, self._seq = frame["epoch"], frame["seq"]
            case "notification" | "inbox":
                if frame["seq"] <= self._seq:
                    return False
                self._seq = frame["seq"]
            case "resumed":
                self._seq = max(self._seq, frame["to"])
            case "resync":
                self._epoch, self._seq = frame["epoch"], frame["seq"]
            case "bye":
                self.bye = frame
        return True
