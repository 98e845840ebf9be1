"""Snoozing: put off by its user, a notification leaves the list and comes back as unread."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.calls import UNKNOWN, pointers
from tests.hub_nodes import Listener, new_user

LATER = "2999-01-01T00:00:00Z"


async def test_a_snoozed_notification_is_away_until_it_is_woken(api):
    """It leaves the list and the count for the snoozed filter, and woken it is unread again; each with a live frame."""
    user = new_user()
    id = (await api.publish(user))["notifications"][0]["id"]
    async with Listener(api, user, "websocket") as listener, api.user(user) as client:
        await client.post(f"/v1/inbox/{id}/read")
        snoozed = await client.post(f"/v1/inbox/{id}/snooze", json={"until": LATER})
        assert snoozed.json() == {"seq": 3, "unread": 0, "unseen": 0}
        assert (await api.inbox(user))["items"] == []
        (away,) = (await api.inbox(user, filter="snoozed"))["items"]
        assert (away["id"], away["snoozed_until"]) == (id, LATER)
        woken = await client.post(f"/v1/inbox/{id}/unsnooze")
        assert woken.json() == {"seq": 4, "unread": 1, "unseen": 0}
        await listener.until_seq(4)
    (back,) = (await api.inbox(user))["items"]
    assert (back["read"], back["snoozed_until"]) == (False, None)
    assert [frame["change"] for frame in listener.of("notification")][-2:] == ["snoozed", "unsnoozed"]


async def test_repeating_changes_nothing_and_another_time_does(api):
    """The same time twice is one change; a new time is another."""
    user = new_user()
    id = (await api.publish(user))["notifications"][0]["id"]
    async with api.user(user) as client:
        seqs = [
            (await client.post(f"/v1/inbox/{id}/snooze", json={"until": until})).json()["seq"]
            for until in (LATER, LATER, "2999-01-02T00:00:00Z")
        ]
        seqs += [(await client.post(f"/v1/inbox/{id}/unsnooze")).json()["seq"] for _ in range(2)]
    assert seqs == [2, 2, 3, 4, 4]


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "tomorrow", "2999-01-01T00:00:00", None, 7])
async def test_a_time_that_is_not_ahead_is_refused(api, until):
    """The past, a time without a zone and what is no time are 422 at `until`."""
    user = new_user()
    id = (await api.publish(user))["notifications"][0]["id"]
    async with api.user(user) as client:
        answer = await client.post(f"/v1/inbox/{id}/snooze", json={"until": until})
    assert (answer.status_code, pointers(answer)) == (422, ["#/until"])


async def test_only_what_is_there_can_be_snoozed(api):
    """An unknown notification is 404."""
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    async with api.user(new_user()) as client:
        for verb, body in (("snooze", {"until": soon}), ("unsnooze", None)):
            assert (await client.post(f"/v1/inbox/ntf_{UNKNOWN}/{verb}", json=body)).status_code == 404
