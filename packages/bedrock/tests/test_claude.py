"""Which features of Anthropic's API reach Claude on Bedrock."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_bedrock.claude import additional_fields, is_client_tool, without_refused_budget

from llm_gateway_sdk import LLMRequest, Losses, OpaqueTool, Tool
from llm_gateway_sdk.wire import json


def fields_of(asked: dict[str, Any], *tools: Tool | OpaqueTool) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    request = LLMRequest(tools=list(tools), provider_metadata={"anthropic": asked} if asked else {})
    return additional_fields(request, losses), [str(loss) for loss in losses]


def test_a_request_without_features_adds_nothing() -> None:
    assert fields_of({}) == ({}, [])
    assert fields_of({"container": "c"}, Tool("plain")) == ({}, [])


def test_names_that_bedrock_knows_are_sent_once_and_others_are_reported() -> None:
    known = "interleaved-thinking-2025-05-14"
    fields, lost = fields_of({"_betas": [known, "files-api-2025-04-14", known]})

    assert fields == {"anthropic_beta": [known]}
    assert lost == ["dropped anthropic_beta (files-api-2025-04-14)"]


def test_a_field_goes_with_the_name_of_its_feature_or_not_at_all() -> None:
    edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}

    assert fields_of({"_betas": ["context-management-2025-06-27"], "context_management": edits})[0] == {
        "anthropic_beta": ["context-management-2025-06-27"], "context_management": edits,
    }  # fmt: skip
    assert fields_of({"context_management": edits})[0] == {}


@pytest.mark.parametrize(
    ("kind", "beta"),
    [
        ("computer_20241022", ["computer-use-2024-10-22"]),
        ("computer_20250124", ["computer-use-2025-01-24"]),
        ("memory_20250818", ["context-management-2025-06-27"]),
        ("bash_20250124", None),
    ],
)
def test_a_tool_brings_the_name_of_its_feature(kind: str, beta: list[str] | None) -> None:
    data = {"type": kind, "name": "t"}
    fields, lost = fields_of({}, OpaqueTool("anthropic", data), OpaqueTool("openai_responses", {"type": kind}))

    assert fields["tools"] == [data]
    assert fields.get("anthropic_beta") == beta
    assert lost == []


@pytest.mark.parametrize(
    ("dialect", "data", "client"),
    [
        ("anthropic", {"type": "text_editor_20250728"}, True),
        ("anthropic", {"type": "web_search_20250305"}, False),
        ("anthropic", {}, False),
        ("openai_responses", {"type": "computer_use_preview"}, False),
    ],
)
def test_tools_that_run_at_the_vendor_are_not_the_clients(dialect: str, data: dict[str, Any], client: bool) -> None:
    assert is_client_tool(OpaqueTool(dialect, data)) is client


CALL = {"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "a", "content": [{"text": "1"}]}}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}}


@pytest.mark.parametrize(
    ("model", "kind", "blocks", "changed"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "enabled", [[CALL], [RESULT]], True),
        ("anthropic.claude-haiku-4-5", "enabled", [[THOUGHT, CALL], [RESULT]], False),
        ("anthropic.claude-haiku-4-5", "enabled", [[CALL], [RESULT], [{"text": "Done."}], [{"text": "Go."}]], False),
        ("anthropic.claude-haiku-4-5", "disabled", [[CALL], [RESULT]], False),
        ("amazon.nova-pro-v1:0", "enabled", [[CALL], [RESULT]], False),
        ("anthropic.claude-haiku-4-5", "enabled", [], False),
    ],
    ids=[str(number) for number in range(6)],
)
def test_an_own_clients_budget_is_left_out_where_calls_came_without_thinking(
    model: str, kind: str, blocks: list[Any], changed: bool
) -> None:
    turns = [{"role": "user", "content": [{"text": "Go."}]}]
    turns += [{"role": ("assistant", "user")[place % 2], "content": content} for place, content in enumerate(blocks)]
    additional = {"thinking": {"type": kind, "budget_tokens": 2000}, "top_k": 5}
    body = json.dumps({"messages": turns, "additionalModelRequestFields": additional})
    losses = Losses()

    fitted = without_refused_budget(body, model, losses)

    assert (fitted != body) is changed
    assert bool(losses) is changed
    if changed:
        expected = {"thinking": {"type": "disabled"}, "top_k": 5}
        assert json.loads(fitted) == {"messages": turns, "additionalModelRequestFields": expected}


def test_a_body_in_another_form_is_left_to_the_service() -> None:
    for body in (b"[]", b"{}", b"x", b'{"additionalModelRequestFields": 1, "messages": [1]}'):
        assert without_refused_budget(body, "anthropic.claude-haiku-4-5", Losses()) == body
