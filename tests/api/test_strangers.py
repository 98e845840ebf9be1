"""What is not yours does not exist: other users' and other tenants' ids in every route there is."""

from typing import NamedTuple

import pytest

from hub.api.operation import USER
from tests.api.calls import OPERATIONS, UNKNOWN, body_of, path_of
from tests.hub_nodes import Listener, new_user

OF_USERS = [operation for operation in OPERATIONS if operation.access == USER]
OF_SERVICES = [operation for operation in OPERATIONS if operation.access in ("publish", "admin")]
WITH_IDS = [operation for operation in OF_USERS if "{id}" in operation.path]


class Victim(NamedTuple):
    """Somebody with two notifications, one of them read."""

    user: str
    notification: str
    publication: str


async def make_victim(api):
    """Give a new user something to lose."""
    user = new_user("victim")
    published = [await api.publish(user, title=f"secret of {user}", collapse_key=f"{n}") for n in range(2)]
    async with api.user(user) as client:
        await client.post(f"/v1/inbox/{published[0]['notifications'][0]['id']}/read")
    return Victim(user, published[1]["notifications"][0]["id"], published[1]["id"])


async def everything(api, victim):
    """Read all that the victim and its producer can see."""
    async with api.user(victim.user) as client, api.service() as service:
        answers = [
            await client.get("/v1/inbox", params={"filter": filter})
            for filter in ("all", "unread", "archived", "snoozed")
        ]
        answers += [await client.get("/v1/inbox/counts")]
        answers += [await service.get(f"/v1/notifications/{victim.publication}")]
    return [answer.content for answer in answers]


async def call(client, operation, victim):
    """Call an operation with the victim's ids wherever it takes one."""
    path = path_of(operation, **victim._asdict())
    return await client.request(operation.method, path, json=body_of(operation))


@pytest.mark.parametrize("operation", WITH_IDS, ids=lambda operation: operation.name)
async def test_another_users_notification_does_not_exist(api, operation):
    """A user who knows the id of another's notification gets the 404 of one that never was, and changes nothing."""
    victim, stranger = await make_victim(api), new_user("stranger")
    await api.publish(stranger)
    before = await everything(api, victim)
    async with api.user(stranger) as client:
        answer = await call(client, operation, victim)
        nobodys = await call(client, operation, victim._replace(notification="ntf_" + UNKNOWN))
    assert (answer.status_code, nobodys.status_code) == (404, 404)
    assert answer.json()["detail"].replace(victim.notification, "") == nobodys.json()["detail"].replace(UNKNOWN, "")
    assert await everything(api, victim) == before
    assert (await api.inbox(stranger))["seq"] == 1


@pytest.mark.parametrize("operation", OF_USERS, ids=lambda operation: operation.name)
async def test_a_user_of_the_same_name_in_another_tenant_is_somebody_else(api, operation):
    """With a token of another tenant, the same name and the right ids reach nothing of the victim's."""
    victim = await make_victim(api)
    before = await everything(api, victim)
    async with api.user(victim.user, tenant="acme") as client:
        answer = await call(client, operation, victim)
    assert answer.status_code == (404 if operation in WITH_IDS else answer.status_code)
    assert answer.status_code < 500
    assert "secret" not in answer.text
    assert await everything(api, victim) == before


@pytest.mark.parametrize("operation", OF_SERVICES, ids=lambda operation: operation.name)
async def test_a_service_of_another_tenant_reaches_nobody_here(api, operation):
    """With a key of another tenant, every id and name of the victim's is unknown; its stream stays open and silent."""
    victim = await make_victim(api)
    before = await everything(api, victim)
    key = await api.key(tenant="acme", name="tests")
    async with Listener(api, victim.user, "sse") as listener, api.service(key=key) as service:
        answer = await call(service, operation, victim)
        assert answer.status_code == (404 if "notifications/{id}" in operation.path else answer.status_code)
        assert answer.status_code < 500
        assert victim.notification not in answer.text
        assert await everything(api, victim) == before
        await api.publish(victim.user, title="still here")
        await listener.until_seq(4)
        assert [frame["seq"] for frame in listener.of("notification")] == [4]


async def test_a_publish_stays_in_its_tenant(api):
    """Publishing to a name in one tenant leaves the user of that name in another alone, live and stored."""
    user = new_user()
    key = await api.key(tenant="acme", name="tests")
    async with Listener(api, user, "websocket") as here, api.service(key=key) as service:
        answer = await service.post("/v1/notifications", json={"to": user, "category": "x", "title": "theirs"})
        assert (await service.get(f"/v1/users/{user}/presence")).json() == {"online": False, "nodes": 0}
        await service.post(f"/v1/users/{user}/disconnect")
        await api.publish(user, title="ours")
        await here.until_seq(1)
        assert [frame["notification"]["title"] for frame in here.of("notification")] == ["ours"]
    assert [item["title"] for item in (await api.inbox(user))["items"]] == ["ours"]
    assert [item["title"] for item in (await api.inbox(user, tenant="acme"))["items"]] == ["theirs"]
    async with api.service() as service:
        assert (await service.get(answer.headers["location"])).status_code == 404


@pytest.mark.parametrize(
    "id",
    ["x", "ntf_", "ntf_" + "0" * 31, "ntf_" + "g" * 32, "pub_" + UNKNOWN, "ntf_" + "0" * 33, "ntf_%00", "%ff", "1"],
)
@pytest.mark.parametrize("operation", WITH_IDS, ids=lambda operation: operation.name)
async def test_what_is_no_id_does_not_exist_either(api, operation, id):
    """Whatever stands where an id should, the answer is 404, and short."""
    async with api.user(new_user()) as client:
        answer = await client.request(operation.method, path_of(operation, notification=id), json=body_of(operation))
    assert answer.status_code == 404
    assert len(answer.content) < 600
