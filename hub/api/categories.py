"""The category registry, for administrators: what each kind of notification does by default."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel
from starlette.responses import Response

from hub.api.operation import Call, Resource
from hub.category import CategorySaid, words
from hub.errors import NotFound
from hub.publication import Category
from hub.store.preferences import Registered

resource = Resource("Categories", category=Category)


class CategoryShown(BaseModel):
    """A registered category; without `channels` its notifications go to the inbox only."""

    category: str
    title: str
    channels: list[str] | None
    mandatory: bool
    retention_days: int | None
    throttle: dict[str, dict[str, float]] | None
    digest: dict[str, dict[str, float]] | None


@resource.operation("PUT", "/v1/categories/{category}", access="admin", body=CategorySaid, answers={200: CategoryShown})
async def put(call: Call) -> Response:
    """Register a category, or change it as a whole."""
    name, said = call.path.category, call.body
    category = Registered(
        name,
        said.title or words(name),
        None if said.channels is None else list(dict.fromkeys(said.channels)),
        said.mandatory,
        said.retention_days,
        _by_channel(said.throttle),
        _by_channel(said.digest),
    )
    await call.hub.preferences.register(call.service.tenant, category)
    return call.answer(_shown(category))


@resource.operation(
    "GET", "/v1/categories/{category}", access="admin", answers={200: CategoryShown}, errors=(NotFound,)
)
async def show(call: Call) -> Response:
    """Show a registered category."""
    found = await call.hub.preferences.category(call.service.tenant, call.path.category)
    if found is None:
        raise NotFound("this category is not registered")
    return call.answer(_shown(found))


@resource.operation("DELETE", "/v1/categories/{category}", access="admin", answers={204: None}, errors=(NotFound,))
async def remove(call: Call) -> Response:
    """Forget a category: its notifications stay, and what users chose of it."""
    if not await call.hub.preferences.unregister(call.service.tenant, call.path.category):
        raise NotFound("this category is not registered")
    return call.answer(status=204)


def _by_channel(said: BaseModel | None) -> bytes | None:
    given = said.model_dump(exclude_none=True) if said is not None else None
    return orjson.dumps(given) if given else None


def _shown(category: Registered) -> dict[str, Any]:
    known = category._asdict()
    del known["name"]
    parsed = {field: known[field] and orjson.loads(known[field]) for field in ("throttle", "digest")}
    return {"category": category.name} | known | parsed
