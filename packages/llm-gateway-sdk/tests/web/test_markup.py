"""Escaping: whatever the text, it is text in the page."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.web import Markup, data_block, join, tag

TEXT = st.text(st.characters(exclude_characters="\r\0", exclude_categories=("Cs",)))


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXT, TEXT)
def test_text_and_attributes_come_back_as_they_were(text: str, value: str) -> None:
    reader = Reader()
    reader.feed(tag("p", text, title=value))
    reader.close()

    assert reader.tags == [("p", {"title": value})]
    assert reader.text == text


def test_what_is_built_here_is_not_escaped_again() -> None:
    assert join([tag("b", "<"), None, 3, ["x", Markup("<br>")]]) == "<b>&lt;</b>3x<br>"


def test_attributes_can_be_left_out_or_have_no_value() -> None:
    assert (
        tag("input", checked=True, disabled=False, value=None, data_x=1, for_="a")
        == '<input checked data-x="1" for="a">'
    )


def test_no_text_ends_a_block_of_data() -> None:
    value = {"name": "</script><!--<script>&\u2028"}
    block = data_block(value)

    assert block.count("<") == 2
    assert json.loads(block.partition(">")[2].rpartition("<")[0]) == value
