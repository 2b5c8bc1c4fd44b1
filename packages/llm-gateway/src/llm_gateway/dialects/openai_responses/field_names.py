"""What Responses calls the fields of a request and of a reply: OpenAI API reference, `responses.create`."""

from __future__ import annotations

from llm_gateway_sdk.dialects.field_names import FieldNames

__all__ = ["FIELD_NAMES", "REPLY_FIELD_NAMES"]

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

_MESSAGE = "choices[*].message"
_TEXT = "output[*].content[*]"

REPLY_FIELD_NAMES = FieldNames(
    {
        "choices[*]": "",
        "choices[*].finish_message": "incomplete_details.reason",
        "choices[*].logprobs": f"{_TEXT}.logprobs",
        _MESSAGE: "output[*]",
        f"{_MESSAGE}.blocks[*]": "output[*]",
        f"{_MESSAGE}.calls[*]": "output[*]",
        f"{_MESSAGE}.content[*]": _TEXT,
        f"{_MESSAGE}.content[*].arguments": "output[*].arguments",
        f"{_MESSAGE}.content[*].citations": f"{_TEXT}.annotations",
        f"{_MESSAGE}.content[*].phase": "output[*].phase",
        f"{_MESSAGE}.content[*].signature": "output[*].encrypted_content",
        f"{_MESSAGE}.image[*]": "output[*]",
        f"{_MESSAGE}.image[*].data": "output[*].result",
        f"{_MESSAGE}.results[*]": "output[*]",
        f"{_MESSAGE}.thoughts[*]": "output[*]",
        f"{_MESSAGE}.thoughts[*].redacted": "output[*].encrypted_content",
        f"{_MESSAGE}.thoughts[*].signature": "output[*].encrypted_content",
        "usage.cache_write_tokens": "usage.input_tokens_details.cache_write_tokens",
        "usage.reasoning_tokens": "usage.output_tokens_details.reasoning_tokens",
    }
)
