"""What paths name: as checked as it is documented, on every operation that has a parameter in its path."""

import re
from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.api.operation import USER
from hub.errors import NotFound
from tests.api.calls import DOCUMENT, OPERATIONS, body_of, path_of, pointers
from tests.api.instances import instances
from tests.hub_nodes import new_user

SIGNED = {
    "/v1/unsubscribe/{token}",
    "/v1/webhooks/twilio/{delivery_id}",
}  # any text: a signature says whether it is ours
ODD = ["%20", "%00", "a%0a", "%ff", "%ed%a0%80", "%C2%85", "%F0%9F%98%80", "..%2F..", "x" * 1001, "ntf_" + "g" * 32]
NAMED = [
    (operation, parameter)
    for operation in OPERATIONS
    for parameter in DOCUMENT["paths"][operation.path][operation.method.lower()]["parameters"]
    if parameter["in"] == "path" and operation.path not in SIGNED
]
every_parameter = pytest.mark.parametrize(
    ("operation", "parameter"), NAMED, ids=[f"{operation.name}-{parameter['name']}" for operation, parameter in NAMED]
)


def allows(schema, text):
    """Tell whether a schema of the document allows a text."""
    if "enum" in schema:
        return text in schema["enum"]
    fits = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
    return fits and re.fullmatch(schema["pattern"], text) is not None


def read(operation, parameter, text):
    """Validate a path that has this text as a parameter, and good ones beside it."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(operation.path))
    named = re.fullmatch(pattern, path_of(operation)).groupdict() | {parameter["name"]: text}
    return operation.parameters.model_validate(named)


def test_every_parameter_has_a_form():
    """The document says of each what it looks like: a pattern, or the words there are."""
    assert len(NAMED) > 40
    for operation, parameter in NAMED:
        assert parameter["schema"].keys() & {"pattern", "enum"}, operation.path


@every_parameter
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_the_document_allows_is_not_refused_for_its_form(operation, parameter, data):
    """Whatever is drawn from a parameter's schema is read."""
    read(operation, parameter, data.draw(instances(parameter["schema"], {})))


@every_parameter
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_the_document_does_not_allow_is_refused(operation, parameter, data):
    """Any other text does not exist, where it should be an id of ours, or is invalid."""
    text = data.draw(st.text(min_size=1).filter(lambda text: not allows(parameter["schema"], text)))
    with pytest.raises((NotFound, ValueError)):
        read(operation, parameter, text)


@every_parameter
async def test_what_is_out_of_form_is_answered_as_documented(api, operation, parameter):
    """An id is 404, anything else 422 with a pointer to it; the clients hold the answer against the document."""
    name, schema = parameter["name"], parameter["schema"]
    is_id = "_[0-9a-fA-F]{32}" in schema.get("pattern", "")
    credentials = api.token(new_user()) if operation.access == USER else api.api_key
    async with api.client(Authorization=f"Bearer {credentials}") as client:
        for text in (text for text in ODD if not allows(schema, unquote(text, errors="surrogateescape"))):
            path = path_of(replace(operation, path=operation.path.replace(f"{{{name}}}", text)))
            answer = await client.request(operation.method, path, json=body_of(operation))
            assert (answer.status_code, pointers(answer)) == ((404, []) if is_id else (422, [f"#/path/{name}"])), text
