"""What Claude takes on Bedrock beyond Converse's own fields, as `additionalModelRequestFields`.

A client of Anthropic's API asks for features by beta names, each with its fields of the body. Bedrock refuses names and
fields that it does not know, so that the two go together or not at all. Sources: the user guide's "Anthropic Claude
Messages API" (beta headers), "Computer use tool".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_gateway_sdk import LLMRequest, Losses, OpaqueTool
from llm_gateway_sdk.dialects.model_limits import claude_name
from llm_gateway_sdk.wire import json

__all__ = ["additional_fields", "is_client_tool", "unthought_calls", "without_refused_budget"]

_BETAS: dict[str, tuple[str, ...]] = {
    "computer-use-2024-10-22": (),
    "computer-use-2025-01-24": (),
    "computer-use-2025-11-24": (),
    "token-efficient-tools-2025-02-19": (),
    "interleaved-thinking-2025-05-14": (),
    "output-128k-2025-02-19": (),
    "dev-full-thinking-2025-05-14": (),
    "context-1m-2025-08-07": (),
    "fine-grained-tool-streaming-2025-05-14": (),
    "context-management-2025-06-27": ("context_management",),
    "effort-2025-11-24": (),
}
"""Names that Bedrock knows, and the fields of the body that come with them."""

CLIENT_TOOLS = ("computer_", "bash_", "text_editor_", "memory_")
"""Beginnings of the types of tools which Anthropic defines and the client runs."""

_IMPLIED = (
    ("computer_20241022", "computer-use-2024-10-22"),
    ("computer_20250124", "computer-use-2025-01-24"),
    ("computer_20251124", "computer-use-2025-11-24"),
    ("memory_", "context-management-2025-06-27"),
)


def additional_fields(request: LLMRequest, losses: Losses) -> dict[str, Any]:
    """The fields that a client of Anthropic's API asked for and Bedrock takes; the others are reported as lost."""
    asked = request.provider_metadata.get("anthropic") or {}
    betas = list(asked.get("_betas") or ())
    tools = [tool.data for tool in request.tools if isinstance(tool, OpaqueTool) and is_client_tool(tool)]
    for tool in tools:
        betas += [beta for start, beta in _IMPLIED if str(tool.get("type")).startswith(start)]
    known = [beta for beta in dict.fromkeys(betas) if beta in _BETAS]
    if len(known) < len(dict.fromkeys(betas)):
        losses.dropped("anthropic_beta", ", ".join(sorted(set(betas) - set(known))))
    fields: dict[str, Any] = {"anthropic_beta": known} if known else {}
    for name in _fields_of(known):
        if name in asked:
            fields[name] = asked[name]
    if tools:
        fields["tools"] = tools
    return fields


def is_client_tool(tool: OpaqueTool) -> bool:
    return tool.dialect == "anthropic" and str(tool.data.get("type", "")).startswith(CLIENT_TOOLS)


def _fields_of(betas: Iterable[str]) -> list[str]:
    return [name for beta in betas for name in _BETAS[beta]]


def unthought_calls(turns: list[Any]) -> bool:
    """Whether the tool calls which the last turn answers were made without thinking before them."""
    for turn in reversed(turns):
        content = turn.get("content") or [{}]
        if turn.get("role") == "assistant":
            return any("toolUse" in block for block in content) and "reasoningContent" not in content[0]
        if not any("toolResult" in block for block in content):
            return False
    return False


def without_refused_budget(body: bytes, model: str, losses: Losses) -> bytes:
    """A client's own request, without thinking by a budget where the calls that it answers came without thinking, which
    Claude refuses. A client whose calls were made by another vendor's model can't know."""
    if claude_name(model) is None:
        return body
    try:
        asked = json.loads(body)
        additional, turns = asked["additionalModelRequestFields"], asked["messages"]
        refused = additional["thinking"]["type"] == "enabled" and unthought_calls(turns)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return body  # not in Converse's form, which the service reports
    if not refused:
        return body
    losses.converted("reasoning", "disabled for this turn: tool calls in the history came without their thinking")
    changed = {**additional, "thinking": {"type": "disabled"}}
    return json.replace_top_level(body, {"additionalModelRequestFields": changed})
