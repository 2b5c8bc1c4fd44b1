"""Cutting a JSON array into its elements, however its bytes arrive."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_gemini.arrays import ArraySplitter

from llm_gateway_sdk.wire import pieces

_VALUES = st.recursive(
    st.one_of(st.text(), st.integers(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), _VALUES, max_size=3), max_size=4), st.integers(1, 9), st.booleans())
def test_any_cut_gives_the_same_elements(items: list[dict[str, object]], size: int, ascii: bool) -> None:
    data = json.dumps(items, ensure_ascii=ascii, indent=1).encode("utf-8", "surrogatepass")
    splitter = ArraySplitter()

    found = [item for at in range(0, len(data), size) for item in splitter.feed(data[at : at + size])]

    assert [json.loads(item.decode("utf-8", "surrogatepass")) for item in found] == items


def test_an_element_is_given_as_soon_as_it_is_whole() -> None:
    splitter = ArraySplitter()

    assert splitter.feed(b'[{"a": "}') == []
    assert splitter.feed(b'\\"{"}') == [b'{"a": "}\\"{"}']
    assert splitter.feed(b",\r\n") == []


def test_long_strings_are_searched_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call for all of a string of many megabytes would let no other request go on meanwhile."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", 16)
    objects = [{"text": "word " * 40, "quoted": '"\\' * 30}, {"text": "{}" * 50, "inner": {"a": ["]", {"b": "x" * 9}]}}]
    data = json.dumps(objects).encode()
    for cut in (0, 7, 100, len(data)):
        splitter = ArraySplitter()
        found = [*splitter.feed(data[:cut]), *splitter.feed(data[cut:])]
        assert [json.loads(each) for each in found] == objects
