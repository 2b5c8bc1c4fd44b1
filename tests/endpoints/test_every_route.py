"""What a plugin hides goes out by no route of the route table, and none is forgotten.

Each route is asked with words that are hidden, on every model that may serve it. A route of an operation or form that
has neither a body here nor a reason in `ELSEWHERE` fails, and so does one whose words would not arrive without the
plugin.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from endpoint_models import models_of
from json_bodies import SECRET
from vendors import Vendors

sys.path.append(str(Path(__file__).resolve().parent.parent / "compatibility"))

from five_apis import FiveApis
from five_apis import models_of as five_models

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import Adapter, Route

WORDS = f"call {SECRET}"
MESSAGES = [{"role": "user", "content": WORDS}]
CONTENT = {"parts": [{"text": WORDS}]}
FORM = (
    f'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n{WORDS}\r\n'
    '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%s\r\n'
    '--b\r\nContent-Disposition: form-data; name="%s"; filename="a.png"\r\ncontent-type: image/png\r\n\r\nbytes'
    "\r\n--b--\r\n"
)

GENERATING: dict[str, dict[str, Any]] = {
    "openai_chat": {"messages": MESSAGES},
    "openai_responses": {"input": WORDS},
    "anthropic": {"messages": MESSAGES, "max_tokens": 5},
    "gemini": {"contents": [{"role": "user", **CONTENT}]},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": WORDS}]}]},
    "bedrock_invoke": {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": MESSAGES},
    "ollama": {"messages": MESSAGES, "prompt": WORDS, "stream": False},
}
"""By dialect, for replies and for counts of tokens."""

FORMS: dict[str, dict[str, Any]] = {
    "OpenAIEmbeddings": {"input": WORDS},
    "CohereEmbeddings": {"texts": [WORDS], "input_type": "search_query"},
    "GeminiEmbeddings": {"content": CONTENT, "requests": [{"model": "models/m", "content": CONTENT}]},
    "OllamaEmbeddings": {"input": WORDS},
    "OllamaPromptEmbedding": {"prompt": WORDS},
    "CohereRerank": {"query": WORDS, "documents": [WORDS]},
    "OpenAIModeration": {"input": WORDS},
    "OpenAIImages": {"prompt": WORDS},
    "ImagenImages": {"instances": [{"prompt": WORDS}]},
    "OpenAISpeech": {"input": WORDS, "voice": "alloy"},
}
"""By how clients write the operation, as JSON."""

MULTIPART = {"OpenAIImageEdits": "image", "OpenAITranscription": "file"}
"""The same as a form with fields; which of them is a file."""

ELSEWHERE: dict[str, str] = {
    "models": "carries no words; names and descriptions are the operator's",
    "stored": "is answered from the gateway's own store, which tests/attack/test_at_rest.py looks through",
    "file": "is answered from the gateway's own store, or refused where no plugin can see what is in it: "
    "tests/endpoints/test_batches.py and test_uploads.py",
    "batch": "asks each of its requests as a request by itself: tests/endpoints/test_batch_crossing.py",
    "realtime": "is a connection of messages: tests/endpoints/test_realtime.py and test_response_messages.py",
    "native": "is off, and refused where a plugin edits: tests/attack/test_redaction.py",
}
"""By operation: why it is not asked here."""


@dataclass(frozen=True)
class Case:
    adapter: str
    route: Route

    @property
    def path(self) -> str:
        return f"/{self.adapter}{self.route.path}"

    def request(self, model: str) -> tuple[str, bytes, dict[str, str]]:
        """Path, body, headers."""
        route, name = self.route, type(self.route.form).__name__
        path = self.path.format(model=model, place="projects/p/locations/l/publishers/google")
        if (file := MULTIPART.get(name)) is not None:
            return path, (FORM % (model, file)).encode(), {"content-type": "multipart/form-data; boundary=b"}
        body = GENERATING[route.dialect] if route.operation in ("generate", "count_tokens") else FORMS[name]
        named = body if "{model}" in route.path else {**body, "model": model}
        if route.operation == "count_tokens" and route.dialect == "bedrock":
            named = {"input": {"converse": named}}
        return path, json.dumps(named).encode(), {"content-type": "application/json"}


def adapters(client: GatewayClient) -> Iterator[Adapter]:
    seen = set()
    for project in client.gateway.projects.values():
        for adapter in project.adapters:
            if adapter.name not in seen:
                seen.add(adapter.name)
                yield adapter


def every_route() -> list[Case]:
    with GatewayClient(json.dumps({"models": [{"name": "m", "provider": {"type": "echo"}}]})) as client:
        return [Case(adapter.name, route) for adapter in adapters(client) for route in adapter.routes]


ROUTES = every_route()
ASKED = [case for case in ROUTES if case.route.operation not in ELSEWHERE]


def one_of_each(cases: list[Case]) -> list[Case]:
    """One of the addresses of each endpoint, which are several for several versions."""
    return list({(case.adapter, case.route.upstream or case.route.path): case for case in cases}.values())


FIVE = [model["name"] for model in five_models("")]
OTHERS = [model["name"] for model in models_of("")]
RULES = {"patterns": [{"pattern": r"\d{3}-\d{4}", "replacement": "[hidden]"}]}


class Before:
    """A gateway before all vendors, and what reached these."""

    def __init__(self, apis: FiveApis, vendors: Vendors, *plugins: dict[str, Any]) -> None:
        self._apis, self._vendors = apis, vendors
        models = [*five_models(apis.url), *[{**model, "isDefault": False} for model in models_of(vendors.url)]]
        known = {model["name"]: {**model, "aliases": [f"tunedModels/{model['name']}"]} for model in reversed(models)}
        self.client = GatewayClient(json.dumps({"models": list(known.values()), "plugins": list(plugins)}))

    def sent_by(self, case: Case) -> tuple[str, str]:
        """(what reached the vendors, what the client got) on all models together."""
        ours, theirs, replies = len(self._apis.received), len(self._vendors.seen), []
        generates = case.route.operation in ("generate", "count_tokens")
        for model in FIVE if generates else OTHERS:
            path, body, headers = case.request(model)
            replies.append(self.client.request(case.route.method, path, body=body, headers=headers).body)
        sent = [repr(each) for each in self._apis.received[ours:]]
        sent += [f"{each.path} {each.raw!r}" for each in self._vendors.seen[theirs:]]
        return "\n".join(sent), b"\n".join(replies).decode(errors="replace")


@pytest.fixture(scope="module")
def apis() -> Iterator[FiveApis]:
    server = FiveApis()
    yield server
    server.close()


@pytest.fixture(scope="module")
def hiding(apis: FiveApis, vendors: Vendors) -> Iterator[Before]:
    before = Before(apis, vendors, {"name": "hider", "type": "regex-hider", "config": RULES})
    yield before
    before.client.close()


@pytest.fixture(scope="module")
def plain(apis: FiveApis, vendors: Vendors) -> Iterator[Before]:
    before = Before(apis, vendors)
    yield before
    before.client.close()


def test_every_route_is_asked_or_has_its_reason() -> None:
    without_body = [
        case.path
        for case in ASKED
        if (
            case.route.dialect not in GENERATING
            if case.route.operation in ("generate", "count_tokens")
            else type(case.route.form).__name__ not in {*FORMS, *MULTIPART}
        )
    ]

    assert not without_body, "no words are planted for these"
    assert {case.route.operation for case in ROUTES} >= ELSEWHERE.keys(), "a reason for an operation that is not there"
    assert len(ASKED) > 80


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case.path)
def test_no_words_that_a_plugin_hides_go_out(hiding: Before, case: Case) -> None:
    sent, got = hiding.sent_by(case)

    assert SECRET not in sent
    assert SECRET not in got


@pytest.mark.parametrize("case", one_of_each(ASKED), ids=lambda case: case.path)
def test_without_the_plugin_they_would(plain: Before, case: Case) -> None:
    sent, got = plain.sent_by(case)

    if case.route.operation == "count_tokens" and SECRET not in sent:
        assert "okens" in got, "counted by the gateway itself"
    else:
        assert SECRET in sent
