"""Redaction sees every text of every reply: a canary in each string position of the SDK types arrives nowhere.

The counterpart of `test_canary.py`. Replies come whole, as streams, and as streams that bring the canary in two pieces,
through every pair of dialects. Clients, logs, spans with contents and the tracer's spool are searched.

REDACTION_LONG=1 tries every position with every client; else a share of them, each with its own API and one other.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from five_apis import models_of
from planted_replies import PlantedApi, planted_embeddings, planted_errors, planted_streams, planted_wholes

from llm_gateway.config.schema import OtelConfig
from llm_gateway.testing import GatewayClient

sys.path.append(str(Path(__file__).resolve().parents[2] / "packages" / "llm-gateway" / "tests" / "monitoring"))

pytest.importorskip("opentelemetry.sdk")

from monitored_gateway import Monitored
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from test_canary import CLIENTS, FORMS, HIDE, MODEL_IN_PATH, PLANTED, PROVIDERS, WORD, is_listed

from llm_gateway.monitoring.otel import OpenTelemetry

LONG = bool(os.environ.get("REDACTION_LONG"))
MOST = 10**9 if LONG else 60
"""Positions of one API and form that are tried."""
ASKS: dict[str, dict[str, Any]] = {
    "openai_chat": {"messages": [{"role": "user", "content": "hello"}]},
    "openai_responses": {"input": "hello"},
    "anthropic": {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 100},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": "hello"}]}]},
}
GEMINI_EMBEDS = "/gemini/v1beta/models/gemini:embedContent"
pytestmark = pytest.mark.timeout(36_000 if LONG else 600)


@pytest.fixture(scope="module")
def api() -> Iterator[PlantedApi]:
    server = PlantedApi()
    yield server
    server.close()


class Watched:
    """A gateway that redacts, with all that writes down what passes."""

    def __init__(self, api: PlantedApi, folder: Path, *plugins: dict[str, Any]) -> None:
        self.spans = InMemorySpanExporter()
        self.spool = folder / "spool"
        self._seen: dict[Path, int] = defaultdict(int)
        observer = OpenTelemetry(
            OtelConfig.model_validate({"enabled": True, "captureContent": True}),
            processor=SimpleSpanProcessor(self.spans),
        )
        tracer = {
            "clickhouse": {"url": "http://127.0.0.1:9", "database": "traces"},
            "flushInterval": 50,
            "spool": {"path": str(self.spool), "sending": "normal"},
        }
        more = [
            {"name": "log", "type": "logger", "config": {"level": "debug", "maxLength": 100_000}},
            {"name": "trace", "type": "clickhouse-tracer", "config": tracer},
        ]
        config = {"store": {"url": "memory:"}, "models": models_of(api.url), "plugins": [*plugins, *more]}
        self.client = Monitored(json.dumps(config), observers=[observer])

    def written(self) -> bytes:
        """What spans hold since the last look."""
        spans = b"".join(span.to_json().encode() for span in self.spans.get_finished_spans())
        self.spans.clear()
        return spans

    def spooled(self) -> bytes:
        """What the spool holds since the last look."""
        new = b""
        for file in sorted(file for file in self.spool.rglob("*") if file.is_file()):
            try:
                with file.open("rb") as opened:
                    opened.seek(self._seen[file])
                    data = opened.read()
            except FileNotFoundError:
                continue  # it has another name by now
            new += data
            self._seen[file] += len(data)
        return new


def ask(client: GatewayClient, dialect: str, provider: str, *, stream: bool) -> Any:
    path = CLIENTS[dialect].format(model=provider)
    body = ASKS[dialect] if dialect in MODEL_IN_PATH else {**ASKS[dialect], "model": provider, "stream": stream}
    if stream and dialect == "gemini":
        path = path.replace(":generateContent", ":streamGenerateContent") + "?alt=sse"
    elif stream and dialect == "bedrock":
        path += "-stream"
    return client.post(path, body, headers={"anthropic-version": "2023-06-01"})


def clients_of(provider: str, number: int) -> list[str]:
    if LONG:
        return list(CLIENTS)
    others = [name for name in CLIENTS if name != provider]
    own = [provider] if provider in CLIENTS else []
    return [*own, others[number % len(others)]]


def is_found(text: bytes) -> bool:
    return any(form in text for form in FORMS)


_ARGUMENTS = re.compile(r"\.(partial_json|arguments)$|_(arguments|input)\.delta\.delta$")
"""Fields of the arguments of a call."""
_PIECES = re.compile(
    r"\.delta(\.(content|refusal|reasoning|reasoning_content|text|thinking|partial_json))?$"
    r"|\.function(_call)?\.arguments$|\.content\.parts\.\*\.text$"
)
"""Fields whose values clients join. Others come whole with each event: two citations have two titles."""


def is_joined(body: bytes) -> bool:
    """Whether a client that joins what a stream brings in one field gets the canary. The arguments of two calls are
    not joined, while texts are, whatever came between them."""
    texts: dict[str, str] = defaultdict(str)
    for line in body.splitlines():
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            found: dict[str, str] = defaultdict(str)
            _collect(event, str(event.get("type", "")), found)
            call = str(re.findall(rb'"(?:output_)?index":(\d+)', line))
            for path, text in found.items():
                texts[f"{call if _ARGUMENTS.search(path) else ''} {path}"] += text
    return any(WORD in text for path, text in texts.items() if _PIECES.search(path))


def is_cut_token(path: str) -> bool:
    """Whether half of a text is in a field without text, such as a signature, and is whole only when joined."""
    path, _, form = path.partition(" ")
    return form == "in two" and is_listed(path)


def _collect(value: Any, path: str, texts: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _collect(inner, f"{path}.{key}", texts)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, f"{path}.*", texts)
    elif isinstance(value, str):
        texts[path] += value


def share(cases: list[Any]) -> list[Any]:
    return cases[:: max(1, len(cases) // MOST)]


def forms(provider: str, text: str = PLANTED) -> Iterator[tuple[str, bool, str, bytes]]:
    """(path, whether a stream, content type, body)"""
    for planted in share(list(planted_wholes(provider, text))):
        yield planted.path, False, "application/json", json.dumps(planted.value).encode()
    for split in (False, True):
        for path, kind, body in share(list(planted_streams(provider, text, split=split))):
            yield f"{path} {'in two' if split else 'streamed'}", True, kind, body


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_canary_in_any_text_of_a_reply_arrives_nowhere(
    api: PlantedApi, provider: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    leaks: list[str] = []
    answered = asked = 0
    watched = Watched(api, tmp_path, HIDE)
    with watched.client as gateway:
        for number, (path, stream, kind, body) in enumerate(forms(provider)):
            if is_cut_token(path):
                continue
            api.answer = kind, body
            for client in clients_of(provider, number):
                caplog.clear()
                answer = ask(gateway, client, provider, stream=stream)
                asked += 1
                answered += answer.status == 200
                where = f"{provider}{path} for {client}"
                if is_found(answer.body) or (stream and is_joined(answer.body)):
                    leaks.append(f"{where}: arrives")
                if is_found(repr(answer.headers).encode()):
                    leaks.append(f"{where}: in a header")
                if is_found(caplog.text.encode()):
                    leaks.append(f"{where}: is logged")
                if is_found(watched.written()):
                    leaks.append(f"{where}: is in a span")
                if asked % 20 == 0 and is_found(watched.spooled()):
                    leaks.append(f"{where}: is in the spool, or one of the twenty before it")
    if is_found(watched.spooled()):
        leaks.append(f"{provider}: something is in the spool")
    assert answered > asked * 0.7
    assert not leaks, f"{len(leaks)} of {asked}:\n" + "\n".join(leaks)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_single_word_is_left_only_in_the_fields_on_the_list(
    api: PlantedApi, provider: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in requests: a word has the shape of an id or a name, and is found everywhere else."""
    caplog.set_level("DEBUG")
    leaks = []
    watched = Watched(api, tmp_path, HIDE)
    with watched.client as gateway:
        for number, (path, stream, kind, body) in enumerate(forms(provider, WORD)):
            api.answer = kind, body
            for client in clients_of(provider, number):
                caplog.clear()
                answer = ask(gateway, client, provider, stream=stream)
                texts = (answer.body, repr(answer.headers).encode(), caplog.text.encode(), watched.written())
                found = any(is_found(text) for text in texts) or (stream and is_joined(answer.body))
                if found and not is_listed(path.partition(" ")[0]):
                    leaks.append(f"{provider}{path} for {client}")
    assert not leaks, "\n".join(leaks)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_the_plugin_the_canaries_would_arrive(api: PlantedApi, provider: str, tmp_path: Path) -> None:
    arrived = asked = 0
    watched = Watched(api, tmp_path)
    own = provider if provider in CLIENTS else "openai_chat"
    with watched.client as gateway:
        for _, stream, kind, body in list(forms(provider))[::5]:
            api.answer = kind, body
            answer = ask(gateway, own, provider, stream=stream)
            asked += 1
            arrived += is_found(answer.body) or (stream and is_joined(answer.body))
    assert arrived > asked * (0.5 if provider in CLIENTS else 0.1)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [200, 400, 429, 503])
