"""Events: what other systems already emit, taken as notifications.

Two shapes: the plain one (`eventId, eventType, userId, payload, timestamp`) and CloudEvents 1.0, structured or binary.
The event's id is its idempotency key, so an event bus may deliver it as often as it likes. Its type is the category.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import unquote

import orjson
from pydantic import AwareDatetime, BaseModel, Field, RootModel, TypeAdapter
from starlette.datastructures import Headers
from starlette.responses import Response

from hub.api.notifications import accept
from hub.api.operation import Call, Resource
from hub.errors import IdempotencyMismatch, TooLarge, Unavailable
from hub.notification import publication_name
from hub.publication import Category, DataObject, Publish, Request, Text, UserId
from hub.validation import parse_json

resource = Resource("Publishing")
CLOUDEVENTS = "application/cloudevents+json"

EventId = Annotated[Text, Field(min_length=1, max_length=255)]


class PlainEvent(Request):
    """The plain shape. `timestamp` is RFC 3339, or a unix time in seconds or milliseconds."""

    eventId: EventId
    eventType: Category
    userId: UserId
    payload: DataObject = Field(default_factory=dict)
    timestamp: AwareDatetime | float | int | None = None


class CloudEvent(BaseModel):
    """CloudEvents 1.0, structured mode; extension attributes are allowed and ignored. `subject` is the user."""

    specversion: Literal["1.0"]
    id: EventId
    source: Annotated[Text, Field(min_length=1, max_length=500)]
    type: Category
    subject: UserId
    time: AwareDatetime | None = None
    datacontenttype: str | None = None
    data: DataObject = Field(default_factory=dict)


class EventAccepted(BaseModel):
    """The publication an event became."""

    id: str


class Event(RootModel[PlainEvent | CloudEvent]):
    """Either shape, told apart by `specversion`. In binary mode attributes are `ce-` headers, the body is the data."""


_PLAIN: TypeAdapter[PlainEvent] = TypeAdapter(PlainEvent)
_CLOUD: TypeAdapter[CloudEvent] = TypeAdapter(CloudEvent)


@resource.operation(
    "POST",
    "/v1/events",
    access="publish",
    body=dict[str, Any],
    documented=Event,
    answers={202: EventAccepted},
    errors=(IdempotencyMismatch, TooLarge, Unavailable),
    media_types=("application/json", CLOUDEVENTS),
)
async def take(call: Call) -> Response:
    """Take an event and publish it to its user."""
    user, type_, data, producer, key = _read(call)
    title, body = data.get("title"), data.get("body", data.get("message"))
    request = Publish(
        to=user,
        category=type_,
        title=title if isinstance(title, str) and 0 < len(title) <= 500 else _title(type_),
        body=body if isinstance(body, str) else None,
        data=data,
    )
    publication = accept(call, request, producer=producer, key=key, said=call.raw)
    (outcome,) = await call.hub.publish([publication])
    if outcome.mismatch:
        raise IdempotencyMismatch("this event id was used for another event")
    if outcome.replayed:
        call.headers["Idempotent-Replayed"] = "true"
    return call.answer({"id": publication_name(outcome.id)}, 202)


def _read(call: Call) -> tuple[str, str, dict[str, Any], str, str]:
    headers = call.request.headers
    if "ce-specversion" in headers:
        event = parse_json(_CLOUD, orjson.dumps(_binary(headers, call.body)))
    elif "specversion" in call.body or headers.get("content-type", "").startswith(CLOUDEVENTS):
        event = parse_json(_CLOUD, call.raw)
    else:
        plain = parse_json(_PLAIN, call.raw)
        return plain.userId, plain.eventType, plain.payload, f"events:{call.service.producer}", plain.eventId
    return event.subject, event.type, event.data, f"cloudevents:{event.source}", event.id


def _binary(headers: Headers, data: Any) -> dict[str, Any]:
    """Gather a binary-mode event: attributes in `ce-` headers, the body is the data (CloudEvents HTTP binding, 3.1)."""
    attributes = {name.removeprefix("ce-"): unquote(value) for name, value in headers.items() if name[:3] == "ce-"}
    return {**attributes, "data": data}


def _title(type_: str) -> str:
    """Say an event's type in words, where it brings no title: `order.shipped` becomes “Order shipped”."""
    return type_.replace(".", " ").replace("_", " ").replace("-", " ").strip().capitalize()
