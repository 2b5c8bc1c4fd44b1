"""Whole replies, and what streams share with them: usage, status and the `response` object.

Source: OpenAI API reference, the `Response` object. A reply holds one answer; items become parts of its message.
"""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk.conventions import unwrap_custom_input
from llm_gateway_sdk.dialect import Headers, Mint, WireReply
from llm_gateway_sdk.dialects.answer import broken_output, join_choices
from llm_gateway_sdk.dialects.bare_errors import named_error
from llm_gateway_sdk.dialects.reply_coverage import drop_part
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.parts import (
    MediaPart,
    OpaquePart,
    Part,
    ProviderMetadata,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.request import Message
from llm_gateway_sdk.response import Choice, LLMResponse, Usage, refusal_of
from llm_gateway_sdk.signatures import wrap_signature
from llm_gateway_sdk.wire import json

from .charges import add_charges
from .echo import ResponsesEcho
from .errors import decode_error_event, decode_response_error, encode_response_error
from .fields import NAME, found, mapping, own, sequence, text
from .items import (
    OF_TEXT,
    OF_TOOL,
    Run,
    decode_item,
    fold_opaque,
    runs,
    settle_carriers,
    unsigned_mark,
    wrap_thinking_signature,
)
from .parts import encode_logprobs, encode_output_part
from .tools import ToolName

__all__ = [
    "SERVICE_TIERS",
    "decode_output",
    "decode_reply",
    "decode_response",
    "decode_usage",
    "encode_call",
    "encode_response",
    "encode_usage",
    "envelope",
    "finish_of",
    "image_item",
    "reply_metadata",
    "status_of",
    "tool_of",
]


_ENDS_WITH_OUTPUT = (None, "completed", "incomplete")
"""States in which a reply has a list of outputs, be it an empty one."""


def decode_response(wire: WireReply, mint: Mint) -> LLMResponse:
    try:
        body = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"the body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise DialectError(f"expected the body to be an object, found {found(body)}")
    if body.get("output") is None and "status" not in body and (failure := named_error(body)) is not None:
        return LLMResponse(error=decode_error_event({"error": failure}))
    if body.get("output") is None and body.get("status") in _ENDS_WITH_OUTPUT:
        raise DialectError("the reply holds no answer", path="output")
    return decode_reply(body, mint)


def decode_reply(body: dict[str, Any], mint: Mint) -> LLMResponse:
    parts, logprobs = decode_output(sequence(body, "output", ""))
    for index, part in enumerate(parts):
        part.index = index
    reason, raw_reason = finish_of(body, parts)
    return LLMResponse(
        id=text(body, "id", "") or mint.id("resp_"),
        model=text(body, "model", "") or "",
        created=created_of(body),
        choices=[
            Choice(
                0,
                Message("assistant", parts),
                finish_reason=reason,
                raw_finish_reason=raw_reason,
                logprobs={"content": logprobs} if logprobs else None,
            )
        ],
        usage=add_charges(decode_usage(body.get("usage")), body),
        service_tier=text(body, "service_tier", ""),
        error=decode_response_error(body),
        provider_metadata=reply_metadata(body),
    )


def decode_output(items: list[Any]) -> tuple[list[Part], list[Any]]:
    """The parts of all items, and the log probabilities of all their texts."""
    parts: list[Part] = []
    logprobs: list[Any] = []
    for position, value in enumerate(items):
        path = f"output[{position}]"
        item = mapping(value, path)
        parts.extend(decode_item(item, path, None))
        if item.get("type") == "message" and isinstance(item.get("content"), list):
            for part in item["content"]:
                if isinstance(part, dict) and isinstance(part.get("logprobs"), list):
                    logprobs.extend(part["logprobs"])
    return settle_carriers(parts), logprobs


def encode_response(response: LLMResponse, echo: ResponsesEcho, mint: Mint, losses: Losses) -> WireReply:
    choice = join_choices(response.choices)
    status, details = status_of(choice, failed=response.error is not None)
    writer = _OutputWriter(echo, mint, losses, choice.logprobs, complete=status == "completed")
    body = envelope(
        echo, echo.response_id or response.id or mint.id("resp_"), response.created or mint.now(), response.model
    )
    body.update(response.provider_metadata.get(NAME, {}))
    own_id = body.pop("_id", body["id"])
    body["id"] = echo.response_id or own_id
    body["status"] = body.pop("_status", None) or status
    body["incomplete_details"] = body.pop("_incomplete_details", None) or details
    content = choice.message.content
    if choice.finish_message is not None and not choice.message.refusal and (words := refusal_of(choice)):
        content = [*content, RefusalPart(words)]
    body["output"] = writer.write(content)
    body["usage"] = encode_usage(response.usage)
    if response.service_tier in SERVICE_TIERS or (response.service_tier and NAME in response.provider_metadata):
        body["service_tier"] = response.service_tier
    if response.error is not None:
        body["error"] = encode_response_error(response.error)
    elif status == "failed" and body.get("error") is None:
        body["error"] = encode_response_error(broken_output(choice.raw_finish_reason))
    headers = Headers.of([("content-type", "application/json")])
    return WireReply(200, headers, json.dumps(body))


def envelope(echo: ResponsesEcho, id_: str, created: int, model: str) -> dict[str, Any]:
    """A `response` object without output, as the vendor would repeat the request in it."""
    fields = echo.fields
    return {
        "id": id_ if id_.startswith("resp_") else f"resp_{id_}",
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": fields.get("instructions"),
        "max_output_tokens": fields.get("max_output_tokens"),
        "max_tool_calls": fields.get("max_tool_calls"),
        "model": model or echo.model,
        "output": [],
        "parallel_tool_calls": fields.get("parallel_tool_calls", True),
        "previous_response_id": fields.get("previous_response_id"),
        **({"conversation": fields["conversation"]} if "conversation" in fields else {}),
        "prompt_cache_key": fields.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None, **fields.get("reasoning", {})},
        "safety_identifier": fields.get("safety_identifier"),
        "service_tier": fields.get("service_tier", "default"),
        # What the gateway translates is kept nowhere, unless it keeps it itself.
        "store": fields.get("store", False),
        "temperature": fields.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, **fields.get("text", {})},
        "tool_choice": fields.get("tool_choice", "auto"),
        "tools": fields.get("tools", []),
        "top_logprobs": fields.get("top_logprobs", 0),
        "top_p": fields.get("top_p", 1.0),
        "truncation": fields.get("truncation", "disabled"),
        "usage": None,
        "user": fields.get("user"),
        "metadata": fields.get("metadata", {}),
    }


