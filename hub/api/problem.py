"""Errors as clients read them: application/problem+json (RFC 9457)."""

from __future__ import annotations

import math
import os
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hub.errors import HubError

TYPES = "https://notification-hub.dev/problems/"


class BadField(BaseModel):
    """One bad field."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """What went wrong. `instance` carries the request id; `errors` names each bad field by a JSON pointer."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[BadField] = []


def problem(error: HubError) -> dict[str, Any]:
    """Render an error as a `Problem`."""
    return {
        "type": TYPES + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": f"urn:request:{structlog.contextvars.get_contextvars().get('request_id', 'unknown')}",
        "errors": [field._asdict() for field in error.errors],
    }


def response(error: HubError) -> Response:
    """Answer a request with an error."""
    headers = {"Content-Type": "application/problem+json", **dict(error.headers)}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="hub"'
    return Response(orjson.dumps(problem(error)), error.status, headers)


def http_response(error: HTTPException) -> Response:
    """Answer with what the router found: no such path, or not with this method."""
    content = problem(HubError(error.detail)) | {
        "type": "about:blank",
        "title": error.detail,
        "status": error.status_code,
    }
    headers = {"Content-Type": "application/problem+json"} | dict(error.headers or {})
    return Response(orjson.dumps(content), error.status_code, headers)


def unread(status: int, detail: str) -> Response:
    """Answer what the server could not read as a request; the answer gives it its id."""
    request_id = "req_" + os.urandom(16).hex()
    title = HTTPStatus(status).phrase
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail, "errors": []}
    headers = {"Content-Type": "application/problem+json", "X-Request-ID": request_id, "Connection": "close"}
    return Response(orjson.dumps(content | {"instance": f"urn:request:{request_id}"}), status, headers)
