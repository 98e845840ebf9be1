"""Recording providers: the vendors' HTTP on loopback, an outbox to look into, and misbehaviour on demand.

Used by tests and by `hub dev`; the real SDKs talk to it. `vendors` speaks as Resend, Twilio and Firebase, `record`
keeps what was accepted, `script` makes it fail the way real providers do, `app` puts them together, `server` runs it.
"""

from delivery.outbox.app import create_app
from delivery.outbox.record import Entry, Outbox
from delivery.outbox.script import Script, Step
from delivery.outbox.server import Server

__all__ = ["Entry", "Outbox", "Script", "Server", "Step", "create_app"]
