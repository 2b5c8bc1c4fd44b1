"""Frameworks over several vendors' APIs (LangChain, LangChain.js, LiteLLM, the Vercel AI SDK): a loop with parallel
calls on each provider's API, whole and streamed. Runs where COMPAT is set, as test_sdks.py."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

import pytest
from compat_envs import ENVIRONMENTS, install
from five_apis import DIALECTS
from served_gateway import ServedGateway
from shared_outcomes import SharedOutcomes, Skipped
from test_sdks import DRIVERS

PROMPT = 'think first\ncall weather {"city": "Paris"}\ncall weather {"city": "Rome"}'
WAYS = {
    "python-frameworks": (
        *(f"langchain {api}" for api in ("chat", "responses", "messages", "generate")),
        *(f"litellm {way}" for way in ("chat", "responses", "proxy", "messages")),
    ),
    "node-frameworks": (
        *(f"langchain.js {api}" for api in ("chat", "responses", "responses without storage", "messages", "generate")),
        *(f"ai-sdk {way}" for way in ("chat", "compatible", "messages", "generate")),
    ),
}
"""By environment: the library and its way to the gateway."""
_PLACES = [(name, way, model) for name, ways in WAYS.items() for way in ways for model in DIALECTS]

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("COMPAT"),
        reason="official clients are not installed: python3 tools/compat_envs.py, and set COMPAT=1",
    ),
    pytest.mark.timeout(900),
]


@pytest.fixture
def seen_of(gateway: ServedGateway, outcomes: SharedOutcomes, name: str) -> dict[str, Any]:
    seen: dict[str, Any] = outcomes.of(name, lambda: run(name, gateway.url))
    return seen


def run(name: str, url: str) -> dict[str, Any]:
    environment = ENVIRONMENTS[name]
    problem = install(environment)
    if problem is not None:
        raise Skipped(problem)
    plan = {"url": url, "models": DIALECTS, "prompt": PROMPT, "results": {"Paris": "rain", "Rome": "sun"}}
    command = [str(environment.python), str(DRIVERS / "frameworks_client.py")]
    if environment.kind == "node":
        command = ["node", str(DRIVERS / "frameworks_client.mjs"), str(environment.folder)]
    given = {key: value for key, value in os.environ.items() if not key.lower().endswith(("_proxy", "_api_key"))}
    ended = subprocess.run(
        command, input=json.dumps(plan), capture_output=True, text=True, timeout=300, check=False, env=given
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    seen: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return seen


@pytest.mark.parametrize(("name", "way", "model"), _PLACES, ids=[f"{way} on {model}" for _, way, model in _PLACES])
@pytest.mark.parametrize("mode", ["whole", "streamed"])
def test_a_loop_with_parallel_calls(seen_of: dict[str, Any], name: str, way: str, model: str, mode: str) -> None:
    seen = seen_of[f"{way} {model} {mode}"]

    assert "failed" not in seen, seen
    assert seen["calls"] == ["Paris", "Rome"]
    # The AI SDK puts the name of the tool around each result for Google.
    assert re.search(r"^tool results: .*\brain\b.*\bsun\b", seen["text"]), seen
