"""What a producer may say, and what it becomes: validation of a publish, and the content its notifications carry.

Pure. The models here are also the source of the OpenAPI document, so what is promised is what is checked. Unknown
fields are refused: a misspelt `expires_at`, silently dropped, would be a notification that never expires.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hub.errors import FieldError, TooLarge
from hub.identity import is_user_id

ONE_USER, MANY_USERS = "<one user>", "<many users>"
SECONDS, DURATION = "<seconds>", "<duration>"
MAX_RECIPIENTS = 1000
YEAR_SECONDS = 366 * 86_400
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _clean(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "must not contain the NUL character")
    return text


def _user(text: str) -> str:
    if not is_user_id(text):
        raise PydanticCustomError("user_id", "must be a user id: 1 to 255 characters, none of them a control character")
    return text


def _link(text: str) -> str:
    """Allow web addresses and paths only: a client will put this behind a click."""
    if not text.startswith(("https://", "http://")) and not (text.startswith("/") and not text.startswith("//")):
        raise PydanticCustomError("link", "must be an http or https address, or a path that starts with /")
    if any(ord(character) <= 32 for character in text):
        raise PydanticCustomError("link", "must not contain spaces or control characters")
    return text


def _object(data: dict[str, Any]) -> dict[str, Any]:
    for pointer, reason in _unstorable(data, ""):
        raise PydanticCustomError("json", "{reason}", {"reason": reason, "pointer": pointer})
    return data


def _unstorable(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Find what JSON allows but a store or a browser would silently alter: NUL, 65-bit integers, infinities."""
    if isinstance(value, dict):
        for name, member in value.items():
            here = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from _unstorable(name, here)
            yield from _unstorable(member, here)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _unstorable(member, f"{pointer}/{index}")
    elif isinstance(value, str):
        if "\0" in value:
            yield pointer, "must not contain the NUL character"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield pointer, "must be a finite number"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield pointer, "must be an integer of at most 64 bits; send it as a string"


