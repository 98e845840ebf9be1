"""What services ask about users: whether they are here, and to send them away."""

import asyncio
from urllib.parse import quote

import pytest

from tests.api.calls import pointers
from tests.hub_nodes import TRANSPORTS, Listener, new_user

ODD = ["a/b", "..", ".", "a/presence", "%2F", "?x=1#y", "ü", "日本", "a b+c", "x" * 255, "'\"\\", "a\u200db"]


async def presence(service, user):
    """Ask whether a user is here."""
    answer = await service.get(f"/v1/users/{quote(user, safe='')}/presence")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_presence_counts_the_nodes_a_user_is_connected_to(api, transport):
    """Nobody is on no node, two tabs on one node are one, tabs on two nodes are two; leaving is noticed."""
    user = new_user()
    async with api.service(1) as service:
        assert await presence(service, user) == {"online": False, "nodes": 0}
        async with Listener(api, user, transport, node=0), Listener(api, user, transport, node=0):
            assert await presence(service, user) == {"online": True, "nodes": 1}
            async with Listener(api, user, transport, node=1):
                assert await presence(service, user) == {"online": True, "nodes": 2}
        async with asyncio.timeout(5):
            while (await presence(service, user))["online"]:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("user", ODD)
async def test_a_user_id_of_any_kind_is_percent_encoded_in_a_path(api, user):
    """A slash, dots, a percent sign and any script reach the user they name, and no other operation."""
    user = new_user(user)[-255:] if user != "x" * 255 else user
    async with Listener(api, user, "sse"), api.service() as service:
        assert await presence(service, user) == {"online": True, "nodes": 1}


@pytest.mark.parametrize("path", ["/v1/users/a/b/presence", "/v1/users//presence", "/v1/users/a%2Fpresence"])
async def test_slashes_that_are_not_encoded_are_other_paths(api, path):
    """Only an encoded slash belongs to an id."""
    async with api.service() as service:
        assert (await service.get(path)).status_code == 404


@pytest.mark.parametrize("user", ["%00", "a%0ab", "%7f", "%ff", "%c3%28", "%ed%a0%80", "x" * 256, "%C2%85"])
@pytest.mark.parametrize(("method", "action"), [("GET", "presence"), ("POST", "disconnect")])
async def test_what_cannot_be_a_user_is_refused_by_name(api, method, action, user):
    """Control characters, bytes that are no UTF-8 and overlong ids are 422 and point into the path."""
    async with api.service() as service:
        answer = await service.request(method, f"/v1/users/{user}/{action}")
    assert (answer.status_code, pointers(answer)) == (422, ["#/path/id"])


async def test_a_disconnected_user_is_gone_from_every_node_within_a_second(api):
    """Both transports on both nodes are told that the application sent them away, and not to come back."""
    user, other = new_user(), new_user()
    tabs = [(transport, node) for transport in TRANSPORTS for node in (0, 1)]
    async with Listener(api, other, "sse") as bystander, api.service() as service:
        listeners = [Listener(api, user, transport, node=node) for transport, node in tabs]
        for listener in listeners:
            await listener.__aenter__()
        answer = await service.post(f"/v1/users/{user}/disconnect")
        assert (answer.status_code, answer.content) == (204, b"")
        assert [await listener.until_closed(1) for listener in listeners] == [4009] * 4
        assert [listener.of("bye")[-1]["reconnect"] for listener in listeners] == [False] * 4
        assert bystander.closed is None


async def test_disconnecting_somebody_who_is_not_here_is_no_error(api):
    """It is a command about a state, and the state is reached."""
    async with api.service() as service:
        assert (await service.post(f"/v1/users/{new_user()}/disconnect")).status_code == 204
