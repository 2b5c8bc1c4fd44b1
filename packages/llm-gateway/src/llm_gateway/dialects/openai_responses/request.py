"""Requests: `POST /responses` and `POST /responses/input_tokens`.

Source: OpenAI API reference, `responses.create` and `responses.input_tokens`; the official SDK's
`ResponseCreateParams`.

Normalisations of a body that was read and is written again: `null` and empty lists are as absent, `stream: false` is
left out, image parts say their `detail`, output texts of the history their `annotations` and no log probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_gateway_sdk.dialect import WireReply, WireRequest
from llm_gateway_sdk.dialects.coverage import report_fields
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.parts import OpaquePart, TextPart
from llm_gateway_sdk.request import LLMRequest, Message, Reasoning, ResponseFormat, Tool
from llm_gateway_sdk.wire import json

from .echo import ResponsesEcho, echo_of
from .fields import NAME, beyond, boolean, found, integer, mapping, number, own, sequence, text
from .input import decode_input, tools_in_items
from .tools import decode_tool_choice, decode_tools

__all__ = ["check_portable", "decode_count", "decode_request"]


def decode_request(wire: WireRequest) -> tuple[LLMRequest, ResponsesEcho]:
    try:
        value = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"the body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise DialectError(f"expected the body to be an object, found {found(value)}")
    body: dict[str, Any] = {key: inner for key, inner in value.items() if inner is not None}
    memo = beyond(body, _READ)
    if not COSMETIC.isdisjoint(body):
        memo["_quiet"] = {key: body[key] for key in COSMETIC if key in body}
    input_ = body.get("input")
    if input_ is not None and not isinstance(input_, str) and not isinstance(input_, list):
        raise DialectError(f"expected a string or a list of items, found {found(input_)}", path="input")
    items = input_ if isinstance(input_, list) else []
    tools, names = decode_tools(sequence(body, "tools", ""), tools_in_items(items))
    messages = decode_input(items, names)
    if input_ is None:
        memo["_no_input"] = True
    elif isinstance(input_, str):
        memo["_input"] = "string"
        messages = [Message("user", [TextPart(input_)])]
    instructions = text(body, "instructions", "")
    if instructions is not None:
        system = Message("system", [TextPart(instructions)], provider_metadata={NAME: {"_instructions": True}})
        messages.insert(0, system)
    request = LLMRequest(
        text(body, "model", "") or "",
        messages,
        tools,
        decode_tool_choice(body["tool_choice"], names) if "tool_choice" in body else None,
    )
    for key in body:
        if (field := _FIELDS.get(key)) is not None:
            name, read = field
            setattr(request, name, read(body, key, ""))
    if "reasoning" in body:
        request.reasoning = _decode_reasoning(body)
    if "metadata" in body:
        request.metadata = _decode_metadata(body)
    if request.user is None:
        request.user = text(body, "user", "")
        if request.user is not None:
            memo["_user"] = "user"
    elif "user" in body:
        memo["user"] = body["user"]
    if "include" in body and LOGPROBS in sequence(body, "include", ""):
        request.logprobs = True
    _decode_text(body, request, memo)
    request.provider_metadata = {NAME: memo}
    return request, echo_of(body, request, names)


def decode_count(wire: WireReply) -> int:
    try:
        body = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"the body is not valid JSON: {error}") from None
    counted = count(mapping(body, "").get("input_tokens"))
    if counted is None:
        raise DialectError("expected a whole number from 0 on", path="input_tokens")
    return counted


def check_portable(request: LLMRequest, losses: Losses) -> None:
    """What of a Responses request no other dialect can say. Raises DialectError where the conversation itself lies with
    the vendor; lists the rest."""
    memo = own(request)
    for key, kind in (("previous_response_id", "Previous response"), ("conversation", "Conversation")):
        if value := memo.get(key):
            id_ = value.get("id") if isinstance(value, dict) else value
            raise DialectError(
                f"{kind} with id '{id_}' not found: the gateway does not keep it, nor does this model's provider; send "
                "the whole conversation as `input`",
                path=key,
                code="previous_response_not_found" if key == "previous_response_id" else "conversation_not_found",
            )
    if memo.get("prompt"):
        raise DialectError(
            "this model's provider does not keep prompts: send the prompt's text as `instructions` or `input`",
            path="prompt",
        )
    for position, message in enumerate(request.messages):
        sent = own(message).get("_item") if message.provider_metadata else None
        for key in sent.keys() - _OF_THE_STORE if isinstance(sent, dict) else ():
            losses.dropped(f"messages[*].{key}")
        for part in message.content:
            if isinstance(part, OpaquePart) and part.dialect == NAME and _is_reference(part.data):
                raise DialectError(
                    f"Item with id '{part.data.get('id')}' not found: the gateway does not keep it, nor does this "
                    "model's provider; send the item instead of an `item_reference`",
                    path=f"messages[{position}]",
                    code="item_not_found",
                )
            kept = own(part).get("_item") if part.provider_metadata else None
            for key in kept.keys() - _OF_THE_STORE if isinstance(kept, dict) else ():
                losses.dropped(f"messages[*].{key}")
    if request.store:
        losses.dropped("store", "replies are not stored")
    report_fields({key: value for key, value in memo.items() if value not in ("", False)}, "", losses)
    for key in memo.get("_text", {}):
        losses.dropped(f"text.{key}")
    for key in own(request.reasoning) if request.reasoning is not None else ():
        losses.dropped(f"reasoning.{key}")
    for tool in request.tools:
        if isinstance(tool, Tool) and tool.namespace is not None:
            losses.converted("tools[*]", "tools of a namespace get flat names")
            if own(tool).get("_namespace", {}).get("description"):
                losses.dropped("tools[*].description", "of a namespace")
    for word in memo.get("_quiet", {}).get("include", []):
        if word not in (ENCRYPTED_REASONING, LOGPROBS):
            losses.dropped("include", str(word))


def takes_encrypted_reasoning(request: LLMRequest) -> bool:
    """Whether the client asks for the proofs of reasoning, which it sends back."""
    return ENCRYPTED_REASONING in own(request).get("_quiet", {}).get("include", [])


def _is_reference(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type", "item_reference") == "item_reference"


def _decode_reasoning(body: dict[str, Any]) -> Reasoning | None:
    if "reasoning" not in body:
        return None
    raw = mapping(body["reasoning"], "reasoning")
    rest = beyond(raw, ("effort", "summary"))
    return Reasoning(
        effort=text(raw, "effort", "reasoning"),
        summary=text(raw, "summary", "reasoning"),
        provider_metadata={NAME: rest} if rest else {},
    )


def _decode_metadata(body: dict[str, Any]) -> dict[str, str]:
    if "metadata" not in body:
        return {}
    raw = mapping(body["metadata"], "metadata")
    return {key: value for key in raw if (value := text(raw, key, "metadata")) is not None}


def _decode_text(body: dict[str, Any], request: LLMRequest, memo: dict[str, Any]) -> None:
    if "text" not in body:
        return
    raw = mapping(body["text"], "text")
    request.verbosity = text(raw, "verbosity", "text")
    rest = beyond(raw, ("format", "verbosity"))
    if raw.get("format") is not None:
        format_ = mapping(raw["format"], "text.format")
        match format_.get("type"):
            case "text" | "json_object" as kind:
                request.response_format = ResponseFormat(kind)
            case "json_schema":
                request.response_format = _decode_schema(format_)
            case _:
                rest["format"] = format_
    if rest:
        memo["_text"] = rest


def _decode_schema(raw: dict[str, Any]) -> ResponseFormat:
    path = "text.format"
    schema = raw.get("schema")
    rest = beyond(raw, _SCHEMA_FIELDS)
    return ResponseFormat(
        "json_schema",
        schema=mapping(schema, f"{path}.schema") if schema is not None else None,
        name=text(raw, "name", path),
        description=text(raw, "description", path),
        strict=boolean(raw, "strict", path),
        provider_metadata={NAME: rest} if rest else {},
    )


ENCRYPTED_REASONING = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"

_KNOWN = frozenset(
    (
        "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens",
        "temperature", "top_p", "top_logprobs", "reasoning", "safety_identifier", "user", "service_tier",
        "prompt_cache_key", "store", "metadata", "stream", "text",
    )
)  # fmt: skip
# What changes nothing in the answer, so that leaving it out is not a loss; of `include` see `check_portable`.
COSMETIC = frozenset(("include", "stream_options", "client_metadata", "prompt_cache_retention", "background_options"))
_READ = _KNOWN | COSMETIC
_FIELDS: dict[str, tuple[str, Callable[[dict[str, Any], str, str], Any]]] = {
    "parallel_tool_calls": ("parallel_tool_calls", boolean),
    "max_output_tokens": ("max_tokens", integer),
    "temperature": ("temperature", number),
    "top_p": ("top_p", number),
    "top_logprobs": ("top_logprobs", integer),
    "safety_identifier": ("user", text),
    "service_tier": ("service_tier", text),
    "prompt_cache_key": ("cache_key", text),
    "store": ("store", boolean),
    "stream": ("stream", boolean),
}
"""Fields of the body that are each one field of the request, and what reads them."""
_SCHEMA_FIELDS = frozenset(("type", "name", "schema", "description", "strict"))
# How an item is known to the vendor's store.
_OF_THE_STORE = frozenset({"id", "status", "type", "created_by"})
