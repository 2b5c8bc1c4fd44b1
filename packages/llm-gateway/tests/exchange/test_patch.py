"""What an edit leaves alone stays as it is written."""

from __future__ import annotations

import json as plain_json
import time

import pytest

from llm_gateway.exchange import patch
from llm_gateway.exchange.patch import Comparison, merge_edit, merge_seen
from llm_gateway_sdk.wire import json, long_texts


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
def test_what_was_added_or_taken_away_is_the_edit(before: bytes, after: bytes, merged: bytes) -> None:
    original = b'{"m":[1,2,3],"s":true}' if b'"s"' in before or b'"new"' in after else b'{"m":[1,2,3]}'
    assert merge_edit(original, before, after) == merged


def test_a_text_that_is_edited_keeps_its_form() -> None:
    before, after = (b'{"content":[{"type":"text","text":"%s"}]}' % text for text in (b"one", b"two"))
    assert merge_edit(b'{"content":"one"}', before, after) == b'{"content":"two"}'

    original = b'{"content":[{"type":"text","text":"one","own":1e2}]}'
    assert merge_edit(original, b'{"content":"one"}', b'{"content":"two"}') == original.replace(b"one", b"two")


def test_half_a_letter_next_to_the_edit_stays_and_costs_no_number_its_spelling() -> None:
    original = b'{"k":"\\ud83d","n":1e5,"a":"x"}'
    assert merge_edit(original, b'{"a":"x"}', b'{"a":"y"}') == original.replace(b'"x"', b'"y"')


def test_with_a_plugin_that_edits_nothing_stays_that_the_dialect_has_not_read() -> None:
    original = b'{"a":"x","second":"secret","n":1e0,"deep":{"own":"secret","b":"y"},"none":null}'
    before = b'{"a":"x","n":1,"deep":{"b":"y"}}'

    assert merge_seen(original, before, before) == b'{"a":"x","n":1e0,"deep":{"b":"y"},"none":null}'


def test_what_the_dialect_spells_otherwise_is_written_as_the_dialect_does() -> None:
    merged = merge_seen(b'{"snake_case":"secret","k":1}', b'{"snakeCase":"secret"}', b'{"snakeCase":"hidden"}')
    assert merged == b'{"k":1,"snakeCase":"hidden"}'

    merged = merge_seen(b'{"snake_case":"x","own":"y"}', b'{"snakeCase":"x"}', b'{"snakeCase":"x"}')
    assert merged == b'{"snakeCase":"x"}'


def test_what_was_read_in_full_stays_letter_by_letter_although_it_had_to_be_seen() -> None:
    original = b'{"n": 1.0, "m" : [ "\\u0041" ]}'
    assert merge_seen(original, b'{"n":1,"m":["A"]}', b'{"n":1,"m":["A"]}') == b'{"n":1.0,"m":["\\u0041"]}'


def test_a_value_that_the_dialect_reads_otherwise_is_written_as_it_was_read() -> None:
    assert merge_seen(b'{"a":"secret"}', b'{"a":"auto"}', b'{"a":"auto"}') == b'{"a":"auto"}'
    assert merge_seen(b'{"a":["secret","x"]}', b'{"a":["x"]}', b'{"a":["x"]}') == b'{"a":["x"]}'


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"a":1,"b":{"a":1}}', False),
        (b'{"a":1,"a":1}', True),
        (b'[{"a":"x","b":2,"a":"y"}]', True),
        (b'{"a":"\\u0022","\\u0061":"y"}', True),
        (b'{"a":"\\u0022\\u0022","b":"y","a":"\\u0022"}', True),
        (b'{"a":"\\u0022 \\" \\\\"}', False),
    ],
)
def test_keys_that_are_written_twice_are_found(data: bytes, found: bool) -> None:
    assert Comparison(data).has_duplicate_keys is found


def test_what_carries_no_words_makes_no_difference() -> None:
    came = Comparison(b'{"a":"x","none":null,"list":[],"n":1.0,"deep":{"b":"y","no":false}}')

    assert came.is_same(b'{"deep":{"b":"y"},"a":"x","n":1}')
    assert not came.is_same(b'{"deep":{"b":"z"},"a":"x","n":1}')
    assert not came.is_same(b'{"deep":{"b":"y"},"a":"x","n":1,"more":2}')
    assert came.is_covered(b'{"deep":{"b":"y"},"a":"x","n":1,"more":"2"}')
    assert not came.is_covered(b'{"deep":{},"a":"x","n":1}')


def test_the_time_of_a_merge_grows_with_the_length_of_the_texts() -> None:
    same = b'{"role":"user","content":"hi"}'
    before = b'{"m":[' + b",".join([same] * 20_000) + b"]}"
    edited = b",".join([b'{"role":"system","content":"be kind"}', *[same] * 9_000, *[same] * 9_999])
    after = b'{"m":[' + edited + b"]}"

    began = time.perf_counter()
    merged = merge_edit(before, before, after)

    assert merged == after
    assert time.perf_counter() - began < 2


def test_items_that_move_keep_their_spelling() -> None:
    original = b'{"m":[1.0,2.0,3.0,4.0,5.0]}'
    assert merge_edit(original, b'{"m":[1,2,3,4,5]}', b'{"m":[9,2,8,7,4,6]}') == b'{"m":[9,2.0,8,7,4.0,6]}'


class TestLongStrings:
    """They are compared and merged by marks, and come back as they were spelled."""

    @pytest.fixture(autouse=True)
    def small_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Strings of 60 letters are long here."""
        for name, size in (("LONG_BODY", 80), ("LONG_TEXT", 60), ("_WINDOW", 60)):
            monkeypatch.setattr(long_texts, name, size)
        for module in (json, patch):
            monkeypatch.setattr(module, "LONG_BODY", 80)
            monkeypatch.setattr(module, "_BEYOND", 81)

    def test_an_edit_next_to_a_long_string_leaves_its_spelling(self) -> None:
        words = "é" * 100
        escaped = plain_json.dumps(words)
        original = f'{{"text": {escaped}, "extra": {escaped}, "other": "1.0e5"}}'
        before = json.dumps({"text": words, "other": "1.0e5"})
        after = json.dumps({"text": words, "other": "edited"})

        merged = merge_edit(original.encode(), before, after)

        assert merged.decode() == f'{{"text":{escaped},"extra":{escaped},"other":"edited"}}'

    def test_an_edited_long_string_is_written_as_it_was_edited(self) -> None:
        original = json.dumps({"content": "secret " * 40, "unread": "secret " * 40})
        before, after = json.dumps({"content": "secret " * 40}), json.dumps({"content": "hidden " * 40})

        assert plain_json.loads(merge_seen(original, before, after)) == {"content": "hidden " * 40}
        assert plain_json.loads(merge_edit(original, before, after))["unread"] == "secret " * 40

    def test_a_long_key_that_is_there_twice_is_seen_however_it_is_spelled(self) -> None:
        key = "k" * 100
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in key)

        assert Comparison(f'{{"{key}": "1", "{escaped}": "2"}}'.encode()).has_duplicate_keys
        assert not Comparison(f'{{"{key}": "1", "{escaped}k": "2"}}'.encode()).has_duplicate_keys

    def test_bodies_with_the_same_long_strings_are_the_same(self) -> None:
        came = Comparison(b'{"a": ["' + b"\\u0061" * 100 + b'"], "b": null}')

        assert came.is_same(json.dumps({"a": ["a" * 100]}))
        assert not came.is_same(json.dumps({"a": ["a" * 99 + "b"]}))
