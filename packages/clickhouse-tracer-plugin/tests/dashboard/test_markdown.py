"""Markdown of prompts: laid out, and harmless."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_clickhouse_tracer.dashboard.markdown import markdown

HARMLESS = {
    *("p", "br", "h4", "h5", "h6", "strong", "em", "s", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_it_lays_out_what_models_write() -> None:
    html = markdown("# Title\n\nA **bold** `word`\n\n```python\nx < 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one")

    assert "<h4>Title</h4>" in html
    assert "<strong>bold</strong>" in html
    assert "x &lt; 1" in html
    assert "<td>1</td>" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "![x](https://evil.example/pixel.png)",
        "<javascript:alert(1)>",
        "[x]: javascript:alert(1)\n\n[x]",
        '```"><script>\nx\n```',
    ],
)
def test_nothing_runs_and_nothing_is_loaded(text: str) -> None:
    check(text)


@given(st.text(alphabet="<>![]()`\"'#*|- \nabjscriptonerrorhttps:/=&"))
def test_any_text_is_harmless(text: str) -> None:
    check(text)


def check(text: str) -> None:
    tags = Tags()
    tags.feed(markdown(text))
    tags.close()
    for name, attributes in tags.found:
        assert name in HARMLESS
        assert not any(each.startswith("on") or each in ("src", "style", "id") for each in attributes)
        if "href" in attributes:
            assert not str(attributes["href"]).lower().startswith(("javascript:", "data:", "vbscript:"))
            assert "noopener" in str(attributes["rel"])
