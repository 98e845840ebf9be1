"""The seam to uvicorn and websockets: what ingress, upgrade, server and wire take for granted of their insides.

None of it is promised by those libraries. Whatever is overridden, called or set must be there with the parameters we
know, and the methods whose workings we build on must read as they did when we did: after an upgrade a failure here says
what to look at. The rest shows the protocols at work on a transport in memory.
"""

import asyncio
import hashlib
import importlib.util
import inspect
import json
import logging
import re
import types

import pytest
import uvicorn
import websockets.exceptions
import websockets.frames
import websockets.server
from sse_starlette.sse import AppStatus
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from hub import ingress, upgrade
from hub.api.problem import Problem
from hub.doorman import OPENINGS, Doorman
from hub.ingress import HttpProtocol
from hub.server import DrainingServer
from hub.upgrade import Conversation, WebSocketProtocol
from hub.wire import close_frame
from tests.faults.raw import CLOSE, CONTINUATION, HANDSHAKE, PING, PONG, closing, frame

UPGRADED = (
    "uvicorn or websockets has changed {what}, which hub/ingress.py, upgrade.py, server.py or wire.py builds on. Read"
    " the change, adapt them, run tests/contract and tests/faults on both paths, then write down here what it is now"
)
OVERRIDDEN = {  # our class, whose methods of these names must still override one of the library's
    HttpProtocol: (
        HttpToolsProtocol,
        "connection_made connection_lost data_received send_400_response on_message_begin on_headers_complete"
        " handle_websocket_upgrade on_message_complete _should_upgrade",
    ),
    WebSocketProtocol: (
        WebSocketsSansIOProtocol,
        "__init__ data_received handle_ping handle_pong handle_cont resume_writing send_receive_event_to_app receive"
        " send shutdown run_asgi",
    ),
    Conversation: (websockets.server.ServerProtocol, "process_request reject recv_frame"),
    DrainingServer: (uvicorn.Server, "startup on_tick shutdown handle_exit"),
}
SIGNATURES = {
    "HttpToolsProtocol.connection_made": "self, transport",
    "HttpToolsProtocol.connection_lost": "self, exc",
    "HttpToolsProtocol.data_received": "self, data",
    "HttpToolsProtocol.send_400_response": "self, msg",
    "HttpToolsProtocol.on_message_begin": "self",
    "HttpToolsProtocol.on_headers_complete": "self",
    "HttpToolsProtocol.handle_websocket_upgrade": "self",
    "HttpToolsProtocol.on_message_complete": "self",
    "HttpToolsProtocol._should_upgrade": "self",
    "HttpToolsProtocol.on_response_complete": "self",
    "WebSocketsSansIOProtocol.__init__": "self, config, server_state, app_state, _loop=",
    "WebSocketsSansIOProtocol.data_received": "self, data",
    "WebSocketsSansIOProtocol.handle_ping": "self",
    "WebSocketsSansIOProtocol.handle_pong": "self, event",
    "WebSocketsSansIOProtocol.handle_cont": "self, event",
    "WebSocketsSansIOProtocol.handle_parser_exception": "self",
    "WebSocketsSansIOProtocol.resume_writing": "self",
    "WebSocketsSansIOProtocol.send_receive_event_to_app": "self",
    "WebSocketsSansIOProtocol.receive": "self",
    "WebSocketsSansIOProtocol.send": "self, message",
    "WebSocketsSansIOProtocol.shutdown": "self",
    "WebSocketsSansIOProtocol.run_asgi": "self",
    "WebSocketsSansIOProtocol.stop_keepalive": "self",
    "Server.startup": "self, sockets=",
    "Server.on_tick": "self, counter",
    "Server.shutdown": "self, sockets=",
    "Server.handle_exit": "self, sig, frame",
    "Server.run": "self, sockets=",
    "ServerProtocol.process_request": "self, request",
    "ServerProtocol.reject": "self, status, text",
    "ServerProtocol.recv_frame": "self, frame",
    "ServerProtocol.send_close": "self, code=, reason=",
    "ServerProtocol.data_to_send": "self",
    "Frame.parse": "read_exact, mask, max_size=, extensions=",
    "Frame.serialize": "self, mask, extensions=",
    "Close.parse": "data",
    "Close.serialize": "self",
    "PayloadTooBig.__init__": "self, size_or_message, max_size=, current_size=",
}


