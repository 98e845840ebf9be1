import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.keys import new_key
from hub.redaction import redact, redact_value
from tests.credentials import token, unnamed

JWT, KEY = token(), new_key().text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('1.2.3.4:5 - "GET /v1/stream?ticket=abc HTTP/1.1" 200', '1.2.3.4:5 - "GET /v1/stream?… HTTP/1.1" 200'),
        (
            '1.2.3.4:5 - "WebSocket /v1/ws?ticket=abc&resume=1:2" [accepted]',
            '1.2.3.4:5 - "WebSocket /v1/ws?…" [accepted]',
        ),
        ("<URL('https://x.example/?a=secret')>", "<URL('https://x.example/?…')>"),
        ('"GET /x?a="b"c HTTP/1.1"', '"GET /x?… HTTP/1.1"'),
        ("GET /x?a?b=c d", "GET /x?… d"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("authorization: bearer  abc", "authorization: bearer  …"),
        ("hub.v1, bearer.abc.def.ghi", "hub.v1, bearer.…"),
        ("(b'authorization', b'Bearer abc')", "(b'authorization', b'Bearer …')"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic …"),
        (f"bad token {JWT}!", "bad token eyJ…!"),
        (f"[{JWT[:40]}]", "[eyJ…]"),
        (f"key {KEY} revoked", "key hub_… revoked"),
        (f"key {KEY[:-1]}", "key hub_…"),
        ("GETDEL ticket=abc next", "GETDEL ticket=… next"),
        ("client_secret=abc&x=1", "client_secret=…&x=1"),
        ("{'password': 'abc', 'n': 1}", "{'password': '…', 'n': 1}"),
        ('{"access_token": "abc"}', '{"access_token": "…"}'),
        ("postgresql://hub:s3c:r@t@db:5432/hub?sslmode=require", "postgresql://hub:…@db:5432/hub?…"),
        ("redis://:secret@cache:6379/0", "redis://:…@cache:6379/0"),
        ("host=db password=secret dbname=hub", "host=db password=… dbname=hub"),
        ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----", "a\n… RSA PRIVATE KEY-----"),
    ],
    ids=unnamed,
)
def test_a_secret_is_cut_out_and_the_rest_kept(text, clean):
    """Secrets go by their shape; what surrounds them still tells the reader what happened."""
    assert redact(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "ready in 0.4 s on http://127.0.0.1:8000 (what now? open it)",
        "user me@example.com of http://127.0.0.1:8000/v1/users/me@example.com",
        "hub_connections 12, hub_notifications_published_total 3",
        "the token expired; ticket: used twice",
        "select a from b where c = $1",
    ],
)
def test_harmless_text_stays_as_it_is(text):
    """A line without secrets is not touched."""
    assert redact(text) == text


def test_a_value_is_cleaned_however_deep_it_hides():
    """Dictionaries, lists, bytes and objects are cleaned inside; a field named like a secret loses its value."""
    value = {"a": [("x", b"Bearer abc")], "Cookie": "x=1", "n": 1, JWT: None, "error": ValueError(f"bad {KEY}")}
    assert redact_value(value) == {
        "a": [["x", "b'Bearer …'"]],
        "Cookie": "…",
        "n": 1,
        "eyJ…": None,
        "error": "ValueError('bad hub_…')",
    }


@given(st.text(), st.text(), st.sampled_from([JWT, KEY]))
def test_a_token_or_key_never_survives_whatever_is_around_it(before, after, secret):
    """No text around a credential keeps its secret part alive, unless it is glued into a longer word."""
    assert secret[-20:] not in redact(f"{before} {secret} {after}")
