"""What the SDKs send must be what the vendors describe; skipped where the descriptions are not at hand."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from openapi_schema_validator import OAS30Validator, OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from delivery.http import Http
from delivery.sms import Twilio
from tests.delivery.conftest import ACCOUNT

FORM = (
    "/paths/~12010-04-01~1Accounts~1{AccountSid}~1Messages.json/post"
    "/requestBody/content/application~1x-www-form-urlencoded/schema"
)
CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts"


def load(name):
    path = CONTRACTS / name
    if not path.is_file():
        pytest.skip(f"the vendors' descriptions are not at {CONTRACTS}")
    return yaml.safe_load(path.read_text()) if name.endswith("yaml") else json.loads(path.read_text())


def violations(document, pointer, instance):
    """Return what an instance breaks of the schema at a JSON pointer of a document."""
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:contract", resource)
    dialect = OAS31Validator if document["openapi"].startswith("3.1") else OAS30Validator
    validator = dialect({"$ref": f"urn:contract#{pointer}"}, registry=registry)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance)]


async def test_an_email_is_what_resend_describes(providers, message):
    """The body of `POST /emails` validates, with every field of ours in use and none unknown to Resend."""
    document = load("resend.yaml")
    full = message("resend", html="<p>x</p>", headers={"List-Unsubscribe": "<https://example.com>"})
    await providers.resend.send(full)
    body = providers.requests()[0].body
    assert violations(document, "/components/schemas/SendEmailRequest", body) == []
    known = document["components"]["schemas"]["SendEmailRequest"]["properties"]
    assert set(body) <= set(known)
    assert len(providers.requests()[0].headers["idempotency-key"]) <= 256


async def test_an_sms_is_what_twilio_describes(providers, message):
    """The form of `POST Messages.json` validates, and so does the account in its path."""
    document = load("twilio_messages.json")
    path = "/paths/~12010-04-01~1Accounts~1{AccountSid}~1Messages.json/post"
    await providers.twilio.send(
        message("twilio", callback_url="https://hub.example.com/v1/webhooks/twilio/dlv_1", ttl_seconds=600)
    )
    seen = providers.requests()[0]
    form = dict(seen.body) | {"ValidityPeriod": int(seen.body["ValidityPeriod"])}
    schema = f"{path}/requestBody/content/application~1x-www-form-urlencoded/schema"
    assert violations(document, schema, form) == []
    account = seen.path.split("/")[3]
    assert violations(document, f"{path}/parameters/0/schema", account) == []


@pytest.mark.parametrize("kind", ["token", "fid"])
async def test_a_push_is_what_firebase_describes(providers, message, kind):
    """The body of `messages:send` validates for both kinds of address; unknown fields are refused by the schema."""
    document = load("fcm.openapi.json")
    full = message("fcm", address_kind=kind, ttl_seconds=60, urgent=True, link="https://example.com", data={"id": "1"})
    await providers.fcm.send(full)
    assert violations(document, "/components/schemas/SendMessageRequest", providers.requests()[0].body) == []


async def test_the_recording_twilio_answers_as_described(providers, message):
    """The double is held to the contract too: its message validates as Twilio's."""
    document = load("twilio_messages.json")
    await providers.twilio.send(message("twilio"))
    answer = twilio_answer(providers)
    assert violations(document, "/components/schemas/api.v2010.account.message", answer) == []


async def test_an_sms_by_a_messaging_service_is_what_twilio_describes(providers, message):
    """Without a number of ours the form validates too, and names exactly one of the two."""
    document = load("twilio_messages.json")
    service = "MG" + "0123456789abcdef" * 2
    edge = Twilio(
        Http(total_seconds=5),
        account_sid=ACCOUNT,
        auth_token="x",
        messaging_service_sid=service,
        base_url=providers.url,
    )
    await edge.send(message("twilio"))
    await edge.close()
    form = providers.requests()[0].body
    assert violations(document, FORM, form) == []
    assert set(form) == {"To", "Body", "MessagingServiceSid"}


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({}, {"html", "headers"}),
        ({"body": None}, {"html", "headers"}),
        ({"options": {"overrides": {"email": {"subject": "S", "text": "T", "html": "<p>H</p>"}}}}, {"html", "headers"}),
        (
            {"action_url": "/orders/7", "title": "Fire\r\nBcc: x@example.com", "priority": "critical"},
            {"html", "headers"},
        ),
        ({"expires_at": datetime.now(UTC) + timedelta(hours=1)}, {"html", "headers"}),
        ({"category": "must.have"}, {"html"}),
    ],
)
async def test_whatever_is_published_goes_out_as_the_vendors_describe(office, providers, fields, shape):
    """Every shape our renderer makes: e-mail in both forms with unsubscribe headers, SMS, push for each platform."""
    await office.fetch(
        "insert into categories (tenant, name, title, mandatory) values ('default', 'must.have', 'Must have', true)"
    )
    await office.publish(await office.user(devices=1), channels=["email", "sms", "push"], **fields)
    await office.turn()
    by_provider = {seen.provider: seen.body for seen in providers.requests()}
    assert set(by_provider) == {"resend", "twilio", "fcm"}
    email = by_provider["resend"]
    assert violations(load("resend.yaml"), "/components/schemas/SendEmailRequest", email) == []
    assert set(email) == {"from", "to", "subject", "text", "tags", *shape}
    assert set(email.get("headers", {})) == (
        {"List-Unsubscribe", "List-Unsubscribe-Post"} if "headers" in shape else set()
    )
    form = by_provider["twilio"]
    if "ValidityPeriod" in form:
        form = form | {"ValidityPeriod": int(form["ValidityPeriod"])}
    assert violations(load("twilio_messages.json"), FORM, form) == []
    push = by_provider["fcm"]
    assert violations(load("fcm.openapi.json"), "/components/schemas/SendMessageRequest", push) == []
    assert {"android", "apns", "webpush", "token", "notification"} <= set(push["message"])


async def test_the_recording_resend_and_firebase_answer_as_described(providers, message):
    """The other doubles are held to the contracts as well, by what the SDKs made of their answers."""
    receipt = await providers.resend.send(message("resend"))
    answer = {"id": receipt.provider_id}
    assert violations(load("resend.yaml"), "/components/schemas/SendEmailResponse", answer) == []
    name = (await providers.fcm.send(message("fcm"))).provider_id
    assert violations(load("fcm.openapi.json"), "/components/schemas/Message", {"name": name}) == []


def twilio_answer(providers):
    from delivery.outbox.vendors import _twilio_message

    return _twilio_message(providers.outbox.entries[0], "AC" + "0" * 32)
