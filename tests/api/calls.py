"""A good call of every operation, made from its declaration and the document; for tests that walk over all of them."""

import re

from jsonschema import Draft202012Validator

from hub.api.documentation import document
from hub.app import operations
from tests.hub_nodes import new_user

UNKNOWN = "0" * 32
WORDS = (
    "x",
    "general",
    "2999-01-01T00:00:00Z",
    "https://example.com/",
    "somebody@example.com",
    "+4930901820",
    "Europe/Berlin",
)
PUBLISH = {"to": "somebody", "category": "test", "title": "hello"}
BODIES = {
    "post_notifications": PUBLISH,
    "post_notifications_batch": {"items": [PUBLISH]},
    "post_inbox_id_snooze": {"until": "2999-01-01T00:00:00Z"},
    "post_webhook_endpoints": {"url": "https://example.com/"},
    "post_events": {"eventId": "1", "eventType": "test", "userId": "somebody"},
}

NAMES = {"category": "general", "channel": "email", "locale": "en"}  # where a path says anything but an id

OPERATIONS = operations()
DOCUMENT = document(OPERATIONS)


def body_of(operation):
    """Say a good body of an operation: None if it takes none."""
    if operation.body is None:
        return None
    return BODIES.get(operation.name) or _least(_schema(operation))


def path_of(operation, *, user="nobody", notification="ntf_" + UNKNOWN, publication="pub_" + UNKNOWN):
    """Fill the parameters of an operation's path."""
    ids = {
        "inbox": notification,
        "notifications": publication,
        "users": user,
        "deliveries": "dlv_" + UNKNOWN,
        "webhook-endpoints": "whe_" + UNKNOWN,
    }
    first = ids.get(operation.path.split("/")[2] if operation.path.count("/") > 1 else "", "x")
    return re.sub(r"\{(\w+)\}", lambda found: ({"id": first} | NAMES).get(found[1], "x"), operation.path)


def pointers(answer):
    """List the fields a problem names."""
    return [field["pointer"] for field in answer.json()["errors"]]


def publication(**fields):
    """Say a good publish to a user nobody else uses, changed; a change to `...` leaves the field out."""
    said = {"to": new_user(), "category": "test", "title": "hello", **fields}
    return {name: value for name, value in said.items() if value is not ...}


def _schema(operation):
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return next(iter(described["requestBody"]["content"].values()))["schema"]


def _least(schema):
    """Make the smallest value a schema allows, as far as ours go."""
    if "$ref" in schema:
        return _least(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema or "oneOf" in schema:
        return _least((schema.get("anyOf") or schema["oneOf"])[0])
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: _least(schema["properties"][name]) for name in schema.get("required", [])}
        case "array":
            return [_least(schema["items"])] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return next(word for word in WORDS if Draft202012Validator(schema).is_valid(word))
