from __future__ import annotations

import pytest

from llm_gateway_sdk.writable import readable, writable


@pytest.mark.parametrize("text", ["", "plain", "naïve 😀", "back\\slash"])
def test_what_can_be_written_stays(text: str) -> None:
    assert writable(text) == text


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "😀\ude00"])
def test_half_a_letter_becomes_its_escape(text: str) -> None:
    assert writable(text).encode()
    assert "\\ud" in writable(text)
    assert writable(text).startswith(text[:1]) or text[0] >= "\ud800"


def test_a_message_is_one_line_that_a_terminal_shows() -> None:
    assert readable("a\nb\x1b[31m\x00\u202e ключ") == "a\\nb\\x1b[31m\\x00\\u202e ключ"
    assert readable("plain") == "plain"
    long = readable("a" * 10**6 + "end")
    assert len(long) < 2000
    assert long.endswith("end")
