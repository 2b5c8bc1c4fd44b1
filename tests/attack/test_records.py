"""What a plugin hid or refused is in clear text in no log, span, trace or spool, whatever the order of the plugins."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from under_attack import PATHS, Attacked, Provider, Reply, Sent, answering, asking, model

SECRET = "123-45-6789"
REFUSED = "nightfall-4711"
DIALECTS = ("chat", "responses", "anthropic", "gemini")


class Collector(Provider):
    """Of OpenTelemetry: what was sent to it, unpacked."""

    def __init__(self) -> None:
        super().__init__(lambda sent: Reply(b"", headers={"content-type": "application/x-protobuf"}))

    def texts(self) -> str:
        bodies = [
            zlib.decompress(sent.body, 31) if sent.headers.get("content-encoding") == "gzip" else sent.body
            for sent in list(self.sent)
        ]
        return b"\n".join(bodies).decode(errors="replace")


def configuration(provider: str, collector: str, folder: Path, order: str) -> dict[str, Any]:
    patterns = [
        {"pattern": r"\d{3}-\d\d-\d{4}", "replacement": "[SSN]"},
        {"pattern": r"nightfall-\d+", "blockOnMatch": True},
    ]
    hider = {"name": "hide", "type": "regex-hider", "config": {"patterns": patterns}}
    tracer = {
        "clickhouse": {"url": "http://127.0.0.1:9"},
        "spool": {"path": str(folder / "spool"), "sending": "normal"},
        "flushInterval": 200,
    }
    recorders = [
        {"name": "log", "type": "logger", "config": {"level": "debug"}},
        {"name": "trace", "type": "clickhouse-tracer", "config": tracer},
    ]
    router = {"name": "route", "type": "model-router", "config": {"model": "chat", "fallbacks": ["anthropic"]}}
    orders = {
        "hider first": [hider, *recorders],
        "recorders first": [*recorders, hider],
        "router first": [router, hider, *recorders],
    }
    return {
        "models": [
            model(dialect, provider, dialect, retryAttempts=2, retryDelay="10ms") for dialect in DIALECTS
        ],
        "plugins": orders[order],
        "logging": {"level": "debug"},
        "monitoring": {"otel": {"enabled": True, "endpoint": collector, "captureContent": True, "metrics": False}},
    }  # fmt: skip


def failing(status: int, text: str) -> Callable[[Sent], Reply]:
    def answer(sent: Sent) -> Reply:
        if "/messages" in sent.path:
            return Reply({"type": "error", "error": {"type": "api_error", "message": text}}, status)
        return Reply({"error": {"message": text, "type": "server_error", "code": status, "status": "INTERNAL"}}, status)

    return answer


def provoke(attacked: Attacked, provider: Provider) -> list[str]:
    """Every way in which a secret comes in; what clients received."""
    received = []
    for text_in, answer in (
        (f"mine is {SECRET}", answering("fine")),
        (f"mine is {REFUSED}", answering("fine")),
        ("hello", answering(f"yours is {SECRET}")),
        ("hello", answering(f"yours is {REFUSED}")),
        ("hello", failing(400, f"can't read {SECRET} of you")),
        ("hello", failing(500, f"can't read {SECRET} of you")),
        ("hello", failing(429, f"{REFUSED} is at its limit")),
        ("hello", failing(200, f"can't read {SECRET} of you")),
        ("hello", failing(200, f"can't read {REFUSED} of you")),
        ("hello", lambda sent: Reply(f"<html>{SECRET} {REFUSED}</html>".encode(), 502)),
        ("hello", lambda sent: Reply(f"{SECRET} {REFUSED}".encode(), 200)),
        ("hello", lambda sent: Reply(pieces=[f'data: {{"x": "{SECRET} {REFUSED}"\n\n'.encode()])),
    ):
        provider.answer = answer
        for at, client in enumerate(DIALECTS):
            for server in (client, DIALECTS[at - 1]):
                for stream in (False, True):
                    path = PATHS["gemini stream" if stream and client == "gemini" else client]
                    body = asking(client, text_in, name=server, stream=stream)
                    reply = attacked.http.post(path.replace("/m:", f"/{server}:"), json=body)
                    received.append(reply.text)
    return received


def spooled(folder: Path) -> str:
    return "".join(file.read_text(errors="replace") for file in (folder / "spool").rglob("*") if file.is_file())


@pytest.mark.parametrize("order", ["hider first", "recorders first"])
def test_what_was_hidden_or_refused_is_recorded_nowhere(
    order: str, attack: Callable[..., Attacked], provide: Callable[..., Provider], tmp_path: Path
) -> None:
    provider, collector = provide(), Collector()
    try:
        attacked = attack(configuration(provider.url, collector.url, tmp_path, order))
        received = provoke(attacked, provider)
        assert attacked.stop() == 0
    finally:
        collector.close()

    places = {
        "client": "\n".join(received),
        "log": attacked.log,
        "spans": collector.texts(),
        "spool": spooled(tmp_path),
    }
    assert all("[SSN]" in text for text in places.values()), [place for place in places if "[SSN]" not in places[place]]
    found = {
        place: re.findall(f".{{60}}(?:{SECRET}|{REFUSED}).{{60}}", text, re.DOTALL)[:3]
        for place, text in places.items()
        if SECRET in text or REFUSED in text
    }
    assert found == {}


def test_nor_where_another_model_answered_in_place_of_the_one_that_quoted_it(
    attack: Callable[..., Attacked], provide: Callable[..., Provider], tmp_path: Path
) -> None:
    fine, fails = answering("fine"), failing(503, f"can't read {SECRET} of you")
    provider = provide(lambda sent: (fails if "/chat/" in sent.path else fine)(sent))
    attacked = attack(configuration(provider.url, "http://127.0.0.1:9", tmp_path, "router first"))
    for stream in (False, True):
        reply = attacked.http.post(PATHS["chat"], json=asking("chat", stream=stream))
        assert "fine" in reply.text
    assert attacked.stop() == 0

    assert SECRET not in attacked.log
    assert SECRET not in spooled(tmp_path)
    assert spooled(tmp_path).count("can't read [SSN] of you") == 2


BREAKS = """
from llm_gateway_sdk import Plugin, plugin_metadata


@plugin_metadata(name="breaks", version="1.0.0", description="Quotes the request in what it raises.")
class Breaks(Plugin):
    on_stream = "skip"

    async def before_model(self, ctx):
        raise ValueError("can't read " + ctx.http_request.body.decode())

    async def detached_after_response(self, ctx):
        raise ValueError("can't read " + ctx.http_request.body.decode())
"""


@pytest.mark.parametrize("order", [["hide", "breaks"], ["breaks", "hide"]])
def test_what_the_exception_of_a_plugin_quotes_is_not_in_the_log(
    order: list[str], attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    hide = {"type": "regex-hider", "config": {"patterns": [{"pattern": r"\d{3}-\d\d-\d{4}", "replacement": "[SSN]"}]}}
    entries = {"hide": hide, "breaks": {"type": "breaks", "onError": "fail_open"}}
    settings = {
        "availablePlugins": [{"path": "breaks.py"}],
        "models": [model("chat", provide(answering("fine")).url, "chat")],
        "plugins": [{"name": name, **entries[name]} for name in order],
    }
    attacked = attack(settings, files={"breaks.py": BREAKS})
    reply = attacked.http.post(PATHS["chat"], json=asking("chat", f"mine is {SECRET}", name="chat"))
    assert "fine" in reply.text
    assert attacked.stop() == 0

    assert attacked.log.count("breaks.py") >= 2
    assert "ValueError" in attacked.log
    assert SECRET not in attacked.log