def _dated(said: Any) -> Any:
    if isinstance(said, datetime) or (isinstance(said, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", said)):
        return said
    # Anything else would be taken for a unix time, in seconds or in milliseconds as it seems fit.
    raise PydanticCustomError("moment", "must be a time as RFC 3339 has it, such as 2030-01-02T03:04:05Z")


def _future(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise PydanticCustomError("past", "must lie in the future")
    try:
        return moment.astimezone(UTC)  # as the database will return it
    except OverflowError:
        raise PydanticCustomError("far", "must lie before the year 10000") from None


def _at(pointer: str, reason: str) -> PydanticCustomError:
    """Blame one field for what the whole says."""
    return PydanticCustomError("rule", "{reason}", {"reason": reason, "pointer": pointer})


def _documented(pattern: str, **more: Any) -> Any:
    """Say in the JSON schema what a validator checks."""
    return Field(json_schema_extra={"pattern": pattern, **more})


Text = Annotated[str, AfterValidator(_clean), _documented(r"^[^\x00]*$")]
UserId = Annotated[
    str, AfterValidator(_user), _documented(r"^[^\x00-\x1f\x7f-\x9f]{1,255}$", minLength=1, maxLength=255)
]
Category = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$")]
Tagged = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
Link = Annotated[str, Field(max_length=2048), AfterValidator(_link), _documented(r"^(https?://|/(?!/))[^\x00-\x20]*$")]
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_dated)]
Future = Annotated[Moment, AfterValidator(_future)]
DataObject = Annotated[dict[str, JsonValue], AfterValidator(_object)]
Priority = Literal["low", "normal", "high", "critical"]
Channel = Literal["in_app", "email", "sms", "push"]
Wait = Annotated[
    Annotated[float, Field(ge=0, le=YEAR_SECONDS), Tag(SECONDS)]
    | Annotated[str, Field(pattern=r"^[0-9]{1,3}[smhd]$"), Tag(DURATION)],
    Discriminator(lambda value: DURATION if isinstance(value, str) else SECONDS),
]
Recipients = Annotated[
    Annotated[UserId, Tag(ONE_USER)]
    | Annotated[list[UserId], Field(min_length=1, max_length=MAX_RECIPIENTS), Tag(MANY_USERS)],
    Discriminator(lambda value: MANY_USERS if isinstance(value, list | tuple) else ONE_USER),
]


class Request(BaseModel):
    """Base of every request body: exact types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Action(Request):
    """A button beside the notification."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
    label: Annotated[Text, Field(min_length=1, max_length=100)]
    url: Link | None = None


class Escalation(Request):
    """Reach the user over this channel too, `after` a while (seconds, or such as `5m`), unless it was read or seen."""

    after: Wait
    unless: Literal["read", "seen"] = "read"

    @property
    def after_seconds(self) -> float:
        """The wait in seconds."""
        if isinstance(self.after, str):
            return int(self.after[:-1]) * UNIT_SECONDS[self.after[-1]]
        return self.after


class Escalations(Request):
    """Channels that are used only if the user has not noticed by then; counted from the publish, or from `send_at`."""

    email: Escalation | None = None
    sms: Escalation | None = None
    push: Escalation | None = None

    def stored(self) -> bytes | None:
        """Say it as schema.sql's `add_deliveries` reads it; None if nothing escalates."""
        given = {name: wait for name in ("email", "sms", "push") if (wait := getattr(self, name)) is not None}
        terms = {name: {"after": wait.after_seconds, "unless": wait.unless} for name, wait in given.items()}
        return orjson.dumps(terms) if terms else None


class Override(Request):
    """Words for one channel, instead of its template's; `subject` is a title, `text` a body, `html` for e-mail only."""

    subject: Text | None = None
    title: Text | None = None
    text: Text | None = None
    body: Text | None = None
    html: Text | None = None


class Overrides(Request):
    """What is said differently over a channel."""

    email: Override | None = None
    sms: Override | None = None
    push: Override | None = None


class Publish(Request):
    """The body of `POST /v1/notifications`.

    Without `channels` the category's are used, otherwise the inbox only; the inbox always keeps what was said.
    """

    to: Recipients
    category: Category
    title: Annotated[Text, Field(min_length=1, max_length=500)]
    body: Text | None = None
    data: DataObject | None = None
    action_url: Link | None = None
    icon: Link | None = None
    actions: Annotated[list[Action], Field(max_length=5)] | None = None
    priority: Priority = "normal"
    tags: Annotated[list[Tagged], Field(max_length=20)] = Field(default_factory=list)  # `[]` would be copied, deeply
    collapse_key: Annotated[Text, Field(min_length=1, max_length=255)] | None = None
    expires_at: Future | None = None
    channels: Annotated[list[Channel], Field(min_length=1, max_length=4)] | None = None
    escalate: Escalations | None = None
    send_at: Future | None = None
    delay_seconds: Annotated[float, Field(ge=0, le=YEAR_SECONDS)] | None = None
    template: Category | None = None
    variables: DataObject | None = None
    overrides: Overrides | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """Refuse two times for one publish, and one that would be over before it begins."""
        if self.send_at is not None and self.delay_seconds is not None:
            raise _at("/delay_seconds", "must not be given beside send_at")
        due = self.due_at()
        if due is not None and self.expires_at is not None and self.expires_at <= due:
            raise _at("/expires_at", "must lie after the time of the publish")
        return self

    def due_at(self) -> datetime | None:
        """Say when it is to be published, counted from now; None if at once."""
        if self.delay_seconds:
            return datetime.now(UTC) + timedelta(seconds=self.delay_seconds)
        return self.send_at

    def options(self) -> bytes | None:
        """Say what its deliveries are rendered with; None if nothing was said about it."""
        overrides = self.overrides and self.overrides.model_dump(exclude_none=True)
        given = {"template": self.template, "variables": self.variables, "overrides": overrides}
        given = {name: value for name, value in given.items() if value}
        return orjson.dumps(given) if given else None

    def recipients(self) -> list[str]:
        """List the users addressed, each once, in the order given."""
        return [self.to] if isinstance(self.to, str) else list(dict.fromkeys(self.to))

    def content(self, max_bytes: int) -> bytes:
        """Render the constant part of its notifications; above `max_bytes` raise `TooLarge`, naming the largest."""
        fields = {
            "category": self.category,
            "title": self.title,
            "body": self.body,
            "data": self.data,
            "action_url": self.action_url,
            "icon": self.icon,
            "actions": [action.model_dump() for action in self.actions] if self.actions else None,
            "priority": self.priority,
            "collapse_key": self.collapse_key,
            "tags": self.tags,
        }
        content = orjson.dumps(fields)
        if len(content) > max_bytes:
            largest = max(fields, key=lambda name: len(orjson.dumps(fields[name])))
            detail = f"the content is {len(content)} bytes as JSON, above the limit of {max_bytes}"
            raise TooLarge(detail, errors=[FieldError(f"#/{largest}", detail)])
        return content


class Batch(Request):
    """The body of `POST /v1/notifications/batch`: each a `Publish`, validated on its own so that it fails alone."""

    items: Annotated[list[Any], Field(min_length=1, max_length=500)]
