"""Changing an inbox: what each call does, that repeating it does nothing, and what the counts say after it."""

import asyncio

import pytest

from tests.api.calls import pointers
from tests.hub_nodes import new_user


async def given(api, count=3):
    """Give a new user some notifications; return the user and the ids, oldest first."""
    user = new_user()
    return user, [(await api.publish(user))["notifications"][0]["id"] for _ in range(count)]


async def item(api, user, id, **query):
    """Find a listed notification."""
    return next(item for item in (await api.inbox(user, **query))["items"] if item["id"] == id)


async def say(client, path, **body):
    """Make a change and return the counts it answers with."""
    method = "DELETE" if path.startswith("ntf_") and "/" not in path else "POST"
    answer = await client.request(method, f"/v1/inbox/{path}", json=body or None)
    assert answer.status_code == 200, answer.text
    counts = answer.json()
    return counts["seq"], counts["unread"], counts["unseen"]


CHANGES = [  # path, counts after it, what is true of the notification then
    (["{}/read"], (4, 2, 2), {"read": True, "seen": True, "archived": False}),
    (["{}/read", "{}/unread"], (5, 3, 2), {"read": False, "seen": True, "read_at": None}),
    (["read-all", "{}/unread"], (5, 1, 0), {"read": False, "seen": True}),
    (["{}/archive"], (4, 2, 2), {"archived": True, "seen": True, "read": False}),
    (["{}/archive", "{}/unarchive"], (5, 3, 2), {"archived": False, "archived_at": None, "seen": True}),
    (["{}/read", "{}/archive", "{}/unread"], (6, 2, 2), {"archived": True, "read": False}),
    (["seen"], (4, 3, 0), {"seen": True, "read": False}),
    (["read-all"], (4, 0, 0), {"seen": True, "read": True, "read_at": None}),
    (["seen", "read-all"], (5, 0, 0), {"seen": True, "read": True}),
    (["read-all", "archive-read"], (7, 0, 0), {"archived": True}),
    (["{}/read", "archive-read"], (5, 2, 2), {"archived": True}),
]


@pytest.mark.parametrize(("paths", "counts", "state"), CHANGES, ids=[" ".join(case[0]) for case in CHANGES])
async def test_a_change_is_answered_with_the_counts_after_it(api, paths, counts, state):
    """Each change takes a number, keeps the counts exact and shows in the list; saying it again changes nothing."""
    user, (first, _, _) = await given(api)
    async with api.user(user) as one, api.user(user, node=1) as other:
        for path in paths:
            assert await say(one, path.format(first)) == await say(other, path.format(first))
        assert await say(one, paths[-1].format(first)) == counts
    shown = await item(api, user, first, filter="archived" if state.get("archived") else "all")
    assert {name: shown[name] for name in state} == state
    page = await api.inbox(user)
    assert (page["seq"], page["unread"], page["unseen"]) == counts


@pytest.mark.parametrize("change", ["unread", "unarchive"])
async def test_undoing_what_was_not_done_changes_nothing(api, change):
    """What is already so takes no number."""
    user, (first, *_) = await given(api)
    async with api.user(user) as client:
        assert await say(client, f"{first}/{change}") == (3, 3, 3)


async def test_the_time_of_reading_and_archiving_is_kept(api):
    """`read_at` and `archived_at` say when; reading again does not move them."""
    user, (first, *_) = await given(api)
    async with api.user(user) as client:
        await say(client, f"{first}/read")
        at = (await item(api, user, first))["read_at"]
        await say(client, f"{first}/archive")
        await say(client, f"{first}/read")
    shown = await item(api, user, first, filter="archived")
    assert shown["read_at"] == at
    assert shown["archived_at"] > at


async def test_a_deleted_notification_is_gone_for_good(api):
    """Deleting takes a number and what it counted for; afterwards it does not exist for any call."""
    user, (first, *_) = await given(api)
    async with api.user(user) as client:
        assert await say(client, first) == (4, 2, 2)
        for method, path in (("DELETE", first), ("POST", f"{first}/read"), ("POST", f"{first}/unarchive")):
            assert (await client.request(method, f"/v1/inbox/{path}")).status_code == 404
    assert (await api.inbox(user))["seq"] == 4


