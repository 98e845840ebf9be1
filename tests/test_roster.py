"""Who may come in, who is due something, who has to go: decided by the clock it is given."""

import asyncio
import gc
import itertools

import pytest

from hub.errors import DRAIN, LIFETIME, NO_PONG, TOKEN_EXPIRED, Unavailable
from hub.roster import GRACE_SECONDS, PONG_SECONDS, RECONNECT_MS, WARN_SECONDS, Roster
from tests import samples

CLOCK = 1_800_000_000.0
PING = 25.0


def roster(*, max_connections=10, lifetime_seconds=1e9):
    return Roster(max_connections=max_connections, ping_seconds=PING, lifetime_seconds=lifetime_seconds)


def joined(to, **more):
    connection, wire = samples.wired(opened_at=7, **more)
    to.admit(connection)
    return connection, wire


def test_nobody_is_let_in_beyond_the_limit():
    """A full node refuses with a hint when to come back, and has room again after somebody left."""
    full = roster(max_connections=2)
    first, _ = joined(full)
    joined(full, id="con_2")
    with pytest.raises(Unavailable) as caught:
        joined(full, id="con_3")
    assert caught.value.retry_after_seconds
    full.leave(first)
    joined(full, id="con_3")
    assert len(full) == 2


def test_a_handshake_that_has_not_said_who_it_is_takes_up_room():
    """Connections that wait for their `auth` count, so that a flood of them cannot pass the limit."""
    one = roster(max_connections=1)
    with one.waiting(), pytest.raises(Unavailable):
        one.check_room()
    one.check_room()


def test_nobody_is_let_in_while_the_node_drains():
    """A draining node refuses, however empty it is."""
    empty = roster()
    empty.draining = True
    with pytest.raises(Unavailable):
        joined(empty)


def test_leaving_twice_is_leaving_once():
    """A connection that is not there can leave."""
    one = roster()
    connection, _ = joined(one)
    one.leave(connection)
    one.leave(connection)
    assert len(one) == 0


def test_everybody_is_pinged_once_a_period_with_the_seq_they_are_at():
    """Pings begin within the first period and come one per period after that."""
    one = roster()
    connection, wire = joined(one)
    times = []
    for now in range(200):
        connection.pong_by = None
        before = len(wire.frames)
        one.tend(float(now), CLOCK)
        times += [now] * (len(wire.frames) - before)
    assert times[0] <= PING
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {PING}
    assert wire.frames == [{"t": "ping", "seq": 7}] * len(times)


def test_pings_are_spread_over_the_period():
    """Connections that came at once are not pinged at once."""
    many = roster(max_connections=1000)
    connections = [joined(many, id=f"con_{number}")[0] for number in range(200)]
    assert len({round(connection.ping_at) for connection in connections}) > 5


def test_a_websocket_that_does_not_answer_is_closed_in_time():
    """Without a sign of life after a ping the connection is closed with 4201, not before and not after."""
    one = roster()
    connection, wire = joined(one)
    one.tend(PING, CLOCK)
    assert connection.pong_by == PING + PONG_SECONDS
    one.tend(PING + PONG_SECONDS - 0.1, CLOCK)
    assert wire.ended is None
    one.tend(PING + PONG_SECONDS, CLOCK)
    assert wire.ended == NO_PONG
    assert wire.frames[-1]["t"] == "bye"


def test_quick_pings_want_quick_answers():
    """Where pings come faster than every five seconds, an answer has two periods and no more."""
    one = Roster(max_connections=1, ping_seconds=1, lifetime_seconds=1e9)
    connection, _ = joined(one)
    one.tend(1.0, CLOCK)
    assert connection.pong_by == 3.0


def test_a_sign_of_life_keeps_a_websocket():
    """Whoever answers stays, and is asked again."""
    one = roster()
    connection, wire = joined(one)
    for period in range(1, 10):
        one.tend(PING * period, CLOCK)
        connection.pong_by = None
    assert wire.ended is None
    assert len(wire.frames) == 9


def test_an_event_stream_is_not_asked_for_an_answer():
    """A listener that cannot speak is pinged and never closed for silence."""
    one = roster()
    connection, wire = joined(one, transport="sse")
    for period in range(1, 10):
        one.tend(PING * period, CLOCK)
    assert connection.pong_by is None
    assert wire.ended is None
    assert len(wire.frames) == 9


