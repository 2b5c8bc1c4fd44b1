"""Requests for every route that the gateway has, and one upstream that answers them all as a test wants it.

The cases are made from the adapters' own routes: a new route is in the matrix without further ado, and one that no
request can be written for is an error.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from llm_gateway_bedrock import Bedrock
from llm_gateway_gemini import Gemini
from llm_gateway_ollama import Ollama

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk import (
    Adapter,
    Choice,
    Dialect,
    Headers,
    LLMResponse,
    Losses,
    Message,
    Mint,
    Route,
    TextPart,
    Usage,
    WireRequest,
)

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / "endpoints"), str(TESTS / "reliability")]

from loopback import Call  # noqa: E402
from vendors import ROUTES as VENDORS  # noqa: E402
from vendors import Seen  # noqa: E402

__all__ = [
    "ANSWERED", "CASES", "NATIVE", "REPORTED", "UNHEARD", "Case", "Provider", "adapters", "models_of", "request_of",
]  # fmt: skip

REPORTED = (300, 500)
"""What generation reports to have used: more than any estimate here, so that it is recognised."""
NATIVE = "/native/thing"
"""The one native path that the operator has listed and priced."""
TEXTS = [f"word{number:02}even more of it " for number in range(6)]
KEYS = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "secret", "region": "eu-central-1"}
TARGETS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "chat": ("openai", "/v1", {"apiKey": "k"}),
    "responses": ("openai", "/v1", {"apiKey": "k", "api": "responses"}),
    "claude": ("anthropic", "", {"apiKey": "k"}),
    "gemini": ("gemini", "/v1beta", {"apiKey": "k"}),
    "bedrock": ("bedrock", "", KEYS),
    "cohere": ("cohere", "", {"apiKey": "k"}),
    "ollama": ("ollama-native", "", {}),
}
"""A model for each API of providers, by its name: provider type, base path, settings."""
OWN = {
    "openai_chat": "chat",
    "openai_responses": "responses",
    "anthropic": "claude",
    "gemini": "gemini",
    "bedrock": "bedrock",
    "ollama": "ollama",
    "bedrock_invoke": "claude",
}
"""By dialect the model whose provider speaks it."""

SPENT_STATUSES = (429, 402, 400)
"""Statuses of a spent budget: at OpenAI and Anthropic, at Google and Cohere, at Amazon."""


def models_of(url: str) -> list[dict[str, Any]]:
    """The models, and for each its twin that a failure leads to."""
    found = []
    for name, (kind, path, settings) in TARGETS.items():
        for each in (name, f"{name}-twin"):
            config = {"baseUrl": url + path, "model": f"{each}-up", "retryAttempts": 1, **settings}
            provider = {"type": kind, "config": config}
            found.append({"name": each, "provider": provider, "prices": {"input": 1, "output": 10}})
    found[0]["isDefault"] = True
    return found


# The cases.


@dataclass(slots=True, frozen=True)
class Case:
    """One request on one route, and what becomes of it."""

    adapter: str
    route: Route
    target: str
    """The model that is asked."""
    stream: bool
    outcome: str

    @property
    def streams_by_path(self) -> bool:
        return self.route.path.endswith((":streamGenerateContent", "/converse-stream", "-response-stream"))

    @property
    def path(self) -> str:
        """With names in it, and without the id of what the request is about."""
        path = self.route.path.replace("{model}", self.target).replace("{rest}", NATIVE.lstrip("/"))
        path = path.replace("{place}", "projects/p/locations/l/publishers/google")
        query = "?alt=sse" if path.endswith(":streamGenerateContent") else ""
        return f"/{self.adapter}{path.replace('{item}', 'item_1')}{query}"

    @property
    def reaches_a_provider(self) -> bool:
        """Whether a request that no plugin refuses is sent on."""
        if self.route.operation in ("models", "stored"):
            return False  # the gateway's own lists and memory
        form = self.route.form
        if getattr(form, "keeps", False) and self.route.operation == "file":
            return False  # the gateway's own files
        return getattr(form, "role", None) != "list"

    def __str__(self) -> str:
        method = "POST" if self.route.method == "*" else self.route.method
        how = "stream" if self.stream else "whole"
        return f"{self.adapter} {method} {self.route.path} to {self.target}, {how}, {self.outcome}"


ANSWERED = ("ok", "watched", "fallback")
"""Outcomes in which the provider reports what it has used."""
OUTCOMES = {
    "generate": (
        "ok", "watched", "fallback", "error", "cut", "cut, watched", "client left", "client left, watched", "refused",
        "cached", "over the limit", "stranger",
    ),
    "models": ("ok", "refused", "stranger"),
}  # fmt: skip
# An upload is sent on as it comes, and can't be sent a second time.
FALLING_BACK = ("count_tokens", "embed", "rerank", "moderate", "image", "speech", "transcribe")
OTHERS = ("ok", "watched", "error", "cut", "client left", "refused", "over the limit", "stranger")
UNHEARD = frozenset({"realtime"})
"""Operations that are no request and reply, which have tests by themselves."""


def adapters() -> list[str]:
    """Their names."""
    return [point.name for point in entry_points(group="llm_gateway.adapters")]


def _routes() -> Iterator[tuple[str, Route]]:
    for point in entry_points(group="llm_gateway.adapters"):
        adapter: type[Adapter] = point.load()
        for route in adapter.routes:
            if route.operation not in UNHEARD and not (route.operation == "native" and not route.bare):
                yield adapter.name, route


def _kind(adapter: str, route: Route) -> tuple[Any, ...]:
    """Routes of one kind differ only in their spelling; the first of them has all outcomes, the others the usual."""
    return adapter, route.method, route.operation, route.upstream.replace("tunedModels", "models"), type(route.form)


def _cases() -> Iterator[Case]:
    known: set[tuple[Any, ...]] = set()
    long = os.environ.get("HEAVY_LONG") == "1"
    for adapter, route in _routes():
        first = _kind(adapter, route) not in known or long
        known.add(_kind(adapter, route))
        own = _own(adapter, route)
        generates = route.operation == "generate"
        targets = [own]
        if generates and first:
            targets += [each for each in OWN.values() if each != own] if long else [_foreign(own)]
        by_body = generates and route.dialect not in ("gemini", "bedrock", "bedrock_invoke")
        streams = (False, True) if by_body else (False,)
        for target in targets:
            for stream in streams:
                case = Case(adapter, route, target, stream, "ok")
                if generates and case.streams_by_path:
                    case = Case(adapter, route, target, True, "ok")
                for outcome in _outcomes(case) if first else ("ok", "stranger"):
                    yield Case(adapter, route, target, case.stream, outcome)


def _own(adapter: str, route: Route) -> str:
    """The model whose provider speaks the route's API. Tuned models are not configured, so that the default answers."""
    if "tunedModels" in route.path:
        return "chat"
    return "cohere" if adapter == "cohere" else OWN[route.dialect]


