"""Autobahn's WebSocket cases, on streams in and out of ASGI: `make autobahn`."""
