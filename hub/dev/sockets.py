"""Where an embedded server puts its Unix socket.

A socket's path is limited to 104 bytes and a data directory's is not, so sockets live in a short private directory
whose name is derived from the data directory: stable over restarts, different for every installation and user.
Chosen over TCP ports: no clash, no password, nobody else on the machine can connect.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from hub.dev.account import Account
from hub.dev.program import StartError


def socket_directory(data: Path, account: Account) -> Path:
    """Create the private socket directory of a data directory, owned by the account that will listen in it."""
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    path = Path(f"/tmp/hub-{os.getuid()}-{digest}")  # noqa: S108  short by need; its owner is checked below
    path.mkdir(mode=0o700, exist_ok=True)
    if path.lstat().st_uid == os.getuid():
        account.own(path)
    found = path.lstat()
    # Anyone can create names in /tmp: a directory (or link) that somebody else put there is refused, not used.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise StartError(f"{path} belongs to somebody else; remove it and start again")
    return path


def remove_if_empty(path: Path) -> None:
    """Remove a socket directory in which nobody listens."""
    with contextlib.suppress(OSError):
        path.rmdir()
