"""What a notification looks like to a client, and how things are named."""

import json
import time
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import NotFound
from hub.notification import new_id, notification_name, parse_name, publication_name
from hub.publication import Publish
from tests import samples

FIELDS = {
    *("id", "seq", "created_seq", "category", "title", "body", "data", "action_url", "icon", "actions", "priority"),
    *("created_at", "seen", "read", "archived", "read_at", "archived_at", "snoozed_until", "expires_at"),
    *("collapse_key", "repeat_count", "tags"),
}


def test_a_notification_has_every_field_of_the_contract():
    """The least a producer can say makes an object with every documented field; what is absent is null."""
    content = Publish(to="alice", category="a.b", title="t").content(10_000)
    item = samples.item(3)
    item.content = content
    said = json.loads(item.encode())
    assert set(said) >= FIELDS
    assert said["id"] == "ntf_" + "0" * 31 + "3"
    assert said["created_at"] == "2026-01-02T03:04:05.678900Z"
    assert {name for name in FIELDS if said[name] is None} == {
        *("body", "data", "action_url", "icon", "actions", "collapse_key"),
        *("read_at", "archived_at", "snoozed_until", "expires_at"),
    }
    assert (said["seen"], said["read"], said["archived"], said["tags"]) == (False, False, False, [])


def test_times_are_told_in_utc_with_a_z():
    """Every time is RFC 3339 with a `Z`, and `archived` follows from `archived_at`."""
    said = json.loads(samples.item(1, archived_at=samples.AT, snoozed_until=samples.AT).encode())
    assert said["archived"] is True
    assert said["archived_at"] == said["snoozed_until"] == said["created_at"] == "2026-01-02T03:04:05.678900Z"


@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)))
def test_what_a_producer_sent_is_passed_on_verbatim(data):
    """`data` arrives as it was sent, whatever is in it."""
    item = samples.item(1)
    item.content = b'{"data":' + json.dumps(data).encode() + b"}"
    assert json.loads(item.encode())["data"] == data


def test_new_ids_are_uuids_of_version_7_and_follow_time():
    """An id carries the millisecond it was made in, first, and never repeats."""
    before = time.time_ns() // 1_000_000
    ids = [new_id() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert {(id.version, id.variant) for id in ids} == {(7, uuid4().variant)}
    assert all(before <= id.int >> 80 <= after for id in ids)
    assert len(set(ids)) == len(ids)


@given(st.uuids())
def test_a_name_reads_back_as_the_id_it_was_made_of(id):
    """`ntf_…` and `pub_…` name the same 128 bits."""
    assert parse_name(notification_name(id), "ntf", "pub") == ("ntf", id)
    assert parse_name(publication_name(id), "ntf", "pub") == ("pub", id)


@pytest.mark.parametrize(
    "text",
    [
        *("", "ntf_", "ntf", "0" * 32, "ntf_" + "0" * 31, "ntf_" + "0" * 33, "ntf_" + "g" * 32, "ntf_" + "٣" * 32),
        *("pub_" + "0" * 32, "NTF_" + "0" * 32, "ntf_" + "-" * 32, " ntf_" + "0" * 32, "ntf_{" + "0" * 31, "ntf_\0"),
    ],
)
def test_what_cannot_be_a_name_does_not_exist(text):
    """A bad name is not told apart from one that belongs to somebody else."""
    with pytest.raises(NotFound):
        parse_name(text, "ntf")


def test_the_text_of_an_error_about_a_name_is_bounded():
    """However long the nonsense, its error stays short."""
    with pytest.raises(NotFound) as caught:
        parse_name("x" * 100_000, "ntf")
    assert len(caught.value.detail) < 200


def test_a_name_is_made_of_the_whole_id():
    """Names are 32 lower-case hex digits, leading zeros included."""
    assert notification_name(UUID(int=0xAB)) == "ntf_" + "0" * 30 + "ab"
