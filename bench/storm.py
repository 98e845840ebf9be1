"""Scenarios in which clients come back: after a pause, all at once, and what else waits meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench import crowd
from bench.crowd import Client
from bench.filling import fill
from bench.generator import Generator, Running
from bench.ground import execute
from bench.prober import Prober

MISSED = 300
RESUMES = 200


def resume(_generator: Generator, running: Running) -> dict[str, float]:
    """Come back after 300 changes, one client after the other: from the first SYN to the end of the replay."""
    assert running.tokens is not None
    fill(running.database_url, users=RESUMES, each=2 * MISSED)
    tokens = crowd.read_tokens(running.tokens(RESUMES))
    seconds = []
    for token in tokens:
        (arrived,) = crowd.connect(running.listen[0], [Client(token, f"bench:{MISSED}")], b'"t":"resumed"')
        assert arrived.received.count(b'"t":"notification"') == MISSED
        seconds.append(arrived.seconds)
        crowd.hang_up([arrived])
    return _percentiles(seconds)


def reconnect(connections: int, _generator: Generator, running: Running) -> dict[str, float]:
    """Lose every connection in one moment; all come back with their cursors."""
    assert running.tokens is not None
    tokens = crowd.read_tokens(running.tokens(connections))
    hello = b'"t":"hello"'
    arrived = crowd.connect(running.listen[0], [Client(token) for token in tokens], hello)
    clients = [Client(token, crowd.cursor(one.received)) for token, one in zip(tokens, arrived, strict=False)]
    crowd.hang_up(arrived)
    before = _statements(running)
    begun = time.perf_counter()
    again = crowd.connect(running.listen[0], clients, hello)
    took = time.perf_counter() - begun
    statements = _statements(running) - before
    crowd.hang_up(again)
    seconds = sorted(one.seconds for one in again)
    return {
        "p50 s to hello": seconds[len(seconds) // 2],
        "p99 s to hello": seconds[len(seconds) * 99 // 100],
        "connects/s": connections / took,
        "transactions/client": statements / connections,
    }


def stall(connections: int, generator: Generator, running: Running) -> dict[str, float]:
    """Ask the node for a sign of life while very many connect, while it publishes to them, and while all of them go."""
    assert running.tokens is not None
    url = running.publish[0].partition("/v1")[0]
    clients = [Client(token) for token in crowd.read_tokens(running.tokens(connections))]
    with Prober(url) as connecting:
        arrived = crowd.connect(running.listen[0], clients, b'"t":"hello"')
    load = ("--conns", 0, "--users", connections, "--messages", 4000, "--rate", 500, "--warmup", 200)
    with Prober(url) as live:
        generator.run(running, *load, "--pub-conns", 16, *running.publishing())
    with Prober(url) as leaving:
        crowd.hang_up(arrived)
        time.sleep(1)
    seen = {"connecting": connecting, "publishing": live, "all of them leave": leaving}
    return {f"ms while {what}": 1000 * prober.longest_seconds for what, prober in seen.items()}


def _statements(running: Running) -> int:
    """Count what Postgres has committed for the node."""
    time.sleep(1.2)  # its counters are a second late
    asked = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
    return int(execute(running.database_url, asked)[0][0])


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    middle, high = ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100]
    return {"p50 ms": 1000 * middle, "p95 ms": 1000 * high}
