"""Bad input of every kind: each gets a problem that says what is wrong and where, and never a 500.

The clients of this package compare every answer with the document; the `silence` fixture finds what a node logged about
it. So a test that passes here has proven all three: the status, the shape, and that no code of ours failed.
"""

import json
from contextlib import asynccontextmanager

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.api.operation import ANYBODY, USER
from tests.api.calls import OPERATIONS, body_of, path_of, pointers
from tests.hub_nodes import NO_TLS

GUARDED = [operation for operation in OPERATIONS if operation.access != ANYBODY]
WITH_BODY = [operation for operation in GUARDED if operation.body is not None]
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


@asynccontextmanager
async def saying(api, operation):
    """Yield a function that calls an operation with a body of bytes."""
    async with api.client() as client:

        async def say(content, headers=JSON, query=""):
            known = {**credentials(api, operation), **headers}
            return await client.request(operation.method, path_of(operation) + query, content=content, headers=known)

        yield say


every_body = pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.name)


@every_body
async def test_what_is_no_json_is_malformed(api, operation):
    """Whatever is not JSON in UTF-8, or nested beyond reason, is 400."""
    async with saying(api, operation) as say:
        for what, content in MALFORMED.items():
            answer = await say(content)
            assert (answer.status_code, pointers(answer)) == (400, ["#"]), what
            assert answer.json()["type"].endswith("/malformed")


@every_body
async def test_what_is_no_object_is_invalid(api, operation):
    """JSON of another type is 422 at the whole body; what a lenient parser would call a number is no object either."""
    async with saying(api, operation) as say:
        for content in WRONG_TYPES:
            answer = await say(content)
            assert answer.status_code in (400, 422), content
            assert pointers(answer) == ["#"], content


@every_body
async def test_an_empty_body_is_refused_where_one_is_needed(api, operation):
    """No body at all is 415 or 400 where the document says it is required, and fine where it is not."""
    async with saying(api, operation) as say:
        for headers in ({}, JSON):
            answer = await say(b"", headers=headers)
            assert answer.status_code in ((400, 415) if operation.body_required else operation.answers)


@every_body
async def test_another_media_type_is_refused(api, operation):
    """A body that does not say it is JSON is 415, and the answer says what to send."""
    async with saying(api, operation) as say:
        for media_type in MEDIA_TYPES:
            answer = await say(b"{}", headers={} if media_type is None else {"Content-Type": media_type})
            assert answer.status_code == 415, media_type
            assert "application/json" in answer.json()["detail"]


@every_body
async def test_an_unknown_field_is_refused_by_name(api, operation):
    """A misspelt field is never ignored in silence."""
    async with saying(api, operation) as say:
        for name in ("nobody_knows_this", "", "a/b~c", "ключ", "__class__", "x" * 1000):
            answer = await say(json.dumps({**body_of(operation), name: 1}).encode())
            assert answer.status_code == 422, name
            (pointer,) = pointers(answer)
            assert pointer.startswith("#/"), name
            assert len(pointer) > 2 or name == ""


@every_body
async def test_a_huge_body_is_refused(api, operation):
    """A body above the limit is 413 before anything else is said about it."""
    async with saying(api, operation) as say:
        answer = await say(b'"' + b"x" * 300_000)
    assert (answer.status_code, pointers(answer)) == (413, ["#"])


@pytest.mark.parametrize("operation", GUARDED, ids=lambda operation: operation.name)
async def test_an_unknown_or_repeated_parameter_is_refused_by_name(api, operation):
    """A query is as strict as a body, on every operation."""
    async with saying(api, operation) as say:
        for query in ("?nobody_knows_this=1", "?limit=1&limit=2", "?=", "?%00=x", "?%ff=%ff", "?a=b&a=c"):
            answer = await say(json.dumps(body_of(operation) or {}).encode(), query=query)
            assert answer.status_code == 422, query
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
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
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
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
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
