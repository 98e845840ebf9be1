"""Reading an inbox: pages, filters and cursors."""

import asyncio

import pytest

from tests.api.calls import pointers, publication
from tests.hub_nodes import new_user


async def fill(api, titles, **fields):
    """Give a new user notifications with these titles, oldest first; return the user and the ids by title."""
    user = new_user()
    items = [publication(to=user, title=title, **fields) for title in titles]
    async with api.service() as service:
        await service.post("/v1/notifications/batch", json={"items": items})
    return user, {item["title"]: item["id"] for item in (await api.inbox(user, limit=100))["items"]}


def titles(page):
    """List the titles of a page."""
    return [item["title"] for item in page["items"]]


async def walk(client, **query):
    """Follow `next_cursor` to the last page; return the pages."""
    pages = [(await client.get("/v1/inbox", params=query)).json()]
    while cursor := pages[-1]["next_cursor"]:
        pages.append((await client.get("/v1/inbox", params={**query, "cursor": cursor})).json())
    return pages


async def test_a_new_user_has_an_empty_inbox(api):
    """Nobody needs to be created: a user who was never heard of has no notifications and no counts."""
    page = await api.inbox(new_user())
    assert page == {"items": [], "next_cursor": None, "epoch": "", "seq": 0, "unread": 0, "unseen": 0}


async def test_the_newest_comes_first_with_the_counts_of_the_same_moment(api):
    """A page lists newest first and says how much is unread and unseen in all."""
    user, _ = await fill(api, ["a", "b", "c"])
    page = await api.inbox(user, limit=2)
    assert (titles(page), page["seq"], page["unread"], page["unseen"]) == (["c", "b"], 3, 3, 3)


