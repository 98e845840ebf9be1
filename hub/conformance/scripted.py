"""A server that misbehaves by script, for any client to be checked against.

Each scenario has a path, /NAME, that serves as a hub's address: /NAME/v1/ws, /NAME/v1/stream, /NAME/v1/inbox. What a
connection is told depends on how many there were before it; what the client must then do is judged from outside: where
it resumes, when it comes back, whether it stays away. `/report` tells what was seen. Nothing is stored.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from hub import protocol
from hub.conformance.scenarios import SCENARIOS, Scenario, Visit
from hub.encoding import as_event
from hub.protocol import Frame


@dataclass
class Play:
    """One scenario as it goes: the visits so far, and the reloads over HTTP."""

    scenario: Scenario
    visits: list[Visit] = field(default_factory=list)
    reloads: int = 0

    def enter(self, transport: str, cursor: str | None) -> Visit:
        """Note a connection."""
        visit = Visit(len(self.visits), transport, cursor, time.monotonic())
        self.visits.append(visit)
        return visit

    def report(self) -> dict[str, Any]:
        """Judge what was seen so far."""
        problems = self.scenario.judge(self.visits, self.reloads)
        return {
            "rule": self.scenario.rule,
            "passed": not problems and bool(self.visits),
            "problems": problems,
            "connections": [[visit.transport, visit.cursor] for visit in self.visits],
        }


def create_app() -> Starlette:
    """Build the server; every scenario starts fresh."""
    plays = {name: Play(scenario) for name, scenario in SCENARIOS.items()}

    async def index(request: Request) -> Response:
        return JSONResponse({name: play.scenario.rule for name, play in plays.items()})

    async def report(request: Request) -> Response:
        return JSONResponse({name: play.report() for name, play in plays.items()})

    async def inbox(request: Request) -> Response:
        play = plays[request.path_params["name"]]
        play.reloads += 1
        return JSONResponse(play.scenario.page)

    async def stream(request: Request) -> Response:
        play = plays[request.path_params["name"]]
        visit = play.enter("sse", request.headers.get("last-event-id") or request.query_params.get("last_event_id"))
        return StreamingResponse(_events(play.scenario, visit), media_type="text/event-stream")

    async def socket(websocket: WebSocket) -> None:
        play = plays[websocket.path_params["name"]]
        await _frames(websocket, play)

    names = "{name:str}"
    return Starlette(
        routes=[
            Route("/", index),
            Route("/report", report),
            Route(f"/{names}/v1/inbox", inbox),
            Route(f"/{names}/v1/stream", stream),
            WebSocketRoute(f"/{names}/v1/ws", socket),
        ]
    )


async def _events(scenario: Scenario, visit: Visit) -> Any:
    for step in scenario.script(visit):
        if isinstance(step, float):
            await asyncio.sleep(step)
        else:
            yield as_event(step)


async def _frames(websocket: WebSocket, play: Play) -> None:
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(protocol.SUBPROTOCOL if protocol.SUBPROTOCOL in offered else None)
    cursor = websocket.query_params.get("resume")
    try:
        if not any(name.startswith("bearer.") for name in offered) and "authorization" not in websocket.headers:
            said = orjson.loads(await websocket.receive_text())
            resume = said.get("resume")
            cursor = f"{resume['epoch']}:{resume['seq']}" if resume else cursor
        await _play(websocket, play.scenario, play.enter("websocket", cursor))
    except WebSocketDisconnect:
        pass


async def _play(websocket: WebSocket, scenario: Scenario, visit: Visit) -> None:
    last: Frame | None = None
    for step in scenario.script(visit):
        if isinstance(step, float):
            await asyncio.sleep(step)
        else:
            await websocket.send_text(step.json.decode())
            last = step
    code = orjson.loads(last.json)["code"] if last is not None and last.name == "bye" else 1011
    await websocket.close(code)
