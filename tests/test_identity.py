import pytest

from hub.identity import is_tenant, is_user_id


@pytest.mark.parametrize("text", ["a", "alice", "user:42", "me@example.com", "Zoë 🦊", "a/b?c#d%", " ", "x" * 255])
def test_a_user_id_is_any_text_of_up_to_255_characters(text):
    """Whatever the application calls its users is a user id."""
    assert is_user_id(text)


@pytest.mark.parametrize("text", ["", "x" * 256, "a\x00b", "a\n", "\ta", "a\x7f", "a\x85b", "\ud800"])
def test_control_characters_and_broken_text_are_no_user_id(text):
    """A text that could break a log line, a header or the database names nobody."""
    assert not is_user_id(text)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("default", True),
        ("0", True),
        ("a-b_c", True),
        ("a" * 63, True),
        ("", False),
        ("a" * 64, False),
        ("-a", False),
        ("_a", False),
        ("A", False),
        ("a.b", False),
        ("a\n", False),
        ("ä", False),
    ],
)
def test_a_tenant_is_a_short_lower_case_name(text, valid):
    """A tenant's name fits a channel name, a label and a URL as it is."""
    assert is_tenant(text) is valid
