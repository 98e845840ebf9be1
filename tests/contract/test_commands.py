"""What a client may say on a WebSocket, what it is answered, and where patience ends."""

import asyncio
import json
from contextlib import AsyncExitStack
from operator import ne

import pytest

from tests.faults.vitals import metrics, total
from tests.hub_nodes import Listener, new_user


@pytest.fixture
def speak(cluster):
    """Make listeners that can speak."""

    def made(user, node=0, **more):
        return Listener(cluster, user, "websocket", node, **more)

    return made


async def published(cluster, user, count=1):
    return [(await cluster.publish(user))["notifications"][0]["id"] for _ in range(count)]


def kinds(listener):
    return [frame["t"] for frame in listener.frames]


async def test_commands_change_the_inbox_as_the_api_does(cluster, speak):
    """Each command is answered by `ok` with the seq after it, and every device sees the change."""
    user = new_user()
    ids = await published(cluster, user, 4)
    async with speak(user, snapshot=10) as here, Listener(cluster, user, "sse", 1, snapshot=10) as there:
        assert await here.ask(t="read", ids=ids[:2]) | {"ref": 0} == {"t": "ok", "ref": 0, "seq": 6}
        assert (await here.ask(t="unread", ids=ids[:1]))["seq"] == 7
        assert (await here.ask(t="archive", ids=[ids[3]]))["seq"] == 8
        assert (await here.ask(t="read_all", up_to=2))["seq"] == 8
        assert (await here.ask(t="seen"))["seq"] == 9
        assert (await here.ask(t="read_all"))["seq"] == 10
        await there.until_seq(10)
        async with cluster.user(user) as api:
            page = (await api.get("/v1/inbox")).json()
        for listener in (here, there):
            assert listener.inbox.listed == page["items"]
            assert (listener.inbox.unread, listener.inbox.unseen) == (0, 0)
    told = [frame["change"] for frame in there.frames if "change" in frame]
    assert told == ["read", "read", "unread", "archived", "seen", "read_all"]


async def test_a_change_is_told_before_it_is_confirmed(cluster, speak):
    """On the connection that asked, the frame comes first and `ok` after it."""
    user = new_user()
    (id,) = await published(cluster, user)
    async with speak(user) as listener:
        await listener.ask(t="read", ids=[id])
    assert kinds(listener) == ["hello", "notification", "ok"]


async def test_without_a_ref_there_is_no_answer(cluster, speak):
    """A command without `ref` is obeyed in silence; so is a `pong`, unless it asks."""
    user = new_user()
    (id,) = await published(cluster, user)
    async with speak(user) as listener:
        await listener.say(t="read", ids=[id])
        await listener.until_seq(2)
        await listener.say(t="pong", seq=2)
        assert (await listener.ask(t="pong"))["t"] == "ok"
    assert kinds(listener) == ["hello", "notification", "ok"]


async def test_repeating_a_command_changes_nothing(cluster, speak):
    """The second time `ok` has the same seq and no frame is told."""
    user = new_user()
    (id,) = await published(cluster, user)
    async with speak(user) as listener:
        for command in ({"t": "archive", "ids": [id]}, {"t": "seen"}, {"t": "read_all"}):
            first, second = await listener.ask(**command), await listener.ask(**command)
            assert first["seq"] == second["seq"]
    assert [frame["seq"] for frame in listener.of("notification")] == [2]


async def test_answers_come_in_the_order_of_the_commands(cluster, speak):
    """Many commands sent at once are obeyed one after the other."""
    user = new_user()
    ids = await published(cluster, user, 5)
    async with speak(user) as listener:
        for ref in range(40):
            await listener.say(t=("read", "unread")[ref % 2], ids=ids, ref=ref)
        await listener.until(lambda: len(listener.of("ok")) == 40)
    assert [(frame["ref"], frame["seq"]) for frame in listener.of("ok")] == [(n, 5 + 5 * (n + 1)) for n in range(40)]


