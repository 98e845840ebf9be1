"""Providers' callbacks over HTTP: only genuine ones count, each once, and only forwards."""

import base64
import hashlib
import hmac
import json
import time
import uuid

import asyncpg
import pytest
from twilio.request_validator import RequestValidator

from tests.api.conftest import SIGNED
from tests.hub_nodes import new_user

SECRET = base64.b64decode(SIGNED["resend_webhook_secret"].removeprefix("whsec_"))


class Desk:
    """Deliveries that were sent, and their providers' side of the conversation."""

    def __init__(self, api, connection):
        self.api, self.connection = api, connection

    async def sent(self, channel="email", state="sent", provider_id=...):
        """Put a delivery into the database as a worker leaves it."""
        self.id, self.address = uuid.uuid4(), f"{new_user('Ada')}@example.com"
        self.name = f"dlv_{self.id.hex}"
        self.message = f"msg-{self.id}" if provider_id is ... else provider_id
        await self.connection.execute(
            "insert into deliveries (id, tenant, user_id, notification_id, publication_id, category, channel, priority,"
            " state, address, provider, provider_id, lease_until, pinned) values ($1, 'default', 'u', $2, $2, 'c', $3,"
            " 2, $4, $5, $6, $7, case when $4 in ('queued', 'sending') then now() + interval '1 minute' end, true)",
            self.id,
            uuid.uuid4(),
            channel,
            state,
            self.address,
            "resend" if channel == "email" else "twilio",
            self.message,
        )
        return self

    async def row(self):
        """Read the delivery."""
        return await self.connection.fetchrow("select * from deliveries where id = $1", self.id)

    async def suppression(self):
        """Read why its address is left alone."""
        return await self.connection.fetchval(
            "select reason from suppressions where address = $1", self.address.lower()
        )

    async def resend(self, kind, *, event_id=None, message=None, age_seconds=0, secret=SECRET, **data):
        """Say an event as Resend does; returns what became of it."""
        said = {"email_id": message or self.message or "em_1", "tags": {"delivery_id": self.name}, **data}
        body = json.dumps({"type": f"email.{kind}", "created_at": "2026-11-21T05:00:00Z", "data": said}).encode()
        headers = svix(body, event_id or uuid.uuid4().hex, age_seconds=age_seconds, secret=secret)
        async with self.api.client() as client:
            return await client.post("/v1/webhooks/resend", content=body, headers=headers)

    async def twilio(self, status, code="", *, sid=None, token=SIGNED["twilio_auth_token"], name=None, **fields):
        """Report a status as Twilio does."""
        path = f"/v1/webhooks/twilio/{name or self.name}"
        form = {
            "MessageSid": sid or self.message or "SM1",
            "MessageStatus": status,
            "ErrorCode": code,
            "To": "",
            **fields,
        }
        signature = RequestValidator(token).compute_signature(SIGNED["public_url"] + path, form)
        async with self.api.client() as client:
            return await client.post(path, data=form, headers={"X-Twilio-Signature": signature})


def svix(body, event_id, *, age_seconds=0, secret=SECRET):
    """Sign a body by Svix's scheme."""
    moment = str(int(time.time()) - age_seconds)
    mac = hmac.digest(secret, f"{event_id}.{moment}.".encode() + body, hashlib.sha256)
    return {"svix-id": event_id, "svix-timestamp": moment, "svix-signature": "v1," + base64.b64encode(mac).decode()}


@pytest.fixture
async def desk(api, services):
    connection = await asyncpg.connect(services.database_url)
    yield Desk(api, connection)
    await connection.close()


async def test_a_delivery_follows_its_email(desk):
    """Sent, delivered, and failed by a late bounce, whose address is left alone from then on."""
    await desk.sent()
    assert (await desk.resend("delivered")).json() == {"status": "recorded"}
    assert (await desk.row())["state"] == "delivered"
    bounce = {"type": "Permanent", "subType": "NoEmail", "message": "gone", "diagnosticCode": []}
    await desk.resend("bounced", bounce=bounce)
    row = await desk.row()
    assert (row["state"], row["reason"]) == ("failed", "bounce:NoEmail")
    assert await desk.suppression() == "bounce"


async def test_a_complaint_silences_the_address(desk):
    """Whoever complains has got it, and gets no more."""
    await (await desk.sent()).resend("complained")
    assert (await desk.row())["state"] == "delivered"
    assert await desk.suppression() == "complaint"


async def test_an_event_counts_once(desk):
    """The same event twice is 200 both times and on record once."""
    await desk.sent()
    event = uuid.uuid4().hex
    said = [(await desk.resend("delivered", event_id=event)).json()["status"] for _ in range(2)]
    assert said == ["recorded", "ignored"]
    assert await desk.connection.fetchval("select count(*) from provider_events where delivery_id = $1", desk.id) == 1


async def test_an_older_event_changes_nothing(desk):
    """`sent` after `delivered`, `delivered` after a bounce: 200, kept for the timeline, and the state stays."""
    await desk.sent()
    for kind, state in (
        ("delivered", "delivered"),
        ("sent", "delivered"),
        ("failed", "failed"),
        ("delivered", "failed"),
    ):
        assert (await desk.resend(kind)).status_code == 200
        assert (await desk.row())["state"] == state


