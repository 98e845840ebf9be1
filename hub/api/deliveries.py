"""What leaves the building, as services see it: a delivery, and the list of the dead ones.

What is dead or failed waits for an operator: replayed, it starts over under a new idempotency key; discarded, it ends.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from delivery.case import delivery_name
from hub.api.named import DeliveryId
from hub.api.operation import Call, Resource
from hub.errors import Conflict, FieldError, Invalid, NotFound
from hub.notification import notification_name, parse_name

resource = Resource("Deliveries", id=DeliveryId)
TIMES = ("started_at", "finished_at")


class Attempt(BaseModel):
    """One request to a provider, and its answer."""

    n: int
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    outcome: str
    error: str | None
    provider_status: int | None


class Delivery(BaseModel):
    """One notification over one channel to one address; `run_at` is when it is, or was, due."""

    id: str
    notification_id: str
    user_id: str
    channel: str
    state: str
    reason: str
    run_at: AwareDatetime
    provider: str | None
    provider_id: str | None
    attempts: list[Attempt]


class DeadListed(BaseModel):
    """A page of the dead letters, newest first."""

    items: list[Delivery]
    next_cursor: str | None


class DeadQuery(BaseModel):
    """Which ones: `dead` (attempts used up) or `failed` (refused for good)."""

    model_config = {"extra": "forbid"}

    state: Literal["dead", "failed"] = "dead"
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Annotated[str, Field(max_length=100)] | None = None


@resource.operation(
    "GET",
    "/v1/deliveries",
    access="admin",
    query=DeadQuery,
    answers={200: DeadListed},
    answer_headers={"Link": 'rel="next", if there is a next page'},
)
async def show_dead(call: Call) -> Response:
    """List dead letters, newest first."""
    query: DeadQuery = call.query
    before = _cursor(query.cursor) if query.cursor else None
    rows = await call.hub.deliveries.dead(call.service.tenant, query.state, before=before, limit=query.limit + 1)
    items = [delivery_json(row) for row in rows[: query.limit]]
    next_cursor = items[-1]["id"] if len(rows) > query.limit else None
    if next_cursor is not None:
        url = call.request.url.include_query_params(cursor=next_cursor)
        call.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return call.answer({"items": items, "next_cursor": next_cursor})


def _cursor(text: str) -> Any:
    try:
        return parse_name(text, "dlv")[1]
    except NotFound:
        detail = "is not a cursor from `next_cursor`"
        raise Invalid(f"cursor {detail}", errors=[FieldError("#/query/cursor", detail)]) from None


@resource.operation(
    "POST",
    "/v1/deliveries/{id}/replay",
    access="admin",
    answers={200: Delivery},
    errors=(NotFound, Conflict),
)
async def replay(call: Call) -> Response:
    """Try a dead or failed delivery again, under a new idempotency key."""
    return await _decided(call, done=await call.hub.deliveries.replay(call.service.tenant, call.path.id))


@resource.operation(
    "POST",
    "/v1/deliveries/{id}/discard",
    access="admin",
    answers={200: Delivery},
    errors=(NotFound, Conflict),
)
async def discard(call: Call) -> Response:
    """End a dead or failed delivery for good."""
    return await _decided(call, done=await call.hub.deliveries.discard(call.service.tenant, call.path.id))


async def _decided(call: Call, *, done: bool) -> Response:
    row = await call.hub.deliveries.find(call.service.tenant, call.path.id)
    if row is None:
        raise NotFound("there is no such delivery")
    if not done:
        raise Conflict(f"it is {row['state']}, neither dead nor failed")
    return call.answer(delivery_json(row))


def delivery_json(row: Any) -> dict[str, Any]:
    """Say a delivery as API.md does, times in UTC with `Z`."""
    attempts = orjson.loads(row["attempts"] or b"[]")
    return {
        "id": delivery_name(row["id"]),
        "notification_id": notification_name(row["notification_id"]),
        "user_id": row["user_id"],
        "channel": row["channel"],
        "state": row["state"],
        "reason": row["reason"],
        "run_at": row["run_at"],
        "provider": row["provider"],
        "provider_id": row["provider_id"],
        "attempts": [_attempt(attempt) for attempt in attempts],
    }


def _attempt(row: dict[str, Any]) -> dict[str, Any]:
    """Say when in UTC, whatever zone the database speaks in."""
    times = {name: row[name] and datetime.fromisoformat(row[name]).astimezone(UTC) for name in TIMES}
    return row | times
