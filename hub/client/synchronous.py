"""The synchronous client."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Self

import httpx2

from hub.client import exchange
from hub.client.exchange import Ask, BatchResult, Published


class Client:
    """A service's connection to the hub; use it as a context manager, or `close` it."""

    def __init__(self, url: str, *, api_key: str, timeout_seconds: float = 10) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def publish(
        self, *, to: str | list[str], category: str, title: str, idempotency_key: str | None = None, **fields: Any
    ) -> Published:
        """Publish to one user or up to 1,000; further fields as in the API. Raises `HubProblem`."""
        ask = exchange.publish(idempotency_key, {"to": to, "category": category, "title": title, **fields})
        return exchange.read_published(self._send(ask))

    def publish_batch(
        self, items: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[BatchResult]:
        """Publish up to 500 in one commit; each item's result stands at its index."""
        return exchange.read_batch(self._send(exchange.publish_batch(idempotency_key, items)))

    def is_online(self, user: str) -> bool:
        """Tell whether a user has a connection open somewhere."""
        path = f"/v1/users/{exchange.quoted(user)}/presence"
        return bool(self._send(Ask("GET", path)).json()["online"])

    def disconnect(self, user: str) -> None:
        """Close a user's connections on every node."""
        self._send(Ask("POST", f"/v1/users/{exchange.quoted(user)}/disconnect"))

    def _send(self, ask: Ask) -> httpx2.Response:
        attempt = 0
        while True:
            attempt += 1
            answer, failure = None, None
            try:
                answer = self._http.request(ask.method, ask.path, content=ask.content, headers=ask.headers)
            except httpx2.TransportError as error:
                failure = error
            if answer is not None and answer.is_success:
                return answer
            pause = exchange.pause_before(attempt, answer)
            if pause is None:
                raise failure or exchange.problem_of(answer)  # type: ignore[arg-type]
            time.sleep(pause)