def _foreign(own: str) -> str:
    """A model of another API, each in turn."""
    names = list(OWN.values())
    return names[(names.index(own) + 1) % len(names)]


def _outcomes(case: Case) -> Iterator[str]:
    operation = case.route.operation
    found = OUTCOMES.get(operation, OTHERS)
    if operation in FALLING_BACK and not (case.route.form is not None and case.route.form.multipart):
        found = ("fallback", *found)
    for outcome in found:
        if outcome == "over the limit" and rests_on_a_file(case):
            continue  # who may make no request has no file, and another's is answered as one that there is not
        if case.reaches_a_provider or outcome in ("ok", "refused", "over the limit", "stranger"):
            yield outcome


def rests_on_a_file(case: Case) -> bool:
    """A batch whose requests are the lines of an uploaded file."""
    return case.route.operation == "batch" and case.adapter == "openai"


CASES = list(_cases())


def request_of(case: Case) -> tuple[bytes, dict[str, str]]:
    """The body and its headers."""
    route = case.route
    if route.method in ("GET", "DELETE"):
        return b"", {}
    if route.operation == "file" and route.dialect == "gemini":
        return _related(), {
            "content-type": "multipart/related; boundary=b", "x-goog-upload-protocol": "multipart",
        }  # fmt: skip
    if route.form is not None and route.form.multipart:
        return _form_of(case), {"content-type": "multipart/form-data; boundary=b"}
    return json.dumps(_body_of(case)).encode(), {"content-type": "application/json"}


QUESTION = {"role": "user", "content": "Go on."}


