"""What servers that speak Chat Completions do otherwise than OpenAI; all are absent by default, which is OpenAI."""

from __future__ import annotations

from llm_gateway_sdk.dialects.quirks import FLAG, NUMBER, WORD, WORDS, Quirks, choice

__all__ = ["QUIRKS"]

QUIRKS: Quirks = {
    "max_tokens_field": {
        **WORD,
        "description": "`max_tokens` where the newer `max_completion_tokens` is not known.",
    },
    "no_stream_options": {**FLAG, "description": "Refuses `stream_options`."},
    "no_parallel_tool_calls": {**FLAG, "description": "Refuses `parallel_tool_calls`."},
    "no_developer_role": {**FLAG, "description": "Refuses messages of role `developer`, which become `system`."},
    "no_custom_tools": {**FLAG, "description": "Knows functions only: custom tools become functions."},
    "no_allowed_tools": {**FLAG, "description": "Refuses `tool_choice` of type `allowed_tools`."},
    "no_json_schema": {**FLAG, "description": "Refuses `json_schema` as response format: any JSON is asked for."},
    "no_reasoning": {**FLAG, "description": "Refuses `reasoning_effort`."},
    "no_service_tier": {**FLAG, "description": "Refuses `service_tier`."},
    "no_null_content": {**FLAG, "description": "Refuses a null `content` next to tool calls."},
    "no_message_name": {**FLAG, "description": "Refuses the `name` of a message."},
    "no_fields": {**WORDS, "description": "Further fields of a request that it refuses."},
    "call_id_length": {**NUMBER, "description": "Ids of tool calls have exactly this many letters or digits."},
    "tool_name_length": {**NUMBER, "description": "Maximum length of a tool's name (64)."},
    "user_length": {**NUMBER, "description": "Maximum length of an end user's id (128)."},
    "system_turns": {
        **choice("keep", "first"),
        "description": "`first`: one system message, and that the first; later system texts become a user's.",
    },
    "no_user_after_tool": {**FLAG, "description": "Refuses a user's message right after a tool's."},
    "string_content": {**FLAG, "description": "Takes texts as one string only, not as parts."},
    "max_stop": {**NUMBER, "description": "How many stop sequences it takes (4)."},
    "required_word": {**WORD, "description": 'Its word for `tool_choice: "required"`.'},
    "seed_field": {**WORD, "description": "Its name for `seed`."},
    "user_field": {**WORD, "description": "Its name for `safety_identifier`."},
    "top_k": {**FLAG, "description": "Takes `top_k`."},
    "efforts": {**WORDS, "description": "The values of `reasoning_effort` that it knows."},
    "reasoning_object": {**FLAG, "description": "Reasoning is asked for by OpenRouter's `reasoning` object."},
    "thinking_switch": {
        **FLAG,
        "description": "Reasoning is switched by `thinking: {type: enabled | disabled}` (DeepSeek, Z.ai).",
    },
    "reasoning_field": {
        **WORD,
        "description": "The field in which it wants earlier reasoning back: `reasoning_content`, `reasoning`.",
    },
    "no_reasoning_history": {
        **FLAG,
        "description": "Refuses reasoning of earlier answers, in whatever field it is.",
    },
    "reasoning_with_calls": {**FLAG, "description": "Wants that field, even empty, on each message with tool calls."},
    "cache": {
        **choice("breakpoint", "cache_control", "none"),
        "description": "How cache hints are written: OpenAI's way, OpenRouter's, or not at all.",
    },
    "documents": {
        **choice("file", "document_url", "none"),
        "description": "How it takes PDF documents: OpenAI's way (`file`), Mistral's, or not at all.",
    },
    "file_url": {**FLAG, "description": "Takes files by URL."},
    "video_url": {**FLAG, "description": "Takes videos by URL."},
    "for_same_dialect": {
        **FLAG,
        "description": "Applies these quirks to requests of Chat Completions clients too, which else go as they came.",
    },
}
