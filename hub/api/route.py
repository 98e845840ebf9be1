"""A path of the API as a route: its operations by method, its segments as they were sent.

Starlette matches the decoded path, where the user `a/b`, sent as `a%2Fb`, has become two segments: an id with a slash
would be out of reach, or reach another operation than the one that was asked for. Here the path is matched raw and each
segment is decoded on its own. One route per path: two would answer 405 with the wrong `Allow`.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from hub.api.operation import Operation


class PathRoute(Route):
    """All operations of one path."""

    def __init__(self, path: str, operations: dict[str, Operation]) -> None:
        async def endpoint(request: Request) -> Response:
            return await operations["GET" if request.method == "HEAD" else request.method](request)

        super().__init__(path, endpoint, methods=list(operations))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the raw path, whatever the method: `handle` refuses a wrong one, no other path is tried (Starlette).

        Bytes that are no UTF-8 become surrogates, which no id may contain.
        """
        if scope["type"] != "http":
            return Match.NONE, {}
        raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        found = self.path_regex.match(raw.decode("latin-1"))
        if found is None:
            return Match.NONE, {}
        parameters = {name: unquote(text, errors="surrogateescape") for name, text in found.groupdict().items()}
        return Match.FULL, {"endpoint": self.endpoint, "path_params": parameters}


def path_routes(operations: Iterable[Operation]) -> list[PathRoute]:
    """Make one route per path; those without parameters come first, so that `read-all` is not taken for an id."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    return [PathRoute(path, methods) for path, methods in sorted(by_path.items(), key=lambda item: "{" in item[0])]
