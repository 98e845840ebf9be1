"""Many publishes in one request: each succeeds or fails alone, all are committed together."""

import pytest

from tests.api.calls import pointers, publication
from tests.hub_nodes import new_user

BATCH = "/v1/notifications/batch"


async def test_results_stand_where_their_items_stand(api):
    """Each item has its result at its place; a bad one says why and fails alone."""
    good = [publication(), publication(to=[new_user(), new_user()]), publication()]
    items = [good[0], {}, 5, good[1], None, publication(title=""), publication(data={"n": 2**64}), good[2], []]
    async with api.service() as service:
        answer = await service.post(BATCH, json={"items": items})
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(len(items)))
    assert [result["status"] for result in results] == [201, 422, 422, 201, 422, 422, 422, 201, 422]
    assert [result["index"] for result in results if "id" in result] == [0, 3, 7]
    wrong = [[field["pointer"] for field in result["problem"]["errors"]] for result in results if "problem" in result]
    assert wrong == [["#/to", "#/category", "#/title"], ["#"], ["#"], ["#/title"], ["#/data/n"], ["#"]]
    for item in good:
        for user in [item["to"]] if isinstance(item["to"], str) else item["to"]:
            assert (await api.inbox(user))["seq"] == 1


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
async def test_a_number_that_json_cannot_hold_fails_its_item_alone(api, number):
    """Infinities are refused, not turned into null."""
    user = new_user()
    item = f'{{"to": "{user}", "category": "x", "title": "t", "data": {{"n": [{number}]}}}}'
    async with api.service() as service:
        answer = await service.post(
            BATCH, content=f'{{"items": [{item}]}}', headers={"Content-Type": "application/json"}
        )
    (result,) = answer.json()["results"]
    assert (result["status"], result["problem"]["errors"][0]["pointer"]) == (422, "#/data/n/0")


async def test_content_above_the_limit_fails_its_item_alone(api):
    """One item of 17 KiB is 413 by itself, its neighbours are stored."""
    items = [publication(), publication(body="x" * 17_000), publication()]
    async with api.service() as service:
        answer = await service.post(BATCH, json={"items": items})
    assert [result["status"] for result in answer.json()["results"]] == [201, 413, 201]


async def test_a_batch_is_one_commit(api):
    """All items carry the time of one transaction, and the node counted one statement for all of them."""
    users = [new_user() for _ in range(40)]
    async with api.service(1) as service:
        before = await statements(service)
        await service.post(BATCH, json={"items": [publication(to=user) for user in users]})
        after = await statements(service)
    assert {name: after[name] - before[name] for name in after} == {"count": 1, "sum": 40}
    assert len({(await api.inbox(user))["items"][0]["created_at"] for user in users}) == 1


async def statements(client):
    """Read how many statements a node has committed, and how many notifications with them."""
    lines = (await client.get("/metrics")).text.splitlines()
    return {
        name: float(line.rpartition(" ")[2])
        for name in ("count", "sum")
        for line in lines
        if line.startswith(f"hub_commit_batch_size_{name} ")
    }


async def test_items_to_one_user_keep_their_order(api):
    """Ten items to one user take ten numbers in the order of the batch."""
    user = new_user()
    async with api.service() as service:
        await service.post(BATCH, json={"items": [publication(to=user, title=str(n)) for n in range(10)]})
    items = (await api.inbox(user))["items"]
    assert [(item["title"], item["seq"]) for item in items] == [(str(n), n + 1) for n in reversed(range(10))]


async def test_a_repeated_batch_stores_only_what_is_new(api):
    """With one key, items said before are replayed, a changed one is refused, one that had failed is stored."""
    items, key = [publication(), publication(title=""), publication()], {"Idempotency-Key": new_user("key")}
    async with api.service() as service:
        first = await service.post(BATCH, json={"items": items}, headers=key)
        again = await service.post(BATCH, json={"items": items}, headers=key)
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        changed = [items[0], items[1] | {"title": "t"}, items[2] | {"title": "t"}]
        third = await service.post(BATCH, json={"items": changed}, headers=key)
    ids = [[result.get("id") for result in answer.json()["results"]] for answer in (first, again, third)]
    assert ids[0] == ids[1]
    assert ids[2][0] == ids[0][0]
    assert [result["status"] for result in third.json()["results"]] == [201, 201, 422]
    assert third.json()["results"][2]["problem"]["type"].endswith("/idempotency_mismatch")
    assert [(await api.inbox(item["to"]))["seq"] for item in items] == [1, 1, 1]


@pytest.mark.parametrize(("count", "status"), [(1, 207), (500, 207), (501, 422), (0, 422)])
async def test_a_batch_has_up_to_500_items(api, count, status):
    """500 items are one request, 501 and none are refused by name."""
    async with api.service() as service:
        answer = await service.post(BATCH, json={"items": [publication() for _ in range(count)]})
    assert answer.status_code == status
    if status == 422:
        assert pointers(answer) == ["#/items"]


@pytest.mark.parametrize("body", [{}, {"items": {}}, {"items": None}, {"items": [], "more": 1}, []])
async def test_what_is_no_batch_is_refused_as_a_whole(api, body):
    """Without a list of items there is nothing to answer item by item."""
    async with api.service() as service:
        answer = await service.post(BATCH, json=body)
    assert answer.status_code == 422
    assert pointers(answer)
