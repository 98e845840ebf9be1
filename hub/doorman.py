"""Letting a crowd in and out by turns: so many every few milliseconds, so that those inside are served between.

When thousands of clients come back at once, their requests are all there in one turn of the event loop; opened in that
turn, they would hold up every frame and publish for as long as all of them take. Opened one by one as they come, each
would have a subscription, a statement and a wake-up of the process at the other end to itself, which cost more than the
opening. So whoever comes alone goes in at once, and whoever comes within moments of others waits for the next turn, in
the order in which they came. Those who leave together take turns too. Rejected: a limit on how many may be opening,
which says nothing about how long a turn takes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

OPENINGS = 20  # of a tenth of a millisecond each
LEAVINGS = 80
TURN_SECONDS = 0.003

log = logging.getLogger("hub.doorman")


class Doorman:
    """Calls what it is given, at most `at_once` in a turn."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = False  # a turn is due, or was a moment ago

    def call(self, let_pass: Callable[[], None]) -> None:
        """Call `let_pass` in this turn of the event loop or, if others passed a moment ago, in a later one."""
        self._waiting.append(let_pass)
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        due = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
        self._busy = bool(due)
        if self._busy:
            asyncio.get_running_loop().call_later(TURN_SECONDS, self._turn)
        for let_pass in due:
            try:
                let_pass()
            except Exception:
                log.exception("one could not be let pass; the others of its turn are")
