"""The account a server runs under.

Postgres refuses to run as root, and containers and build machines are root. There it runs as `nobody`, who may not
enter root's directories: this module knows which paths that concerns. Asking the kernel as that account
(`can_enter`) was chosen over computing permission bits, which misses ACLs and mount options.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import NamedTuple, TypedDict


class Switch(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that change the account; empty to keep it."""

    user: int
    group: int
    extra_groups: list[int]


class Account(NamedTuple):
    """A user and group id, and whether a process must switch to them."""

    uid: int
    gid: int
    switch: bool

    def popen(self) -> Switch:
        """Return the arguments that make `subprocess.Popen` run as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def own(self, path: Path) -> None:
        """Give a path to this account; raise `OSError` where the file system does not allow it."""
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, path: Path) -> bool:
        """Say whether this account can list and enter the directory."""
        if not self.switch:
            return os.access(path, os.R_OK | os.X_OK)
        check = ["/bin/sh", "-c", 'test -r "$0" && test -x "$0"', str(path)]
        return subprocess.run(check, cwd="/", check=False, **self.popen()).returncode == 0


def own_account() -> Account:
    """Return the account of this process."""
    return Account(os.getuid(), os.getgid(), switch=False)


def unprivileged_account() -> Account:
    """Return `nobody` when this process is root, else its own account."""
    if os.getuid() != 0:
        return own_account()
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid, switch=True)
