"""What Messages calls the fields of a request and of a reply: docs.anthropic.com/en/api/messages."""

from __future__ import annotations

from llm_gateway_sdk.dialects.field_names import FieldNames

__all__ = ["FIELD_NAMES", "REPLY_FIELD_NAMES"]

_BLOCKS = "messages[*].content[*]"

FIELD_NAMES = FieldNames(
    {
        "tools[*].cache": "tools[*].cache_control",
        "tools[*].parameters": "tools[*].input_schema",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        "stop": "stop_sequences",
        "reasoning": ("thinking", "output_config.effort"),
        "reasoning.budget_tokens": "thinking.budget_tokens",
        "reasoning.effort": ("output_config.effort", "thinking.type"),
        "reasoning.enabled": "thinking.type",
        "reasoning.summary": "thinking.display",
        "response_format": ("output_config.format", "output_format"),
        "user": "metadata.user_id",
        "cache": "cache_control",
    },
    parts={
        "system.content[*]": "system[*]",
        "messages[*].content[*]": _BLOCKS,
        "messages[*].calls[*]": _BLOCKS,
        "messages[*].results[*]": _BLOCKS,
        "messages[*].results[*].content[*]": f"{_BLOCKS}.content[*]",
        "messages[*].thoughts[*]": _BLOCKS,
        "messages[*].media[*]": _BLOCKS,
    },
    leaves={
        "arguments": "input",
        "cache": "cache_control",
        "data": "source.data",
        "file_id": "source.file_id",
        "name": "title",
    },
)
_REPLY_KINDS = ("content", "calls", "thoughts", "results", "blocks")

REPLY_FIELD_NAMES = FieldNames(
    {
        "choices[*]": "",
        "choices[*].finish_message": "stop_details.explanation",
        "choices[*].message": "",
        "choices[*].message.content[*].arguments": "content[*].input",
        "choices[*].message.content[*].refusal": "stop_details.explanation",
        "choices[*].message.thoughts[*].redacted": "content[*].data",
        "service_tier": "usage.service_tier",
        "usage.cache_write_tokens": "usage.cache_creation_input_tokens",
        "usage.reasoning_tokens": "usage.output_tokens_details.thinking_tokens",
    },
    parts={f"choices[*].message.{kind}[*]": "content[*]" for kind in _REPLY_KINDS},
    leaves={"arguments": "input"},
)
