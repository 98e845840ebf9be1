"""Dead letters: listed, replayed under a new key, or discarded; each by an operator's decision, once."""

import orjson
import pytest

from hub.store import Database
from tests.api.calls import UNKNOWN, pointers, publication
from tests.hub_nodes import new_user


@pytest.fixture
async def database(api):
    """The nodes' database, for what relays and workers do."""
    opened = await Database(api.settings).open()
    yield opened
    await opened.close()


@pytest.fixture
async def operator(api):
    """A client of a tenant of its own, so that its list of dead letters is its own."""
    async with api.service(key=await api.key(tenant=new_user("t"))) as service:
        yield service


async def fail(operator, database, count=1, state="dead"):
    """Make e-mails that have failed; returns their ids, oldest first."""
    ids = []
    for _ in range(count):
        published = (await operator.post("/v1/notifications", json=publication(channels=["email"]))).json()
        (item,) = (await operator.get(f"/v1/notifications/{published['id']}/deliveries")).json()["items"]
        id = item["id"].removeprefix("dlv_")
        await database.fetch(
            "update deliveries set state = $2, reason = 'attempts_exhausted', attempts = 4, requests = 4,"
            " address = 'a@example.com', message = $3, pinned = true where id = $1::text::uuid",
            id,
            state,
            orjson.dumps({"key": f"{item['id']}-0", "text": "hello"}),
        )
        await database.fetch(
            "insert into attempts (delivery_id, n, provider, outcome, error, provider_status)"
            " values ($1::text::uuid, 4, 'resend', 'transient', 'busy', 503)",
            id,
        )
        ids.append(item["id"])
    return ids


async def row(database, id):
    (found,) = await database.fetch("select * from deliveries where id = $1::text::uuid", id.removeprefix("dlv_"))
    return found


async def test_dead_letters_are_listed_newest_first_page_by_page(operator, database):
    """Five dead ones in pages of two, each with its attempts; failed ones are another list."""
    ids = await fail(operator, database, 5)
    failed = await fail(operator, database, state="failed")
    seen, url = [], "/v1/deliveries?state=dead&limit=2"
    while url:
        answer = await operator.get(url)
        assert answer.status_code == 200, answer.text
        seen += answer.json()["items"]
        url = answer.links["next"]["url"] if answer.json()["next_cursor"] else None
    assert [item["id"] for item in seen] == ids[::-1]
    (attempt,) = seen[0]["attempts"]
    assert [attempt[name] for name in ("n", "outcome", "error", "provider_status")] == [4, "transient", "busy", 503]
    others = (await operator.get("/v1/deliveries?state=failed")).json()["items"]
    assert [item["id"] for item in others] == failed


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("state=sent", "#/query/state"),
        ("limit=0", "#/query/limit"),
        ("cursor=x", "#/query/cursor"),
        (f"cursor=pub_{UNKNOWN}", "#/query/cursor"),
    ],
)
async def test_a_list_nobody_can_have_is_refused_by_its_parameter(operator, query, pointer):
    """What has not failed is no dead letter, and a cursor comes from a list."""
    answer = await operator.get(f"/v1/deliveries?{query}")
    assert (answer.status_code, pointers(answer)) == (422, [pointer])


@pytest.mark.parametrize("state", ["dead", "failed"])
async def test_a_replayed_delivery_starts_over_under_a_new_key(operator, database, state):
    """It is pending, with no attempts counted and nothing kept that carries the old key; its record stays."""
    (id,) = await fail(operator, database, state=state)
    answer = await operator.post(f"/v1/deliveries/{id}/replay")
    assert (answer.status_code, answer.json()["state"], len(answer.json()["attempts"])) == (200, "pending", 1)
    stored = await row(database, id)
    assert (stored["attempts"], stored["replays"], stored["message"], stored["pinned"]) == (0, 1, None, False)
    assert (await operator.post(f"/v1/deliveries/{id}/replay")).status_code == 409


async def test_a_replayed_digest_keeps_what_it_carries(operator, database):
    """The carrier of a digest says the same again, under a new key."""
    carrier, member = await fail(operator, database, 2)
    await database.fetch(
        "update deliveries set digest_id = $2::text::uuid where id = $1::text::uuid",
        member.removeprefix("dlv_"),
        carrier.removeprefix("dlv_"),
    )
    assert (await operator.post(f"/v1/deliveries/{carrier}/replay")).status_code == 200
    assert orjson.loads((await row(database, carrier))["message"]) == {"key": f"{carrier}-1", "text": "hello"}


async def test_a_discarded_delivery_ends(operator, database):
    """It is canceled with the reason `discarded`, leaves the list, and is not to be decided on again."""
    (id,) = await fail(operator, database)
    discarded = (await operator.post(f"/v1/deliveries/{id}/discard")).json()
    assert (discarded["state"], discarded["reason"]) == ("canceled", "discarded")
    assert (await operator.get("/v1/deliveries")).json()["items"] == []
    for decision in ("discard", "replay"):
        assert (await operator.post(f"/v1/deliveries/{id}/{decision}")).status_code == 409


async def test_dead_letters_are_decided_on_from_the_command_line(api, operator, database):
    """`hub dlq` lists them, replays one and discards the other; `hub explain` says what became of one."""
    replayed, discarded = await fail(operator, database, 2)
    tenant = (await row(database, replayed))["tenant"]
    listed = api.run("dlq", "list", "--tenant", tenant).splitlines()
    assert [line.split()[0] for line in listed] == [discarded, replayed]
    assert api.run("dlq", "replay", replayed, "--tenant", tenant) == f"replayed {replayed}\n"
    assert api.run("dlq", "discard", discarded, "--tenant", tenant) == f"discarded {discarded}\n"
    assert [(await row(database, id))["state"] for id in (replayed, discarded)] == ["pending", "canceled"]
    publication_id = "pub_" + (await row(database, replayed))["publication_id"].hex
    said = api.run("explain", publication_id, "--tenant", tenant)
    assert replayed in said
    assert "would be: suppress (no_address)" in said


@pytest.mark.parametrize("decision", ["replay", "discard"])
async def test_only_what_is_there_can_be_decided_on(api, operator, database, decision):
    """Another tenant's delivery, one that never was and what is no id are all 404."""
    (id,) = await fail(operator, database)
    async with api.service() as stranger:
        for unknown in (id, "dlv_" + UNKNOWN, "dlv_x", "ntf_" + UNKNOWN):
            assert (await stranger.post(f"/v1/deliveries/{unknown}/{decision}")).status_code == 404
    assert (await row(database, id))["state"] == "dead"
