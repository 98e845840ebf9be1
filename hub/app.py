"""The application: routes, error handlers, and the lifespan that opens everything in order. The only assembler."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from delivery.store.templates import Templates
from hub import sse, websocket
from hub.api import (
    categories,
    deliveries,
    devices,
    documentation,
    endpoints,
    events,
    explanations,
    health,
    inbox,
    notifications,
    preferences,
    problem,
    templates,
    tickets,
    unsubscribe,
    users,
    webhooks,
)
from hub.api.operation import Operation, State
from hub.api.route import Api, Paths, paths
from hub.config import Settings
from hub.errors import HubError
from hub.gate import Gate
from hub.hub import Hub
from hub.metrics import Metrics
from hub.middleware import EXPOSED, Cors, RequestContext
from hub.protocol import WEBSOCKET_VERSION
from hub.ratelimit import RateLimiter
from hub.store import ApiKeys, Database
from hub.web import CLIENT, STATIC

UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": WEBSOCKET_VERSION}
RESOURCES = (
    notifications,
    deliveries,
    explanations,
    events,
    inbox,
    users,
    devices,
    categories,
    preferences,
    tickets,
    webhooks,
    endpoints,
    unsubscribe,
    templates,
    health,
)

log = logging.getLogger("hub")


def create_app(settings: Settings) -> Starlette:
    """Build the application of one node; nothing is opened before its lifespan."""
    api = Paths(paths(operations()))
    app = Starlette(
        routes=routes(settings),
        middleware=[Middleware(RequestContext), _cors(settings), Middleware(Api, api)],
        exception_handlers={HubError: _hub_error, HTTPException: _http_error},
        lifespan=_lifespan(settings, api),
    )
    app.router.redirect_slashes = False
    return app


def operations() -> list[Operation]:
    """List every operation of the API."""
    return [operation for module in RESOURCES for operation in module.resource.operations]


def routes(settings: Settings) -> list[BaseRoute]:
    """Mount what is no operation."""
    mounted: list[BaseRoute] = [
        Route("/v1/stream", sse.endpoint),
        WebSocketRoute("/v1/ws", websocket.endpoint),
        Route("/v1/ws", _upgrade),
        *documentation.routes(operations()),
        Mount("/client", StaticFiles(directory=CLIENT)),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    if settings.demo:
        from hub.web import demo

        mounted += demo.routes(settings)
    return mounted


def _cors(settings: Settings) -> Middleware:
    return Middleware(
        Cors,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "If-None-Match",
            "Idempotency-Key",
            "Last-Event-ID",
            "X-Request-ID",
        ],
        expose_headers=EXPOSED,
        max_age=600,
    )


def _lifespan(settings: Settings, api: Paths) -> Callable[[Starlette], Any]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            database = await Database(settings, standing=True).open()
            stack.push_async_callback(database.close)
            redis = Redis.from_url(
                settings.redis_url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 1)
            )
            stack.push_async_callback(redis.aclose)
            gate = Gate(settings, ApiKeys(database), redis)
            stack.push_async_callback(gate.aclose)
            metrics = Metrics()
            hub = Hub(settings, database, redis, metrics)
            hub.open()
            stack.push_async_callback(hub.close)
            limits = RateLimiter(settings.rate_limit_publish, "publish"), RateLimiter(settings.rate_limit_user, "user")
            yield {"state": State(settings, hub, gate, metrics, *limits, database, Templates(database)), "api": api}

    return lifespan


async def _hub_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)
    return problem.response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem.http_response(error)


async def _upgrade(request: Request) -> Response:
    raise HTTPException(426, headers=UPGRADE)
