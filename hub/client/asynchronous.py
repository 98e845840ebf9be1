"""The asynchronous client: as the synchronous one, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Self

import httpx2

from hub.client import exchange
from hub.client.exchange import Ask, BatchResult, Published


class AsyncClient:
    """A service's connection to the hub; use it as an asynchronous context manager, or `aclose` it."""

    def __init__(self, url: str, *, api_key: str, timeout_seconds: float = 10) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        self._http = httpx2.AsyncClient(base_url=url, headers=headers, timeout=timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def publish(
        self, *, to: str | list[str], category: str, title: str, idempotency_key: str | None = None, **fields: Any
    ) -> Published:
        """Publish to one user or up to 1,000; further fields as in the API. Raises `HubProblem`."""
        ask = exchange.publish(idempotency_key, {"to": to, "category": category, "title": title, **fields})
        return exchange.read_published(await self._send(ask))

    async def publish_batch(
        self, items: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[BatchResult]:
        """Publish up to 500 in one commit; each item's result stands at its index."""
        return exchange.read_batch(await self._send(exchange.publish_batch(idempotency_key, items)))

    async def is_online(self, user: str) -> bool:
        """Tell whether a user has a connection open somewhere."""
        answer = await self._send(Ask("GET", f"/v1/users/{exchange.quoted(user)}/presence"))
        return bool(answer.json()["online"])

    async def disconnect(self, user: str) -> None:
        """Close a user's connections on every node."""
        await self._send(Ask("POST", f"/v1/users/{exchange.quoted(user)}/disconnect"))

    async def _send(self, ask: Ask) -> httpx2.Response:
        attempt = 0
        while True:
            attempt += 1
            answer, failure = None, None
            try:
                answer = await self._http.request(ask.method, ask.path, content=ask.content, headers=ask.headers)
            except httpx2.TransportError as error:
                failure = error
            if answer is not None and answer.is_success:
                return answer
            pause = exchange.pause_before(attempt, answer)
            if pause is None:
                raise failure or exchange.problem_of(answer)  # type: ignore[arg-type]
            await asyncio.sleep(pause)
