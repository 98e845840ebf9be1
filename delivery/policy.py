"""Pure: may this delivery go out now? → send · wait until · suppress · expire, and the rules that decided.

`jobs` calls `decide` at claim time, under the inbox row's lock, and stores the decision on the delivery; dry run and
explain call the same function. Rules are asked in order and the first one that objects decides; each leaves its name
and the value it looked at. Critical passes quiet hours, digests and throttles, but neither the user's choice nor a
dead address. Rejected: deciding at publish time, because a read or a changed preference would come too late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import orjson

from delivery.preference import Category, Choices, resolve
from delivery.quiet import QuietHours


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a decision may depend on, as it is under the lock."""

    now: datetime
    channel: str
    priority: str
    created_at: datetime
    category: Category
    address: str | None = None
    choices: Choices = field(default_factory=dict)
    suppression: str | None = None
    """Why the address must not be used: bounce, complaint, stop."""
    recalled: bool = False
    expires_at: datetime | None = None
    unless: Literal["read", "seen"] | None = None
    read_at: datetime | None = None
    seen: bool = False
    quiet_hours: QuietHours | None = None
    recent: int = 0
    """Deliveries of this user, channel and category within the throttle's window."""


class Ruling(NamedTuple):
    """What one rule said, and the value it looked at."""

    rule: str
    action: Literal["pass", "wait", "suppress", "expire"]
    value: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, the reason stored on the delivery, and every rule asked on the way."""

    action: Literal["send", "wait", "suppress", "expire"]
    reason: str
    until: datetime | None
    rulings: tuple[Ruling, ...]

    def as_json(self) -> bytes:
        """Say it as it is stored, and shown by explain."""
        said = {"action": self.action, "reason": self.reason, "until": self.until}
        rules = [ruling._asdict() for ruling in self.rulings]
        return orjson.dumps(said | {"rules": rules}, option=orjson.OPT_UTC_Z)


def decide(facts: Facts) -> Decision:
    """Ask the rules in order; the first that does not pass decides."""
    rulings: list[Ruling] = []
    for rule in RULES if facts.channel != "webhook" else RULES_OF_WEBHOOKS:
        ruling = rule(facts)
        rulings.append(ruling)
        if ruling.action != "pass":
            return Decision(ruling.action, ruling.rule, ruling.until, tuple(rulings))
    return Decision("send", "", None, tuple(rulings))


def _recall(facts: Facts) -> Ruling:
    return Ruling("recalled", "suppress" if facts.recalled else "pass", str(facts.recalled).lower())


def _expiry(facts: Facts) -> Ruling:
    over = facts.expires_at is not None and facts.expires_at <= facts.now
    return Ruling("expired", "expire" if over else "pass", _when(facts.expires_at))


def _escalation(facts: Facts) -> Ruling:
    if facts.unless is None:
        return Ruling("escalation", "pass", "unconditional")
    # Reading implies seen: whoever read it has also seen it.
    happened = facts.read_at is not None or (facts.unless == "seen" and facts.seen)
    return Ruling(facts.unless, "suppress" if happened else "pass", _when(facts.read_at) if happened else "not yet")


def _address(facts: Facts) -> Ruling:
    return Ruling("no_address", "pass" if facts.address else "suppress", facts.address or "none")


def _endpoint(facts: Facts) -> Ruling:
    return Ruling("no_endpoint", "pass" if facts.address else "suppress", facts.address or "disabled or deleted")


def _suppression(facts: Facts) -> Ruling:
    if facts.suppression is None:
        return Ruling("suppressed_address", "pass", "none")
    return Ruling(facts.suppression, "suppress", facts.suppression)


def _preference(facts: Facts) -> Ruling:
    cell = resolve(facts.category, facts.channel, facts.choices, requested=True)
    value = f"{'on' if cell.enabled else 'off'} ({cell.source})"
    return Ruling("preference", "pass" if cell.enabled else "suppress", value)


def _quiet_hours(facts: Facts) -> Ruling:
    if facts.quiet_hours is None or facts.priority == "critical":
        return Ruling("quiet_hours", "pass", "critical" if facts.quiet_hours else "none")
    until = facts.quiet_hours.ends_at(facts.now)
    return Ruling("quiet_hours", "pass" if until is None else "wait", str(facts.quiet_hours), until)


def _digest(facts: Facts) -> Ruling:
    window = (facts.category.digest or {}).get(facts.channel)
    if window is None or facts.priority == "critical":
        return Ruling("digest", "pass", "critical" if window else "none")
    closes = facts.created_at + timedelta(seconds=window)
    if closes <= facts.now:
        return Ruling("digest", "pass", f"closed at {_when(closes)}")
    return Ruling("digest", "wait", f"{window:g} s window", closes)


def _throttle(facts: Facts) -> Ruling:
    throttle = (facts.category.throttle or {}).get(facts.channel)
    if throttle is None or facts.priority == "critical":
        return Ruling("throttled", "pass", "critical" if throttle else "none")
    value = f"{facts.recent} of {throttle.limit} in {throttle.window_seconds:g} s"
    return Ruling("throttled", "suppress" if facts.recent >= throttle.limit else "pass", value)


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else moment.isoformat()


RULES: tuple[Callable[[Facts], Ruling], ...] = (
    _recall,
    _expiry,
    _escalation,
    _address,
    _suppression,
    _preference,
    _quiet_hours,
    _digest,
    _throttle,
)
RULES_OF_WEBHOOKS = (_endpoint,)
"""What has happened is told to the producer, whatever its reader prefers."""
