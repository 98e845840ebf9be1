"""Publishing, for services: one notification to up to a thousand users, or a batch of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter
from pydantic_core import to_json
from starlette.responses import Response

from hub.api.named import PublishedId
from hub.api.operation import Call, Resource
from hub.api.problem import Problem, problem
from hub.api.verdict import Rehearsed, rehearsed
from hub.api.wording import check_wording
from hub.auth import Principal
from hub.errors import (
    Conflict,
    FieldError,
    HubError,
    IdempotencyMismatch,
    InFlight,
    Invalid,
    NotFound,
    TooLarge,
    Unavailable,
)
from hub.notification import notification_name, publication_name
from hub.publication import Batch, Publish, Request
from hub.store.publications import Outcome, Publication, Receipt, Status
from hub.validation import parse_json

resource = Resource("Publishing", id=PublishedId)
IDEMPOTENCY_KEY = {"Idempotency-Key": "quoted or bare, 1 to 255 characters; remembered for at least 24 hours"}
REPLAYED = {"Idempotent-Replayed": "true, if this answer was given before"}
_PUBLISH: TypeAdapter[Publish] = TypeAdapter(Publish)


class PublishQuery(BaseModel):
    """How to publish."""

    model_config = {"extra": "forbid"}

    dry_run: bool = False


class Recipient(BaseModel):
    """Where one recipient's notification went."""

    user_id: str
    id: str
    seq: int


class Published(BaseModel):
    """The answer to a publish, given after the commit; a scheduled one has no notifications before its time."""

    id: str
    status: Status
    notifications: list[Recipient]


class RecalledRecipient(BaseModel):
    """How far it had come with one recipient; `sent` names the channels over which it had left already."""

    user_id: str
    id: str
    recalled: bool
    seen: bool
    read: bool
    read_at: AwareDatetime | None
    sent: list[str]


class Recalled(BaseModel):
    """What was taken back; not from recipients who had deleted it, or in whose inbox a newer one took its place."""

    id: str
    status: Literal["recalled"]
    recipients: list[RecalledRecipient]


class BatchResult(BaseModel):
    """What became of one item of a batch."""

    index: int
    status: int
    id: str | None = None
    problem: Problem | None = None


class BatchResults(BaseModel):
    """One result per item, in their order."""

    results: list[BatchResult]


@resource.operation(
    "POST",
    "/v1/notifications",
    access="publish",
    body=Publish,
    query=PublishQuery,
    answers={201: Published, 200: Rehearsed},
    errors=(IdempotencyMismatch, InFlight, TooLarge, Unavailable),
    request_headers=IDEMPOTENCY_KEY,
    answer_headers=REPLAYED | {"Location": "where the publication's state is"},
)
async def publish(call: Call) -> Response:
    """Publish a notification to one user or up to 1,000; with `dry_run`, only say what that would do."""
    query: PublishQuery = call.query
    if query.dry_run:
        rehearsal = accept(call, call.body, producer=_producer(call.service), key=None, said=call.raw)
        return call.answer(rehearsed(rehearsal, await call.hub.decisions.rehearse(rehearsal)))
    key = idempotency_key(call.request.headers.get("idempotency-key"))
    publication = accept(call, call.body, producer=_producer(call.service), key=key, said=call.raw)
    await check_wording(call, publication)
    (outcome,) = await call.hub.publish([publication])
    if outcome.mismatch:
        raise IdempotencyMismatch("this Idempotency-Key was used for another body")
    if outcome.replayed:
        call.headers["Idempotent-Replayed"] = "true"
    location = f"/v1/notifications/{publication_name(outcome.id)}"
    return call.answer(answer_of(outcome), 201, Location=location)


class Items(Request):
    """Up to 500 publishes."""

    items: Annotated[list[Publish], Field(min_length=1, max_length=500)]


@resource.operation(
    "POST",
    "/v1/notifications/batch",
    access="publish",
    body=Batch,
    documented=Items,
    answers={207: BatchResults},
    errors=(InFlight, TooLarge, Unavailable),
    request_headers=IDEMPOTENCY_KEY,
    answer_headers=REPLAYED,
)
async def publish_batch(call: Call) -> Response:
    """Publish up to 500 notifications in one commit; a bad item fails alone."""
    key = idempotency_key(call.request.headers.get("idempotency-key"))
    results: list[dict[str, Any]] = []
    good: dict[int, Publication] = {}
    for index, item in enumerate(call.body.items):
        try:
            publication = _accept_item(call, item, key and f"{key}#{index}")
            await check_wording(call, publication)
            good[index] = publication
            results.append({"index": index, "status": 201})
        except HubError as error:
            results.append({"index": index, "status": error.status, "problem": problem(error)})
    if len(good) > 1:  # the call itself has paid for the first
        allowance = await call.state.publish_limit.take(str(call.service.key_id), len(good) - 1, taken=1)
        call.headers.update(allowance.headers())
    outcomes = await call.hub.publish(list(good.values())) if good else []
    for index, outcome in zip(good, outcomes, strict=True):
        results[index] |= _result(outcome)
    if outcomes and all(outcome.replayed for outcome in outcomes):
        call.headers["Idempotent-Replayed"] = "true"
    return call.answer({"results": results}, 207)


