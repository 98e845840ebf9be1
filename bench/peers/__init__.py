"""The peers: servers that do part of what the hub does, from ordinary package sources, kept small and fair.

None of them authenticates or replays, and only the last stores and counts; each is written the way its own
documentation would have it. The last one comes twice: with one job at a time, as BullMQ begins with, and with fifty.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.generator import Running
from bench.ground import STOP_SECONDS, Ground, Missing, answers, free_port

HERE = Path(__file__).parent
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


class Nchan:
    """Nchan, the publish/subscribe module of Nginx, in memory."""

    def __init__(self, transport: str = "WebSocket") -> None:
        self.name = f"Nchan, {transport}"
        self._scheme = "ws" if transport == "WebSocket" else "http"

    @contextlib.contextmanager
    def run(self, ground: Ground) -> Iterator[Running]:
        """Run Nginx with the module."""
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if nginx is None or not NCHAN_MODULE.exists():
            raise Missing("Nchan: apt install nginx libnginx-mod-nchan")
        port, configuration = free_port(), ground.directory / "nchan.conf"
        text = (HERE / "nchan.conf").read_text().replace("@module@", str(NCHAN_MODULE))
        configuration.write_text(text.replace("@port@", str(port)).replace("@directory@", str(ground.directory)))
        process = ground.run("nchan", [nginx, "-c", str(configuration)], ready=lambda: answers(port))
        try:
            yield Running(
                pids={"peer": f"{process.pid}*"},
                listen=[f"{self._scheme}://127.0.0.1:{port}/listen/{{user}}"],
                publish=[f"http://127.0.0.1:{port}/publish/{{user}}"],
            )
        finally:
            process.stop(STOP_SECONDS)


class Node:
    """A program of node/, listening on `listen` (a template of an address), on the ground's Redis and Postgres."""

    def __init__(
        self,
        name: str,
        program: str,
        listen: str,
        *,
        publish: str = "publish/{user}",
        body: str = "{payload}",
        jobs_at_once: int = 1,
    ) -> None:
        self.name = name
        self._program = program
        self._listen = listen
        self._publish = publish
        self._body = body
        self._jobs_at_once = jobs_at_once

    @contextlib.contextmanager
    def run(self, ground: Ground) -> Iterator[Running]:
        """Run it."""
        command = [install(), str(HERE / "node" / self._program)]
        port = free_port()
        with ground.database() as database_url:
            environment = {
                "PORT": str(port),
                "REDIS_URL": ground.redis_url,
                "DATABASE_URL": database_url,
                "JOBS_AT_ONCE": str(self._jobs_at_once),
                "NODE_ENV": "production",
            }
            process = ground.run("peer", command, ready=lambda: answers(port), environment=environment)
            try:
                yield Running(
                    pids={"peer": str(process.pid)} | ground.pids,
                    redis_url=ground.redis_url,
                    listen=[self._listen.format(port=port)],
                    publish=[f"http://127.0.0.1:{port}/{self._publish}"],
                    publish_headers=["Content-Type: application/json"],
                    body=self._body,
                )
            finally:
                process.stop(STOP_SECONDS)


NODE_WS = Node("Node ws", "ws.js", "ws://127.0.0.1:{port}/?user={{user}}")
SOCKET_IO = Node("Socket.IO", "socketio.js", "sio://127.0.0.1:{port}/?user={{user}}")
SEED_LIKE, SEED_TUNED = (
    Node(
        name,
        "seedlike.js",
        "http://127.0.0.1:{port}/stream?user={{user}}",
        publish="events",
        body='{"eventId":"{n}","eventType":"bench","userId":"{user}","payload":{payload}}',
        jobs_at_once=jobs_at_once,
    )
    for name, jobs_at_once in (("Express + BullMQ + SSE", 1), ("Express + BullMQ + SSE, 50 jobs at once", 50))
)


def install() -> str:
    """Install what the programs of node/ need, once; return Node's path."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Missing("Node's peers: Node 20 or newer with npm")
    if not (HERE / "node" / "node_modules").is_dir():
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=HERE / "node", capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Missing(f"Node's peers: npm ci failed: {done.stderr[-300:]}")
    return node
