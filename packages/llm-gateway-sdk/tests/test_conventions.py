from __future__ import annotations

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.conventions import (
    CustomInputReader,
    custom_tool_parameters,
    unwrap_custom_input,
    wrap_custom_input,
)

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


@given(TEXTS)
def test_free_text_survives_its_wrapping(text: str) -> None:
    assert unwrap_custom_input(wrap_custom_input(text)) == text


@given(TEXTS, st.booleans(), st.integers(0, 999))
def test_free_text_is_read_however_its_arguments_are_cut(text: str, ascii: bool, seed: int) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=ascii)
    reader, chance = CustomInputReader(), random.Random(seed)
    read, at = "", 0

    while at < len(arguments):
        step = chance.randint(1, 9)
        read += reader.feed(arguments[at : at + step])
        at += step

    assert read + reader.close() == text


def test_what_is_not_wrapped_stays_as_it_is() -> None:
    for arguments in ("plain text", '{"other": 1}', '{"input": 3}', "", "{"):
        reader = CustomInputReader()

        assert reader.feed(arguments) + reader.close() == arguments
        assert unwrap_custom_input(arguments) == arguments


def test_text_is_given_as_soon_as_it_comes() -> None:
    reader = CustomInputReader()

    assert [reader.feed(piece) for piece in ('{"inp', 'ut": "a', "b\\", "n", "\\ud83d", "\\ude00", '"}')] == [
        "", "a", "b", "\n", "", "😀", "",
    ]  # fmt: skip


def test_a_grammar_is_described_in_words() -> None:
    schema = custom_tool_parameters({"type": "grammar", "syntax": "lark", "definition": "start: /a/"})

    assert "lark grammar:\nstart: /a/" in schema["properties"]["input"]["description"]
