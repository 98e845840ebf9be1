import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from delivery.channel import Ambiguous, Permanent, Throttled, Transient, Unauthorized
from delivery.outbox import Step
from delivery.push import Fcm
from delivery.push_message import TEXT_BYTES, clip
from tests.delivery.refusal import refused

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


def answered(http_status, status, code=None, **headers):
    details = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    body = {"error": {"code": http_status, "message": "said the provider", "status": status, "details": details}}
    return Step(status=http_status, body=body, headers={key.replace("_", "-"): text for key, text in headers.items()})


async def test_a_sent_push_returns_its_name(providers, message):
    """What was accepted is in the outbox, addressed to the device."""
    receipt = await providers.fcm.send(message("fcm"))
    entry = providers.outbox.entries[0]
    assert receipt.provider_id.startswith("projects/local/messages/")
    assert (entry.to, entry.title, entry.text) == ("device-token", message("fcm").title, message("fcm").text)


@pytest.mark.parametrize("kind", ["token", "fid"])
async def test_a_device_is_addressed_by_the_kind_it_registered(providers, message, kind):
    """A registration token and an installation id go into different fields, without a warning."""
    await providers.fcm.send(message("fcm", address_kind=kind))
    assert providers.outbox.entries[0].request["message"][kind] == "device-token"


async def test_every_platform_gets_the_same_collapse_id_and_lifetime(providers, message):
    """A repetition replaces what the device shows, on Android, iOS and in browsers."""
    urgent = message("fcm", ttl_seconds=60, urgent=True, link="https://shop.example.com/orders/7")
    await providers.fcm.send(urgent)
    await providers.fcm.send(urgent)
    first, second = (entry.request["message"] for entry in providers.outbox.entries)
    ids = {
        collapse
        for sent in (first, second)
        for collapse in (
            sent["android"]["collapse_key"],
            sent["android"]["notification"]["tag"],
            sent["apns"]["headers"]["apns-collapse-id"],
            sent["webpush"]["headers"]["Topic"],
            sent["webpush"]["notification"]["tag"],
        )
    }
    assert len(ids) == 1
    assert (first["android"]["ttl"], first["webpush"]["headers"]["TTL"]) == ("60s", "60")
    assert (first["android"]["priority"], first["apns"]["headers"]["apns-priority"]) == ("high", "10")
    assert first["webpush"]["fcm_options"] == {"link": urgent.link}


@pytest.mark.parametrize(
    ("step", "kind", "fields"),
    [
        (answered(404, "NOT_FOUND", "UNREGISTERED"), Permanent, {"address_is": "gone"}),
        (answered(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), Permanent, {"address_is": "gone"}),
        (answered(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), Permanent, {"address_is": "fine"}),
        (answered(404, "NOT_FOUND"), Permanent, {"address_is": "fine"}),
        (answered(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), Throttled, {"retry_after_seconds": 60}),
        (
            answered(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Retry_After="5"),
            Throttled,
            {"retry_after_seconds": 5},
        ),
        (answered(500, "INTERNAL", "INTERNAL"), Transient, {"status": 500}),
        (answered(503, "UNAVAILABLE", "UNAVAILABLE", Retry_After="11"), Transient, {"retry_after_seconds": 11}),
        (Step(status=502, body="<h1>Bad gateway</h1>"), Transient, {"status": 502}),
        (answered(401, "UNAUTHENTICATED"), Unauthorized, {"code": "token"}),
        (answered(403, "PERMISSION_DENIED"), Unauthorized, {"status": 403}),
        (answered(400, "INVALID_ARGUMENT", "THIRD_PARTY_AUTH_ERROR"), Unauthorized, {}),
        (Step(accept=True, drop=True), Ambiguous, {"remedy": "repeat"}),
        (Step(drop=True), Ambiguous, {"remedy": "repeat"}),
        (Step(accept=True, delay_seconds=5), Ambiguous, {"remedy": "repeat"}),
        (Step(accept=True, status=200, body="<h1>Welcome</h1>"), Ambiguous, {"remedy": "repeat"}),
        (Step(accept=True, status=200, body={}), Ambiguous, {"remedy": "repeat"}),
        (Step(status=500, body={"error": "a string"}), Ambiguous, {"remedy": "repeat"}),
    ],
    ids=lambda value: None if isinstance(value, dict) else getattr(value, "__name__", None),
)
async def test_each_answer_of_fcm_has_its_class(providers, message, step, kind, fields):
    """Every row of the error table holds through the real SDK, which is kept from posting twice."""
    providers.script.add(step)
    await refused(providers.fcm.send(message("fcm")), kind, **fields)
    assert len(providers.requests()) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere.invalid"])
async def test_a_refused_connection_is_transient(message, url):
    """Without a connection, or even an address, the device cannot have got anything."""
    edge = Fcm(base_url=url, timeout_seconds=5)
    await refused(edge.send(message("fcm")), Transient, code="unreachable")
    await edge.close()


async def test_a_token_endpoint_in_trouble_is_transient_and_a_revoked_key_is_not(providers, message):
    """No access token, no push: try later when the endpoint is away, alarm when the key is refused."""
    for url, kind in ((f"{providers.url}/token", Unauthorized), ("http://127.0.0.1:9/token", Transient)):
        edge = Fcm(firebase_credentials=service_account(url), base_url=providers.url, timeout_seconds=5)
        await refused(edge.send(message("fcm")), kind, code="token")
        await edge.close()
    assert len(providers.outbox.entries) == 0


def service_account(token_uri):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    fields = {"project_id": "shop", "private_key": pem, "client_email": "hub@example.com", "token_uri": token_uri}
    return json.dumps(fields | {"type": "service_account"})


@given(st.text(max_size=3000))
def test_a_clipped_text_fits_and_begins_like_the_whole(text):
    """Clipping counts bytes, cuts no character and says that something is missing."""
    clipped = clip(text, TEXT_BYTES)
    assert len(clipped.encode()) <= TEXT_BYTES
    assert clipped == text or (clipped.endswith("…") and text.startswith(clipped[:-1]))


async def test_the_longest_texts_stay_under_the_limit_of_4_kib(providers, message):
    """However long a notification is, its push fits."""
    await providers.fcm.send(message("fcm", title="🚚" * 3000, text="✓" * 20_000, ttl_seconds=60, urgent=True))
    assert len(json.dumps(providers.outbox.entries[0].request, ensure_ascii=False).encode()) <= 4096
