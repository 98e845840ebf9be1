"""Finding the operation that a request asks for, in one step, before the routes that serve everything else.

`Api` is ASGI middleware: a path of the API is answered here, any other goes on to the application; `exchange` finds its
path here too. Paths are matched raw and each segment is decoded on its own: decoded first, the user `a/b`, sent as
`a%2Fb`, would be two segments, out of reach or another operation than the one asked for. A path without parameters
costs a look-up, however many there are. Rejected: Starlette's router, which tries one route after the other and wraps
each answer twice more; the work of a publish is small enough for that to be a fifth of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.api import problem
from hub.api.operation import Operation
from hub.errors import HubError

PARAMETER = re.compile(r"\\\{(\w+)\\\}")


class Path:
    """All operations of one path."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.operations: dict[str, Operation] = {}
        self._pattern = re.compile(PARAMETER.sub(r"(?P<\1>[^/]+)", re.escape(path)))

    @property
    def methods(self) -> set[str]:
        """The methods it has; where there is GET there is HEAD."""
        return set(self.operations) | ({"HEAD"} if "GET" in self.operations else set())

    def match(self, raw: str) -> dict[str, str] | None:
        """Find the parameters, None if it is another path. Bytes that are no UTF-8 become surrogates, as no id has."""
        found = self._pattern.fullmatch(raw)
        if found is None:
            return None
        return {name: unquote(text, errors="surrogateescape") for name, text in found.groupdict().items()}

    async def answer(self, request: Request) -> Response:
        """Run the operation of the request's method; HEAD is GET whose body the server leaves out."""
        operation = self.operations.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            return problem.http_response(HTTPException(405, headers={"Allow": ", ".join(sorted(self.methods))}))
        try:
            return await operation(request)
        except HubError as error:
            return problem.response(error)


def paths(operations: Iterable[Operation]) -> list[Path]:
    """Sort operations by path."""
    found: dict[str, Path] = {}
    for operation in operations:
        found.setdefault(operation.path, Path(operation.path)).operations[operation.method] = operation
    return list(found.values())


class Paths:
    """All paths of the API, to find the one that is asked for."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._exact: dict[bytes, Path] = {}
        self._others: list[Path] = []
        for path in paths:
            if "{" in path.path:
                self._others.append(path)
            else:
                self._exact[path.path.encode()] = path

    def find(self, raw: bytes) -> tuple[Path, dict[str, str]] | None:
        """Find a path and its parameters by what a client sent, still encoded."""
        if (exact := self._exact.get(raw)) is not None:
            return exact, {}
        text = raw.decode("latin-1")
        for path in self._others:
            if (parameters := path.match(text)) is not None:
                return path, parameters
        return None


class Api:
    """Answers what asks for an operation; hands everything else on."""

    def __init__(self, app: ASGIApp, paths: Paths) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or hand it on (ASGI)."""
        found = None
        if scope["type"] == "http":
            found = self._paths.find(scope.get("raw_path") or quote(scope["path"]).encode())
        if found is None:
            await self._app(scope, receive, send)
        else:
            path, scope["path_params"] = found
            scope["route"] = path
            response = await path.answer(Request(scope, receive))
            await response(scope, receive, send)
