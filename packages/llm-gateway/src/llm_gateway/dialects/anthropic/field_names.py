"""What Messages calls the fields of a request: docs.anthropic.com/en/api/messages."""

from __future__ import annotations

from llm_gateway_sdk.dialects.field_names import FieldNames

__all__ = ["FIELD_NAMES"]

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
