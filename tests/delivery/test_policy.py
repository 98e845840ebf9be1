from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.policy import RULES, Facts, decide
from delivery.preference import Category, Throttle, resolve
from delivery.quiet import QuietHours

NOW = datetime(2026, 6, 1, 23, 0, tzinfo=UTC)
NIGHT = QuietHours.parse("22:00", "07:00", "UTC")
MORNING = datetime(2026, 6, 2, 7, 0, tzinfo=UTC)
PLAIN = Facts(
    now=NOW, channel="email", priority="normal", created_at=NOW, category=Category("promo"), address="a@example.com"
)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("changes", "action", "reason", "until"),
    [
        ({}, "send", "", None),
        ({"recalled": True}, "suppress", "recalled", None),
        ({"expires_at": NOW}, "expire", "expired", None),
        ({"expires_at": NOW + MINUTE}, "send", "", None),
        ({"unless": "read"}, "send", "", None),
        ({"unless": "read", "read_at": NOW}, "suppress", "read", None),
        ({"unless": "read", "seen": True}, "send", "", None),
        ({"unless": "seen", "seen": True}, "suppress", "seen", None),
        ({"unless": "seen", "read_at": NOW}, "suppress", "seen", None),
        ({"read_at": NOW}, "send", "", None),
        ({"address": None}, "suppress", "no_address", None),
        ({"suppression": "bounce"}, "suppress", "bounce", None),
        ({"choices": {("promo", "email"): False}}, "suppress", "preference", None),
        ({"choices": {("*", "email"): False}}, "suppress", "preference", None),
        ({"choices": {("*", "email"): False, ("promo", "email"): True}}, "send", "", None),
        ({"choices": {("promo", "sms"): False}}, "send", "", None),
        ({"choices": {("*", "email"): False}, "category": Category("promo", mandatory=True)}, "send", "", None),
        ({"quiet_hours": NIGHT}, "wait", "quiet_hours", MORNING),
        ({"quiet_hours": NIGHT, "now": MORNING}, "send", "", None),
        ({"quiet_hours": NIGHT, "priority": "critical"}, "send", "", None),
        ({"quiet_hours": NIGHT, "priority": "high"}, "wait", "quiet_hours", MORNING),
        ({"category": Category("promo", digest={"email": 60})}, "wait", "digest", NOW + MINUTE),
        ({"category": Category("promo", digest={"email": 60}), "now": NOW + MINUTE}, "send", "", None),
        ({"category": Category("promo", digest={"email": 60}), "priority": "critical"}, "send", "", None),
        ({"category": Category("promo", digest={"push": 60})}, "send", "", None),
        ({"category": Category("promo", throttle={"email": Throttle(3, 60)}), "recent": 2}, "send", "", None),
        (
            {"category": Category("promo", throttle={"email": Throttle(3, 60)}), "recent": 3},
            "suppress",
            "throttled",
            None,
        ),
        (
            {"category": Category("promo", throttle={"email": Throttle(3, 60)}), "recent": 3, "priority": "critical"},
            "send",
            "",
            None,
        ),
    ],
)
def test_each_fact_leads_to_its_decision(changes, action, reason, until):
    """The policy is a table of facts and decisions, each with its reason."""
    decision = decide(replace(PLAIN, **changes))
    assert (decision.action, decision.reason, decision.until) == (action, reason, until)


def test_a_critical_notification_respects_the_users_choice_and_a_dead_address():
    """Critical passes the clock and the throttle, not what the user or the address says."""
    critical = replace(PLAIN, priority="critical", quiet_hours=NIGHT)
    assert decide(replace(critical, choices={("promo", "email"): False})).reason == "preference"
    assert decide(replace(critical, suppression="complaint")).reason == "complaint"


def test_the_decision_lists_every_rule_that_was_asked_with_the_value_it_saw():
    """Whoever asks why gets the rules in order, the last one being the one that decided."""
    decision = decide(replace(PLAIN, choices={("promo", "email"): False}))
    assert [ruling.rule for ruling in decision.rulings][-2:] == ["suppressed_address", "preference"]
    assert decision.rulings[-1].value == "off (user)"
    assert [ruling.action for ruling in decision.rulings] == ["pass"] * 5 + ["suppress"]
    assert len(decide(PLAIN).rulings) == len(RULES)


FACTS = st.builds(
    Facts,
    now=st.just(NOW),
    channel=st.sampled_from(["email", "sms", "push"]),
    priority=st.sampled_from(["low", "normal", "high", "critical"]),
    created_at=st.just(NOW),
    category=st.builds(
        Category,
        name=st.just("promo"),
        channels=st.none() | st.just(("email",)),
        mandatory=st.booleans(),
        throttle=st.none() | st.just({"email": Throttle(1, 60)}),
        digest=st.none() | st.just({"email": 60.0, "push": 30.0}),
    ),
    address=st.none() | st.just("a@example.com"),
    choices=st.dictionaries(
        st.tuples(st.sampled_from(["promo", "*"]), st.sampled_from(["email", "sms", "push"])), st.booleans()
    ),
    suppression=st.none() | st.just("bounce"),
    recalled=st.booleans(),
    expires_at=st.none() | st.sampled_from([NOW - MINUTE, NOW + MINUTE]),
    unless=st.sampled_from([None, "read", "seen"]),
    read_at=st.none() | st.just(NOW),
    seen=st.booleans(),
    quiet_hours=st.none() | st.just(NIGHT),
    recent=st.integers(0, 3),
)


@given(FACTS)
def test_nothing_is_sent_that_must_not_be(facts):
    """Whatever else holds: sent means wanted, addressed, alive and unread where reading ends it."""
    decision = decide(facts)
    if decision.action == "send":
        assert facts.address is not None
        assert facts.suppression is None
        assert not facts.recalled
        assert facts.expires_at is None or facts.expires_at > facts.now
        assert not (facts.unless and facts.read_at)
        assert resolve(facts.category, facts.channel, facts.choices, requested=True).enabled


@given(FACTS)
def test_every_objection_has_a_reason_and_every_wait_an_end(facts):
    """A delivery that does not go out says why, and one that waits says until when."""
    decision = decide(facts)
    assert (decision.reason == "") == (decision.action == "send")
    assert (decision.until is not None) == (decision.action == "wait")
    if decision.until is not None:
        assert decision.until > facts.now


@pytest.mark.parametrize(
    ("category", "channel", "choices", "cell"),
    [
        (Category("a"), "email", {}, (True, False, "default")),
        (Category("a", channels=("email",)), "email", {}, (True, False, "category")),
        (Category("a", channels=("email",)), "sms", {}, (False, False, "category")),
        (Category("a", channels=("email",)), "sms", {("*", "sms"): True}, (True, False, "user:*")),
        (Category("a"), "email", {("*", "email"): False}, (False, False, "user:*")),
        (Category("a"), "email", {("*", "email"): False, ("a", "email"): True}, (True, False, "user")),
        (Category("a", mandatory=True), "email", {("a", "email"): False}, (True, True, "mandatory")),
        (Category("a", mandatory=True, channels=("push",)), "email", {}, (False, False, "category")),
        (Category("a"), "in_app", {("a", "in_app"): False}, (True, True, "inbox")),
    ],
)
def test_each_cell_of_the_grid_says_where_its_value_comes_from(category, channel, choices, cell):
    """Preferences are inherited from cell to row to category to default, and locks beat them all."""
    resolved = resolve(category, channel, choices)
    assert (resolved.enabled, resolved.locked, resolved.source) == cell
