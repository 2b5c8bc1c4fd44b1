"""What becomes of one field of a request, from any dialect to any other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from loss_features import MODELS, dialects
from sdk_types import Field, Node, each_field, of_annotation, of_shape

from llm_gateway_sdk import DialectError, LLMRequest, Loss, Losses, Target, WireRequest
from llm_gateway_sdk.wire import json

__all__ = [
    "NO_LOSS",
    "NO_LOSS_TO",
    "SENDERS",
    "cross",
    "fields_of",
    "names",
    "outcome",
    "request_of",
    "steps_of",
    "tree_of",
]

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


_MISPLACED = re.compile(
    r"systemInstruction\.parts\.\*\.(?:functionCall|functionResponse|thoughtSignature)"
    r"|messages\.\*\.<assistant>\.content\.\*\.<tool_result>"
    r"|messages\.\*\.<user>\.content\.\*\.<(?:tool_use|thinking|redacted_thinking)>"
)
"""What the types allow where the vendor's API does not take it."""

_EMPTY: tuple[Any, ...] = ({}, [], [{}], [[]])

NO_LOSS = {
    "generationConfig.responseSchema.nullable": "a schema of nothing else allows everything",
    "tools.*.functionDeclarations.*.parameters.nullable": "a schema of nothing else allows everything",
    "tools.*.functionDeclarations.*.parameters.type": "of a schema without properties: an object, as all arguments are",
    "parallel_tool_calls": "true is what holds without it",
    "tools.*.<custom>.type": "what a tool is without it",
    "background_options.completion_window": "of `background`, which is refused",
    "background_options.continuation_id": "of `background`, which is refused",
    "prompt_cache_retention": "changes the price of later requests, not the answer",
    "input.*.<message>.status": "of an item as the API gave it out",
    "input.*.<message>.type": "what an item with a role is without it",
    "input.*.<function_call>.id": "names the item in the provider's store",
    "input.*.<function_call>.status": "of an item as the API gave it out",
    "input.*.<function_call_output>.id": "names the item in the provider's store",
    "input.*.<function_call_output>.name": "the name of the call that it is the result of",
    "input.*.<function_call_output>.status": "of an item as the API gave it out",
    "input.*.<custom_tool_call_output>.id": "names the item in the provider's store",
    "input.*.<reasoning>.status": "of an item as the API gave it out",
    "input.*.<message>.content.*.<output_text>.logprobs": "of a reply",
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

_SCHEMAS_HOLD = ("anthropic", "gemini", "bedrock")
_STRICT = ("response_format.<json_schema>.json_schema.strict", "text.format.<json_schema>.strict")
NO_LOSS_TO = {
    **{(path, name): "a schema of answers always holds strictly there" for path in _STRICT for name in _SCHEMAS_HOLD},
    ("thinking.<enabled>.display", "openai_responses"): "no summary is what holds there without it",
    ("thinking.<adaptive>.display", "openai_responses"): "no summary is what holds there without it",
    ("thinking.<enabled>.display", "openai_chat"): "no reasoning is what its replies hold",
    ("thinking.<adaptive>.display", "openai_chat"): "no reasoning is what its replies hold",
    ("reasoning.summary", "anthropic"): "without an effort nothing is thought",
}


@cache
def tree_of(dialect: str) -> Node:
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
    for found in each_field(tree_of(dialect)):
        key = found.path.partition(".")[0]
        needed = _NEEDED[dialect] if key in ("tool_choice", "toolConfig") else {}
        if key == "function_call":
            needed = {"functions": [{"name": "f", "parameters": {"type": "object"}}]}
        base = {**_BASES[dialect], **needed}
        absent = {**base, **({key: found.absent[key]} if key in found.absent else {})}
        present = {**base, key: found.present[key]}
        if found.path == key:
            absent = {name: value for name, value in absent.items() if name != key or name in base}
        if _MISPLACED.match(found.path):
            continue
        if key not in _NEUTRAL and found.value not in _EMPTY and (exceptions or found.path not in NO_LOSS):
            path = found.path
            yield Field(path, _in_conversation(dialect, path, present), _in_conversation(dialect, path, absent))


def _in_conversation(dialect: str, field: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body with turns before those of the field which these need: a user's turn, and the call of a result."""
    key = {"gemini": "contents", "openai_responses": "input"}.get(dialect, "messages")
    value = body.get(key)
    if field.partition(".")[0] == "tools":
        return {**body, "tools": _named(body.get("tools"), field)}
    if field.partition(".")[0] != key or not isinstance(value, list):
        return body
    signs, call = _CALLS[dialect]
    written = json.dumps_text(value)
    first = {"role": "user", "content": "hi"} if key == "input" else _BASES[dialect][key][0]
    before = [call] if any(sign in written for sign in signs) else []
    return {**body, key: [first, *before, *(_named(item, field) for item in value)]}


def _named(value: Any, field: str) -> Any:
    """Results with the field that identifies their owner, which the types of some SDKs leave open."""
    if isinstance(value, list):
        return [_named(item, field) for item in value]
    if not isinstance(value, dict):
        return value
    named = {key: _named(inner, field) for key, inner in value.items()}
    if "functionResponse" in named and not field.endswith("functionResponse.name"):
        named["functionResponse"].setdefault("name", "some_name")
    if "functionDeclarations" in named and not field.endswith("functionDeclarations.*.name"):
        for declaration in named["functionDeclarations"]:
            declaration.setdefault("name", "some_name")
    if named.get("type") in ("custom_tool_call_output", "function_call_output") and not field.endswith(".call_id"):
        named.setdefault("call_id", "some_call_id")
    return named


_CALLS: dict[str, tuple[tuple[str, ...], Any]] = {
    "openai_chat": (
        ('"role":"tool"',),
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "some_tool_call_id", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
    ),
    "openai_responses": (
        ('"custom_tool_call_output"', '"function_call_output"'),
        {"type": "function_call", "call_id": "some_call_id", "name": "f", "arguments": "{}"},
    ),
    "anthropic": (
        ('"tool_result"',),
        {"role": "assistant", "content": [{"type": "tool_use", "id": "some_tool_use_id", "name": "f", "input": {}}]},
    ),
    "gemini": (
        ('"functionResponse"',),
        {"role": "model", "parts": [{"functionCall": {"name": "some_name", "args": {}}}]},
    ),
    "bedrock": (
        ('"toolResult"',),
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "some_tooluseid", "name": "f", "input": {}}}]},
    ),
}
"""What a result of a tool is known by, and the turn that calls the tool."""


