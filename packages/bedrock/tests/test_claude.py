"""Which features of Anthropic's API reach Claude on Bedrock."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_bedrock.claude import additional_fields, is_client_tool

from llm_gateway_sdk import LLMRequest, Losses, OpaqueTool, Tool


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