def anew(name):
    """Load a module another time: sse-starlette changes uvicorn's server in memory as soon as it is imported."""
    spec = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


OWNERS = (
    *(HttpToolsProtocol, WebSocketsSansIOProtocol, anew("uvicorn.server").Server, websockets.server.ServerProtocol),
    *(websockets.frames.Frame, websockets.frames.Close, websockets.exceptions.PayloadTooBig),
)
# Methods whose insides we know and build on: when they touch `transport`, what they queue, which flags they set.
READ = {
    "HttpToolsProtocol.connection_made": "8c1d055fd33a",
    "HttpToolsProtocol.connection_lost": "25fdeb43f2df",
    "HttpToolsProtocol.data_received": "e74b210e3c04",
    "HttpToolsProtocol.handle_websocket_upgrade": "ea7b52f360fc",
    "HttpToolsProtocol.on_message_begin": "c456bff183cd",
    "HttpToolsProtocol.on_headers_complete": "8dfdf4fc3b4f",
    "HttpToolsProtocol.on_body": "a02fa52bdf33",
    "HttpToolsProtocol.on_message_complete": "87e5be1faf50",
    "HttpToolsProtocol._should_upgrade": "33b213065ffa",
    "HttpToolsProtocol.on_response_complete": "bf257afb094e",
    "HttpToolsProtocol._start_asgi_task": "c8c773c7e2d0",
    "HttpToolsProtocol.timeout_keep_alive_handler": "16ae57aa33cd",
    "RequestResponseCycle.run_asgi": "7483b9764662",
    "RequestResponseCycle.send": "d744b2b1d727",
    "RequestResponseCycle.receive": "e7a392a4367a",
    "WebSocketsSansIOProtocol.connection_lost": "81f45e210dc7",
    "WebSocketsSansIOProtocol.data_received": "96cc3e3db75c",
    "WebSocketsSansIOProtocol.handle_events": "6de7cf1877bf",
    "WebSocketsSansIOProtocol.handle_connect": "045eca1ef670",
    "WebSocketsSansIOProtocol.handle_close": "bbf850f0d542",
    "WebSocketsSansIOProtocol.handle_cont": "1f78b829e82c",
    "WebSocketsSansIOProtocol.handle_ping": "f1c52319c847",
    "WebSocketsSansIOProtocol.handle_parser_exception": "818b82138a95",
    "WebSocketsSansIOProtocol.on_task_complete": "447e06c8c214",
    "WebSocketsSansIOProtocol.receive": "76b096e89551",
    "WebSocketsSansIOProtocol.run_asgi": "e94ff81e8995",
    "WebSocketsSansIOProtocol.send": "920315290456",
    "WebSocketsSansIOProtocol.send_receive_event_to_app": "7d2425868ee4",
    "WebSocketsSansIOProtocol.shutdown": "ba98819a4e60",
    "ServerProtocol.accept": "bf9f5e9f4f8e",
    "ServerProtocol.recv_frame": "0675e8e3059c",
    "Server.capture_signals": "8ad971b4e4ae",
    "Server.handle_exit": "b1106ed1450f",
    "Server.shutdown": "b4f26fef0616",
}


def owner(name):
    return next(one for one in (*OWNERS, RequestResponseCycle) if one.__name__ == name.partition(".")[0])


def member(name):
    """Find a method by the names of its class and its own."""
    if name == "Server.handle_exit":
        return AppStatus.original_handler  # sse-starlette has put one of its own in the place
    found = inspect.getattr_static(owner(name), name.partition(".")[2], None)
    assert found is not None, UPGRADED.format(what=f"{name}: it is gone")
    return getattr(found, "__func__", found)


def signature(function):
    """Say what a function takes: names, `=` where one may be left out; `cls` is no concern of a caller."""
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "cls"]
    return ", ".join(f"{one.name}{'' if one.default is one.empty else '='}" for one in parameters)


def digest(function):
    """Tell whether a function still reads the same, apart from comments and the way it is laid out."""
    return hashlib.sha256(re.sub(r"#.*|\s+", "", inspect.getsource(function)).encode()).hexdigest()[:12]


