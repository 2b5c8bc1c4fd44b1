"""A person's program with each vendor's official client: it keeps the conversation as that client's documents show.

Each has `say` for a user's turn, `give` for the results of calls, and `ask`, which sends the conversation to a model
and appends what came. A program that gives up on an answer sends the same conversation again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from google import genai
from google.genai import types
from served_gateway import ServedGateway

__all__ = ["PICTURE", "TALKERS", "Heard", "Result", "Talker"]

PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"picture").decode()
SYSTEM = "Be brief and precise."
MAX_TOKENS = 4000
_PLACE = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
_REFERS = {
    "type": "object",
    "properties": {"place": {"$ref": "#/$defs/Place", "description": "where"}},
    "$defs": {"Place": {"type": "string"}},
}
_BARE = {"type": "object"}
_LONG = "mcp__a_server_with_a_long_name_of_its_own__and_a_tool_with_a_long_name_as_well__v2"


@dataclass(slots=True)
class Heard:
    """What the program saw of one answer."""

    text: str = ""
    thinking: str = ""
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """Identifier, name, arguments."""


@dataclass(slots=True)
class Result:
    identity: str
    name: str
    text: str
    picture: bool = False
    failed: bool = False


class Talker(Protocol):
    tools: dict[str, dict[str, Any]]
    """Schemas by name: the oddest that this client's own vendor takes."""

    def say(self, text: str, *, picture: bool = False) -> None: ...

    def give(self, results: list[Result], words: str = "") -> None: ...

    def ask(self, model: str, *, streamed: bool, thinking: bool) -> Heard: ...


class ChatTalker:
    """Appends the message as it came, with the fields that the SDK does not know."""

    tools = {"look": _PLACE, _LONG[:64]: _REFERS, "now": {**_BARE, "properties": {}}}

    def __init__(self, gateway: ServedGateway) -> None:
        self.client = gateway.openai()
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]

    def say(self, text: str, *, picture: bool = False) -> None:
        parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
        if picture:
            parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}})
        self.messages.append({"role": "user", "content": parts if picture else text})

    def give(self, results: list[Result], words: str = "") -> None:
        for result in results:
            self.messages.append({"role": "tool", "tool_call_id": result.identity, "content": result.text})
        if words:
            self.messages.append({"role": "user", "content": words})

    def ask(self, model: str, *, streamed: bool, thinking: bool) -> Heard:
        asked: dict[str, Any] = {
            "model": model,
            "messages": self.messages,
            "max_completion_tokens": MAX_TOKENS,
            "tools": [{"type": "function", "function": {"name": n, "parameters": s}} for n, s in self.tools.items()],
            **({"reasoning_effort": "low"} if thinking else {}),
        }
        if streamed:
            with self.client.chat.completions.create(stream=True, **asked) as chunks:
                message = joined(chunks)
        else:
            answered = self.client.chat.completions.create(**asked).choices[0].message
            message = answered.model_dump(exclude_none=True)
        self.messages.append(self.kept(message))
        calls = [
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"] or "{}"))
            for call in message.get("tool_calls", ())
        ]
        words = message.get("content") or message.get("refusal") or ""
        return Heard(words, message.get("reasoning_content", ""), calls)

    def kept(self, message: dict[str, Any]) -> dict[str, Any]:
        return message


