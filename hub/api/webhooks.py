"""Providers' callbacks: what became of an e-mail or an SMS after it was accepted.

Nobody logs in here; a callback proves itself by its signature over the raw body, made with a secret that only the
provider shares: 401 otherwise. Everything that is verified is answered 200, what is repeated, late or unknown too, or
the provider would repeat it for days. The SDKs verify; they are imported by the first callback, off the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.responses import Response

from delivery.callback import Report, of_resend, of_twilio
from delivery.store.receipts import Receipts
from hub.api.named import Signed
from hub.api.operation import ANYBODY, Call, Resource, read_body
from hub.errors import Malformed, TooLarge, Unauthorized, Unavailable

resource = Resource("Webhooks", delivery_id=Signed)
LATER_ATTEMPT = 60
"""A phone that was off is tried once more, after so many times the first backoff."""
SVIX = {
    "svix-id": "names the event",
    "svix-timestamp": "when it was signed, at most five minutes ago",
    "svix-signature": "over id, time and body",
}


class Heard(BaseModel):
    """The callback is genuine; `ignored` when it changes nothing: repeated, older or about nothing of ours."""

    status: Literal["recorded", "ignored"]


@resource.operation(
    "POST",
    "/v1/webhooks/resend",
    access=ANYBODY,
    answers={200: Heard},
    errors=(Malformed, Unauthorized, TooLarge, Unavailable),
    request_headers=SVIX,
)
async def hear_resend(call: Call) -> Response:
    """Take an event from Resend (signed by Svix's scheme)."""
    body = await read_body(call.request, call.state.settings.max_body_bytes)
    secret = call.state.settings.resend_webhook_secret
    event = await asyncio.to_thread(_verified_event, body, call.request.headers, secret)
    return await _record(call, of_resend(call.request.headers["svix-id"], event))


@resource.operation(
    "POST",
    "/v1/webhooks/twilio/{delivery_id}",
    access=ANYBODY,
    answers={200: Heard},
    errors=(Malformed, Unauthorized, TooLarge, Unavailable),
    request_headers={"X-Twilio-Signature": "over the public address and the form"},
)
async def hear_twilio(call: Call) -> Response:
    """Take a message's status from Twilio, as a form."""
    settings, delivery_id = call.state.settings, call.path.delivery_id
    body = await read_body(call.request, settings.max_body_bytes)
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    # Twilio signs the address it was given; the one this request came by depends on proxies.
    address = f"{settings.public_url.rstrip('/')}/v1/webhooks/twilio/{delivery_id}"
    signature = call.request.headers.get("x-twilio-signature", "")
    genuine = await asyncio.to_thread(_is_from_twilio, address, form, signature, settings.twilio_auth_token)
    if not genuine:
        raise Unauthorized("the callback is not signed by this hub's Twilio account")
    return await _record(call, of_twilio(delivery_id, form))


async def _record(call: Call, report: Report | None) -> Response:
    if report is None:
        return call.answer({"status": "ignored"})
    delay = LATER_ATTEMPT * call.state.settings.retry_base_seconds
    changed = await Receipts(call.state.database).record(report, again_after_seconds=delay)
    return call.answer({"status": "recorded" if changed else "ignored"})


def _verified_event(body: bytes, headers: Headers, secret: str | None) -> Any:
    """Return what Resend said; raise `Unauthorized` for whatever is not signed by it in the last five minutes."""
    from resend import Webhooks

    signed = {name: headers.get(f"svix-{name}", "") for name in ("id", "timestamp", "signature")}
    try:
        return Webhooks.verify({"payload": body.decode(), "headers": signed, "webhook_secret": secret or ""})  # type: ignore[typeddict-item]
    except ValueError as error:
        raise Unauthorized(f"the callback is not signed by this hub's Resend account: {error}") from None


def _is_from_twilio(address: str, form: Mapping[str, str], signature: str, token: str | None) -> bool:
    from twilio.request_validator import RequestValidator

    if not token or not signature:
        return False
    try:
        return bool(RequestValidator(token).validate(address, dict(form), signature))
    except ValueError:  # bytes that are no UTF-8 in the address
        return False
