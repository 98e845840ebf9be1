"""A person's replay of a dead letter: one more request, under another idempotency key, to where the user is now."""

from hub.store.deliveries import Deliveries


async def test_a_replayed_delivery_is_sent_once_more_under_a_new_key(office, providers):
    """The e-mail goes to the address the user has now; the provider sees a key it has never seen."""
    user = await office.user()
    await office.publish(user)
    await office.turn()
    first = await office.delivery()
    await office.fetch("update deliveries set state = 'failed', reason = 'bounce'")
    await office.fetch("update contacts set email = 'new@example.com'")
    assert await Deliveries(office.database).replay("default", first["id"])
    await office.turn()
    again = await office.delivery()
    assert (again["state"], again["requests"], again["attempts"]) == ("sent", 2, 1)
    sent = sorted(providers.outbox.entries, key=lambda entry: entry.key)
    assert [(entry.to, entry.key[-2:]) for entry in sent] == [(f"{user}@example.com", "-0"), ("new@example.com", "-1")]


async def test_a_discarded_delivery_is_never_sent(office, providers):
    """It stays canceled however often the relay looks."""
    await office.publish(await office.user())
    await office.fetch("update deliveries set state = 'dead', reason = 'attempts_exhausted'")
    assert await Deliveries(office.database).discard("default", (await office.delivery())["id"])
    await office.hurry()
    assert await office.turn() == 0
    assert (await office.delivery())["reason"] == "discarded"
    assert len(providers.outbox.entries) == 0
