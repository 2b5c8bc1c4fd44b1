"""The dashboard's edge: who may ask, what is served, and that nothing from a prompt becomes markup."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard import Dashboard, dashboard_app
from llm_gateway_clickhouse_tracer.dashboard.conversation import conversation, pretty
from llm_gateway_clickhouse_tracer.dashboard.filter import Filter
from llm_gateway_clickhouse_tracer.dashboard.finding import interactions
from llm_gateway_clickhouse_tracer.database.client import Database, DatabaseFailure
from llm_gateway_clickhouse_tracer.settings import ClickHouseSettings, TracerSettings

from llm_gateway_sdk.web import tag

LOCAL = {"host": "127.0.0.1:8124"}


class Asked(Database):
    """Remembers what was asked and answers nothing."""

    def __init__(self) -> None:
        super().__init__(None, ClickHouseSettings())
        self.queries: list[tuple[str, dict[str, Any]]] = []

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        self.queries.append((sql, dict(parameters or {})))
        return []


def dashboard(*, credential: str | None = None, open_database: Callable[[], Database] = Asked) -> Dashboard:
    return Dashboard(TracerSettings(), credential=credential, open_database=open_database)


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"me:{password}".encode()).decode()}


@pytest.mark.parametrize("path", ["/", "/interactions", "/sessions", "/static/style.css", "/export.jsonl"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (basic("wrong"), 401),
        ({"authorization": "Basic %%%"}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        (basic("right"), 200),
        ({"authorization": "Bearer right"}, 200),
    ],
)
def test_with_a_credential_nothing_is_served_without_it(path: str, headers: dict[str, str], status: int) -> None:
    assert dashboard(credential="right").answer("GET", path, "", headers).status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8124", 200), ("127.0.0.1", 200), ("[::1]:8124", 200), ("evil.example", 403), ("", 403)],
)
def test_without_a_credential_only_localhost_is_answered(host: str, status: int) -> None:
    # A page elsewhere may let its name point to 127.0.0.1; then the browser sends that name.
    assert dashboard().answer("GET", "/", "", {"host": host}).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_served(method: str) -> None:
    assert dashboard().answer(method, "/", "", LOCAL).status == 405


@pytest.mark.parametrize(
    "path", ["/nothing", "/static/../app.py", "/static/app.py", "/interactions/unknown", "/requests/x/secret"]
)
def test_other_addresses_are_not_found(path: str) -> None:
    assert dashboard().answer("GET", path, "", LOCAL).status == 404


def test_an_unreachable_database_is_reported_and_asked_again_next_time() -> None:
    attempts = []

    def refuse() -> Database:
        attempts.append(1)
        raise DatabaseFailure("http://db:8123: connection refused", "transient")

    site = dashboard(open_database=refuse)
    first, second = (site.answer("GET", "/", "", LOCAL) for _ in range(2))

    assert first.status == second.status == 503
    assert b"connection refused" in first.body  # type: ignore[operator]
    assert len(attempts) == 2


def test_what_a_reader_types_never_becomes_sql() -> None:
    database = Asked()
    hostile = "'; DROP TABLE traces; --"

    interactions(
        database, Filter.load({"q": hostile, "project": hostile, "model": hostile, "before": hostile, "range": hostile})
    )

    assert database.queries
    for sql, parameters in database.queries:
        assert "DROP" not in sql
        assert parameters["search"] == parameters["project"] == hostile


def test_text_from_prompts_is_escaped_everywhere() -> None:
    hostile = '<script>alert(1)</script>"onload="x'
    page = conversation(
        {
            "messages": [
                {"role": hostile, "content": [{"type": "text", "text": hostile}]},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_call", "id": hostile, "name": hostile, "arguments": hostile}],
                },
                {
                    "role": "tool",
                    "content": [{"type": "tool_result", "tool_call_id": hostile, "content": [{"type": hostile}]}],
                },
                {"role": "user", "content": [{"type": "media", "url": f"javascript:{hostile}", "kind": hostile}]},
            ]
        },
        {
            "choices": [
                {"index": 0, "message": {"content": [{"type": "thinking", "text": hostile}]}, "finish_reason": hostile}
            ]
        },
    )

    assert "<script" not in page
    assert 'onload="x' not in page.replace("&quot;onload=&quot;x", "")
    assert "href" not in page
    assert "<img" not in page


def test_attributes_are_escaped() -> None:
    assert tag("a", "<x>", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;">&lt;x&gt;</a>'


@pytest.mark.parametrize("body", ["", "not json", "[]", "null", '{"messages": "none"}', '{"messages": [1, null]}'])
def test_a_body_that_was_cut_short_still_gives_a_page(body: str) -> None:
    from llm_gateway_clickhouse_tracer.dashboard.conversation import load

    loaded = load(body)
    assert conversation({"messages": loaded.get("messages") if isinstance(loaded.get("messages"), list) else []}, {})


def test_json_is_indented_only_where_it_is_long() -> None:
    assert pretty('{"a":1}') == '{"a":1}'
    assert pretty('{"a":"' + "x" * 120 + '"}').count("\n") == 2
    assert pretty("{broken") == "{broken"


def test_a_mounted_dashboard_answers_below_its_path_and_links_there() -> None:
    app = dashboard_app(
        {"clickhouse": {"url": "http://127.0.0.1:1"}, "dashboard": {"enabled": True, "credential": "c"}}
    )
    status, headers, body = call(app, "/traces/static/app.js", root="/traces", headers=basic("c"))

    assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert body.startswith(b"//")
    status, headers, body = call(app, "/traces/nothing", root="/traces", headers=basic("c"))
    assert status == 404
    assert b'href="/traces/interactions"' in body
    assert "default-src 'none'" in headers["content-security-policy"]
    assert call(app, "/traces/", root="/traces")[0] == 401


def call(
    app: Any, path: str, *, root: str = "", headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": root,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    asyncio.run(app(scope, receive, send))
    return (
        sent[0]["status"],
        {name.decode(): value.decode() for name, value in sent[0]["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


def test_guesses_at_the_password_are_limited_by_address() -> None:
    site = dashboard(credential="right")

    def ask(password: str, address: str) -> int:
        credential = base64.b64encode(f"any:{password}".encode()).decode()
        return site.answer("GET", "/", "", {"authorization": f"Basic {credential}"}, address=address).status

    guessed = [ask(f"guess-{number}", "192.0.2.1") for number in range(25)]
    assert guessed == [401] * 20 + [429] * 5
    assert ask("guess", "192.0.2.2") == 401
    assert ask("right", "192.0.2.1") == 429
    assert ask("right", "192.0.2.3") not in (401, 429)
    assert {ask("guess", "192.0.2.3") for _ in range(25)} == {401, 429}
    assert ask("right", "192.0.2.3") not in (401, 429)
