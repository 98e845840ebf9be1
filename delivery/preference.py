"""Pure: the category × channel grid of one user, with where each value comes from.

`policy` asks it for one cell, the preferences API for all of them, so that what the panel shows is what is decided.
From strong to weak: a mandatory category (locked), the user's own cell, the user's ``*`` row, the category's default
channels, and last: on. In-app is the inbox itself, the record of what was said, and is always on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

CHANNELS = ("in_app", "email", "sms", "push")
EVERY = "*"

Choices = Mapping[tuple[str, str], bool]
"""What a user has chosen: (category or ``*``, channel) → on or off."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """At most `limit` deliveries to a user over a channel in any `window_seconds`."""

    limit: int
    window_seconds: float


@dataclass(frozen=True, slots=True)
class Category:
    """What the registry says about a kind of notification; the default is what an unregistered one gets."""

    name: str
    title: str = ""
    channels: tuple[str, ...] | None = None
    mandatory: bool = False
    throttle: Mapping[str, Throttle] | None = None
    digest: Mapping[str, float] | None = None
    """Channel → window in seconds."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One resolved preference."""

    enabled: bool
    locked: bool
    source: Literal["mandatory", "inbox", "user", "user:*", "category", "default"]


def resolve(category: Category, channel: str, choices: Choices, *, requested: bool = False) -> Cell:
    """Resolve one cell; a channel the producer `requested` is not held to the category's defaults."""
    if channel == "in_app":
        return Cell(True, True, "inbox")
    if category.mandatory and (requested or category.channels is None or channel in category.channels):
        return Cell(True, True, "mandatory")
    own = choices.get((category.name, channel))
    if own is not None:
        return Cell(own, False, "user")
    every = choices.get((EVERY, channel))
    if every is not None:
        return Cell(every, False, "user:*")
    if category.channels is not None and not requested:
        return Cell(channel in category.channels, False, "category")
    return Cell(True, False, "default")