async def test_what_is_unknown_is_answered(desk):
    """An event about no delivery of ours is 200, or it would be repeated for days."""
    desk.name, desk.message = f"dlv_{uuid.uuid4().hex}", "em_nobody"
    assert (await desk.resend("delivered")).json() == {"status": "ignored"}
    assert (await desk.resend("delivered", tags={})).json() == {"status": "ignored"}
    assert (await desk.twilio("delivered")).json() == {"status": "ignored"}
    assert (await desk.twilio("delivered", name="garbage")).json() == {"status": "ignored"}


async def test_an_email_is_found_by_its_id_too(desk):
    """Without the tag, Resend's own id leads to the delivery."""
    await desk.sent()
    assert (await desk.resend("delivered", tags=None)).json() == {"status": "recorded"}


@pytest.mark.parametrize("state", ["sending", "unknown", "pending", "queued"])
async def test_a_callback_may_overtake_our_own_record(desk, state):
    """The provider has it, whatever we know: nothing is sent again, and its id is ours to find."""
    await desk.sent(state=state, provider_id=None)
    assert (await desk.resend("delivered", message="em_early")).json() == {"status": "recorded"}
    row = await desk.row()
    assert (row["state"], row["provider_id"], row["lease_until"]) == ("delivered", "em_early", None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers: headers.clear(),
        lambda headers: headers.pop("svix-signature"),
        lambda headers: headers.update({"svix-signature": "v1,AAAA"}),
        lambda headers: headers.update({"svix-id": "another"}),
        lambda headers: headers.update({"svix-timestamp": "x"}),
    ],
)
async def test_a_bad_signature_is_refused(desk, spoil):
    """Missing, wrong, or of another event: 401, and nothing changes."""
    await desk.sent()
    body = json.dumps({"type": "email.delivered", "data": {"email_id": desk.message}}).encode()
    headers = svix(body, "evt")
    spoil(headers)
    async with desk.api.client() as client:
        assert (await client.post("/v1/webhooks/resend", content=body, headers=headers)).status_code == 401
    assert (await desk.row())["state"] == "sent"


@pytest.mark.parametrize("changes", [{"age_seconds": 301}, {"age_seconds": -301}, {"secret": b"somebody else"}])
async def test_a_stale_or_foreign_callback_is_refused(desk, changes):
    """A signature is good for five minutes, and only by our secret."""
    await desk.sent()
    assert (await desk.resend("delivered", **changes)).status_code == 401
    assert (await desk.row())["state"] == "sent"


async def test_bytes_that_are_no_text_are_refused(desk):
    """A body that cannot have been signed as text is 401, never a 500."""
    async with desk.api.client() as client:
        for body in (b"\xff\xfe", b""):
            answer = await client.post("/v1/webhooks/resend", content=body, headers=svix(body, "evt"))
            assert answer.status_code == 401


async def test_an_sms_follows_its_message(desk):
    """Twilio's form moves the delivery; the same status twice does it once."""
    await desk.sent("sms")
    said = [(await desk.twilio(status)).json()["status"] for status in ("sent", "delivered", "delivered", "sent")]
    assert said == ["ignored", "recorded", "ignored", "ignored"]
    assert (await desk.row())["state"] == "delivered"


async def test_a_phone_that_was_off_is_tried_once_more(desk):
    """30003 leads to one later attempt; when that fails too, it has failed."""
    await desk.sent("sms")
    await desk.twilio("undelivered", "30003")
    row = await desk.row()
    assert (row["state"], row["reason"], row["pinned"]) == ("pending", "undelivered:30003", False)
    assert await desk.connection.fetchval("select run_at > now() from deliveries where id = $1", desk.id)
    await desk.twilio("sent", sid=desk.message)  # late news of the first message
    assert (await desk.row())["state"] == "pending"
    await desk.connection.execute("update deliveries set state = 'sent', provider_id = 'SM2' where id = $1", desk.id)
    await desk.twilio("undelivered", "30003", sid="SM2")
    assert (await desk.row())["state"] == "failed"


async def test_stop_is_remembered(desk):
    """Somebody who opted out is not written to again."""
    await desk.sent("sms")
    await desk.twilio("failed", "21610")
    assert (await desk.row())["reason"] == "failed:21610"
    assert await desk.suppression() == "stop"


async def test_a_form_that_twilio_did_not_sign_is_refused(desk):
    """Another token, another delivery's signature, or none: 401."""
    await desk.sent("sms")
    assert (await desk.twilio("delivered", token="wrong")).status_code == 401
    async with desk.api.client() as client:
        form = {"MessageSid": desk.message, "MessageStatus": "delivered"}
        path = f"/v1/webhooks/twilio/{desk.name}"
        signature = RequestValidator(SIGNED["twilio_auth_token"]).compute_signature(SIGNED["public_url"] + path, form)
        for headers, where in (
            ({}, path),
            ({"X-Twilio-Signature": signature}, path + "x"),
            ({"X-Twilio-Signature": signature}, "/v1/webhooks/twilio/%ff"),
        ):
            assert (await client.post(where, data=form, headers=headers)).status_code == 401
    assert (await desk.row())["state"] == "sent"
