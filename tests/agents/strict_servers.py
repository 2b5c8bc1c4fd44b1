"""Servers of five vendors that refuse what the real ones refuse.

They answer with the next `Script` that the test put into `answers`, and sign what they think: each signature is new,
and has to come back as it was given, to its maker alone. Whatever a rule refuses gets status 400 in the vendor's own
shape, and is noted in `refusals`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from five_apis import FiveApis, Received, send, send_stream, streamed_reply, tool_names, whole_reply
from rules_anthropic import check_messages
from rules_bedrock import check_converse
from rules_gemini import check_generate
from rules_openai import check_chat, check_responses
from scripted_upstream import Script
from strictness import Issued, Refused

__all__ = ["MODELS", "Arrived", "StrictServers", "dialect_of", "models"]

_REASONING = frozenset({"reasoning_content", "reasoning", "reasoning_details"})
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "chat": ("openai", "gpt-4.1", {"api": "chat", "quirks": {"noReasoningHistory": True}}),
    "responses": ("openai", "gpt-5.6", {"api": "responses"}),
    "anthropic": ("anthropic", "claude-sonnet-4-5", {}),
    "anthropic-newest": ("anthropic", "claude-opus-5-5", {}),
    "gemini": ("gemini", "gemini-3-pro", {}),
    "bedrock": ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"region": "eu-central-1"}),
    "deepseek": ("deepseek", "deepseek-chat", {}),
    "mistral": ("mistral", "mistral-large", {}),
    "vllm": ("vllm", "qwen", {}),
}
"""Type, upstream model and settings by the name under which the gateway serves it."""
_PATHS = {"gemini": "/v1beta", "anthropic": "", "bedrock": ""}


def models(url: str, **settings: Any) -> list[dict[str, Any]]:
    """These models for a gateway's configuration; the address of each begins with its name."""
    described = []
    for name, (kind, model, more) in MODELS.items():
        config = {"apiKey": "sk-upstream", "retryAttempts": 1, "model": model, **more, **settings}
        config["baseUrl"] = f"{url}/{name}{_PATHS.get(kind, '/v1')}"
        described.append({"name": name, "provider": {"type": kind, "config": config}})
    return described


@dataclass(slots=True)
class Arrived:
    """One request that a vendor took."""

    server: str
    body: dict[str, Any]


class StrictServers(FiveApis):
    """Paths begin with a name of `MODELS`."""

    def __init__(self) -> None:
        self.answers: deque[Script] = deque()
        self.answer: Callable[[str, dict[str, Any]], Script] | None = None
        """Makes the answer where there is none in `answers`."""
        self.own_schemas = False
        """The client speaks Gemini's API, and answers itself for the schemas of its tools."""
        self.issued = Issued()
        self.last_signed: tuple[str, str] | None = None
        """Who signed the last answer, if it has calls, and how."""
        self.arrived: list[Arrived] = []
        self.refusals: list[str] = []
        self._count = 0
        super().__init__()

    def forget(self) -> None:
        """Everything but the proofs."""
        self.answers.clear()
        self.answer = None
        self.own_schemas = False
        self.last_signed = None
        self.received.clear()
        self.arrived.clear()
        self.refusals.clear()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        path, _, query = target.partition("?")
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        data = await reader.readexactly(int(headers.get("content-length", "0")))
        name = path.split("/")[1]
        body = json.loads(data)
        dialect = dialect_of(name)
        self.received.append(Received(method, path, query, headers, body))
        try:
            self._check(name, body)
        except Refused as refusal:
            self.refusals.append(f"{name}: {refusal}")
            await send(writer, 400, _error(dialect, str(refusal)), {"x-amzn-errortype": "ValidationException"})
            return
        self.arrived.append(Arrived(name, body))
        script = self._signed(dialect, self._named(self._next(name, body), body))
        cut = script.ends == "cut"
        script = replace(script, ends="") if cut else script
        model = body.get("model") or "upstream-model"
        if not (body.get("stream") or "stream" in path):
            await send(writer, 200, whole_reply(dialect, model, script))
            return
        events = list(streamed_reply(dialect, model, script, body))
        if cut:
            await _send_part(writer, dialect, events[: len(events) // 2])
            raise ConnectionError
        await send_stream(writer, dialect, events, None)

    def _next(self, name: str, body: dict[str, Any]) -> Script:
        if self.answers:
            return self.answers.popleft()
        assert self.answer is not None, f"{name} was called without an answer"
        return self.answer(name, body)

    def _check(self, name: str, body: dict[str, Any]) -> None:
        kind, model, _ = MODELS[name]
        if kind == "anthropic":
            check_messages(body, self.issued, newest=model == "claude-opus-5-5")
        elif kind == "gemini":
            check_generate(body, self.issued, own_schemas=self.own_schemas)
        elif kind == "bedrock":
            check_converse(body, self.issued)
        elif name == "responses":
            check_responses(body, self.issued)
        elif name == "chat":
            check_chat(body, self.issued)
        else:
            _check_compatible(name, body, self.issued)

    @staticmethod
    def _named(script: Script, body: dict[str, Any]) -> Script:
        """A number as the name of a call means the tool in that place, by the name under which it arrived."""
        names = list(tool_names(body))
        calls = [(i, names[int(name)] if name.isdigit() else name, given) for i, name, given in script.calls]
        return replace(script, calls=calls)

    def _signed(self, dialect: str, script: Script) -> Script:
        """With proofs and ids that no answer had before."""
        self._count += 1
        proof = base64.b64encode(f"proof {self._count} of {dialect}".encode()).decode()
        calls = [(f"{identity}_{self._count}", name, given) for identity, name, given in script.calls]
        script = replace(script, calls=calls, serial=str(self._count), signature=proof)
        self.last_signed = None
        if (script.thinking and dialect != "openai_chat") or (dialect == "gemini" and calls):
            self.issued.add(dialect, proof, script.thinking)
            # Gemini signs calls, the others what they thought before them.
            self.last_signed = (dialect, proof) if calls else None
        if dialect == "openai_responses" and script.thinking:
            script = replace(script, encrypted=proof)
        return script


def dialect_of(name: str) -> str:
    kind = MODELS[name][0]
    if kind in ("anthropic", "gemini", "bedrock"):
        return kind
    return "openai_responses" if name == "responses" else "openai_chat"


def _check_compatible(name: str, body: dict[str, Any], issued: Issued) -> None:
    own = {"deepseek": _REASONING | {"thinking"}, "vllm": _REASONING | {"top_k"}}.get(name, frozenset({"random_seed"}))
    check_chat(body, issued, own_keys=frozenset(own))
    roles = [message["role"] for message in body["messages"]]
    if name == "mistral" and ("tool", "user") in pairwise(roles):
        raise Refused("Unexpected role 'user' after role 'tool'")
    if name == "vllm" and "system" in roles[1:]:
        raise Refused("System message must be at the beginning.")
    if "developer" in roles:
        raise Refused("unknown role developer")


def _error(dialect: str, text: str) -> dict[str, Any]:
    if dialect == "anthropic":
        return {"type": "error", "error": {"type": "invalid_request_error", "message": text}}
    if dialect == "gemini":
        return {"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}
    if dialect == "bedrock":
        return {"message": text}
    return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": None}}


async def _send_part(writer: asyncio.StreamWriter, dialect: str, events: list[bytes]) -> None:
    kind = "application/vnd.amazon.eventstream" if dialect == "bedrock" else "text/event-stream"
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
    for event in events:
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
    await writer.drain()
