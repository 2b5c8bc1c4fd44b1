"""What Chat Completions calls the fields of a request and of a reply: OpenAI API reference, "Create chat
completion"."""

from __future__ import annotations

from llm_gateway_sdk.dialects.field_names import FieldNames

__all__ = ["FIELD_NAMES", "REPLY_FIELD_NAMES"]

_CALLS = "messages[*].tool_calls[*]"

FIELD_NAMES = FieldNames(
    {
        "messages[*].content[*].arguments": f"{_CALLS}.function.arguments",
        "messages[*].content[*].citations": "messages[*].annotations",
        "messages[*].content[*].data": "messages[*].content[*].file.file_data",
        "messages[*].content[*].detail": "messages[*].content[*].image_url.detail",
        "messages[*].content[*].file_id": "messages[*].content[*].file.file_id",
        "messages[*].content[*].id": f"{_CALLS}.id",
        "messages[*].content[*].name": "messages[*].content[*].file.filename",
        "messages[*].media[*].detail": "messages[*].content[*].image_url.detail",
        "messages[*].media[*].name": "messages[*].content[*].file.filename",
        "messages[*].content[*].refusal": "messages[*].refusal",
        "messages[*].content[*].thinking": "messages[*].reasoning_content",
        "messages[*].calls[*].arguments": f"{_CALLS}.function.arguments",
        "messages[*].results[*].cache": "messages[*].content[*].cache_control",
        "messages[*].thoughts[*].signature": "messages[*].reasoning_details[*].signature",
        "tools[*].cache": "tools[*].cache_control",
        "tools[*].description": "tools[*].function.description",
        "tools[*].name": "tools[*].function.name",
        "tools[*].parameters": "tools[*].function.parameters",
        "tools[*].strict": "tools[*].function.strict",
        "max_tokens": ("max_completion_tokens", "max_tokens"),
        "reasoning": ("reasoning_effort", "reasoning"),
        "reasoning.effort": ("reasoning_effort", "reasoning.effort"),
        "reasoning.budget_tokens": "reasoning.max_tokens",
        "reasoning.enabled": "reasoning.enabled",
        "response_format.description": "response_format.json_schema.description",
        "response_format.name": "response_format.json_schema.name",
        "response_format.schema": "response_format.json_schema.schema",
        "response_format.strict": "response_format.json_schema.strict",
        "user": ("safety_identifier", "user"),
        "cache_key": "prompt_cache_key",
    },
    parts={
        "system.content[*]": "messages[*].content[*]",
        "messages[*].content[*]": "messages[*].content[*]",
        "messages[*].calls[*]": _CALLS,
        "messages[*].results[*]": "messages[*]",
        "messages[*].results[*].content[*]": "messages[*].content[*]",
        "messages[*].thoughts[*]": "messages[*]",
        "messages[*].media[*]": "messages[*].content[*]",
    },
    leaves={"cache": ("cache_control", "prompt_cache_breakpoint")},
    numbered=True,
)

_MESSAGE = "choices[*].message"
_ARGUMENTS = f"{_MESSAGE}.tool_calls[*].function.arguments"

REPLY_FIELD_NAMES = FieldNames(
    {
        f"{_MESSAGE}.audio[*]": f"{_MESSAGE}.audio",
        f"{_MESSAGE}.blocks[*]": f"{_MESSAGE}.content[*]",
        f"{_MESSAGE}.calls": f"{_MESSAGE}.tool_calls",
        f"{_MESSAGE}.calls[*]": f"{_MESSAGE}.tool_calls[*]",
        f"{_MESSAGE}.calls[*].arguments": _ARGUMENTS,
        f"{_MESSAGE}.content[*].arguments": _ARGUMENTS,
        f"{_MESSAGE}.content[*].citations": f"{_MESSAGE}.annotations",
        f"{_MESSAGE}.content[*].refusal": f"{_MESSAGE}.refusal",
        f"{_MESSAGE}.content[*].signature": f"{_MESSAGE}.reasoning_details[*].signature",
        f"{_MESSAGE}.image[*]": f"{_MESSAGE}.images[*]",
        f"{_MESSAGE}.image[*].data": f"{_MESSAGE}.images[*].image_url",
        f"{_MESSAGE}.image[*].file_id": f"{_MESSAGE}.images[*].image_url",
        f"{_MESSAGE}.thoughts[*]": f"{_MESSAGE}.reasoning_details[*]",
        f"{_MESSAGE}.thoughts[*].redacted": f"{_MESSAGE}.reasoning_details[*].data",
        "usage.cache_write_tokens": "usage.prompt_tokens_details.cache_write_tokens",
        "usage.input_audio_tokens": "usage.prompt_tokens_details.audio_tokens",
        "usage.output_audio_tokens": "usage.completion_tokens_details.audio_tokens",
        "usage.reasoning_tokens": "usage.completion_tokens_details.reasoning_tokens",
    }
)
