"""A provider's error that quotes the key that it was sent: neither the client nor a record gets it, whatever the status
and the form of the error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from under_attack import PATHS, Attacked, Provider, Reply, Sent, answering, asking, event, model

KEY = "sk-of-the-gateway-4f9a8b7c6d5e4f3a2b1c"
DIALECTS = ("chat", "responses", "anthropic", "gemini")
WORDS = f"Incorrect API key provided: {KEY}"
BODY: dict[str, Any] = {
    "type": "error",
    "error": {"message": WORDS, "type": KEY, "code": KEY, "param": KEY, "status": KEY, "details": [{"key": KEY}]},
}


def begun(sent: Sent) -> Reply:
    """An error in the middle of a stream, or in place of it."""
    reply = answering("fine")(sent)
    first = [] if reply.pieces is None else [next(iter(reply.pieces))]
    return Reply(pieces=[*first, event(BODY, "error")])


ANSWERS: dict[str, Callable[[Sent], Reply]] = {
    "refused": lambda sent: Reply(BODY, 401),
    "refused, written with escapes": lambda sent: Reply(json.dumps(BODY).replace("sk-", "\\u0073k-").encode(), 401),
    "a success by its status": lambda sent: Reply(BODY, 200),
    "a success with a word": lambda sent: Reply({"error": WORDS}, 200),
    "a success of another shape": lambda sent: Reply({"detail": WORDS}, 200),
    "a stream with an error alone": lambda sent: Reply(pieces=[event(BODY, "error")]),
    "a stream that ends with an error": begun,
    "no JSON": lambda sent: Reply(WORDS.encode(), 200),
    "a page": lambda sent: Reply(f"<html><title>{WORDS}</title></html>".encode(), 200, {"content-type": "text/html"}),
    "a page with a failure": lambda sent: Reply(f"<html><title>{WORDS}</title></html>".encode(), 503),
}


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide()


@pytest.fixture(scope="module")
def gateway(attack: Callable[..., Attacked], provider: Provider) -> Attacked:
    tracer = {"clickhouse": {"url": "http://127.0.0.1:9"}, "spool": {"path": "spool", "sending": "normal"}}
    return attack(
        {
            "models": [model(dialect, provider.url, dialect, apiKey=KEY) for dialect in DIALECTS],
            "plugins": [
                {"name": "log", "type": "logger", "config": {"level": "debug"}},
                {"name": "trace", "type": "clickhouse-tracer", "config": {**tracer, "flushInterval": 100}},
            ],
            "logging": {"level": "debug"},
        }
    )


@pytest.mark.parametrize("kind", ANSWERS)
def test_it_reaches_no_client(kind: str, gateway: Attacked, provider: Provider) -> None:
    provider.answer = ANSWERS[kind]
    quoted = []
    for client in DIALECTS:
        for server in DIALECTS:
            for stream in (False, True):
                path = PATHS["gemini stream" if stream and client == "gemini" else client]
                body = asking(client, name=server, stream=stream)
                reply = gateway.http.post(path.replace("/m:", f"/{server}:"), json=body)
                if KEY in reply.text or KEY in str(reply.headers) or KEY[3:20] in reply.text:
                    quoted.append((client, server, stream, reply.text))

    assert quoted == []
    assert provider.sent.pop().headers
    assert KEY not in gateway.log


def test_nor_a_record(gateway: Attacked) -> None:
    def spooled() -> str:
        return "\n".join(
            file.read_text(errors="replace") for file in (gateway.folder / "spool").rglob("*") if file.is_file()
        )

    assert gateway.wait_for(lambda: "Incorrect API key provided" in spooled())
    assert KEY not in spooled()
