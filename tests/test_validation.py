"""From what a validator finds to pointers and sentences a caller can act on."""

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from hub.errors import Invalid, Malformed
from hub.validation import parse_json, pointer


def positive(number):
    if number <= 0:
        raise ValueError("must be above zero")
    return number


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal["a", "b"]
    size: Annotated[int, AfterValidator(positive)] = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    one: Inner
    many: Annotated[list[Inner], Field(max_length=2)] = []


OUTER = TypeAdapter(Outer)


@pytest.mark.parametrize(
    ("path", "suffix", "expected"),
    [
        ([], "", "#"),
        (["a", 0, "b"], "", "#/a/0/b"),
        (["a/b", "~", "~1"], "", "#/a~1b/~0/~01"),
        (["ä b", '"'], "", "#/%C3%A4%20b/%22"),
        (["data"], "/x/0", "#/data/x/0"),
        ([""], "", "#/"),
    ],
)
def test_a_pointer_is_rfc_6901_as_a_fragment(path, suffix, expected):
    """Steps are escaped for JSON pointer first and for a URI second."""
    assert pointer(path, suffix) == expected


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.integers(0, 99)))
def test_a_pointer_is_always_printable_ascii(path):
    """Whatever a field is called, its pointer can be logged and put into a header."""
    assert pointer(path).isascii()
    assert pointer(path).isprintable()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"{}", {"#/one": "Field required"}),
        (b'{"one":{"kind":"a"},"two":1}', {"#/two": "is not a field known here"}),
        (b'{"one":{"kind":"c"}}', {"#/one/kind": "Input should be 'a' or 'b'"}),
        (b'{"one":{"kind":"a","size":0}}', {"#/one/size": "must be above zero"}),
        (b'{"one":{"kind":"a"},"many":[{"kind":"a"},{"kind":"b","x":1}]}', {"#/many/1/x": "is not a field known here"}),
        (
            b'{"one":{"kind":"a","size":"1"},"many":7}',
            {"#/one/size": "Input should be a valid integer", "#/many": "Input should be a valid array"},
        ),
    ],
)
def test_every_bad_field_is_named_with_one_sentence(body, found):
    """Each problem has its pointer and a sentence without the library's own prefixes or links."""
    with pytest.raises(Invalid) as caught:
        parse_json(OUTER, body)
    assert {error.pointer: error.detail for error in caught.value.errors} == found
    assert all(error.pointer in caught.value.detail for error in caught.value.errors)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"{}x", b"[" * 10_000, b'{"one":"\\ud800"}'])
def test_what_is_no_json_is_told_apart_from_what_does_not_fit(body):
    """Bytes that are not JSON are malformed (400), whichever way they are broken."""
    with pytest.raises(Malformed) as caught:
        parse_json(OUTER, body)
    assert caught.value.status == 400
    assert caught.value.errors


def test_the_detail_stays_short_however_much_is_wrong():
    """The sentence names the first three problems; `errors` has them all."""
    body = b'{"one":{"kind":"a"},' + b",".join(b'"x%d":1' % n for n in range(50)) + b"}"
    with pytest.raises(Invalid) as caught:
        parse_json(OUTER, body)
    assert len(caught.value.errors) == 50
    assert caught.value.detail.count(";") == 2
