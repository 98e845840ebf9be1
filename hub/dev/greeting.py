"""What `hub dev` says when everything runs: where things are, and a command to paste."""

from __future__ import annotations

import json
from pathlib import Path

from hub.dev.system import DASHBOARD_USER, System


def greeting(system: System, *, data: Path, seconds: float) -> str:
    """Return the text, ready to be shown."""
    places = {
        "Demo page": f"{system.nodes[0]}/",
        "Nodes": "  ".join(system.nodes),
        "API docs": f"{system.nodes[0]}/docs",
        "RQ dashboard": system.dashboard
        and f"{system.dashboard}/ (user {DASHBOARD_USER}, password: the API key below)",
        "Outbox": f"{system.outbox}/outbox" if system.outbox else None,
        "Data": f"{data} (dev.json says all of this to scripts)",
    }
    lines = [f"  {name:<13} {place}" for name, place in places.items() if place]
    return "\n".join(
        [
            "",
            f"Ready in {seconds:.1f} s.",
            "",
            *lines,
            "",
            "Tell Alice something:",
            "",
            publish_command(system),
            "",
            "Ctrl-C stops everything.",
            "",
        ]
    )


def publish_command(system: System) -> str:
    """Return a `curl` that publishes a notification to alice, ready to be pasted."""
    body = json.dumps({"to": "alice", "category": "greeting", "title": "Hello Alice", "body": "It works."})
    return (
        f"  curl {system.nodes[0]}/v1/notifications \\\n"
        f"    -H 'Authorization: Bearer {system.secrets.api_key}' \\\n"
        f"    -H 'Content-Type: application/json' \\\n"
        f"    -d '{body}'"
    )
