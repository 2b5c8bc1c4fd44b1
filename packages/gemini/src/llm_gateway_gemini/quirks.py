"""What servers that speak generateContent do otherwise than the Gemini API."""

from __future__ import annotations

from llm_gateway_sdk.dialects.quirks import FLAG, WORDS, Quirks, choice

__all__ = ["QUIRKS"]

QUIRKS: Quirks = {
    "schema": {
        **choice("openapi"),
        "description": "Takes tool parameters and output schemas as the OpenAPI subset, not as JSON Schema.",
    },
    "thinking": {
        **choice("level", "budget", "none"),
        "description": "The form of thinking that the model takes; without it by the model's name.",
    },
    "thinking_levels": {**WORDS, "description": "The levels that the model knows; without it by the model's name."},
    "no_function_ids": {**FLAG, "description": "Ids of function calls are left out."},
    "media_in_tool_results": {
        **FLAG,
        "description": "Takes images within function responses; by default from Gemini 3 on.",
    },
    "placeholder_signature": {
        **FLAG,
        "description": "Calls that other models made get a signature in place of theirs; by default from Gemini 3.",
    },
}
