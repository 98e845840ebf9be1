"""Tickets: a stream for a native EventSource, which cannot send headers."""

import asyncio

import httpx2
import pytest

from tests.hub_nodes import NO_TLS, ORIGIN, new_user

FOREIGN = "https://evil.example"


async def ticket(api, user, **headers):
    """Ask for a ticket."""
    async with api.user(user) as client:
        answer = await client.post("/v1/tickets", headers=headers)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expires_in"] == 30
    return answer.json()["ticket"]


async def opened(api, ticket, node=0, **headers):
    """Open a stream with a ticket; return the status and, if it opened, whose it is."""
    async with (
        httpx2.AsyncClient(base_url=api.url(node), verify=NO_TLS, timeout=10) as client,
        client.stream("GET", "/v1/stream", params={"ticket": ticket}, headers=headers) as answer,
    ):
        if answer.status_code != 200:
            return answer.status_code, None
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                return 200, line
    return 200, None


async def test_a_ticket_opens_a_stream_on_any_node(api):
    """The stream is that of the user who asked for the ticket."""
    user = new_user()
    status, hello = await opened(api, await ticket(api, user), node=1)
    assert status == 200
    assert user in hello


async def test_a_ticket_is_good_once(api):
    """Of ten who come with the same ticket at once, one gets in; later nobody does."""
    issued = await ticket(api, new_user())
    statuses = [status for status, _ in await asyncio.gather(*[opened(api, issued, node) for node in range(10)])]
    assert sorted(statuses) == [200] + [401] * 9
    assert (await opened(api, issued))[0] == 401


@pytest.mark.parametrize(
    ("asked", "used", "status"),
    [(ORIGIN, ORIGIN, 200), (ORIGIN, None, 200), (None, None, 200), (None, ORIGIN, 403), (ORIGIN, FOREIGN, 403)],
)
async def test_a_ticket_is_bound_to_its_origin(api, asked, used, status):
    """Another page cannot use it; a page's own EventSource sends no Origin to its own host."""
    issued = await ticket(api, new_user(), **({"Origin": asked} if asked else {}))
    assert (await opened(api, issued, **({"Origin": used} if used else {})))[0] == status


async def test_a_foreign_page_gets_no_ticket(api):
    """An origin that is not allowed is 403 even with a good token."""
    async with api.user(new_user()) as client:
        assert (await client.post("/v1/tickets", headers={"Origin": FOREIGN})).status_code == 403


@pytest.mark.parametrize("made_up", ["", "x", "x" * 32, "x" * 65, "ü" * 20, "a\0" * 12, "*" * 32])
async def test_a_made_up_ticket_is_refused(api, made_up):
    """Whatever it is, the answer is 401."""
    assert (await opened(api, made_up))[0] == 401
