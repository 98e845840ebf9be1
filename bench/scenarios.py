"""What is measured: each scenario sets one contender one task and returns figures, named with their units.

Scenarios of one title are the same task set to several contenders; they are run one after the other within a round.
A delivery that is lost, repeated, out of order or at the wrong user fails the run (generator.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench import growth, sending, storm
from bench.contenders import Contender, Hub
from bench.generator import Generator, Running
from bench.ground import execute, processor_seconds
from bench.peers import NODE_WS, SEED_LIKE, SEED_TUNED, SOCKET_IO, Nchan

IDLE_SECONDS = 3
Figures = dict[str, float]
Measure = Callable[[Generator, Running], Figures]

FRAME = (
    'notification bench {seq} 1 1\n{"t":"notification","seq":{seq},"change":"created","unread":1,"unseen":1,'
    '"notification":{"body":"{payloads}"}}'
)


@dataclass(frozen=True)
class Scenario:
    """One task for one contender. Those that are to show growth need no repetition."""

    title: str
    contender: Contender
    measure: Measure
    name: str = ""
    once: bool = False

    @property
    def label(self) -> str:
        """Who or what this is among the scenarios of its title."""
        return self.name or self.contender.name


def idle(connections: int, generator: Generator, running: Running) -> Figures:
    """Open connections that say nothing: what each costs in memory, and in processor time to open."""
    seen = generator.run(running, *running.listening(connections), "--mode", "idle", "--hold", 2)
    return {"bytes/connection": _of_measured(seen["rss_per_conn_b"]), "µs CPU/connect": seen["connect_cpu_us"]}


def fan_out(connections: int, messages: int, generator: Generator, running: Running) -> Figures:
    """Publish to one user with very many connections."""
    load = ("--messages", messages, "--warmup", 3, "--pub-conns", 1, "--inflight", 2 * connections)
    seen = generator.run(running, *running.listening(connections, users=1), *load, *running.publishing())
    return {"deliveries/s": seen["deliv_per_s"], "µs CPU/delivery": _cpu(seen)}


def relay(connections: int, messages: int, generator: Generator, running: Running) -> Figures:
    """Put messages into Redis as another node would, for one connection each."""
    channel, body = "{user}", "{payload}"
    if running.tokens is not None:
        channel, body = "hub:user:default:{user}", FRAME
        execute(
            running.database_url,
            "insert into inboxes (tenant, user_id, epoch, last_seq, read_seq, seen_seq, changed_seq)"  # the first is 0
            f" select 'default', 'u' || n, 'bench', -1, -1, -1, -1 from generate_series(0, {connections - 1}) n",
        )
    load = ("--messages", messages, "--pub-conns", 4, "--inflight", 2000)
    target = ("--pub", f"{running.redis_url}/{channel}", "--pub-body", body)
    seen = generator.run(running, *running.listening(connections), *load, *target)
    return {"deliveries/s": seen["deliv_per_s"], "µs CPU/delivery": _cpu(seen)}


def publish(publishers: int, messages: int, generator: Generator, running: Running) -> Figures:
    """Publish to 1,000 absent users, each publisher waiting for its answer: stored notifications."""
    load = ("--messages", messages, "--warmup", 500, "--pub-conns", publishers, "--inflight", 1_000_000)
    seen = generator.run(running, "--conns", 0, "--users", 1000, *load, *running.publishing())
    latency = seen["pub_lat_us"]
    return {
        "publishes/s": seen["pub_rps"],
        "µs CPU/publish": _cpu(seen),
        "p50 ms": latency["p50"] / 1000,
        "p99 ms": latency["p99"] / 1000,
        "Redis, % of all CPU": _share(seen, "redis"),
        "Postgres, % of all CPU": _share(seen, "postgres"),
    }


def deliver(connections: int, messages: int, generator: Generator, running: Running) -> Figures:
    """Publish as fast as deliveries come back."""
    load = ("--messages", messages, "--warmup", 300, "--pub-conns", 32, "--inflight", 1000)
    seen = generator.run(running, *running.listening(connections), *load, *running.publishing())
    return {"delivered/s": seen["deliv_per_s"], "µs CPU/message": _cpu(seen)}


def latency(connections: int, rate: int, seconds: int, generator: Generator, running: Running) -> Figures:
    """Publish at a steady rate: from when a publish was due to when its frame is at the client."""
    load = ("--messages", rate * seconds, "--rate", rate, "--warmup", 200, "--pub-conns", 16)
    seen = generator.run(running, *running.listening(connections), *load, *running.publishing())
    return {"p50 ms": seen["lat_us"]["p50"] / 1000, "p99 ms": seen["lat_us"]["p99"] / 1000}


def bystander(messages: int, generator: Generator, running: Running) -> Figures:
    """Publish on one of two nodes to users connected to it: what the other one has to do for that."""
    first, other = running.only(0), int(running.pids["hub-1"])
    before = processor_seconds(other)
    time.sleep(IDLE_SECONDS)
    idle = (processor_seconds(other) - before) / IDLE_SECONDS
    load = ("--messages", messages, "--warmup", 300, "--pub-conns", 16, "--inflight", 1000)
    seen = generator.run(first, *first.listening(1000), *load, *first.publishing())
    more = seen["cpu"]["hub-1"]["s"] - idle * seen["dur_s"]
    return {"µs CPU/message": seen["cpu"]["hub"]["us_per_msg"], "bystander's µs CPU/message": 1e6 * more / messages}


def nodes(messages: int, generator: Generator, running: Running) -> Figures:
    """Publish on all nodes to users connected to all of them, so that most messages cross from one to another."""
    seen = generator.run(
        running,
        *running.listening(1000),
        *("--messages", messages, "--warmup", 300, "--pub-conns", 16, "--inflight", 1000),
        *running.publishing(),
    )
    return {
        "µs CPU of all nodes/message": _cpu(seen),
        "µs CPU of Redis/message": seen["cpu"]["redis"]["us_per_msg"],
        "Redis, % of all CPU": _share(seen, "redis"),
    }


def scenarios(connections: int, largest: int) -> Iterator[Scenario]:
    """List what is measured; `largest` bounds the stored notifications of the growth curves."""
    hubs: list[Contender] = [Hub("WebSocket"), Hub("SSE")]
    pushing: list[Contender] = [*hubs, Nchan("WebSocket"), Nchan("SSE"), NODE_WS, SOCKET_IO]
    thousands = f"{connections:,}"
    for contender in [*pushing, SEED_LIKE]:
        yield Scenario(f"{thousands} idle connections", contender, partial(idle, connections))
    for contender in pushing:
        title = f"one message to {connections // 2:,} connections"
        yield Scenario(title, contender, partial(fan_out, connections // 2, 60))
    for contender in [*hubs, NODE_WS]:
        yield Scenario("from Redis to one connection each", contender, partial(relay, 1000, 100_000))
    for publishers in (32, 128):
        yield Scenario("publish, stored", hubs[0], partial(publish, publishers, 20_000), f"{publishers} publishers")
    for contender in [*hubs, SEED_LIKE, SEED_TUNED]:
        messages = 20_000 if contender in hubs else 5_000
        yield Scenario("publish → 1,000 connections", contender, partial(deliver, 1000, messages))
    for contender in [*hubs, SEED_LIKE, SEED_TUNED, NODE_WS, Nchan("WebSocket")]:
        title = "publish → 1,000 connections, 500 a second"
        yield Scenario(title, contender, partial(latency, 1000, 500, 6))
    yield Scenario("resume of 300 missed changes", hubs[0], storm.resume)
    title = f"{thousands} clients reconnect at once"
    yield Scenario(title, hubs[0], partial(storm.reconnect, connections))
    title = f"longest stall with {thousands} connections"
    yield Scenario(title, hubs[0], partial(storm.stall, connections))
    for milliseconds, deliveries in ((100, 3000), (5, 20_000)):
        title = f"e-mails through a provider that takes {milliseconds} ms"
        yield Scenario(title, hubs[0], partial(sending.compare, milliseconds / 1000, deliveries))
    yield from _growth(connections, largest)


def _growth(connections: int, largest: int) -> Iterator[Scenario]:
    two = Hub(nodes=2)
    yield Scenario("a node that a message does not concern", two, partial(bystander, 20_000), once=True)
    for number in (1, 2, 4):
        yield Scenario("growth: nodes", Hub(nodes=number), partial(nodes, 10_000), str(number), once=True)
    for number in (100, 1000, connections):
        measure = partial(_both, number)
        yield Scenario("growth: connections", Hub(), measure, f"{number:,}", once=True)
    for number in (10_000, 100_000, 1_000_000, 10_000_000):
        if number <= largest:
            measure = partial(growth.stored, number)
            yield Scenario("growth: stored notifications", Hub(), measure, f"{number:,}", once=True)


def _both(connections: int, generator: Generator, running: Running) -> Figures:
    return idle(connections, generator, running) | latency(connections, 200, 5, generator, running)


def _of_measured(by_process: Mapping[str, float]) -> float:
    return sum(value for name, value in by_process.items() if name.startswith(("hub", "peer")))


def _cpu(seen: Mapping[str, Any]) -> float:
    """Return the µs that the measured processes took for each message."""
    return _of_measured({name: used["us_per_msg"] for name, used in seen["cpu"].items()})


def _share(seen: Mapping[str, Any], name: str) -> float:
    total = sum(used["s"] for used in seen["cpu"].values())
    return float(100 * seen["cpu"][name]["s"] / total)
