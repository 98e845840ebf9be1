"""Letting a crowd in a few at a time, so that those inside are served between.

When thousands of clients come back at once, their requests are all there in one turn of the event loop; opened in that
turn, they would hold up every frame and publish for as long as all of them take. Each opening waits here for its turn
instead: so many in each turn of the loop, in the order in which they came. Whoever comes alone waits for nothing else.
Rejected: a limit on how many may be opening, which says nothing about how long a turn takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

AT_ONCE = 16  # openings of a tenth of a millisecond each


class Doorman:
    """Calls what it is given, a few in each turn of the event loop."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = False

    def call(self, let_in: Callable[[], None]) -> None:
        """Call `let_in` in this turn of the loop or one of the next."""
        self._waiting.append(let_in)
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        due = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        self._busy = bool(self._waiting)
        if self._busy:
            asyncio.get_running_loop().call_soon(self._turn)
        for let_in in due:
            let_in()
