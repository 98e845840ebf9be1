"""The recording providers as one ASGI app: the vendors' routes, the outbox to look into, and the script.

| route | does |
|---|---|
| `GET /outbox` · `DELETE` | the accepted messages, newest first (`?channel=`, `?to=`); forget them |
| `GET /outbox/{id}/html` | an e-mail as its reader sees it, without script or form |
| `GET /requests` | every request seen, accepted or not |
| `POST /script` · `DELETE` (`?seed=`) | add steps of misbehaviour; behave again |

Loopback only and for development: whoever can reach it can read and forge everything in it.
"""

from __future__ import annotations

from dataclasses import asdict

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from delivery.outbox.record import Outbox
from delivery.outbox.script import Script, Step
from delivery.outbox.vendors import Vendors

PAGE = 200
STEPS = TypeAdapter(list[Step])
SANDBOX = "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:"


def create_app(outbox: Outbox, script: Script) -> Starlette:
    """Assemble the app over an outbox and a script, which the caller may read and write directly."""

    class Listing(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            wanted = {name: value for name, value in request.query_params.items() if name in ("channel", "to")}
            found = [
                entry.as_json()
                for entry in reversed(outbox.entries)
                if all(getattr(entry, name) == value for name, value in wanted.items())
            ]
            return JSONResponse({"items": found[:PAGE], "total": len(found)})

        async def delete(self, request: Request) -> Response:
            outbox.clear()
            return Response(status_code=204)

    class Behaviour(HTTPEndpoint):
        async def post(self, request: Request) -> Response:
            try:
                steps = STEPS.validate_json(await request.body())
            except ValidationError as error:
                return JSONResponse({"errors": error.errors(include_url=False, include_context=False)}, 422)
            script.add(*steps)
            return Response(status_code=204)

        async def delete(self, request: Request) -> Response:
            script.reset(int(request.query_params.get("seed", "0")))
            return Response(status_code=204)

    async def html(request: Request) -> Response:
        entry = outbox.find(lambda entry: entry.id == request.path_params["id"])
        if entry is None or entry.html is None:
            return Response(status_code=404)
        return HTMLResponse(entry.html, headers={"Content-Security-Policy": SANDBOX})

    async def requests(request: Request) -> Response:
        return JSONResponse({"items": [asdict(seen) for seen in outbox.seen]})

    return Starlette(
        routes=[
            *Vendors(outbox, script).routes(),
            Route("/outbox", Listing),
            Route("/outbox/{id}/html", html),
            Route("/requests", requests),
            Route("/script", Behaviour),
        ],
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST", "DELETE"])],
    )
