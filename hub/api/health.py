"""What an orchestrator asks: is the process alive, should it get traffic, what does it count."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.responses import Response

from hub.api.operation import ANYBODY, Call, Resource
from hub.errors import HubError, Unavailable

resource = Resource("Operations")


class Ready(BaseModel):
    """What the node depends on. Redis is not required: without it, changes reach other nodes late."""

    status: str
    redis: bool


@resource.operation("GET", "/livez", access=ANYBODY, answers={204: None})
async def live(call: Call) -> Response:
    """Tell that the process runs."""
    return call.answer(status=204)


@resource.operation("GET", "/readyz", access=ANYBODY, answers={200: Ready}, errors=(Unavailable,))
async def ready(call: Call) -> Response:
    """Tell whether this node should get traffic: the database answers, and it is not draining."""
    if call.hub.live.roster.draining:
        raise Unavailable("this node is draining")
    try:
        await call.hub.inboxes.check()
    except HubError as error:
        raise Unavailable("the database does not answer") from error
    return call.answer({"status": "ready", "redis": call.hub.live.propagator.online})


@resource.operation("GET", "/metrics", access=ANYBODY, answers={200: None}, answer_media_type="text/plain")
async def metrics(call: Call) -> Response:
    """Expose the node's metrics to Prometheus; not reachable through the edge."""
    return Response(call.state.metrics.expose(), media_type="text/plain; version=0.0.4; charset=utf-8")
