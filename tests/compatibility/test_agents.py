"""Claude Code and Codex CLI, headless, through the gateway to each provider's API: a conversation with a tool that the
agent really runs. Runs where COMPAT is set; `tools/compat_envs.py` installs the agents.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from codex_home import codex_home
from compat_envs import ENVIRONMENTS, Environment, install
from five_apis import DIALECTS, FiveApis
from served_gateway import ServedGateway

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("COMPAT"), reason="agents are not installed: python3 tools/compat_envs.py, and set COMPAT=1"
    ),
    pytest.mark.timeout(600),
]

AGENT_SECONDS = 90
SIGNED = {"openai_chat": 0, "openai_responses": 0, "anthropic": 1, "gemini": 1, "bedrock": 1}
"""How many signatures the provider gave, and wants back with the tool's result."""
each_provider = pytest.mark.parametrize("model", DIALECTS)


def installed(name: str) -> Environment:
    environment = ENVIRONMENTS[name]
    problem = install(environment)
    if problem is not None:
        pytest.skip(problem)
    return environment


def run(command: list[str], folder: Path, typed: str = "", **environ: str) -> str:
    """What the agent prints; it sees no proxy, no settings and no credentials but those given."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    given = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "LANG": "C.UTF-8", **environ}
    ended = subprocess.run(
        command,
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        timeout=AGENT_SECONDS,
        check=False,
        input=typed,
    )
    assert ended.returncode == 0, f"{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"
    return ended.stdout


@each_provider
def test_claude_code_runs_a_tool_and_prints_its_result(
    gateway: ServedGateway, apis: FiveApis, tmp_path: Path, model: str
) -> None:
    claude = installed("claude-code").program("claude")
    (tmp_path / "secret.txt").write_text("the word is kumquat\n")
    prompt = f'think first\ncall Read {{"file_path": "{tmp_path}/secret.txt"}}'
    before = len(apis.received)

    words = run(
        [str(claude), "-p", prompt, "--model", model, "--allowedTools", "Read"],
        tmp_path,
        ANTHROPIC_BASE_URL=f"{gateway.url}/anthropic",
        ANTHROPIC_AUTH_TOKEN="sk-test",
        ANTHROPIC_SMALL_FAST_MODEL=model,
        ANTHROPIC_DEFAULT_HAIKU_MODEL=model,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_AUTOUPDATER="1",
        CLAUDE_CODE_MAX_RETRIES="1",
    )

    assert "tool results:" in words
    assert "kumquat" in words
    assert f"[signatures: {SIGNED[model]}]" in words
    assert len(apis.received) >= before + 2


@each_provider
def test_codex_runs_a_tool_and_prints_its_result(
    gateway: ServedGateway, apis: FiveApis, tmp_path: Path, model: str
) -> None:
    codex = installed("codex").program("codex")
    (tmp_path / "secret.txt").write_text("the word is kumquat\n")
    home = codex_home(tmp_path, gateway.url, model)
    before = len(apis.received)

    words = run(
        [
            str(codex),
            "exec",
            "--skip-git-repo-check",
            'think first\ncall exec_command {"cmd": "cat secret.txt"}',
        ],
        tmp_path,
        CODEX_HOME=str(home),
        GATEWAY_KEY="sk-test",
    )

    assert "tool results:" in words
    assert "kumquat" in words
    assert f"[signatures: {SIGNED[model]}]" in words
    assert len(apis.received) >= before + 2
