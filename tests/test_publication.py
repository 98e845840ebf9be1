"""What a producer may say: every field's rule, by the pointer that names the one that breaks it."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hub.errors import Invalid, Malformed, TooLarge
from hub.publication import Batch, Publish
from hub.validation import parse_json

PUBLISH = TypeAdapter(Publish)
LEAST = {"to": "alice", "category": "a.b", "title": "t"}


def parsed(**fields):
    return parse_json(PUBLISH, json.dumps({**LEAST, **fields}).encode())


def pointers(**fields):
    with pytest.raises(Invalid) as caught:
        parsed(**fields)
    return [error.pointer for error in caught.value.errors]


def in_an_hour():
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"to": ["alice", "bob"]},
        {"to": "x" * 255},
        {"to": [f"user-{number}" for number in range(1000)]},
        {"category": "order.shipped:2_x-Y"},
        {"title": "x" * 500},
        {"body": ""},
        {"body": "línea \u2028 two\n🦊"},
        {"data": {}},
        {"data": {"deep": {"er": [1, 2.5, None, True, "x"]}}},
        {"action_url": "https://example.com/a?b=c#d"},
        {"action_url": "/orders/7"},
        {"icon": "http://example.com/i.png"},
        {"actions": [{"id": "ok", "label": "OK"}, {"id": "no", "label": "No", "url": "/no"}]},
        {"priority": "critical"},
        {"tags": ["a", "b:c"]},
        {"collapse_key": "k" * 255},
        {"expires_at": in_an_hour()},
        {"body": None, "data": None, "actions": None, "collapse_key": None, "expires_at": None},
    ],
)
def test_what_the_contract_allows_is_accepted(fields):
    """Every documented field, at the edge of its range, is taken."""
    assert parsed(**fields)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"to": ""}, "#/to"),
        ({"to": "x" * 256}, "#/to"),
        ({"to": "a\nb"}, "#/to"),
        ({"to": 7}, "#/to"),
        ({"to": None}, "#/to"),
        ({"to": []}, "#/to"),
        ({"to": ["alice", ""]}, "#/to/1"),
        ({"to": ["alice", 7]}, "#/to/1"),
        ({"to": [f"user-{number}" for number in range(1001)]}, "#/to"),
        ({"category": ""}, "#/category"),
        ({"category": "-x"}, "#/category"),
        ({"category": "a b"}, "#/category"),
        ({"category": "x" * 101}, "#/category"),
        ({"title": ""}, "#/title"),
        ({"title": "x" * 501}, "#/title"),
        ({"title": "a\0b"}, "#/title"),
        ({"title": 7}, "#/title"),
        ({"title": None}, "#/title"),
        ({"body": "\0"}, "#/body"),
        ({"body": 7}, "#/body"),
        ({"data": []}, "#/data"),
        ({"data": "{}"}, "#/data"),
        ({"data": {"a": {"b": ["x\0"]}}}, "#/data/a/b/0"),
        ({"data": {"a\0": 1}}, "#/data/a%00"),
        ({"data": {"n": 2**63}}, "#/data/n"),
        ({"data": {"a/b": {"~": "\0"}}}, "#/data/a~1b/~0"),
        ({"action_url": "javascript:alert(1)"}, "#/action_url"),
        ({"action_url": "//evil.example"}, "#/action_url"),
        ({"action_url": "ftp://x"}, "#/action_url"),
        ({"action_url": "https://a b"}, "#/action_url"),
        ({"action_url": "https://x/" + "y" * 2048}, "#/action_url"),
        ({"icon": "data:image/png;base64,"}, "#/icon"),
        ({"actions": [{"id": "ok"}]}, "#/actions/0/label"),
        ({"actions": [{"id": "o k", "label": "OK"}]}, "#/actions/0/id"),
        ({"actions": [{"id": "ok", "label": "OK", "url": "javascript:x"}]}, "#/actions/0/url"),
        ({"actions": [{"id": "ok", "label": "OK", "colour": "red"}]}, "#/actions/0/colour"),
        ({"actions": [{"id": "ok", "label": "OK"}] * 6}, "#/actions"),
        ({"priority": "urgent"}, "#/priority"),
        ({"tags": ["a b"]}, "#/tags/0"),
        ({"tags": ["t"] * 21}, "#/tags"),
        ({"collapse_key": ""}, "#/collapse_key"),
        ({"collapse_key": "k" * 256}, "#/collapse_key"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, "#/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "#/expires_at"),
        ({"expires_at": "tomorrow"}, "#/expires_at"),
        ({"colour": "red"}, "#/colour"),
        ({"a/b": 1}, "#/a~1b"),
    ],
)
def test_what_it_does_not_allow_is_refused_by_its_field(fields, pointer):
    """Every rule is broken on its own, and the error points at the field that breaks it."""
    assert pointers(**fields) == [pointer]


def test_all_bad_fields_are_named_at_once():
    """A caller learns of everything that is wrong from one answer."""
    assert set(pointers(to="", title="", priority="x", nonsense=1)) == {"#/to", "#/title", "#/priority", "#/nonsense"}


@pytest.mark.parametrize("missing", ["to", "category", "title"])
def test_the_least_there_is_cannot_be_less(missing):
    """Recipient, category and title are required."""
    with pytest.raises(Invalid) as caught:
        parse_json(PUBLISH, json.dumps({name: LEAST[name] for name in LEAST if name != missing}).encode())
    assert [error.pointer for error in caught.value.errors] == [f"#/{missing}"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b'{"to":"\xed\xa0\x80"}',
        b"[" * 10_000,
        b'{"to":' * 5000,
        b'{"to":"\\ud800"}',
    ],
)
def test_a_body_that_is_no_json_is_malformed(body):
    """Broken JSON, broken UTF-8 and bottomless nesting are malformed, never an internal error."""
    with pytest.raises(Malformed):
        parse_json(PUBLISH, body)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_validation(body):
    """Whatever is posted is accepted, malformed or invalid."""
    with suppress(Malformed, Invalid):
        parse_json(PUBLISH, body)


@given(st.lists(st.sampled_from(["alice", "bob", "carol"]), min_size=1))
def test_recipients_are_addressed_once_each_in_the_order_given(users):
    """A user named twice gets one notification."""
    recipients = parsed(to=users).recipients()
    assert recipients == sorted(set(users), key=users.index)


def test_content_above_the_limit_names_its_largest_field():
    """Too much content is refused with the field that is to blame."""
    request = parsed(body="x" * 900, data={"a": "b"})
    assert len(request.content(2000)) > 900
    with pytest.raises(TooLarge) as caught:
        request.content(500)
    assert [error.pointer for error in caught.value.errors] == ["#/body"]


def test_an_expiry_means_the_same_moment_in_every_zone():
    """`expires_at` may be sent in any zone and is kept in UTC, as everything that is sent back."""
    publish = parsed(expires_at="2999-01-01T02:00:00+02:00")
    assert orjson.dumps(publish.expires_at, option=orjson.OPT_UTC_Z) == b'"2999-01-01T00:00:00Z"'


@pytest.mark.parametrize(
    ("items", "accepted"), [([], False), ([{}] * 500, True), ([{}] * 501, False), ("x", False), ([7, None], True)]
)
def test_a_batch_is_bounded_and_does_not_look_into_its_items(items, accepted):
    """Up to 500 items pass whatever they are: each is validated on its own, so that it fails alone."""
    body = json.dumps({"items": items}).encode()
    if accepted:
        assert len(parse_json(TypeAdapter(Batch), body).items) == len(items)
    else:
        with pytest.raises(Invalid):
            parse_json(TypeAdapter(Batch), body)
