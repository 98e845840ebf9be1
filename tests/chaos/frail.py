"""`python -m tests.chaos.frail POINT:N RECORD relay|worker`: a process of delivery that kills itself at a step.

The steps are wrapped from outside, so the product has no failpoints in it. At the N-th passing of POINT the process
writes the point into the file RECORD and is gone the next moment, as if somebody had pulled the plug. `never:0` lives.
"""

import importlib
import inspect
import os
import signal
import sys
from pathlib import Path

from delivery.__main__ import main

# point: (process, class, method, whether it dies after it, and only if it returned something)
POINTS = {
    "before queueing": ("relay", "delivery.store.ringing:Ringing", "ring", False),
    "queued, not rung": ("relay", "delivery.store.ringing:Ringing", "ring", True),
    "rung": ("relay", "delivery.bell:Doorbell", "ring", True),
    "leases ended": ("relay", "delivery.store.ringing:Ringing", "lapse", True),
    "before claiming": ("worker", "delivery.store.claims:Claims", "claim", False),
    "claimed, not sent": ("worker", "delivery.store.claims:Claims", "claim", True),
    "e-mail accepted, not recorded": ("worker", "delivery.email:Resend", "send", True),
    "SMS accepted, not recorded": ("worker", "delivery.sms:Twilio", "send", True),
    "push accepted, not recorded": ("worker", "delivery.push:Fcm", "send", True),
    "before recording": ("worker", "delivery.store.outcomes:Outcomes", "finish", False),
    "recorded": ("worker", "delivery.store.outcomes:Outcomes", "finish", True),
}
SAYS_WHETHER = {"queued, not rung", "claimed, not sent"}  # there was something to do iff something came back


class Plug:
    """What is pulled."""

    def __init__(self, point, count, record):
        self.point, self.left, self.record = point, count, record

    def arm(self):
        """Wrap the step."""
        _, owner, method, after = POINTS[self.point]
        module, _, name = owner.partition(":")
        kind = getattr(importlib.import_module(module), name)
        original = getattr(kind, method)

        async def later(*arguments, **named):
            if not after:
                self.pass_by()
            result = await original(*arguments, **named)
            if after and (result or self.point not in SAYS_WHETHER):
                self.pass_by()
            return result

        def now(*arguments, **named):
            result = original(*arguments, **named)
            self.pass_by()
            return result

        setattr(kind, method, later if inspect.iscoroutinefunction(original) else now)

    def pass_by(self):
        """Die, if it is time."""
        self.left -= 1
        if self.left == 0:
            with self.record.open("a") as record:
                record.write(self.point + "\n")
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    point, _, count = sys.argv.pop(1).rpartition(":")
    record = Path(sys.argv.pop(1))
    if point in POINTS:
        Plug(point, int(count), record).arm()
    main()
