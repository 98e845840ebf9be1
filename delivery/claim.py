"""Pure: what becomes of each delivery of a job, once its user's inbox is locked.

`jobs` hands over the cases and writes the verdicts down in the same transaction. Per case: the policy decides, a
provider is chosen, the message is written if it is the first time. A digest's first member carries all the others;
a push becomes one delivery per device, all written at once so that they say the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import orjson

from delivery import event
from delivery.case import Case
from delivery.channel import Channel, Message
from delivery.edges import Edges
from delivery.policy import Decision, decide
from delivery.render import Renderer
from delivery.template import BadTemplate

NOT_FIRED_SECONDS = 0.5
STATES: Mapping[str, Literal["pending", "suppressed", "expired"]] = {
    "wait": "pending",
    "suppress": "suppressed",
    "expire": "expired",
}


@dataclass(slots=True)
class Verdict:
    """What is to be written of one delivery; None leaves a column as it is."""

    case: Case
    state: Literal["sending", "pending", "suppressed", "expired", "failed"]
    reason: str = ""
    run_at: datetime | None = None
    decision: Decision | None = None
    message: Message | None = None
    edge: Channel | None = None
    digest_id: UUID | None = None
    copies: tuple[Message, ...] = ()
    """The same push for the user's other devices."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides over the deliveries of a job."""

    edges: Edges
    renderer: Renderer

    def judge(self, cases: Sequence[Case], joining: Sequence[Case], closed: Mapping[str, datetime]) -> list[Verdict]:
        """Return a verdict for every case, and for those `joining` a digest."""
        verdicts: dict[UUID, Verdict] = {}
        going: dict[tuple[str, str, str, str], set[UUID]] = defaultdict(set)  # what this very job sends counts, too
        for case in sorted(cases, key=lambda case: case.row["created_at"]):
            if case.id in verdicts:
                continue
            verdict = self._judge_one(case, closed, sent=len(going[case.group] - {case.row["notification_id"]}))
            verdicts[case.id] = verdict
            if verdict.state == "sending":
                going[case.group].add(case.row["notification_id"])
            if verdict.state == "sending" and _opens_digest(case):
                group = [other for other in (*cases, *joining) if other.group == case.group]
                absorbed = _absorb(case, [other for other in group if other.id not in verdicts])
                verdicts |= {one.case.id: one for one in absorbed}
                carried = [one.case for one in absorbed if one.digest_id is not None]
                self._write(verdict, sorted(carried, key=lambda other: other.row["created_at"]))
        return list(verdicts.values())

    def _judge_one(self, case: Case, closed: Mapping[str, datetime], *, sent: int) -> Verdict:
        if case.row["publication_status"] == "scheduled":
            soon = case.row["decided_at"] + timedelta(seconds=NOT_FIRED_SECONDS)
            return Verdict(case, "pending", "not_published_yet", soon)
        if not case.exists:
            return Verdict(case, "suppressed", "no_notification")
        facts = case.facts()
        decision = decide(replace(facts, recent=facts.recent + sent) if sent else facts)
        if decision.action != "send":
            return Verdict(case, STATES[decision.action], decision.reason, decision.until, decision)
        chosen = self._choose(case, closed)
        if chosen is None:
            return Verdict(case, "suppressed", "not_configured", None, decision)
        if isinstance(chosen, datetime):
            return Verdict(case, "pending", "provider_closed", chosen, decision)
        verdict = Verdict(case, "sending", "", None, decision, edge=chosen)
        self._write(verdict, [])
        return verdict

    def _choose(self, case: Case, closed: Mapping[str, datetime]) -> Channel | datetime | None:
        if case.channel == "webhook":
            assert case.endpoint is not None, "expected the policy to have asked for an endpoint"
            return self.edges.endpoint(case.endpoint, closed)
        return self.edges.choose(case.channel, last=case.row["provider"], pinned=case.row["pinned"], closed=closed)

    def _write(self, verdict: Verdict, others: Sequence[Case]) -> None:
        """Write the message, once and for all attempts."""
        case = verdict.case
        if case.row["message"] is not None:
            verdict.message = Message(**orjson.loads(case.row["message"]))
            return
        assert case.address is not None, "expected the policy to have asked for an address"
        if case.channel == "webhook":
            verdict.message = event.message(case, case.address)
            return
        kinds = dict(case.devices)
        try:
            message = self.renderer.message(case, case.address, kinds.get(case.address), others)
        except BadTemplate as error:
            verdict.state, verdict.reason = "failed", f"template: {error}"
            return
        verdict.message = message
        if case.channel == "push" and case.row["address"] is None:
            verdict.copies = tuple(
                replace(message, address=token, address_kind="fid" if kind == "fid" else "token")
                for token, kind in case.devices
                if token != case.address
            )


def _opens_digest(case: Case) -> bool:
    """Tell whether it carries a digest: only the first time, and never what is critical."""
    return case.row["digest"] is not None and case.row["message"] is None and case.row["priority"] > 0


def _absorb(carrier: Case, group: Sequence[Case]) -> list[Verdict]:
    """Let every other one of the group go with the carrier, unless its own rules object."""
    verdicts = []
    for other in group:
        if other.row["message"] is not None or not other.exists or other.row["priority"] == 0:
            continue
        facts = other.facts()
        decision = decide(replace(facts, category=replace(facts.category, digest=None)))
        if decision.action == "send":
            verdicts.append(Verdict(other, "suppressed", "digest", None, decision, digest_id=carrier.id))
        elif decision.action != "wait":
            verdicts.append(Verdict(other, STATES[decision.action], decision.reason, decision.until, decision))
    return verdicts


def message_json(message: Message) -> bytes:
    """Say a message as it is stored."""
    return orjson.dumps(message)