@pytest.mark.parametrize("ours", OVERRIDDEN)
def test_what_is_overridden_is_there(ours):
    """A method of ours that overrides nothing would never be called."""
    theirs, names = OVERRIDDEN[ours]
    assert ours.__mro__[1] is theirs
    for name in names.split():
        assert name in vars(ours), f"{ours.__name__}.{name} is gone: correct the table"
        assert hasattr(theirs, name), UPGRADED.format(what=f"{theirs.__name__}.{name}: it is gone")


@pytest.mark.parametrize("ours", OVERRIDDEN)
def test_nothing_is_overridden_unawares(ours):
    """Whatever of ours has the name of something of theirs is meant to, and is in the table."""
    theirs, names = OVERRIDDEN[ours]
    same = {name for name in vars(ours) if hasattr(theirs, name) and name not in vars(object) | {"__module__": 0}}
    assert same - {"__firstlineno__", "__static_attributes__"} == set(names.split()) - {"__init__"}


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_is_called_takes_what_it_is_given(name):
    """Methods that we call or override have the parameters we know."""
    found = signature(member(name))
    assert found == SIGNATURES[name], UPGRADED.format(what=f"the parameters of {name}: {found}")


@pytest.mark.parametrize("name", READ)
def test_what_is_built_on_reads_as_it_did(name):
    """Methods whose insides we rely on are, word for word, those we have read."""
    found = digest(member(name))
    assert found == READ[name], UPGRADED.format(what=f"{name}: its digest is {found}")


class Memory(asyncio.Transport):
    """A transport that keeps what is written, and tells what was done to it."""

    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol
        self.written = b""
        self.closed = self.aborted = self.paused = False
        self.lost = asyncio.Event()
        protocol.connection_made(self)

    def write(self, data):
        assert not self.closed, "nothing may be written to a closed transport"
        self.written += data

    def is_closing(self):
        return self.closed

    def close(self):
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.lose)

    def lose(self):
        """Tell the protocol that the connection is lost, once."""
        if not self.lost.is_set():
            self.closed = True
            self.lost.set()
            self.protocol.connection_lost(None)

    def abort(self):
        self.aborted = True
        self.close()

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False

    def set_protocol(self, protocol):
        self.protocol = protocol

    def say(self, data):
        """Let the client say something."""
        self.protocol.data_received(data)


class Stream(asyncio.Protocol):
    """Takes a socket over, as the lean streams do."""

    transport = None
    received = None

    def connection_made(self, transport):
        self.transport = transport

    def go_on(self, received, *, heard):
        self.received = received, heard


@pytest.fixture
def serving():
    """Open a connection to an ASGI application, and end it as a server does when all is done."""
    state, opened = ServerState(), []

    def serve(app):
        config = uvicorn.Config(
            app, interface="asgi3", http=HttpProtocol, ws=WebSocketProtocol, log_config=None, ws_ping_interval=None
        )
        settings = types.SimpleNamespace(rate_limit_frames=10, lean=False)
        live = types.SimpleNamespace(entrance=Doorman(OPENINGS))
        shared = {"state": types.SimpleNamespace(settings=settings, hub=types.SimpleNamespace(live=live))}
        opened.append(Memory(HttpProtocol(config, state, shared, asyncio.get_running_loop())))
        return opened[-1]

    serve.state = state
    yield serve
    for transport in opened:
        transport.lose()
    assert not state.connections


@pytest.fixture(autouse=True)
def nothing_logged(caplog):
    """Fail a test during which uvicorn finds something wrong."""
    yield
    logged = [*caplog.get_records("setup"), *caplog.get_records("call")]
    assert [record.getMessage() for record in logged if record.levelno >= logging.WARNING] == []


async def ended(serving):
    """Wait until the application has returned."""
    async with asyncio.timeout(5):
        while serving.state.tasks:
            await asyncio.sleep(0)


async def begin(send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"b")]})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})


@pytest.mark.parametrize(("version", "offered"), [("1.1", {"abort", "detach"}), ("1.0", {"abort"})])
async def test_a_request_can_drop_its_connection_and_hand_it_over(serving, version, offered):
    """Both are in its scope's state; handing over only where the stream can go on in chunks."""
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)
        assert (await receive())["type"] == "http.request"
        scope["state"]["abort"]()
        assert (await receive())["type"] == "http.disconnect"

    transport = serving(app)
    transport.say(f"GET / HTTP/{version}\r\nHost: hub\r\n\r\n".encode())
    await ended(serving)
    assert transport.aborted
    assert offered == set(scopes[0]["state"]) - {"state"}


