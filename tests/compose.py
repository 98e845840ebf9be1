"""docker-compose.yml as Docker Compose would read it, for tests that have no Docker.

Does what the file uses of the Compose specification: merge keys, `${NAME}`, `${NAME:-default}`, `${NAME:?reason}`, and
environment entries without a value, which are taken over if they are set and left out if not.
"""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<argument>[^}]*))?\}")


class Missing(Exception):
    """A variable without which the deployment must not start."""


def read_env(text):
    """Read the lines of an .env file that set something."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def example():
    """Return .env.example with every secret filled in."""
    return {name: value or f"{name}x".lower() * 3 for name, value in read_env(example_text()).items()}


def example_text():
    """Return .env.example as it is."""
    return (ROOT / ".env.example").read_text()


def load(variables):
    """Return the whole file with its variables replaced; raise `Missing`."""
    return _filled(yaml.safe_load((ROOT / "docker-compose.yml").read_text()), variables)


def _filled(value, variables):
    match value:
        case str():
            return REFERENCE.sub(lambda found: _value(found, variables), value)
        case list():
            return [_filled(each, variables) for each in value]
        case dict():
            filled = {name: _filled(each, variables) for name, each in value.items()}
            if "environment" in filled:
                filled["environment"] = dict(_environment(filled["environment"], variables))
            return filled
    return value


def _value(found, variables):
    value = variables.get(found["name"], "")
    if not value and found["kind"] == "?":
        raise Missing(f"{found['name']}: {found['argument']}")
    return value or (found["argument"] if found["kind"] == "-" else "")


def _environment(entries, variables):
    for name, value in entries.items():
        if value is not None:
            yield name, value
        elif name in variables:
            yield name, variables[name]
