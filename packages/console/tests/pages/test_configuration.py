"""The page of the configuration, over a file that changes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from llm_gateway_console.pages.configuration import shown
from llm_gateway_console.pages.view import View
from llm_gateway_console.sessions import Session


class Host:
    def __init__(self, **file: Any) -> None:
        usual = {"running": "a" * 64, "file": "b" * 64, "changes": [], "notices": [], "problems": []}
        self.file = usual | file if file.get("error") is None else file

    async def state(self, what: str) -> Any:
        if what == "file":
            return self.file
        return {"workers": {"1": "a", "2": "a"}, "consistent": True, "last_reload": {}}


def page(**file: Any) -> str:
    session = Session("ann", "viewer", 0, "token")
    request: Any = SimpleNamespace(query_params={})
    host: Any = Host(**file)
    body = asyncio.run(shown(View(request, host, session, "/console", {}, False))).body
    return bytes(body).decode()


def test_what_a_reload_would_change_is_shown_with_both_values() -> None:
    text = page(changes=[{"path": "server.port", "running": "8080", "written": None}], notices=["Look <here>"])

    assert "<code>server.port</code>" in text
    assert "<del>8080</del>" in text
    assert "the file differs" in text
    assert "<li>Look &lt;here&gt;</li>" in text


def test_a_file_with_problems_has_no_known_changes() -> None:
    text = page(file=None, problems=["gateway.yaml:3: models[0].provider: unknown"])

    assert "can not be used" in text
    assert "models[0].provider: unknown" in text
    assert "Unknown while the file has problems" in text


def test_the_same_file_is_reported_as_running() -> None:
    assert "the file is running" in page(file="a" * 64)


def test_a_gateway_without_a_file_has_nothing_to_compare() -> None:
    assert "without a configuration file" in page(error="this gateway runs without a configuration file")


def test_every_role_may_look(viewer: Any) -> None:
    assert viewer.get("/configuration").status == 200
