"""/openapi.json and /docs, generated from the operations the routes run: what is promised is what is checked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub import __version__
from hub.api.operation import ANYBODY, USER, Operation
from hub.api.problem import Problem
from hub.api.promises import ALWAYS, REF, answer, problem, problems
from hub.api.told import EventTold, webhooks
from hub.errors import (
    Forbidden,
    HubError,
    Invalid,
    Malformed,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)

STREAM_PROBLEMS = problems([Unauthorized, Forbidden, Malformed, Invalid, Unavailable])
SNAPSHOT = {
    "name": "snapshot",
    "in": "query",
    "schema": {"type": "integer", "minimum": 0, "maximum": 100},
    "description": "how many of the newest notifications `hello` brings; none by default",
}
STREAMS: dict[str, Any] = {
    "/v1/stream": {
        "operationId": "stream_events",
        "tags": ["Live"],
        "summary": "Follow the inbox as server-sent events (protocol hub.v1).",
        "security": [{"token": []}, {"ticket": []}],
        "parameters": [
            {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}, "description": "cursor"},
            {"name": "last_event_id", "in": "query", "schema": {"type": "string"}, "description": "cursor"},
            SNAPSHOT,
        ],
        "responses": {
            "200": {
                "description": "The stream",
                "headers": ALWAYS,
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            **STREAM_PROBLEMS,
        },
    },
    "/v1/ws": {
        "operationId": "stream_frames",
        "tags": ["Live"],
        "summary": "Follow and change the inbox over WebSocket (subprotocol hub.v1).",
        "security": [{"token": []}, {"ticket": []}, {}],
        "parameters": [
            {"name": "resume", "in": "query", "schema": {"type": "string"}, "description": "cursor"},
            SNAPSHOT,
        ],
        "responses": {
            "101": {"description": "The connection is a WebSocket"},
            "426": problem("The request does not ask for a WebSocket, or for another version of it", 426),
            **STREAM_PROBLEMS,
        },
    },
}
SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "an API key, `hub_…`"},
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "a user's token"},
    "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "single use, from /v1/tickets"},
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Build the OpenAPI 3.1 document."""
    schemas = _Schemas(operations)
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    paths |= {path: {"get": stream} for path, stream in STREAMS.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Notification hub",
            "version": __version__,
            "summary": "Publish notifications, and keep every inbox exact and live.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "webhooks": webhooks(schemas.ref(EventTold, "serialization")),
        "components": {"schemas": schemas.components, "securitySchemes": SECURITY},
    }


class _Schemas:
    """The JSON schemas of every model that is mentioned, each once."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        models: dict[tuple[type[BaseModel], Any], None] = {
            (Problem, "serialization"): None,
            (EventTold, "serialization"): None,
        }
        for operation in operations:
            if (body := operation.documented or operation.body) is not None:
                models[body, "validation"] = None
            for model in operation.answers.values():
                if model is not None:
                    models[model, "serialization"] = None
        self._refs, schema = models_json_schema(list(models), ref_template=REF)
        self.components = schema["$defs"]

    def ref(self, model: type[BaseModel], mode: Any) -> dict[str, Any]:
        return self._refs[model, mode]


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": {str(status): _answer(operation, model, schemas) for status, model in operation.answers.items()}
        | problems(_errors_of(operation)),
    }
    if operation.access != ANYBODY:
        described["security"] = [{"token": []}] if operation.access == USER else [{"key": []}]
    if (body := operation.documented or operation.body) is not None:
        content = {media_type: {"schema": schemas.ref(body, "validation")} for media_type in operation.media_types}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    named = {} if operation.parameters is None else operation.parameters.model_json_schema()["properties"]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": schema} for name, schema in named.items()
    ]
    parameters += [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": description}
        for name, description in operation.request_headers.items()
    ]
    query = operation.query.model_json_schema()
    required = query.get("required", [])
    parameters += [
        {"name": name, "in": "query", "required": name in required, "schema": _present(schema)}
        for name, schema in query.get("properties", {}).items()
    ]
    return parameters


def _present(schema: dict[str, Any]) -> dict[str, Any]:
    """Describe what a parameter is when it is there: absent is the only way a query has to say null."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _answer(operation: Operation, model: type[BaseModel] | None, schemas: _Schemas) -> dict[str, Any]:
    limited, headers = operation.access != ANYBODY, operation.answer_headers
    if model is not None:
        description = (model.__doc__ or "").partition("\n")[0]
        return answer(description, schemas.ref(model, "serialization"), headers, limited=limited)
    described = answer("No content", None, headers, limited=limited)
    if operation.answer_media_type is not None:
        described |= {"description": "Text", "content": {operation.answer_media_type: {"schema": {"type": "string"}}}}
    return described


def _errors_of(operation: Operation) -> list[type[HubError]]:
    errors = list(operation.errors)
    if operation.access != ANYBODY:
        errors += [Unauthorized, Forbidden, RateLimited, Invalid, Unavailable]
    if operation.body is not None:
        errors += [Malformed, Invalid, TooLarge, UnsupportedMediaType]
    return errors


def routes(operations: Sequence[Operation]) -> list[BaseRoute]:
    """Serve the document, and a page that reads it; the page loads nothing from elsewhere."""
    page = (files("hub.web") / "docs.html").read_bytes()

    @cache
    def described() -> bytes:
        return orjson.dumps(document(operations), option=orjson.OPT_INDENT_2)

    async def openapi(request: Request) -> Response:
        return Response(described(), media_type="application/json")

    async def docs(request: Request) -> Response:
        return Response(page, media_type="text/html; charset=utf-8")

    return [Route("/openapi.json", openapi), Route("/docs", docs)]
