"""The link at the foot of every e-mail: one click, no login (RFC 8058).

The token is signed by the worker that wrote the e-mail and names a user, a category and a channel; it can do nothing
but switch that off. Only POST does: GET shows a page with a button, because mail scanners follow every link they see.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response

from delivery import unsubscribe
from delivery.store.subscriptions import Subscriptions
from delivery.unsubscribe import Subscription
from hub.api.named import Signed
from hub.api.operation import ANYBODY, Call, Resource
from hub.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from jinja2 import Template

resource = Resource("Webhooks", token=Signed)
PAGE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",  # the address is the secret
    "Cache-Control": "no-store",
}
_ANSWER = {
    "access": ANYBODY,
    "answers": {200: None},
    "answer_media_type": "text/html",
    "answer_headers": PAGE,
    "errors": (NotFound, Unavailable),
}


@resource.operation("GET", "/v1/unsubscribe/{token}", **_ANSWER)
async def ask(call: Call) -> Response:
    """Show a small page that unsubscribes; looking at it changes nothing."""
    return await _page(call, await _subscription(call), done=False)


@resource.operation("POST", "/v1/unsubscribe/{token}", **_ANSWER)
async def end(call: Call) -> Response:
    """Switch e-mail of the link's category off (RFC 8058); repeating it changes nothing."""
    subscription = await _subscription(call)
    await Subscriptions(call.state.database).end(subscription)
    return await _page(call, subscription, done=True)


async def _subscription(call: Call) -> Subscription:
    key = await Subscriptions(call.state.database).key()
    subscription = unsubscribe.read(call.path.token, key)
    if subscription is None:
        raise NotFound("this link is not one of ours, or not complete")
    return subscription


async def _page(call: Call, subscription: Subscription, *, done: bool) -> Response:
    title = await Subscriptions(call.state.database).title(subscription) or subscription.category
    return Response(_template().render(done=done, category=title), media_type="text/html; charset=utf-8", headers=PAGE)


@cache
def _template() -> Template:
    """Read the page's template, when the first reader comes."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string((files("hub.web") / "unsubscribe.html").read_text())
