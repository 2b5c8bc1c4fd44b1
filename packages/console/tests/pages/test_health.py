"""The health page: the state in tiles, what is wrong in a list, and models with what became of their calls."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from llm_gateway_console.pages.health import shown
from llm_gateway_console.pages.view import View
from llm_gateway_console.sessions import Session
from starlette.requests import Request

from llm_gateway_sdk.page_host import AdminAnswer

HEALTH = {"status": "ok", "version": "1.2.3", "uptime_seconds": 7200.0, "checks": {"ready": True}}
VERSION = {"workers": {"1": "abc", "2": "abc"}, "consistent": True, "version": "abcdef0123456789", "last_reload": None}


class Host:
    """The gateway's states, as a test wants them."""

    def __init__(self, **states: Any) -> None:
        self._states = {"health": HEALTH, "version": VERSION, "breakers": {"workers": {}}, **states}
        self.store = states.get("store", AdminAnswer(200, {"milliseconds": 1.25, "warnings": []}))

    async def state(self, name: str) -> Any:
        if isinstance(self._states[name], Exception):
            raise self._states[name]
        return self._states[name]

    async def figures(self) -> str:
        return str(self._states.get("figures", ""))

    async def administer(self, *_: Any, **__: Any) -> AdminAnswer:
        return self.store

    def areas(self) -> list[Any]:
        return []


def page(**states: Any) -> tuple[int, str]:
    request = Request({"type": "http", "query_string": b"", "headers": [], "client": None})
    session = Session("vera", "viewer", 2_000_000_000, token="token", id="id")
    view = View(request, Host(**states), session, "/console", {}, signed_in_principals=False)  # type: ignore[arg-type]
    response = asyncio.run(shown(view))
    return response.status_code, bytes(response.body).decode()


def tile(text: str, name: str) -> str:
    found = re.search(rf"<h2>{name}</h2>(.*?)</div>", text)
    assert found is not None
    return found[1]


def test_a_healthy_gateway_has_no_list_of_failures() -> None:
    status, text = page()

    assert status == 200
    assert "failure" not in text
    assert " bad" not in text
    assert "2.0 h" in tile(text, "Running for")
    assert "1.2 ms" in tile(text, "Store") or "1.3 ms" in tile(text, "Store")
    assert "There are no models." in text


@pytest.mark.parametrize(("seconds", "words"), [(59, "59 s"), (90, "1.5 min"), (86400 * 2.5, "2.5 d")])
def test_the_time_since_the_start_is_in_the_unit_that_fits(seconds: float, words: str) -> None:
    _, text = page(health={**HEALTH, "uptime_seconds": seconds})

    assert words in tile(text, "Running for")


def test_what_is_wrong_is_listed_with_all_its_reasons() -> None:
    reload_ = {"error": "refused", "problems": ["models[0]: <x>", "plugins[1]: y"], "needs_restart": ["server.port"]}
    _, text = page(
        health={**HEALTH, "status": "draining", "checks": {"ready": False, "alive": True}},
        version={**VERSION, "consistent": False, "last_reload": reload_},
        store=AdminAnswer(200, {"milliseconds": 1.0, "warnings": ["no persistence"]}),
    )

    lines = re.findall("<li>(.*?)</li>", text)
    assert lines == [
        "Not ready", "models[0]: &lt;x&gt;", "plugins[1]: y", "Takes effect only after a restart: server.port",
        "Store: no persistence",
    ]  # fmt: skip
    assert text.count('"value bad"') == 4
    assert "with different configurations" in tile(text, "Workers")


def test_a_reload_without_a_list_has_its_one_error() -> None:
    _, text = page(version={**VERSION, "last_reload": {"error": "the file is gone"}})

    assert "<li>the file is gone</li>" in text


def test_a_store_that_does_not_answer_is_named_and_the_page_still_there() -> None:
    status, text = page(store=AdminAnswer(503, {"error": {"message": "The store is away."}}))

    assert status == 200
    assert "does not answer" in tile(text, "Store")


def test_a_worker_that_hangs_is_a_504() -> None:
    status, text = page(version=TimeoutError())

    assert status == 504
    assert "does not answer in time" in text


def test_a_breaker_that_is_open_in_one_worker_is_shown() -> None:
    workers = {"1": {"default/a": "closed"}, "2": {"default/a": "open", "default/b": "closed"}, "3": None}
    _, text = page(breakers={"workers": workers})

    rows = re.findall("<tr>(.*?)</tr>", text)[1:]
    shown_states = {re.findall("<td[^>]*>([^<]*)", row)[0]: 'badge error">open<' in row for row in rows}
    assert shown_states == {"a": True, "b": False}


def test_of_a_running_gateway_it_shows_models_with_calls_and_errors(admin: Any) -> None:
    body = b'{"model": "echo", "messages": [{"role": "user", "content": "fail: no"}]}'
    admin.gateway.request(
        "POST", "/openai/v1/chat/completions", body=body, headers={"content-type": "application/json"}
    )

    text = admin.get("/health").text

    assert "echo" in text
    assert "one configuration" in text
