"""How a recording provider misbehaves: steps that the next requests run into.

Tests and the chaos run write the script over HTTP or directly; `vendors` asks it once per request. A step says three
independent things: whether the message is accepted, how long the answer takes, and what the answer is (a status, a
cut connection, or the ordinary one). That covers every row of the error table, accepted-then-lost included.
"""

from __future__ import annotations

import random
from typing import Any, Literal

from pydantic import BaseModel, Field

Provider = Literal["resend", "twilio", "fcm"]


class Step(BaseModel, extra="forbid"):
    """What happens to a matching request; all defaults together mean the ordinary, accepting answer."""

    provider: Provider | None = None
    address: str | None = None
    method: str = "POST"
    chance: float = Field(default=1.0, ge=0, le=1)
    times: int = Field(default=1, description="requests it applies to; 0: without end")
    accept: bool = False
    delay_seconds: float = 0.0
    drop: bool = False
    status: int | None = None
    headers: dict[str, str] = {}
    body: Any = None

    @property
    def ordinary(self) -> bool:
        """Whether the request is answered as if nothing were wrong."""
        return self.status is None and not self.drop


class Script:
    """The steps still to come, in order; the first that matches a request is taken."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._left: list[int] = []
        self._random = _source(0)

    def add(self, *steps: Step) -> None:
        """Append steps."""
        self._steps.extend(steps)
        self._left.extend(step.times for step in steps)

    def reset(self, seed: int = 0) -> None:
        """Behave from now on; `seed` fixes what later steps with a chance will do."""
        self._steps.clear()
        self._left.clear()
        self._random = _source(seed)

    def take(self, provider: str, method: str, address: str) -> Step:
        """Return what happens to a request, and use it up."""
        for index, step in enumerate(self._steps):
            if not _matches(step, provider, method, address) or self._random.random() >= step.chance:
                continue
            if self._left[index] == 1:
                del self._steps[index], self._left[index]
            elif self._left[index] > 1:
                self._left[index] -= 1
            return step
        return Step()


def _source(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # reproducible is the point


def _matches(step: Step, provider: str, method: str, address: str) -> bool:
    return step.provider in (None, provider) and step.method == method and step.address in (None, address)