def _body_of(case: Case) -> dict[str, Any]:
    content, model = {"parts": [{"text": "Go on."}], "role": "user"}, case.target
    match (case.route.operation, case.route.dialect):
        case ("embed", "gemini"):
            named = {"content": content, "model": f"models/{model}"}
            return {"requests": [named]} if "batch" in case.route.path else named
        case ("image", "gemini"):
            return {"instances": [{"prompt": "Go on."}], "parameters": {"sampleCount": 1}}
        case ("batch", "gemini"):
            request = {"content": content} if "Embed" in case.route.path else {"contents": [content]}
            return {"batch": {"inputConfig": {"requests": {"requests": [{"request": request}]}}}}
        case (_, "gemini"):
            return {"contents": [content]}
        case ("count_tokens", "bedrock"):
            return {"input": {"converse": {"messages": [{"role": "user", "content": [{"text": "Go on."}]}]}}}
        case (_, "bedrock"):
            return {"messages": [{"role": "user", "content": [{"text": "Go on."}]}]}
        case (_, "bedrock_invoke"):
            return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4000, "messages": [QUESTION]}
        case ("generate", "ollama"):
            asked = {"prompt": "Go on."} if "generate" in case.route.path else {"messages": [QUESTION]}
            return {"model": model, "stream": case.stream, **asked}
        case ("batch", "anthropic"):
            params = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "Go on."}]}
            return {"requests": [{"custom_id": "a", "params": params}]}
        case ("batch", _):
            return {"input_file_id": "{id}", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    body: dict[str, Any] = {"model": model, **({"stream": True} if case.stream else {})}
    if case.route.operation in ("generate", "count_tokens"):
        if case.route.dialect == "openai_responses":
            return {**body, "input": "Go on."}
        body["messages"] = [{"role": "user", "content": "Go on."}]
        return {**body, "max_tokens": 4000} if case.route.dialect == "anthropic" else body
    words = {"input": "Go on.", "texts": ["Go on."], "query": "Go", "documents": ["Go on."], "prompt": "Go on."}
    return {**body, **words, "voice": "alloy", "input_type": "search_query"}


LINES = json.dumps(
    {
        "custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "chat", "messages": [{"role": "user", "content": "Go on."}]},
    }
).encode() + b"\n"  # fmt: skip


def _form_of(case: Case) -> bytes:
    fields = {"model": case.target, "prompt": "Go on.", "purpose": "batch"}
    if case.route.operation == "file":
        fields.pop("model")
        file = ("file", "a.jsonl", "application/jsonl", LINES)
    elif case.route.operation == "image":
        file = ("image", "a.png", "image/png", b"\x89PNG")
    else:
        file = ("file", "a.wav", "audio/wav", b"RIFF")
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    name, filename, kind, content = file
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    head += f"Content-Type: {kind}\r\n\r\n"
    return b"".join(parts) + head.encode() + content + b"\r\n--b--\r\n"


def _related() -> bytes:
    line = {"key": "a", "request": {"contents": [{"parts": [{"text": "Go on."}]}]}}
    return (
        b'--b\r\ncontent-type: application/json\r\n\r\n{"file": {"mimeType": "application/jsonl"}}\r\n'
        b"--b\r\ncontent-type: application/jsonl\r\n\r\n" + json.dumps(line).encode() + b"\n\r\n--b--\r\n"
    )


# The upstream.

DIALECTS: tuple[tuple[str, type[Dialect]], ...] = (
    (r"/v1/chat/completions", OpenAIChat),
    (r"/v1/responses", OpenAIResponses),
    (r"/v1/messages", Anthropic),
    (r"/v1beta/(tunedM|m)odels/[^/]+:(streamG|g)enerateContent", Gemini),
    (r"/model/[^/]+/converse(-stream)?", Bedrock),
    (r"/api/(chat|generate)", Ollama),
)
COUNTS = {
    "/messages/count_tokens": {"input_tokens": 9},
    "/responses/input_tokens": {"object": "response.input_tokens", "input_tokens": 9},
    ":countTokens": {"totalTokens": 9},
    "/count-tokens": {"inputTokens": 9},
}


@dataclass(slots=True)
class Provider:
    """All providers in one: `outcome` is what becomes of the next call."""

    outcome: str = "ok"
    calls: int = 0
    """Since the outcome was set."""
    sent: bytes = b""
    """Of the reply that was sent last, without its head."""
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a client may leave."""
    _made: int = 0

    def expect(self, outcome: str) -> None:
        self.outcome, self.calls, self.sent = outcome, 0, b""
        self.waiting = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        self.calls += 1
        if self.outcome == "error" or (self.outcome == "fallback" and self.calls == 1):
            await call.send(500, {"error": {"message": "no", "type": "server_error"}})
            return
        stream = self._stream(call)
        if stream is None:
            await self._whole(call)
            return
        kind, events = stream
        await call.open_stream({"content-type": kind})
        if self.outcome.startswith(("cut", "client left")):
            events = events[: len(events) // 2]
        self.sent = b"".join(events)
        await call.chunk(self.sent)
        if self.outcome.startswith("client left"):
            self.waiting.set()
            await call.hang()
        elif self.outcome.startswith("cut"):
            await asyncio.sleep(0.015)  # a reset takes with it what has not been read
            call.reset()
        else:
            await call.end_stream()

    async def _whole(self, call: Call) -> None:
        if self.outcome.startswith("client left"):
            self.waiting.set()
            await call.hang()
            return
        headers, data, status = self._answer(call)
        if self.outcome.startswith("cut"):
            length = str(len(data) + 100)
            await call.send(status, data[: len(data) // 2], {**headers, "content-length": length})
            await asyncio.sleep(0.015)
            call.reset()
            return
        self.sent = data
        await call.send(status, data, headers)

    def _answer(self, call: Call) -> tuple[dict[str, str], bytes, int]:
        path = call.path.partition("?")[0]
        for end, answer in COUNTS.items():
            if path.endswith(end):
                return {}, json.dumps(answer).encode(), 200
        if path == "/upload/v1beta/files":
            return {}, b'{"file": {"name": "files/lines"}}', 200
        if path.startswith("/v1beta/batches/") or path.endswith((":batchGenerateContent", ":asyncBatchEmbedContent")):
            self._made += 1
            about = {"state": "BATCH_STATE_SUCCEEDED", "output": {"responsesFile": "files/out"}}
            name = path.partition("/batches/")[2] or f"n{self._made}"
            return {}, json.dumps({"name": f"batches/{name}", "metadata": about, "done": True}).encode(), 200
        if path.startswith("/v1beta/files/"):
            return {}, b'{"key": "0", "response": {"embedding": {"values": [1]}, "tokenCount": "2"}}\n', 200
        found = _dialect_of(path)
        if found is not None:
            dialect, echo = found, _echo(found, call)
            wire = dialect.encode_response(_reply(), echo, _mint(), Losses("response"))
            return {}, wire.body, 200
        if path == "/api/embed":
            return {}, b'{"model": "m", "embeddings": [[0.5, 0.5]], "prompt_eval_count": 2}', 200
        seen = Seen(call.method, path, call.headers, call.raw)
        for pattern, answers in VENDORS:
            if re.fullmatch(pattern, f"{seen.method} {path}"):
                reply = answers(seen)
                data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                return reply.headers, self._named(call, path, data), reply.status
        return {}, b'{"ok": true}', 200

    def _named(self, call: Call, path: str, data: bytes) -> bytes:
        """Each batch has a name, as providers give it."""
        name = re.search(r"/batches/([^/]+)", path)
        self._made += 1
        for word in ("msgbatch", "batch"):
            data = data.replace(f"{word}_1".encode(), name[1].encode() if name else f"{word}_n{self._made}".encode())
        return data

    def _stream(self, call: Call) -> tuple[str, list[bytes]] | None:
        """The content type and the events, where a stream is asked for."""
        path = call.path.partition("?")[0]
        dialect = _dialect_of(path)
        if dialect is None or not (b'"stream":true' in call.raw.replace(b" ", b"") or "tream" in path):
            return None
        encoder = dialect.stream_encoder(_echo(dialect, call), _mint(), Losses("response"))
        begin = LLMResponse("r1", "up", 1, [Choice(0, Message("assistant"))])
        if isinstance(dialect, Anthropic):
            begin.usage = Usage(REPORTED[0], 1)
        parts = [LLMResponse(choices=[Choice(0, Message("assistant", [TextPart(text)]))]) for text in TEXTS]
        end = LLMResponse(choices=[Choice(0, Message(""), "stop")], usage=Usage(*REPORTED))
        events = [encoder.encode(chunk) for chunk in (begin, *parts, end, LLMResponse(final=True))]
        return encoder.content_type, [*events, encoder.close()]


def _dialect_of(path: str) -> Dialect | None:
    for pattern, dialect in DIALECTS:
        if re.fullmatch(pattern, path):
            return _made(dialect)
    return None


@cache
def _made(dialect: type[Dialect]) -> Dialect:
    return dialect()


def _echo(dialect: Dialect, call: Call) -> Any:
    path, _, query = call.path.partition("?")
    if isinstance(dialect, OpenAIChat | OpenAIResponses):
        path = path.removeprefix("/v1")
    if isinstance(dialect, Gemini):
        path = path.removeprefix("/v1beta")
    return dialect.decode_request(WireRequest("POST", path, query, Headers(), call.raw))[1]


def _mint() -> Mint:
    return Mint(lambda prefix: f"{prefix}1", lambda: 1)


def _reply() -> LLMResponse:
    message = Message("assistant", [TextPart("".join(TEXTS))])
    return LLMResponse("r1", "up", 1, [Choice(0, message, "stop")], usage=Usage(*REPORTED))
