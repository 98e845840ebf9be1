import pytest
from yarl import URL

from delivery.channel import Ambiguous, Permanent, Throttled, Transient, Unauthorized
from delivery.email import Resend
from delivery.http import Http, proxy_for
from delivery.outbox import Step
from tests.delivery.refusal import refused


def answered(status, name, **headers):
    body = {"statusCode": status, "name": name, "message": "said the provider"}
    return Step(status=status, body=body, headers={key.replace("_", "-"): value for key, value in headers.items()})


async def test_a_sent_email_returns_the_providers_id(providers, message):
    """What was accepted is in the outbox under the id the receipt carries."""
    receipt = await providers.resend.send(message("resend", html="<p>It left</p>"))
    entry = providers.outbox.entries[0]
    assert (receipt.provider, receipt.provider_id, receipt.status) == ("resend", entry.id, 200)
    assert (entry.to, entry.title, entry.html) == ("ada@example.com", "Your order is on its way", "<p>It left</p>")
    assert entry.request["tags"] == [{"name": "delivery_id", "value": "dlv_0123"}]


@pytest.mark.parametrize(
    ("step", "kind", "fields"),
    [
        (answered(400, "validation_error"), Permanent, {"status": 400}),
        (answered(422, "missing_required_field"), Permanent, {"status": 422}),
        (answered(403, "validation_error"), Permanent, {"status": 403}),
        (answered(404, "not_found"), Permanent, {"status": 404}),
        (answered(405, "method_not_allowed"), Permanent, {"status": 405}),
        (answered(451, "security_error"), Permanent, {"status": 451}),
        (answered(401, "missing_api_key"), Unauthorized, {"status": 401}),
        (answered(401, "restricted_api_key"), Unauthorized, {"status": 401}),
        (answered(403, "invalid_api_key"), Unauthorized, {"status": 403}),
        (answered(429, "rate_limit_exceeded", Retry_After="7"), Throttled, {"retry_after_seconds": 7}),
        (answered(429, "rate_limit_exceeded", RETRY_AFTER="7"), Throttled, {"retry_after_seconds": 7}),
        (answered(429, "rate_limit_exceeded"), Throttled, {"retry_after_seconds": None}),
        (answered(429, "daily_quota_exceeded", Retry_After="7"), Throttled, {"retry_after_seconds": 3600}),
        (answered(500, "application_error"), Transient, {"status": 500}),
        (answered(503, "service_unavailable", Retry_After="30"), Transient, {"retry_after_seconds": 30}),
        (Step(status=502, body="<h1>Bad gateway</h1>"), Transient, {"status": 502}),
        (Step(status=307, headers={"Location": "/elsewhere"}), Ambiguous, {"remedy": "repeat"}),
        (answered(409, "concurrent_idempotent_requests"), Transient, {"status": 409}),
        (answered(409, "invalid_idempotent_request"), Ambiguous, {"remedy": "give_up", "alarm": True}),
        (Step(accept=True, drop=True), Ambiguous, {"remedy": "repeat", "code": "no_answer"}),
        (Step(drop=True), Ambiguous, {"remedy": "repeat"}),
        (Step(accept=True, delay_seconds=5), Ambiguous, {"remedy": "repeat", "code": "no_answer"}),
        (Step(accept=True, status=200, body="<h1>Welcome</h1>"), Ambiguous, {"remedy": "repeat"}),
        (Step(accept=True, status=200, body=[]), Ambiguous, {"remedy": "repeat"}),
        (Step(accept=True, status=200, body={}), Ambiguous, {"remedy": "repeat"}),
    ],
    ids=lambda value: None if isinstance(value, dict) else getattr(value, "__name__", None),
)
async def test_each_answer_of_resend_has_its_class(providers, message, step, kind, fields):
    """Every row of the error table holds through the real SDK, after exactly one request."""
    providers.script.add(step)
    await refused(providers.resend.send(message("resend")), kind, **fields)
    assert len(providers.requests()) == 1


async def test_a_provider_that_cannot_be_reached_has_received_nothing(message):
    """A refused connection and a name that does not exist are transient, not ambiguous."""
    for url in ("http://127.0.0.1:9", "http://nowhere.invalid"):
        edge = Resend(Http(total_seconds=5), api_key="re_test", base_url=url)
        await refused(edge.send(message("resend")), Transient, code="unreachable")
        await edge.close()


@pytest.mark.parametrize("loss", [{"drop": True}, {"delay_seconds": 5}, {"status": 200, "body": "<html>"}])
async def test_repeating_after_a_lost_answer_sends_one_email(providers, message, loss):
    """The same key with the same body gets the first e-mail's id, however the first answer was lost."""
    providers.script.add(Step(accept=True, **loss))
    same = message("resend")
    await refused(providers.resend.send(same), Ambiguous)
    receipt = await providers.resend.send(same)
    assert [entry.id for entry in providers.outbox.entries] == [receipt.provider_id]
    assert len({seen.headers["idempotency-key"] for seen in providers.requests()}) == 1


async def test_another_body_under_the_same_key_is_an_alarm(providers, message):
    """A key that was used for something else is never resolved by repeating."""
    await providers.resend.send(message("resend"))
    sending = providers.resend.send(message("resend", text="something else"))
    await refused(sending, Ambiguous, remedy="give_up", alarm=True)
    assert len(providers.outbox.entries) == 1


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "resend.com"}, None),
    ],
)
def test_a_proxy_of_the_environment_is_used(monkeypatch, environment, proxy):
    """Providers are reached through the proxy the environment names, unless it says not to."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    proxy_for.cache_clear()
    assert proxy_for(URL("https://api.resend.com")) == proxy
    proxy_for.cache_clear()
