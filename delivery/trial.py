"""Pure: a template rendered without a delivery: what the preview shows, and what a publish is checked with.

It goes through the worker's own renderer, so that what a preview shows is what is sent, and what a publish lacks is
found before anybody waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from delivery.case import Case
from delivery.render import Renderer, Said
from delivery.store.templates import Saved

EXAMPLE: Mapping[str, Any] = {"title": "Title", "body": "Body", "data": {}, "action_url": None}
"""The notification of a preview that brings none of its own."""


def render(
    saved: Saved, content: Mapping[str, Any], options: Mapping[str, Any], *, user_id: str, public_url: str
) -> Said:
    """Say a notification with a template, as a worker would; raise `BadTemplate`."""
    words = {"title": saved.title, "body": saved.body, "html": saved.html}
    case = Case(
        {
            "tenant": "",
            "user_id": user_id,
            "channel": saved.channel,
            "category": content.get("category") or saved.category,
            "category_title": None,
            "mandatory": False,
            "locale": saved.locale,
            "content": orjson.dumps(dict(content)),
            "options": orjson.dumps(dict(options)),
            "template": orjson.dumps(words),
        }
    )
    return Renderer(public_url.rstrip("/"), "", "", "").say(case)
