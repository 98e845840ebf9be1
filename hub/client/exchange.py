"""What is asked, what is answered, when to ask again: the part that both clients share. Pure but for random numbers.

Waiting follows "full jitter" (M. Brooker, Exponential Backoff And Jitter): `uniform(0, min(cap, base · 2ⁿ))`, never
less than a `Retry-After`.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx2

ATTEMPTS: Final = 6
BASE_SECONDS: Final = 0.2
CAP_SECONDS: Final = 20.0
MAX_BATCH: Final = 500
# Nothing was accepted, or what was is remembered by the idempotency key: asking again is safe.
REPEATABLE: Final = frozenset({409, 429, 502, 503, 504})


class HubProblem(Exception):
    """The hub refused (RFC 9457); `errors` are (pointer, detail) of each bad field, `code` is stable."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(document.get("type", "about:blank")).rpartition("/")[2]
        self.title = str(document.get("title", ""))
        self.detail = str(document.get("detail", ""))
        self.errors = [(str(e["pointer"]), str(e["detail"])) for e in document.get("errors", ())]
        super().__init__(f"{status} {self.title}: {self.detail}")


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where one recipient's notification went."""

    user_id: str
    id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Published:
    """An accepted publish; `replayed` if the hub had answered it before."""

    id: str
    status: str
    notifications: Sequence[Recipient]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one item of a batch: its publication's id, or the problem."""

    index: int
    id: str | None
    problem: HubProblem | None


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, to be sent as often as it takes."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes | None:
        """The body's bytes, the same at every attempt: the idempotency key stands for exactly these."""
        return None if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()


def publish(idempotency_key: str | None, fields: Mapping[str, Any]) -> Ask:
    """Ask to publish one notification."""
    return Ask("POST", "/v1/notifications", fields, _keyed(idempotency_key))


def publish_batch(idempotency_key: str | None, items: Iterable[Mapping[str, Any]]) -> Ask:
    """Ask to publish up to 500; raise `ValueError` for more."""
    listed = list(items)
    if not 1 <= len(listed) <= MAX_BATCH:
        raise ValueError(f"a batch has 1 to {MAX_BATCH} items, not {len(listed)}")
    return Ask("POST", "/v1/notifications/batch", {"items": listed}, _keyed(idempotency_key))


def quoted(user: str) -> str:
    """Encode a user id for a path."""
    return quote(user, safe="")


def _keyed(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid.uuid4().hex, "Content-Type": "application/json"}


def read_published(answer: httpx2.Response) -> Published:
    """Read the answer to `publish`."""
    said = answer.json()
    recipients = [Recipient(**recipient) for recipient in said["notifications"]]
    return Published(said["id"], said["status"], recipients, answer.headers.get("idempotent-replayed") == "true")


def read_batch(answer: httpx2.Response) -> list[BatchResult]:
    """Read the answer to `publish_batch`, in the order of the items."""
    return [
        BatchResult(
            result["index"],
            result.get("id"),
            HubProblem(result["status"], result["problem"]) if result.get("problem") else None,
        )
        for result in answer.json()["results"]
    ]


def problem_of(answer: httpx2.Response) -> HubProblem:
    """Read an error; what is no problem document came from something between us and the hub."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {"title": answer.reason_phrase, "detail": answer.text[:200]}
    return HubProblem(answer.status_code, document)


def pause_before(attempt: int, answer: httpx2.Response | None) -> float | None:
    """Say how many seconds to wait before attempt number `attempt` (from 1); None: give up."""
    if attempt >= ATTEMPTS or (answer is not None and answer.status_code not in REPEATABLE):
        return None
    wanted = answer.headers.get("retry-after", "") if answer is not None else ""
    return max(float(wanted) if wanted.isdigit() else 0.0, backoff(attempt))


def backoff(attempt: int) -> float:
    """Draw a pause in seconds."""
    return random.uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2.0**attempt))  # noqa: S311 (jitter)
