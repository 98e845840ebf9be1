"""An echo server on the protocols of a node: `python -m tests.autobahn.echo PORT lean|asgi`.

Autobahn's cases want every message back, which a node has no use for; so the application is another one, and everything
under it is the node's: uvicorn with the classes of `ingress` and `upgrade`, and for `lean` the handing over to a
`LeanWebSocket` and the parser of `wire`. Only the pace is unlimited, because some cases send frames by the thousand.
"""

import sys
from collections import Counter
from types import SimpleNamespace

import uvicorn
from websockets.frames import Frame, Opcode

from hub import lean, wire
from hub.doorman import LEAVINGS, Doorman
from hub.ingress import HttpProtocol
from hub.upgrade import WebSocketProtocol
from tests import samples

MAX_FRAME_BYTES = 65_536
SETTINGS = SimpleNamespace(max_frame_bytes=MAX_FRAME_BYTES, stall_seconds=5.0, rate_limit_frames=1e9)
STATE = SimpleNamespace(
    settings=SETTINGS,
    metrics=SimpleNamespace(written=Counter()),
    hub=SimpleNamespace(live=SimpleNamespace(leave=lambda connection: None, exit=Doorman(LEAVINGS))),
)


class Whole(wire.Parser):
    """A node has no use for binary messages and drops what they say; this keeps it."""

    __slots__ = ()

    def _whole(self, message):
        text = super()._whole(message).text
        return wire.Text(bytes(message) if text is None else text)


class Echo(lean.LeanWebSocket):
    """Says what it hears."""

    __slots__ = ()

    def _hear(self, text, session):
        data, opcode = (text, Opcode.BINARY) if isinstance(text, bytes) else (text.encode(), Opcode.TEXT)
        self._transport.write(Frame(opcode, data).serialize(mask=False))


async def stay(scope, receive, send):
    """Echo through ASGI."""
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def leave(scope, receive, send):
    """Echo outside of it."""
    connection = samples.connection()
    connection.open([], samples.counts(0))
    stream = Echo(STATE, connection)
    if scope["state"]["detach"](stream):
        stream.listen()


def main(port, path):
    go_on = {"lean": leave, "asgi": stay}[path]
    wire.Parser = Whole

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                scope["state"]["state"] = STATE
                await send({"type": message["type"] + ".complete"})
            await send({"type": "lifespan.shutdown.complete"})
        else:
            assert (await receive())["type"] == "websocket.connect"
            await send({"type": "websocket.accept"})
            await go_on(scope, receive, send)

    uvicorn.run(
        app,
        port=int(port),
        loop="uvloop",
        interface="asgi3",
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        log_level="warning",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
