"""What paths name, as types: each kind of id is read, checked and documented from here, for every resource.

Used in the declarations of `Resource`, beside the types that bodies have too. What cannot be one of our ids does not
exist, like a foreign one: it is 404, where any other parameter of a path is 422.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, PlainValidator, WithJsonSchema

from hub.notification import parse_name


def _form(*prefixes: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(prefixes)})_[0-9a-fA-F]{{32}}$"})


def id_of(prefix: str) -> Any:
    """Make the type of an id with a prefix, read as its number."""
    return Annotated[UUID, PlainValidator(lambda text: parse_name(text, prefix)[1]), _form(prefix)]


NotificationId = id_of("ntf")
DeliveryId = id_of("dlv")
PublishedId = Annotated[
    tuple[str, UUID], PlainValidator(lambda text: parse_name(text, "pub", "ntf")), _form("pub", "ntf")
]
"""Of a publish, or of one recipient's notification of it; read as its prefix and its number."""
DeviceToken = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[\x21-\x7e]+$")]
Signed = Annotated[Any, WithJsonSchema({"type": "string"})]
"""Any text: a signature tells whether it is ours."""
