"""The site of an application that uses the hub from its own origin: pages under a strict CSP, and tokens for its users."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from hub.web import CLIENT

PAGES = Path(__file__).parent / "site"
# Everything must come from the site itself, as files; only the connection leads to the hub.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' http://127.0.0.1:* ws://127.0.0.1:*; "
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; worker-src 'self'"
)


class Site:
    """A web server of its own in a thread. `token` signs as the application's backend would."""

    def __init__(self, token: Callable[[str, float], str], port: int) -> None:
        handler = functools.partial(_Handler, token)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.origin = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, token: Callable[[str, float], str], *arguments: Any) -> None:
        self._token = token
        super().__init__(*arguments)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path != "/token":
            super().do_GET()
            return
        asked = parse_qs(url.query)
        body = self._token(asked["user"][0], float(asked["ttl"][0])).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def translate_path(self, path: str) -> str:
        name = urlsplit(path).path.lstrip("/") or "index.html"
        root, name = (CLIENT, name.removeprefix("client/")) if name.startswith("client/") else (PAGES, name)
        return str(root / name)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass
