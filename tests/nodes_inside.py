"""Nodes inside this process on a real Postgres, with a way between them that loses, repeats and delays at will.

What Redis does to messages when it misbehaves is decided here frame by frame, so that a test can try every order of
events in milliseconds. All else is the code a node runs: store, feeds, connections, repairs, encodings.
"""

import asyncio
import json

from hub import encoding
from hub.connection import Connection
from hub.hub import Hub
from hub.metrics import Metrics
from hub.protocol import Cursor, Frame
from hub.store import Database
from tests import samples
from tests.listener import Inbox

ENCODE = {"websocket": encoding.as_json, "sse": encoding.as_event}


class Way:
    """Stands where a node's propagator does. What it publishes goes to `network`, which decides what arrives."""

    def __init__(self, url, prefix, *, node_id, receive, control, recovered):
        self.receive = receive
        self.recovered = recovered
        self.network = None
        self.subscribed = set()

    def start(self):
        pass

    async def close(self):
        pass

    def subscribe(self, key):
        self.subscribed.add(key)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def unsubscribe(self, key):
        self.subscribed.remove(key)

    def publish(self, key, frame):
        self.network.carry(self, key, frame.pack())


class Network:
    """Some nodes and the way between them. `fate` says what happens to the next frames: how often each arrives, and
    after how many others; without one it arrives once, at once."""

    def __init__(self, settings, monkeypatch, nodes=2):
        monkeypatch.setattr("hub.live.Propagator", Way)
        self._settings = settings
        self._count = nodes
        self.nodes = []
        self.fate = []
        self._delayed = []

    async def open(self):
        self._database = await Database(self._settings).open()
        for _ in range(self._count):
            hub = Hub(self._settings, self._database, None, Metrics())
            hub.live.propagator.network = self
            hub.open()
            self.nodes.append(hub)
        return self

    async def close(self):
        for hub in self.nodes:
            await hub.close()
        await self._database.close()

    async def fetch(self, sql, *arguments):
        return await self._database.fetch(sql, *arguments)

    def carry(self, sender, key, packed):
        copies, delay = self.fate.pop() if self.fate else (1, 0)
        self._delayed += [[delay, sender, key, packed]] * copies
        due = [one for one in self._delayed if one[0] <= 0]
        self._delayed = [[left - 1, *rest] for left, *rest in self._delayed if left > 0]
        self._arrive(due)

    def _arrive(self, due):
        for _, sender, key, packed in due:
            for hub in self.nodes:
                way = hub.live.propagator
                if way is not sender and key in way.subscribed:
                    way.receive(key, Frame.unpack(packed))

    async def settle(self, clients):
        """Let everything arrive that still can, have the positions checked, and wait until nobody is behind."""
        due, self._delayed = self._delayed, []
        self._arrive(due)
        keys = {client.key for client in clients}
        positions = await self.nodes[0].inboxes.positions(keys)
        for hub in self.nodes:
            hub.live.propagator.recovered()
        async with asyncio.timeout(2):
            while any(c.connection and c.key in positions and c.cursor != positions[c.key] for c in clients):
                await asyncio.sleep(0.002)
        for client in clients:
            if client.inbox.stale:
                await client.reload()


class Client:
    """A client of these nodes, over either encoding; `join` and `leave` as often as wanted, it keeps what it knows."""

    def __init__(self, key, transport):
        self.key = key
        self.transport = transport
        self.inbox = Inbox()
        self.frames = []
        self.connection = None
        self._hub = None

    @property
    def cursor(self):
        return Cursor(self.inbox.epoch, self.inbox.seq)

    async def join(self, hub, *, fresh=False, limits=None):
        """Connect to a node, resuming unless `fresh` or new."""
        cursor = self.cursor if self.inbox.epoch and not fresh else None
        if cursor is None:
            self.inbox = Inbox()
        limits = limits or {"max_frames": 256, "max_bytes": 512 * 1024}
        self._resuming = cursor is not None
        self._hub = hub
        self.connection = Connection(
            "con",
            samples.principal(user=self.key.user),
            self.transport,
            ENCODE[self.transport],
            now=asyncio.get_running_loop().time(),
            **limits,
        )
        self.connection.attach(self)
        await hub.live.join(self.connection, cursor, None if cursor else 100)

    async def reload(self):
        """Load the list, as a client does after `resync`."""
        counts, items, _ = await self._hub.inboxes.page(self.key, filter="all", limit=1000)
        listed = [json.loads(item.encode()) for item in items]
        self.inbox.load(counts._asdict() | {"items": listed, "next_cursor": None})

    def leave(self):
        """Hang up."""
        if self.connection is not None:
            self._hub.live.leave(self.connection)
            self.connection.abandon()
            self.connection = None

    def write(self, data):
        """Take what the connection says (its sink)."""
        for said in _split(data, self.transport):
            frame = json.loads(said)
            self.frames.append(frame)
            self.inbox.take(frame, resuming=self._resuming)
            self.connection.pong_by = None

    def end(self, close):
        raise AssertionError(f"nobody closes these connections, but: {close}")


def _split(data, transport):
    if transport == "sse":
        return [line.removeprefix("data: ") for line in data.decode().split("\n") if line.startswith("data: ")]
    decoder, text, said = json.JSONDecoder(), data.decode(), []
    while text:
        _, end = decoder.raw_decode(text)
        said.append(text[:end])
        text = text[end:]
    return said
