from datetime import UTC, datetime, timedelta

import pytest

from delivery.channel import Ambiguous, Permanent, Throttled, Transient, Unauthorized
from delivery.http import Http
from delivery.outbox import Step
from delivery.sms import Twilio
from tests.delivery.refusal import refused


def answered(status, code, **headers):
    body = {"code": code, "message": "said the provider", "more_info": "https://example.com", "status": status}
    return Step(status=status, body=body, headers={key.replace("_", "-"): value for key, value in headers.items()})


PROBLEM = Step(
    status=400, body={"type": "https://example.com", "title": "Bad number", "status": 400, "code": 21211, "detail": "x"}
)


async def test_a_sent_sms_returns_the_sid(providers, message):
    """What was accepted is in the outbox under the SID the receipt carries, with its callback and lifetime."""
    callback = "https://hub.example.com/v1/webhooks/twilio/dlv_0123"
    receipt = await providers.twilio.send(message("twilio", callback_url=callback, ttl_seconds=90_000))
    entry = providers.outbox.entries[0]
    assert (receipt.provider, receipt.provider_id, receipt.status) == ("twilio", entry.id, 201)
    assert entry.request == {
        "To": "+4915112345678",
        "From": "+15005550006",
        "Body": "It left the warehouse. ✓",
        "StatusCallback": callback,
        "ValidityPeriod": "36000",
    }


async def test_a_messaging_service_speaks_in_place_of_a_number(providers, message):
    """With a messaging service Twilio picks the sender; no number is named."""
    edge = Twilio(
        Http(total_seconds=1),
        account_sid="AC" + "0" * 32,
        auth_token="secret",
        messaging_service_sid="MG" + "0" * 32,
        base_url=providers.url,
    )
    await edge.send(message("twilio"))
    await edge.close()
    request = providers.outbox.entries[0].request
    assert request["MessagingServiceSid"] == "MG" + "0" * 32
    assert "From" not in request


@pytest.mark.parametrize(
    ("step", "kind", "fields"),
    [
        (answered(400, 21211), Permanent, {"status": 400, "code": "21211", "address_is": "fine"}),
        (answered(400, 21614), Permanent, {"code": "21614"}),
        (answered(400, 21610), Permanent, {"code": "21610", "address_is": "opted_out"}),
        (answered(404, 20404), Permanent, {"status": 404}),
        (PROBLEM, Permanent, {"code": "21211"}),
        (answered(401, 20003), Unauthorized, {"status": 401}),
        (answered(403, 20003), Unauthorized, {"status": 403}),
        (answered(429, 20429, Retry_After="3"), Throttled, {"retry_after_seconds": 3}),
        (answered(429, 20429), Throttled, {"retry_after_seconds": None}),
        (answered(500, 20500), Transient, {"status": 500}),
        (Step(status=503, body="<h1>Sorry</h1>", headers={"Retry-After": "9"}), Transient, {"retry_after_seconds": 9}),
        (Step(status=302, headers={"Location": "/elsewhere"}), Transient, {}),
        (Step(accept=True, drop=True), Ambiguous, {"remedy": "look_up", "code": "no_answer"}),
        (Step(drop=True), Ambiguous, {"remedy": "look_up"}),
        (Step(accept=True, delay_seconds=5), Ambiguous, {"remedy": "look_up", "code": "no_answer"}),
        (Step(accept=True, status=201, body="<h1>Welcome</h1>"), Ambiguous, {"remedy": "look_up"}),
        (Step(accept=True, status=201, body={}), Ambiguous, {"remedy": "look_up"}),
    ],
    ids=lambda value: None if isinstance(value, dict) else getattr(value, "__name__", None),
)
async def test_each_answer_of_twilio_has_its_class(providers, message, step, kind, fields):
    """Every row of the error table holds through the real SDK, after exactly one request."""
    providers.script.add(step)
    await refused(providers.twilio.send(message("twilio")), kind, **fields)
    assert len(providers.requests()) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere.invalid"])
async def test_a_refused_connection_has_sent_nothing(message, url):
    """Without a connection, or even an address, there is no message to look for."""
    edge = Twilio(Http(total_seconds=5), account_sid="AC" + "0" * 32, auth_token="secret", base_url=url)
    await refused(edge.send(message("twilio")), Transient, code="unreachable")
    await edge.close()


async def test_an_sms_whose_answer_was_lost_is_found_again(providers, message):
    """The look-up tells the accepted message by number, text and time."""
    started = datetime.now(UTC)
    providers.script.add(Step(accept=True, drop=True))
    sms = message("twilio")
    await refused(providers.twilio.send(sms), Ambiguous)
    receipt = await providers.twilio.find(sms, since=started, known=frozenset())
    assert receipt is not None
    assert receipt.provider_id == providers.outbox.entries[0].id


async def test_the_look_up_finds_only_what_can_be_meant(providers, message):
    """Another text, an older message, or one that another delivery has claimed is not ours."""
    sms = message("twilio")
    sid = (await providers.twilio.send(sms)).provider_id
    now = datetime.now(UTC)
    other = message("twilio", text="Something else")
    assert await providers.twilio.find(other, since=now, known=frozenset()) is None
    assert await providers.twilio.find(sms, since=now + timedelta(minutes=1), known=frozenset()) is None
    assert await providers.twilio.find(sms, since=now, known=frozenset({sid})) is None
    assert await providers.twilio.find(sms, since=now, known=frozenset()) is not None


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (Step(method="GET", status=500, body={}), Transient),
        (Step(method="GET", drop=True, times=2), Transient),
        (Step(method="GET", status=200, body="<html>"), Transient),
        (Step(method="GET", status=401, body={"code": 20003, "message": "no"}), Unauthorized),
    ],
)
async def test_a_look_up_that_fails_says_nothing_about_the_message(providers, message, step, kind):
    """Trouble while looking is told as such, never as not found."""
    providers.script.add(step)
    finding = providers.twilio.find(message("twilio"), since=datetime.now(UTC), known=frozenset())
    await refused(finding, kind)
