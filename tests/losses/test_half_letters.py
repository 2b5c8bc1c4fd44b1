"""Half a letter (a lone surrogate, `"\\ud800"` in JSON) in any text of a request or reply ends no request with a fault.

JSON can write such a text, UTF-8 can not: whatever encodes, hashes, stores or logs one has to expect it. A line break
and a NUL follow it, which no header can hold. It is put in each string position of the types of the vendors' SDKs,
and in each string and key of a body for the other endpoints, with all that reads texts switched on. A provider or a
check may refuse it; the gateway itself has no error.

REDACTION_LONG=1 tries every position; else a share of them.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from five_apis import FiveApis, models_of
from planted_replies import PlantedApi, planted_errors, planted_streams, planted_wholes
from test_canary import CLIENTS, PROVIDERS, bodies, providers_of
from test_canary import ask as send
from test_canary_replies import ask

from llm_gateway.config.schema import LoggingConfig
from llm_gateway.server.logs import configure_logging
from llm_gateway.testing import GatewayClient

HALF = "my \ud800-word\r\nx-evil: 1\0"
LONG = bool(os.environ.get("REDACTION_LONG"))
MOST = 10**9 if LONG else 15
"""Positions of one API and form that are tried."""
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "user": "u", "metadata": {"a": "b"}}),
    ("/v1/responses", {"input": "x", "previous_response_id": "resp_1", "conversation": "conv_1", "store": True}),
    ("/v1/responses/input_tokens", {"input": "x"}),
    ("/v1/messages", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 9, "metadata": {"user_id": "u"}}),
    ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": "x"}], "system": "s"}),
    ("/v1/completions", {"prompt": "x", "suffix": "y"}),
    ("/v1/embeddings", {"input": ["x"], "user": "u"}),
    ("/v2/embed", {"texts": ["x"], "input_type": "search_query"}),
    ("/v2/rerank", {"query": "q", "documents": ["a", {"text": "b", "title": "c"}]}),
    ("/v1/moderations", {"input": "x"}),
    ("/api/chat", {"messages": [{"role": "user", "content": "x"}]}),
    ("/api/generate", {"prompt": "x", "system": "s"}),
    ("/api/embed", {"input": ["x"]}),
    ("/v1/images/generations", {"prompt": "x", "user": "u", "size": "1024x1024"}),
    ("/v1/audio/speech", {"input": "x", "voice": "alloy", "instructions": "slow"}),
    ("/v1/batches", {"input_file_id": "f", "endpoint": "/v1/chat/completions", "completion_window": "24h"}),
    ("/v1/messages/batches", {"requests": [{"custom_id": "c", "params": {"messages": [], "max_tokens": 9}}]}),
    ("/v1/conversations", {"items": [{"type": "message", "role": "user", "content": "x"}], "metadata": {"a": "b"}}),
]

pytestmark = pytest.mark.timeout(3600 if LONG else 600)


def plugins(folder: Path) -> list[dict[str, Any]]:
    """All that reads texts."""
    tracer = {
        "clickhouse": {"url": "http://127.0.0.1:9", "database": "traces"},
        "flushInterval": 50,
        "spool": {"path": str(folder / "spool"), "sending": "normal"},
    }
    limits = [{"name": "each", "per": ["user"], "requests": 1_000_000, "window": "1h"}]
    return [
        {"name": "count", "type": "limits", "config": {"limits": limits}},
        {"name": "prompt", "type": "prompt-manager", "config": {"mode": "after", "prompt": "be kind"}},
        {"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": "555-\\d+"}]}},
        {"name": "log", "type": "logger", "config": {"level": "debug", "maxLength": 100_000}},
        {"name": "trace", "type": "clickhouse-tracer", "config": tracer},
    ]


class Written:
    """The log as it is written to a file."""

    def __init__(self, file: Path, failed: list[str]) -> None:
        self._file = file
        self._failed = failed
        self._seen = 0

    def faults(self) -> list[str]:
        """What went wrong since the last look."""
        data = self._file.read_bytes()
        text, self._seen = data[self._seen :].decode(), len(data)
        failed = [f"not written: {line}" for line in self._failed]
        self._failed.clear()
        return failed + [line for line in text.splitlines() if "Traceback" in line or "urrogates not" in line]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    root, file, failed = logging.getLogger(), tmp_path_factory.mktemp("log") / "log", list[str]()
    handlers, level = list(root.handlers), root.level
    settings = {"destinations": ["file"], "file_path": str(file), "format": "json", "level": "debug"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(logging.Handler, "handleError", lambda _, record: failed.append(str(record.msg)))
        configure_logging(LoggingConfig.model_validate(settings))
        yield Written(file, failed)
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="module")
def gateway(apis: FiveApis, written: Written, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayClient]:
    with everything(apis.url, tmp_path_factory.mktemp("gateway")) as client:
        yield client


@pytest.fixture(scope="module")
def api() -> Iterator[PlantedApi]:
    server = PlantedApi()
    yield server
    server.close()


@pytest.fixture(scope="module")
def planted(api: PlantedApi, written: Written, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayClient]:
    with everything(api.url, tmp_path_factory.mktemp("planted")) as client:
        yield client


def everything(url: str, folder: Path) -> GatewayClient:
    config = {
        "store": {"url": f"sqlite:{folder}/store.db"},
        "models": models_of(url),
        "plugins": plugins(folder),
    }
    return GatewayClient(json.dumps(config))


def share(cases: list[Any]) -> list[Any]:
    return cases[:: max(1, len(cases) // MOST)]


def wrong(answer: Any, written: Written, where: str) -> list[str]:
    found = [f"{where}: {fault}" for fault in written.faults()]
    if answer.status >= 500 and answer.headers.get("x-llm-gateway-error-source") != "upstream":
        found.append(f"{where}: {answer.status} {answer.body[:200]!r}")
    if "x-evil" in answer.headers or any("\n" in value for value in answer.headers.values()):
        found.append(f"{where}: a header of the reply is broken: {answer.headers}")
    try:
        answer.body.decode()
    except UnicodeDecodeError:
        if "amazon" not in answer.headers.get("content-type", ""):
            found.append(f"{where}: the reply is not UTF-8")
    return found


@pytest.mark.parametrize("client", CLIENTS)
def test_no_text_of_a_request_is_a_fault(client: str, gateway: GatewayClient, written: Written) -> None:
    found = []
    for number, (path, body) in enumerate(share(bodies(client, HALF))):
        for provider in providers_of(client, number):
            found += wrong(send(gateway, client, provider, body), written, f"{client}{path} to {provider}")

    assert not found, "\n".join(found)


def half_bodies(value: Any) -> Iterator[tuple[str, Any]]:
    """(path, `value` with half a letter) for each text and each key of it."""
    if isinstance(value, str):
        yield "", HALF
    elif isinstance(value, list):
        for place, item in enumerate(value):
            for path, changed in half_bodies(item):
                yield f"[{place}]{path}", [*value[:place], changed, *value[place + 1 :]]
    elif isinstance(value, dict):
        yield ".(key)", {**value, HALF: "x"}
        for key, item in value.items():
            for path, changed in half_bodies(item):
                yield f".{key}{path}", {**value, key: changed}


@pytest.mark.parametrize(("route", "body"), OTHERS, ids=[route for route, _ in OTHERS])
def test_no_text_or_key_for_any_endpoint_is_a_fault(
    route: str, body: dict[str, Any], gateway: GatewayClient, written: Written
) -> None:
    found = []
    for path, changed in half_bodies({"model": "openai_chat", **body}):
        found += wrong(gateway.post(route, changed), written, f"{route} {path}")

    assert not found, "\n".join(found)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_text_of_a_reply_is_a_fault(
    provider: str, api: PlantedApi, planted: GatewayClient, written: Written
) -> None:
    found = []
    others = [client for client in CLIENTS if client != provider]
    for number, (path, status, stream, kind, body) in enumerate(replies(provider)):
        api.answer, api.status = (kind, body), status
        for client in (provider, others[number % len(others)]):
            answer = ask(planted, client, provider, stream=stream)
            found += wrong(answer, written, f"{provider}{path} ({status}) for {client}")

    assert not found, "\n".join(found)


def replies(provider: str) -> Iterator[tuple[str, int, bool, str, bytes]]:
    """(path, status, whether a stream, content type, body)"""
    for whole in share(list(planted_wholes(provider, HALF))):
        yield whole.path, 200, False, "application/json", json.dumps(whole.value).encode()
    for split in (False, True):
        for path, kind, body in share(list(planted_streams(provider, HALF, split=split))):
            yield f"{path} streamed", 200, True, kind, body
    for error in share(list(planted_errors(HALF))):
        yield error.path, 400, False, "application/json", json.dumps(error.value).encode()
