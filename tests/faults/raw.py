"""Clients without manners: a bare socket on which anything can be said, and what the hub says back.

`Raw` speaks HTTP/1.1 and RFC 6455 by hand, because every proper library refuses to do what these tests need done.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
)
REQUEST = "GET {path} HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n{headers}\r\n"


def frame(payload=b"", opcode=TEXT, *, fin=True, rsv=0, masked=True, size=None, mask=b"\x01\x02\x03\x04") -> bytes:
    """Encode a client's frame, right or wrong; `size` is the length it claims."""
    claimed = len(payload) if size is None else size
    first, flag = fin << 7 | rsv << 4 | opcode, masked << 7
    if claimed < 126:
        head = struct.pack("!BB", first, flag | claimed)
    elif claimed < 1 << 16:
        head = struct.pack("!BBH", first, flag | 126, claimed)
    else:
        head = struct.pack("!BBQ", first, flag | 127, claimed)
    if not masked:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def closing(code, reason=b"") -> bytes:
    """Encode a close frame."""
    return frame(struct.pack("!H", code) + reason, CLOSE)


class Raw:
    """One TCP connection to a node."""

    def __init__(self, reader, writer, status):
        self.reader = reader
        self.writer = writer
        self.status = status  # of the handshake
        self.heard = []  # the JSON of text frames

    @classmethod
    async def connect(cls, node, *, receive_bytes=None):
        """Open a socket; with a receive buffer as small as can be, if told so."""
        client = socket.socket()
        client.setblocking(False)
        if receive_bytes is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", node.port))
        return cls(*await asyncio.open_connection(sock=client, limit=1 << 20), None)

    @classmethod
    async def websocket(cls, cluster, user=None, number=0, *, headers="", **options):
        """Open a WebSocket, for a user or for nobody yet."""
        raw = await cls.connect(cluster.nodes[number], **options)
        offered = "hub.v1" if user is None else f"hub.v1, bearer.{cluster.token(user)}"
        await raw.request(HANDSHAKE, "/v1/ws", f"Sec-WebSocket-Protocol: {offered}\r\n{headers}")
        return raw

    @classmethod
    async def stream(cls, cluster, user, number=0, **options):
        """Open an event stream."""
        raw = await cls.connect(cluster.nodes[number], **options)
        await raw.request(REQUEST, "/v1/stream", f"Authorization: Bearer {cluster.token(user)}\r\n")
        return raw

    async def request(self, form, path, headers) -> None:
        """Send a request and read the answer's head; without one the socket is closed."""
        try:
            self.say(form.format(path=path, headers=headers).encode())
            head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        except BaseException:
            await self.__aexit__()
            raise
        self.status = int(head.split()[1])

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    def say_nothing_more(self) -> None:
        """Close this side, if the other has not closed already."""
        with contextlib.suppress(OSError):
            self.writer.write_eof()

    def refuse_to_read(self) -> None:
        """Read nothing more; what the kernel buffers is all that fits."""
        self.writer.transport.pause_reading()

    def vanish(self) -> None:
        """Reset the connection."""
        client = self.writer.get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _frame(self):
        first, second = await self.reader.readexactly(2)
        size = second & 127
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 15, await self.reader.readexactly(size)

    async def until(self, *opcodes, seconds=10):
        """Read up to a frame of one of these kinds and return it; its kind is None at the end of the connection."""
        async with asyncio.timeout(seconds):
            try:
                while True:
                    opcode, payload = await self._frame()
                    if opcode == TEXT:
                        self.heard.append(json.loads(payload))
                    if opcode in opcodes:
                        return opcode, payload
            except (asyncio.IncompleteReadError, ConnectionError):
                return None, b""

    async def until_heard(self, name, seconds=10):
        """Read up to a text frame of a name and return it."""
        while not any(heard["t"] == name for heard in self.heard):
            opcode, _ = await self.until(TEXT, seconds=seconds)
            assert opcode == TEXT, f"closed before {name}: {self.heard[-3:]}"
        return next(heard for heard in reversed(self.heard) if heard["t"] == name)

    async def until_closed(self, seconds=10) -> int:
        """Read to the close frame and return its code; 1006 if there is none."""
        opcode, payload = await self.until(CLOSE, seconds=seconds)
        if opcode is None:
            return 1006
        return struct.unpack("!H", payload[:2])[0] if payload else 1005

    async def is_alive(self) -> bool:
        """Say whether a ping is answered."""
        nonce = os.urandom(4)
        self.say(frame(nonce, PING))
        opcode, payload = await self.until(PONG)
        return opcode == PONG and payload == nonce