@resource.operation("GET", "/v1/notifications/{id}", access="publish", answers={200: Published}, errors=(NotFound,))
async def show(call: Call) -> Response:
    """Show a publication (`pub_…`), or the part of it that one recipient got (`ntf_…`)."""
    return call.answer(answer_of(await find(call)))


@resource.operation(
    "DELETE", "/v1/notifications/{id}", access="publish", answers={204: None}, errors=(NotFound, Conflict)
)
async def cancel(call: Call) -> Response:
    """Cancel a scheduled publication; 409 if it has fired. Repeating it changes nothing."""
    found = await find(call)
    if not await call.hub.retractions.cancel(call.service.tenant, found.id):
        found = await find(call)  # the schedule's lock was waited for: now it is either fired or canceled
        if found.status != "canceled":
            raise Conflict("it has been published: recall it instead")
    return call.answer(status=204)


@resource.operation(
    "POST", "/v1/notifications/{id}/recall", access="publish", answers={200: Recalled}, errors=(NotFound, Conflict)
)
async def recall(call: Call) -> Response:
    """Take a notification back: it leaves the inboxes live, and what has not been sent stays unsent."""
    found = await find(call)
    recipients = await call.hub.recall(call.service.tenant, found)
    known = [recipient._asdict() | {"id": notification_name(recipient.id)} for recipient in recipients]
    recipients_json = [{"user_id": recipient.pop("user"), **recipient} for recipient in known]
    return call.answer({"id": publication_name(found.id), "status": "recalled", "recipients": recipients_json})


async def find(call: Call) -> Outcome:
    """Find the publication a service's path names, narrowed to one recipient by an `ntf_…`; raise `NotFound`."""
    kind, id = call.path.id
    found = await call.hub.publications.find(call.service.tenant, kind, id)
    if found is None:
        raise NotFound(f"there is no {call.request.path_params['id']!r}")
    return found


def accept(call: Call, request: Publish, *, producer: str, key: str | None, said: bytes) -> Publication:
    """Turn a valid request into what is stored; raise `TooLarge` if its content is."""
    return Publication(
        tenant=call.service.tenant,
        producer=producer,
        category=request.category,
        content=request.content(call.state.settings.max_payload_bytes),
        users=request.recipients(),
        tags=request.tags,
        collapse_key=request.collapse_key,
        expires_at=request.expires_at,
        send_at=request.due_at(),
        channels=None if request.channels is None else list(dict.fromkeys(request.channels)),
        escalations=None if request.escalate is None else request.escalate.stored(),
        options=request.options(),
        key=key,
        body_hash=hashlib.sha256(said).digest() if key else None,
    )


def answer_of(outcome: Outcome) -> dict[str, Any]:
    """Build the `Published` that a producer reads."""
    return {
        "id": publication_name(outcome.id),
        "status": outcome.status,
        "notifications": _recipients(outcome.receipts),
    }


def _recipients(receipts: Sequence[Receipt]) -> list[dict[str, Any]]:
    return [{"user_id": user, "id": notification_name(id), "seq": seq} for user, id, seq in receipts]


def _accept_item(call: Call, item: Any, key: str | None) -> Publication:
    said = to_json(item, inf_nan_mode="constants")  # as it was said: infinities are refused, not turned into null
    request = parse_json(_PUBLISH, said)
    return accept(call, request, producer=f"batch:{call.service.producer}", key=key, said=said)


def _result(outcome: Outcome) -> dict[str, Any]:
    if outcome.mismatch:
        error = IdempotencyMismatch("this Idempotency-Key was used for another body")
        return {"status": error.status, "problem": problem(error)}
    return {"id": publication_name(outcome.id)}


def _producer(principal: Principal) -> str:
    return f"service:{principal.producer}"


def idempotency_key(header: str | None) -> str | None:
    """Read an Idempotency-Key, quoted (a structured field's string) or bare; raise `Invalid`."""
    if header is None:
        return None
    text = header.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = re.sub(r"\\([\"\\])", r"\1", text[1:-1])
    if not 1 <= len(text) <= 255 or not text.isprintable():
        detail = "must have 1 to 255 printable characters"
        raise Invalid(f"Idempotency-Key {detail}", errors=[FieldError("#/header/Idempotency-Key", detail)])
    return text
