"""When the garbage collector looks at what: never at everything while many are connected.

A full collection looks at every object there is, and meanwhile nobody is served: with 10,000 connections that is the
longest pause of a node. But connections are freed when they end, by their reference counts; only cycles need the
collector, and ours are short-lived (an exception and its traceback). So what is there after the start is set aside for
good, the young are collected as they come, and once a minute what has grown old is either collected, while that takes
a moment, or set aside as well; then a cycle among it waits until few are connected, or for an hour at most. Rejected:
no collector at all, which turns every cycle of every library into a leak.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS, YOUNGER_ROUNDS = 1500, 2  # what survives two looks is old; each is as long as these are many: 1 to 2 ms
NEVER = 1_000_000
FEW_CONNECTIONS = 1000  # their objects are looked through in a few milliseconds
ROUNDS = 60


class Collector:
    """Looks through what is old, when that can be afforded; to be made once everything is imported and open."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, YOUNGER_ROUNDS, NEVER)
        self._rounds = 0  # in which the old were set aside instead

    def tidy(self, connections: int) -> None:
        """Collect or set aside what has grown old; to be called once a minute."""
        if connections > FEW_CONNECTIONS and self._rounds < ROUNDS:
            gc.collect(1)
            gc.freeze()
            self._rounds += 1
        elif self._rounds:
            self._rounds = 0
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        else:
            gc.collect()