async def test_a_response_goes_on_in_other_hands(serving):
    """After the beginning uvicorn lets go: it writes nothing more, misses nothing, and does not shut it down."""
    stream = Stream()

    async def app(scope, receive, send):
        await begin(send)
        assert scope["state"]["detach"](stream)

    transport = serving(app)
    protocol = transport.protocol
    transport.say(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
    await ended(serving)
    assert transport.written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert transport.written.endswith(b"5\r\nfirst\r\n")
    assert (stream.transport, transport.protocol, serving.state.connections) == (transport, stream, set())
    protocol.shutdown()
    assert not transport.closed


async def test_a_socket_that_is_gone_is_not_handed_over(serving):
    """Whoever left while the response began leaves nothing to take over."""
    stream, answers = Stream(), []

    async def app(scope, receive, send):
        await begin(send)
        transport.close()
        answers.append(scope["state"]["detach"](stream))

    transport = serving(app)
    transport.say(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
    await ended(serving)
    assert (answers, stream.transport) == ([False], None)


async def never(scope, receive, send):
    raise AssertionError("no request was made")


async def test_a_head_without_end_is_cut_off(serving, caplog):
    """Neither endless headers nor endless silence are waited for, on a kept connection neither."""
    transport = serving(never)
    transport.say(b"GET / HTTP/1.1\r\n")
    for _ in range(ingress.MAX_HEAD_BYTES // 1000 + 1):
        if not transport.closed:
            transport.say(b"x-filler: " + b"x" * 988 + b"\r\n")
    assert transport.closed
    refused_with(transport, 431)


def refused_with(transport, status):
    """Check that all that was written is a problem, with a request id."""
    head, _, body = transport.written.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    said = json.loads(body)
    assert lines[0].startswith(f"http/1.1 {status} ")
    assert (headers["content-type"], int(headers["content-length"])) == ("application/problem+json", len(body))
    assert (said["status"], said["instance"]) == (status, f"urn:request:{headers['x-request-id']}")
    Problem.model_validate(said)
    return headers


async def test_what_is_no_http_is_refused_with_a_problem(serving, caplog):
    """Not even bytes that are no request get another answer; uvicorn warns of them, which nobody need read."""
    transport = serving(never)
    transport.say(b"\x16\x03\x01 hello\r\n\r\n")
    refused_with(transport, 400)
    assert transport.closed
    caplog.clear()


@pytest.mark.parametrize(
    ("line", "instead", "status"),
    [
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13, 13", 426),
        ("Sec-WebSocket-Version: 13", "X: y", 426),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X: y", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: short", 400),
    ],
)
async def test_a_handshake_that_is_none_is_refused_with_a_problem(serving, line, instead, status):
    """What websockets finds wrong with it is the detail; what could be a WebSocket is told how (RFC 6455, 4.4)."""
    transport = serving(never)
    asked = HANDSHAKE.format(path="/", headers="")
    assert line in asked
    transport.say(asked.replace(line, instead).encode())
    headers = refused_with(transport, status)
    told = ("websocket", "13") if status == 426 else (None, None)
    assert (headers.get("upgrade"), headers.get("sec-websocket-version")) == told
    assert transport.closed


async def test_a_handshake_under_way_is_refused_by_the_application(serving):
    """A server that stops does not answer 500 for it: the 503 of a draining node makes the edge ask another one."""
    stopping = asyncio.Event()

    async def app(scope, receive, send):
        await stopping.wait()
        await send({"type": "websocket.http.response.start", "status": 503, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"draining"})

    transport = serving(app)
    transport.say(HANDSHAKE.format(path="/", headers="").encode())
    transport.protocol.shutdown()
    assert not transport.written
    stopping.set()
    await ended(serving)
    assert transport.written.startswith(b"HTTP/1.1 503 ")
    assert transport.closed


async def test_whoever_is_told_to_leave_and_stays_is_cut_off(serving, monkeypatch):
    """A close frame that is not answered is not waited for as long as uvicorn would."""
    monkeypatch.setattr(upgrade, "CLOSE_SECONDS", 0.02)

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4308})

    transport = serving(app)
    transport.say(HANDSHAKE.format(path="/", headers="").encode())
    await asyncio.wait_for(transport.lost.wait(), 5)
    assert transport.written.endswith(close_frame(4308, ""))


