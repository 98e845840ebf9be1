"""What stands behind the demo page: the processes of `hub dev` and the outbox of its recording providers.

Everything is read from dev.json anew for each request, because a killed node comes back under another pid. Without a
dev.json (HUB_DEMO on a node started by hand) there is nothing to kill and no outbox, and the page hides both. The
browser does not ask the outbox itself, so that the page's CSP names nodes only.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx2
import orjson

from hub.errors import NotFound, Unavailable

TIMEOUT_SECONDS = 3.0
ANSWER_SECONDS = 0.05
"""By when the answer is out: the node may be killing itself."""
SHOWN = 30
FIELDS = ("id", "provider", "channel", "to", "title", "text", "accepted_at")


class Stage:
    """The running system, as far as the page may see and disturb it."""

    def __init__(self, state: str | None) -> None:
        """`state` is the path of dev.json."""
        self._state = Path(state) if state else None

    def describe(self) -> dict[str, Any]:
        """Tell what there is to look at and to kill."""
        known = self._read()
        pids = {name: pid for name, pid in known.get("pids", {}).items() if name.startswith("node-")}
        return {"pids": pids, "dashboard": known.get("dashboard"), "outbox": known.get("outbox") is not None}

    def kill(self, number: int) -> int:
        """Kill a node without warning, after the answer; return its pid. Who started it starts it again."""
        pid: int | None = self._read().get("pids", {}).get(f"node-{number}")
        if pid is None:
            raise NotFound(f"there is no node {number} to kill")
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            raise Unavailable(f"node {number} is down already") from None
        asyncio.get_running_loop().call_later(ANSWER_SECONDS, _kill, pid)
        return pid

    async def outbox(self) -> dict[str, Any]:
        """List the newest messages that providers have accepted, without what their vendors were sent."""
        listing = orjson.loads(await self._get("/outbox"))
        shown = [
            {name: item[name] for name in FIELDS} | {"html": item["html"] is not None}
            for item in listing["items"][:SHOWN]
        ]
        return {"items": shown, "total": listing["total"]}

    async def mail(self, id: str) -> bytes:
        """Return an e-mail as its reader sees it."""
        return await self._get(f"/outbox/{id}/html")

    async def _get(self, path: str) -> bytes:
        address = self._read().get("outbox")
        if address is None:
            raise NotFound("there is no outbox")
        try:
            # Loopback without TLS: reading the machine's certificates for it would take longer than the request.
            async with httpx2.AsyncClient(base_url=address, timeout=TIMEOUT_SECONDS, verify=False) as client:
                answer = await client.get(path)
        except httpx2.TransportError:
            raise Unavailable("the outbox does not answer") from None
        if answer.status_code != httpx2.codes.OK:
            raise NotFound("there is no such message")
        return answer.content

    def _read(self) -> dict[str, Any]:
        try:
            known: dict[str, Any] = orjson.loads(self._state.read_bytes()) if self._state else {}
        except FileNotFoundError:  # the system is starting or stopping
            return {}
        return known


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
