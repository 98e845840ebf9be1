"""Devices: a user registers the one in hand, a service does it for a user. A token moves with its user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from pydantic import BaseModel
from starlette.responses import Response

from hub.api.named import DeviceToken
from hub.api.operation import USER, Call, Resource
from hub.api.users import user_of
from hub.errors import NotFound
from hub.identity import UserKey
from hub.publication import Request, UserId
from hub.store.contacts import Device

resource = Resource("Devices", id=UserId, token=DeviceToken)


class DeviceSaid(Request):
    """What a token is: a registration `token`, or a Firebase installation id (`fid`)."""

    platform: Literal["web", "android", "ios"]
    kind: Literal["token", "fid"] = "token"


class DeviceShown(BaseModel):
    """A device that takes push messages."""

    token: str
    platform: Literal["web", "android", "ios"]
    kind: Literal["token", "fid"]


async def _put(call: Call, key: UserKey) -> Response:
    device = Device(call.path.token, call.body.platform, call.body.kind)
    await call.hub.contacts.put_device(key, device)
    return call.answer(device._asdict())


async def _show(call: Call, key: UserKey) -> Response:
    device = await call.hub.contacts.find_device(key, call.path.token)
    if device is None:
        raise NotFound("there is no such device")
    return call.answer(device._asdict())


async def _remove(call: Call, key: UserKey) -> Response:
    if not await call.hub.contacts.remove_device(key, call.path.token):
        raise NotFound("there is no such device")
    return call.answer(status=204)


def _declare(method: str, summary: str, act: Callable[[Call, UserKey], Awaitable[Response]], **declared: Any) -> None:
    """Declare an operation twice: on one's own devices, and on a user's."""

    async def own(call: Call) -> Response:
        return await act(call, call.key)

    async def of_user(call: Call) -> Response:
        return await act(call, user_of(call))

    own.__doc__, of_user.__doc__ = f"{summary}.", f"{summary}, on behalf of a user."
    resource.operation(method, "/v1/devices/{token}", access=USER, **declared)(own)
    resource.operation(method, "/v1/users/{id}/devices/{token}", access="publish", **declared)(of_user)


_declare("PUT", "Register a device for push messages", _put, body=DeviceSaid, answers={200: DeviceShown})
_declare("GET", "Show a device", _show, answers={200: DeviceShown}, errors=(NotFound,))
_declare("DELETE", "Forget a device", _remove, answers={204: None}, errors=(NotFound,))
