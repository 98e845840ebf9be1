"""A client that comes back by itself: one `Listener` after another on one inbox, through the edge or straight."""

import asyncio
import contextlib
import random
import time

from tests.hub_nodes import Listener

FOR_EVER = 3600


class Follower:
    """Follows a user's stream until it is left, resuming after every interruption from where it was.

    `closes` are the codes its connections ended with, `refusals` the handshakes that failed, `frames` everything it was
    told over all its connections.
    """

    def __init__(self, cluster, user, transport, url):
        self.inbox = None
        self.frames = []
        self.closes = []
        self.refusals = []
        self.connects = 0
        self._listen = lambda: Listener(cluster, user, transport, url=url, inbox=self.inbox)

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        await self.until(lambda: self.connects > 0)
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def titles(self):
        """The titles it believes in, oldest first."""
        items = sorted(self.inbox.items.values(), key=lambda item: item["created_seq"])
        return [item["title"] for item in items]

    async def until(self, happened, seconds=20):
        """Wait until something is true."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, self.frames[-3:]
            await asyncio.sleep(0.01)

    async def _run(self):
        while True:
            listener = self._listen()
            delay = random.uniform(0, 0.2)
            try:
                async with listener:
                    self.inbox = listener.inbox
                    self.connects += 1
                    self.closes.append(await listener.until_closed(FOR_EVER))
                with contextlib.suppress(IndexError):
                    delay = listener.of("bye")[-1]["after_ms"] / 1000
            except Exception as error:
                self.refusals.append(repr(error))
            finally:
                self.frames += listener.frames
            await asyncio.sleep(delay)
