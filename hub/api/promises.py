"""What the OpenAPI document promises of answers: every status once, with its headers and its body.

Called by documentation.py. The headers are those that operation.py, middleware.py and problem.py put on answers; the
tests hold every answer they get against this, so neither side can change alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.errors import HubError

REF = "#/components/schemas/{model}"
PROBLEM = {"application/problem+json": {"schema": {"$ref": REF.format(model="Problem")}}}


def _header(description: str, *, type: str = "string", required: bool = True) -> dict[str, Any]:
    return {"schema": {"type": type}, "required": required, "description": description}


ALWAYS = {"X-Request-ID": _header("names this request in the logs; one that is sent is kept")}
RATE = {
    "RateLimit": _header("what is left of the limit (draft-ietf-httpapi-ratelimit-headers)"),
    "RateLimit-Policy": _header("the limit"),
}
PROBLEM_HEADERS = {
    401: {"WWW-Authenticate": _header("how to authenticate")},
    409: {"Retry-After": _header("seconds after which what is in flight may be over", type="integer", required=False)},
    426: {
        "Upgrade": _header("the protocol to change to"),
        "Sec-WebSocket-Version": _header("the version of it that is known here"),
    },
    429: {**RATE, "Retry-After": _header("seconds until there is room again", type="integer")},
    503: {"Retry-After": _header("seconds after which to try again", type="integer", required=False)},
}


def answer(
    description: str, schema: dict[str, Any] | None, headers: Mapping[str, str], *, limited: bool
) -> dict[str, Any]:
    """Describe an answer to a good request; its own headers may be absent, the limit's are there if it is `limited`."""
    own = {name: _header(text, required=False) for name, text in headers.items()}
    described: dict[str, Any] = {"description": description, "headers": ALWAYS | (RATE if limited else {}) | own}
    if schema is not None:
        described["content"] = {"application/json": {"schema": schema}}
    return described


def problems(errors: Sequence[type[HubError]]) -> dict[str, Any]:
    """Describe each status of some errors once, naming every problem that has it."""
    titles: dict[int, list[str]] = {}
    for error in dict.fromkeys(errors):
        titles.setdefault(error.status, []).append(error.title)
    return {str(status): problem(" · ".join(names), status) for status, names in sorted(titles.items())}


def problem(description: str, status: int) -> dict[str, Any]:
    """Describe the answer of a status that is a problem."""
    return {"description": description, "headers": ALWAYS | PROBLEM_HEADERS.get(status, {}), "content": PROBLEM}
