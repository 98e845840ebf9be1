"""A user as services see them: whether they are here, and sending them away."""

from __future__ import annotations

from pydantic import BaseModel
from redis.exceptions import RedisError
from starlette.responses import Response

from hub.api.operation import Call, Resource
from hub.errors import FieldError, Invalid, Unavailable
from hub.identity import UserKey, is_user_id

resource = Resource("Users")


class Presence(BaseModel):
    """Whether a user has a connection open, and on how many nodes. A hint: never a condition for telling them."""

    online: bool
    nodes: int


@resource.operation(
    "GET", "/v1/users/{id}/presence", access="publish", answers={200: Presence}, errors=(Invalid, Unavailable)
)
async def presence(call: Call) -> Response:
    """Tell whether a user is connected."""
    try:
        nodes = await call.hub.live.nodes_of(_user(call))
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("presence is not known while Redis is away", retry_after_seconds=1) from error
    return call.answer({"online": nodes > 0, "nodes": nodes})


@resource.operation(
    "POST", "/v1/users/{id}/disconnect", access="publish", answers={204: None}, errors=(Invalid, Unavailable)
)
async def disconnect(call: Call) -> Response:
    """Close a user's connections on every node, within a second."""
    await call.hub.live.disconnect(_user(call))
    return call.answer(status=204)


def _user(call: Call) -> UserKey:
    user = call.request.path_params["id"]
    if not is_user_id(user):
        detail = "must be a user id: 1 to 255 characters, none of them a control character"
        raise Invalid(detail, errors=[FieldError("#/path/id", detail)])
    return UserKey(call.service.tenant, user)
