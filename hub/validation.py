"""From what the validator found to what a caller reads: JSON pointers and one sentence each.

Pure; used by the HTTP edge and by the live protocol, so that both name a bad field the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from hub.errors import FieldError, Invalid, Malformed


def pointer(path: Iterable[object], suffix: str = "") -> str:
    """Build a JSON pointer as a URI fragment (RFC 6901, section 6) from the steps of a path."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "#" + quote("".join(f"/{step}" for step in steps) + suffix, safe="/~!$&'()*+,;=:@")


def field_errors(invalid: ValidationError, *, skip: int = 0) -> list[FieldError]:
    """Turn what pydantic found into pointers; `skip` drops leading steps that name a branch of a union.

    Steps in angle brackets name branches too (`publication.ONE_USER`): no field of ours is called so.
    """
    found = []
    for problem in invalid.errors(include_url=False, include_input=False):
        steps = [step for step in problem["loc"][skip:] if not (isinstance(step, str) and step[:1] + step[-1:] == "<>")]
        suffix = problem.get("ctx", {}).get("pointer", "")
        found.append(FieldError(pointer(steps, suffix), _sentence(problem)))
    return found


def _sentence(problem: Any) -> str:
    message: str = problem["msg"]
    if problem["type"] == "extra_forbidden":
        return "is not a field known here"
    return message.removeprefix("Value error, ")


def parse_json(model: TypeAdapter[Any], body: bytes) -> Any:
    """Read a request body; raise `Malformed` if it is no JSON, `Invalid` naming every bad field otherwise."""
    try:
        return model.validate_json(body)
    except ValidationError as invalid:
        raise refused(invalid) from None


def refused(invalid: ValidationError, *, skip: int = 0) -> Malformed | Invalid:
    """Tell apart what is no JSON from what is JSON but does not fit."""
    problems = field_errors(invalid, skip=skip)
    if any(problem["type"] == "json_invalid" for problem in invalid.errors(include_url=False, include_input=False)):
        return Malformed(problems[0].detail, errors=problems)
    return Invalid("; ".join(f"{p.pointer}: {p.detail}" for p in problems[:3]), errors=problems)
