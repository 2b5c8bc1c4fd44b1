"""What becomes of one field of a reply, from any provider's dialect to any client's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from field_crossing import names, request_of
from loss_features import dialects
from sdk_types import Field, Node, each_field, of_annotation, of_shape

from llm_gateway_sdk import DialectError, Headers, Loss, Losses, Mint, WireReply
from llm_gateway_sdk.wire import json

__all__ = [
    "NO_LOSS_OF_REPLIES",
    "NO_LOSS_OF_REPLIES_TO",
    "is_own_path",
    "reply_fields_of",
    "reply_losses",
    "reply_outcome",
]

NO_LOSS_OF_REPLIES = {
    "incomplete_details.reason": "of a status that the smallest reply does not have",
    "output.*.<function_call>.id": "names the item in the provider's store",
    "output.*.<custom_tool_call>.id": "names the item in the provider's store",
    "output.*.<reasoning>.status": "of an item that is whole",
    "output.*.<function_call>.status": "of an item that is whole",
    "choices.*.logprobs.content.*.bytes": "the bytes of `token`",
    "choices.*.logprobs.content.*.top_logprobs.*.bytes": "the bytes of `token`",
    "choices.*.logprobs.refusal.*.bytes": "the bytes of `token`",
    "choices.*.logprobs.refusal.*.top_logprobs.*.bytes": "the bytes of `token`",
    "candidates.*.content.role": "is always `model`",
    "candidates.*.content.parts.*.functionCall.partialArgs.*.jsonPath": "the place of a value; nothing without one",
    "candidates.*.content.parts.*.functionCall.partialArgs.*.willContinue": "how the arguments are cut",
    "candidates.*.index": "there is one candidate",
    "candidates.*.logprobsResult.chosenCandidates.*.tokenId": "a number of the vendor's tokenizer",
    "candidates.*.logprobsResult.topCandidates.*.candidates.*.tokenId": "a number of the vendor's tokenizer",
    "candidates.*.logprobsResult.topCandidates.*.candidates.*.logProbability": "of a token that was chosen",
    "candidates.*.logprobsResult.topCandidates.*.candidates.*.token": "of a token that was chosen",
    "candidates.*.logprobsResult.logProbabilitySum": "the sum of what is given token by token",
    "usageMetadata.totalTokenCount": "the sum of the other counts",
}
"""Fields that say what holds without them, or nothing about the answer."""

NO_LOSS_OF_REPLIES_TO = {
    ("modelVersion", "bedrock"): "Converse has no such field; the client named the model",
    ("responseId", "bedrock"): "Converse gives an id in a header, the gateway's own",
}

_JSON = Headers([("content-type", "application/json")])


@cache
def _tree(dialect: str) -> Node:
    match dialect:
        case "openai_chat":
            from openai.types.chat import ChatCompletion

            return of_annotation(ChatCompletion, reply=True)
        case "openai_responses":
            from openai.types.responses import Response

            node = of_annotation(Response, reply=True)
            node.fields = {name: about for name, about in node.fields.items() if name not in _ECHOED}
            return node
        case "anthropic":
            from anthropic.types import Message

            return of_annotation(Message, reply=True)
        case "gemini":
            from google.genai import types

            return of_annotation(types.GenerateContentResponse)
    import botocore.session

    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    return of_shape(model.operation_model("Converse").output_shape)


_ECHOED = frozenset(
    {
        "background", "conversation", "instructions", "max_output_tokens", "max_tool_calls", "metadata",
        "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention", "reasoning", "safety_identifier", "store", "temperature", "text", "tool_choice",
        "tools", "top_logprobs", "top_p", "truncation", "user",
    }
)  # fmt: skip
"""Fields of a Response that repeat the request."""

_BASES: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop", "logprobs": None}
        ],
        "usage": {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50},
    },
    "openai_responses": {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed",
        "output": [
            {
                "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "hi", "annotations": []}],
            }
        ],
        "usage": {"input_tokens": 30, "output_tokens": 20, "total_tokens": 50},
        "tools": [], "tool_choice": "auto", "parallel_tool_calls": True,
    },
    "anthropic": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "stop_sequence": None, "content": [{"type": "text", "text": "hi"}],
        "usage": {"input_tokens": 30, "output_tokens": 20},
    },
    "gemini": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 20, "totalTokenCount": 50},
        "modelVersion": "m", "responseId": "r",
    },
    "bedrock": {
        "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 30, "outputTokens": 20, "totalTokens": 50}, "metrics": {"latencyMs": 1},
    },
}  # fmt: skip


def reply_fields_of(dialect: str, *, exceptions: bool = False) -> Iterator[Field]:
    """Each field of the dialect's replies, as whole bodies with and without it."""
    base = _BASES[dialect]
    for found in each_field(_tree(dialect)):
        key = found.path.partition(".")[0]
        absent = {**base, key: _beyond(base, found.absent, key)} if key in found.absent else dict(base)
        if found.path == key:
            absent.pop(key, None)
        present = {**base, key: _beyond(base, found.present, key)}
        if found.value not in ({}, [], [{}], [[]]) and (exceptions or found.path not in NO_LOSS_OF_REPLIES):
            yield Field(found.path, present, absent, found.value)


