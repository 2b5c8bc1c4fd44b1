"""Sources that a reply lists at its top, and its text names by number: Perplexity API, "Chat completions".

`citations` holds the addresses, `search_results` the same with their titles; `[2]` in the text is the second of them.
Other servers' annotations say the same of places in the text, which is what clients of every API read.
"""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk.parts import Citation, TextPart
from llm_gateway_sdk.response import Choice

__all__ = ["SOURCES", "citations_in", "cite", "sources_of"]

SOURCES = frozenset({"citations", "search_results"})
"""Fields that list sources."""

_MARK = re.compile(r"\[(\d{1,3})\]")


def sources_of(body: dict[str, Any]) -> list[tuple[str, str | None]]:
    """(address, title) of each source of a reply or an event; an address without a title has None."""
    results = body.get("search_results")
    titles: dict[str, str | None] = {}
    for result in results if isinstance(results, list) else ():
        if isinstance(result, dict) and isinstance(url := result.get("url"), str) and url:
            title = result.get("title")
            titles[url] = title if isinstance(title, str) and title else None
    listed = body.get("citations")
    urls = [url for url in listed if isinstance(url, str) and url] if isinstance(listed, list) else []
    return [(url, titles.get(url)) for url in urls or titles]


def citations_in(text: str, sources: list[tuple[str, str | None]]) -> list[Citation]:
    """The sources that the text names, each at its places; all of them for the whole text where it names none."""
    found = [
        Citation("url", url=sources[number - 1][0], title=sources[number - 1][1], start=match.start(), end=match.end())
        for match in _MARK.finditer(text)
        if 0 < (number := int(match[1])) <= len(sources)
    ]
    return found or [Citation("url", url=url, title=title) for url, title in sources]


def cite(choice: Choice, sources: list[tuple[str, str | None]]) -> None:
    """Gives the citations to the last text of a whole choice, unless it has annotations already."""
    texts = [part for part in choice.message.content if type(part) is TextPart]
    if texts and texts[-1].text and not any(part.citations for part in texts):
        texts[-1].citations = citations_in(texts[-1].text, sources)
