"""The vendors' HTTP, as far as the hub uses it: Resend e-mails, Twilio messages, Firebase sends.

`app` mounts `routes`. Each handler parses the request as the vendor would, asks the script what is to happen, records
what is accepted and answers in the vendor's shape. Resend's idempotency is real: same key and body, same id; another
body, 409. So a test that counts entries counts what recipients get.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from delivery.outbox.record import Entry, Outbox, Seen
from delivery.outbox.script import Script, Step
from delivery.outbox.server import cut

Answer = Callable[[], Awaitable[Response]]


class Vendors:
    """Three providers over one outbox and one script."""

    def __init__(self, outbox: Outbox, script: Script) -> None:
        self._outbox = outbox
        self._script = script

    def routes(self) -> list[Route]:
        """Return the vendors' own addresses."""
        account = "/2010-04-01/Accounts/{account}/Messages"
        return [
            Route("/emails", self._resend, methods=["POST"]),
            Route(account + ".json", self._twilio, methods=["POST", "GET"]),
            Route("/v1/projects/{project}/messages:send", self._fcm, methods=["POST"]),
        ]

    async def _resend(self, request: Request) -> Response:
        body = json.loads(await request.body())
        key = request.headers.get("idempotency-key")
        step = await self._meet("resend", request, body, body["to"][0])

        async def accept() -> Response:
            earlier = self._outbox.keyed(key)
            if earlier is None:
                earlier = await self._outbox.accept(_email(body, key))
            elif earlier.request != body:
                return _resend_error(409, "invalid_idempotent_request", "Same key, different payload")
            else:
                earlier.requests += 1
            return JSONResponse({"id": earlier.id})

        return await _answer(step, request, accept)

    async def _twilio(self, request: Request) -> Response:
        account = request.path_params["account"]
        if request.method == "GET":
            return await self._twilio_list(request, account)
        body = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        step = await self._meet("twilio", request, body, body["To"])

        async def accept() -> Response:
            entry = await self._outbox.accept(_sms(body))
            return JSONResponse(_twilio_message(entry, account), status_code=201)

        return await _answer(step, request, accept)

    async def _twilio_list(self, request: Request, account: str) -> Response:
        number = request.query_params.get("To", "")
        step = await self._meet("twilio", request, dict(request.query_params), number)

        async def accept() -> Response:
            found = [entry for entry in reversed(self._outbox.entries) if entry.to == number and entry.channel == "sms"]
            page = [_twilio_message(entry, account) for entry in found]
            return JSONResponse({"messages": page, "next_page_uri": None, "page": 0, "page_size": 100})

        return await _answer(step, request, accept)

    async def _fcm(self, request: Request) -> Response:
        body = json.loads(await request.body())
        message = body["message"]
        step = await self._meet("fcm", request, body, message.get("token") or message["fid"])

        async def accept() -> Response:
            name = f"projects/{request.path_params['project']}/messages/{uuid4().hex}"
            await self._outbox.accept(_push(name, body))
            return JSONResponse({"name": name})

        return await _answer(step, request, accept)

    async def _meet(self, provider: str, request: Request, body: Any, address: str) -> Step:
        await self._outbox.note(Seen(provider, request.method, request.url.path, dict(request.headers), body))
        return self._script.take(provider, request.method, address)


async def _answer(step: Step, request: Request, accept: Answer) -> Response:
    """Accept or not, wait, then answer as the step says."""
    ordinary = await accept() if step.accept or step.ordinary else None
    if step.delay_seconds:
        await asyncio.sleep(step.delay_seconds)
    if step.drop:
        cut(request)
    if ordinary is not None and step.ordinary:
        return ordinary
    if isinstance(step.body, str):
        return Response(step.body, step.status or 200, step.headers, media_type="text/html")
    return JSONResponse(step.body, step.status or 200, step.headers)


def _email(body: dict[str, Any], key: str | None) -> Entry:
    return Entry(
        id=str(uuid4()),
        provider="resend",
        channel="email",
        to=body["to"][0],
        title=body["subject"],
        text=body.get("text", ""),
        html=body.get("html"),
        key=key,
        request=body,
    )


def _sms(body: dict[str, str]) -> Entry:
    sid = f"SM{uuid4().hex}"
    return Entry(
        id=sid,
        provider="twilio",
        channel="sms",
        to=body["To"],
        title="",
        text=body["Body"],
        html=None,
        key=None,
        request=dict(body),
    )


def _push(name: str, body: dict[str, Any]) -> Entry:
    message = body["message"]
    shown = message.get("notification", {})
    return Entry(
        id=re.sub(r"\W", "-", name),
        provider="fcm",
        channel="push",
        to=message.get("token") or message["fid"],
        title=shown.get("title", ""),
        text=shown.get("body", ""),
        html=None,
        key=message.get("android", {}).get("collapse_key"),
        request=body,
    )


def _twilio_message(entry: Entry, account: str) -> dict[str, Any]:
    moment = format_datetime(entry.accepted_at)
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": entry.text,
        "date_created": moment,
        "date_sent": moment,
        "date_updated": moment,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": entry.request.get("From"),
        "messaging_service_sid": entry.request.get("MessagingServiceSid"),
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "sid": entry.id,
        "status": "queued",
        "subresource_uris": {},
        "to": entry.to,
        "uri": f"/2010-04-01/Accounts/{account}/Messages/{entry.id}.json",
    }


def _resend_error(status: int, name: str, text: str) -> JSONResponse:
    return JSONResponse({"statusCode": status, "name": name, "message": text}, status_code=status)
