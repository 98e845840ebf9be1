"""E-mail through Resend: a message becomes one `POST /emails` with an idempotency key.

The SDK keeps its account in module globals, so a process has one Resend account. It wraps whatever its HTTP client
raises as an answered 500: only `__context__` tells a lost answer from a refusal. A 2xx or 3xx without a JSON object
confuses it (an answered 500, or a bare `NoContentError`), although the e-mail may be on its way; `_Wire` therefore
calls it a missing answer. An ambiguous send is repeated with the same key and the same stored body, which Resend
answers with the first one's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

import orjson
import resend
from resend.exceptions import ResendError
from resend.http_client_async import AsyncHTTPClient

from delivery.channel import Ambiguous, Message, Permanent, Receipt, Remedy, Throttled, Transient, Unauthorized
from delivery.http import Http, NoAnswer, Unreachable, retry_after

QUOTA_SECONDS = 3600.0
BAD_KEY = {"missing_api_key", "invalid_api_key", "restricted_api_key", "suspended_api_key"}


class Resend:
    """The Resend edge; `base_url` points it at a local server."""

    provider = "resend"
    remedy: Remedy = "repeat"

    def __init__(self, http: Http, *, api_key: str, base_url: str | None = None) -> None:
        self._http = http
        resend.api_key = api_key
        resend.api_url = (base_url or "https://api.resend.com").rstrip("/")
        resend.default_async_http_client = _Wire(http)

    async def send(self, message: Message) -> Receipt:
        """Send it once; raise a `SendError` unless Resend answered with an id."""
        try:
            answer = await resend.Emails.send_async(_params(message), {"idempotency_key": message.key})
        except ResendError as error:
            _raise(error)
        if not answer.get("id"):
            raise Ambiguous("accepted without an id", remedy="repeat", status=200)
        return Receipt(self.provider, answer["id"], 200)

    async def find(self, message: Message, *, since: datetime, known: frozenset[str]) -> Receipt | None:
        """Resend has no look-up by our key; repeating with the key is the look-up."""
        raise NotImplementedError

    async def close(self) -> None:
        """Release connections."""
        await self._http.close()


class _Wire(AsyncHTTPClient):
    """What the SDK calls for HTTP."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: Any = None,
        files: Any = None,
        data: Any = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        assert files is None, "expected no upload"
        body = None if json is None else orjson.dumps(json)
        headers = {**headers, "Content-Type": "application/json"}
        answer = await self._http.exchange(method, url, headers=headers, data=body)
        if answer.status < 400 and not (answer.status < 300 and _is_object(answer.body)):
            raise NoAnswer(f"HTTP {answer.status} instead of an id")
        return answer.body, answer.status, answer.headers


def _params(message: Message) -> Any:
    params: dict[str, Any] = {
        "from": message.sender,
        "to": [message.address],
        "subject": message.title,
        "text": message.text,
        # Their callbacks carry the tags back, so that one that overtakes our own record still finds its delivery.
        "tags": [{"name": "delivery_id", "value": message.delivery_id}],
    }
    if message.html is not None:
        params["html"] = message.html
    if message.headers:
        params["headers"] = dict(message.headers)
    return params


def _raise(error: ResendError) -> NoReturn:
    """Turn the SDK's one error into ours, by status first and name second."""
    cause = error.__context__
    if isinstance(cause, Unreachable):
        raise Transient(str(cause), code="unreachable") from error
    if isinstance(cause, NoAnswer):
        raise Ambiguous(str(cause), remedy="repeat", code="no_answer") from error
    if error.error_type == "HttpClientError":
        raise Ambiguous(error.message, remedy="repeat", code="no_answer") from error
    status, name = int(error.code), error.error_type
    detail = f"{name}: {error.message}"
    if status == 429:
        least = QUOTA_SECONDS if "quota" in name else None
        wait = max(filter(None, (retry_after(error.headers), least)), default=None)
        raise Throttled(detail, status=status, code=name, retry_after_seconds=wait) from error
    if status == 401 or (status == 403 and name in BAD_KEY):
        raise Unauthorized(detail, status=status, code=name) from error
    if status == 409:
        _raise_conflict(error, name=name, detail=detail)
    if status >= 500 or status == 408:
        raise Transient(detail, status=status, retry_after_seconds=retry_after(error.headers)) from error
    raise Permanent(detail, status=status, code=name) from error


def _raise_conflict(error: ResendError, *, name: str, detail: str) -> NoReturn:
    """Tell our own request still running under the key from a key that was used for another body."""
    if "concurrent" in name:
        raise Transient(detail, status=409, code=name) from error
    raise Ambiguous(detail, remedy="give_up", status=409, code=name, alarm=True) from error


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(orjson.loads(body), dict)
    except ValueError:
        return False
