"""A flooding process: `python -m tests.faults.flood PORT COUNT` opens WebSockets and never says who it is.

It prints what became of them, as JSON: how many were answered with each status, the codes that those let in were closed
with, and after how many seconds, at the least and at the most. A process of its own, so that what it costs delays
nobody who is measured; and no more than a socket and a few bytes for each, so that it is the node that works.
"""

import asyncio
import json
import resource
import struct
import sys
import time
from collections import Counter

from tests.faults.raw import CLOSE, HANDSHAKE

AT_ONCE = 200
REQUEST = HANDSHAKE.format(path="/v1/ws", headers="Sec-WebSocket-Protocol: hub.v1\r\n").encode()


class Silent(asyncio.Protocol):
    """One client, which hangs up when it is told to leave.

    `answered` when its handshake was, `over` at the end of its connection; `stayed` is how many seconds it was let in.
    """

    def __init__(self):
        self.heard = b""
        self.begun = self.stayed = 0
        self.answered, self.over = asyncio.Event(), asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(REQUEST)

    def data_received(self, data):
        self.heard += data
        if b"\r\n\r\n" in self.heard and not self.answered.is_set():
            self.begun = time.monotonic()
            self.answered.set()
        elif self.code != 1006:
            self.stayed = time.monotonic() - self.begun
            self.transport.close()

    def connection_lost(self, error):
        self.answered.set()
        self.over.set()

    @property
    def status(self):
        """The status of the answer; 0 without one."""
        return int(self.heard.split()[1]) if self.heard else 0

    @property
    def code(self):
        """The code of the close frame; 1006 without one. No frame here has more than 125 bytes."""
        frames = self.heard.partition(b"\r\n\r\n")[2]
        while frames:
            opcode, size = frames[0] & 15, frames[1]
            if opcode == CLOSE:
                return struct.unpack_from("!H", frames, 2)[0]
            frames = frames[2 + size :]
        return 1006


async def flood(port, count):
    """Open so many, wait for the end of all, and tell what became of them."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def open_one():
        async with gate:
            _, client = await asyncio.get_running_loop().create_connection(Silent, "127.0.0.1", port)
            await client.answered.wait()
        await client.over.wait()
        return client

    clients = await asyncio.gather(*(open_one() for _ in range(count)))
    admitted = [client for client in clients if client.status == 101]
    return {
        "statuses": Counter(client.status for client in clients),
        "codes": Counter(client.code for client in admitted),
        "stayed": [min(client.stayed for client in admitted), max(client.stayed for client in admitted)],
    }


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asyncio.run(flood(*map(int, sys.argv[1:])))))
