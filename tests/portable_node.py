"""A node's application for any ASGI server: `hypercorn tests.portable_node:app`."""

from hub.app import create_app
from hub.config import Settings

app = create_app(Settings())
