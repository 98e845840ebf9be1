"""Push through Firebase Cloud Messaging: one message per device, repeated only under its collapse id.

Left alone the SDK repeats a POST by itself (twice on a timeout, five times on a 500), so adapters without retries are
mounted over its own. It parses error bodies trustingly; whatever it trips over counts as a missing answer. Sends run
in threads, because the SDK's async client cannot be kept from repeating. Its private service object is the only seam
for the address of a local server; `_service` is the one place that touches it.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any, NoReturn
from uuid import uuid4

import firebase_admin
import requests
from firebase_admin import credentials, messaging
from firebase_admin.exceptions import FirebaseError, InvalidArgumentError, PermissionDeniedError, UnauthenticatedError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError, InvalidOperation, RefreshError
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from delivery.channel import Ambiguous, Message, Permanent, Receipt, Remedy, Throttled, Transient, Unauthorized
from delivery.http import retry_after
from delivery.push_message import compose
from delivery.threads import THREADS, Threads

QUOTA_SECONDS = 60.0
LOCAL_PROJECT = "local"


class Fcm:
    """The FCM edge; `firebase_credentials` is a path or JSON, and not needed with a `base_url`."""

    provider = "fcm"
    remedy: Remedy = "repeat"

    def __init__(
        self,
        *,
        firebase_credentials: str | None = None,
        base_url: str | None = None,
        timeout_seconds: float,
        connect_seconds: float = 5.0,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._threads = Threads("fcm")
        self._app = firebase_admin.initialize_app(
            _credential(firebase_credentials),
            {"httpTimeout": (connect_seconds, timeout_seconds)} | ({} if firebase_credentials else _LOCAL),
            name=f"delivery-{uuid4()}",
        )
        _service(self._app, base_url)

    async def send(self, message: Message) -> Receipt:
        """Send it once; raise a `SendError` unless FCM answered with a name."""
        composed = compose(message)
        try:
            name = await self._threads.run(
                messaging.send, composed, False, self._app, timeout_seconds=self._timeout_seconds
            )
        except FirebaseError as error:
            _raise(error)
        except GoogleAuthError as error:
            _raise_for_token(error)
        except (TimeoutError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise Ambiguous(f"{type(error).__name__}: {error}", remedy="repeat", code="no_answer") from error
        return Receipt(self.provider, name, 200)

    async def find(self, message: Message, *, since: datetime, known: frozenset[str]) -> Receipt | None:
        """FCM cannot be asked; repeating under the collapse id is harmless."""
        raise NotImplementedError

    async def close(self) -> None:
        """Release threads and connections."""
        self._threads.close()
        # The SDK closes its async client with asyncio.run, which needs a thread without a loop.
        await asyncio.to_thread(firebase_admin.delete_app, self._app)


_LOCAL = {"projectId": LOCAL_PROJECT}


def _credential(text: str | None) -> Any:
    if text is None:
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    return credentials.Certificate(json.loads(text) if text.lstrip().startswith("{") else text)


def _service(app: Any, base_url: str | None) -> None:
    """Take the repetitions out of the SDK's session and point it at a local server."""
    service = messaging._get_messaging_service(app)
    once = HTTPAdapter(max_retries=0, pool_maxsize=THREADS)
    for prefix in ("http://", "https://", "https://fcm.googleapis.com"):  # the SDK mounts its own on the longest
        service._client.session.mount(prefix, once)
    if base_url:
        service._fcm_url = f"{base_url.rstrip('/')}/v1/projects/{app.project_id}/messages:send"


def _raise(error: FirebaseError) -> NoReturn:
    """Turn the SDK's errors into ours: without an HTTP answer by cause, else by FCM's code, else by status."""
    response, detail = error.http_response, str(error)
    if response is None:
        _raise_without_answer(error, detail)
    status, code = response.status_code, type(error).__name__.removesuffix("Error")
    wait = retry_after(response.headers)
    match error:
        case messaging.UnregisteredError() | messaging.SenderIdMismatchError():
            raise Permanent(detail, status=status, code=code, address_is="gone") from error
        case messaging.ThirdPartyAuthError() | UnauthenticatedError() | PermissionDeniedError():
            raise Unauthorized(detail, status=status, code=code) from error
        case InvalidArgumentError():
            raise Permanent(detail, status=status, code=code) from error
    if status == 429:
        wait = QUOTA_SECONDS if wait is None else wait
        raise Throttled(detail, status=status, code=code, retry_after_seconds=wait) from error
    if 200 <= status < 300:
        raise Ambiguous(detail, remedy="repeat", status=status, code=code) from error
    if not 400 <= status < 500 or status == 408:
        raise Transient(detail, status=status, code=code, retry_after_seconds=wait) from error
    raise Permanent(detail, status=status, code=code) from error


def _raise_without_answer(error: FirebaseError, detail: str) -> NoReturn:
    cause = error.cause
    reason = getattr(cause.args[0], "reason", None) if isinstance(cause, requests.ConnectionError) else None
    if isinstance(cause, requests.ConnectTimeout) or isinstance(reason, (NewConnectionError, ConnectTimeoutError)):
        raise Transient(detail, code="unreachable") from error
    raise Ambiguous(detail, remedy="repeat", code="no_answer") from error


def _raise_for_token(error: GoogleAuthError) -> NoReturn:
    """Nothing was sent: the access token could not be had. `InvalidOperation` is a 401 without credentials."""
    final = isinstance(error, InvalidOperation) or (isinstance(error, RefreshError) and not error.retryable)
    raise (Unauthorized if final else Transient)(f"{type(error).__name__}: {error}", code="token") from error