async def test_pages_follow_each_other_without_gap_or_repetition(api):
    """Following the cursor shows every notification once; the last page has none."""
    user, _ = await fill(api, [str(number) for number in range(25)])
    async with api.user(user, node=1) as client:
        for limit in (1, 7, 25, 100):
            pages = await walk(client, limit=limit)
            assert [title for page in pages for title in titles(page)] == [str(n) for n in reversed(range(25))]
            assert len(pages) == -(-25 // limit)


async def test_the_next_page_is_also_linked(api):
    """`Link: rel="next"` holds the address of the next page, filters kept; the last page has no link."""
    user, _ = await fill(api, ["a", "b", "c"], category="x.y")
    async with api.user(user) as client:
        first = await client.get("/v1/inbox", params={"limit": 2, "category": "x.y"})
        address, _, relation = first.headers["link"].partition(">; ")
        assert relation == 'rel="next"'
        second = await client.get(address.removeprefix("<"))
    assert titles(second.json()) == ["a"]
    assert "link" not in second.headers


async def test_a_page_does_not_move_when_something_new_arrives(api):
    """Walking while others publish shows all that was there, once each, and nothing that came in between."""
    user, _ = await fill(api, [f"old {number}" for number in range(40)])
    stop = asyncio.Event()

    async def disturb():
        while not stop.is_set():
            await api.publish(user, title="new")

    task = asyncio.create_task(disturb())
    async with api.user(user) as client:
        pages = await walk(client, limit=3)
    stop.set()
    await task
    shown = [title for page in pages for title in titles(page) if title != "new"]
    assert shown == [f"old {number}" for number in reversed(range(40))]
    assert pages[-1]["seq"] > pages[0]["seq"]


async def test_each_filter_lists_its_part(api):
    """`all` leaves out what is archived; `unread`, `archived` and `snoozed` list just those."""
    user, ids = await fill(api, ["plain", "read", "archived", "archived and read", "deleted"])
    async with api.user(user) as client:
        for title, change in (("read", "read"), ("archived", "archive"), ("archived and read", "read")):
            await client.post(f"/v1/inbox/{ids[title]}/{change}")
        await client.post(f"/v1/inbox/{ids['archived and read']}/archive")
        await client.delete(f"/v1/inbox/{ids['deleted']}")
    listed = {name: titles(await api.inbox(user, filter=name)) for name in ("all", "unread", "archived", "snoozed")}
    assert listed == {
        "all": ["read", "plain"],
        "unread": ["plain"],
        "archived": ["archived and read", "archived"],
        "snoozed": [],
    }


async def test_unread_lists_what_is_unread_on_both_sides_of_the_watermark(api):
    """After read-all, what came later and what was marked as unread again are listed, newest first, page by page."""
    user, ids = await fill(api, [str(number) for number in range(6)])
    async with api.user(user) as client:
        await client.post("/v1/inbox/read-all")
        for title in ("3", "1"):
            await client.post(f"/v1/inbox/{ids[title]}/unread")
        for title in ("later", "latest"):
            await api.publish(user, title=title)
        page = await api.inbox(user, filter="unread")
        assert (titles(page), page["unread"]) == (["latest", "later", "3", "1"], 4)
        assert [titles(page) for page in await walk(client, filter="unread", limit=3)] == [
            ["latest", "later", "3"],
            ["1"],
        ]


async def test_categories_and_tags_narrow_a_list(api):
    """A category and a tag choose among the listed, together with any filter."""
    user = new_user()
    for title, category, tags in (
        ("a", "order.shipped", ["x", "y"]),
        ("b", "order.shipped", ["y"]),
        ("c", "mention", ["x"]),
        ("d", "mention", []),
    ):
        await api.publish(user, title=title, category=category, tags=tags)
    assert titles(await api.inbox(user, category="mention")) == ["d", "c"]
    assert titles(await api.inbox(user, tag="x")) == ["c", "a"]
    assert titles(await api.inbox(user, tag="x", category="order.shipped", filter="unread")) == ["a"]
    assert titles(await api.inbox(user, tag="x", filter="archived")) == []
    assert titles(await api.inbox(user, category="order")) == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": 0}, "#/query/limit"),
        ({"limit": 101}, "#/query/limit"),
        ({"limit": -1}, "#/query/limit"),
        ({"limit": "ten"}, "#/query/limit"),
        ({"limit": ""}, "#/query/limit"),
        ({"limit": "9" * 5000}, "#/query/limit"),
        ({"limit": "1e2"}, "#/query/limit"),
        ({"filter": "everything"}, "#/query/filter"),
        ({"filter": ["all", "unread"]}, "#/query/filter"),
        ({"cursor": "nonsense"}, "#/query/cursor"),
        ({"cursor": "YzEyM2Q"}, "#/query/cursor"),
        ({"cursor": "ü"}, "#/query/cursor"),
        ({"cursor": "x" * 101}, "#/query/cursor"),
        ({"cursor": "Yzk5OTk5OTk5OTk5OTk5OTk5OTk5OTk"}, "#/query/cursor"),
        ({"category": "a b"}, "#/query/category"),
        ({"category": "a\0"}, "#/query/category"),
        ({"tag": "x" * 65}, "#/query/tag"),
        ({"tags": "x"}, "#/query/tags"),
        ({"": "x"}, "#/query/"),
    ],
)
async def test_a_bad_parameter_is_refused_by_name(api, query, pointer):
    """What a query cannot mean is 422 and named; a parameter is given once."""
    async with api.user(new_user()) as client:
        answer = await client.get("/v1/inbox", params=query)
    assert (answer.status_code, pointers(answer)) == (422, [pointer])


@pytest.mark.parametrize("limit", [1, 100])
async def test_a_page_has_1_to_100_items(api, limit):
    """The bounds themselves are allowed."""
    async with api.user(new_user()) as client:
        assert (await client.get("/v1/inbox", params={"limit": limit})).status_code == 200


async def test_query_bytes_that_are_no_text_are_refused(api):
    """A percent-encoded byte that is no UTF-8 is no tag."""
    async with api.user(new_user()) as client:
        answer = await client.get("/v1/inbox?tag=%ff")
    assert (answer.status_code, pointers(answer)) == (422, ["#/query/tag"])


async def test_a_collapsed_notification_is_updated_in_its_place(api):
    """A newer one with the same collapse key takes the place of the older: one item, on top, counted once."""
    user, key = new_user(), "build-7"
    await api.publish(user, title="first", collapse_key=key)
    await api.publish(user, title="other")
    await api.publish(user, title="second", collapse_key=key)
    page = await api.inbox(user)
    assert [(item["title"], item["repeat_count"]) for item in page["items"]] == [("second", 2), ("other", 1)]
    assert (page["seq"], page["unread"], page["unseen"]) == (3, 2, 2)
