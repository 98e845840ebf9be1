"""What became of a publication, for services: its deliveries, what decided over each, and everything that happened."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from delivery.case import delivery_name
from hub.api.deliveries import Delivery, delivery_json
from hub.api.named import PublishedId
from hub.api.notifications import find
from hub.api.operation import Call, Resource
from hub.api.verdict import UNDECIDED, Verdict, verdict
from hub.errors import NotFound
from hub.notification import notification_name, publication_name

resource = Resource("Deliveries", id=PublishedId)


class DeliveriesListed(BaseModel):
    """Every delivery of a publication; in-app is none."""

    items: list[Delivery]


class Explained(Verdict):
    """One delivery's decision: recorded, if it is `decided`, or else what it would be when it is due."""

    delivery_id: str
    notification_id: str
    state: str
    decided: bool


class Explanation(BaseModel):
    """The decision of every delivery of a publication."""

    id: str
    items: list[Explained]


class Event(BaseModel):
    """Something that happened, to one delivery or to all of it."""

    at: AwareDatetime
    event: str
    user_id: str | None
    channel: str | None
    delivery_id: str | None
    detail: str | None
    provider_status: int | None


class Timeline(BaseModel):
    """What happened, oldest first: accepted, published, each attempt and its answer, what providers said later."""

    id: str
    items: list[Event]


@resource.operation(
    "GET", "/v1/notifications/{id}/deliveries", access="publish", answers={200: DeliveriesListed}, errors=(NotFound,)
)
async def show(call: Call) -> Response:
    """List the deliveries of a publication, or of one recipient's notification, with their attempts."""
    found = await find(call)
    ids = [receipt.id for receipt in found.receipts]
    rows = await call.hub.deliveries.of_publication(call.service.tenant, found.id, ids)
    return call.answer({"items": [delivery_json(row) for row in rows]})


@resource.operation(
    "GET", "/v1/notifications/{id}/explain", access="publish", answers={200: Explanation}, errors=(NotFound,)
)
async def explain(call: Call) -> Response:
    """Explain what was decided over each delivery: the rules asked, and the values they saw."""
    found = await find(call)
    rows = await call.hub.decisions.facts(call.service.tenant, found.id, _narrowed(call))
    return call.answer({"id": publication_name(found.id), "items": [explained(row) for row in rows]})


@resource.operation(
    "GET", "/v1/notifications/{id}/timeline", access="publish", answers={200: Timeline}, errors=(NotFound,)
)
async def timeline(call: Call) -> Response:
    """List what happened to a publication, or to one recipient's part of it."""
    found = await find(call)
    ids = [receipt.id for receipt in found.receipts]
    rows = await call.hub.decisions.timeline(call.service.tenant, found.id, _narrowed(call), ids)
    items = [dict(row) | {"delivery_id": row["delivery_id"] and delivery_name(row["delivery_id"])} for row in rows]
    return call.answer({"id": publication_name(found.id), "items": items})


def explained(row: Any) -> dict[str, Any]:
    """Say an `Explained`."""
    named = {"delivery_id": delivery_name(row["id"]), "notification_id": notification_name(row["notification_id"])}
    decided = row["decision"] is not None and row["state"] not in UNDECIDED
    return named | {"state": row["state"], "decided": decided} | verdict(row)


def _narrowed(call: Call) -> Any:
    kind, id = call.path.id
    return id if kind == "ntf" else None
