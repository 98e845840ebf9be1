"""What a kind of notification is, and what its readers may choose of it: the bodies of both APIs. Pure.

The registry says what happens by default; a preference is one cell of the category × channel grid. What the values mean
is decided in `delivery.preference` and `delivery.quiet`, which the policy asks as well.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from delivery.preference import CHANNELS, EVERY
from hub.contact import Zone
from hub.publication import Channel, Request, Text

YEAR_SECONDS = 366 * 86_400
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_NAMES = {"propertyNames": {"pattern": r"^(\*|[A-Za-z0-9][A-Za-z0-9_.:-]{0,99})$"}}
Window = Annotated[float, Field(ge=1, le=YEAR_SECONDS)]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Throttled(Request):
    """At most `limit` deliveries to a user in any window."""

    limit: Annotated[int, Field(ge=1, le=1_000_000)]
    window_seconds: Window


class Throttles(Request):
    """Limits by channel."""

    email: Throttled | None = None
    sms: Throttled | None = None
    push: Throttled | None = None


class Digested(Request):
    """Deliveries within the window go out as one."""

    window_seconds: Window


class Digests(Request):
    """Digests by channel."""

    email: Digested | None = None
    sms: Digested | None = None
    push: Digested | None = None


class CategorySaid(Request):
    """What happens to notifications of a category by default. Without a title it is called by its name."""

    title: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    channels: Annotated[list[Channel], Field(max_length=4)] | None = None
    mandatory: bool = False
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    throttle: Throttles | None = None
    digest: Digests | None = None


class CellsSaid(Request):
    """Some cells of a row: on, off, or null for what would be without one's own choice. The inbox keeps everything."""

    in_app: Literal[True] | None = None
    email: bool | None = None
    sms: bool | None = None
    push: bool | None = None

    def given(self) -> dict[str, bool | None]:
        """Return the cells that were named and can be chosen."""
        named = self.model_fields_set - {"in_app"}
        return {channel: getattr(self, channel) for channel in CHANNELS if channel in named}


class QuietHoursSaid(Request):
    """From `start` to `end`, wall-clock times in a zone: by default the user's own."""

    start: Clock
    end: Clock
    timezone: Zone | None = None

    @model_validator(mode="after")
    def _differs(self) -> Self:
        if self.start == self.end:
            raise PydanticCustomError("quiet", "must differ from start", {"pointer": "/end"})
        return self


def _names(rows: dict[str, Any]) -> dict[str, Any]:
    for name in rows:
        if name != EVERY and not _NAME.fullmatch(name):
            pointer = "/" + name.replace("~", "~0").replace("/", "~1")
            raise PydanticCustomError("category", "is not the name of a category", {"pointer": pointer})
    return rows


Rows = Annotated[dict[str, CellsSaid], Field(max_length=500, json_schema_extra=_NAMES), AfterValidator(_names)]


class PreferencesSaid(Request):
    """What to change; what is not mentioned stays. `*` is every category; null for quiet hours ends them."""

    categories: Rows = Field(default_factory=dict)
    quiet_hours: QuietHoursSaid | None = None


def words(name: str) -> str:
    """Say a category's name in words: `order.shipped` becomes “Order shipped”."""
    return re.sub(r"[._:-]+", " ", name).strip().capitalize() or name
