"""What producers are told, for the OpenAPI document: the webhooks we send, beside the requests we take.

`delivery.event` writes these bodies and `delivery.webhook` signs and sends them; a test holds what is sent against what
is promised here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel

SIGNED = {
    "webhook-id": "names the event; the same for every attempt",
    "webhook-timestamp": "when this attempt was signed, in seconds since 1970",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, by the endpoint's secret",
}


class DeliveryTold(BaseModel):
    """The delivery that an event is about, as it was then."""

    id: str
    channel: Literal["email", "sms", "push"]
    state: Literal["delivered", "failed", "dead"]
    reason: str
    provider: str | None
    provider_id: str | None


class NotificationTold(BaseModel):
    """The notification that an event is about; being read is about no delivery."""

    notification_id: str
    publication_id: str
    user_id: str
    category: str
    delivery: DeliveryTold | None


class EventTold(BaseModel):
    """An event, in the form of Standard Webhooks."""

    type: Literal["notification.delivered", "notification.failed", "notification.read"]
    timestamp: AwareDatetime
    data: NotificationTold


def webhooks(body: dict[str, Any]) -> dict[str, Any]:
    """Describe what is sent to webhook endpoints; `body` refers to the schema of `EventTold`."""
    headers = [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": description}
        for name, description in SIGNED.items()
    ]
    told = {
        "operationId": "tell_event",
        "tags": ["Webhooks"],
        "summary": "Tell an endpoint what became of a notification.",
        "parameters": headers,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "2XX": {"description": "It is taken, whatever the body"},
            "410": {"description": "The endpoint is gone: it is told nothing more"},
            "default": {"description": "It is told again, under the same id"},
        },
    }
    return {"event": {"post": told}}
