"""What the figures are to reach: gate, goal and beyond of each target, and which of them one run met.

A target reads its figure out of the results: a figure of the hub itself, or its ratio to a peer's in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bench import sending

Medians = Mapping[str, Mapping[str, Mapping[str, float]]]  # title → label → figure → median


class Target(NamedTuple):
    """A target; `least` says that more is better."""

    name: str
    figure: Callable[[Medians], float]
    unit: str
    gate: float
    goal: float
    beyond: float
    least: bool = False

    def level(self, value: float) -> str:
        """Tell what a value reaches."""
        for name, bound in (("beyond", self.beyond), ("goal", self.goal), ("gate", self.gate)):
            if value >= bound if self.least else value <= bound:
                return name
        return "missed"


def _of(title: str, label: str, figure: str) -> Callable[[Medians], float]:
    return lambda medians: medians[title][label][figure]


def _ratio(title: str, ours: str, theirs: str, figure: str) -> Callable[[Medians], float]:
    return lambda medians: medians[title][ours][figure] / medians[title][theirs][figure]


def targets(connections: int) -> list[Target]:
    """List the targets of a run with so many connections."""
    idle, half = f"{connections:,} idle connections", f"one message to {connections // 2:,} connections"
    steady = "publish → 1,000 connections, 500 a second"
    stall = f"longest stall with {connections:,} connections"
    websocket, sse = "hub, WebSocket", "hub, SSE"
    seed = "Express + BullMQ + SSE"
    kept, opened = "bytes/connection", "µs CPU/connect"
    return [
        Target("memory per idle WebSocket", _of(idle, websocket, kept), "bytes", 8192, 4096, 3072),
        Target("memory per idle SSE stream", _of(idle, sse, kept), "bytes", 8192, 4096, 3072),
        Target("CPU per connect, WebSocket", _of(idle, websocket, opened), "µs", 400, 250, 150),
        Target("CPU per connect, SSE", _of(idle, sse, opened), "µs", 400, 250, 150),
        Target(
            "fan-out CPU per message, of Node ws",
            _ratio("from Redis to one connection each", websocket, "Node ws", "µs CPU/delivery"),
            "×",
            *(1.25, 1.0, 0.8),
        ),
        *(
            Target(
                f"one message to many connections, {transport}, of Nchan",
                _ratio(half, f"hub, {transport}", f"Nchan, {transport}", "deliveries/s"),
                "×",
                *(0.8, 1.0, 1.2),
                least=True,
            )
            for transport in ("WebSocket", "SSE")
        ),
        Target(
            "durable publish → delivered, of the stack it replaces",
            _ratio("publish → 1,000 connections", sse, seed, "delivered/s"),
            "×",
            *(5, 8, 12),
            least=True,
        ),
        Target("durable latency at 500 a second, p50", _of(steady, websocket, "p50 ms"), "ms", 2, 1.2, 1),
        Target("durable latency at 500 a second, p99", _of(steady, websocket, "p99 ms"), "ms", 10, 5, 5),
        Target("longest stall, connecting", _of(stall, websocket, "ms while connecting"), "ms", 50, 20, 10),
        Target("longest stall, all leaving", _of(stall, websocket, "ms while all of them leave"), "ms", 50, 20, 10),
        Target("longest stall, publishing", _of(stall, websocket, "ms while publishing"), "ms", 50, 20, 10),
        Target(
            "e-mails a second of one worker, 100 ms each, of RQ's forking worker",
            _of("e-mails through a provider that takes 100 ms", websocket, sending.TIMES),
            "×",
            *(20, 40, 80),
            least=True,
        ),
        Target(
            "e-mails a second of one worker, 5 ms each",
            _of("e-mails through a provider that takes 5 ms", websocket, sending.OURS),
            "/s",
            *(2000, 3500, 4500),
            least=True,
        ),
        Target(
            "e-mails a second of one worker, 5 ms each, of BullMQ with 50 at once",
            lambda medians: (
                medians["e-mails through a provider that takes 5 ms"][websocket][sending.OURS]
                / medians["e-mails through a provider that takes 5 ms"][websocket][sending.BULLMQ[50]]
            ),
            "×",
            *(0.5, 0.75, 1.0),
            least=True,
        ),
        Target("resume of 300 changes, p95", _of("resume of 300 missed changes", websocket, "p95 ms"), "ms", 30, 15, 5),
    ]
