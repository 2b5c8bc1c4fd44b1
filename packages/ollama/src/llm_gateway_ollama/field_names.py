"""What Ollama's API calls the fields of a request: Ollama API reference, `/api/chat`."""

from __future__ import annotations

from llm_gateway_sdk.dialects.field_names import FieldNames

__all__ = ["FIELD_NAMES"]

_FUNCTION = "tools[*].function"

FIELD_NAMES = FieldNames(
    {
        "messages[*].content[*].arguments": "messages[*].tool_calls[*].function.arguments",
        "messages[*].calls[*].arguments": "messages[*].tool_calls[*].function.arguments",
        "tools[*].description": f"{_FUNCTION}.description",
        "tools[*].name": f"{_FUNCTION}.name",
        "tools[*].parameters": f"{_FUNCTION}.parameters",
        "max_tokens": "options.num_predict",
        "temperature": "options.temperature",
        "top_p": "options.top_p",
        "top_k": "options.top_k",
        "seed": "options.seed",
        "stop": "options.stop",
        "frequency_penalty": "options.frequency_penalty",
        "presence_penalty": "options.presence_penalty",
        "reasoning": "think",
        "reasoning.effort": "think",
        "reasoning.enabled": "think",
        "response_format": "format",
        "response_format.schema": "format",
    },
    parts={
        "system.content[*]": "messages[*].content",
        "messages[*].content[*]": "messages[*].content",
        "messages[*].calls[*]": "messages[*].tool_calls[*]",
        "messages[*].results[*]": "messages[*]",
        "messages[*].results[*].content[*]": "messages[*].content",
        "messages[*].thoughts[*]": "messages[*].thinking",
        "messages[*].media[*]": "messages[*].images[*]",
    },
)
