"""Frames of plain requests: what is kept, and what is not."""

from __future__ import annotations

import json

import pytest

from llm_gateway_sdk.dialect import Echo
from llm_gateway_sdk.dialects.plain import Frame, Frames, PlainTurn, alternate, frame_of

TURNS = {"messages": [PlainTurn("user", "hello")]}


def made(body: bytes, turns: dict[str, object] = TURNS) -> Frame | None:
    return frame_of("POST", "/x", "", [("content-type", "application/json")], body, turns, Echo("m"))


def test_a_frame_gives_the_same_body_with_other_texts() -> None:
    frame = made(b'{"model":"m","messages":[{"role":"user","content":"hello"}],"temperature":0.70}')

    assert frame is not None
    written = frame.body({"messages": [PlainTurn("user", "bye")]})
    assert written == b'{"model":"m","messages":[{"role":"user","content":"bye"}],"temperature":0.70}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[{"role":"user","content":"other"}]}',
        b'{"model":"m","messages":[{"content":"hello","role":"user"}]}',
        b'{"model":"m"}',
        b'{"model": "m","messages":[{"role":"user","content":"hello"}]}',
        b"[]",
    ],
    ids=["another text", "another order", "no turns", "white space", "a list"],
)
def test_a_body_that_a_frame_would_not_give_again_makes_none(body: bytes) -> None:
    assert made(body) is None


@pytest.mark.parametrize(
    ("roles", "fine"),
    [
        ("u", True),
        ("uau", True),
        ("", False),
        ("ua", False),
        ("au", False),
        ("uu", False),
        ("uaa", False),
        ("sau", False),
    ],
)
def test_turns_alternate_and_the_user_has_the_first_and_the_last(roles: str, fine: bool) -> None:
    names = {"u": "user", "a": "assistant", "s": "system"}

    assert alternate([PlainTurn(names[role], "t") for role in roles]) is fine  # type: ignore[arg-type]


def test_an_empty_text_is_not_a_turn() -> None:
    assert not alternate([PlainTurn("user", "a"), PlainTurn("assistant", ""), PlainTurn("user", "b")])


def test_what_is_kept_is_bounded() -> None:
    frames = Frames()
    tool = json.dumps(
        {"tools": "x" * 200_000, "messages": [{"role": "user", "content": "hello"}]}, separators=(",", ":")
    )
    frame = made(tool.encode())
    assert frame is not None

    for number in range(20):
        frames.keep((number,), b"", frame)
    kept = [number for number in range(20) if frames.get((number,)) is not None]

    assert kept[-1] == 19
    assert 1 <= len(kept) <= 5


def test_a_frame_larger_than_the_bound_is_not_kept() -> None:
    frames, frame = Frames(), made(b'{"messages":[{"role":"user","content":"hello"}]}')
    assert frame is not None

    frames.keep(("large",), b"x" * 1_000_000, frame)

    assert frames.get(("large",)) is None