@pytest.mark.parametrize(
    ("said", "code", "ref"),
    [
        ('{"t":"nonsense","ref":7}', "validation", 7),
        ('{"ref":7}', "validation", 7),
        ('{"t":"read","ref":7}', "validation", 7),
        ('{"t":"read","ids":[],"ref":7}', "validation", 7),
        ('{"t":"read","ids":["x"],"ref":7}', "not_found", 7),
        ('{"t":"read","ids":["ntf_' + "0" * 32 + '"],"ref":7}', "not_found", 7),
        ('{"t":"read","ids":["\\u0000"],"ref":7}', "not_found", 7),
        ('{"t":"read_all","up_to":-1,"ref":7}', "validation", 7),
        ('{"t":"read_all","up_to":"1"}', "validation", None),
        ('{"t":"seen","up_to":1e400}', "validation", None),
        ('{"t":"refresh","ref":7}', "validation", 7),
        ('{"t":"delete","ids":["x"]}', "validation", None),
        ('{"t":"pong","seq":null}', "validation", None),
        ('{"t":"read_all","ref":"7"}', "validation", None),
        ("[]", "validation", None),
        ("null", "validation", None),
        ("7", "validation", None),
        ('"read"', "validation", None),
        ("", "malformed", None),
        ("{", "malformed", None),
        ("nonsense", "malformed", None),
        ("\0", "malformed", None),
        ("[" * 10_000, "malformed", None),
        ('{"a":' * 3000, "malformed", None),
        ('{"t":"auth","token":"\\ud800"}', "malformed", None),
        (b'{"t":"read_all"}', "malformed", None),
        (b"\xff\xfe\x00", "malformed", None),
    ],
)
async def test_a_bad_command_is_an_error_and_the_connection_lives(cluster, speak, said, code, ref):
    """Whatever is said, the answer is one `error` with a code, and the stream goes on."""
    user = new_user()
    async with speak(user) as listener:
        await listener.say_raw(said)
        error = await listener.until_frame("error")
        await cluster.publish(user)
        await listener.until_seq(1)
    assert (error["code"], error.get("ref"), error["temporary"]) == (code, ref, False)
    assert error["message"]
    assert kinds(listener) == ["hello", "error", "notification"]


async def test_the_field_that_does_not_fit_is_named(speak):
    """An invalid command's error points at the field, as the API's does."""
    async with speak(new_user()) as listener:
        error = await listener.ask(t="read", ids=["x"], colour="red")
    assert error["errors"] == [{"pointer": "#/colour", "detail": "is not a field known here"}]


async def test_nobody_touches_another_users_notifications(cluster, speak):
    """Another user's id is not found, nothing of theirs changes and nobody is told."""
    victim, thief = new_user("victim"), new_user("thief")
    (id,) = await published(cluster, victim)
    async with speak(victim) as theirs, speak(thief) as listener:
        for verb in ("read", "unread", "archive"):
            assert (await listener.ask(t=verb, ids=[id]))["code"] == "not_found"
        async with cluster.user(victim) as api:
            assert (await api.get("/v1/inbox")).json()["seq"] == 1
    assert kinds(theirs) == ["hello"]
    assert kinds(listener) == ["hello", *["error"] * 3]


async def test_of_several_ids_those_that_exist_are_changed(cluster, speak):
    """An id that is not there does not stop the others."""
    user = new_user()
    ids = await published(cluster, user, 2)
    async with speak(user) as listener:
        answer = await listener.ask(t="read", ids=[ids[0], "ntf_" + "0" * 32, ids[1], ids[0]])
        assert (answer["t"], answer["seq"]) == ("ok", 4)
        assert listener.inbox.unread == 0


async def test_ten_errors_in_a_row_are_too_many(speak):
    """The tenth error is followed by `bye` 4040, which says not to come back."""
    async with speak(new_user()) as listener:
        for _ in range(10):
            await listener.say(t="nonsense")
        assert await listener.until_closed() == 4040
    assert kinds(listener) == ["hello", *["error"] * 10, "bye"]
    assert (listener.frames[-1]["code"], listener.frames[-1]["reconnect"]) == (4040, False)


async def test_a_good_command_makes_up_for_errors_before_it(speak):
    """Errors count only while nothing goes right between them."""
    async with speak(new_user()) as listener:
        for _ in range(5):
            for _ in range(5):
                await listener.say(t="nonsense")
            assert (await listener.ask(t="read_all"))["t"] == "ok"
    assert len(listener.of("error")) == 25


async def test_a_flood_of_frames_is_cut_off(brisk):
    """Beyond the rate with its burst the connection is closed with 4113, which says to come back later."""
    async with Listener(brisk, new_user(), "websocket") as listener:
        for _ in range(70):
            await listener.say(t="pong", seq=0)
        assert await listener.until_closed() == 4113
    assert listener.frames[-1] | {"reason": ""} == {
        "t": "bye",
        "code": 4113,
        "reason": "",
        "reconnect": True,
        "after_ms": 0,
    }


