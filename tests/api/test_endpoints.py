"""Webhook endpoints through the API: made with a secret that is shown once, shown, deleted; one tenant's own."""

from base64 import b64decode

import pytest
from jsonschema import Draft202012Validator

from hub.api.told import SIGNED
from hub.notification import new_id
from hub.store.endpoints import MOST
from tests.api.calls import DOCUMENT, pointers

URL = "https://shop.example.com/hub"
DATA = {"notification_id": "ntf_1", "publication_id": "pub_1", "user_id": "ada", "category": "order.shipped"}


@pytest.fixture
async def service(api):
    """A client with an admin key of a tenant nobody else uses."""
    async with api.service(key=await api.key(tenant=f"shop-{new_id().hex[-12:]}")) as client:
        yield client


async def make(service, **said):
    return await service.post("/v1/webhook-endpoints", json={"url": URL, **said})


async def test_an_endpoint_is_made_with_a_secret_that_is_shown_once(service):
    """201 with a secret of 32 random bytes; from then on everything but the secret is shown."""
    answer = await make(service, events=["read", "failed", "read"])
    made = answer.json()
    assert answer.status_code == 201
    assert (made["url"], made["events"], made["state"]) == (URL, ["read", "failed"], "active")
    assert len(b64decode(made["secret"].removeprefix("whsec_"))) == 32
    assert made["secret"] != (await make(service)).json()["secret"]
    shown = (await service.get(answer.headers["location"])).json()
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    listed = (await service.get("/v1/webhook-endpoints")).json()["items"]
    assert listed[0]["id"] == made["id"]
    assert "secret" not in str(listed)


async def test_every_event_is_told_by_default(service):
    """Delivered, failed, read."""
    assert (await make(service)).json()["events"] == ["delivered", "failed", "read"]


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"url": "http://shop.example.com/"}, "#/url"),
        ({"url": "https://127.0.0.1/"}, "#/url"),
        ({"url": "https://169.254.169.254/latest"}, "#/url"),
        ({"url": "https://user@shop.example.com/"}, "#/url"),
        ({"url": ""}, "#/url"),
        ({"events": []}, "#/events"),
        ({"events": ["opened"]}, "#/events/0"),
        ({"secret": "mine"}, "#/secret"),
    ],
)
async def test_what_does_not_fit_is_named(service, said, pointer):
    """422 with a pointer: http, private addresses, unknown events, fields that are not the caller's."""
    answer = await make(service, **said)
    assert answer.status_code == 422
    assert pointers(answer) == [pointer]
    assert (await service.get("/v1/webhook-endpoints")).json() == {"items": []}


async def test_a_deleted_endpoint_is_gone(service):
    """204, and then it is unknown to everybody."""
    location = (await make(service)).headers["location"]
    assert (await service.delete(location)).status_code == 204
    assert [(await service.get(location)).status_code, (await service.delete(location)).status_code] == [404, 404]
    assert (await service.get("/v1/webhook-endpoints")).json() == {"items": []}


async def test_a_tenant_has_so_many_and_no_more(service):
    """Each event is told to all of them: there is a limit, and deleting one makes room."""
    for _ in range(MOST):
        made = await make(service)
    assert (await make(service)).status_code == 409
    await service.delete(made.headers["location"])
    assert (await make(service)).status_code == 201


async def test_endpoints_of_another_tenant_do_not_exist(api, service):
    """Neither seen, listed nor deleted with another tenant's key."""
    made = await make(service)
    async with api.service(key=await api.key(tenant="acme")) as stranger:
        answers = [await stranger.get(made.headers["location"]), await stranger.delete(made.headers["location"])]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert made.json()["id"] not in (await stranger.get("/v1/webhook-endpoints")).text
    assert (await service.get(made.headers["location"])).status_code == 200


def test_what_endpoints_are_told_is_in_the_document():
    """The body, its headers and what their answers mean stand under `webhooks`; an event of each kind is valid."""
    told = DOCUMENT["webhooks"]["event"]["post"]
    assert [header["name"] for header in told["parameters"]] == list(SIGNED)
    schema = told["requestBody"]["content"]["application/json"]["schema"] | {"components": DOCUMENT["components"]}
    about = {"id": "dlv_1", "channel": "sms", "state": "dead", "reason": "x", "provider": None, "provider_id": None}
    for kind, delivery in (("failed", about), ("delivered", about | {"state": "delivered"}), ("read", None)):
        said = {
            "type": f"notification.{kind}",
            "timestamp": "2026-11-28T13:00:00Z",
            "data": DATA | {"delivery": delivery},
        }
        assert list(Draft202012Validator(schema).iter_errors(said)) == []
    assert list(Draft202012Validator(schema).iter_errors({"type": "notification.opened"}))


async def test_managing_endpoints_takes_the_admin_scope(api):
    """A key that only publishes does not decide who hears of it."""
    async with api.service(key=await api.key(scopes=["publish"])) as service:
        assert (await service.get("/v1/webhook-endpoints")).status_code == 403
