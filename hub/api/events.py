"""Events: what other systems already emit, taken as notifications.

Two shapes: the plain one (`eventId, eventType, userId, payload, timestamp`) and CloudEvents 1.0, structured or binary.
The event's id is its idempotency key, so an event bus may deliver it as often as it likes. Its type is the category.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import unquote

from pydantic import AwareDatetime, BaseModel, Field, RootModel, TypeAdapter
from pydantic_core import to_json
from starlette.datastructures import Headers
from starlette.responses import Response

from hub.api.notifications import REPLAYED, accept
from hub.api.operation import Call, Resource
from hub.errors import FieldError, IdempotencyMismatch, InFlight, Invalid, TooLarge, Unavailable
from hub.notification import publication_name
from hub.publication import Category, DataObject, Moment, Publish, Request, Text, UserId
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
    timestamp: AwareDatetime | Annotated[float, Field(allow_inf_nan=False)] | int | None = None


class CloudEvent(BaseModel):
    """CloudEvents 1.0, structured mode; extension attributes are allowed and ignored. `subject` is the user."""

    specversion: Literal["1.0"]
    id: EventId
    source: Annotated[Text, Field(min_length=1, max_length=500)]
    type: Category
    subject: UserId
    time: Moment | None = None
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
    answer_headers=REPLAYED,
    errors=(IdempotencyMismatch, InFlight, TooLarge, Unavailable),
    media_types=("application/json", CLOUDEVENTS),
)
async def take(call: Call) -> Response:
    """Take an event and publish it to its user."""
    event = _read(call)
    try:
        publication = accept(call, _publish(event), producer=event.producer, key=event.key, said=call.raw)
    except TooLarge as error:
        raise TooLarge(error.detail, errors=[FieldError(event.pointer, error.detail)]) from None
    (outcome,) = await call.hub.publish([publication])
    if outcome.mismatch:
        raise IdempotencyMismatch("this event id was used for another event")
    if outcome.replayed:
        call.headers["Idempotent-Replayed"] = "true"
    return call.answer({"id": publication_name(outcome.id)}, 202)


class _Read(NamedTuple):
    """What both shapes say; `pointer` is where they say `data`."""

    user: str
    type: str
    data: dict[str, Any]
    producer: str
    key: str
    pointer: str


def _read(call: Call) -> _Read:
    headers = call.request.headers
    if "ce-specversion" in headers:
        return _cloud(_binary(headers, call.body), "#")
    if "specversion" in call.body or headers.get("content-type", "").startswith(CLOUDEVENTS):
        return _cloud(parse_json(_CLOUD, call.raw), "#/data")
    plain = parse_json(_PLAIN, call.raw)
    producer = f"events:{call.service.producer}"
    return _Read(plain.userId, plain.eventType, plain.payload, producer, plain.eventId, "#/payload")


def _cloud(event: CloudEvent, pointer: str) -> _Read:
    """Read a CloudEvent. Its source may be long: hashed, it fits into the index of the idempotency keys."""
    producer = f"cloudevents:{hashlib.sha256(event.source.encode()).hexdigest()}"
    return _Read(event.subject, event.type, event.data, producer, event.id, pointer)


def _binary(headers: Headers, data: Any) -> CloudEvent:
    """Gather a binary-mode event: attributes in `ce-` headers, the body is the data (CloudEvents HTTP binding, 3.1)."""
    attributes = {name.removeprefix("ce-"): unquote(value) for name, value in headers.items() if name[:3] == "ce-"}
    try:
        event: CloudEvent = parse_json(_CLOUD, to_json({**attributes, "data": data}, inf_nan_mode="constants"))
    except Invalid as error:
        raise Invalid(error.detail, errors=[FieldError(_sent_as(at), why) for at, why in error.errors]) from None
    return event


def _sent_as(pointer: str) -> str:
    """Point at what was sent: the body for the data, a header for an attribute."""
    data = "#/data"
    return "#" + pointer.removeprefix(data) if pointer.startswith(data) else pointer.replace("#/", "#/header/ce-", 1)


def _publish(event: _Read) -> Publish:
    """Say an event as a notification; a title and a text are taken from its data where they fit."""
    title, body = event.data.get("title"), event.data.get("body", event.data.get("message"))
    return Publish(
        to=event.user,
        category=event.type,
        title=title if isinstance(title, str) and 0 < len(title) <= 500 else _title(event.type),
        body=body if isinstance(body, str) else None,
        data=event.data,
    )


def _title(type_: str) -> str:
    """Say an event's type in words, where it brings no title: `order.shipped` becomes “Order shipped”."""
    return type_.replace(".", " ").replace("_", " ").replace("-", " ").strip().capitalize()
