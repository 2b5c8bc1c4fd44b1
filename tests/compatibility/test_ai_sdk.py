"""The Vercel AI SDK on each provider's API through Responses, with tools in several steps: it refers to items that it
expects to be kept. Runs where COMPAT is set, as test_sdks.py."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from compat_envs import ENVIRONMENTS, install
from five_apis import DIALECTS
from served_gateway import ServedGateway
from shared_outcomes import SharedOutcomes, Skipped
from test_sdks import DRIVERS

# The one that keeps responses itself is only imitated here, and keeps nothing.
MODELS = [name for name in DIALECTS if name != "openai_responses"]
PROMPT = 'think first\ncall weather {"city": "Paris"}\ncall weather {"city": "Rome"}'

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("COMPAT"),
        reason="official clients are not installed: python3 tools/compat_envs.py, and set COMPAT=1",
    ),
    pytest.mark.timeout(900),
]


@pytest.fixture
def seen_of(gateway: ServedGateway, outcomes: SharedOutcomes) -> dict[str, Any]:
    seen: dict[str, Any] = outcomes.of("ai-sdk", lambda: run(gateway.url))
    return seen


def run(url: str) -> dict[str, Any]:
    environment = ENVIRONMENTS["node-ai-sdk-6"]
    problem = install(environment)
    if problem is not None:
        raise Skipped(problem)
    plan = {
        "base_url": f"{url}/openai/v1",
        "models": MODELS,
        "prompt": PROMPT,
        "results": {"Paris": "rain", "Rome": "sun"},
        "continued": True,
    }
    command = ["node", str(DRIVERS / "ai_sdk_client.mjs"), str(environment.folder)]
    given = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    ended = subprocess.run(
        command, input=json.dumps(plan), capture_output=True, text=True, timeout=300, check=False, env=given
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    seen: dict[str, Any] = json.loads(ended.stdout)
    return seen


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("mode", ["whole", "streamed"])
def test_a_tool_loop_of_several_steps(seen_of: dict[str, Any], model: str, mode: str) -> None:
    seen = seen_of[f"{model} {mode}"]

    assert "failed" not in seen, seen
    assert seen["calls"] == ["Paris", "Rome"]
    assert seen["text"].startswith("tool results: rain, sun")
    assert len(set(seen["ids"])) == 2
    assert "And now?" in seen["next"]
