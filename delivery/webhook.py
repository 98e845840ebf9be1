"""Webhooks to producers: an event becomes one signed POST, in the form of Standard Webhooks.

Every endpoint is a provider of its own, with its own health, so that one that is down holds up nobody else. Receivers
know an event by its id, which stays the same however often it is sent: an unclear outcome is repeated. Any 2xx is an
acceptance, whatever its body; 410 means never again; everything else, redirects included, may work later. What a
receiver answers is read only as far as an operator wants to see it. Rejected: the environment's proxy, behind which
nobody could tell where a name leads.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import time
from base64 import b64decode, b64encode
from datetime import datetime
from uuid import UUID

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from delivery.channel import Ambiguous, Message, Permanent, Receipt, Remedy, Transient
from delivery.config import DeliverySettings
from delivery.destination import Endpoint, check, is_public
from delivery.http import Answer, Http, NoAnswer, Unreachable, retry_after

LONGEST_PAUSE_SECONDS = 3600.0
ANSWER_BYTES = 2048
SECRET_PREFIX = "whsec_"  # noqa: S105 (what a secret looks like, not one)


class Webhooks:
    """Makes the edges to endpoints, over one pool of connections."""

    def __init__(self, settings: DeliverySettings) -> None:
        self._private = settings.webhook_private
        self._http = Http(
            total_seconds=settings.provider_timeout_seconds,
            connections=settings.job_deliveries * settings.worker_jobs,
            resolver=ThreadedResolver if self._private else PublicResolver,
            most_bytes=ANSWER_BYTES,
        )

    def to(self, endpoint: Endpoint) -> Webhook:
        """Make the edge to an endpoint."""
        return Webhook(self._http, endpoint, private=self._private)

    async def close(self) -> None:
        """Release connections."""
        await self._http.close()


class Webhook:
    """The edge to one endpoint."""

    remedy: Remedy = "repeat"

    def __init__(self, http: Http, endpoint: Endpoint, *, private: bool) -> None:
        self._http = http
        self._endpoint = endpoint
        self._private = private
        self.provider = provider_name(endpoint.id)

    async def send(self, message: Message) -> Receipt:
        """Send it once; raise a `SendError` unless the endpoint answered with a 2xx."""
        try:
            url = check(self._endpoint.url, private=self._private)
        except ValueError as error:  # the rule became stricter since
            raise Permanent(f"the address {error}", code="forbidden_address") from error
        body = message.text.encode()
        headers = signed(self._endpoint.secret, message.delivery_id, int(time.time()), body)
        try:
            answer = await self._http.exchange("POST", url, data=body, headers=headers)
        except Unreachable as error:
            raise Transient(str(error), code="unreachable") from error
        except NoAnswer as error:
            raise Ambiguous(str(error), remedy="repeat", code="no_answer") from error
        _judge(answer)
        return Receipt(self.provider, message.delivery_id, answer.status)

    async def find(self, message: Message, *, since: datetime, known: frozenset[str]) -> Receipt | None:
        """A producer cannot be asked; repeating under the same id is harmless."""
        raise NotImplementedError

    async def close(self) -> None:
        """Hold nothing of its own."""


def _judge(answer: Answer) -> None:
    if 200 <= answer.status < 300:
        return
    detail = answer.body.decode(errors="replace") or f"HTTP {answer.status}"
    if answer.status == 410:
        raise Permanent(detail, status=410, code="gone", address_is="gone")
    wait = retry_after(answer.headers)
    # It counts, however long it is: an endpoint that always says 429 must end.
    pause = None if wait is None else min(wait, LONGEST_PAUSE_SECONDS)
    raise Transient(detail, status=answer.status, retry_after_seconds=pause)


def provider_name(endpoint: UUID) -> str:
    """Name an endpoint among the providers."""
    return f"webhook:{endpoint.hex}"


def signed(secret: str, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a body: HMAC-SHA256 over id, time and body (Standard Webhooks 1.0)."""
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "User-Agent": "notification-hub",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }


class PublicResolver(AbstractResolver):
    """Resolves a name to its public addresses only; a name that has none does not exist."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up; raise `OSError`."""
        found = [one for one in await self._resolver.resolve(host, port, family) if is_public(one["host"])]
        if not found:
            raise OSError(None, f"{host} has no public address")
        return found

    async def close(self) -> None:
        """Release the resolver."""
        await self._resolver.close()