class BareChatTalker(ChatTalker):
    """Keeps only what OpenAI's documents name: neither reasoning nor its signatures."""

    def kept(self, message: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {"role": "assistant", "content": message.get("content") or message.get("refusal")}
        if message.get("tool_calls"):
            own = ("id", "type", "function")
            kept["tool_calls"] = [{key: call[key] for key in own} for call in message["tool_calls"]]
            for call in kept["tool_calls"]:
                call["function"] = {key: call["function"][key] for key in ("name", "arguments")}
        return kept


def joined(chunks: Any) -> dict[str, Any]:
    """The message of a stream, as programs join its chunks: texts are put together, lists appended to."""
    message: dict[str, Any] = {"role": "assistant"}
    calls: dict[int, dict[str, Any]] = {}
    ended = False
    for chunk in chunks:
        for choice in chunk.choices:
            ended = ended or choice.finish_reason is not None
            for key, value in choice.delta.model_dump(exclude_none=True).items():
                if key == "tool_calls":
                    for piece in value:
                        call = calls.setdefault(piece.pop("index"), {"function": {}})
                        for name, text in piece.pop("function", {}).items():
                            call["function"][name] = call["function"].get(name, "") + text
                        call.update(piece)
                elif key != "role":
                    message[key] = message[key] + value if key in message else value
    if not ended:
        raise ConnectionError("the stream has no last chunk")
    if calls:
        message["tool_calls"] = list(calls.values())
    return message


def without_parsed(node: Any) -> Any:
    """What the SDK's streaming helpers add to items for their callers alone."""
    if isinstance(node, dict):
        drop = ("parsed", "parsed_arguments")
        return {key: without_parsed(value) for key, value in node.items() if key not in drop}
    if isinstance(node, list):
        return [without_parsed(inner) for inner in node]
    return node


class ResponsesTalker:
    """Keeps all items itself, and asks for encrypted reasoning."""

    tools = ChatTalker.tools

    def __init__(self, gateway: ServedGateway) -> None:
        self.client = gateway.openai()
        self.items: list[Any] = []

    def say(self, text: str, *, picture: bool = False) -> None:
        parts: list[dict[str, Any]] = [{"type": "input_text", "text": text}]
        if picture:
            parts.append({"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}", "detail": "auto"})
        self.items.append({"role": "user", "content": parts})

    def give(self, results: list[Result], words: str = "") -> None:
        for result in results:
            output: Any = result.text
            if result.picture:
                url = f"data:image/png;base64,{PICTURE}"
                output = [{"type": "input_text", "text": result.text}, {"type": "input_image", "image_url": url}]
            self.items.append({"type": "function_call_output", "call_id": result.identity, "output": output})
        if words:
            self.say(words)

    def ask(self, model: str, *, streamed: bool, thinking: bool) -> Heard:
        response = self.response(model, streamed=streamed, thinking=thinking)
        self.items += [without_parsed(item.model_dump(exclude_none=True)) for item in response.output]
        heard = Heard()
        for item in response.output:
            if item.type == "message":
                heard.text += "".join(
                    getattr(part, "text", "") or getattr(part, "refusal", "") for part in item.content
                )
            elif item.type == "reasoning":
                heard.thinking += "".join(part.text for part in item.summary)
            elif item.type == "function_call":
                heard.calls.append((item.call_id, item.name, json.loads(item.arguments or "{}")))
        return heard

    def response(self, model: str, *, streamed: bool, thinking: bool) -> Any:
        asked: dict[str, Any] = {
            "model": model,
            "instructions": SYSTEM,
            "input": self.items,
            "max_output_tokens": MAX_TOKENS,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "tools": [{"type": "function", "name": n, "parameters": s, "strict": False} for n, s in self.tools.items()],
            **({"reasoning": {"effort": "low", "summary": "auto"}} if thinking else {}),
        }
        if not streamed:
            return self.client.responses.create(**asked)
        with self.client.responses.stream(**asked) as stream:
            last = [event for event in stream if event.type in ("response.completed", "response.incomplete")]
        if not last:
            raise ConnectionError("the stream has no last event")
        return last[-1].response


class MessagesTalker:
    """Marks its last turn for the cache, as agents do."""

    tools = {"look": _PLACE, _LONG: _REFERS, "3d": {**_BARE, "properties": {}}}

    def __init__(self, gateway: ServedGateway) -> None:
        self.client = gateway.anthropic()
        self.messages: list[dict[str, Any]] = []

    def say(self, text: str, *, picture: bool = False) -> None:
        blocks: list[dict[str, Any]] = [{"type": "text", "text": text}]
        if picture:
            blocks.insert(0, {"type": "image", "source": source_of_picture()})
        self.messages.append({"role": "user", "content": blocks})

    def give(self, results: list[Result], words: str = "") -> None:
        blocks: list[dict[str, Any]] = []
        for result in results:
            content: list[dict[str, Any]] = [{"type": "text", "text": result.text}]
            if result.picture:
                content.append({"type": "image", "source": source_of_picture()})
            block = {"type": "tool_result", "tool_use_id": result.identity, "content": content}
            blocks.append({**block, "is_error": True} if result.failed else block)
        if words:
            blocks.append({"type": "text", "text": words})
        self.messages.append({"role": "user", "content": blocks})

    def ask(self, model: str, *, streamed: bool, thinking: bool) -> Heard:
        for message in self.messages:
            for block in message["content"]:
                block.pop("cache_control", None)
        self.messages[-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}
        asked: dict[str, Any] = {
            "model": model,
            "system": [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}],
            "messages": self.messages,
            "max_tokens": MAX_TOKENS,
            "tools": [{"name": name, "input_schema": schema} for name, schema in self.tools.items()],
        }
        if thinking:
            newest = model == "anthropic-newest"
            asked["thinking"] = {"type": "adaptive"} if newest else {"type": "enabled", "budget_tokens": 2000}
        if streamed:
            with self.client.messages.stream(**asked) as stream:
                message = stream.get_final_message()
        else:
            message = self.client.messages.create(**asked)
        if message.content:
            self.messages.append(
                {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]}
            )
        heard = Heard()
        for block in message.content:
            if block.type == "text":
                heard.text += block.text
            elif block.type == "thinking":
                heard.thinking += block.thinking
            elif block.type == "tool_use":
                heard.calls.append((block.id, block.name, dict(block.input)))
        return heard


