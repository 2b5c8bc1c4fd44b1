"""What an edit leaves alone stays as it is written."""

from __future__ import annotations

import pytest

from llm_gateway.exchange.patch import merge_edit


def test_what_was_not_edited_is_copied_letter_by_letter() -> None:
    original = b'{"n": 1e5, "big": 123456789012345678901234567890, "a" : [ 1.0, {"t": "x"} ], "own": {"k" : "\\u0041"}}'
    merged = merge_edit(original, b'{"a":[1.0,{"t":"x"}]}', b'{"a":[1.0,{"t":"y"}]}')

    assert merged == (b'{"n":1e5,"big":123456789012345678901234567890,"a":[1.0,{"t":"y"}],"own":{"k" : "\\u0041"}}')


def test_without_an_edit_the_bytes_are_the_same() -> None:
    original = b' {"a" : 1 }'
    assert merge_edit(original, b'{"a":1}', b'{"a":1}') is original


@pytest.mark.parametrize(
    ("before", "after", "merged"),
    [
        (b'{"m":[1,2,3]}', b'{"m":[1,3]}', b'{"m":[1,3]}'),
        (b'{"m":[1,2,3]}', b'{"m":[0,1,2,3]}', b'{"m":[0,1,2,3]}'),
        (b'{"m":[1,2,3],"s":true}', b'{"m":[1,2,3]}', b'{"m":[1,2,3]}'),
        (b'{"m":[1,2,3]}', b'{"m":[1,2,3],"new":{"a":null}}', b'{"m":[1,2,3],"s":true,"new":{"a":null}}'),
    ],
)
def test_what_was_added_or_taken_away_is_what_the_edit_says(before: bytes, after: bytes, merged: bytes) -> None:
    original = b'{"m":[1,2,3],"s":true}' if b'"s"' in before or b'"new"' in after else b'{"m":[1,2,3]}'
    assert merge_edit(original, before, after) == merged


def test_a_text_that_is_edited_keeps_its_form() -> None:
    before, after = (b'{"content":[{"type":"text","text":"%s"}]}' % text for text in (b"one", b"two"))
    assert merge_edit(b'{"content":"one"}', before, after) == b'{"content":"two"}'

    original = b'{"content":[{"type":"text","text":"one","own":1e2}]}'
    assert merge_edit(original, b'{"content":"one"}', b'{"content":"two"}') == original.replace(b"one", b"two")


def test_half_a_letter_beside_the_edit_stays_and_costs_no_number_its_spelling() -> None:
    original = b'{"k":"\\ud83d","n":1e5,"a":"x"}'
    assert merge_edit(original, b'{"a":"x"}', b'{"a":"y"}') == original.replace(b'"x"', b'"y"')
