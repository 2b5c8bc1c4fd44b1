"""What is not plain ASCII takes so much memory at most, wherever a text comes from."""

from __future__ import annotations

import json as stdlib

import pytest

from llm_gateway_sdk.wire import json, text_bound
from llm_gateway_sdk.wire.pieces import decoded, joined_text
from llm_gateway_sdk.wire.text_bound import LARGEST_TEXT, TextSize, TextTooLarge

LETTERS = {"é": 1, "я": 2, "語": 2, "😀": 4, "\ud83d": 2}
"""Letters, and how many bytes each letter of a text takes that has one of them."""


@pytest.mark.parametrize(("letter", "width"), LETTERS.items())
def test_one_letter_makes_all_of_a_text_as_wide_as_itself(
    letter: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_bound, "LARGEST_TEXT", 4000)
    fits = 4000 // width

    assert joined_text(["a" * (fits - 1), letter]) == "a" * (fits - 1) + letter
    with pytest.raises(TextTooLarge) as raised:
        joined_text(["a" * fits, letter])
    assert raised.value.size == (fits + 1) * width
    with pytest.raises(TextTooLarge):
        joined_text([letter, "a" * fits])


def test_plain_ascii_is_not_bounded() -> None:
    size = TextSize()
    for _ in range(1000):
        size.add("a" * 65536)


def test_a_text_is_refused_before_it_is_made() -> None:
    size = TextSize()
    for _ in range(LARGEST_TEXT // 4 // 65536):
        size.add("a" * 65536)
    with pytest.raises(TextTooLarge):
        size.add("😀")


@pytest.mark.parametrize("spelled", ["😀", "\\ud83d\\ude00", "\\ud83d"])
def test_every_reader_refuses_it_and_the_place_is_named(spelled: str) -> None:
    letters = LARGEST_TEXT // (2 if spelled == "\\ud83d" else 4)
    text = ("a" * letters + spelled).encode()
    body = b'{"model":"m","messages":[{"role":"user","content":[{"text":"%b"}]}]}' % text

    with pytest.raises(TextTooLarge) as raised:
        json.refuse_absurd_values(body)
    assert raised.value.place == "messages[0].content[0].text"
    assert str(LARGEST_TEXT) in str(raised.value)
    with pytest.raises(ValueError, match="more than a text may take"):
        json.loads(body)
    json.refuse_absurd_values(body.replace(spelled.encode(), b""))


def test_a_text_of_escapes_is_judged_by_its_letters() -> None:
    body = b'{"a":"' + b"\\ud83d\\ude00" * (LARGEST_TEXT // 8) + b'"}'

    json.refuse_absurd_values(body)


def test_in_a_file_of_lines_the_line_is_named() -> None:
    large = stdlib.dumps({"a": "a" * (LARGEST_TEXT // 4) + "😀"}, ensure_ascii=False)

    with pytest.raises(TextTooLarge) as raised:
        json.refuse_absurd_values(f'{{"a": 1}}\n{large}\n'.encode())
    assert raised.value.place == "line 2"


def test_bytes_that_are_decoded_are_bounded_too() -> None:
    with pytest.raises(TextTooLarge):
        decoded(b"a" * (LARGEST_TEXT // 4) + "😀".encode())
