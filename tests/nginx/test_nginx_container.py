"""The edge as its container starts it: nodes come and go by name, without a reload."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
import pytest

from tests import edge
from tests.hub_nodes import free_port
from tests.nginx.nameserver import Nameserver
from tests.nginx.recorder import Recorder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs several loopback addresses")


class Container:
    """What docker-compose.yml makes of nginx/: start.sh beside the files, and one directory to write to."""

    def __init__(self, binary, changes):
        self.directory = Path(tempfile.mkdtemp(prefix="edge-", dir="/tmp"))
        self.directory.chmod(0o755)
        self._files, self._writable, self._path = (self.directory / name for name in ("files", "writable", "bin"))
        shutil.copytree(edge.NGINX, self._files)
        for name in ("nginx.conf", "start.sh"):
            file = self._files / name
            applying = [change for change in changes if change[0] in file.read_text()]
            file.write_text(edge.replaced(file.read_text(), applying))
        self._writable.mkdir()
        self._path.mkdir()
        (self._path / "nginx").symlink_to(binary)

    def __enter__(self):
        environment = {
            "PATH": f"{self._path}:{os.environ['PATH']}",
            "RQ_DASHBOARD_USERNAME": "rq",
            "RQ_DASHBOARD_PASSWORD": "pass",
        }
        command = ["sh", self._files / "start.sh", self._writable]
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(10)
        shutil.rmtree(self.directory)

    def password(self):
        """Return what the dashboard's password file holds."""
        return (self._writable / "rq.htpasswd").read_text()

    def log(self):
        """Return what Nginx has said so far."""
        return (self.directory / "log").read_text()


def same_port_on_two_addresses():
    """Return two listening sockets as two containers have them: other addresses, the same port."""
    for _ in range(20):
        first, second = socket.socket(), socket.socket()
        first.bind(("127.0.0.2", 0))
        with contextlib.suppress(OSError):
            second.bind(("127.0.0.3", first.getsockname()[1]))
            return first, second
        first.close()
        second.close()
    raise AssertionError("no port is free on both addresses")


async def answered_by(client, url, port, host, seconds=10):
    """Ask until a node at `host` answers; fail on any answer but 200 after the first."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(httpx2.TransportError):
                answer = await client.get(url)
                if answer.headers.get("x-node") == f"{host}:{port}":
                    return
            await asyncio.sleep(0.02)


async def test_nodes_come_and_go_by_name(client):
    """A node that appears under the name is used, and one that disappears is not, without touching Nginx."""
    binary = edge.binary("packaged")  # the other may be older than 1.27.3, which cannot resolve names as it runs
    first, second = same_port_on_two_addresses()
    node_port, port = first.getsockname()[1], free_port()
    async with Nameserver() as names, Recorder(second) as newer:
        changes = [
            ("listen 8080;", f"listen 127.0.0.1:{port};"),
            ("server hub:8000", f"server hub:{node_port}"),
            ("resolver 127.0.0.11 valid=5s", f"resolver 127.0.0.1:{names.port} valid=1s"),
        ]
        names.addresses = ["127.0.0.2"]
        url = f"http://127.0.0.1:{port}/v1/inbox"
        with Container(binary, changes) as nginx:
            async with Recorder(first):
                await answered_by(client, url, node_port, "127.0.0.2")
                names.addresses = ["127.0.0.2", "127.0.0.3"]
                await answered_by(client, url, node_port, "127.0.0.3")
            names.addresses = ["127.0.0.3"]
            for _ in range(20):
                assert (await client.get(url)).status_code == 200, nginx.log()
            assert nginx.password() == "rq:{PLAIN}pass\n"
    assert newer.seen
