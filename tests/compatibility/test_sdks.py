"""Official SDKs, old and new, each in its own environment: a conversation with tools on each provider's API, and
the exceptions that they raise. Runs where COMPAT is set; `tools/compat_envs.py` makes the environments.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from compat_envs import ENVIRONMENTS, install
from five_apis import DIALECTS
from provider_errors import CLASSES
from scripted_upstream import INPUT_TOKENS, OUTPUT_TOKENS, THOUGHT
from served_gateway import ServedGateway
from shared_outcomes import SharedOutcomes, Skipped

DRIVERS = Path(__file__).parent / "drivers"
CALLS = 'call weather {"city": "Paris"}\ncall weather {"city": "Łódź"}'
PROMPT = f"think first\n{CALLS}"
RESULTS = ["rain", "snow"]
BROKEN = ("rate_limit", "overloaded", "upstream")

CLIENTS = {
    "openai-1-early": ("openai_client.py", ("chat",)),
    "openai-1": ("openai_client.py", ("chat", "responses")),
    "openai-2": ("openai_client.py", ("chat", "responses")),
    "openai-3": ("openai_client.py", ("chat", "responses")),
    "node-openai-4": ("openai_client.mjs", ("chat", "responses")),
    "node-openai-7": ("openai_client.mjs", ("chat", "responses")),
    "anthropic-0-early": ("anthropic_client.py", ("messages",)),
    "anthropic-0": ("anthropic_client.py", ("messages",)),
    "anthropic-1": ("anthropic_client.py", ("messages",)),
    "anthropic-2": ("anthropic_client.py", ("messages",)),
    "node-anthropic-0": ("anthropic_client.mjs", ("messages",)),
    "node-anthropic-1": ("anthropic_client.mjs", ("messages",)),
    "google-genai-1": ("google_client.py", ("generate",)),
    "google-genai-3": ("google_client.py", ("generate",)),
}
"""Which driver runs in which environment, and the APIs that this version of the SDK has."""

FINISHES = {
    "chat": ["tool_calls", "stop"],
    "responses": ["tool_calls", "completed"],
    "messages": ["tool_use", "end_turn"],
    "generate": ["STOP", "STOP"],
}
EXCEPTIONS = {
    "bad_request": "BadRequestError",
    "authentication": "AuthenticationError",
    "permission": "PermissionDeniedError",
    "not_found": "NotFoundError",
    "too_large": "APIStatusError",
    "rate_limit": "RateLimitError",
    "quota": "APIStatusError",
    "overloaded": "InternalServerError",
    "timeout": "InternalServerError",
    "context_length": "BadRequestError",
    "content_policy": "BadRequestError",
    "upstream": "InternalServerError",
}
WITHOUT_THINKING = {"anthropic-0-early"}
"""SDKs that do not know thinking: they lose its signature, which the provider itself would not accept."""
USAGE_AT_FIRST = {"anthropic-0-early"}
"""SDKs that read the input's tokens from a stream's first event alone, where most providers do not know them yet."""
CLIENT_FAULTS = {"bad_request", "authentication", "permission", "not_found", "too_large", "rate_limit", "quota"} | {
    "context_length",
    "content_policy",
}

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("COMPAT"),
        reason="official clients are not installed: python3 tools/compat_envs.py, and set COMPAT=1",
    ),
    pytest.mark.timeout(900),
]

_PLACES = [(name, api, model) for name, (_, apis) in CLIENTS.items() for api in apis for model in DIALECTS]
each_place = pytest.mark.parametrize(
    ("name", "api", "model"), _PLACES, ids=[f"{name} {api} on {model}" for name, api, model in _PLACES]
)


@pytest.fixture
def seen_of(gateway: ServedGateway, outcomes: SharedOutcomes, name: str) -> dict[str, Any]:
    """What the client saw of the gateway."""
    seen: dict[str, Any] = outcomes.of(name, lambda: run(name, gateway.url))
    return seen


def run(name: str, url: str) -> dict[str, Any]:
    environment = ENVIRONMENTS[name]
    problem = install(environment)
    if problem is not None:
        raise Skipped(problem)
    driver, apis = CLIENTS[name]
    base = {"chat": "/openai/v1", "messages": "/anthropic", "generate": "/gemini"}[apis[0]]
    plan = {
        "base_url": url + base,
        "models": DIALECTS,
        "apis": apis,
        "prompt": CALLS if name in WITHOUT_THINKING else PROMPT,
        "results": RESULTS,
        "errors": CLASSES,
        "broken": BROKEN,
    }
    command = [str(environment.python), str(DRIVERS / driver)]
    if environment.kind == "node":
        command = ["node", str(DRIVERS / driver), str(environment.folder)]
    given = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    ended = subprocess.run(
        command, input=json.dumps(plan), capture_output=True, text=True, timeout=300, check=False, env=given
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    reported: dict[str, Any] = json.loads(ended.stdout)
    return reported


@each_place
@pytest.mark.parametrize("mode", ["whole", "streamed"])
def test_a_conversation_with_tools(seen_of: dict[str, Any], name: str, api: str, model: str, mode: str) -> None:
    seen = seen_of["conversations"][f"{api} {model} {mode}"]

    assert "failed" not in seen, seen["failed"]
    assert seen["calls"] == [["weather", {"city": "Paris"}], ["weather", {"city": "Łódź"}]]
    assert seen["ids"] == 2
    assert (seen["text"], seen["finish"]) == ("Let me look.", FINISHES[api])
    if not (mode == "streamed" and name in USAGE_AT_FIRST and seen["usage"][0] == 0):
        assert seen["usage"] == [INPUT_TOKENS, OUTPUT_TOKENS]
    assert seen["answer"].startswith("tool results: rain, snow")
    assert seen["thinking"] == ("" if name in WITHOUT_THINKING else THOUGHT)


@each_place
def test_errors_raise_the_right_class(seen_of: dict[str, Any], name: str, api: str, model: str) -> None:
    reported = seen_of["errors"]
    for kind in CLASSES:
        seen = reported[f"{api} {model} {kind}"]
        if api == "generate":
            wanted = "ClientError" if kind in CLIENT_FAULTS else "ServerError"
        elif "node" in name and EXCEPTIONS[kind] == "APIStatusError":
            wanted = "APIError"
        else:
            wanted = EXCEPTIONS[kind]
        if (kind, seen["status"]) == ("overloaded", 529):
            # Some versions of Anthropic's have a separate class for it.
            wanted = "OverloadedError" if "OverloadedError" in seen["bases"] else wanted
        assert wanted in (seen.get("bases") or [seen["raised"]]), (kind, seen)


@each_place
def test_a_stream_that_fails_is_not_taken_for_whole(seen_of: dict[str, Any], api: str, model: str) -> None:
    reported = seen_of["broken"]
    for kind in BROKEN:
        seen = reported[f"{api} {model} {kind}"]
        assert seen["raised"] or seen.get("event"), (kind, seen)
