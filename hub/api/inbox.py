"""The inbox, for its user: listing, counting, and every change a user can make to it."""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from hub.api.named import NotificationId
from hub.api.operation import USER, Call, Handler, Resource
from hub.errors import FieldError, Invalid, NotFound, Unavailable
from hub.notification import Change
from hub.protocol import Counts
from hub.publication import Category, Future, Request, Tagged
from hub.store.listing import Filter

resource = Resource("Inbox", id=NotificationId)


class Item(BaseModel):
    """A notification, the same in lists, frames and snapshots."""

    id: str
    seq: int
    created_seq: int
    read_seq: int
    created_at: AwareDatetime
    seen: bool
    read: bool
    archived: bool
    read_at: AwareDatetime | None
    archived_at: AwareDatetime | None
    snoozed_until: AwareDatetime | None
    expires_at: AwareDatetime | None
    repeat_count: int
    category: str
    title: str
    body: str | None
    data: dict[str, Any] | None
    action_url: str | None
    icon: str | None
    actions: list[dict[str, Any]] | None
    priority: Literal["low", "normal", "high", "critical"]
    collapse_key: str | None
    tags: list[str]


class Listed(BaseModel):
    """A page, newest first, and the counts at the same moment.

    Only a page without `next_cursor` is the last: one for a rare category or tag may be short, or empty, and go on.
    """

    items: list[Item]
    next_cursor: str | None
    epoch: str
    seq: int
    unread: int
    unseen: int


class Counted(BaseModel):
    """The counts of the whole inbox."""

    unread: int
    unseen: int
    seq: int
    by_category: dict[str, int]


class Changed(BaseModel):
    """The counts right after a change."""

    seq: int
    unread: int
    unseen: int


class ListQuery(BaseModel):
    """How to list."""

    model_config = {"extra": "forbid"}

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, Field(max_length=100)] | None = None
    filter: Filter = "all"
    category: Category | None = None
    tag: Tagged | None = None


class Snooze(Request):
    """When it is to come back, as unread."""

    until: Future


class UpTo(Request):
    """The highest seq the user has seen; without it, everything."""

    up_to: Annotated[int, Field(ge=0, le=2**53)] | None = None


@resource.operation(
    "GET",
    "/v1/inbox",
    access=USER,
    query=ListQuery,
    answers={200: Listed},
    errors=(Invalid, Unavailable),
    answer_headers={"Link": 'rel="next", if there is a next page'},
)
async def show(call: Call) -> Response:
    """List notifications, newest first."""
    query: ListQuery = call.query
    before = _decode_cursor(query.cursor) if query.cursor else None
    page = await call.hub.inboxes.page(
        call.key,
        filter=query.filter,
        limit=query.limit + 1,
        before=before,
        category=query.category,
        tag=query.tag,
    )
    items = page.items[: query.limit]
    below = items[-1].created_seq if len(page.items) > query.limit else page.below
    next_cursor = None if below is None else _encode_cursor(below)
    if next_cursor is not None:
        url = call.request.url.include_query_params(cursor=next_cursor)
        call.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    counts = page.counts
    content = {
        "items": [orjson.Fragment(item.encode()) for item in items],
        "next_cursor": next_cursor,
        "epoch": counts.epoch,
        "seq": counts.seq,
        "unread": counts.unread,
        "unseen": counts.unseen,
    }
    return call.answer(orjson.dumps(content))


@resource.operation(
    "GET",
    "/v1/inbox/counts",
    access=USER,
    answers={200: Counted, 304: None},
    errors=(Unavailable,),
    request_headers={"If-None-Match": "the ETag of the counts you have"},
    answer_headers={"ETag": "changes with every change of the inbox", "Cache-Control": "ask again each time"},
)
async def count(call: Call) -> Response:
    """Count what is unread and unseen."""
    known = {tag.strip().removeprefix("W/") for tag in call.request.headers.get("if-none-match", "").split(",")} - {""}
    counts, by_category = await call.hub.inboxes.counts(call.key), dict[str, int]()
    unchanged = _etag(counts) in known or "*" in known
    if counts.unread and not unchanged:
        counts, by_category = await call.hub.inboxes.unread_by_category(call.key)
    call.headers |= {"ETag": _etag(counts), "Cache-Control": "private, no-cache"}
    if unchanged:
        return call.answer(status=304)
    return call.answer(
        {"unread": counts.unread, "unseen": counts.unseen, "seq": counts.seq, "by_category": by_category}
    )


