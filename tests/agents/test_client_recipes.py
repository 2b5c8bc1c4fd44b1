"""The recipes of docs/clients.md as they are written; only the address is another one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from compat_envs import ENVIRONMENTS
from scripted_upstream import Script
from served_gateway import ServedGateway
from strict_servers import StrictServers, models

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
BLOCKS = re.findall(r"^## ([^\n]+)\n|^```(\w+)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def recipes(language: str) -> list[Any]:
    """The blocks of a language, each by the heading above it."""
    found: list[Any] = []
    heading = ""
    for title, kind, block in BLOCKS:
        heading = title or heading
        if kind == language:
            found.append(pytest.param(block, id=f"{heading} {sum(heading in str(one.id) for one in found)}"))
    return found


@pytest.fixture(scope="module")
def team(_servers: StrictServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    """The page's project `team`, protected by the page's key, and its models with the page's aliases."""
    written = yaml.safe_load(recipes("yaml")[0].values[0])["models"][0]
    by_name = {model["name"]: model for model in models(_servers.url)}
    claude = {**written, "provider": by_name["anthropic"]["provider"]}
    gpt = {"name": "gpt", "provider": by_name["chat"]["provider"]}
    key = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": [{"name": "me", "key": "KEY"}]}}
    config = {"models": [claude, gpt], "projects": [{"name": "team", "plugins": [key]}]}
    served = ServedGateway(config, tmp_path_factory.mktemp("recipes"))
    yield served
    served.stop()


def at(block: str, team: ServedGateway) -> str:
    return block.replace("http://localhost:3000", team.url)


@pytest.mark.parametrize("block", recipes("python"))
def test_python(team: ServedGateway, servers: StrictServers, block: str) -> None:
    imported = re.findall(r"^(?:from|import) (\w+)", block, re.MULTILINE)
    missing = [name for name in imported if find_spec(name) is None]
    frameworks = ENVIRONMENTS["python-frameworks"]
    if missing and frameworks.problem is not None:
        pytest.skip(frameworks.problem)
    python = frameworks.python if missing else sys.executable
    servers.answer = lambda name, body: Script("Hello from the model.")
    code = at(block, team)
    if "reply" not in code:
        code += 'reply = model.invoke("Hello")\n'  # LangChain's recipes end with the model
    given = {key: value for key, value in os.environ.items() if not key.lower().endswith(("_proxy", "_api_key"))}

    ended = subprocess.run(
        [python, "-c", f"{code}\nprint(reply)"], capture_output=True, text=True, timeout=60, check=False,
        env=given,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "Hello from the model." in ended.stdout


def test_curl(team: ServedGateway, servers: StrictServers) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    servers.answer = lambda name, body: Script("Hello from the model.")
    command = next(one.values[0] for one in recipes("sh") if one.values[0].startswith("curl"))

    ended = subprocess.run(["sh", "-c", at(command, team)], capture_output=True, text=True, timeout=30, check=False)

    assert "Hello from the model." in ended.stdout, ended.stderr


@pytest.mark.parametrize(("path", "header"), [("/v1", "authorization"), ("", "x-api-key")])
def test_the_key_of_the_page_is_asked_for(team: ServedGateway, path: str, header: str) -> None:
    with team.http() as http:
        wrong = {header: "Bearer WRONG" if header == "authorization" else "WRONG"}
        asked = "/chat/completions" if path else "/v1/messages"
        body = {"model": "gpt", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
        assert http.post(f"/team{path}{asked}", headers=wrong, json=body).status_code == 401
