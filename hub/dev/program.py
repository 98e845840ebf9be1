"""What to run, and how to tell that it is ready: the one description of a process.

`Postgres.prepare` and `Redis.prepare` return one; `process.Process` (tests) and `child.Child` (the launcher) run it.
Preparing and describing are apart from running, so that a crashed server is started again by the same path.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hub.dev.account import Account, own_account


class StartError(Exception):
    """Something could not be started; the text says what and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command with its environment, its account, the signal that ends it and its readiness check."""

    name: str
    command: Sequence[str]
    ready: Callable[[int], bool]
    """Takes the pid; must not block longer than about a second."""
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account = field(default_factory=own_account)
    stop_signal: signal.Signals = signal.SIGTERM
    noise: tuple[str, ...] = ()
    """Lines with one of these in them are not worth showing."""

    def full_environment(self) -> dict[str, str]:
        """Return this process's environment with the program's own on top."""
        return {**os.environ, **self.environment}

    @property
    def directory(self) -> str | None:
        """The working directory: ours, unless the account may not be able to enter it."""
        return "/" if self.account.switch else None
