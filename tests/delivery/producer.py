"""A producer's own server: listens for webhooks, verifies them with somebody else's code, misbehaves by script."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from resend import Webhooks
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from delivery.outbox.server import Server, cut


@dataclass
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        """What it says."""
        return json.loads(self.body)


@dataclass
class Producer:
    """Everything it heard, and how it answers next: a status, `drop`, `hang` or `flood`; 204 when nothing is left."""

    heard: list[Heard] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    always: Any = 204
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""

    async def hear(self, request: Request) -> Response:
        """Hear one request."""
        self.heard.append(Heard(request.url.path, dict(request.headers), await request.body()))
        answer = self.answers.pop(0) if self.answers else self.always
        if answer == "drop":
            cut(request)
        if answer == "hang":
            await asyncio.sleep(30)
        if answer in ("flood", "flood 500"):
            return StreamingResponse(flood(), 500 if "500" in answer else 200)
        return Response(b"no" if answer != 204 else None, answer if isinstance(answer, int) else 200, self.headers)


async def flood():
    """Answer without end."""
    while True:
        yield b"x" * 65536
        await asyncio.sleep(0)


def listen(producer: Producer) -> Server:
    """Serve a producer on loopback."""
    server = Server(Starlette(routes=[Route("/{path:path}", producer.hear, methods=["POST", "GET"])]))
    producer.url = server.url
    return server


def verify(heard: Heard, secret: str) -> None:
    """Verify the signature with the Resend SDK's verifier, which knows nothing of ours; raise `ValueError`."""
    names = {"id": "webhook-id", "timestamp": "webhook-timestamp", "signature": "webhook-signature"}
    headers = {name: heard.headers[header] for name, header in names.items()}
    Webhooks.verify({"payload": heard.body.decode(), "headers": headers, "webhook_secret": secret})