@pytest.mark.parametrize("before", [0, 1])
async def test_a_head_that_does_not_come_is_not_waited_for(serving, monkeypatch, before):
    """A connection has its time to make a request, and each further request its own."""
    monkeypatch.setattr(ingress, "HEAD_SECONDS", 0.02)

    async def app(scope, receive, send):
        await begin(send)
        await send({"type": "http.response.body", "body": b""})

    transport = serving(app)
    for _ in range(before):
        transport.say(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
        await ended(serving)
        await asyncio.sleep(0.04)
        assert not transport.closed, "between requests it is uvicorn that waits"
        transport.say(b"GET / HT")
    await asyncio.wait_for(transport.lost.wait(), 5)
    assert transport.aborted


@pytest.mark.parametrize("path", ["/v1/ws", "/v1/stream?snapshot=3"])
async def test_who_asks_for_a_stream_waits_unread_and_for_as_long_as_it_takes(serving, monkeypatch, path):
    """In a crowd a request is read when its turn comes; meanwhile its client's time does not run out."""
    monkeypatch.setattr(ingress, "HEAD_SECONDS", 0.01)
    asked = []

    async def app(scope, receive, send):
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    transport = serving(app)
    entrance = transport.protocol.app_state["state"].hub.live.entrance
    for _ in range(10 * OPENINGS):
        entrance.call(lambda: None)
    transport.say(f"GET {path} HTTP/1.1\r\nHost: hub\r\n\r\n".encode())
    other = serving(app)
    other.say(b"GET /livez HTTP/1.1\r\nHost: hub\r\n\r\n")
    await ended(serving)
    assert (asked, transport.paused, transport.aborted) == (["/livez"], True, False)
    await asyncio.sleep(0.02)
    assert asked == ["/livez"]
    async with asyncio.timeout(5):
        while len(asked) < 2:
            await asyncio.sleep(0.001)
    await ended(serving)
    assert (asked[1], transport.paused, transport.aborted) == (path.partition("?")[0], False, False)
    assert transport.written.startswith(b"HTTP/1.1 204 ")


class Talk:
    """A WebSocket whose application hears a message when it is told to."""

    def __init__(self, serving):
        self.heard, self.ask, self.answered = [], asyncio.Queue(), asyncio.Event()
        self.transport = serving(self._app)
        self.transport.say(HANDSHAKE.format(path="/", headers="").encode())

    async def _app(self, scope, receive, send):
        self.scope = scope
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while True:
            wanted = await self.ask.get()
            if wanted is None:
                return
            said = await receive() if wanted == "hear" else await send(wanted)
            self.heard += [] if said is None else [said]
            self.answered.set()

    async def do(self, wanted):
        """Hear one message, or send one."""
        self.answered.clear()
        self.ask.put_nowait(wanted)
        await asyncio.wait_for(self.answered.wait(), 5)

    async def opened(self):
        while not self.transport.written:
            await asyncio.sleep(0)
        assert self.transport.written.startswith(b"HTTP/1.1 101 ")
        self.transport.written = b""
        return self


@pytest.fixture
async def talk(serving):
    talking = await Talk(serving).opened()
    yield talking
    talking.ask.put_nowait(None)
    await ended(serving)


async def test_what_was_not_heard_is_handed_over(talk, serving):
    """Whoever takes over gets every byte since the handshake, and how many messages of it were heard."""
    one, two, part = frame(b"one"), frame(b"two"), frame(b"three")[:4]
    talk.transport.say(one + two)
    talk.transport.say(part)
    await talk.do("hear")
    stream = Stream()
    assert talk.scope["state"]["detach"](stream)
    assert stream.received == (one + two + part, 1)
    assert (stream.transport, serving.state.connections) == (talk.transport, set())


async def test_who_speaks_through_asgi_keeps_nothing(talk):
    """Bytes are kept for a handing over only as long as there can be one."""
    await talk.do({"type": "websocket.send", "text": "hello"})
    talk.transport.say(frame(b"one"))
    await talk.do("hear")
    assert talk.transport.protocol._received is None
    assert talk.heard == [{"type": "websocket.receive", "text": "one"}]


async def test_nothing_is_parsed_while_messages_wait(talk):
    """What the application has not heard holds up what follows, a close frame too, and stays bytes meanwhile."""
    talk.transport.say(frame(b"x" * (upgrade.PIECE_BYTES - 8)) + frame(b"two") + closing(1000))
    waiting = len(talk.transport.protocol._unparsed)
    assert talk.transport.paused
    assert waiting == len(frame(b"two") + closing(1000))
    for _ in range(3):
        await talk.do("hear")
    assert [message["type"] for message in talk.heard] == ["websocket.receive"] * 2 + ["websocket.disconnect"]


async def test_pings_are_answered_the_last_one_when_nobody_reads(talk):
    """A client that reads no pongs gets one, when it reads again."""
    talk.transport.say(frame(b"a", PING))
    assert talk.transport.written == bytes([0x80 | PONG, 1]) + b"a"
    talk.transport.protocol.pause_writing()
    talk.transport.say(frame(b"b", PING) + frame(b"c", PING))
    assert talk.transport.written.endswith(b"a")
    talk.transport.protocol.resume_writing()
    assert talk.transport.written.endswith(bytes([0x80 | PONG, 1]) + b"c")


@pytest.mark.parametrize(
    "filler",
    [frame(b"", PING), frame(b"", PONG), frame(b"", CONTINUATION, fin=False)],
    ids=["pings", "pongs", "parts"],
)
async def test_frames_no_application_hears_of_are_counted(talk, filler):
    """Fifty at once are allowed at ten a second, then it is over."""
    talk.transport.say(frame(b"", fin=False) + filler * 49)
    assert not talk.transport.closed
    talk.transport.say(filler * 2)
    assert talk.transport.closed
    close = talk.transport.written[-2 - len("rate limited") - 2 :]
    assert close == bytes([0x80 | CLOSE, 14]) + (4113).to_bytes(2, "big") + b"rate limited"


async def test_text_that_is_no_text_closes_without_a_traceback(talk):
    """Invalid UTF-8 is the client's fault: 1007."""
    talk.transport.say(frame(b"\xff"))
    assert talk.transport.written[2:4] == (1007).to_bytes(2, "big")
    assert talk.transport.closed


async def test_whoever_talks_on_after_the_close_is_dropped(talk):
    """The rest of a message may still come, not any amount."""
    await talk.do({"type": "websocket.close", "code": 4200})
    for _ in range(upgrade.MAX_LAST_BYTES // 1000):
        talk.transport.say(frame(b"x" * 990))
    assert not talk.transport.closed
    talk.transport.say(frame(b"x" * 2000))
    assert talk.transport.aborted


async def test_a_refusal_is_no_error_of_the_application(serving):
    """An answer instead of the upgrade is sent as it is, and uvicorn logs nothing."""

    async def app(scope, receive, send):
        await send({"type": "websocket.http.response.start", "status": 403, "headers": [(b"x-a", b"b")]})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    transport = serving(app)
    transport.say(HANDSHAKE.format(path="/", headers="").encode())
    await ended(serving)
    assert transport.written.startswith(b"HTTP/1.1 403 Forbidden\r\nx-a: b\r\n")
    assert transport.written.endswith(b"\r\n\r\nno")
    assert transport.closed


async def test_a_handshake_too_long_for_websockets_is_answered(serving):
    """websockets reads at most 128 headers of 8 KiB; a client with more is told so, and not kept for ever."""
    transport = serving(never)
    transport.say(HANDSHAKE.format(path="/", headers="x-filler: y\r\n" * 300).encode())
    refused_with(transport, 431)
    assert transport.closed


async def test_a_message_need_not_be_whole_before_a_close(talk):
    """A close frame between the parts of a message is answered in kind (RFC 6455, 5.4)."""
    talk.transport.say(frame(b"half", fin=False) + closing(1000))
    assert talk.transport.written == bytes([0x80 | CLOSE, 2]) + (1000).to_bytes(2, "big")
    await talk.do("hear")
    assert (talk.heard[0]["type"], talk.heard[0]["code"]) == ("websocket.disconnect", 1000)
