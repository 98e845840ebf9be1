"""Decisions as the API shows them: from the function that decides at claim time, or from what it has recorded.

`publish` asks it for a dry run, explain for what is stored. What is still to come is decided as of the time it is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel

from delivery.case import Case
from delivery.policy import decide
from hub.store.publications import Publication

UNDECIDED = ("pending", "queued")


class Rule(BaseModel):
    """What one rule said, and the value it looked at."""

    rule: str
    action: Literal["pass", "wait", "suppress", "expire"]
    value: str
    until: AwareDatetime | None


class Verdict(BaseModel):
    """What the policy says of one user and channel: the rules in order, of which the last one decided."""

    user_id: str
    channel: str
    run_at: AwareDatetime | None
    action: Literal["send", "wait", "suppress", "expire"]
    reason: str
    until: AwareDatetime | None
    rules: list[Rule]


class Rehearsed(BaseModel):
    """What a publish would do now; nothing was stored."""

    status: Literal["dry_run"]
    decisions: list[Verdict]


def verdict(row: Mapping[str, Any]) -> dict[str, Any]:
    """Say what was decided of a delivery, or would be when it is due."""
    recorded = row["decision"] if row["state"] not in UNDECIDED else None
    if recorded is None:
        facts = Case(row).facts()
        recorded = decide(replace(facts, now=max(facts.now, row["run_at"]))).as_json()
    decision: dict[str, Any] = {
        "user_id": row["user_id"],
        "channel": row["channel"],
        "run_at": row["run_at"],
    } | orjson.loads(recorded)
    return decision | {"until": _moment(decision["until"])}


def rehearsed(publication: Publication, rows: list[Any]) -> dict[str, Any]:
    """Say what a publish would do: every recipient's inbox, then every delivery."""
    inbox = {"channel": "in_app", "run_at": publication.send_at, "action": "send", "reason": "", "until": None}
    inboxes: list[dict[str, Any]] = [{"user_id": user, **inbox, "rules": []} for user in publication.users]
    return {"status": "dry_run", "decisions": inboxes + [verdict(row) for row in rows]}


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
