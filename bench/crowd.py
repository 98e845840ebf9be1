"""Clients that the load generator cannot be: they wait for a certain frame, reconnect with a cursor, or ask over HTTP.

Sockets and epoll without a framework, so that ten thousand of them cost less than what they measure. Times are counted
from when a client was due, not from when this program got round to it.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

HANDSHAKES = 4000  # at once: below what the node's listening socket queues
WAIT_SECONDS = 60
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
CURSOR = re.compile(rb'"t":"hello".*?"epoch":"(\w+)","seq":(\d+)')


class Client(NamedTuple):
    """A WebSocket client to be: whose token it brings, and where it left off (`<epoch>:<seq>`)."""

    token: str
    resume: str | None = None


class Arrived(NamedTuple):
    """How long a client waited for its frame, and everything it was sent until then."""

    seconds: float
    received: bytes
    socket: socket.socket


def connect(url: str, clients: Sequence[Client], awaited: bytes, *, at_once: int = HANDSHAKES) -> list[Arrived]:
    """Connect clients and wait until each was sent `awaited`; they all count from the start."""
    crowd = _Crowd(url, awaited)
    begun, waiting = time.perf_counter(), list(reversed(clients))
    arrived: list[Arrived] = []
    while len(arrived) < len(clients):
        while waiting and crowd.connecting < at_once:
            crowd.add(waiting.pop())
        arrived += [Arrived(time.perf_counter() - begun, data, sock) for sock, data in crowd.wait()]
        if time.perf_counter() - begun > WAIT_SECONDS:
            raise RuntimeError(f"{len(clients) - len(arrived)} of {len(clients)} clients still wait for {awaited!r}")
    return arrived


class _Crowd:
    def __init__(self, url: str, awaited: bytes) -> None:
        self._url = urlsplit(url)
        self._awaited = awaited
        self._epoll = select.epoll()
        self._clients: dict[int, tuple[socket.socket, Client, bytearray]] = {}

    @property
    def connecting(self) -> int:
        return len(self._clients)

    def add(self, client: Client) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((self._url.hostname, self._url.port))
        self._clients[sock.fileno()] = sock, client, bytearray()
        self._epoll.register(sock, select.EPOLLOUT)

    def wait(self) -> list[tuple[socket.socket, bytes]]:
        """Wait for something to happen; return who got what it waited for."""
        done = []
        for number, event in self._epoll.poll(1):
            sock, client, received = self._clients[number]
            if event & select.EPOLLIN:
                data = sock.recv(1 << 20)
                received += data
                if self._awaited in received[-len(data) - len(self._awaited) :]:
                    self._epoll.unregister(sock)
                    del self._clients[number]
                    done.append((sock, bytes(received)))
                elif not data:
                    raise RuntimeError(f"a client was turned away: {bytes(received[:300])!r}")
            elif event & select.EPOLLOUT:
                sock.sendall(self._request(client))
                self._epoll.modify(sock, select.EPOLLIN)
            else:
                raise RuntimeError("a connection was refused")
        return done

    def _request(self, client: Client) -> bytes:
        query = f"?resume={client.resume}" if client.resume else ""
        head = f"GET {self._url.path}{query} HTTP/1.1\r\nHost: {self._url.netloc}\r\n{UPGRADE.format(KEY)}"
        return f"{head}Authorization: Bearer {client.token}\r\n\r\n".encode()


def cursor(received: bytes) -> str:
    """Find the cursor in a `hello`."""
    found = CURSOR.search(received)
    assert found is not None, received[:300]
    return f"{found[1].decode()}:{found[2].decode()}"


class Caller:
    """One HTTP connection, asked again and again."""

    def __init__(self, url: str, *headers: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=WAIT_SECONDS)
        self._head = "".join(f"{header}\r\n" for header in [f"Host: {address.netloc}", *headers])

    def ask(self, path: str, body: str | None = None) -> tuple[float, bytes]:
        """Send a request; return how long its answer took, in seconds, and the answer's body."""
        method = "GET" if body is None else "POST"
        length = "" if body is None else f"Content-Length: {len(body.encode())}\r\n"
        begun = time.perf_counter()
        self._socket.sendall(f"{method} {path} HTTP/1.1\r\n{self._head}{length}\r\n{body or ''}".encode())
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0 or len(received) < end + 4 + _content_length(received[:end]):
            received += self._socket.recv(1 << 20)
        assert received[9:10] == b"2", received[:300]
        return time.perf_counter() - begun, received[end + 4 :]

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _content_length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0  # 204 has none


def read_tokens(path: Path) -> list[str]:
    """Read a file of tokens."""
    return path.read_text().split()


def hang_up(arrived: Sequence[Arrived]) -> None:
    """Close many connections at once, without a word."""
    for one in arrived:
        with suppress(OSError):
            one.socket.close()
