"""Categories and preferences: what holds by default, what a user chose, what nobody can switch off."""

import pytest

from tests.api.calls import pointers
from tests.hub_nodes import new_user

WHOLE = {
    "title": "Orders",
    "channels": ["in_app", "email"],
    "mandatory": False,
    "retention_days": 30,
    "throttle": {"sms": {"limit": 3, "window_seconds": 3600}},
    "digest": {"email": {"window_seconds": 900}},
}


def cell(enabled, source, locked=False):
    return {"enabled": enabled, "locked": locked, "source": source}


@pytest.fixture
async def tenant(api):
    """A tenant of its own: its name and a service of it."""
    name = new_user("t")
    async with api.service(key=await api.key(tenant=name)) as service:
        yield name, service


async def test_a_category_is_registered_shown_changed_and_forgotten(tenant):
    """What is put is shown; what the next one leaves out has its default; forgotten, it is not found."""
    _, service = tenant
    put = await service.put("/v1/categories/order.shipped", json=WHOLE)
    assert (put.status_code, put.json()) == (200, {"category": "order.shipped", **WHOLE})
    assert (await service.get("/v1/categories/order.shipped")).json() == put.json()
    await service.put("/v1/categories/order.shipped", json={"mandatory": True})
    assert (await service.get("/v1/categories/order.shipped")).json() == {
        "category": "order.shipped",
        "title": "Order shipped",
        **dict.fromkeys(("channels", "retention_days", "throttle", "digest")),
        "mandatory": True,
    }
    assert [(await service.delete("/v1/categories/order.shipped")).status_code for _ in range(2)] == [204, 404]
    assert (await service.get("/v1/categories/order.shipped")).status_code == 404


async def test_a_publish_without_channels_goes_over_its_category_s(tenant):
    """A category with e-mail by default gives a publish that names no channel an e-mail."""
    _, service = tenant
    await service.put("/v1/categories/order", json={"channels": ["in_app", "email"]})
    said = {"to": "ada", "category": "order", "title": "hello"}
    published = (await service.post("/v1/notifications", json=said)).json()
    items = (await service.get(f"/v1/notifications/{published['id']}/deliveries")).json()["items"]
    assert [item["channel"] for item in items] == ["email"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"title": ""}, "#/title"),
        ({"channels": ["fax"]}, "#/channels/0"),
        ({"mandatory": "yes"}, "#/mandatory"),
        ({"retention_days": 0}, "#/retention_days"),
        ({"throttle": {"sms": {"limit": 0, "window_seconds": 1}}}, "#/throttle/sms/limit"),
        ({"throttle": {"fax": {}}}, "#/throttle/fax"),
        ({"digest": {"email": {}}}, "#/digest/email/window_seconds"),
        ({"digest": {"email": {"window_seconds": 0}}}, "#/digest/email/window_seconds"),
    ],
)
async def test_a_category_that_makes_no_sense_is_refused_by_its_field(tenant, fields, pointer):
    """Each rule is broken on its own."""
    answer = await tenant[1].put("/v1/categories/x", json=fields)
    assert (answer.status_code, pointers(answer)) == (422, [pointer])
    assert pointers(await tenant[1].put("/v1/categories/a%20b", json={})) == ["#/path/category"]


async def test_the_grid_says_what_holds_and_why(api, tenant):
    """Inherited from the category, from the user's `*`, chosen, locked: each cell names what decided."""
    name, service = tenant
    await service.put("/v1/categories/news", json={"channels": ["in_app", "email"]})
    await service.put("/v1/categories/security", json={"mandatory": True, "title": "Signing in"})
    async with api.user(new_user(), tenant=name) as user:
        before = (await user.get("/v1/preferences")).json()
        assert before["quiet_hours"] is None
        assert before["categories"].keys() == {"*", "news", "security"}
        assert before["titles"] == {"news": "News", "security": "Signing in"}
        assert before["categories"]["news"] == {
            "in_app": cell(True, "inbox", locked=True),
            "email": cell(True, "category"),
            "sms": cell(False, "category"),
            "push": cell(False, "category"),
        }
        assert before["categories"]["security"]["sms"] == cell(True, "mandatory", locked=True)
        assert before["categories"]["*"]["sms"] == cell(True, "default")
        said = {"categories": {"*": {"sms": True, "email": False}, "news": {"push": True}, "other": {"email": True}}}
        changed = await user.patch("/v1/preferences", json=said)
        assert changed.status_code == 200, changed.text
        grid = changed.json()["categories"]
        assert (grid["news"]["sms"], grid["news"]["email"]) == (cell(True, "user:*"), cell(False, "user:*"))
        assert (grid["news"]["push"], grid["other"]["email"]) == (cell(True, "user"), cell(True, "user"))
        assert grid["security"] == before["categories"]["security"]
        assert changed.json()["titles"] == before["titles"], "what is not registered has none"
        assert (await user.get("/v1/preferences")).json() == changed.json()


