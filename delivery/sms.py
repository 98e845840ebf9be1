"""SMS through Twilio: a message becomes one `POST Messages.json`, and never a second one by accident.

Twilio has no idempotency key, so a missing answer makes the delivery `unknown`: its status callback or `find` tells
whether the message exists. The SDK has no timeout of its own (its async client ignores the one it is given) and loses
an error's headers, for a list even its status; `_Wire` brings them. What happens is decided by HTTP status; Twilio's
codes only add side effects.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from datetime import datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import urlencode

from twilio.base.exceptions import TwilioException
from twilio.base.values import unset
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from delivery.channel import Ambiguous, Message, Permanent, Receipt, Remedy, Throttled, Transient, Unauthorized
from delivery.http import Http, NoAnswer, Unreachable, retry_after

OPTED_OUT = 21610
LONGEST_VALIDITY_SECONDS = 36_000
CLOCK_SKEW = timedelta(seconds=5)
"""Twilio's timestamps have whole seconds and its own clock."""


class Twilio:
    """The Twilio edge; exactly one of `sender` (a number) and `messaging_service_sid` says who speaks."""

    provider = "twilio"
    remedy: Remedy = "look_up"

    def __init__(
        self,
        http: Http,
        *,
        account_sid: str,
        auth_token: str,
        messaging_service_sid: str | None = None,
        base_url: str | None = None,
    ) -> None:
        self._http = http
        self._service = messaging_service_sid
        self._client = Client(account_sid, auth_token, http_client=_Wire(http))
        if base_url:
            self._client.api.base_url = base_url.rstrip("/")

    async def send(self, message: Message) -> Receipt:
        """Send it once; raise a `SendError` unless Twilio answered with a SID."""
        try:
            sent = await self._client.messages.create_async(
                to=message.address,
                body=message.text,
                from_=unset if self._service else message.sender,
                messaging_service_sid=self._service or unset,
                status_callback=message.callback_url or unset,
                validity_period=_validity(message.ttl_seconds),
            )
        except TwilioException as error:
            _raise(error)
        except (NoAnswer, ValueError) as error:  # ValueError: a 2xx that is not JSON
            raise Ambiguous(str(error), remedy="look_up", code="no_answer") from error
        if not sent.sid:
            raise Ambiguous("accepted without a SID", remedy="look_up", status=201)
        return Receipt(self.provider, sent.sid, 201)

    async def find(self, message: Message, *, since: datetime, known: frozenset[str]) -> Receipt | None:
        """Return the newest message to this number with this text, created since; raise a `SendError` on trouble."""
        try:
            found = await self._client.messages.list_async(to=message.address, page_size=100, limit=100)
        except TwilioException as error:
            _raise(error)
        except (NoAnswer, ValueError) as error:
            raise Transient(str(error), code="no_answer") from error
        for sent in found:
            recent = sent.date_created is not None and sent.date_created >= since - CLOCK_SKEW
            if recent and sent.body == message.text and sent.sid and sent.sid not in known:
                return Receipt(self.provider, sent.sid, 200)
        return None

    async def close(self) -> None:
        """Release connections."""
        await self._http.close()


class _Wire(AsyncHttpClient):  # type: ignore[misc]  # the SDK is untyped
    """What the SDK calls for HTTP; raises our errors where the SDK would lose what they carry."""

    def __init__(self, http: Http) -> None:
        super().__init__(logging.getLogger("twilio.http_client"), True)
        self._http = http

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        headers = dict(headers or {})
        if auth is not None:
            headers["Authorization"] = "Basic " + b64encode(":".join(auth).encode()).decode()
        body = urlencode(data, doseq=True) if data else None
        try:
            answer = await self._http.exchange(method, uri, params=params, data=body, headers=headers)
        except Unreachable as error:
            raise Transient(str(error), code="unreachable") from error
        kind = _class_of(answer.status)
        if kind is not None:
            detail = answer.body[:500].decode(errors="replace")
            raise kind(detail, status=answer.status, retry_after_seconds=retry_after(answer.headers))
        return Response(answer.status, answer.body.decode(errors="replace"), answer.headers)


def _class_of(status: int) -> type[Transient] | None:
    """Class the answers that say nothing about this message."""
    if status in (401, 403):
        return Unauthorized
    if status == 429:
        return Throttled
    return Transient if status >= 500 or status == 408 else None


def _raise(error: TwilioException) -> NoReturn:
    """Turn a refusal into ours; both of the SDK's exceptions carry status and code."""
    status, code = int(getattr(error, "status", 0)), getattr(error, "code", None)
    detail = str(error)
    name = None if code is None else str(code)
    if not 400 <= status < 500:
        raise Transient(detail, status=status, code=name) from error
    raise Permanent(
        detail, status=status, code=name, address_is="opted_out" if code == OPTED_OUT else "fine"
    ) from error


def _validity(ttl_seconds: int | None) -> Any:
    return unset if ttl_seconds is None else max(1, min(LONGEST_VALIDITY_SECONDS, ttl_seconds))
