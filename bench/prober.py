"""Asks a node for a sign of life every two milliseconds: the longest answer bounds how long its event loop stood still.

A process of its own, ahead of everything else on its processor where the system lets it be: otherwise it would measure
how long it had to wait itself. `python -m bench.prober URL` probes until its input ends, then prints the longest
answer in seconds.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import suppress
from typing import Self

from bench.crowd import Caller
from bench.generator import ROOT

EVERY_SECONDS = 0.002
PRIORITY = 10


class Prober:
    """Probes while it is entered; `longest_seconds` is there afterwards."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.longest_seconds = 0.0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "bench.prober", self._url]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it has begun
        return self

    def __exit__(self, *_: object) -> None:
        said, _ = self._process.communicate("")
        self.longest_seconds = float(said)


def probe(url: str) -> float:
    """Probe until the input ends; return the longest time an answer took, in seconds."""
    with suppress(PermissionError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    caller, longest = Caller(url), 0.0
    caller.ask("/livez")
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], EVERY_SECONDS)[0]:
        longest = max(longest, caller.ask("/livez")[0])
    caller.close()
    return longest


if __name__ == "__main__":
    print(probe(sys.argv[1]))
