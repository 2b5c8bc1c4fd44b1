"""What Responses calls the fields of a request: OpenAI API reference, `responses.create`."""

from __future__ import annotations

from llm_gateway_sdk.dialects.field_names import FieldNames

__all__ = ["FIELD_NAMES"]

_FORMAT = "text.format"

FIELD_NAMES = FieldNames(
    {
        "messages": "input",
        "messages[*]": "input[*]",
        "messages[*].content[*].arguments": ("input[*].arguments", "input[*].input"),
        "messages[*].content[*].id": "input[*].call_id",
        "messages[*].content[*].thinking": "input[*]",
        "messages[*].content[*].signature": "input[*].encrypted_content",
        "tool_choice.allowed_tools": "tool_choice.tools",
        "max_tokens": "max_output_tokens",
        "logprobs": "include",
        "response_format": _FORMAT,
        "verbosity": "text.verbosity",
        "user": ("safety_identifier", "user"),
        "cache_key": "prompt_cache_key",
    },
    parts={
        "system.content[*]": "input[*].content[*]",
        "messages[*].content[*]": "input[*].content[*]",
        "messages[*].calls[*]": "input[*]",
        "messages[*].results[*]": "input[*]",
        "messages[*].results[*].content[*]": "input[*].output[*]",
        "messages[*].thoughts[*]": "input[*]",
        "messages[*].media[*]": "input[*].content[*]",
    },
    leaves={
        "cache": "prompt_cache_breakpoint",
        "citations": "annotations",
        "data": "file_data",
        "name": "filename",
    },
)