async def test_a_change_leaves_alone_what_it_does_not_mention(api):
    """Null takes a choice back; an empty change changes nothing; a service does both for a user."""
    name = new_user()
    async with api.user(name) as user, api.service() as service:
        await user.patch("/v1/preferences", json={"categories": {"news": {"email": False, "sms": False}}})
        first = await service.patch(f"/v1/users/{name}/preferences", json={"categories": {"news": {"sms": None}}})
        assert first.json()["categories"]["news"]["email"] == cell(False, "user")
        assert first.json()["categories"]["news"]["sms"] == cell(True, "default")
        assert (await user.patch("/v1/preferences", json={})).json() == first.json()
        assert (await service.get(f"/v1/users/{name}/preferences")).json() == first.json()


async def test_what_is_mandatory_cannot_be_switched_off(api, tenant):
    """Each such cell is 422 by its pointer, and nothing of the request is kept; switching it on is no error."""
    name, service = tenant
    await service.put("/v1/categories/security", json={"mandatory": True, "channels": ["in_app", "email"]})
    async with api.user(new_user(), tenant=name) as user:
        before = (await user.get("/v1/preferences")).json()
        said = {"categories": {"news": {"sms": False}, "security": {"email": False}}}
        answer = await user.patch("/v1/preferences", json=said)
        assert (answer.status_code, pointers(answer)) == (422, ["#/categories/security/email"])
        assert (await user.get("/v1/preferences")).json() == before
        assert (
            await user.patch("/v1/preferences", json={"categories": {"security": {"email": True}}})
        ).status_code == 200


async def test_quiet_hours_are_kept_until_they_are_removed(api):
    """They are in their own zone, else the user's; not mentioned they stay; null ends them; the contact stays."""
    name, hours = new_user(), {"start": "22:00", "end": "07:00"}
    async with api.user(name) as user, api.service() as service:

        async def change(**said):
            return (await user.patch("/v1/preferences", json=said)).json()["quiet_hours"]

        assert await change(quiet_hours=hours) == {**hours, "timezone": "UTC"}
        await service.put(f"/v1/users/{name}", json={"timezone": "Asia/Tokyo"})
        assert await change() == {**hours, "timezone": "Asia/Tokyo"}
        own = {**hours, "timezone": "Europe/Berlin"}
        assert await change(quiet_hours=own) == own
        assert await change(categories={"x": {"email": True}}) == own
        assert await change(quiet_hours=None) is None
        assert (await service.get(f"/v1/users/{name}")).json()["timezone"] == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"categories": {"a b": {"email": True}}}, "#/categories/a%20b"),
        ({"categories": {"x": {"fax": True}}}, "#/categories/x/fax"),
        ({"categories": {"x": {"email": "no"}}}, "#/categories/x/email"),
        ({"categories": {"x": {"in_app": False}}}, "#/categories/x/in_app"),
        ({"categories": []}, "#/categories"),
        ({"quiet_hours": {"start": "22:00"}}, "#/quiet_hours/end"),
        ({"quiet_hours": {"start": "25:00", "end": "07:00"}}, "#/quiet_hours/start"),
        ({"quiet_hours": {"start": "7:00", "end": "08:00"}}, "#/quiet_hours/start"),
        ({"quiet_hours": {"start": "07:00", "end": "07:00"}}, "#/quiet_hours/end"),
        ({"quiet_hours": {"start": "22:00", "end": "07:00", "timezone": "Berlin"}}, "#/quiet_hours/timezone"),
    ],
)
async def test_a_preference_that_cannot_be_is_refused_by_its_field(api, said, pointer):
    """Each rule is broken on its own."""
    async with api.user(new_user()) as user:
        answer = await user.patch("/v1/preferences", json=said)
    assert (answer.status_code, pointers(answer)) == (422, [pointer])
