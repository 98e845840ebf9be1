"""What must hold whatever was done to the hub, written once: the invariants I1 to I8 of the fault catalogue.

A `Crowd` is a number of clients on some users, and a producer whose notifications carry the user they are meant for;
when all is quiet again, `check` compares what every client believes with Postgres. `unharmed` surrounds what is done to
nodes: afterwards nothing may be left behind, no event loop may have stood still, and no traceback may be in the log.
"""

import asyncio
import contextlib
import json
import random
from pathlib import Path

import asyncpg
import httpx2

from hub import errors
from tests.faults import vitals
from tests.hub_nodes import new_user
from tests.listener import Inbox, Listener

DOCUMENTED = {value.code for value in vars(errors).values() if isinstance(value, errors.Close)}
RFC_6455 = {1000, 1001, 1002, 1003, 1007, 1009}
INBOX = """
select i.last_seq, i.unread, i.unseen,
    count(n.id) filter (where n.active and n.read_at is null and n.read_seq > i.read_seq),
    coalesce(json_object_agg(n.id, n.seq) filter (where n.active), '{}')
from inboxes i left join notifications n using (tenant, user_id) where i.user_id = $1 group by i.tenant, i.user_id
"""


class Crowd:
    """Clients that listen, and what was published to them. `published` are the answers that were 2xx, by user."""

    def __init__(self, cluster) -> None:
        self.cluster = cluster
        self.listeners: list[Listener] = []
        self.published: dict[str, list[dict]] = {}
        self.refused: list[httpx2.Response | Exception] = []
        self.seconds: list[float] = []
        self._began: dict[Inbox, int] = {}  # where each client's own account of its inbox begins
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self._stack.aclose()

    async def join(self, users, *, node=0, transport="websocket", resuming=None) -> list[Listener]:
        """Connect a client for each user and add it to the crowd."""
        joined = [
            Listener(self.cluster, user, transport, node, inbox=resuming and resuming[number].inbox)
            for number, user in enumerate(users)
        ]
        gate = asyncio.Semaphore(50)

        async def enter(listener):
            async with gate:
                await self._stack.enter_async_context(listener)

        await asyncio.gather(*map(enter, joined))
        self.listeners += joined
        for listener in joined:
            self._began.setdefault(listener.inbox, listener.frames[0].get("seq", 0))
        return joined

    async def everywhere(self, count=1) -> list[str]:
        """Connect some new users to every node over both transports, and name them."""
        users = [new_user() for _ in range(count)]
        for node in range(len(self.cluster.nodes)):
            for transport in ("websocket", "sse"):
                await self.join(users, node=node, transport=transport)
        return users

    async def publish(self, client, user, **fields) -> httpx2.Response | None:
        """Publish to a user and take note of the answer, whatever it is."""
        body = {"to": user, "category": "test", "title": "t", "data": {"for": user}, **fields}
        begun = asyncio.get_running_loop().time()
        try:
            answer = await client.post("/v1/notifications", json=body)
        except httpx2.TransportError as error:
            self.refused.append(error)
            return None
        self.seconds.append(asyncio.get_running_loop().time() - begun)
        if answer.status_code == 201:
            self.published.setdefault(user, []).extend(answer.json()["notifications"])
        else:
            self.refused.append(answer)
        return answer

    @contextlib.asynccontextmanager
    async def chattering(self, users, *, per_second=20.0, nodes=None):
        """Publish to random users over random nodes, in the background and without waiting for answers."""
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as publishing:
            indices = range(len(self.cluster.nodes)) if nodes is None else nodes
            clients = [await stack.enter_async_context(self.cluster.service(node)) for node in indices]

            async def chatter():
                while True:
                    publishing.create_task(self.publish(random.choice(clients), random.choice(users)))
                    await asyncio.sleep(random.expovariate(per_second))

            chatting = publishing.create_task(chatter())
            yield
            chatting.cancel()

    async def settle(self, seconds: float) -> float:
        """Wait until every open client has applied everything that is committed (I1); return how long that took."""
        async with contextlib.aclosing(Rows(self.cluster)) as rows:
            behind = [listener for listener in self.listeners if listener.closed is None]
            last = {user: (await rows.of(user))[0] for user in {listener.user for listener in behind}}
            return await vitals.until(
                lambda: _none(one for one in behind if one.closed is None and one.inbox.seq < last[one.user]),
                seconds,
                lambda: str([(one.user, one.transport, one.inbox.seq, last[one.user]) for one in behind][:5]),
            )

    async def check(self) -> None:
        """Compare everything with Postgres; call it when all is quiet."""
        async with contextlib.aclosing(Rows(self.cluster)) as rows:
            for user, told in self.published.items():
                _check_stored(told, await rows.of(user))
            for listener in self.listeners:
                check_stream(listener)
                if listener.closed is None:
                    check_state(listener, await rows.of(listener.user), self._began[listener.inbox])