async def test_a_frame_above_the_limit_closes_the_connection(brisk):
    """A frame beyond the size limit is 1009, RFC 6455's own code, before it is read; one below it is fine."""
    async with Listener(brisk, new_user(), "websocket") as listener:
        await listener.say_raw('{"t":"read_all","ref":1}'.ljust(4096))
        await listener.until_frame("ok", ref=1)
        await listener.say_raw('{"t":"read_all","ref":2}'.ljust(4097))
        assert await listener.until_closed() == 1009


async def test_text_that_is_no_utf_8_closes_the_connection(cluster):
    """A text frame must be UTF-8 (RFC 6455, section 8.1): 1007."""
    async with Listener(cluster, new_user(), "websocket") as listener:
        await listener.say_raw(b"\xff\xfe", as_text=True)
        assert await listener.until_closed() == 1007


async def test_a_message_may_come_in_fragments(cluster, speak):
    """A command split over several frames is one command."""
    user = new_user()
    await published(cluster, user)
    async with speak(user) as listener:
        await listener.say_raw(iter(['{"t":"read', '_all",', '"ref":3}']))
        assert (await listener.until_frame("ok"))["ref"] == 3


async def test_a_good_refresh_is_confirmed_and_counts(cluster, speak):
    """A fresh token for the same user is answered by `token ok`, and by `ok` where there was a `ref`."""
    user = new_user()
    async with speak(user, token=cluster.token(user, 30)) as listener:
        assert (await listener.until_frame("token"))["state"] == "expiring"
        answer = await listener.ask(t="refresh", token=cluster.token(user, 7200))
        assert answer["t"] == "ok"
        confirmed = listener.of("token")[-1]
        assert confirmed["state"] == "ok"
        assert 7190 <= confirmed["expires_in"] <= 7200
        await listener.say(t="refresh", token=cluster.token(user, 1800))
        await listener.until(lambda: len(listener.of("token")) == 3)
    assert kinds(listener) == ["hello", "token", "token", "ok", "token"]


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda c, user: c.token(user, -3000), 4301),
        (lambda c, user: c.token(user + "x"), 4302),
        (lambda c, user: c.token(user, tenant="other"), 4302),
        (lambda c, user: c.token(user)[:-4] + "AAAA", 4302),
        (lambda c, user: "nonsense", 4302),
        (lambda c, user: c.api_key, 4302),
    ],
    ids=["expired", "another user", "another tenant", "forged", "nonsense", "a key"],
)
async def test_a_bad_refresh_ends_the_connection(cluster, speak, token, code):
    """An expired one is 4301, any other bad one 4302; neither is answered by `ok`."""
    user = new_user()
    async with speak(user) as listener:
        await listener.say(t="refresh", token=token(cluster, user), ref=1)
        assert await listener.until_closed() == code
    assert kinds(listener) == ["hello", "bye"]


async def test_a_client_that_closes_is_let_go(cluster, speak):
    """A close frame is answered in kind, and the user's other connections stay."""
    user = new_user()
    async with speak(user) as stays, speak(user) as goes:
        await goes.hang_up(1001)
        assert await goes.until_closed() == 1001
        await cluster.publish(user)
        await stays.until_seq(1)
    assert kinds(goes) == ["hello"]


async def test_devices_that_quarrel_end_up_agreeing(cluster, speak):
    """Ten devices that read and unread one notification at once are all told the same changes in the same order.

    All of them, unless a frame between the nodes took so long that a node read the latest state instead.
    """
    user = new_user()
    (id,) = await published(cluster, user)
    before = await repairs(cluster)
    async with AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(speak(user, number % 2)) for number in range(10)]
        answers = await asyncio.gather(
            *(device.ask(t=("read", "unread")[number % 2], ids=[id]) for number, device in enumerate(devices))
        )
        last = max(answer["seq"] for answer in answers)
        for device in devices:
            await device.until_seq(last)
        told = [[said for said in device.said if '"t":"notification"' in said] for device in devices]
    for node, repaired in enumerate(map(ne, before, await repairs(cluster))):
        assert all(one == told[node] for one in told[node::2])
        seqs = [json.loads(said)["seq"] for said in told[node]]
        assert seqs == (sorted(set(seqs)) if repaired else list(range(2, last + 1)))
        assert seqs[-1] == last
    everything = set(told[0]) | set(told[1])
    assert len(everything) == len({json.loads(said)["seq"] for said in everything}), "a change was told in two ways"


async def repairs(cluster):
    """Count the gaps each node has repaired so far."""
    return [total(await metrics(node), "hub_gap_repairs_total") for node in cluster.nodes]
