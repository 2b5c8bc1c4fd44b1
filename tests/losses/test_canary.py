"""Redaction sees every text of every request: a canary in each string position of the SDK types arrives nowhere.

The positions are generated from the types, so that a field which a vendor adds is tried with the next SDK. A control
without the plugin shows that the canaries would arrive. What a position is for (an id, an enumeration) does not matter
here: the canary has the shape of a text, and a value that no receiver would take may be refused. A second canary is a
single word, as ids and names are: it may be left in the fields that `llm_gateway_sdk.text_exclusions` lists, and in no
other.

REDACTION_LONG=1 tries every position with every provider; else each is tried with its own API and one other.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from field_crossing import tree_of
from five_apis import FiveApis, models_of
from sdk_types import each_map, each_text

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk.text_exclusions import CANONICAL, JSON_FIELDS, excluded_in_json

WORD = "CANARY-4711"
PLANTED = f"my {WORD}@secret.example word"
FORMS = [form.encode() for form in (WORD, WORD.lower(), quote(PLANTED), base64.b64encode(WORD.encode()).decode())]
CLIENTS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/gemini/v1beta/models/{model}:generateContent",
    "bedrock": "/bedrock/model/{model}/converse",
}
MODEL_IN_PATH = ("gemini", "bedrock")
PROVIDERS = ["openai_chat", "openai_responses", "anthropic", "gemini", "bedrock"]
REPEATS_ITS_REQUEST = "openai_responses"
"""A reply of this API holds fields of its request, for the client that sent them."""
LONG = bool(os.environ.get("REDACTION_LONG"))

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def apis() -> Iterator[FiveApis]:
    server = FiveApis()
    yield server
    server.close()


def client_of(apis: FiveApis, *plugins: dict[str, Any]) -> GatewayClient:
    return GatewayClient(json.dumps({"models": models_of(apis.url), "plugins": list(plugins)}))


HIDE = {
    "name": "hide",
    "type": "regex-hider",
    "config": {"patterns": [{"pattern": "(?:canary|CANARY).4711", "applyTo": "both"}]},
}


BEDROCK = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
"""What the type does not require, and each model does."""


def bodies(client: str, planted: str = PLANTED) -> list[tuple[str, dict[str, Any]]]:
    base = BEDROCK if client == "bedrock" else {}
    texts = each_text(tree_of(client), planted)
    return [(path, {**base, **value}) for path, value in texts if path not in (".model", ".stream")]


def providers_of(client: str, number: int) -> list[str]:
    if LONG:
        return PROVIDERS
    others = [name for name in PROVIDERS if name != client]
    return [client, others[number % len(others)]]


def ask(gateway: GatewayClient, client: str, provider: str, body: dict[str, Any]) -> Any:
    headers = {"anthropic-version": "2023-06-01"} if client == "anthropic" else {}
    sent = body if client in MODEL_IN_PATH else {**body, "model": provider}
    return gateway.post(CLIENTS[client].format(model=provider), sent, headers=headers)


def found(text: bytes) -> bool:
    return any(form in text for form in FORMS)


def sent_upstream(apis: FiveApis, since: int) -> bytes:
    return b"\n".join(repr(each).encode() for each in apis.received[since:])


@pytest.mark.parametrize("client", CLIENTS)
def test_a_canary_in_any_text_of_a_request_arrives_nowhere(
    apis: FiveApis, client: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    leaks: list[str] = []
    asked = 0
    with client_of(apis, HIDE) as gateway:
        for number, (path, body) in enumerate(bodies(client)):
            for provider in providers_of(client, number):
                since = len(apis.received)
                caplog.clear()
                answer = ask(gateway, client, provider, body)
                asked += 1
                if found(sent_upstream(apis, since)):
                    leaks.append(f"{path} reaches {provider}")
                if answer.status < 400 and client != REPEATS_ITS_REQUEST and found(answer.body):
                    leaks.append(f"{path} comes back from {provider}")
                if found(caplog.text.encode()):
                    leaks.append(f"{path} is logged with {provider}")
    assert asked > 50
    assert not leaks, "\n".join(leaks)


SPELLINGS = {
    "data": "ThinkingPart.redacted",
    "redactedContent": "ThinkingPart.redacted",
    "allowedFunctionNames": "ToolChoice.names",
    "effort": "Reasoning.effort",
    "s3Location.uri": "MediaPart.file_id",
    "error.code": "ErrorInfo.code",
}
"""How a vendor spells a canonical field that is on the list."""


def is_listed(path: str) -> bool:
    """Whether the field at the end of a path is on the one list of what is not offered as text."""
    path = re.sub("^<error>", ".error", path)  # an event that is one
    *_, outer, key = ["", *[piece for piece in re.sub("<[^>]*>", "", path).split(".") if piece not in ("", "*")]]
    spelled = SPELLINGS.get(key) or SPELLINGS.get(f"{outer}.{key}")
    return excluded_in_json(key) is not None or spelled in CANONICAL


@pytest.mark.parametrize("client", CLIENTS)
def test_a_single_word_is_left_only_in_the_fields_on_the_list(apis: FiveApis, client: str) -> None:
    """A word has the shape of an id or a name: an access key, say. Elsewhere it is found like any text."""
    leaks = []
    with client_of(apis, HIDE) as gateway:
        for number, (path, body) in enumerate(bodies(client, WORD)):
            for provider in providers_of(client, number)[: None if LONG else 1]:
                since = len(apis.received)
                answer = ask(gateway, client, provider, body)
                back = answer.status < 400 and client != REPEATS_ITS_REQUEST and found(answer.body)
                if (found(sent_upstream(apis, since)) or back) and not is_listed(path):
                    leaks.append(f"{path} reaches {provider}, or comes back")
    assert not leaks, "\n".join(leaks)


NOT_THE_CLIENTS = {
    ".additionalModelRequestFields": "fields of a vendor's API, of which some are ids and words",
    ".startTime": "a moment, no object",
    ".endTime": "a moment, no object",
    ".data<>": "base64, no object",
    ".logit_bias": "numbers by token",
    ".filters.*<>": "a filter in the vendor's words",
    ".tools.*": "names of tools",
    ".error<mcp_tool_execution_error>.content": "blocks of the vendor's",
    ".properties": "schemas by name",
    ".defs": "schemas by name",
}
"""What the types let be an object with whatever keys, of which the client is not the author."""
_SCHEMA = re.compile(r"schema|\.parameters|definitions", re.IGNORECASE).search


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_calls_a_value_excludes_it_from_nothing(apis: FiveApis, client: str) -> None:
    """Where an object takes whatever keys, those of the list of ids and words are no ids and words."""
    planted = dict.fromkeys((*JSON_FIELDS, "patient_id", "accountIds"), WORD)
    base = BEDROCK if client == "bedrock" else {}
    places = [
        (path, {**base, **value})
        for written, chosen in ((planted, False), ({"type": "object", "default": planted}, True))
        for path, value in each_map(tree_of(client), written)
        if bool(_SCHEMA(path)) is chosen and not path.endswith(tuple(NOT_THE_CLIENTS))
    ]
    leaks = []
    with client_of(apis, HIDE) as gateway:
        for number, (path, body) in enumerate(places):
            for provider in providers_of(client, number):
                since = len(apis.received)
                ask(gateway, client, provider, body)
                sent = sent_upstream(apis, since).decode()
                kept = [key for key in planted if re.search(rf"[\"']{re.escape(key)}[\"']: ?[\"']{WORD}", sent)]
                if kept:
                    leaks.append(f"{path} reaches {provider}: {', '.join(kept)}")
    assert places
    assert not leaks, "\n".join(leaks)


@pytest.mark.parametrize("client", CLIENTS)
def test_without_the_plugin_the_canaries_would_arrive(apis: FiveApis, client: str) -> None:
    planted = bodies(client)
    arrived = 0
    with client_of(apis) as gateway:
        for _, body in planted[::5]:
            since = len(apis.received)
            ask(gateway, client, client, body)
            arrived += found(sent_upstream(apis, since))
    assert arrived > len(planted[::5]) // 2
