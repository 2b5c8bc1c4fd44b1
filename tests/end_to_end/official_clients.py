"""The official SDKs with one interface: a question in, what they understood of the answer out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from served_gateway import ServedGateway

CLIENTS = ["openai chat", "openai responses", "anthropic"]

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
RED_DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJ"
    "RU5ErkJggg=="
)


@dataclass(slots=True)
class Question:
    """What a client asks, in no API's words."""

    text: str
    system: str = ""
    image: bool = False
    tools: bool = False
    results: list[tuple[str, str, str]] = field(default_factory=list)
    """The model called these: city, and the tool's result; `text` is what was asked before that."""
    model: str = "chat"


@dataclass(slots=True)
class Answer:
    text: str
    calls: list[tuple[str, str, Any]]
    """Identifier, name, decoded arguments."""
    finish: str
    """`stop` or `tools`."""
    input_tokens: int
    output_tokens: int
    pieces: int = 1
    """In how many pieces the text came."""
    thinking: str = ""


def ask(
    gateway: ServedGateway,
    client: str,
    question: Question,
    *,
    stream: bool = False,
    project: str = "",
    key: str = "sk-test",
    headers: dict[str, str] | None = None,
) -> Answer:
    """Asks through the SDK that `client` names."""
    function = {"openai chat": _ask_chat, "openai responses": _ask_responses, "anthropic": _ask_anthropic}[client]
    return function(gateway, question, stream, project, key, headers or {})


def _ask_chat(
    gateway: ServedGateway, question: Question, stream: bool, project: str, key: str, headers: dict[str, str]
) -> Answer:
    content: Any = question.text
    if question.image:
        url = {"url": f"data:image/png;base64,{RED_DOT}"}
        content = [{"type": "text", "text": question.text}, {"type": "image_url", "image_url": url}]
    messages: list[Any] = [{"role": "system", "content": question.system}] if question.system else []
    messages.append({"role": "user", "content": content})
    if question.results:
        calls = [
            {"id": call, "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}}
            for call, city, _ in question.results
        ]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": call, "content": words} for call, _, words in question.results]
    options: dict[str, Any] = {"model": question.model, "messages": messages, "extra_headers": headers}
    if question.tools:
        function = {"name": "weather", "description": "Reports the weather.", "parameters": WEATHER}
        options["tools"] = [{"type": "function", "function": function}]
    completions = gateway.openai(project, api_key=key).chat.completions
    pieces = 1
    if stream:
        with completions.stream(stream_options={"include_usage": True}, **options) as events:
            pieces = sum(event.type == "content.delta" and event.delta != "" for event in events)
            reply: Any = events.get_final_completion()
    else:
        reply = completions.create(**options)
    message = reply.choices[0].message
    return Answer(
        message.content or "",
        [(call.id, call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []],
        {"stop": "stop", "tool_calls": "tools"}[reply.choices[0].finish_reason],
        reply.usage.prompt_tokens,
        reply.usage.completion_tokens,
        pieces,
        getattr(message, "reasoning_content", None) or "",
    )


def _ask_responses(
    gateway: ServedGateway, question: Question, stream: bool, project: str, key: str, headers: dict[str, str]
) -> Answer:
    content: list[Any] = [{"type": "input_text", "text": question.text}]
    if question.image:
        content.append({"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{RED_DOT}"})
    items: list[Any] = [{"role": "user", "content": content}]
    for call, city, _ in question.results:
        called = {"type": "function_call", "call_id": call, "name": "weather", "arguments": json.dumps({"city": city})}
        items.append(called)
    items += [{"type": "function_call_output", "call_id": call, "output": words} for call, _, words in question.results]
    options: dict[str, Any] = {"model": question.model, "input": items, "extra_headers": headers, "store": False}
    if question.system:
        options["instructions"] = question.system
    if question.tools:
        function = {"name": "weather", "description": "Reports the weather.", "parameters": WEATHER, "strict": True}
        options["tools"] = [{"type": "function", **function}]
    responses = gateway.openai(project, api_key=key).responses
    pieces = 1
    if stream:
        with responses.stream(**options) as events:
            pieces = sum(event.type == "response.output_text.delta" for event in events)
            reply: Any = events.get_final_response()
    else:
        reply = responses.create(**options)
    calls = [
        (item.call_id, item.name, json.loads(item.arguments)) for item in reply.output if item.type == "function_call"
    ]
    assert reply.status == "completed"
    thoughts = [summary.text for item in reply.output if item.type == "reasoning" for summary in item.summary]
    usage = reply.usage
    finish = "tools" if calls else "stop"
    return Answer(reply.output_text, calls, finish, usage.input_tokens, usage.output_tokens, pieces, " ".join(thoughts))


def _ask_anthropic(
    gateway: ServedGateway, question: Question, stream: bool, project: str, key: str, headers: dict[str, str]
) -> Answer:
    content: list[Any] = [{"type": "text", "text": question.text}]
    if question.image:
        content.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": RED_DOT}})
    messages: list[Any] = [{"role": "user", "content": content}]
    if question.results:
        used = [
            {"type": "tool_use", "id": call, "name": "weather", "input": {"city": city}}
            for call, city, _ in question.results
        ]
        words = [{"type": "tool_result", "tool_use_id": call, "content": text} for call, _, text in question.results]
        messages += [{"role": "assistant", "content": used}, {"role": "user", "content": words}]
    options: dict[str, Any] = {
        "model": question.model,
        "messages": messages,
        "max_tokens": 200,
        "extra_headers": headers,
    }
    if question.system:
        options["system"] = question.system
    if question.tools:
        options["tools"] = [{"name": "weather", "description": "Reports the weather.", "input_schema": WEATHER}]
    client = gateway.anthropic(project, api_key=key).messages
    pieces = 1
    if stream:
        with client.stream(**options) as events:
            pieces = sum(event.type == "text" for event in events)
            reply: Any = events.get_final_message()
    else:
        reply = client.create(**options)
    return Answer(
        "".join(block.text for block in reply.content if block.type == "text"),
        [(block.id, block.name, block.input) for block in reply.content if block.type == "tool_use"],
        {"end_turn": "stop", "tool_use": "tools"}[reply.stop_reason],
        reply.usage.input_tokens,
        reply.usage.output_tokens,
        pieces,
        "".join(block.thinking for block in reply.content if block.type == "thinking"),
    )
