"""Counting an inbox, and not counting it again when nothing has changed."""

import asyncio

import pytest

from tests.hub_nodes import new_user

COUNTS = "/v1/inbox/counts"


async def test_unread_is_counted_by_category(api):
    """The categories' counts add up to the whole; read, archived and deleted ones are not counted."""
    user = new_user()
    for category in ("order.shipped", "order.shipped", "mention", "digest"):
        await api.publish(user, category=category)
    async with api.user(user) as client:
        counts = (await client.get(COUNTS)).json()
        assert counts == {
            "unread": 4,
            "unseen": 4,
            "seq": 4,
            "by_category": {"order.shipped": 2, "mention": 1, "digest": 1},
        }
        digest, mention, *_ = [item["id"] for item in (await api.inbox(user))["items"]]
        await client.post(f"/v1/inbox/{digest}/archive")
        await client.post(f"/v1/inbox/{mention}/read")
        assert (await client.get(COUNTS)).json()["by_category"] == {"order.shipped": 2}
        await client.post("/v1/inbox/read-all")
        await client.post(f"/v1/inbox/{mention}/unread")
        counts = (await client.get(COUNTS)).json()
    assert counts == {"unread": 1, "unseen": 0, "seq": 8, "by_category": {"mention": 1}}


async def test_a_new_user_counts_nothing(api):
    """Somebody never heard of has zero of everything, and an ETag too."""
    async with api.user(new_user()) as client:
        answer = await client.get(COUNTS)
        assert answer.json() == {"unread": 0, "unseen": 0, "seq": 0, "by_category": {}}
        assert (await client.get(COUNTS, headers={"If-None-Match": answer.headers["etag"]})).status_code == 304


async def test_the_etag_changes_with_every_change_and_only_then(api):
    """The same ETag is 304 without a body on every node; a change of any kind, also of another device, is 200."""
    user = new_user()
    await api.publish(user)
    async with api.user(user) as one, api.user(user, node=1) as two:
        seen = []
        for path in ("seen", "read-all", "read-all"):
            answer = await two.get(COUNTS)
            again = await one.get(COUNTS, headers={"If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == answer.headers["etag"]
            assert again.headers["cache-control"] == "private, no-cache"
            seen.append(answer.headers["etag"])
            await one.post(f"/v1/inbox/{path}")
        assert len(set(seen)) == 3
        assert (await one.get(COUNTS)).headers["etag"] == seen[-1]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '{} , W/"x"', "*"])
async def test_if_none_match_is_read_as_http_has_it(api, form):
    """Lists, weak tags and the star are understood."""
    user = new_user()
    await api.publish(user)
    async with api.user(user) as client:
        etag = (await client.get(COUNTS)).headers["etag"]
        assert (await client.get(COUNTS, headers={"If-None-Match": form.format(etag)})).status_code == 304
        assert (await client.get(COUNTS, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_another_user_has_another_etag(api):
    """Two inboxes at the same number are not taken for each other."""
    tags = set()
    for user in (new_user(), new_user()):
        await api.publish(user)
        async with api.user(user) as client:
            tags.add((await client.get(COUNTS)).headers["etag"])
    assert len(tags) == 2


async def test_the_categories_always_add_up(api):
    """Also while others publish and read, one answer is of one moment."""
    user, stop = new_user(), asyncio.Event()

    async def disturb():
        while not stop.is_set():
            published = await api.publish(user, category="busy")
            async with api.user(user, node=1) as client:
                await client.post(f"/v1/inbox/{published['notifications'][0]['id']}/read")

    task = asyncio.create_task(disturb())
    async with api.user(user) as client:
        for _ in range(50):
            counts = (await client.get(COUNTS)).json()
            assert sum(counts["by_category"].values()) == counts["unread"]
    stop.set()
    await task