def source_of_picture() -> dict[str, Any]:
    return {"type": "base64", "media_type": "image/png", "data": PICTURE}


class GeminiTalker:
    """Appends the content of each chunk as it came."""

    tools = {"look": _PLACE, "fs.read:file": _PLACE, _LONG: {**_BARE, "properties": {}}}

    def __init__(self, gateway: ServedGateway) -> None:
        retries = types.HttpRetryOptions(attempts=1)
        options = types.HttpOptions(base_url=f"{gateway.url}/gemini", retry_options=retries, timeout=20_000)
        self.client = gateway.closes(genai.Client(api_key="sk-test", http_options=options))
        self.contents: list[types.Content] = []

    def say(self, text: str, *, picture: bool = False) -> None:
        parts = [types.Part(text=text)]
        if picture:
            parts.append(types.Part.from_bytes(data=base64.b64decode(PICTURE), mime_type="image/png"))
        self.contents.append(types.Content(role="user", parts=parts))

    def give(self, results: list[Result], words: str = "") -> None:
        parts = []
        for result in results:
            response = {"error" if result.failed else "output": result.text}
            part = types.Part.from_function_response(name=result.name, response=response)
            assert part.function_response is not None
            part.function_response.id = result.identity or None
            parts.append(part)
        if words:
            parts.append(types.Part(text=words))
        self.contents.append(types.Content(role="user", parts=parts))

    def ask(self, model: str, *, streamed: bool, thinking: bool) -> Heard:
        declared = [
            types.FunctionDeclaration(name=name, parameters_json_schema=schema) for name, schema in self.tools.items()
        ]
        config = types.GenerateContentConfig(
            system_instruction=SYSTEM,
            tools=[types.Tool(function_declarations=declared)],
            max_output_tokens=MAX_TOKENS,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            thinking_config=types.ThinkingConfig(include_thoughts=True) if thinking else None,
        )
        contents: Any = self.contents
        if streamed:
            replies = list(self.client.models.generate_content_stream(model=model, contents=contents, config=config))
        else:
            replies = [self.client.models.generate_content(model=model, contents=contents, config=config)]
        came = [c.content for r in replies for c in r.candidates or () if c.content is not None and c.content.parts]
        if streamed and not any(c.finish_reason for r in replies for c in r.candidates or ()):
            raise ConnectionError("the stream has no last chunk")
        self.contents += came
        return _heard(part for content in came for part in content.parts or ())


def _heard(parts: Iterator[types.Part]) -> Heard:
    heard = Heard()
    for part in parts:
        if part.function_call is not None:
            call = part.function_call
            heard.calls.append((call.id or "", call.name or "", dict(call.args or {})))
        elif part.thought:
            heard.thinking += part.text or ""
        else:
            heard.text += part.text or ""
    return heard


TALKERS: dict[str, type[Any]] = {
    "chat": ChatTalker,
    "chat-bare": BareChatTalker,
    "responses": ResponsesTalker,
    "messages": MessagesTalker,
    "gemini": GeminiTalker,
}
