"""The block `store`: found by scheme, checked by building, shared within a process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.gateway import Gateway
from llm_gateway.loading import load_text
from llm_gateway.stores.memory import MemoryStore
from llm_gateway.stores.sqlite import SQLiteStore
from llm_gateway.testing import gateway_client
from llm_gateway_sdk import Plugin, Store, plugin_metadata
from llm_gateway_sdk.errors import ConfigError

STORES: list[Store] = []
MODELS = "models: [{name: m, isDefault: true, provider: {type: echo}}]\n"


@plugin_metadata(name="counting")
class Counting(Plugin):
    async def configure(self, config: Any) -> None:
        STORES.append(self.gateway.store)
        await self.gateway.store.put("seen", b"1")


def problems_of(text: str, folder: Path, **environ: str) -> list[str]:
    try:
        load_text(MODELS + text, directory=folder, environ=environ)
    except ConfigError as error:
        return [f"{problem.path}: {problem.message}" for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("store: {url: 'sqlit:./x.db'}", 'store.url: unknown kind of store "sqlit"; did you mean "sqlite"'),
        ("store: {url: state.db}", "store.url: expected a URL such as"),
        ("store: {url: 'sqlite:/nowhere/x.db'}", "store.url: there is no folder /nowhere"),
        ("store: {url: 'memory:elsewhere'}", "store.url: the store in memory has no address"),
        ("store: {url: '${NO_SUCH_URL}'}", "store.url: "),
        ("store: {url: 'memory:', config: {deadline: 5s}}", "store.config.deadline: unknown key"),
        ("store: {url: 'sqlite:./x.db', config: {deadline: soon}}", "store.config.deadline: expected"),
        ("store: {ulr: 'memory:'}", "store"),
        ("store: 'memory:'", "store: "),
    ],
)
def test_what_is_wrong_is_reported_with_its_place(text: str, expected: str, tmp_path: Path) -> None:
    assert any(expected in problem for problem in problems_of(text, tmp_path)), problems_of(text, tmp_path)


def test_a_url_from_the_environment_is_used_and_kept_secret(tmp_path: Path) -> None:
    loaded = load_text(MODELS + "store: {url: '${STORE}'}", directory=tmp_path, environ={"STORE": "sqlite:./a.db"})

    assert loaded.config.store.url.get_secret_value() == "sqlite:./a.db"
    assert "a.db" not in repr(loaded.config.store)


def test_the_default_is_a_file_that_is_made_when_a_plugin_uses_it(tmp_path: Path) -> None:
    asyncio.run(serve("plugins: []", tmp_path))
    assert list(tmp_path.iterdir()) == []

    STORES.clear()
    asyncio.run(serve("plugins: [{name: a, type: counting}, {name: b, type: counting}]", tmp_path))

    assert (tmp_path / "state.db").is_file()
    assert isinstance(STORES[0], SQLiteStore)
    assert STORES[0] is STORES[1]


def test_a_plugin_gets_the_configured_store(tmp_path: Path) -> None:
    STORES.clear()
    asyncio.run(serve("store: {url: 'memory:'}\nplugins: [{name: a, type: counting}]", tmp_path))

    assert isinstance(STORES[0], MemoryStore)
    assert list(tmp_path.iterdir()) == []


async def serve(text: str, folder: Path) -> None:
    gateway = Gateway(load_text(MODELS + text, directory=folder, environ={}, classes=[Counting]))
    await gateway.start()
    await gateway.close()


def test_files_are_in_the_folder_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("LLM_GATEWAY_STATE_DIR", str(tmp_path / "state"))

    with gateway_client(MODELS, directory=tmp_path) as client:
        reply = client.post("/v1/responses", json={"model": "m", "input": "Hi."})
        kept = client.get(f"/v1/responses/{reply.json()['id']}")

    assert kept.status == 200
    assert (tmp_path / "state" / "state.db").exists()


def test_responses_are_answered_where_none_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LLM_GATEWAY_STATE_DIR", str(tmp_path / "absent"))

    with gateway_client(MODELS, directory=tmp_path) as client:
        assert client.post("/v1/responses", json={"model": "m", "input": "Hi."}).status == 200

    assert f"responses are not kept: the store `sqlite:`: there is no folder {tmp_path / 'absent'}" in caplog.text
