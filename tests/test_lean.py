"""Streams outside ASGI: what the server tells them, in whatever order. What they say to clients is in `contract`."""

import asyncio
import types
from collections import Counter

import pytest

from hub.doorman import LEAVINGS, Doorman
from hub.errors import CLIENT_GONE
from hub.lean import LeanStream, LeanWebSocket
from tests import samples


class Socket(asyncio.Transport):
    """A transport nobody is at the other end of."""

    closed = False
    lost = False

    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        stream.connection_made(self)

    def close(self):
        self.closed = True
        if not self.lost:
            self.stream.connection_lost(None)

    def is_closing(self):
        return self.closed

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def write(self, data):
        pass


@pytest.fixture
def left():
    """Who left, in order."""
    return []


@pytest.fixture(params=[LeanStream, LeanWebSocket])
def connect(request, left):
    live = types.SimpleNamespace(leave=left.append, exit=Doorman(LEAVINGS))
    state = types.SimpleNamespace(
        hub=types.SimpleNamespace(live=live), metrics=types.SimpleNamespace(written=Counter())
    )
    return lambda: Socket(request.param(state, samples.connection()))


async def test_a_crowd_that_leaves_is_let_out_by_turns(connect, left):
    """Between two groups the event loop gets round to those who stay."""
    sockets = [connect() for _ in range(2 * LEAVINGS + 1)]
    for socket in sockets:
        assert socket.stream.eof_received() is True, "the transport would close at once"
    assert not left
    await asyncio.sleep(0)
    assert left == [socket.stream.connection for socket in sockets[:LEAVINGS]]
    async with asyncio.timeout(5):
        while len(left) < len(sockets):
            await asyncio.sleep(0.001)
    assert left == [socket.stream.connection for socket in sockets]
    assert {connection.closing for connection in left} == {CLIENT_GONE}


async def test_who_leaves_alone_is_closed_at_once(connect):
    """Nobody waits for a crowd that is not there."""
    socket = connect()
    socket.stream.eof_received()
    await asyncio.sleep(0)
    assert socket.closed


async def test_a_connection_may_be_lost_before_its_turn(connect, left):
    """It left already; its transport is closed and says so no more."""
    socket = connect()
    socket.stream.eof_received()
    socket.stream.connection_lost(ConnectionResetError())
    socket.lost = True
    await asyncio.sleep(0)
    assert left == [socket.stream.connection]
