"""The demo page of a development node (`hub dev`, `/`): tokens for its three users, and what its buttons do.

Mounted only with HUB_DEMO, because whoever can open the page gets tokens, can publish and can kill nodes. Every node
serves it, so that the page survives what it does to them. Other sites cannot use it: a request is answered only under
the addresses of the nodes, and only to pages of these (which stops rebound names as well as forged requests).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from hub import auth
from hub.api import notifications
from hub.api.operation import Call, State, read_body
from hub.auth import Principal
from hub.config import Settings
from hub.errors import Forbidden
from hub.identity import DEFAULT_TENANT
from hub.publication import Publish
from hub.validation import parse_json
from hub.web import STATIC
from hub.web.stage import Stage

USERS = ("alice", "bob", "carol")
PRODUCER = Principal(DEFAULT_TENANT, None, frozenset({"publish"}), "demo", None, "demo")

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src {sources};"
    " frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MAIL_CSP = "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:"
_PUBLISH: TypeAdapter[Publish] = TypeAdapter(Publish)

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(settings: Settings) -> list[BaseRoute]:
    """The page and what it asks for."""
    nodes = settings.demo_nodes or [settings.public_url]
    stage = Stage(settings.demo_state)
    own = _own_pages(settings)

    async def page(request: Request) -> Response:
        return FileResponse(STATIC / "demo.html", headers=_headers(nodes))

    async def session(request: Request) -> Response:
        tokens = {user: auth.sign(settings, user=user, ttl_seconds=3600) for user in USERS}
        return _json({"nodes": nodes, "tokens": tokens, **stage.describe()})

    async def kill(request: Request) -> Response:
        return _json({"pid": stage.kill(request.path_params["number"])}, 202)

    async def outbox(request: Request) -> Response:
        return _json(await stage.outbox())

    async def mail(request: Request) -> Response:
        html = await stage.mail(request.path_params["id"])
        return Response(html, headers={"Content-Security-Policy": MAIL_CSP}, media_type="text/html")

    return [
        Route("/", page),
        Route("/demo/session", own(session), methods=["POST"]),
        Route("/demo/publish", own(publish), methods=["POST"]),
        Route("/demo/nodes/{number:int}/kill", own(kill), methods=["POST"]),
        Route("/demo/outbox", own(outbox)),
        Route("/demo/outbox/{id}", own(mail)),
    ]


async def publish(request: Request) -> Response:
    """Publish as `POST /v1/notifications` does, Idempotency-Key included, for a page that has no API key."""
    state: State = request.scope["state"]["state"]
    said = await read_body(request, state.settings.max_body_bytes)
    key = notifications.idempotency_key(request.headers.get("idempotency-key"))
    call = Call(request, state, PRODUCER)
    accepted = notifications.accept(call, parse_json(_PUBLISH, said), producer="demo", key=key, said=said)
    (outcome,) = await state.hub.publish([accepted])
    return _json(notifications.answer_of(outcome), 201)


def _own_pages(settings: Settings) -> Callable[[Endpoint], Endpoint]:
    """Make the guard that refuses what was not asked by a page of these nodes, under their addresses."""
    origins = {settings.public_url, *settings.demo_nodes, *settings.allowed_origins}

    def guard(endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            address = f"{request.url.scheme}://{request.headers.get('host')}"
            if not {address, request.headers.get("origin", address)} <= origins:
                raise Forbidden("the demo answers pages of its own nodes only")
            return await endpoint(request)

        return guarded

    return guard


def _headers(nodes: list[str]) -> dict[str, str]:
    sources = " ".join(["'self'", *nodes, *(node.replace("http", "ws", 1) for node in nodes)])
    return {"Content-Security-Policy": CSP.format(sources=sources), "Referrer-Policy": "no-referrer"}


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, {"Cache-Control": "no-store"}, "application/json")
