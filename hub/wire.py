"""WebSocket messages from and to bytes, sans I/O: what a lean stream needs of RFC 6455 after the handshake.

The frames themselves are parsed and serialized by the websockets package; here they are put together into messages, and
each violation maps to the close code the RFC gives it. A client that never speaks has no parser: it is made when bytes
arrive and dropped when they are used up.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Close as CloseFrame
from websockets.frames import Frame, Opcode

NO_STATUS = 1005


class Text(NamedTuple):
    """A whole text message; None if it was binary."""

    text: str | None


class Ping(NamedTuple):
    """To be answered with the same data."""

    data: bytes


class Filler(NamedTuple):
    """A pong, or a part of a message that is not whole yet: nothing to do, but it was said."""


class Closed(NamedTuple):
    """The peer wants to close (or violated the protocol): close with this code in turn."""

    code: int
    reason: str = ""


Event = Text | Ping | Filler | Closed


class Parser:
    """Turns the bytes of one client into events; after a `Closed` it wants no more."""

    __slots__ = ("_buffer", "_is_text", "_max_bytes", "_message", "_parsing")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._parsing: Generator[None, None, Frame] | None = None
        self._message: bytearray | None = None  # what has come of one that is not whole yet
        self._is_text = True

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is half received, so that this parser may be dropped."""
        return not self._buffer and self._message is None and self._parsing is None

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take bytes; yield what they complete, one event per frame."""
        self._buffer += data
        try:
            while (frame := self._next()) is not None:
                event = self._take(frame)
                yield event
                if isinstance(event, Closed):
                    return
        except ProtocolError as error:
            yield Closed(1002, str(error)[:100])
        except UnicodeDecodeError:
            yield Closed(1007, "invalid UTF-8")
        except PayloadTooBig:
            yield Closed(1009, "message too big")

    def _next(self) -> Frame | None:
        if self._parsing is None:
            if not self._buffer:
                return None
            left = self._max_bytes - len(self._message or b"")
            self._parsing = Frame.parse(self._read_exactly, mask=True, max_size=max(left, 125))
        try:
            next(self._parsing)
        except StopIteration as done:
            self._parsing = None
            frame: Frame = done.value
            return frame
        return None

    def _read_exactly(self, size: int) -> Generator[None, None, bytes]:
        while len(self._buffer) < size:
            yield
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _take(self, frame: Frame) -> Event:
        match frame.opcode:
            case Opcode.PING:
                return Ping(bytes(frame.data))
            case Opcode.PONG:
                return Filler()
            case Opcode.CLOSE:
                close = CloseFrame.parse(frame.data)
                return Closed(1000 if close.code == NO_STATUS else close.code)
            case Opcode.CONT:
                if self._message is None:
                    raise ProtocolError("unexpected continuation frame")
            case _:
                if self._message is not None:
                    raise ProtocolError("expected a continuation frame")
                self._is_text, self._message = frame.opcode is Opcode.TEXT, bytearray()
        self._message += frame.data
        if len(self._message) > self._max_bytes:
            raise PayloadTooBig(len(self._message), self._max_bytes)
        return self._whole(self._message) if frame.fin else Filler()

    def _whole(self, message: bytearray) -> Text:
        self._message = None
        return Text(message.decode() if self._is_text else None)


def text_frame(data: bytes) -> bytes:
    """Encode a server's text frame (RFC 6455, section 5.2); so often that an object for each would be seen."""
    size = len(data)
    if size < 126:
        return b"\x81%c%b" % (size, data)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), data)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), data)


def pong_frame(data: bytes) -> bytes:
    """Encode the answer to a ping."""
    return Frame(Opcode.PONG, data).serialize(mask=False)


def close_frame(code: int, reason: str) -> bytes:
    """Encode a close frame."""
    return Frame(Opcode.CLOSE, CloseFrame(code, reason).serialize()).serialize(mask=False)
