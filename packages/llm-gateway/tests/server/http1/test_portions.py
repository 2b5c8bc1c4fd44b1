"""What came in one read, taken in portions."""

from __future__ import annotations

from llm_gateway.server.http1.portions import portion_of_body, take_in_portions


def test_what_may_not_be_taken_yet_is_left() -> None:
    taken: list[bytes] = []

    left = take_in_portions(b"abcdefgh", lambda: 0 if len(taken) == 2 else 3, taken.append)
    assert (taken, left) == ([b"abc", b"def"], b"gh")

    assert take_in_portions(left, lambda: 3, taken.append) == b""
    assert taken[2:] == [b"gh"]


def test_a_portion_of_a_body_ends_with_it() -> None:
    assert portion_of_body(100, 30) == 70
    assert portion_of_body(100, 100) == 1
    assert portion_of_body(None, 5) == 65536
