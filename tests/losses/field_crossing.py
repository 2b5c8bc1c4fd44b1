"""What becomes of one field of a request, from any dialect to any other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from loss_table import MODELS, dialects
from sdk_types import Field, Node, each_field, of_annotation, of_shape

from llm_gateway_sdk import DialectError, Losses, Target, WireRequest
from llm_gateway_sdk.wire import json

__all__ = ["SENDERS", "fields_of", "outcome", "request_of"]

SENDERS = ("openai_chat", "openai_responses", "anthropic", "gemini", "bedrock")

_PATHS = {"gemini": "/models/gemini-3:generateContent", "bedrock": "/model/m/converse"}
_BASES: dict[str, dict[str, Any]] = {
    "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "openai_responses": {"model": "m", "input": "hi"},
    "anthropic": {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
}


_NEEDED: dict[str, dict[str, Any]] = {
    "openai_chat": {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]},
    "openai_responses": {
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": None}]
    },
    "anthropic": {"tools": [{"name": "f", "input_schema": {"type": "object"}}]},
    "gemini": {"tools": [{"functionDeclarations": [{"name": "f"}]}]},
    "bedrock": {},
}
"""What a choice of tools needs."""

_NEUTRAL = frozenset({"model", "stream", "stream_options"})
"""What the gateway itself answers for."""


_EMPTY: tuple[Any, ...] = ({}, [], [{}], [[]])

NO_LOSS = {
    "generationConfig.responseSchema.nullable": "a schema of nothing else allows everything",
    "parallel_tool_calls": "true is what holds without it",
    "tools.*.<custom>.type": "what a tool is without it",
    "background_options.completion_window": "of `background`, which is refused",
    "background_options.continuation_id": "of `background`, which is refused",
    "prompt_cache_retention": "changes the price of later requests, not the answer",
    "input.*.<message>.status": "of an item as the API gave it out",
    "input.*.<message>.type": "what an item with a role is without it",
    "input.*.<function_call>.id": "names the item in the provider's store",
    "input.*.<function_call>.status": "of an item as the API gave it out",
    "input.*.<custom_tool_call>.id": "names the item in the provider's store",
    "contents.*.role": "`user` is what a content without one is",
    "systemInstruction.role": "has no meaning there",
    "toolConfig.functionCallingConfig.mode": "the mode that holds without it",
    "messages.*.content.*.image.error.message": "of replies",
    "messages.*.content.*.audio.error.message": "of replies",
    "text.format": "`text` is what holds without it",
    "response_format": "`text` is what holds without it",
}
"""Fields that say what holds without them, or nothing about the answer."""

NO_LOSS_TO = {
    ("thinking.<adaptive>.display", "openai_responses"): "no summary is what holds there without it",
    ("reasoning.summary", "anthropic"): "without an effort nothing is thought",
}


@cache
def _tree(dialect: str) -> Node:
    match dialect:
        case "openai_chat":
            from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

            return of_annotation(CompletionCreateParamsNonStreaming)
        case "openai_responses":
            from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

            return of_annotation(ResponseCreateParamsNonStreaming)
        case "anthropic":
            from anthropic.types.message_create_params import MessageCreateParamsNonStreaming

            return of_annotation(MessageCreateParamsNonStreaming)
        case "gemini":
            from google.genai import types

            fields: dict[str, tuple[Node, bool]] = {
                "contents": (of_annotation(list[types.Content]), True),
                "systemInstruction": (of_annotation(types.Content), False),
                "tools": (of_annotation(list[types.Tool]), False),
                "toolConfig": (of_annotation(types.ToolConfig), False),
                "safetySettings": (of_annotation(list[types.SafetySetting]), False),
                "generationConfig": (of_annotation(types.GenerationConfig), False),
                "cachedContent": (Node("text"), False),
                "labels": (Node("any"), False),
            }
            return Node("object", fields)
    import botocore.session

    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    node = of_shape(model.operation_model("Converse").input_shape)
    node.fields.pop("modelId", None)
    return node


def fields_of(dialect: str, *, exceptions: bool = False) -> Iterator[Field]:
    """Each field of the dialect's requests, as whole bodies with and without it; those of `NO_LOSS` where asked for."""
    for found in each_field(_tree(dialect)):
        key = found.path.partition(".")[0]
        needed = _NEEDED[dialect] if key in ("tool_choice", "toolConfig") else {}
        if key == "function_call":
            needed = {"functions": [{"name": "f", "parameters": {"type": "object"}}]}
        base = {**_BASES[dialect], **needed}
        absent = {**base, **({key: found.absent[key]} if key in found.absent else {})}
        present = {**base, key: found.present[key]}
        if found.path == key:
            absent = {name: value for name, value in absent.items() if name != key or name in base}
        if key not in _NEUTRAL and found.value not in _EMPTY and (exceptions or found.path not in NO_LOSS):
            yield Field(found.path, present, absent)


def outcome(sender: str, receiver: str, field: Field) -> str:
    """`kept`, `reported`, `refused`, `lost`, or `unread` where the request is refused without the field too.

    A field is kept where the request to the provider is another one with it than without it. It is reported where
    there is a loss that a request of a bare text does not have: of the field or of what holds it.
    """
    try:
        without, _ = _cross(sender, receiver, field.absent)
    except DialectError:
        without = None
    try:
        with_field, losses = _cross(sender, receiver, field.present)
    except DialectError:
        return "refused" if without is not None else "unread"
    if with_field != without:
        return "kept"
    return "reported" if losses - _cross(sender, receiver, _BASES[sender])[1] else "lost"


def request_of(dialect: str, *, stream: bool = False) -> WireRequest:
    """The smallest request of a dialect."""
    asks = {"stream": True, "stream_options": {"include_usage": True}} if dialect == "openai_chat" and stream else {}
    return WireRequest(path=_PATHS.get(dialect, ""), body=json.dumps({**_BASES[dialect], **asks}))


def _cross(sender: str, receiver: str, body: dict[str, Any]) -> tuple[Any, frozenset[str]]:
    client, provider = dialects()[sender], dialects()[receiver]
    request, _ = client.decode_request(WireRequest(path=_PATHS.get(sender, ""), body=json.dumps(body)))
    losses = Losses()
    client.check_portable(request, losses)
    wire = provider.translate(request, Target(MODELS[receiver]), losses, sender)
    return json.loads(wire.body), frozenset(str(loss) for loss in losses)
