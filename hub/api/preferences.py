"""Preferences: what a user wants to hear over which channel, and when not.

For the user, or a service on the user's behalf. The grid is resolved by the function that decides over deliveries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from delivery.preference import CHANNELS, EVERY, Category, Choices, resolve
from hub.api.operation import USER, Call, Resource
from hub.api.users import user_of
from hub.category import PreferencesSaid
from hub.errors import FieldError, Invalid
from hub.identity import UserKey
from hub.publication import UserId
from hub.store.preferences import Chosen, Quiet, Registered
from hub.validation import pointer

resource = Resource("Preferences", id=UserId)


class CellShown(BaseModel):
    """One cell: what holds, whether it can be changed, and what decided."""

    enabled: bool
    locked: bool
    source: str


class QuietHoursShown(BaseModel):
    """From `start` to `end` in `timezone`, only what is critical goes out."""

    start: str
    end: str
    timezone: str


class PreferencesShown(BaseModel):
    """The resolved grid: every registered category, what the user chose of others, and `*` for all the rest.

    `titles` are those of the registered ones; what the others are called is left to whoever shows them.
    """

    categories: dict[str, dict[str, CellShown]]
    titles: dict[str, str]
    quiet_hours: QuietHoursShown | None


async def _show(call: Call, key: UserKey) -> Response:
    registered = await call.hub.preferences.categories(key.tenant)
    return call.answer(_grid(registered, await call.hub.preferences.chosen(key)))


async def _change(call: Call, key: UserKey) -> Response:
    said: PreferencesSaid = call.body
    cells = {(name, channel): on for name, row in said.categories.items() for channel, on in row.given().items()}
    registered = await call.hub.preferences.categories(key.tenant)
    _refuse_locked(cells, {category.name: category for category in registered})
    hours = said.quiet_hours
    quiet = None if hours is None else Quiet(hours.start, hours.end, hours.timezone)
    await call.hub.preferences.choose(key, cells, quiet=quiet, set_quiet="quiet_hours" in said.model_fields_set)
    return call.answer(_grid(registered, await call.hub.preferences.chosen(key)))


def _refuse_locked(cells: dict[tuple[str, str], bool | None], registered: dict[str, Registered]) -> None:
    """Raise `Invalid` for every cell that was to be switched off and is always on."""
    refused = []
    for (name, channel), on in cells.items():
        if on is False and resolve(_category(name, registered.get(name)), channel, {}).locked:
            where = pointer(["categories", name, channel])
            refused.append(FieldError(where, "cannot be switched off: this category is mandatory"))
    if refused:
        raise Invalid("; ".join(f"{p.pointer}: {p.detail}" for p in refused[:3]), errors=refused)


def _grid(registered: list[Registered], chosen: Chosen) -> dict[str, Any]:
    known = {category.name: category for category in registered}
    names = [EVERY, *sorted((known.keys() | {name for name, _ in chosen.choices}) - {EVERY})]
    rows = {name: _row(_category(name, known.get(name)), chosen.choices) for name in names}
    quiet = chosen.quiet
    zone = quiet and (quiet.timezone or chosen.timezone or "UTC")
    titles = {category.name: category.title for category in registered}
    return {"categories": rows, "titles": titles, "quiet_hours": quiet and quiet._asdict() | {"timezone": zone}}


def _row(category: Category, choices: Choices) -> dict[str, Any]:
    cells = {channel: resolve(category, channel, choices) for channel in CHANNELS}
    return {
        channel: {"enabled": cell.enabled, "locked": cell.locked, "source": cell.source}
        for channel, cell in cells.items()
    }


def _category(name: str, registered: Registered | None) -> Category:
    if registered is None:
        return Category(name)
    channels = None if registered.channels is None else tuple(registered.channels)
    return Category(name, registered.title, channels, registered.mandatory)


def _declare(method: str, summary: str, act: Callable[[Call, UserKey], Awaitable[Response]], **declared: Any) -> None:
    """Declare an operation twice: on one's own preferences, and on a user's."""

    async def own(call: Call) -> Response:
        return await act(call, call.key)

    async def of_user(call: Call) -> Response:
        return await act(call, user_of(call))

    own.__doc__, of_user.__doc__ = f"{summary}.", f"{summary}, on behalf of a user."
    answers = {200: PreferencesShown}
    resource.operation(method, "/v1/preferences", access=USER, answers=answers, **declared)(own)
    resource.operation(method, "/v1/users/{id}/preferences", access="publish", answers=answers, **declared)(of_user)


_declare("GET", "Show the resolved grid and the quiet hours", _show)
_declare("PATCH", "Change some preferences, and leave the rest", _change, body=PreferencesSaid)