def _beyond(base: dict[str, Any], body: dict[str, Any], key: str) -> Any:
    """The value at `key`, in an object (the usage) next to what the smallest reply has."""
    value, known = body[key], base.get(key)
    if isinstance(value, dict) and isinstance(known, dict) and key != "output":
        return {**known, **value}
    return value


def reply_outcome(sender: str, receiver: str, field: Field, *, stream: bool = False) -> str:
    """`kept`, `reported`, `lost`, or `unread` where the reply cannot be read.

    A field is kept where the reply to the client is another one with it than without it. It is reported where a loss
    names it, as the provider's API calls it, or what holds it.
    """
    try:
        without, _ = cross_reply(sender, receiver, field.absent, stream=stream)
    except DialectError:
        without = None
    try:
        with_field, losses = cross_reply(sender, receiver, field.present, stream=stream)
    except DialectError:
        return "unread"
    if with_field != without:
        return "kept"
    return "reported" if any(names(loss, field.path) for loss in losses) else "lost"


def reply_losses(sender: str, receiver: str, field: Field) -> list[Loss]:
    """What the reply with the field loses; nothing where it cannot be read."""
    try:
        return cross_reply(sender, receiver, field.present)[1]
    except DialectError:
        return []


def is_own_path(dialect: str, path: str) -> bool:
    """Whether the vendor's types have a field at `path`, as losses write it. What they leave open may hold any."""
    return _is_path(_tree(dialect), path.replace("[*]", ".[*]").split("."))


def _is_path(node: Node, steps: list[str]) -> bool:
    if not steps or node.kind == "any":
        return True
    if node.kind == "union":
        return any(_is_path(inner, steps) for inner in node.items)
    if node.kind == "list":
        return steps[0] == "[*]" and any(_is_path(inner, steps[1:]) for inner in node.items)
    return steps[0] in node.fields and _is_path(node.fields[steps[0]][0], steps[1:])


def cross_reply(sender: str, receiver: str, body: dict[str, Any], *, stream: bool = False) -> tuple[Any, list[Loss]]:
    provider, client = dialects()[sender], dialects()[receiver]
    mint = Mint(lambda prefix: f"{prefix}1", lambda: 1)
    response = provider.decode_response(WireReply(200, _JSON, json.dumps(body)), mint)
    if response.error is not None:
        raise DialectError("an error")
    _, echo = client.decode_request(request_of(receiver, stream=stream))
    losses = Losses("response", provider.reply_field_names)
    client.report_unwritten(response, losses)
    if stream:
        response.final = True
        encoder = client.stream_encoder(echo, mint, losses)
        return encoder.encode(response) + encoder.close(), list(losses)
    wire = client.encode_response(response, echo, mint, losses)
    return json.loads(wire.body), list(losses)
