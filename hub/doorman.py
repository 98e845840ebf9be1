"""Letting a crowd in by turns: so many every few milliseconds, so that those inside are served between.

When thousands of clients come back at once, their requests are all there in one turn of the event loop; opened in that
turn, they would hold up every frame and publish for as long as all of them take. Opened one by one as they come, each
would have a subscription, a statement and a wake-up of the process at the other end to itself, which cost more than the
opening. So whoever comes alone goes in at once, and whoever comes within moments of others waits for the next turn, in
the order in which they came. Rejected: a limit on how many may be opening, which says nothing about how long a turn
takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

AT_ONCE = 20  # openings of a tenth of a millisecond each
TURN_SECONDS = 0.003


class Doorman:
    """Calls what it is given, a few at a time."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = False  # a turn is due, or was a moment ago

    def call(self, let_in: Callable[[], None]) -> None:
        """Call `let_in` in this turn of the event loop or, if others were let in a moment ago, in a later one."""
        self._waiting.append(let_in)
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        due = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        self._busy = bool(due)
        if self._busy:
            asyncio.get_running_loop().call_later(TURN_SECONDS, self._turn)
        for let_in in due:
            let_in()
