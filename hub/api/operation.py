"""What an HTTP operation is, and the one path every request takes through it.

An operation is declared once, with its models; the same declaration authenticates, validates and documents it. In
order: credentials (401), their kind and scope (403), the rate (429), what the path names (404, 422), the query (422),
then media type, size, JSON and fields of the body (415, 413, 400, 422), then the handler. Rejected: a framework on top
of Starlette; this is all of it that is needed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError, create_model
from starlette.requests import Request
from starlette.responses import Response

from delivery.store.templates import Templates
from hub.auth import Principal
from hub.config import Settings
from hub.errors import FieldError, Forbidden, HubError, Invalid, Malformed, TooLarge, UnsupportedMediaType
from hub.gate import Gate
from hub.hub import Hub
from hub.identity import UserKey
from hub.metrics import Metrics
from hub.ratelimit import RateLimiter
from hub.store import Database
from hub.validation import field_errors, parse_json, pointer

ANYBODY: Final = "anybody"
USER: Final = "user"


@dataclass(frozen=True, slots=True)
class State:
    """What the lifespan opens, for every request."""

    settings: Settings
    hub: Hub
    gate: Gate
    metrics: Metrics
    publish_limit: RateLimiter
    user_limit: RateLimiter
    database: Database
    templates: Templates


@dataclass(slots=True)
class Call:
    """One request on its way through an operation: who asks, and what was validated."""

    request: Request
    state: State
    principal: Principal | None = None
    path: Any = None  # what it names
    body: Any = None
    raw: bytes = b""
    query: Any = None
    headers: dict[str, str] = field(default_factory=dict)  # of the response

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.state.hub

    @property
    def key(self) -> UserKey:
        """The user who asks."""
        assert self.principal is not None
        assert self.principal.user is not None
        return UserKey(self.principal.tenant, self.principal.user)

    @property
    def service(self) -> Principal:
        """The service that asks."""
        assert self.principal is not None
        assert self.principal.is_service
        return self.principal

    def answer(self, content: Any = None, status: int = 200, **headers: str) -> Response:
        """Build a JSON response; models are dumped, bytes are taken as they are."""
        body = b"" if content is None else content if isinstance(content, bytes) else _dumps(content)
        media_type = None if content is None else "application/json"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Response(body, status, self.headers | named, media_type)


def _dumps(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_UTC_Z, default=_dumped)


def _dumped(content: Any) -> Any:
    if isinstance(content, BaseModel):
        return content.model_dump(mode="json")
    raise TypeError


class NoQuery(BaseModel):
    """No parameters: a misspelt one would otherwise be ignored in silence."""

    model_config = {"extra": "forbid"}


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True)
class Operation:
    """One method on one path. `access` is `ANYBODY`, `USER` or the scope a service needs."""

    method: str
    path: str
    handler: Handler
    access: str
    tag: str
    name: str
    summary: str
    body: Any = None
    documented: Any = None  # what the document says instead of `body`
    query: type[BaseModel] = NoQuery
    parameters: type[BaseModel] | None = None  # of the path
    answers: dict[int, type[BaseModel] | None] = field(default_factory=dict)
    errors: Sequence[type[HubError]] = ()
    request_headers: dict[str, str] = field(default_factory=dict)
    answer_headers: dict[str, str] = field(default_factory=dict)
    media_types: Sequence[str] = ("application/json",)
    body_required: bool = True
    answer_media_type: str | None = None  # of answers without a model

    @cached_property
    def _reader(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.body)

    @cached_property
    def _defaults(self) -> BaseModel:
        """What a request without a query asks for: no parameter is required."""
        return self.query()

    async def __call__(self, request: Request) -> Response:
        """Take a request through: authenticate, validate, handle."""
        call = Call(request, request.scope["state"]["state"])
        await self._authenticate(call)
        if self.parameters is not None:
            call.path = _validated(self.parameters, request.path_params, "path")
        if request.scope["query_string"] and (self.access != ANYBODY or self.query is not NoQuery):
            call.query = read_query(self.query, request)
        else:
            call.query = self._defaults
        if self.body is not None:
            await self._read(call)
        return await self.handler(call)

    async def _authenticate(self, call: Call) -> None:
        if self.access == ANYBODY:
            return
        principal = call.principal = await call.state.gate.identify(call.request.headers)
        if self.access == USER:
            if not principal.is_user:
                raise Forbidden("this is for users, with a token; an API key has no inbox")
            limiter, subject = call.state.user_limit, f"{principal.tenant}:{principal.user}"
        else:
            if not principal.is_service:
                raise Forbidden("this is for services, with an API key")
            if self.access not in principal.scopes:
                raise Forbidden(f"this API key lacks the scope {self.access!r}")
            limiter, subject = call.state.publish_limit, str(principal.key_id)
        call.headers.update((await limiter.take(subject)).headers())

    async def _read(self, call: Call) -> None:
        request = call.request
        call.raw = await read_body(request, call.state.settings.max_body_bytes)
        if not call.raw and not self.body_required:
            call.raw = b"{}"
        elif request.headers.get("content-type", "").partition(";")[0].strip().lower() not in self.media_types:
            raise UnsupportedMediaType(f"send the body as {' or '.join(self.media_types)}")
        call.body = parse_json(self._reader, call.raw)


class Resource:
    """The operations of one resource, in the order in which they are declared; its types for what paths name."""

    def __init__(self, tag: str, **parameters: Any) -> None:
        self.tag = tag
        self.operations: list[Operation] = []
        self._parameters = parameters

    def operation(self, method: str, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        """Declare the function below as the handler of a method on a path."""

        def declare(handler: Handler) -> Handler:
            summary = (handler.__doc__ or "").strip().partition("\n")[0]
            name = f"{method.lower()}_{re.sub(r'[^a-z]+', '_', path.removeprefix('/v1')).strip('_')}"
            declared["parameters"] = self._named(path)
            operation = Operation(method, path, handler, tag=self.tag, name=name, summary=summary, **declared)
            self.operations.append(operation)
            return handler

        return declare

    def _named(self, path: str) -> type[BaseModel] | None:
        types: dict[str, Any] = {name: (self._parameters[name], ...) for name in re.findall(r"\{(\w+)\}", path)}
        return create_model("Parameters", **types) if types else None


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body of at most `limit` bytes, without ever holding more; raise `TooLarge`."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    body, more = b"", True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Malformed("the body ended early")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(limit)
    return body


def _too_large(limit: int) -> TooLarge:
    detail = f"the body is above the limit of {limit} bytes"
    return TooLarge(detail, errors=[FieldError("#", detail)])


def read_query(model: type[BaseModel], request: Request) -> BaseModel:
    """Validate the query; each parameter at most once."""
    pairs = request.query_params.multi_items()
    doubled = {name for name, _ in pairs if sum(other == name for other, _ in pairs) > 1}
    if doubled:
        problems = [FieldError(pointer(["query", name]), "is given more than once") for name in sorted(doubled)]
        raise Invalid(problems[0].detail, errors=problems)
    return _validated(model, dict(pairs), "query")


def _validated(model: type[BaseModel], given: Mapping[str, str], where: str) -> BaseModel:
    try:
        return model.model_validate(given)
    except ValidationError as invalid:
        found = [FieldError(f"#/{where}" + problem.pointer[1:], problem.detail) for problem in field_errors(invalid)]
        raise Invalid("; ".join(f"{p.pointer}: {p.detail}" for p in found[:3]), errors=found) from None
