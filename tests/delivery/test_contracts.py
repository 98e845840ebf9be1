"""What the SDKs send must be what the vendors describe; skipped where the descriptions are not at hand."""

import json
from pathlib import Path

import pytest
import yaml
from openapi_schema_validator import OAS30Validator, OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

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


def twilio_answer(providers):
    from delivery.outbox.vendors import _twilio_message

    return _twilio_message(providers.outbox.entries[0], "AC" + "0" * 32)