@pytest.mark.parametrize("wanted", ["read-all", "seen"])
async def test_up_to_leaves_what_came_later(api, wanted):
    """With the highest seq the user has seen, a notification that arrived in the same moment stays as it is."""
    user, (_, second, third) = await given(api)
    async with api.user(user) as client:
        counts = await say(client, wanted, up_to=2)
        assert counts == ((4, 1, 1) if wanted == "read-all" else (4, 3, 1))
        assert await say(client, wanted, up_to=1) == counts
    assert ((await item(api, user, second))["seen"], (await item(api, user, third))["seen"]) == (True, False)


@pytest.mark.parametrize("up_to", [3, 4, 2**53, None])
async def test_up_to_beyond_the_last_means_the_last(api, up_to):
    """A number that was not reached yet does not reach into the future."""
    user, _ = await given(api)
    async with api.user(user) as client:
        assert await say(client, "read-all", up_to=up_to) == (4, 0, 0)
    await api.publish(user)
    assert (await api.inbox(user))["unread"] == 1


@pytest.mark.parametrize("up_to", [-1, 2**53 + 1, 2**64, 1.5, "3", True, []])
@pytest.mark.parametrize("wanted", ["read-all", "seen"])
async def test_up_to_is_a_number_of_a_change(api, wanted, up_to):
    """Anything else is refused by name."""
    async with api.user(new_user()) as client:
        answer = await client.post(f"/v1/inbox/{wanted}", json={"up_to": up_to})
    assert (answer.status_code, pointers(answer)) == (422, ["#/up_to"])


@pytest.mark.parametrize("wanted", ["read-all", "seen", "archive-read"])
async def test_an_empty_inbox_has_nothing_to_change(api, wanted):
    """Nothing happens, and nothing takes a number."""
    async with api.user(new_user()) as client:
        assert await say(client, wanted) == (0, 0, 0)


async def test_archive_read_leaves_what_is_unread(api):
    """Read ones are put away in turns, however many they are; the others stay."""
    user = new_user()
    async with api.service() as service:
        said = {"to": user, "category": "x", "title": "t"}
        for _ in range(2):
            await service.post("/v1/notifications/batch", json={"items": [said] * 300})
    async with api.user(user) as client:
        await say(client, "read-all", up_to=590)
        assert await say(client, "archive-read") == (600 + 1 + 590, 10, 10)
    assert len((await api.inbox(user, limit=100))["items"]) == 10


async def test_counts_stay_exact_whatever_happens_at_once(api):
    """Twenty clients over two nodes change one inbox at the same time; the counts equal the rows."""
    user, ids = await given(api, 12)
    verbs = ("read", "unread", "archive", "unarchive")
    async with api.user(user) as one, api.user(user, node=1) as two:
        paths = [f"{id}/{verb}" for id in ids for verb in verbs] + ["read-all", "seen"] * 4
        await asyncio.gather(*[say((one, two)[number % 2], path) for number, path in enumerate(paths)])
    page = await api.inbox(user, limit=100)
    assert page["unread"] == sum(not item["read"] for item in page["items"])
    assert page["unseen"] == sum(not item["seen"] for item in page["items"])
    numbers = [item["seq"] for name in ("all", "archived") for item in (await api.inbox(user, filter=name))["items"]]
    assert len(set(numbers)) == len(ids)


async def test_the_last_of_two_answers_is_the_state(api):
    """Every changing call gets its own number: no two answers of effective changes are the same."""
    user, ids = await given(api, 10)
    async with api.user(user) as client:
        answers = await asyncio.gather(*[say(client, f"{id}/read") for id in ids])
    assert sorted(seq for seq, _, _ in answers) == list(range(11, 21))
    assert {unread for _, unread, _ in answers} == set(range(10))