def reply_metadata(body: dict[str, Any]) -> ProviderMetadata:
    """The fields of a `response` object beyond the canonical ones."""
    memo = {key: value for key, value in body.items() if key not in _CANONICAL and key[:1] != "_"}
    id_ = body.get("id")
    if isinstance(id_, str) and not id_.startswith("resp_"):
        # Not every server's ids begin so, and the client continues a conversation by the id that the server knows.
        memo["_id"] = id_
    status = body.get("status")
    if isinstance(status, str) and status not in _DERIVED_STATUSES:
        memo["_status"] = status
    details = body.get("incomplete_details")
    if isinstance(details, dict) and text(details, "reason", "incomplete_details") not in _LENGTHS:
        memo["_incomplete_details"] = details
    return {NAME: memo} if memo else {}


def created_of(body: dict[str, Any]) -> int | None:
    created = body.get("created_at")
    return int(created) if isinstance(created, int | float) and not isinstance(created, bool) else None


def finish_of(body: dict[str, Any], parts: list[Part]) -> tuple[str | None, str | None]:
    """(canonical reason, the vendor's word); None while the reply is not finished."""
    return finish_by_status(body, called=any(isinstance(part, ToolCallPart) for part in parts))


def finish_by_status(body: dict[str, Any], *, called: bool) -> tuple[str | None, str | None]:
    match body.get("status"):
        case "completed" | None:
            return ("tool_calls" if called else "stop"), "completed"
        case "incomplete":
            details = body.get("incomplete_details")
            reason = details.get("reason") if isinstance(details, dict) else None
            if not isinstance(reason, str):
                return "length", "incomplete"
            return _INCOMPLETE.get(reason, "stop"), reason
        case "failed" | "cancelled" as status:
            return "error", status
        case _:
            return None, None


def status_of(choice: Choice, *, failed: bool = False) -> tuple[str, dict[str, Any] | None]:
    """(`status`, `incomplete_details`) of a finished reply."""
    if failed:
        return "failed", None
    match choice.finish_reason:
        case "length":
            return "incomplete", {"reason": "max_output_tokens"}
        case "content_filter":
            return "incomplete", {"reason": "content_filter"}
        case "refusal" if not any(isinstance(part, RefusalPart) for part in choice.message.content):
            return "incomplete", {"reason": "content_filter"}
        case "error":
            return "failed", None
        case _:
            return "completed", None


