"""The store of a configuration, for commands next to a running gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llm_gateway.store_access import open_store
from llm_gateway_sdk import ConfigError

MODEL = "models: [{name: m, isDefault: true, provider: {type: echo}}]\n"


def test_the_store_of_the_file_is_the_one_that_a_gateway_uses(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(MODEL + "store: {url: 'sqlite:state.db'}\n")

    async def written() -> None:
        store, _ = open_store(str(file))
        await store.put("k", b"v", expected=0)
        await store.aclose()

    async def read() -> bytes | None:
        store, _ = open_store(str(file))
        document = await store.get("k")
        await store.aclose()
        return None if document is None else document.value

    asyncio.run(written())
    assert asyncio.run(read()) == b"v"
    assert (tmp_path / "state.db").exists(), "relative to the file, wherever the command is called"


def test_the_settings_of_a_plugin_are_found_in_any_project(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(
        MODEL + "projects: [{name: p, plugins: [{name: l, type: basic-apikey-auth, config: {apikeys: [k]}}]}]\n"
    )

    assert open_store(str(file), "basic-apikey-auth")[1]["apikeys"] == ["k"]
    assert open_store(str(file), "absent")[1] == {}


def test_a_configuration_that_is_wrong_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("modles: []\n")

    with pytest.raises(ConfigError, match="modles"):
        open_store(str(file))
