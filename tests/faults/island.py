"""A network of its own, joined to this machine by a cable that can be pulled: a Linux network namespace.

Sockets made here belong to it, whichever process and thread use them; nothing else does. A pulled cable is what a
kernel sees of a partition or of a laptop that was shut: nothing arrives, and nobody says that the connection is gone.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

CLONE_NEWNET = 0x40000000


class Island:
    """The namespace; a context manager. Skips the test where none can be made."""

    def __init__(self) -> None:
        self.name = f"hub{os.getpid() % 100_000}"
        self.here, self.there = (f"10.213.{os.getpid() % 250}.{host}" for host in (1, 2))
        self._near, self._far = f"{self.name}a", f"{self.name}b"

    def __enter__(self):
        if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
            pytest.skip("needs Linux, root and iproute2")
        try:
            self._ip("netns", "add", self.name)
            self._ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self.name)
        except subprocess.CalledProcessError as error:
            self.__exit__()
            if "not permitted" not in error.stderr and "not supported" not in error.stderr:
                raise
            pytest.skip(f"may make no network namespace: {error.stderr.strip()}")
        self._ip("addr", "add", f"{self.here}/30", "dev", self._near)
        self._ip("link", "set", self._near, "up")
        self._ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", self._far)
        self.mend()
        return self

    def __exit__(self, *_):
        # The cable first: the namespace lives on as long as a socket of it does.
        for command in (("link", "del", self._near), ("netns", "del", self.name)):
            subprocess.run(["ip", *command], capture_output=True, check=False)

    def _ip(self, *command):
        subprocess.run(["ip", *command], capture_output=True, text=True, check=True)

    def pull(self) -> None:
        """Pull the cable."""
        self._ip("-n", self.name, "link", "set", self._far, "down")

    def mend(self) -> None:
        """Plug it in again."""
        self._ip("-n", self.name, "link", "set", self._far, "up")

    def socket(self) -> socket.socket:
        """Make a TCP socket over there."""
        with ThreadPoolExecutor(1) as thread:  # only a thread moves, and it ends with that
            return thread.submit(self._socket).result()

    def _socket(self):
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{self.name}") as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made = socket.socket()
        made.setblocking(False)
        return made

    @contextlib.asynccontextmanager
    async def relay(self, path):
        """Answer over there for a server on a Unix socket; a context manager of the port."""
        listening = self.socket()
        listening.bind((self.there, 0))

        async def carry(reader, writer):
            inner_reader, inner_writer = await asyncio.open_unix_connection(path)
            await asyncio.gather(pour(reader, inner_writer), pour(inner_reader, writer))

        async with await asyncio.start_server(carry, sock=listening) as server:
            yield listening.getsockname()[1]
            server.close()


async def pour(reader, writer):
    """Carry bytes from one end to the other until one is gone."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()
