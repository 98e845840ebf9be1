import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import errors
from hub.keys import hash_key, new_key, parse_key


def test_a_new_key_is_read_back():
    """The text shown once leads back to the row's id and hash."""
    key = new_key()
    assert parse_key(key.text) == key.id
    assert hash_key(key.text) == key.hash == hashlib.sha256(key.text.encode()).digest()


def test_a_new_key_has_the_documented_shape_and_is_never_the_same():
    """A key is hub_, an id of 12 and a secret of at least 160 bits, and unlike any other."""
    keys = [new_key() for _ in range(200)]
    assert all(re.fullmatch(r"hub_[0-9a-z]{12}_[0-9a-z]{40}", key.text) for key in keys)
    assert len({key.id for key in keys}) == len({key.hash for key in keys}) == 200


@given(st.integers(4, 56), st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz_"))
def test_a_typo_is_told_without_a_database(position, character):
    """One wrong character anywhere in a key is noticed offline."""
    text = new_key().text
    changed = text[:position] + character + text[position + 1 :]
    if changed != text:
        with pytest.raises(errors.Unauthorized):
            parse_key(changed)


@pytest.mark.parametrize("cut", [slice(None, -1), slice(1, None), slice(None, 16), slice(0, 0)])
def test_a_part_of_a_key_is_refused(cut):
    """A key that was cut off when it was copied is not a key."""
    with pytest.raises(errors.Unauthorized):
        parse_key(new_key().text[cut])


def test_a_key_with_something_behind_it_is_refused():
    """A line break or a space behind a key makes it another text."""
    for end in ("\n", " ", "\x00", "é"):
        with pytest.raises(errors.Unauthorized):
            parse_key(new_key().text + end)


@given(st.text())
def test_any_text_is_refused_with_the_one_error(text):
    """Text that is no key raises Unauthorized and nothing else."""
    for candidate in (text, "hub_" + text):
        with pytest.raises(errors.Unauthorized):
            parse_key(candidate)
