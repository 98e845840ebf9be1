"""Pure: what a provider says later about a message, as the hub understands it.

The hub's webhook operations translate a verified callback with `of_resend` or `of_twilio` and hand it to
`store.receipts`, which applies it. A provider's words are facts about one message: they may come twice, late and in any
order, so a report says how far the message has come, never what to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from hub.errors import NotFound
from hub.notification import parse_name

Fate = Literal["sent", "delivered", "failed", "again"]
"""How far it has come; `again`: it failed, but one later attempt may do."""
Suppression = Literal["bounce", "complaint", "stop"]

_RESEND_FATES: Mapping[str, Fate] = {
    "email.sent": "sent",
    "email.delivery_delayed": "sent",
    "email.delivered": "delivered",
    "email.opened": "delivered",  # nobody opens, clicks on or complains of what has not arrived
    "email.clicked": "delivered",
    "email.complained": "delivered",
    "email.bounced": "failed",
    "email.failed": "failed",
    "email.suppressed": "failed",
}
_TWILIO_FATES: Mapping[str, Fate] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
}
PASSING = frozenset({"30001", "30003", "30008"})
"""Twilio's codes for what may work later: queue overflow, handset off, unknown."""
OPTED_OUT = "21610"


@dataclass(frozen=True, slots=True)
class Report:
    """One event of a provider about one message; `delivery` or `provider_id` finds the delivery."""

    provider: str
    channel: str
    event_id: str
    delivery: UUID | None
    provider_id: str
    kind: str
    fate: Fate | None
    reason: str = ""
    detail: str | None = None
    suppress: Suppression | None = None
    happened_at: datetime | None = None


def of_resend(event_id: str, event: Any) -> Report | None:
    """Translate a verified event of Resend; None if it is not about an e-mail of ours."""
    kind, data = _text(event, "type"), _part(event, "data")
    if not kind.startswith("email.") or not _text(data, "email_id"):
        return None
    part = _part(data, kind.removeprefix("email.").replace("bounced", "bounce"))
    fate = _RESEND_FATES.get(kind)
    return Report(
        provider="resend",
        channel="email",
        event_id=event_id,
        delivery=_delivery(_text(_part(data, "tags"), "delivery_id")),
        provider_id=_text(data, "email_id"),
        kind=kind.removeprefix("email."),
        fate=fate,
        reason=_resend_reason(kind, part) if fate == "failed" else "",
        detail=_text(part, "message") or _text(part, "reason") or None,
        suppress=_resend_suppression(kind, part),
        happened_at=_moment(_text(event, "created_at")),
    )


def of_twilio(delivery: str, form: Mapping[str, str]) -> Report | None:
    """Translate the verified form of a Twilio status callback for a delivery; None if it names no message."""
    status, sid, code = form.get("MessageStatus", ""), form.get("MessageSid", ""), form.get("ErrorCode", "")
    if not status or not sid:
        return None
    fate = _TWILIO_FATES.get(status)
    if fate == "failed" and code in PASSING:
        fate = "again"
    return Report(
        provider="twilio",
        channel="sms",
        event_id=f"{sid}:{status}",  # Twilio's callbacks have no id; a message has each status once
        delivery=_delivery(delivery),
        provider_id=sid,
        kind=status,
        fate=fate,
        reason=f"{status}:{code}" if code else status,
        detail=form.get("ErrorMessage") or code or None,
        suppress="stop" if code == OPTED_OUT else None,
    )


def _resend_reason(kind: str, part: Mapping[str, Any]) -> str:
    if kind == "email.bounced":
        return f"bounce:{_text(part, 'subType') or 'Undetermined'}"
    return kind.removeprefix("email.") + (f":{_text(part, 'reason')}" if _text(part, "reason") else "")


def _resend_suppression(kind: str, part: Mapping[str, Any]) -> Suppression | None:
    """Only what is permanent: a full mailbox is no reason never to write again."""
    if kind == "email.complained":
        return "complaint"
    if kind == "email.suppressed":
        return "complaint" if _text(part, "reason") == "previous_complaint" else "bounce"
    return "bounce" if kind == "email.bounced" and _text(part, "type") == "Permanent" else None


def _delivery(name: str) -> UUID | None:
    try:
        return parse_name(name, "dlv")[1]
    except NotFound:
        return None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _part(value: Any, name: str) -> Mapping[str, Any]:
    part = value.get(name) if isinstance(value, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _text(value: Any, name: str) -> str:
    text = value.get(name) if isinstance(value, Mapping) else None
    return text if isinstance(text, str) else ""
