"""What browsers load: the client library, and the demo page of a development node."""

from pathlib import Path

CLIENT = Path(__file__).parent / "client"
STATIC = Path(__file__).parent / "static"