def decode_usage(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    counts = Usage(count(value.get("input_tokens")), count(value.get("output_tokens")))
    rest: dict[str, Any] = {}
    if not _USAGE_FIELDS.issuperset(value):
        rest = {key: inner for key, inner in value.items() if key not in _USAGE_FIELDS}
    for key, known in _DETAILS.items():
        details = value.get(key)
        if not isinstance(details, dict):
            continue
        for detail, attribute in known.items():
            if detail in details:
                setattr(counts, attribute, count(details.get(detail)))
        if details.keys() - known.keys():
            rest[key] = {detail: inner for detail, inner in details.items() if detail not in known}
    if rest:
        counts.provider_metadata = {NAME: rest}
    return counts


def encode_usage(usage: Usage | None) -> dict[str, Any] | None:
    """None where nothing is known. The vendor's type wants every counter, so that what else is unknown is 0."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    rest = own(usage)
    written = {
        "input_tokens": usage.input_tokens or 0,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
            **rest.get("input_tokens_details", {}),
        },
        "output_tokens": usage.output_tokens or 0,
        "output_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens or 0,
            **rest.get("output_tokens_details", {}),
        },
        "total_tokens": usage.total_tokens or 0,
    }
    for key, value in rest.items():
        written.setdefault(key, value)
    return written


def tool_of(part: ToolCallPart, echo: ResponsesEcho) -> ToolName:
    """The client's own name and kind of the tool which a call names."""
    known = echo.tool(part.name, part.namespace)
    if known is not None:
        if part.namespace is not None and known.namespace != part.namespace:
            # A deferred tool is declared without a namespace and called with one; the client has to send it back.
            return ToolName(known.name, part.namespace, known.kind)
        return known
    if own(part).get("_type") == "tool_search_call":
        return ToolName("tool_search", None, "tool_search")
    return ToolName(part.name, part.namespace, part.kind)


def encode_call(part: ToolCallPart, tool: ToolName, item_id: str, call_id: str, *, complete: bool) -> dict[str, Any]:
    item: dict[str, Any]
    arguments = part.arguments
    match tool.kind:
        case "tool_search":
            item = {
                "id": item_id,
                "type": "tool_search_call",
                "status": "completed" if complete else "incomplete",
                "execution": "client",
                "call_id": call_id,
                "arguments": _parsed(arguments),
            }
        case "custom":
            item = {"id": item_id, "type": "custom_tool_call", "status": "completed" if complete else "incomplete"}
            item["call_id"] = call_id
            item["input"] = arguments if part.kind == "custom" else unwrap_custom_input(arguments)
            item["name"] = tool.name
        case _:
            item = {"id": item_id, "type": "function_call", "status": "completed" if complete else "incomplete"}
            item["arguments"] = arguments or "{}"
            item["call_id"] = call_id
            item["name"] = tool.name
    if tool.namespace is not None:
        item["namespace"] = tool.namespace
    item.update(own(part).get("_item", {}))
    return item


def image_item(part: MediaPart, item_id: str) -> dict[str, Any]:
    format_ = (part.media_type or "image/png").partition("/")[2]
    item = {
        "id": item_id,
        "type": "image_generation_call",
        "status": "completed",
        "result": part.data,
        "output_format": format_,
    }
    item.update(own(part).get("_item", {}))
    return item


class _OutputWriter:
    """The parts of a message → output items."""

    __slots__ = ("_complete", "_echo", "_items", "_logprobs", "_losses", "_mint")

    def __init__(
        self, echo: ResponsesEcho, mint: Mint, losses: Losses, logprobs: dict[str, Any] | None, *, complete: bool
    ) -> None:
        self._echo = echo
        self._mint = mint
        self._losses = losses
        entries = logprobs.get("content") if logprobs else None
        self._logprobs = encode_logprobs(entries) if isinstance(entries, list) else []
        self._items: list[dict[str, Any]] = []
        self._complete = complete

    def write(self, parts: list[Part]) -> list[dict[str, Any]]:
        cut = list(runs(parts, reply=True))
        for position, run in enumerate(cut):
            self._write(run, complete=self._complete or position < len(cut) - 1)
        if self._logprobs:
            self._losses.dropped("choices[*].logprobs", "of no text")
        return self._items

    def _write(self, run: Run, *, complete: bool) -> None:
        first = run.parts[0]
        match run.kind:
            case "message":
                self._write_message(run, complete=complete)
            case "reasoning":
                self._items.append(self._encode_reasoning(run))
            case "call":
                for part in run.parts:
                    assert isinstance(part, ToolCallPart)
                    self._carry_signature(part, OF_TOOL)
                    tool = tool_of(part, self._echo)
                    item_id = part.item_id or self._mint.id(PREFIXES[tool.kind])
                    call_id = part.id or self._mint.id("call_")
                    self._items.append(encode_call(part, tool, item_id, call_id, complete=complete))
            case "image" if isinstance(first, MediaPart) and first.kind == "image" and first.data is not None:
                self._items.append(image_item(first, first.item_id or self._mint.id("ig_")))
            case "opaque" if isinstance(first, OpaquePart) and first.dialect == NAME:
                if isinstance(data := fold_opaque(first), dict) and first.position == "block":
                    self._items.append(data)
            case _:
                drop_part(first, self._losses)

    def _write_message(self, run: Run, *, complete: bool) -> None:
        first = run.parts[0]
        content = []
        for part in run.parts:
            assert isinstance(part, TextPart | RefusalPart)
            written = encode_output_part(part)
            if isinstance(part, TextPart):
                written["logprobs"] = self._take_logprobs(part.text)
                if len(written["annotations"]) < len(part.citations):
                    self._losses.dropped("choices[*].message.content[*].citations", "sources without URL or file id")
            content.append(written)
        item = {
            "id": first.item_id or self._mint.id("msg_"),
            "type": "message",
            "status": "completed" if complete else "incomplete",
            "content": content,
            "role": "assistant",
        }
        item.update(own(first).get("_item", {}))
        self._items.append(item)
        for part in run.parts:
            self._carry_signature(part, OF_TEXT)

    def _encode_reasoning(self, run: Run) -> dict[str, Any]:
        parts = [part for part in run.parts if isinstance(part, ThinkingPart)]
        first, last = parts[0], parts[-1]
        item: dict[str, Any] = {"id": first.item_id or self._mint.id("rs_"), "type": "reasoning"}
        item["summary"] = [{"type": "summary_text", "text": part.text} for part in parts if part.text and shown(part)]
        content = [{"type": "reasoning_text", "text": part.text} for part in parts if part.text and not shown(part)]
        if content:
            item["content"] = content
        encrypted = wrap_thinking_signature(last) or unsigned_mark(first.item_id)
        if encrypted is not None:
            item["encrypted_content"] = encrypted
        item.update(own(first).get("_item", {}))
        return item

    def _carry_signature(self, part: Part, prefix: str) -> None:
        """A signature without a home here travels as a reasoning item next to its part."""
        if part.signature is None:
            return
        encrypted = wrap_signature(prefix + part.signature, part.signed_by, NAME)
        self._items.append(
            {"id": self._mint.id("rs_"), "type": "reasoning", "summary": [], "encrypted_content": encrypted}
        )

    def _take_logprobs(self, whole: str) -> list[dict[str, Any]]:
        """Those of this text: tokens as long as they spell it."""
        if not self._logprobs:
            return []
        taken, length = 0, 0
        while taken < len(self._logprobs) and length < len(whole):
            token = self._logprobs[taken].get("token")
            length += len(token) if isinstance(token, str) else 0
            taken += 1
        entries, self._logprobs = self._logprobs[:taken], self._logprobs[taken:]
        return entries


def shown(part: ThinkingPart) -> bool:
    """Whether the text goes into `summary`: agents keep that and send it back, but drop raw reasoning.

    So the text of other providers' reasoning, which they may want back, is there too.
    """
    return part.summary or part.item_id is None


def describe(part: Part) -> str:
    if isinstance(part, OpaquePart):
        return str(part.data.get("type", "")) if isinstance(part.data, dict) else "opaque"
    return part.kind if isinstance(part, MediaPart) else type(part).__name__


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


SERVICE_TIERS = frozenset(("auto", "default", "flex", "scale", "priority", "fast", "ultrafast"))
"""What the official readers take; other vendors have other words."""
PREFIXES = {"function": "fc_", "custom": "ctc_", "tool_search": "tsc_"}
_CANONICAL = frozenset(
    (
        "id", "object", "model", "created_at", "output", "usage", "status", "incomplete_details", "error",
        "service_tier",
    )
)  # fmt: skip
_DERIVED_STATUSES = frozenset(("completed", "incomplete", "failed"))
_LENGTHS = frozenset(("max_output_tokens", "content_filter", None))
_INCOMPLETE = {"max_output_tokens": "length", "max_messages": "length", "content_filter": "content_filter"}
_USAGE_FIELDS = frozenset(
    ("input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details")
)
_DETAILS = {
    "input_tokens_details": {"cached_tokens": "cache_read_tokens", "cache_write_tokens": "cache_write_tokens"},
    "output_tokens_details": {"reasoning_tokens": "reasoning_tokens"},
}
