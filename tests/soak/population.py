"""Who uses the hub all day: clients that stay a while and come back, and a producer that never pauses."""

import asyncio
import contextlib
import random
import time

from tests.faults import vitals
from tests.faults.invariants import Rows, check_state, check_stream
from tests.hub_nodes import Listener, new_user

CHURN = 0.01  # of the clients reconnect each second
READS = 5  # one publish in so many is read by its user


class Regular:
    """A client that stays a hundred seconds on average, then resumes on a random node; after `over` it stays."""

    def __init__(self, cluster, user, transport, over):
        self.user, self.transport = user, transport
        self.reconnects = -1
        self.dismissed = []  # the codes of connections that the hub ended
        self._cluster, self._over = cluster, over
        self._inbox = self._listener = None

    async def live(self):
        """Come and go until cancelled."""
        while True:
            node = random.randrange(len(self._cluster.nodes))
            async with Listener(self._cluster, self.user, self.transport, node, inbox=self._inbox) as listener:
                self._inbox, self._listener = listener.inbox, listener
                self.reconnects += 1
                with contextlib.suppress(TimeoutError):
                    self.dismissed.append(await listener.until_closed(random.expovariate(CHURN)))
                if self._over.is_set():
                    await asyncio.Future()
            self._listener = None
            check_stream(listener)

    async def compare(self, rows):
        """Hear all that is committed, and compare it with Postgres."""
        row = await rows.of(self.user)
        await vitals.until(self._is_here, 10)
        await self._listener.until_seq(row[0])
        check_stream(self._listener)
        check_state(self._listener, row, 0)

    async def _is_here(self):
        return self._listener is not None


class Population:
    """All of them: two clients a user, one over each transport."""

    def __init__(self, cluster, clients):
        self._cluster = cluster
        self._over = asyncio.Event()
        self.users = [new_user("soak") for _ in range(clients // 2)]
        self.regulars = [
            Regular(cluster, user, transport, self._over) for user in self.users for transport in ("websocket", "sse")
        ]
        self.published = self.read = 0

    @contextlib.asynccontextmanager
    async def living(self, *, per_second):
        """Let them live while the body runs; afterwards compare each with Postgres."""
        async with contextlib.aclosing(Rows(self._cluster)) as rows, asyncio.TaskGroup() as tasks:
            living = []
            for regular in self.regulars:
                living.append(tasks.create_task(regular.live()))
                await asyncio.sleep(0.01)
            living.append(tasks.create_task(self._produce(per_second)))
            yield
            living[-1].cancel()
            await asyncio.wait(living[-1:])
            self._over.set()
            for regular in self.regulars:
                await regular.compare(rows)
            for task in living:
                task.cancel()

    async def _produce(self, per_second):
        begun = time.monotonic()
        async with self._cluster.service(0) as one, self._cluster.service(1) as other:
            while True:
                self.published += 1
                await asyncio.sleep(begun + self.published / per_second - time.monotonic())
                user = self.users[self.published % len(self.users)]
                said = {"to": user, "category": "soak", "title": f"{self.published}", "data": {"for": user}}
                answer = await (one, other)[self.published % 2].post("/v1/notifications", json=said)
                assert answer.status_code == 201, answer.text
                if self.published % READS == 0:
                    await self._read(user)

    async def _read(self, user):
        """Read the newest, as a user does who looks at the list."""
        async with self._cluster.user(user, self.published) as client:
            newest = (await client.get("/v1/inbox", params={"limit": 20})).json()["items"][0]
            answer = await client.post(f"/v1/inbox/{newest['id']}/read")
        assert answer.status_code == 200, answer.text
        self.read += 1
