"""A node that tells what it was sent, for tests of the edge alone.

The hub does not tell which headers reached it, and does not drain on command; this does. The hub itself behind the
same configuration is in test_edge.py.
"""

import asyncio
import contextlib
import json
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from hub.api.problem import TYPES, Problem
from hub.errors import HubError

# Makes loopback count as outside: a change to the configuration's text.
OUTSIDE = [("        127.0.0.0/8 1;\n", "")]

FLOOD_BYTES = 64 * 1024 * 1024
CHUNK = b":" * 65_535 + b"\n"


def free_socket():
    """Return a socket with an address of its own, not listening yet."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


class Recorder:
    """A node that tells what it was sent, and can drain."""

    def __init__(self, listening=None):
        self._socket = listening or free_socket()
        self.address = "{}:{}".format(*self._socket.getsockname())
        self.forget()
        every = ["GET", "POST", "PUT", "DELETE", "TRACE"]
        app = Starlette(
            routes=[
                WebSocketRoute("/v1/ws", self._websocket),
                Route("/v1/stream", self._stream),
                Route("/{path:path}", self._anything, methods=every),
            ]
        )
        config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._server.capture_signals = contextlib.nullcontext

    def forget(self):
        """Begin anew: nothing seen, not draining."""
        self.draining = False
        self.seen = []
        self.next_event = asyncio.Event()
        self.flooded = asyncio.Event()

    def _record(self, scope, body=b""):
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        sent = {"method": scope.get("method"), "path": scope["path"], "headers": headers, "bytes": len(body)}
        self.seen.append(sent)
        return sent

    async def _anything(self, request):
        sent = self._record(request.scope, await request.body())
        return JSONResponse(
            sent, headers={"x-node": self.address, "x-frame-options": "DENY", "x-content-type-options": "nosniff"}
        )

    async def _websocket(self, websocket):
        if self.draining:
            await websocket.send_denial_response(Response("draining", 503))
            return
        await websocket.accept()
        await websocket.send_json(self._record(websocket.scope))
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    async def _stream(self, request):
        sent = self._record(request.scope)
        if self.draining:
            return Response("draining", 503)

        async def flood(flooded=self.flooded):
            for _ in range(FLOOD_BYTES // len(CHUNK)):
                yield CHUNK
            flooded.set()

        if "flood" in request.query_params:
            return StreamingResponse(flood(), media_type="text/event-stream")

        async def events():
            yield f"data: {json.dumps(sent)}\n\n"
            await self.next_event.wait()
            yield "data: second\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def __aenter__(self):
        self._socket.listen(100)
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        return self

    async def __aexit__(self, *_):
        self.next_event.set()
        self._server.should_exit = True
        await self._task


def header(sent, name):
    """Return every value of a header the recorder saw."""
    return [value for key, value in sent["headers"] if key == name]


def subclasses(kind):
    """Yield every class below one."""
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def assert_problem(answer, status):
    """Check that Nginx itself answered, as the hub would have."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == status
    assert problem.instance == f"urn:request:{answer.headers['x-request-id']}"
    known = {TYPES + each.code for each in subclasses(HubError)}
    assert problem.type in known | {"about:blank"}
