"""What the node counts about itself, for Prometheus; labels are bounded and never name a user."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector


class Metrics:
    """The node's instruments, in a registry of their own so that several nodes fit into one process (tests)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # Counted as plain numbers: crowds, publishing and fan-out add to them thousands of times a second.
        self.connections = {"websocket": 0, "sse": 0}
        opened = _Tally("hub_connections", "Connections open now", "transport", self.connections, GaugeMetricFamily)
        self.registry.register(opened)
        self.connects = {"websocket": 0, "sse": 0}
        self.registry.register(_Tally("hub_connects", "Connections opened", "transport", self.connects))
        self.closes: defaultdict[str, int] = defaultdict(int)  # by close code
        self.registry.register(_Tally("hub_closes", "Connections closed, by close code", "code", self.closes))
        self.publishes = {"stored": 0, "scheduled": 0, "replayed": 0, "mismatch": 0}
        self.registry.register(_Tally("hub_publishes", "Publications by outcome", "outcome", self.publishes))
        self.written = {"websocket": 0, "sse": 0}
        self.registry.register(_Tally("hub_frames_written", "Frames written", "transport", self.written))
        self.notifications = Counter("hub_notifications", "Notifications stored", registry=self.registry)
        self.repairs = Counter("hub_gap_repairs", "Feeds repaired from Postgres", registry=self.registry)
        self.resyncs = Counter("hub_resyncs", "Clients told to reload", ["reason"], registry=self.registry)
        self.too_slow = self.resyncs.labels("slow").inc  # kept by every connection
        self.rebuilds = Counter("hub_propagator_rebuilds", "Propagator connections rebuilt", registry=self.registry)
        self.users = Gauge("hub_users", "Users connected to this node", registry=self.registry)
        self.tasks = Gauge("hub_tasks", "Tasks of the event loop", registry=self.registry)
        self.tasks.set_function(lambda: len(asyncio.all_tasks()))
        self.lag = Histogram(
            "hub_event_loop_lag_seconds",
            "How much later than due the event loop woke up",
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
        )
        self.batches = Histogram(
            "hub_commit_batch_size",
            "Notifications per commit",
            registry=self.registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
        )
        self.requests = Histogram(
            "hub_request_seconds",
            "HTTP requests by route and status",
            ["route", "status"],
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self.requests_of = cache(self.requests.labels)  # which looks a child up under a lock

    def expose(self) -> bytes:
        """Render everything in the Prometheus text format."""
        return generate_latest(self.registry)


class _Tally(Collector):
    """Exposes plain numbers, by the value of one label."""

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        numbers: Mapping[str, int],
        family: type[CounterMetricFamily | GaugeMetricFamily] = CounterMetricFamily,
    ) -> None:
        self._family = family
        self._name = name
        self._documentation = documentation
        self._label = label
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        counter = self._family(self._name, self._documentation, labels=[self._label])
        for value, number in self._numbers.items():
            counter.add_metric([value], number)
        yield counter
