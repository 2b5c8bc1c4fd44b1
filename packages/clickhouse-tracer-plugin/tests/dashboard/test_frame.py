"""What all pages share."""

from __future__ import annotations

import pytest
from llm_gateway_clickhouse_tracer.dashboard.filter import Filter
from llm_gateway_clickhouse_tracer.dashboard.frame import badge, linked, message_page, page

from llm_gateway_sdk.web import join


@pytest.mark.parametrize(("status", "colour"), [("ok", "ok"), ("refused", "refused"), ('"><b>', "other")])
def test_a_badge_has_the_colour_of_its_status(status: str, colour: str) -> None:
    assert f'class="badge {colour}"' in badge(status)
    assert "<b>" not in badge(status)


def test_names_lead_to_what_has_them_within_the_chosen_span() -> None:
    links = join(linked("/traces", Filter(range="7d"), "model", ["gpt", "", "a&b"]))

    assert 'href="/traces/interactions?range=7d&amp;model=gpt"' in links
    assert "model=a%26b" in links
    assert links.count("<a ") == 2


def test_a_page_marks_where_the_reader_is() -> None:
    assert '<a href="/t/interactions" aria-current="page"' in page("/t", "Title", "Interactions", "content")
    assert "&lt;broken&gt;" in message_page("/t", "No answer", "<broken>")