class Rows:
    """The truth: an inbox row and its notifications."""

    def __init__(self, cluster) -> None:
        self._url = cluster.settings.database_url
        self._connection = None

    async def of(self, user):
        """Read last_seq, unread, unseen, the count over the rows, and the seq of each listed notification by its id."""
        if self._connection is None:
            self._connection = await asyncpg.connect(self._url)
            await self._connection.set_type_codec("json", encoder=str, decoder=_ids, schema="pg_catalog")
        return await self._connection.fetchrow(INBOX, user) or (0, 0, 0, 0, {})

    async def aclose(self):
        if self._connection is not None:
            await self._connection.close()


def _ids(text):
    return {f"ntf_{id.replace('-', '')}": seq for id, seq in json.loads(text).items()}


async def _none(some) -> bool:
    return not any(True for _ in some)


def _check_stored(told, row) -> None:
    """What was answered 2xx is stored, once."""
    ids = [notification["id"] for notification in told]
    assert len(ids) == len(set(ids)), "one notification was answered twice"
    missing = [id for id in ids if row[4].get(id) is None]
    assert not missing, f"answered 2xx, but not stored: {missing}"


def check_state(listener, row, began) -> None:
    """Compare what a client believes with Postgres (I1, I4); `began` is the seq at which its account begins."""
    last_seq, unread, unseen, counted, seqs = row
    inbox = listener.inbox
    assert inbox.seq == last_seq, f"I1: {listener.user} is at {inbox.seq}, committed is {last_seq}"
    assert (inbox.unread, inbox.unseen) == (unread, unseen), "I4: the client's counts are not the inbox row's"
    assert unread == counted, "I4: the inbox row's count is not that of the rows"
    if not inbox.stale:
        has = {id: item["seq"] for id, item in inbox.items.items()}
        assert has == {id: seq for id, seq in seqs.items() if seq > began}, "I1: a notification is missing"


def check_stream(listener) -> None:
    """Look at what one connection was told: in order (I3), nothing twice (I2), nobody else's (I8), its end (I7)."""
    seqs = [frame["seq"] for frame in listener.frames if frame["t"] in ("notification", "inbox")]
    assert seqs == sorted(set(seqs)), f"I2, I3: {listener.user} over {listener.transport} was told {seqs[-20:]}"
    for frame in listener.of("hello"):
        assert frame["user_id"] == listener.user, "I8"
    for frame in listener.of("notification"):
        assert frame["notification"]["data"] == {"for": listener.user}, "I8: told to a wrong user"
    if listener.closed is not None:
        assert listener.closed in DOCUMENTED | RFC_6455 | {1006}, f"I7: closed with {listener.closed}"


@contextlib.asynccontextmanager
async def unharmed(cluster, log):
    """Check that what is done inside leaves no node worse than before (I5, I6) and no traceback in the log.

    A node that is another process afterwards is compared with nothing: it has just been started.
    """
    nodes = [(node, node.pid) for node in cluster.nodes]
    before = {pid: (await vitals.take(node), vitals.fds(node), await vitals.stalls(node)) for node, pid in nodes}
    waited = {pid: vitals.waited_seconds(node) for node, pid in nodes}
    position = Path(log.name).stat().st_size
    yield
    for node, pid in nodes:
        if node.pid == pid:
            await _check_vitals(node, *before[pid], waited[pid])
    assert await vitals.subscriptions(cluster) == 0, "I5: channels of users who are gone"
    text = Path(log.name).read_bytes()[position:].decode()
    worst = [line for line in text.splitlines() if "Traceback" in line or '"level": "error"' in line]
    assert not worst, worst[:3]


async def _check_vitals(node, before, fds, stalls, waited) -> None:
    now = before

    async def calm():
        nonlocal now
        now = await vitals.take(node)
        # Before, a socket of whoever asked for the vital signs may have been open still: there may be fewer now.
        none_left = (now.connections, now.users) == (0, 0) and now.fds <= before.fds
        return none_left and now.tasks <= before.tasks + 2

    await vitals.until(calm, 15, lambda: f"I5: {now} is not back at {before}")
    # The pool may have been smaller before, right after Postgres was away; `now.fds` leaves it out.
    assert vitals.fds(node) <= fds + 5 + vitals.POOL, f"I5: {vitals.fds(node)} file descriptors, {fds} before"
    excused = int((vitals.waited_seconds(node) - waited) / vitals.LONG_STALL_SECONDS)
    assert await vitals.stalls(node) - stalls <= excused, "I6: the event loop stood still"
