"""The features of requests and replies that docs/losses.md lists: how each is asked for, and how it is found again."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from llm_gateway_sdk import (
    Choice,
    Dialect,
    LLMRequest,
    LLMResponse,
    Message,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    Usage,
)
from llm_gateway_sdk.losses import Loss
from llm_gateway_sdk.parts import CacheHint, Citation, MediaPart, RefusalPart, ToolResultPart
from llm_gateway_sdk.request import OpaqueTool, Reasoning, ResponseFormat
from llm_gateway_sdk.wire import json

DIALECTS = ("openai_chat", "openai_responses", "anthropic", "gemini", "bedrock")
TITLES = {
    "openai_chat": "Chat Completions",
    "openai_responses": "Responses",
    "anthropic": "Messages",
    "gemini": "Gemini",
    "bedrock": "Bedrock Converse",
}
MODELS = {
    "openai_chat": "gpt-5.1",
    "openai_responses": "gpt-5.1",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-3-pro",
    "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0",
}
PDF = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()
WAV = base64.b64encode(b"RIFF$\x00\x00\x00WAVEfmt ").decode()
MP4 = base64.b64encode(b"\x00\x00\x00\x18ftypmp42").decode()
UNTHINKING = {**MODELS, "openai_chat": "gpt-4.1", "openai_responses": "gpt-4.1"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
DATA = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PROOF = "c2lnbmF0dXJl"


@dataclass(frozen=True)
class Asked:
    """A feature of requests. `say` puts it into a plain request, `read` finds it in one."""

    name: str
    say: Callable[[LLMRequest, str], None]
    """Is given the sender's name, for what only the sender itself issues."""
    read: Callable[[LLMRequest], Any]
    unthinking: bool = False
    """It is for models that do not think."""
    apart: str = ""
    """Losses of a field of this name are another feature's."""


@dataclass(frozen=True)
class Replied:
    """A feature of replies."""

    name: str
    say: Callable[[LLMResponse, str], None]
    read: Callable[[LLMResponse], Any]
    clients: tuple[str, ...] = DIALECTS
    """Whose requests can bring it about at all."""
    aside: bool = False
    """It may be left out unreported: the reply is the same without it."""
    written_as: bool = False
    """A word of a closed set: the receiver's own may be another."""


@dataclass(frozen=True)
class Crossing:
    """What becomes of a feature on its way. `outcome`: kept, converted, clamped, dropped, refused, left out, `as WORD`;
    `""` where the sender's API can't say it; `unreported` where it changed and no header names it."""

    outcome: str
    losses: tuple[Loss, ...] = ()
    detail: str = field(default="", compare=False)


@cache
def dialects() -> dict[str, Dialect]:
    """The installed ones, by name."""
    return {entry.name: entry.load()() for entry in entry_points(group="llm_gateway.dialects")}


# Ways to read a feature.


def parts_of(kind: type, *fields: str) -> Callable[[Any], Any]:
    """The fields of each part of a kind, wherever it is, tool results included."""

    def read(came: Any) -> Any:
        messages = came.messages if isinstance(came, LLMRequest) else [choice.message for choice in came.choices]
        found = []
        for message in messages:
            for part in message.content:
                inner = part.content if isinstance(part, ToolResultPart) else []
                found += [
                    tuple(_plain(getattr(item, name)) for name in fields)
                    for item in (part, *inner)
                    if isinstance(item, kind)
                ]
        return found

    return read


def _plain(value: Any) -> Any:
    if isinstance(value, CacheHint):
        return value.ttl
    if isinstance(value, str) and value.startswith("gw1."):
        # A signature on its way through a client that only carries it.
        return value.rpartition(".")[2]
    if isinstance(value, list) and value and isinstance(value[0], Citation):
        return [(item.url, item.title) for item in value]
    return value


def documents(decoded: Any) -> Any:
    found = parts_of(MediaPart, "kind", "text", "data")(decoded)
    return [(kind, text or (base64.b64decode(data).decode() if data else None)) for kind, text, data in found]


