"""Tickets: how a native EventSource, which cannot send headers, opens a stream without a token in its URL."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.responses import Response

from hub.api.operation import USER, Call, Resource
from hub.gate import TICKET_SECONDS

resource = Resource("Live")


class Ticket(BaseModel):
    """To be used once, as `?ticket=`, within `expires_in` seconds."""

    ticket: str
    expires_in: int


@resource.operation(
    "POST",
    "/v1/tickets",
    access=USER,
    answers={201: Ticket},
    answer_headers={"Cache-Control": "not to be kept"},
)
async def issue(call: Call) -> Response:
    """Issue a single-use ticket for a stream."""
    assert call.principal is not None
    call.state.gate.check_origin(call.request.headers)
    ticket = await call.state.gate.issue_ticket(call.principal, call.request.headers.get("origin"))
    return call.answer({"ticket": ticket, "expires_in": TICKET_SECONDS}, 201, Cache_Control="no-store")
