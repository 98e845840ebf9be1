"""What providers' callbacks mean; the events used here are first held against the vendors' descriptions."""

from uuid import UUID

import pytest

from delivery.callback import of_resend, of_twilio
from tests.delivery.test_contracts import load, violations

ID = UUID("0190a5b2c3d47e5f8a9b0c1d2e3f4a5b")
NAME = f"dlv_{ID.hex}"
PARTS = {
    "email.bounced": {
        "bounce": {
            "diagnosticCode": ["smtp; 550"],
            "message": "no such user",
            "subType": "NoEmail",
            "type": "Permanent",
        }
    },
    "email.failed": {"failed": {"reason": "reached_daily_quota"}},
    "email.suppressed": {
        "suppressed": {
            "diagnosticCode": [],
            "message": "on the list",
            "reason": "previous_complaint",
            "type": "OnAccountSuppressionList",
        }
    },
}


def resend_event(kind, **parts):
    """Say an event as Resend would, about the delivery `ID`."""
    data = {
        "email_id": "em_1",
        "created_at": "2026-11-21T05:00:00.000Z",
        "from": "Shop <shop@example.com>",
        "to": ["ada@example.com"],
        "subject": "Your order",
        "tags": {"delivery_id": NAME},
        **(parts or PARTS.get(kind, {})),
    }
    return {"type": kind, "created_at": "2026-11-21T05:00:01.000Z", "data": data}


@pytest.mark.parametrize(
    ("kind", "fate", "suppress"),
    [
        ("email.sent", "sent", None),
        ("email.delivery_delayed", "sent", None),
        ("email.delivered", "delivered", None),
        ("email.opened", "delivered", None),
        ("email.complained", "delivered", "complaint"),
        ("email.bounced", "failed", "bounce"),
        ("email.failed", "failed", None),
        ("email.suppressed", "failed", "complaint"),
        ("email.scheduled", None, None),
    ],
)
def test_resends_events_are_understood(kind, fate, suppress):
    """Each event says how far its e-mail has come, and whether its address is to be left alone."""
    report = of_resend("evt_1", resend_event(kind))
    assert (report.fate, report.suppress) == (fate, suppress)
    assert (report.delivery, report.provider_id, report.event_id) == (ID, "em_1", "evt_1")
    assert bool(report.reason) == (fate == "failed")


@pytest.mark.parametrize(
    "kind", ["sent", "delivery_delayed", "delivered", "complained", "bounced", "failed", "suppressed"]
)
def test_the_events_of_these_tests_are_what_resend_describes(kind):
    """The fixtures validate against Resend's own description of its events."""
    document = load("resend.yaml")
    name = "Email" + "".join(word.capitalize() for word in kind.split("_")) + "Event"
    assert violations(document, f"/components/schemas/{name}", resend_event(f"email.{kind}")) == []


def test_a_passing_bounce_does_not_silence_an_address():
    """A full mailbox fails the delivery; the address stays good."""
    bounce = {"diagnosticCode": [], "message": "full", "subType": "MailboxFull", "type": "Transient"}
    report = of_resend("evt_1", resend_event("email.bounced", bounce=bounce))
    assert (report.fate, report.reason, report.suppress) == ("failed", "bounce:MailboxFull", None)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "x",
        {},
        {"type": "contact.created", "data": {"id": "1"}},
        {"type": "email.sent", "data": None},
        {"type": 1, "data": {"email_id": "x"}},
    ],
)
def test_what_is_about_no_email_of_ours_is_nothing(event):
    """Other events and other shapes are passed over, without an error."""
    assert of_resend("evt_1", event) is None


@pytest.mark.parametrize(
    ("status", "code", "fate", "suppress"),
    [
        ("queued", "", None, None),
        ("sent", "", "sent", None),
        ("delivered", "", "delivered", None),
        ("undelivered", "30001", "again", None),
        ("undelivered", "30003", "again", None),
        ("undelivered", "30004", "failed", None),
        ("undelivered", "30005", "failed", None),
        ("failed", "30006", "failed", None),
        ("failed", "30007", "failed", None),
        ("failed", "30008", "again", None),
        ("failed", "21610", "failed", "stop"),
        ("failed", "", "failed", None),
    ],
)
def test_twilios_statuses_are_understood(status, code, fate, suppress):
    """A code decides between failing for good and one later attempt; an opt-out is remembered."""
    report = of_twilio(NAME, {"MessageSid": "SM1", "MessageStatus": status, "ErrorCode": code})
    assert (report.fate, report.suppress, report.delivery) == (fate, suppress, ID)
    assert report.event_id == f"SM1:{status}"


def test_the_statuses_of_these_tests_are_twilios():
    """Every status that decides anything is one that Twilio describes."""
    statuses = set(load("twilio_messages.json")["components"]["schemas"]["message_enum_status"]["enum"])
    assert {"queued", "sent", "delivered", "undelivered", "failed", "read"} <= statuses


def test_a_form_without_a_message_is_nothing():
    """A callback without SID or status is passed over; one for an unknown name has no delivery."""
    assert of_twilio(NAME, {"MessageStatus": "sent"}) is None
    assert of_twilio("x", {"MessageSid": "SM1", "MessageStatus": "sent"}).delivery is None
