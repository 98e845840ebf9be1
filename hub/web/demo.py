"""The demo page of a development node (`hub dev`, `/`): tokens for its three users, and a form that publishes.

Mounted only with HUB_DEMO, because whoever can open the page gets tokens and can publish. Every node serves it, and it
shows panes on all of them.
"""

from __future__ import annotations

import orjson
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from hub import auth
from hub.api.operation import State, read_body
from hub.config import Settings
from hub.identity import DEFAULT_TENANT
from hub.publication import Publish
from hub.store.publications import Publication
from hub.validation import parse_json
from hub.web import STATIC

USERS = ("alice", "bob", "carol")

CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src {sources}"
_PUBLISH: TypeAdapter[Publish] = TypeAdapter(Publish)


def routes(settings: Settings) -> list[BaseRoute]:
    """The page and what it asks for."""
    nodes = settings.demo_nodes or [settings.public_url]
    sources = " ".join(["'self'", *nodes, *(node.replace("http", "ws", 1) for node in nodes)])
    headers = {"Content-Security-Policy": CSP.format(sources=sources), "Referrer-Policy": "no-referrer"}

    async def page(request: Request) -> Response:
        return FileResponse(STATIC / "demo.html", headers=headers)

    async def session(request: Request) -> Response:
        tokens = {user: auth.sign(settings, user=user, ttl_seconds=3600) for user in USERS}
        return _json({"nodes": nodes, "tokens": tokens})

    async def publish(request: Request) -> Response:
        state: State = request.scope["state"]["state"]
        said = parse_json(_PUBLISH, await read_body(request, settings.max_body_bytes))
        publication = Publication(
            tenant=DEFAULT_TENANT,
            producer="demo",
            category=said.category,
            content=said.content(settings.max_payload_bytes),
            users=said.recipients(),
            tags=said.tags,
            collapse_key=said.collapse_key,
            expires_at=said.expires_at,
        )
        (outcome,) = await state.hub.publish([publication])
        return _json({"notifications": len(outcome.receipts)}, 201)

    return [
        Route("/", page),
        Route("/demo/session", session, methods=["POST"]),
        Route("/demo/publish", publish, methods=["POST"]),
    ]


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, {"Cache-Control": "no-store"}, "application/json")
