"""Scenario: the same requests on more and more stored notifications. A tenth of them are one user's, who asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import orjson

from bench import crowd
from bench.crowd import Caller, Client
from bench.filling import fill
from bench.generator import Generator, Running

ASKED = 200
EACH = 1000
PAGES = 19
MISSED = 300
PUBLISH = '{"to":"u0","category":"bench","title":"t"}'


def stored(notifications: int, _generator: Generator, running: Running) -> dict[str, float]:
    """List, count, resume and publish with so many notifications stored; medians in milliseconds."""
    assert running.tokens is not None
    own = notifications // 10
    fill(running.database_url, users=1, each=own)
    fill(running.database_url, users=(notifications - own) // EACH, each=EACH, first=1)
    token = crowd.read_tokens(running.tokens(1))[0]
    url = running.publish[0].partition("/v1")[0]
    user, service = Caller(url, f"Authorization: Bearer {token}"), Caller(url, *running.publish_headers)
    deep = _deep_cursor(user)
    return {
        "list": _median(lambda: user.ask("/v1/inbox?limit=50")),
        "list, 20th page": _median(lambda: user.ask(f"/v1/inbox?limit=50&cursor={deep}")),
        "counts": _median(lambda: user.ask("/v1/inbox/counts")),
        "resume 300": _median(lambda: _resume(running.listen[0], Client(token, f"bench:{own - MISSED}"))),
        "publish": _median(lambda: service.ask("/v1/notifications", PUBLISH)),
    }


def _deep_cursor(user: Caller) -> str:
    _, body = user.ask("/v1/inbox?limit=50")
    for _ in range(PAGES - 1):
        _, body = user.ask(f"/v1/inbox?limit=50&cursor={orjson.loads(body)['next_cursor']}")
    return str(orjson.loads(body)["next_cursor"])


def _resume(url: str, client: Client) -> None:
    crowd.hang_up(crowd.connect(url, [client], b'"t":"resumed"'))


def _median(act: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ASKED):
        begun = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - begun)
    return 1000 * median(seconds)
