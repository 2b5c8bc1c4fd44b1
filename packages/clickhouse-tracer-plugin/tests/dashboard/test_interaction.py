"""The page of one interaction."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard.interaction import interaction_page
from llm_gateway_clickhouse_tracer.database.schema import COLUMNS, Column

from llm_gateway_sdk.web import Shell, current_shell


def row(**changes: Any) -> dict[str, Any]:
    texts = ("session_id", "user_id", "error", "error_kind", "attempt_log", "original", "client_ip", "user_agent",
             "raw_finish_reason")  # fmt: skip
    counts = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "ttft_us")
    return {
        **dict.fromkeys(texts, ""), **dict.fromkeys(counts), "ts": "2026-11-23 10:00:00.000000", "request_id": "req_1",
        "interaction_id": "int_1", "status": "ok", "project": "production", "caller": "app", "team": "search",
        "model_routed": "gpt", "model_requested": "default", "model_answered": "gpt-1", "provider": "openai",
        "adapter": "openai",
        "operation": "generate", "duration_us": 1e6, "cost_usd": None, "usage_estimated": False, "tool_calls": [],
        "unpriced": [],
        "method": "POST", "path": "/v1/chat/completions", "http_status": 200, "finish_reason": "stop", "tags": {},
        "losses": [], "timings": {}, "headers": {},
        "request": '{"model":"default","messages":[{"role":"user","content":[{"type":"text","text":"Hello"}]}]}',
        "response": "",
    } | changes  # fmt: skip


def test_a_cost_is_unknown_until_one_request_has_a_price() -> None:
    assert "<dt>Cost</dt><dd>unknown</dd>" in interaction_page("", "int_1", [row()])
    assert "<dt>Cost</dt><dd>$0.3000</dd>" in interaction_page("", "int_1", [row(cost_usd=0.1), row(cost_usd=0.2)])


def test_what_has_no_price_is_named_next_to_the_cost() -> None:
    searched = row(cost_usd=0.1, unpriced=["web_search"])
    assert "<dt>Cost</dt><dd>$0.1000, without web_search: no price</dd>" in interaction_page("", "int_1", [searched])
    mixed = interaction_page("", "int_1", [searched, row()])
    assert "<dt>Cost</dt><dd>$0.1000, without web_search, a model: no price</dd>" in mixed


def test_an_error_and_what_was_lost_are_shown() -> None:
    page = interaction_page("", "int_1", [row(error="overloaded", error_kind="server", losses=["dropped logit_bias"])])

    assert "overloaded" in page
    assert "<li>dropped logit_bias</li>" in page


def test_long_bodies_are_files_only() -> None:
    page = interaction_page("/t", "int_1", [row(request='"' + "x" * 500_000 + '"')])

    assert 'href="/t/requests/req_1/request.json"' in page
    assert len(page) < 100_000


def test_a_console_with_a_playground_offers_to_send_the_request_again() -> None:
    assert "Replay" not in interaction_page("/t", "int_1", [row()])
    token = current_shell.set(Shell("console", (), "/static", playground="/console/playground"))
    try:
        page = interaction_page("/t", "int_1", [row()])
    finally:
        current_shell.reset(token)
    assert "/console/playground?replay=%2Ft%2Frequests%2Freq_1%2Frequest.json&amp;project=production" in page


def test_what_redaction_hid_is_counted_and_its_place_is_marked() -> None:
    text = '{"messages":[{"role":"user","content":[{"type":"text","text":"Call [REDACTED|PHONE], *please*"}]}]}'
    page = interaction_page("", "int_1", [row(tags={"hidden.request: phone": "2", "team": "x"}, request=text)])

    assert "<li>request: phone × 2</li>" in page
    assert '<mark class="redacted" title="hidden by redaction">[REDACTED|PHONE]</mark>, *please*' in page
    assert "<dt>Tags</dt><dd>team=x</dd>" in page


def test_a_request_can_be_copied_with_the_gateway_s_own_address() -> None:
    page = interaction_page("/t", "int_1", [row()], "https://llm.example.com")

    assert "curl https://llm.example.com/v1/chat/completions" in page
    assert 'data-copy="python-req_1"' in page
    assert 'id="python-req_1"' in page


def test_the_time_of_an_interaction_is_that_of_a_clock() -> None:
    """Requests may overlap, as those of tools called at once do."""
    rows = [row(), row(ts="2026-11-23 10:00:00.500000", request_id="req_2", duration_us=2e6)]

    page = interaction_page("", "int_1", rows).replace("\N{NO-BREAK SPACE}", " ")

    assert "<dt>Time</dt><dd>2.50 s</dd>" in page
    assert "<dt>In requests</dt><dd>3.00 s</dd>" in page
    assert "In requests" not in interaction_page("", "int_1", rows[:1])


CANARY = "<img src=x onerror=alert(1)><script>alert(1)</script>'\"&"
BODIES = {
    "request": {"model": CANARY, "messages": [{"role": "user", "content": [{"type": "text", "text": CANARY}]}]},
    "response": {"choices": [{"index": 0, "message": {"role": CANARY, "content": [
        {"type": "text", "text": CANARY}, {"type": "tool_call", "id": CANARY, "name": CANARY, "arguments": CANARY},
        {"type": CANARY, "text": CANARY}]}}]},
    "attempt_log": [{"model": CANARY, "target": CANARY, "status": 500, "error": CANARY}],
}  # fmt: skip


def hostile(column: Column) -> Any:
    """A value of the column that is markup wherever a text can be."""
    if column.name in BODIES:
        return json.dumps(BODIES[column.name])
    if column.type.startswith("Array("):
        return [CANARY]
    if column.type.startswith("Map("):
        return {CANARY: 5 if "UInt" in column.type else CANARY}
    return CANARY if "String" in column.type else row().get(column.name, 1)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_markup_in_any_column_of_a_record_stays_text(column: Column) -> None:
    page = interaction_page("/t", "int_1", [row(**{column.name: hostile(column)}), row()])

    assert "<img" not in page
    assert "<script>" not in page
    assert not re.search(r"<[^>]*\sonerror=", re.sub(r'"[^"]*"', '""', page))
