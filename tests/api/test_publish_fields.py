"""What a publish may say, field by field, up to its limits and one beyond."""

import pytest

from tests.api.calls import pointers, publication

FUTURE = "2999-01-01T00:00:00Z"
ACCEPTED = [
    {"category": "a"},
    {"category": "Order.shipped_to:home-9" + "x" * 77},
    {"title": "t"},
    {"title": "\U0001f514" * 500},
    {"title": "<script>alert(1)</script>"},
    {"title": "‮right to left, \u2028 and \ttab"},
    {"body": ""},
    {"body": "several\nlines"},
    {"data": {}},
    {"data": {"deep": [[[[{"a": None}]]]], "big": 2**63 - 1, "small": -(2**63), "float": 1.5, "": "empty name"}},
    {"action_url": "https://example.com/a?b=c#d"},
    {"action_url": "/orders/7"},
    {"action_url": "https://example.com/" + "x" * 2028},
    {"icon": "http://example.com/i.png"},
    {"actions": [{"id": str(number), "label": "Go", "url": "/go"} for number in range(5)]},
    {"actions": [{"id": "a" * 64, "label": "x" * 100, "url": None}]},
    {"priority": "critical"},
    {"tags": [f"tag-{number}" for number in range(20)]},
    {"tags": ["x" * 64]},
    {"collapse_key": "k" * 255},
    {"collapse_key": "ключ"},
    {"expires_at": FUTURE},
]
REFUSED = [
    ({"to": ...}, "#/to"),
    ({"to": None}, "#/to"),
    ({"to": 7}, "#/to"),
    ({"to": ""}, "#/to"),
    ({"to": []}, "#/to"),
    ({"to": "x" * 256}, "#/to"),
    ({"to": "a\nb"}, "#/to"),
    ({"to": ["fine", "a\x7fb"]}, "#/to/1"),
    ({"to": ["fine", 7]}, "#/to/1"),
    ({"to": ["fine", None]}, "#/to/1"),
    ({"category": ...}, "#/category"),
    ({"category": ""}, "#/category"),
    ({"category": "x" * 101}, "#/category"),
    ({"category": "a b"}, "#/category"),
    ({"category": "a\n"}, "#/category"),
    ({"category": ".a"}, "#/category"),
    ({"title": ...}, "#/title"),
    ({"title": ""}, "#/title"),
    ({"title": "x" * 501}, "#/title"),
    ({"title": ["t"]}, "#/title"),
    ({"body": 1}, "#/body"),
    ({"data": []}, "#/data"),
    ({"data": "{}"}, "#/data"),
    ({"data": {"a/b": {"~": 2**63}}}, "#/data/a~1b/~0"),
    ({"data": {"list": [1, -(2**63) - 1]}}, "#/data/list/1"),
    ({"action_url": "javascript:alert(1)"}, "#/action_url"),
    ({"action_url": "//evil.example"}, "#/action_url"),
    ({"action_url": "https://a b"}, "#/action_url"),
    ({"action_url": "https://example.com/" + "x" * 2029}, "#/action_url"),
    ({"icon": "data:image/png;base64,"}, "#/icon"),
    ({"actions": [{"id": "a", "label": "b"}] * 6}, "#/actions"),
    ({"actions": [{"id": "a b", "label": "b"}]}, "#/actions/0/id"),
    ({"actions": [{"id": "a", "label": "x" * 101}]}, "#/actions/0/label"),
    ({"actions": [{"id": "a", "label": "b", "url": "ftp://x"}]}, "#/actions/0/url"),
    ({"actions": [{"id": "a", "label": "b", "colour": "red"}]}, "#/actions/0/colour"),
    ({"priority": "urgent"}, "#/priority"),
    ({"priority": None}, "#/priority"),
    ({"tags": ["a"] * 21}, "#/tags"),
    ({"tags": ["x" * 65]}, "#/tags/0"),
    ({"tags": ["a,b"]}, "#/tags/0"),
    ({"tags": "a"}, "#/tags"),
    ({"collapse_key": ""}, "#/collapse_key"),
    ({"collapse_key": "k" * 256}, "#/collapse_key"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
    ({"expires_at": "2999-01-01T00:00:00"}, "#/expires_at"),
    ({"expires_at": "9999-12-31T23:59:59-12:00"}, "#/expires_at"),
    ({"expires_at": "tomorrow"}, "#/expires_at"),
    ({"expires_at": 4102444800}, "#/expires_at"),
    ({"expires_at": "4102444800"}, "#/expires_at"),
    ({"titel": "t"}, "#/titel"),
    ({"__proto__": {}}, "#/__proto__"),
]


@pytest.mark.parametrize("fields", ACCEPTED, ids=lambda fields: next(iter(fields)))
async def test_what_is_said_is_what_the_inbox_shows(api, fields):
    """A field within its limits is accepted and shown unchanged."""
    said = publication(**fields)
    async with api.service() as service:
        answer = await service.post("/v1/notifications", json=said)
    assert answer.status_code == 201, answer.text
    (item,) = (await api.inbox(said["to"]))["items"]
    assert {name: item[name] for name in fields} == fields


@pytest.mark.parametrize(("fields", "pointer"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_field_beyond_its_limits_is_refused_by_name(api, fields, pointer):
    """A field that does not fit is answered with 422 and a pointer to it, and nothing is stored."""
    said = publication(**fields)
    async with api.service() as service:
        answer = await service.post("/v1/notifications", json=said)
    assert (answer.status_code, pointers(answer)) == (422, [pointer])
    assert pointer in answer.json()["detail"]
    if isinstance(said.get("to"), str) and "to" not in fields:
        assert (await api.inbox(said["to"]))["seq"] == 0


async def test_every_bad_field_is_named_at_once(api):
    """One answer lists all that is wrong."""
    async with api.service() as service:
        answer = await service.post("/v1/notifications", json={"to": [""], "category": "!", "priority": 1, "x": 1})
    assert set(pointers(answer)) == {"#/to/0", "#/category", "#/title", "#/priority", "#/x"}


@pytest.mark.parametrize("field", ["to", "title", "body", "collapse_key", "category", "action_url", "icon"])
async def test_nul_is_refused_in_every_text(api, field):
    """A NUL character, which no store and no browser agree on, is refused where it stands."""
    async with api.service() as service:
        answer = await service.post("/v1/notifications", json=publication(**{field: "a\0b"}))
    assert (answer.status_code, pointers(answer)) == (422, [f"#/{field}"])


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"data": {"a": ["\0"]}}, "#/data/a/0"),
        ({"data": {"\0": 1}}, "#/data/%00"),
        ({"tags": ["\0"]}, "#/tags/0"),
        ({"to": ["x", "\0"]}, "#/to/1"),
        ({"actions": [{"id": "a", "label": "\0"}]}, "#/actions/0/label"),
        ({"actions": [{"id": "\0", "label": "b"}]}, "#/actions/0/id"),
    ],
)
async def test_nul_is_refused_however_deep(api, fields, pointer):
    """A NUL inside of data, a list or an action is found and pointed at."""
    async with api.service() as service:
        answer = await service.post("/v1/notifications", json=publication(**fields))
    assert (answer.status_code, pointers(answer)) == (422, [pointer])


async def test_an_expiry_is_shown_in_utc(api):
    """A time with an offset is the same moment in UTC, live, stored and listed."""
    said = publication(expires_at="2999-01-01T02:00:00+02:00")
    async with api.service() as service:
        await service.post("/v1/notifications", json=said)
    assert (await api.inbox(said["to"]))["items"][0]["expires_at"] == FUTURE
