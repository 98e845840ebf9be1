"""An e-mail provider that takes its time and costs nothing else: every POST is accepted after so many seconds.

`python -m bench.provider PORT SECONDS`. The recording providers of `delivery.outbox` keep what they get and look into
it, for which they need as long as our worker does; they would be what is measured.
"""

from __future__ import annotations

import asyncio
import re
import sys
from itertools import count

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
_numbers = count()


class Answering(asyncio.Protocol):
    """One connection: requests in, answers out, in their order."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request, later."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self._received, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            self._loop.call_later(self._seconds, self._answer)

    def _answer(self) -> None:
        body = b'{"id":"%032d"}' % next(_numbers)
        self._transport.write(HEAD % (len(body), body))


async def serve(port: int, seconds: float) -> None:
    """Answer until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(seconds), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
