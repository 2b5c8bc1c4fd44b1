"""Markdown of prompts and answers as HTML: no HTML in the text itself, no images, links that open nothing by
themselves."""

from __future__ import annotations

from typing import Any, Final

from markdown_it import MarkdownIt

from llm_gateway_sdk.web import Markup

__all__ = ["markdown"]

_PARSER: Final = (
    MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable("image")
)
_MAX_HEADING: Final = 6
_FIRST_HEADING: Final = 3


def markdown(text: str) -> Markup:
    """The text as HTML. Raw HTML in it is shown as it is written; `javascript:` and `data:` addresses are no links."""
    tokens = _PARSER.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            # A page has its own first and second headings.
            token.tag = f"h{min(_MAX_HEADING, int(token.tag[1]) + _FIRST_HEADING)}"
    for token in _with_children(tokens):
        if token.type == "link_open":
            token.attrSet("rel", "noopener noreferrer nofollow")
            token.attrSet("target", "_blank")
    return Markup(_PARSER.renderer.render(tokens, _PARSER.options, {}))


def _with_children(tokens: list[Any]) -> list[Any]:
    return [*tokens, *(child for token in tokens for child in token.children or ())]