def tier(request: LLMRequest) -> Any:
    return request.service_tier or request.provider_metadata.get("gemini", {}).get("serviceTier")


def arguments(decoded: Any) -> Any:
    """Calls with their arguments as values where they are JSON."""
    return [(name, _json(text)) for name, text in parts_of(ToolCallPart, "name", "arguments")(decoded)]


def _json(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


def field_of(name: str) -> Callable[[Any], Any]:
    return lambda decoded: getattr(decoded, name)


def texts(decoded: Any) -> Any:
    return [text for (text,) in parts_of(TextPart, "text")(decoded) if text]


def joined_text(decoded: Any) -> Any:
    return "".join(texts(decoded))


def roles(request: LLMRequest) -> Any:
    return [message.role for message in request.messages if message.content]


def tool_of(*fields: str) -> Callable[[LLMRequest], Any]:
    return lambda request: [
        tuple(_plain(getattr(tool, name)) for name in fields) for tool in request.tools if isinstance(tool, Tool)
    ]


def choice_of(request: LLMRequest) -> Any:
    choice = request.tool_choice
    return choice and (choice.mode, choice.name, sorted(choice.names))


def usage_of(name: str) -> Callable[[LLMResponse], Any]:
    return lambda response: response.usage and getattr(response.usage, name)


def has_cache(request: LLMRequest) -> Any:
    marks = parts_of(TextPart, "cache")(request)
    return [mark for (mark,) in marks if mark], any(
        part.cache is not None for message in request.messages for part in message.content
    )


# Ways to say one.


def asks(*content: Any, role: str = "user") -> Callable[[LLMRequest, str], None]:
    def say(request: LLMRequest, sender: str) -> None:
        request.messages.append(Message(role, list(content)))

    return say


def sets(**values: Any) -> Callable[[LLMRequest, str], None]:
    def say(request: LLMRequest, sender: str) -> None:
        for name, value in values.items():
            setattr(request, name, value)

    return say


def calls(*made: ToolCallPart, results: list[ToolResultPart] | None = None, before: Any = None) -> Any:
    def say(request: LLMRequest, sender: str) -> None:
        request.tools = [Tool("weather", "The weather of a city.", SCHEMA)]
        content: list[Any] = list(before(sender)) if before else []
        request.messages.append(Message("assistant", [*content, *made]))
        answers = results or [ToolResultPart(call.id, [TextPart("rain")], kind=call.kind) for call in made]
        request.messages += [Message("tool", [answer]) for answer in answers]

    return say


def tools(*offered: Any, **values: Any) -> Callable[[LLMRequest, str], None]:
    def say(request: LLMRequest, sender: str) -> None:
        request.tools = [tool(sender) if callable(tool) else tool for tool in offered]
        for name, value in values.items():
            setattr(request, name, value)

    return say


def call(number: int = 0, given: str = '{"city": "Paris"}', **more: Any) -> ToolCallPart:
    return ToolCallPart(f"call_{number}", "weather", given, **more)


def signed(sender: str) -> list[Any]:
    return [ThinkingPart("hm", signature=PROOF, signed_by=sender)]


WEATHER = Tool("weather", "The weather of a city.", SCHEMA)
CUSTOM = Tool("patch", "Applies a patch.", kind="custom")
_GRAMMAR = Tool(
    "patch", kind="custom", format={"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}
)  # fmt: skip
_VENDOR: dict[str, dict[str, Any]] = {
    "openai_chat": {"type": "web_search"},
    "openai_responses": {"type": "web_search"},
    "anthropic": {"type": "web_search_20250305", "name": "web_search"},
    "gemini": {"googleSearch": {}},
    "bedrock": {"systemTool": {"name": "nova_grounding"}},
}
_RESULT = ToolResultPart("call_0", [TextPart("rain")])
_JSON_SCHEMA = ResponseFormat("json_schema", SCHEMA, "answer", strict=True)

REQUESTS: tuple[tuple[str, tuple[Asked, ...]], ...] = (
    (
        "Conversation",
        (
            Asked(
                "system prompt",
                lambda r, s: r.messages.insert(0, Message("system", [TextPart("Be brief.")])),
                lambda r: r.system,
            ),
            Asked(
                "system text within the conversation",
                lambda r, s: r.messages.extend(
                    Message(role, [TextPart(text)])
                    for role, text in (("assistant", "Hi."), ("user", "And?"), ("system", "Now in French."))
                ),
                lambda r: ["system" if role == "developer" else role for role in roles(r)],
            ),
            Asked("several texts in one message", asks(TextPart("one"), TextPart("two")), texts),
            Asked(
                "name of a message's author",
                lambda r, s: r.messages.append(Message("user", [TextPart("I am Ann.")], name="ann")),
                lambda r: [message.name for message in r.messages if message.name],
            ),
            Asked(
                "refusal of an earlier turn", asks(RefusalPart("No."), role="assistant"), parts_of(RefusalPart, "text")
            ),
        ),
    ),
    (
        "Media",
        (
            Asked("image", asks(MediaPart("image", "image/png", data=DATA)), parts_of(MediaPart, "kind", "data")),
            Asked("image by URL", asks(MediaPart("image", url="https://x.org/a.png")), parts_of(MediaPart, "url")),
            Asked("image by file id", asks(MediaPart("image", file_id="file_1")), parts_of(MediaPart, "file_id")),
            Asked(
                "detail of an image",
                asks(MediaPart("image", "image/png", data=DATA, detail="high")),
                parts_of(MediaPart, "detail"),
            ),
            Asked(
                "PDF",
                asks(MediaPart("document", "application/pdf", data=PDF)),
                parts_of(MediaPart, "kind", "data"),
                apart="filename",
            ),
            Asked(
                "name of a document",
                asks(MediaPart("document", "application/pdf", data=PDF, name="a.pdf")),
                parts_of(MediaPart, "name"),
            ),
            Asked("PDF by URL", asks(MediaPart("document", url="https://x.org/a.pdf")), parts_of(MediaPart, "url")),
            Asked(
                "document of plain text",
                asks(MediaPart("document", "text/plain", text="Hello.")),
                documents,
                apart="filename",
            ),
            Asked("audio", asks(MediaPart("audio", "audio/wav", data=WAV)), parts_of(MediaPart, "kind", "data")),
            Asked("video", asks(MediaPart("video", "video/mp4", data=MP4)), parts_of(MediaPart, "kind", "data")),
        ),
    ),
    (
        "Tools",
        (
            Asked("tool with schema", tools(WEATHER), tool_of("name", "description", "parameters")),
            Asked("`strict` of a tool", tools(Tool("weather", None, SCHEMA, True)), tool_of("strict")),
            Asked("tool of free text", tools(CUSTOM), tool_of("name", "kind")),
            Asked("grammar of such a tool", tools(_GRAMMAR), tool_of("format")),
            Asked(
                "the vendor's own tools",
                tools(WEATHER, lambda sender: OpaqueTool(sender, _VENDOR[sender])),
                lambda r: sum(isinstance(tool, OpaqueTool) for tool in r.tools),
            ),
            Asked("tool choice: none", tools(WEATHER, tool_choice=ToolChoice("none")), choice_of),
            Asked("tool choice: any", tools(WEATHER, tool_choice=ToolChoice("required")), choice_of),
            Asked("tool choice: one", tools(WEATHER, tool_choice=ToolChoice("tool", "weather")), choice_of),
            Asked(
                "tool choice: one of some",
                tools(
                    WEATHER,
                    Tool("look", None, SCHEMA),
                    Tool("go", None, SCHEMA),
                    tool_choice=ToolChoice("allowed", names=["weather", "look"], allowed_mode="required"),
                ),
                choice_of,
            ),
            Asked("one call at a time", tools(WEATHER, parallel_tool_calls=False), field_of("parallel_tool_calls")),
            Asked("tool call and result", calls(call()), arguments),
            Asked("parallel calls", calls(call(0), call(1, '{"city": "Oslo"}')), arguments),
            Asked("call with invalid JSON", calls(call(0, '{"city": ')), arguments),
            Asked(
                "failed tool",
                calls(call(), results=[ToolResultPart("call_0", [TextPart("no")], True)]),
                parts_of(ToolResultPart, "is_error"),
            ),
            Asked(
                "image in a tool's result",
                calls(
                    call(),
                    results=[ToolResultPart("call_0", [TextPart("see"), MediaPart("image", "image/png", data=DATA)])],
                ),
                parts_of(MediaPart, "kind", "data"),
            ),
        ),
    ),
    (
        "Thinking",
        (
            Asked(
                "effort",
                sets(reasoning=Reasoning(effort="high"), max_tokens=32000),
                lambda r: r.reasoning and r.reasoning.effort,
            ),
            Asked(
                "budget in tokens",
                sets(reasoning=Reasoning(budget_tokens=2048, enabled=True, mode="enabled"), max_tokens=32000),
                lambda r: r.reasoning and r.reasoning.budget_tokens,
            ),
            Asked(
                "signed by the sender's provider",
                calls(call(), before=signed),
                lambda r: [
                    (part.text, part.signature)
                    for message in r.messages
                    for part in message.content
                    if isinstance(part, ThinkingPart)
                ],
            ),
            Asked(
                "redacted",
                calls(call(), before=lambda sender: [ThinkingPart(redacted=PROOF, signed_by=sender)]),
                parts_of(ThinkingPart, "redacted"),
            ),
            Asked(
                "unsigned",
                calls(call(), before=lambda sender: [ThinkingPart("hm")]),
                parts_of(ThinkingPart, "text"),
            ),
        ),
    ),
    (
        "Settings",
        (
            Asked("`max_tokens`", sets(max_tokens=100), field_of("max_tokens")),
            Asked("temperature up to 1", sets(temperature=0.5), field_of("temperature"), unthinking=True),
            Asked("temperature above 1", sets(temperature=1.5), field_of("temperature"), unthinking=True),
            Asked("`top_p`", sets(top_p=0.5), field_of("top_p"), unthinking=True),
            Asked("`top_k`", sets(top_k=5), field_of("top_k"), unthinking=True),
            Asked("stop sequences", sets(stop=["END"]), field_of("stop")),
            Asked("more than four of them", sets(stop=["A", "B", "C", "D", "E"]), field_of("stop")),
            Asked("seed", sets(seed=7), field_of("seed")),
            Asked("several answers (`n`)", sets(n=2), field_of("n")),
            Asked("frequency penalty", sets(frequency_penalty=0.5), field_of("frequency_penalty"), unthinking=True),
            Asked("presence penalty", sets(presence_penalty=0.5), field_of("presence_penalty"), unthinking=True),
            Asked("log probabilities", sets(logprobs=True, top_logprobs=2), field_of("top_logprobs"), unthinking=True),
            Asked(
                "any JSON as answer",
                sets(response_format=ResponseFormat("json_object")),
                lambda r: r.response_format and r.response_format.kind,
            ),
            Asked(
                "JSON by a schema",
                sets(response_format=_JSON_SCHEMA),
                lambda r: r.response_format and (r.response_format.kind, r.response_format.schema),
            ),
            Asked("verbosity", sets(verbosity="low"), field_of("verbosity")),
            Asked("end user's id", sets(user="user-1"), field_of("user")),
            Asked("metadata", sets(metadata={"team": "a"}), field_of("metadata")),
            Asked("service tier", sets(service_tier="priority"), tier),
            Asked("store", sets(store=True), field_of("store")),
        ),
    ),
    (
        "Caching",
        (
            Asked("mark on a text", asks(TextPart("long", cache=CacheHint())), lambda r: has_cache(r)[1]),
            Asked("its lifetime", asks(TextPart("long", cache=CacheHint("1h"))), lambda r: has_cache(r)[0]),
            Asked(
                "mark on a tool",
                tools(Tool("weather", None, SCHEMA, cache=CacheHint())),
                lambda r: [tool.cache is not None for tool in r.tools],
            ),
            Asked("mark on the request", sets(cache=CacheHint()), lambda r: r.cache is not None),
            Asked("cache key", sets(cache_key="k"), field_of("cache_key")),
        ),
    ),
)


def replies(*content: Any, finish: str | None = None, **choice: Any) -> Callable[[LLMResponse, str], None]:
    def say(response: LLMResponse, sender: str) -> None:
        made = [part(sender) if callable(part) else part for part in content]
        for number, part in enumerate(made):
            part.index = number
        message = Message("assistant", made)
        ends = finish or ("tool_calls" if any(isinstance(part, ToolCallPart) for part in made) else "stop")
        response.choices = [Choice(0, message, ends, **choice)]

    return say


def finishes(reason: str) -> Replied:
    say = replies(TextPart("x"), finish=reason)
    return Replied(f"finish: {reason}", say, field_of("finish_reason"), written_as=True)


def counts(name: str, **values: int) -> Replied:
    def say(response: LLMResponse, sender: str) -> None:
        response.usage = Usage(**{"input_tokens": 20, "output_tokens": 10, **values})

    aside = next(iter(values)) in ("cache_write_tokens", "reasoning_tokens")
    return Replied(name, say, usage_of(next(iter(values))), aside=aside)


_LOGPROBS = {"content": [{"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}], "refusal": None}

REPLIES: tuple[tuple[str, tuple[Replied, ...]], ...] = (
    (
        "Content",
        (
            Replied("text", replies(TextPart("Hello.")), joined_text),
            Replied("tool call", replies(call()), arguments),
            Replied("text and parallel calls", replies(TextPart("so"), call(0), call(1)), arguments),
            Replied("call with invalid JSON", replies(call(0, '{"city": ')), arguments),
            Replied(
                "call of free text",
                replies(ToolCallPart("call_0", "patch", "free text", "custom")),
                parts_of(ToolCallPart, "arguments"),
                clients=("openai_chat", "openai_responses"),
            ),
            Replied("thinking", replies(ThinkingPart("hm"), TextPart("x")), parts_of(ThinkingPart, "text")),
            Replied(
                "signed thinking",
                replies(lambda s: ThinkingPart("hm", signature=PROOF, signed_by=s), TextPart("x")),
                parts_of(ThinkingPart, "text", "signature"),
            ),
            Replied(
                "redacted thinking",
                replies(lambda s: ThinkingPart(redacted=PROOF, signed_by=s), TextPart("x")),
                parts_of(ThinkingPart, "redacted"),
            ),
            Replied("refusal", replies(RefusalPart("No."), finish="refusal"), lambda r: r.message.refusal or r.text),
            Replied(
                "citation of a page",
                replies(TextPart("x", [Citation("url", "https://x.org", "X", start=0, end=1)])),
                parts_of(TextPart, "citations"),
            ),
            Replied("image", replies(MediaPart("image", "image/png", data=DATA)), parts_of(MediaPart, "kind", "data")),
            Replied(
                "several answers",
                lambda r, s: setattr(
                    r, "choices", [Choice(n, Message("assistant", [TextPart("x", index=0)]), "stop") for n in (0, 1)]
                ),
                lambda r: len(r.choices),
                clients=("openai_chat", "gemini"),
            ),
            Replied(
                "log probabilities",
                replies(TextPart("x"), logprobs=_LOGPROBS),
                lambda r: bool(r.choices and r.choices[0].logprobs),
                clients=("openai_chat", "openai_responses", "gemini"),
            ),
        ),
    ),
    (
        "Ends",
        (
            *(finishes(reason) for reason in ("stop", "length", "content_filter", "pause")),
            Replied("finish: tool_calls", replies(call()), field_of("finish_reason")),
            Replied(
                "the stop sequence met",
                replies(TextPart("x"), stop_sequence="END"),
                lambda r: r.choices and r.choices[0].stop_sequence,
                aside=True,
            ),
        ),
    ),
    (
        "Usage",
        (
            counts("input tokens", input_tokens=20),
            counts("output tokens", output_tokens=10),
            counts("read from cache", cache_read_tokens=4),
            counts("written to cache", cache_write_tokens=3),
            counts("thinking tokens", reasoning_tokens=5),
        ),
    ),
)
