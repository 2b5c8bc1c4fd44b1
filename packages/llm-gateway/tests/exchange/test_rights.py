"""What a principal may use, on every API."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from llm_gateway_virtual_keys import Keyring

from llm_gateway.stores.sqlite import SQLiteStore
from llm_gateway.testing import GatewayClient

CONFIGURATION = """
store: {{url: "sqlite:{folder}/state.db"}}
{more}
models:
  - {{name: house, isDefault: true, provider: {{type: echo}}}}
  - {{name: claude, aliases: ["claude-*"], provider: {{type: echo}}}}
  - {{name: gpt, aliases: [gpt-5], provider: {{type: echo}}}}
plugins: [{{name: keys, type: virtual-keys}}, {{name: old, type: basic-apikey-auth, config: {{apikeys: [old-key]}}}}]
projects: [{{name: team}}]
"""


class Keys:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, **owner: object) -> dict[str, str]:
        async def run() -> str:
            store = SQLiteStore()
            store.configure(f"sqlite:{self.folder}/state.db", {})
            minted = await Keyring(store).create("n", **owner)
            await store.aclose()
            return minted.key

        return {"authorization": f"Bearer {asyncio.run(run())}"}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[GatewayClient]:
    with GatewayClient(CONFIGURATION.format(folder=tmp_path, more="")) as client:
        yield client


def ask(client: GatewayClient, headers: dict[str, str], model: str | None, path: str = "/openai/v1/chat/completions"):
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    return client.post(path, {**body, **({"model": model} if model else {})}, headers=headers)


@pytest.mark.parametrize(
    ("model", "status"),
    [
        ("claude", 200),
        ("claude-opus-5", 200),
        ("gpt", 403),
        ("gpt-5", 403),
        ("house", 403),
        ("claudette", 403),
        (None, 403),
    ],
)
def test_a_key_asks_for_its_models_alone(client: GatewayClient, keys: Keys, model: str | None, status: int) -> None:
    headers = keys.create(models=("claude*",))

    assert ask(client, headers, model).status == status
    refused = ask(client, headers, model, "/anthropic/v1/messages")
    assert refused.status == status
    if status == 403:
        assert refused.json()["error"]["type"] == "permission_error"


def test_a_name_that_leads_to_the_default_model_asks_for_the_default_model(client: GatewayClient, keys: Keys) -> None:
    assert ask(client, keys.create(models=("anything*",)), "anything-at-all").status == 403
    assert ask(client, keys.create(models=("house",)), "anything-at-all").status == 200


@pytest.mark.parametrize("path", ["/openai/v1/models", "/anthropic/v1/models"])
def test_lists_show_what_may_be_asked_for(client: GatewayClient, keys: Keys, path: str) -> None:
    listed = client.get(path, headers=keys.create(models=("gpt-5",)))

    assert listed.status == 200
    assert "gpt" in listed.text
    assert "house" not in listed.text
    assert "house" in client.get(path, headers=keys.create()).text


def test_a_refused_model_may_be_hidden(tmp_path: Path, keys: Keys) -> None:
    with GatewayClient(CONFIGURATION.format(folder=tmp_path, more="hideRefusedModels: true")) as client:
        refused = ask(client, keys.create(models=("claude",)), "gpt")

    assert refused.status == 404
    assert "house" not in refused.text


def test_a_key_enters_its_projects_alone(client: GatewayClient, keys: Keys) -> None:
    headers = keys.create(projects=("team",))

    assert ask(client, headers, "house", "/team/openai/v1/chat/completions").status == 200
    assert ask(client, headers, "house").status == 403
    assert client.get("/openai/v1/models", headers=headers).status == 403


def test_a_key_of_another_project_opens_no_route(client: GatewayClient, keys: Keys) -> None:
    headers = {**keys.create(projects=("team",)), "content-type": "application/json"}
    body = {"model": "house", "messages": [{"role": "user", "content": "hi"}], "input": "hi", "max_tokens": 5}
    asked, opened = 0, {}
    for adapter in client.gateway.projects["default"].adapters:
        for route in adapter.routes:
            path = re.sub(r"{(\w+)}", "house", f"/{adapter.name}{route.path}")
            sent = json.dumps(body).encode() if route.method == "POST" else b""
            reply = client.request(route.method, path, body=sent, headers=headers)
            asked += 1
            is_unread = route.form is not None and reply.status == 400  # another body than this is what it takes
            if "{rest}" not in route.path and not is_unread and "not open to this caller" not in reply.text:
                opened[route.method, path] = reply.status, reply.text

    assert asked > 50
    assert opened == {}


def test_keys_of_both_plugins_are_let_in(client: GatewayClient, keys: Keys) -> None:
    assert ask(client, {"x-api-key": "old-key"}, "house").status == 200
    assert ask(client, keys.create(), "house").status == 200
    for wrong in ("old-key-x", "gw_abcdefghijkl_" + "x" * 33, "eyJh.eyJh.x"):
        assert ask(client, {"x-api-key": wrong}, "house").status == 401


def test_valid_virtual_keys_do_not_count_as_guesses_of_others(client: GatewayClient, keys: Keys) -> None:
    headers = keys.create()
    for _ in range(50):
        assert ask(client, headers, "house").status == 200
    assert ask(client, {"x-api-key": "wrong"}, "house").status == 401
