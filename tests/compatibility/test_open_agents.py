"""Cline, opencode and Continue, headless, with the settings of docs/clients.md: a conversation with a tool that the
agent really runs, on every provider's API. Runs where COMPAT and AGENTS_LONG are set: the three take long to install.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from five_apis import DIALECTS
from served_gateway import ServedGateway
from test_agents import installed, run

pytestmark = [
    pytest.mark.skipif(
        not (os.environ.get("COMPAT") and os.environ.get("AGENTS_LONG")),
        reason="COMPAT or AGENTS_LONG is not set: agents are not installed",
    ),
    pytest.mark.timeout(600),
]


def cline(gateway: ServedGateway, folder: Path, model: str, prompt: str) -> str:
    program = str(installed("cline").program("cline"))
    chosen = ["-p", "openai-compatible", "-k", "sk-test", "-m", model, "-b", f"{gateway.url}/v1"]
    run([program, "auth", *chosen], folder)
    call = json.dumps({"files": [{"path": str(folder / "secret.txt")}]})
    return run([program, "--json", f"{prompt}\ncall read_files {call}"], folder)


def opencode(gateway: ServedGateway, folder: Path, model: str, prompt: str) -> str:
    program = str(installed("opencode").program("opencode"))
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "LLM Gateway",
        "options": {"baseURL": f"{gateway.url}/v1", "apiKey": "sk-test"},
        "models": {model: {"name": model}},
    }
    (folder / "opencode.json").write_text(json.dumps({"provider": {"gateway": provider}}))
    call = json.dumps({"filePath": str(folder / "secret.txt")})
    # An argument arrives in quotation marks, what comes from standard input as it is.
    return run([program, "run", "-m", f"gateway/{model}"], folder, f"{prompt}\ncall read {call}")


def continue_(gateway: ServedGateway, folder: Path, model: str, prompt: str) -> str:
    program = str(installed("continue").program("cn"))
    described = {
        "name": "gateway", "version": "1.0.0", "schema": "v1",
        "models": [{
            "name": model, "provider": "openai", "model": model, "apiBase": f"{gateway.url}/v1", "apiKey": "sk-test",
        }],
    }  # fmt: skip
    (folder / "config.yaml").write_text(json.dumps(described))
    call = json.dumps({"filepath": str(folder / "secret.txt")})
    command = [program, "--config", "config.yaml", "--auto", "-p", f"{prompt}\ncall Read {call}"]
    return run(command, folder, CONTINUE_TELEMETRY_ENABLED="0")


AGENTS: dict[str, Callable[[ServedGateway, Path, str, str], str]] = {
    "cline": cline,
    "opencode": opencode,
    "continue": continue_,
}
_PLACES = list(product(AGENTS, DIALECTS))


@pytest.mark.parametrize(("agent", "model"), _PLACES, ids=[" on ".join(place) for place in _PLACES])
def test_a_tool_runs_and_its_result_is_seen(gateway: ServedGateway, tmp_path: Path, agent: str, model: str) -> None:
    (tmp_path / "secret.txt").write_text("the word is kumquat\n")

    printed = AGENTS[agent](gateway, tmp_path, model, "think first")

    assert "tool results:" in printed
    assert "kumquat" in printed[printed.rindex("tool results:") :]
