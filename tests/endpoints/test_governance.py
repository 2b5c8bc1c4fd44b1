"""No route goes round who may ask, limits, books and redaction: generated from the routes that there are."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from sys import path as import_path
from typing import Any

import httpx
import pytest
from endpoint_models import models_of
from json_bodies import JSON_BODIES
from served_gateway import ServedGateway
from vendors import Vendors

from llm_gateway_sdk import Adapter, Route

ROOT = Path(__file__).resolve().parent.parent.parent
import_path.append(str(ROOT / "tools"))

from endpoint_table import render  # noqa: E402

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nopenai\r\n'
    b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na cat\r\n'
    b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\ndata\r\n--b--\r\n'
)


def routes() -> list[tuple[str, Route]]:
    """Every route by which a provider can be asked, with its full path."""
    found = []
    for point in entry_points(group="llm_gateway.adapters"):
        adapter: type[Adapter] = point.load()
        for route in adapter.routes:
            if "{rest}" not in route.path and route.operation != "models":
                found.append((f"/{adapter.name}{route.path.replace('{model}', 'google')}", route))
    return found


ROUTES = routes()


def ask(http: httpx.Client, path: str, route: Route, key: str) -> httpx.Response:
    path = path.replace("{id}", "none_1")
    headers = {"authorization": f"Bearer {key}"}
    if route.method != "POST":
        return http.request(route.method, path, headers=headers)
    if route.form is not None and route.form.multipart:
        headers["content-type"] = "multipart/form-data; boundary=b"
        return http.post(path, content=FORM, headers=headers)
    content = {"parts": [{"text": "a"}]}
    line = {
        "custom_id": "a",
        "params": {"model": "anthropic", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}]},
    }
    body: dict[str, Any] = {
        "model": "openai", "input": "a", "texts": ["a"], "query": "a", "documents": ["a"], "prompt": "a",
        "voice": "alloy", "content": content, "contents": [content], "requests": [{"content": content, **line}],
        "max_tokens": 5,
        "messages": [{"role": "user", "content": [{"text": "a", "type": "text"}]}],
    }  # fmt: skip
    return http.post(path, json=body, headers=headers)


def one_of(operation: str) -> dict[str, Any]:
    """A limit of one request per key, for one operation."""
    when = {"operations": [operation]}
    return {"name": operation, "per": ["key"], "requests": 1, "window": "lifetime", "when": when}


OPERATIONS = {route.operation: (path, route) for path, route in reversed(ROUTES)}


@pytest.fixture(scope="module")
def governed(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    plugins = [
        {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["known-key-1", "known-key-2"]}},
        {
            "name": "limits",
            "type": "limits",
            "config": {"limits": [one_of(operation) for operation in OPERATIONS]},
        },
    ]
    config = {"models": models_of(vendors.url), "plugins": plugins}
    served = ServedGateway(config, tmp_path_factory.mktemp("governed"))
    yield served
    served.stop()


@pytest.mark.parametrize(("path", "route"), ROUTES, ids=[f"{route.method} {path}" for path, route in ROUTES])
def test_a_stranger_is_refused_on_every_route(
    governed: ServedGateway, vendors: Vendors, path: str, route: Route
) -> None:
    before = len(vendors.seen)
    with governed.http() as http:
        reply = ask(http, path, route, "unknown-key")

    assert reply.status_code in (401, 429), reply.text  # who guesses too often waits
    assert len(vendors.seen) == before, "nothing went out"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_limits_and_metrics_count_every_operation(governed: ServedGateway, vendors: Vendors, operation: str) -> None:
    path, route = OPERATIONS[operation]  # type: ignore[index]
    with governed.http() as http:
        first = ask(http, path, route, "known-key-1")
        before = len(vendors.seen)
        second = ask(http, path, route, "known-key-1")
        metrics = http.get("/metrics").text

    assert first.status_code != 429, first.text
    assert second.status_code in (429, 402), second.text
    assert second.headers["x-llm-gateway-limit"]
    assert len(vendors.seen) == before, "nothing went out"
    assert f'operation="{operation}"' in metrics


def test_redaction_is_tested_on_every_form() -> None:
    operations = {route.form.operation for _, route in ROUTES if route.form is not None and not route.form.multipart}
    shown = {path for path, _ in JSON_BODIES}
    covered = {route.form.operation for path, route in ROUTES if route.form and any(path.endswith(p) for p in shown)}

    assert operations <= covered | {"realtime", "batch", "file"}


def test_the_page_of_endpoints_is_current() -> None:
    assert (ROOT / "docs" / "endpoints.md").read_text() == render(), "run `python tools/endpoint_table.py`"