def test_a_canary_in_any_text_of_an_error_arrives_nowhere(
    api: PlantedApi, provider: str, status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also in an error under a status that means success."""
    caplog.set_level("DEBUG")
    leaks = []
    watched = Watched(api, tmp_path, HIDE)
    api.status = status
    try:
        with watched.client as gateway:
            for number, planted in enumerate(planted_errors(PLANTED)):
                plain = isinstance(planted.value, str)
                body = planted.value.encode() if plain else json.dumps(planted.value).encode()
                api.answer = "text/plain" if plain else "application/json", body
                for client in clients_of(provider, number):
                    for stream in (False, True) if LONG else ((number + status) % 2 == 0,):
                        caplog.clear()
                        answer = ask(gateway, client, provider, stream=stream)
                        where = f"{provider}{planted.path} for {client} ({stream=})"
                        for name, text in (
                            ("the reply", answer.body),
                            ("a header", repr(answer.headers).encode()),
                            ("the log", caplog.text.encode()),
                            ("a span", watched.written()),
                            ("the spool", watched.spooled()),
                        ):
                            if is_found(text):
                                leaks.append(f"{where}: in {name}")
        if is_found(watched.spooled()):
            leaks.append(f"{provider}: in the spool")
    finally:
        api.status = 200
    assert not leaks, "\n".join(leaks)


@pytest.mark.parametrize(("path", "model"), [("/v1/embeddings", "openai_chat"), (GEMINI_EMBEDS, "gemini")])
def test_a_canary_in_any_text_of_an_embedding_reply_arrives_nowhere(
    api: PlantedApi, path: str, model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    leaks = []
    watched = Watched(api, tmp_path, HIDE)
    asked = {"model": model, "input": "hello"} if model == "openai_chat" else {"content": {"parts": [{"text": "a"}]}}
    with watched.client as gateway:
        for planted in planted_embeddings(PLANTED):
            api.answer = "application/json", json.dumps(planted.value).encode()
            answer = gateway.post(path, asked)
            if is_found(answer.body) or is_found(watched.written()) or is_found(caplog.text.encode()):
                leaks.append(planted.path)
    if is_found(watched.spooled()):
        leaks.append("in the spool")
    assert not leaks, "\n".join(leaks)