def outcome(sender: str, receiver: str, field: Field) -> str:
    """`kept`, `reported`, `refused`, `lost`, or `unread` where the request is refused without the field too.

    A field is kept where the request to the provider is another one with it than without it. It is reported where a
    loss names it, as the sender's API calls it, or what holds it.
    """
    try:
        without, _ = cross(sender, receiver, field.absent)
    except DialectError:
        without = None
    try:
        with_field, losses = cross(sender, receiver, field.present)
    except DialectError:
        return "refused" if without is not None else "unread"
    if with_field != without:
        return "kept"
    return "reported" if any(names(loss, field.path) for loss in losses) else "lost"


def names(loss: Loss, path: str) -> bool:
    """Whether a loss is of the field at `path` (as `each_field` writes it), of all that is in it, or of what holds it.

    What holds it counts where it is named: `messages[*].content[*]` alone does not identify the block, so that
    the loss has to name the block's type.
    """
    steps = steps_of(path)
    # Tools of a namespace become tools like any other.
    field = ".".join(step for step, _ in steps).replace("tools[*].tools[*]", "tools[*]")
    lost = loss.path.replace("tools[*].tools[*]", "tools[*]")
    if lost == field or lost.startswith((f"{field}.", f"{field}[")):
        return True
    if not field.startswith((f"{lost}.", f"{lost}[")):
        return False
    if not lost.endswith("[*]"):
        return True
    place = loss.path.count(".") + 1
    following = steps[place][0].removesuffix("[*]") if place < len(steps) else ""
    return any(word and word in loss.detail for word in (steps[place - 1][1], following))


def steps_of(path: str) -> list[tuple[str, str]]:
    """(step, alternative) of a path: `messages.*.<user>.name` is `messages[*]` of a user, and `name`."""
    steps: list[tuple[str, str]] = []
    for step in path.split("."):
        if step == "*" or step.startswith("<"):
            before, alternative = steps.pop()
            steps.append((f"{before}[*]", alternative) if step == "*" else (before, step.strip("<>")))
        else:
            steps.append((step, ""))
    return steps


def request_of(dialect: str, *, stream: bool = False) -> WireRequest:
    """The smallest request of a dialect."""
    asks = {"stream": True, "stream_options": {"include_usage": True}} if dialect == "openai_chat" and stream else {}
    return WireRequest(path=_PATHS.get(dialect, ""), body=json.dumps({**_BASES[dialect], **asks}))


def cross(sender: str, receiver: str, body: dict[str, Any]) -> tuple[Any, list[Loss]]:
    """What the receiver gets of a body, and what is lost. Raises DialectError where it cannot be read or sent."""
    found = _crossed(sender, receiver, json.dumps(body))
    if isinstance(found, DialectError):
        raise found
    return found


@cache
def _crossed(sender: str, receiver: str, body: bytes) -> tuple[Any, list[Loss]] | DialectError:
    """Bodies without a field are many times the same."""
    client, provider = dialects()[sender], dialects()[receiver]
    request = _read(sender, body)
    if isinstance(request, DialectError):
        return request
    losses = Losses("request", client.field_names, body)
    try:
        client.check_portable(request, losses)
        wire = provider.translate(request, _target(receiver), losses, sender)
    except DialectError as error:
        return error
    return json.loads(wire.body), list(losses)


@cache
def _read(sender: str, body: bytes) -> LLMRequest | DialectError:
    """Read once for all receivers: none changes a request in place."""
    try:
        return dialects()[sender].decode_request(WireRequest(path=_PATHS.get(sender, ""), body=body))[0]
    except DialectError as error:
        return error


@cache
def _target(receiver: str) -> Target:
    return Target(MODELS[receiver])
