"""A user as services see them: where they can be reached, whether they are here, and sending them away."""

from __future__ import annotations

from pydantic import BaseModel
from redis.exceptions import RedisError
from starlette.responses import Response

from hub.api.operation import Call, Resource
from hub.contact import Contact
from hub.errors import Invalid, NotFound, Unavailable
from hub.identity import UserKey
from hub.publication import UserId
from hub.store.contacts import Reach

resource = Resource("Users", id=UserId)


class Presence(BaseModel):
    """Whether a user has a connection open, and on how many nodes. A hint: never a condition for telling them."""

    online: bool
    nodes: int


class ContactShown(BaseModel):
    """Where a user can be reached: the phone number in E.164."""

    user_id: str
    email: str | None
    phone: str | None
    locale: str | None
    timezone: str | None


@resource.operation("PUT", "/v1/users/{id}", access="publish", body=Contact, answers={200: ContactShown})
async def put_contact(call: Call) -> Response:
    """Say where a user can be reached; what is left out is forgotten."""
    key, said = user_of(call), call.body
    reach = Reach(said.email, said.phone, said.locale, said.timezone)
    await call.hub.contacts.put(key, reach)
    return call.answer({"user_id": key.user} | reach._asdict())


@resource.operation("GET", "/v1/users/{id}", access="publish", answers={200: ContactShown}, errors=(NotFound,))
async def show_contact(call: Call) -> Response:
    """Show where a user can be reached."""
    key = user_of(call)
    reach = await call.hub.contacts.find(key)
    if reach is None:
        raise NotFound("nothing is known of this user")
    return call.answer({"user_id": key.user} | reach._asdict())


@resource.operation(
    "GET", "/v1/users/{id}/presence", access="publish", answers={200: Presence}, errors=(Invalid, Unavailable)
)
async def presence(call: Call) -> Response:
    """Tell whether a user is connected."""
    try:
        nodes = await call.hub.live.nodes_of(user_of(call))
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("presence is not known while Redis is away", retry_after_seconds=1) from error
    return call.answer({"online": nodes > 0, "nodes": nodes})


@resource.operation(
    "POST", "/v1/users/{id}/disconnect", access="publish", answers={204: None}, errors=(Invalid, Unavailable)
)
async def disconnect(call: Call) -> Response:
    """Close a user's connections on every node, within a second."""
    await call.hub.live.disconnect(user_of(call))
    return call.answer(status=204)


def user_of(call: Call) -> UserKey:
    """Say whom a service's path names."""
    return UserKey(call.service.tenant, call.path.id)
