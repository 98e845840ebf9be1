"""A frame as bytes, for each way out: made once, kept on the frame, shared by every connection of its user."""

from __future__ import annotations

from sse_starlette.event import ServerSentEvent

from hub import wire
from hub.protocol import Frame


def as_json(frame: Frame) -> bytes:
    """Leave the JSON as it is, for a server that makes WebSocket messages of it."""
    return frame.json


def as_message(frame: Frame) -> bytes:
    """Encode a whole WebSocket message."""
    if frame.message is None:
        frame.message = wire.text_frame(frame.json)
    return frame.message


def as_event(frame: Frame) -> bytes:
    """Encode a server-sent event; its id is where the client stands once it has applied the frame."""
    if frame.event is None:
        cursor = str(frame.cursor) if frame.cursor else None
        frame.event = ServerSentEvent(frame.json.decode(), event=frame.name, id=cursor, sep="\n").encode()
    return frame.event


def as_chunk(frame: Frame) -> bytes:
    """Encode a server-sent event as a chunk of a chunked response (RFC 9112, section 7.1).

    The event is the one of `as_event`, put together without looking for line breaks: JSON has none, nor have our names.
    """
    if frame.chunk is None:
        id = f"id: {frame.cursor}\n" if frame.cursor else ""
        event = f"{id}event: {frame.name}\ndata: ".encode() + frame.json + b"\n\n"
        frame.chunk = b"%x\r\n%b\r\n" % (len(event), event)
    return frame.chunk
