"""A recorded conversation as people read it: every kind of part, nothing of it taken for markup, nothing fetched."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard.conversation import conversation, load, pretty


def shown(*parts: dict[str, Any], role: str = "user") -> str:
    return str(conversation({"messages": [{"role": role, "content": list(parts)}]}, {}))


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"text"', '{"a": 1'])
def test_a_body_that_is_not_an_object_is_empty(text: str) -> None:
    assert load(text) == {}


def test_json_is_indented_where_a_line_would_be_long_and_other_text_stays() -> None:
    assert pretty("not json") == "not json"
    assert pretty('{"a":[1,2]}') == '{"a":[1,2]}'
    long = pretty('{"a":["' + '","'.join(["x" * 40] * 3) + '"]}')
    assert long.startswith('{\n  "a": [\n    "xxx')
    assert load(long) == {"a": ["x" * 40] * 3}


@pytest.mark.parametrize("levels", [50, 300, 500])
def test_json_of_many_levels_is_shown(levels: int) -> None:
    text = '{"a":[' * levels + "]}" * levels

    assert pretty(text).replace(" ", "").replace("\n", "") == text


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "<script>alert(1)</script>"},
        {"type": "text", "text": "<script>" * 1000},
        {"type": "refusal", "text": "<script>"},
        {"type": "thinking", "text": "<script>"},
        {"type": "tool_call", "name": "<script>", "id": "<script>", "arguments": "<script>"},
        {"type": "tool_result", "name": "<script>", "content": [{"type": "text", "text": "<script>"}]},
        {"type": "media", "kind": "<script>", "url": "https://x/<script>"},
        {"type": "opaque", "dialect": "<script>", "data": {"<script>": 1}},
    ],
    ids=lambda part: part["type"] + str(len(str(part))),
)
def test_no_part_becomes_markup(part: dict[str, Any]) -> None:
    assert "<script" not in shown(part)
    assert "script" in shown(part)


def test_media_is_described_and_never_fetched() -> None:
    page = shown(
        {"type": "media", "media_type": "image/png", "data": "A" * 4000, "url": "https://tracker.example/a.png"}
    )

    assert "3,000 bytes" in page
    assert "src=" not in page
    assert "href=" not in page


def test_what_redaction_left_is_marked_and_keeps_its_form() -> None:
    page = shown({"type": "text", "text": "my key is [REDACTED:key] and **bold** [1]"})

    assert '<mark class="redacted" title="hidden by redaction">[REDACTED:key]</mark>' in page
    assert "**bold**" in page
    assert page.count("<mark") == 1


def test_a_long_text_is_folded_and_none_of_it_lost() -> None:
    page = shown({"type": "text", "text": "a" * 6000 + "b" * 1500})

    assert "1,500 more characters" in page
    assert page.count("b" * 1500) == 1


def test_a_long_history_is_folded() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": f"turn {n}"}]} for n in range(9)]

    assert "3 earlier messages" in str(conversation({"messages": messages}, {}))
    assert "earlier messages" not in str(conversation({"messages": messages[:8]}, {}))


def test_each_choice_of_the_reply_has_its_reason() -> None:
    choices = [
        {"message": {"content": [{"type": "text", "text": "yes"}]}, "finish_reason": "stop"},
        {"index": 1, "message": None},
    ]
    page = str(conversation({}, {"choices": choices}))

    assert "finished: stop" in page
    assert "assistant, choice 1" in page
    assert "(empty)" in page


def test_results_of_tools_are_shown_as_a_tools_turn_with_failures() -> None:
    page = shown({"type": "tool_result", "tool_call_id": "c1", "is_error": True, "content": [{"type": "x"}, "odd"]})

    assert 'class="bubble tool"' in page
    assert "badge error" in page
    assert "c1" in page


@pytest.mark.parametrize(("request_", "response"), [({}, {}), ({"messages": None}, {"choices": None})])
def test_without_any_text_the_page_explains_why(request_: Any, response: Any) -> None:
    assert "No text was kept" in str(conversation(request_, response))
