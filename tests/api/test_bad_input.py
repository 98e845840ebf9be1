"""Bad input of every kind: each gets a problem that says what is wrong and where, and never a 500.

The clients of this package compare every answer with the document; the `silence` fixture finds what a node logged about
it. So a test that passes here has proven all three: the status, the shape, and that no code of ours failed.
"""

import json

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.api.operation import ANYBODY, USER
from tests.api.calls import OPERATIONS, body_of, path_of, pointers
from tests.hub_nodes import NO_TLS

WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None and operation.access != ANYBODY]
JSON = {"Content-Type": "application/json"}
MALFORMED = {
    "a word": b"hello",
    "half an object": b'{"to": ',
    "two values": b"{} {}",
    "single quotes": b"{'to': 'x'}",
    "a trailing comma": b'{"to": "x",}',
    "a comment": b"{} // fine",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"to": "x"}'.encode("utf-16"),
    "bytes that are no UTF-8": b'{"title": "\xff\xfe"}',
    "an overlong encoding": b'{"title": "\xc0\x80"}',
    "an encoded surrogate": b'{"title": "\xed\xa0\x80"}',
    "a lone high surrogate": b'{"title": "\\ud800"}',
    "a lone low surrogate": b'{"title": "\\udc00"}',
    "surrogates the wrong way round": b'{"title": "\\udc00\\ud800"}',
    "a control character": b'{"title": "\x01"}',
    "10,000 lists": b"[" * 10_000,
    "10,000 objects": b'{"data":' * 10_000,
    "10,000 lists, closed": b'{"data":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "a number without end": b'{"n": ' + b"9" * 5_000 + b"}",
    "NUL": b"\0",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}
WRONG_TYPES = [b"null", b"true", b"1", b'"text"', b"[]", b"[{}]", b"1e999", b"NaN", b"-Infinity", b"0" + b" " * 1000]
MEDIA_TYPES = [
    None,
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "a" * 999,
]


def credentials(api, operation):
    """Say the credentials an operation asks for."""
    return {"Authorization": f"Bearer {api.token('fuzz') if operation.access == USER else api.api_key}"}


@pytest.fixture
def said(api):
    """Call an operation with a body of bytes."""

    async def say(operation, content, headers=JSON, query=""):
        async with api.client() as client:
            path = path_of(operation) + query
            known = {**credentials(api, operation), **headers}
            return await client.request(operation.method, path, content=content, headers=known)

    return say


every_body = pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.name)


@every_body
@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_no_json_is_malformed(said, operation, content):
    """Whatever is not JSON in UTF-8, or nested beyond reason, is 400."""
    answer = await said(operation, content)
    assert (answer.status_code, pointers(answer)) == (400, ["#"])
    assert answer.json()["type"].endswith("/malformed")


@every_body
@pytest.mark.parametrize("content", WRONG_TYPES, ids=lambda content: content.decode()[:10].strip())
async def test_what_is_no_object_is_invalid(said, operation, content):
    """JSON of another type is 422 at the whole body; what a lenient parser would call a number is no object either."""
    answer = await said(operation, content)
    assert answer.status_code in (400, 422)
    assert pointers(answer) == ["#"]


@every_body
async def test_an_empty_body_is_refused_where_one_is_needed(said, operation):
    """No body at all is 415 or 400 where the document says it is required, and fine where it is not."""
    for headers in ({}, JSON):
        answer = await said(operation, b"", headers=headers)
        assert answer.status_code in ((400, 415) if operation.body_required else (200,))


@every_body
@pytest.mark.parametrize("media_type", MEDIA_TYPES, ids=lambda media_type: (media_type or "none")[:20])
async def test_another_media_type_is_refused(said, operation, media_type):
    """A body that does not say it is JSON is 415, and the answer says what to send."""
    answer = await said(operation, b"{}", headers={} if media_type is None else {"Content-Type": media_type})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


@every_body
@pytest.mark.parametrize("name", ["nobody_knows_this", "", "a/b~c", "ключ", "__class__", "x" * 1000])
async def test_an_unknown_field_is_refused_by_name(said, operation, name):
    """A misspelt field is never ignored in silence."""
    answer = await said(operation, json.dumps({**body_of(operation), name: 1}).encode())
    assert answer.status_code == 422
    (pointer,) = pointers(answer)
    assert pointer.startswith("#/")
    assert len(pointer) > 2 or name == ""


@every_body
async def test_a_huge_body_is_refused(said, operation):
    """A body above the limit is 413 before anything else is said about it."""
    answer = await said(operation, b'"' + b"x" * 300_000)
    assert (answer.status_code, pointers(answer)) == (413, ["#"])


@pytest.mark.parametrize("query", ["?nobody_knows_this=1", "?limit=1&limit=2", "?=", "?%00=x", "?%ff=%ff", "?a=b&a=c"])
@pytest.mark.parametrize(
    "operation", [op for op in OPERATIONS if op.access != ANYBODY], ids=lambda operation: operation.name
)
async def test_an_unknown_or_repeated_parameter_is_refused_by_name(said, operation, query):
    """A query is as strict as a body, on every operation."""
    answer = await said(operation, json.dumps(body_of(operation) or {}).encode(), query=query)
    assert answer.status_code == 422
    assert all(pointer.startswith("#/query/") for pointer in pointers(answer))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["", "\0", "x" * 70_000, 2**63, -(2**63) - 1, 2**64, 1e400, "2999-01-01T00:00:00Z", "9999-12-31"]
    ),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=20,
)


@st.composite
def spoilt(draw, good):
    """Change something in a good body: a field for anything else, one more, or one fewer."""
    body = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, 3))):
        place = body
        while isinstance(place, dict | list) and place and draw(st.booleans()):
            step = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[step], dict | list):
                break
            place = place[step]
        if isinstance(place, dict):
            name = draw(st.sampled_from([*sorted(place), *FIELDS]))
            place[name] = draw(anything)
        elif isinstance(place, list):
            place.append(draw(anything))
    return body


FIELDS = sorted(
    {name for operation in WITH_BODY for name in getattr(operation.body, "model_fields", {})} | {"data", "specversion"}
)


@every_body
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_json_makes_an_operation_fail(api, operation, data):
    """Whatever JSON is sent, the answer is one that the document promises."""
    body = data.draw(st.one_of(anything, spoilt(body_of(operation))))
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    with httpx2.Client(base_url=api.url(), verify=NO_TLS) as client:
        headers = JSON | credentials(api, operation)
        answer = client.request(operation.method, path_of(operation), content=content, headers=headers)
    api.contract.judge(answer)
    assert answer.status_code < 500
    if answer.status_code == 422:
        assert pointers(answer) or answer.json()["type"].endswith("/idempotency_mismatch")


@every_body
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_bytes_make_an_operation_fail(api, operation, data):
    """A good body with bytes changed, cut or added is answered as the document promises."""
    content = bytearray(json.dumps(body_of(operation)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with httpx2.Client(base_url=api.url(), verify=NO_TLS) as client:
        headers = JSON | credentials(api, operation)
        answer = client.request(operation.method, path_of(operation), content=bytes(content), headers=headers)
    api.contract.judge(answer)
    assert answer.status_code < 500
