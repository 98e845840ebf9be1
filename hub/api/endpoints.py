"""Webhook endpoints, for administrators: where a producer hears what became of its notifications.

What they are told is signed with a secret that is shown once, here, when the endpoint is made (Standard Webhooks);
`delivery.webhook` does the telling. Nothing can be changed of an endpoint: make another, and delete the old one when
the new one works; both are told meanwhile.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from delivery.destination import check
from hub.api.named import id_of
from hub.api.operation import Call, Resource
from hub.errors import Conflict, FieldError, Invalid, NotFound
from hub.publication import Request
from hub.store.endpoints import MOST, Endpoints, Listener

PREFIX = "whe"
resource = Resource("Webhooks", id=id_of(PREFIX))
SECRET_BYTES = 32
Event = Literal["delivered", "failed", "read"]


class EndpointSaid(Request):
    """Where to tell what: a delivery's receipt, its failure for good, a notification read by its user."""

    url: Annotated[str, Field(min_length=1, max_length=2000)]
    events: Annotated[list[Event], Field(min_length=1, max_length=3)] = Field(["delivered", "failed", "read"])


class EndpointShown(BaseModel):
    """An endpoint; `disabled` when it has answered 410."""

    id: str
    url: str
    events: list[Event]
    state: Literal["active", "disabled"]
    created_at: AwareDatetime


class EndpointMade(EndpointShown):
    """A new endpoint, with the secret that signs what it is told: it is not shown again."""

    secret: str


class EndpointsListed(BaseModel):
    """Every endpoint, oldest first."""

    items: list[EndpointShown]


@resource.operation(
    "POST",
    "/v1/webhook-endpoints",
    access="admin",
    body=EndpointSaid,
    answers={201: EndpointMade},
    errors=(Conflict,),
    answer_headers={"Location": "where the endpoint is"},
)
async def make(call: Call) -> Response:
    """Tell events to an address from now on, signed."""
    said: EndpointSaid = call.body
    try:
        check(said.url, private=call.state.settings.webhook_private)
    except ValueError as error:
        raise Invalid(f"url {error}", errors=[FieldError("#/url", str(error))]) from None
    secret = "whsec_" + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    events = list(dict.fromkeys(said.events))
    made = await _endpoints(call).create(call.service.tenant, url=said.url, secret=secret, events=events)
    if made is None:
        raise Conflict(f"there are {MOST} endpoints already: delete one first")
    shown = _shown(made)
    return call.answer(shown | {"secret": secret}, 201, Location=f"/v1/webhook-endpoints/{shown['id']}")


@resource.operation("GET", "/v1/webhook-endpoints", access="admin", answers={200: EndpointsListed})
async def show_all(call: Call) -> Response:
    """List the endpoints."""
    return call.answer({"items": [_shown(one) for one in await _endpoints(call).of(call.service.tenant)]})


@resource.operation(
    "GET", "/v1/webhook-endpoints/{id}", access="admin", answers={200: EndpointShown}, errors=(NotFound,)
)
async def show(call: Call) -> Response:
    """Show an endpoint."""
    found = await _endpoints(call).find(call.service.tenant, call.path.id)
    if found is None:
        raise _missing()
    return call.answer(_shown(found))


@resource.operation("DELETE", "/v1/webhook-endpoints/{id}", access="admin", answers={204: None}, errors=(NotFound,))
async def remove(call: Call) -> Response:
    """Delete an endpoint: it is told nothing more, not even what waits."""
    if not await _endpoints(call).delete(call.service.tenant, call.path.id):
        raise _missing()
    return call.answer(status=204)


def _endpoints(call: Call) -> Endpoints:
    return Endpoints(call.state.database)


def _missing() -> NotFound:
    return NotFound("there is no such endpoint")


def _shown(one: Listener) -> dict[str, Any]:
    return one._asdict() | {"id": f"{PREFIX}_{one.id.hex}"}
