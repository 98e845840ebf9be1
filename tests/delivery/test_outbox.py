import asyncio
import re
import sys

import httpx2
import pytest

from delivery.channel import SendError


@pytest.fixture
async def client(providers):
    async with httpx2.AsyncClient(base_url=providers.url) as opened:
        yield opened


async def test_the_outbox_lists_what_was_accepted_newest_first(providers, message, client):
    """Each channel's message can be read, and an e-mail can be looked at without any script running."""
    await providers.resend.send(message("resend", html="<script>alert(1)</script><p>Hello</p>"))
    await providers.twilio.send(message("twilio"))
    await providers.fcm.send(message("fcm"))
    listing = (await client.get("/outbox")).json()
    assert [entry["channel"] for entry in listing["items"]] == ["push", "sms", "email"]
    emails = (await client.get("/outbox", params={"channel": "email"})).json()["items"]
    page = await client.get(emails[0]["html"])
    assert "<p>Hello</p>" in page.text
    assert page.headers["content-security-policy"].startswith("sandbox allow-popups; default-src 'none'")
    assert (await client.get("/outbox/nothing/html")).status_code == 404
    await client.delete("/outbox")
    assert (await client.get("/outbox")).json() == {"items": [], "total": 0}


async def test_misbehaviour_is_scripted_over_http_and_ends(providers, message, client):
    """A step applies as often as it says, to the provider and address it says, and then all is well again."""
    step = {"provider": "resend", "address": "ada@example.com", "times": 2, "status": 500, "body": {}}
    assert (await client.post("/script", json=[step])).status_code == 204
    await providers.twilio.send(message("twilio"))
    await providers.resend.send(message("resend", address="bob@example.com", key="k0"))
    for _ in range(2):
        with pytest.raises(SendError):
            await providers.resend.send(message("resend"))
    await providers.resend.send(message("resend"))
    assert len((await client.get("/requests")).json()["items"]) == 5
    assert len(providers.outbox.entries) == 3


async def test_a_seed_makes_chance_repeatable(providers, message, client):
    """The same seed misbehaves in the same places."""

    async def outcomes():
        await client.delete("/script", params={"seed": 7})
        await client.post("/script", json=[{"chance": 0.5, "times": 0, "status": 500, "body": {}}])
        results = []
        for number in range(20):
            try:
                results.append(await providers.resend.send(message("resend", key=f"k{number}")))
            except SendError as error:
                results.append(error)
        return [isinstance(result, SendError) for result in results]

    first = await outcomes()
    assert first == await outcomes()
    assert 3 < sum(first) < 17


async def test_a_step_with_an_unknown_field_is_refused(client):
    """A typo in a script does not silently do nothing."""
    assert (await client.post("/script", json=[{"statuss": 500}])).status_code == 422


async def test_the_providers_run_as_a_process():
    """`python -m delivery.outbox` says where it listens, answers there, and ends on SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "delivery.outbox", stdout=asyncio.subprocess.PIPE
    )
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        url = re.search(rb"http://\S+", line)[0].decode()
        async with httpx2.AsyncClient(base_url=url) as client:
            answer = await client.post("/emails", json={"from": "a", "to": ["b"], "subject": "c"})
            assert answer.json()["id"] == (await client.get("/outbox")).json()["items"][0]["id"]
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)
