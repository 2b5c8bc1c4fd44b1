"""Claude Code, Codex and Gemini CLI, headless, with forty MCP tools, on servers of all vendors that refuse what the
real ones refuse: a session with parallel calls and thinking. Runs where COMPAT is set; AGENTS_LONG tries every vendor,
else each agent has one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import odd_tools
import pytest
from codex_home import codex_home
from compat_envs import ENVIRONMENTS, Environment, install
from scripted_upstream import Script
from served_gateway import ServedGateway
from strict_servers import MODELS, StrictServers, models

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("COMPAT"), reason="agents are not installed: python3 tools/compat_envs.py, and set COMPAT=1"
    ),
    pytest.mark.timeout(600),
]
AGENT_SECONDS = 120
SERVER = [sys.executable, str(Path(odd_tools.__file__).resolve())]


def installed(name: str) -> Environment:
    environment = ENVIRONMENTS[name]
    problem = install(environment)
    if problem is not None:
        pytest.skip(problem)
    return environment


def run(command: list[str], folder: Path, **environ: str) -> str:
    """What the agent prints; it sees no proxy, no settings and no credentials but those given."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    given = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "LANG": "C.UTF-8", **environ}
    ended = subprocess.run(
        command, cwd=folder, env=given, capture_output=True, text=True, timeout=AGENT_SECONDS, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 0, f"{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
    return ended.stdout


def claude_code(gateway: ServedGateway, folder: Path, model: str, prompt: str) -> str:
    claude = installed("claude-code").program("claude")
    config = {"mcpServers": {"odd": {"command": SERVER[0], "args": SERVER[1:]}}}
    (folder / "mcp.json").write_text(json.dumps(config))
    return run(
        [str(claude), "-p", prompt, "--model", model, "--mcp-config", "mcp.json", "--allowedTools", "mcp__odd"],
        folder,
        ANTHROPIC_BASE_URL=f"{gateway.url}/anthropic",
        ANTHROPIC_AUTH_TOKEN="sk-test",
        ANTHROPIC_SMALL_FAST_MODEL=model,
        ANTHROPIC_DEFAULT_HAIKU_MODEL=model,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_AUTOUPDATER="1",
        CLAUDE_CODE_MAX_RETRIES="0",
        ENABLE_TOOL_SEARCH="false",
    )


def codex(gateway: ServedGateway, folder: Path, model: str, prompt: str) -> str:
    program = installed("codex").program("codex")
    tools = f"""
[mcp_servers.odd]
command = {json.dumps(SERVER[0])}
args = {json.dumps(SERVER[1:])}
"""
    home = codex_home(folder, gateway.url, model, tools)
    command = [str(program), "exec", "--skip-git-repo-check", prompt]
    return run(command, folder, CODEX_HOME=str(home), GATEWAY_KEY="sk-test")


def gemini_cli(gateway: ServedGateway, folder: Path, model: str, prompt: str) -> str:
    program = installed("gemini-cli").program("gemini")
    settings = folder / "home" / ".gemini"
    settings.mkdir(parents=True)
    config = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"disableAutoUpdate": True, "disableUpdateNag": True},
        "mcpServers": {"odd": {"command": SERVER[0], "args": SERVER[1:], "trust": True}},
    }
    (settings / "settings.json").write_text(json.dumps(config))
    command = [str(program), "-m", model, "--yolo", "--skip-trust", "-p", prompt]
    address = f"{gateway.url}/gemini"
    return run(command, folder, GOOGLE_GEMINI_BASE_URL=address, GEMINI_API_KEY="sk-test", NO_BROWSER="1")


AGENTS: dict[str, Callable[[ServedGateway, Path, str, str], str]] = {
    "claude-code": claude_code,
    "codex": codex,
    "gemini-cli": gemini_cli,
}
SHORT = {("claude-code", "bedrock"), ("codex", "gemini"), ("gemini-cli", "anthropic-newest")}
# Codex calls what it has in namespaces, which the imitation of OpenAI's own API does not know.
_PLACES = [place for place in product(AGENTS, MODELS) if place != ("codex", "responses")]
_PLACES = [place for place in _PLACES if place in SHORT or os.environ.get("AGENTS_LONG")]


@pytest.fixture(scope="module")
def _servers() -> Iterator[StrictServers]:
    server = StrictServers()
    yield server
    server.close()


@pytest.fixture
def servers(_servers: StrictServers) -> StrictServers:
    """With nothing left of the test before."""
    _servers.forget()
    return _servers


@pytest.fixture(scope="module")
def strict_gateway(_servers: StrictServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    served = ServedGateway({"models": models(_servers.url)}, tmp_path_factory.mktemp("agents"))
    yield served
    served.stop()


class Player:
    """Answers as a model that calls each odd tool once, three at a time, and then repeats what they answered."""

    def __init__(self) -> None:
        self.called: list[int] = []

    def answer(self, name: str, body: dict[str, Any]) -> Script:
        offered = {int(found[1]): tool for tool in described(body) if (found := re.search(NUMBER, tool[1]))}
        if len(offered) < AT_LEAST or "run the odd tools" not in json.dumps(body):
            return Script("A title.")  # a side task
        waiting = [number for number in offered if number not in self.called][:8]
        if not waiting:
            seen = sorted({int(number) for number in re.findall(r"(\d+) saw ", json.dumps(body))})
            return Script(f"The tools that answered: {seen}")
        self.called += waiting
        calls = [(f"call_{number}", offered[number][0], arguments(number)) for number in waiting]
        return Script("I call them.", "They are odd indeed.", calls)


AT_LEAST = odd_tools.COUNT - 6
"""Agents leave out some tools themselves: those whose schemas their own vendor refuses."""
NUMBER = r"Odd tool number (\d+)\."


def arguments(number: int) -> str:
    schema = odd_tools.tools()[number]["inputSchema"]
    wanted = schema.get("required") or schema.get("anyOf", [{}])[0].get("required", ())
    return json.dumps(dict.fromkeys(wanted, "https://a.example/"))


def described(node: Any) -> Iterator[tuple[str, str]]:
    """Name and description of each tool, wherever the API has them."""
    if isinstance(node, dict):
        if isinstance(node.get("name"), str) and isinstance(node.get("description"), str):
            yield node["name"], node["description"]
        for value in node.values():
            yield from described(value)
    elif isinstance(node, list):
        for value in node:
            yield from described(value)


@pytest.mark.parametrize(("agent", "model"), _PLACES, ids=[" on ".join(place) for place in _PLACES])
def test_every_odd_tool_is_called_and_its_answer_seen(
    strict_gateway: ServedGateway, servers: StrictServers, tmp_path: Path, agent: str, model: str
) -> None:
    player = Player()
    servers.answer = player.answer
    servers.own_schemas = agent == "gemini-cli"

    printed = AGENTS[agent](strict_gateway, tmp_path, model, "think first, then run the odd tools")

    # Claude Code tries a system turn with models that it does not know, and asks again without where that is refused.
    assert not [refusal for refusal in servers.refusals if 'role "system"' not in refusal or agent != "claude-code"]
    assert len(player.called) >= AT_LEAST
    assert f"The tools that answered: {sorted(player.called)}" in printed