def test_a_connection_has_a_longest_life():
    """At the end of its lifetime a connection is sent away with 4202 and a spread of times to come back."""
    one = roster(lifetime_seconds=100, max_connections=100)
    waits = set()
    for number in range(50):
        connection, wire = joined(one, id=f"con_{number}", now=10.0)
        connection.ping_at = 1e9
        one.tend(109.9, CLOCK)
        assert wire.ended is None
        one.tend(110.0, CLOCK)
        assert wire.ended == LIFETIME
        waits.add(wire.frames[-1]["after_ms"])
    assert max(waits) <= RECONNECT_MS
    assert len(waits) > 10


@pytest.mark.parametrize(
    ("transport", "left", "told", "ended"),
    [
        ("websocket", WARN_SECONDS + 1, [], None),
        ("websocket", WARN_SECONDS, ["token"], None),
        ("websocket", 1, ["token"], None),
        ("websocket", 0, ["token"], None),
        ("websocket", -GRACE_SECONDS + 1, ["token"], None),
        ("websocket", -GRACE_SECONDS, ["bye"], TOKEN_EXPIRED),
        ("sse", WARN_SECONDS, [], None),
        ("sse", 1, [], None),
        ("sse", 0, ["bye"], TOKEN_EXPIRED),
    ],
)
def test_a_connection_does_not_outlive_its_token(transport, left, told, ended):
    """A WebSocket is warned a minute ahead and has a grace to refresh; an event stream ends with its token."""
    one = roster()
    _, wire = joined(one, transport=transport, expires_at=CLOCK + left)
    one.tend(0.0, CLOCK)
    assert [frame["t"] for frame in wire.frames] == told
    assert wire.ended == ended


def test_the_warning_comes_once_and_says_what_is_left():
    """`token expiring` is said once per token, with the seconds left, and never a negative number."""
    one = roster()
    connection, wire = joined(one, expires_at=CLOCK + 30)
    for second in range(40):
        one.tend(0.0, CLOCK + second)
    assert wire.frames == [{"t": "token", "state": "expiring", "expires_in": 30}]
    connection.principal = samples.principal(expires_at=CLOCK + 50)
    connection.warned = False
    one.tend(0.0, CLOCK + 51)
    assert wire.frames[-1] == {"t": "token", "state": "expiring", "expires_in": 0}


def test_a_credential_without_an_end_is_left_alone():
    """A connection whose credential does not expire is neither warned nor closed."""
    one = roster()
    _, wire = joined(one)
    one.tend(0.0, CLOCK * 2)
    assert wire.frames == []


def test_a_connection_that_is_joining_or_closing_is_left_alone():
    """Nothing is due to a client that has not heard `hello`, or that was told `bye`."""
    one = roster()
    joining = samples.connection(expires_at=CLOCK - 1000)
    one.admit(joining)
    closing, wire = joined(one, id="con_2", expires_at=CLOCK - 1000)
    closing.close(LIFETIME)
    one.tend(1e6, CLOCK)
    assert joining.closing is None
    assert [frame["t"] for frame in wire.frames] == ["bye"]


async def test_a_draining_node_says_goodbye_to_everybody_over_the_window():
    """Every connection gets `bye` 4200, spread over the window, and nobody comes in meanwhile."""
    one = roster(max_connections=100)
    wires = [joined(one, id=f"con_{number}")[1] for number in range(20)]
    begun = asyncio.get_running_loop().time()
    farewell = asyncio.create_task(one.farewell(0.2))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        one.check_room()
    assert sum(wire.ended is not None for wire in wires) <= 2
    await farewell
    assert 0.18 <= asyncio.get_running_loop().time() - begun < 2
    assert all(wire.ended == DRAIN for wire in wires)
    assert all(wire.frames[-1]["code"] == 4200 and wire.frames[-1]["reconnect"] for wire in wires)


async def test_draining_an_empty_node_takes_no_time():
    """With nobody there the farewell is over at once, whatever the window."""
    await asyncio.wait_for(roster().farewell(60), 1)


def test_a_round_in_parts_comes_to_everybody_once_and_keeps_nobody_who_left():
    """Very many connections are tended a part at a time; who has left is forgotten, if only a round later."""
    many = roster()
    connections = [joined(many, id=f"con_{number}")[0] for number in range(10)]
    for connection in connections:
        connection.ping_at = 0
    pinged = []
    for _ in range(3):
        many.tend(1, CLOCK, parts=3)
        pinged.append(sum(connection.ping_at > 0 for connection in connections))
    assert pinged == [4, 8, 10]
    many.tend(1, CLOCK, parts=3)
    for connection in connections:
        many.leave(connection)
    for _ in range(3):
        many.tend(1, CLOCK, parts=3)
    kept = {id(referrer) for connection in connections for referrer in gc.get_referrers(connection)}
    assert id(many._round) not in kept