def _etag(counts: Counts) -> str:
    return f'"{counts.epoch or "none"}-{counts.seq}"'


def _changing(change: Change) -> Handler:
    async def handle(call: Call) -> Response:
        return _changed(call, await call.hub.change(call.key, [call.path.id], change))

    return handle


for _verb, _change, _summary in (
    ("read", "read", "Mark a notification as read."),
    ("unread", "unread", "Mark a notification as unread."),
    ("archive", "archived", "Put a notification away."),
    ("unarchive", "unarchived", "Take a notification back into the list."),
    ("unsnooze", "unsnoozed", "Take a snoozed notification back into the list, as unread."),
):
    _handler = _changing(_change)  # type: ignore[arg-type]
    _handler.__doc__ = _summary
    resource.operation(
        "POST", f"/v1/inbox/{{id}}/{_verb}", access=USER, answers={200: Changed}, errors=(NotFound, Unavailable)
    )(_handler)


@resource.operation(
    "POST",
    "/v1/inbox/{id}/snooze",
    access=USER,
    body=Snooze,
    answers={200: Changed},
    errors=(NotFound, Unavailable),
)
async def snooze(call: Call) -> Response:
    """Put a notification off; it comes back as unread, live."""
    return _changed(call, await call.hub.change(call.key, [call.path.id], "snoozed", call.body.until))


@resource.operation("DELETE", "/v1/inbox/{id}", access=USER, answers={200: Changed}, errors=(NotFound, Unavailable))
async def delete(call: Call) -> Response:
    """Delete a notification; repeating it is a 404."""
    return _changed(call, await call.hub.change(call.key, [call.path.id], "deleted"))


@resource.operation(
    "POST",
    "/v1/inbox/read-all",
    access=USER,
    body=UpTo,
    body_required=False,
    answers={200: Changed},
    errors=(Invalid, Unavailable),
)
async def read_all(call: Call) -> Response:
    """Mark everything up to a seq as read, at the same cost whatever the inbox holds."""
    return _changed(call, await call.hub.change_all(call.key, "read_all", call.body.up_to))


@resource.operation(
    "POST",
    "/v1/inbox/seen",
    access=USER,
    body=UpTo,
    body_required=False,
    answers={200: Changed},
    errors=(Invalid, Unavailable),
)
async def see(call: Call) -> Response:
    """Mark everything up to a seq as seen: the bell was opened."""
    return _changed(call, await call.hub.change_all(call.key, "seen", call.body.up_to))


@resource.operation("POST", "/v1/inbox/archive-read", access=USER, answers={200: Changed}, errors=(Unavailable,))
async def archive_read(call: Call) -> Response:
    """Put away everything that is read."""
    counts = await call.hub.archive_read(call.key)
    return _changed(call, counts)


def _changed(call: Call, counts: Counts) -> Response:
    return call.answer({"seq": counts.seq, "unread": counts.unread, "unseen": counts.unseen})


def _encode_cursor(created_seq: int) -> str:
    return base64.urlsafe_b64encode(b"c%d" % created_seq).decode().rstrip("=")


def _decode_cursor(text: str) -> int:
    try:
        match = re.fullmatch(rb"c(\d{1,18})", base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        match = None
    if match is None:
        detail = "is not a cursor from `next_cursor`"
        raise Invalid(f"cursor {detail}", errors=[FieldError("#/query/cursor", detail)])
    return int(match[1])
