"""The pictures of the documentation, taken from the running console: `SCREENSHOTS=1` writes them into docs/images.

Without the variable they are taken all the same, and compared with those of the documentation by name and by width,
so that a page that can no longer be shown is noticed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_gateway.testing.processes import GatewayProcess

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("chdb", reason="chdb is not installed")

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT / "tests" / "tracer"))
from llm_gateway_clickhouse_tracer.database.client import DatabaseFailure  # noqa: E402
from tracer_harness import Front, rows  # type: ignore[import-not-found,unused-ignore]  # noqa: E402

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
pytestmark = [pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"), pytest.mark.timeout(300)]

ADMIN = "admin-credential-of-the-pictures"
VIEW: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"}
PAGES = {
    "overview": "/traces/?range=24h",
    "interactions": "/traces/interactions?range=24h",
    "sessions": "/traces/sessions?range=24h",
    "keys": "/keys",
    "team": "/team?name=research&range=this-week",
    "limits": "/limits",
    "playground": "/playground",
}
QUESTIONS = (
    "Summarize yesterday's incidents in three lines.",
    "Translate the release notes into Spanish.",
    "Which invoices of October are not paid yet?",
    "Write a test for the parser of durations.",
    "Plan a walk through Lisbon for a rainy day.",
)
TEAMS = {"research": "gpt-4o", "support": "gpt-4o-mini", "billing": "claude-sonnet-4-5"}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The forecast of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    },
}
PLAN = """Take an **umbrella** on Monday; Tuesday is the day for the *Alfama*.

| day | rain | walk |
|---|---|---|
| Monday | 80 % | Gulbenkian museum and gardens |
| Tuesday | 10 % | Alfama, from the cathedral up to the castle |
"""


class Model(BaseHTTPRequestHandler):
    """A provider of OpenAI's API: the model `crowded` is overloaded, any other calls a tool and then answers."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        time.sleep(0.08)
        if asked["model"] == "crowded":
            return self._answer(503, {"error": {"message": "The engine is overloaded.", "type": "server_error"}})
        if asked["messages"][-1]["role"] == "tool":
            message: dict[str, Any] = {"role": "assistant", "content": PLAN}
        else:
            called = {"name": "get_weather", "arguments": json.dumps({"city": "Lisbon", "days": 2})}
            call = {"id": "call_1", "type": "function", "function": called}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        finish = "tool_calls" if "tool_calls" in message else "stop"
        usage = {"prompt_tokens": 640, "completion_tokens": 90, "total_tokens": 730}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5"}
        return self._answer(200, {**head, "choices": [choice], "usage": usage})

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def configuration(folder: Path, clickhouse: str, provider: str) -> dict[str, Any]:
    clock = {"calendar": "month"}
    real = {"baseUrl": f"{provider}/v1", "apiKey": "unused"}
    return {
        "admin": {"enabled": True, "apiKey": ADMIN},
        "store": {"url": "sqlite:./state.db"},
        "models": [
            *({"name": name, "isDefault": name == "gpt-4o", "provider": {"type": "echo"}} for name in TEAMS.values()),
            {"name": "gpt-5", "provider": {"type": "openai", "config": {**real, "model": "gpt-5"}}},
            {"name": "first-choice", "provider": {"type": "openai", "config": {**real, "model": "crowded"}}},
        ],
        "plugins": [
            {
                "name": "tracer",
                "type": "clickhouse-tracer",
                "config": {
                    "clickhouse": {"url": clickhouse, "database": "traces"},
                    "flushInterval": 100,
                    "spool": {"path": str(folder / "spool"), "sending": "normal"},
                    "prices": {"models": {name: {"input": 2.5, "output": 10.0} for name in TEAMS.values()}},
                },
            },
            {"name": "console", "type": "console", "config": {"signedInPrincipals": True}},
            {
                "name": "redaction",
                "type": "regex-hider",
                "config": {"patterns": [{"pattern": r"[\w.]+@[\w.]+\w", "replacement": "[ADDRESS]"}]},
            },
            {
                "name": "router",
                "type": "model-router",
                "conditions": {"teams": ["travel"]},
                "config": {"model": "first-choice", "fallbacks": ["gpt-5"]},
            },
            {"name": "keys", "type": "virtual-keys", "config": {}},
            {
                "name": "limits",
                "type": "limits",
                "config": {
                    "ledger": True,
                    "limits": [
                        {"name": "team-requests", "requests": 12, "window": clock, "per": ["team"]},
                        {"name": "tokens-per-key", "tokens": 6_000, "window": {"calendar": "day"}, "per": ["key"]},
                    ],
                },
            },
        ],
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pictures")
    engine = Front(folder / "engine")
    engine.start()
    provider = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    written = configuration(folder, engine.url, f"http://127.0.0.1:{provider.server_port}")
    (folder / "gateway.yaml").write_text(json.dumps(written))
    log = folder / "log"
    process = GatewayProcess(["start", "--config", "gateway.yaml", "--port", "0"], cwd=folder, output=log)
    try:
        deadline = time.monotonic() + 90
        while not (found := re.search(r"listening on (http://[\d.:]+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        feed(found[1], written["plugins"][0]["config"], engine.url)
        yield found[1]
    finally:
        process.terminate()
        process.wait(20)
        provider.shutdown()
        provider.server_close()
        engine.kill()


def feed(url: str, tracer: dict[str, Any], engine: str) -> None:
    """Some requests of three teams, and copies of them over the day before."""
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        admin = {"authorization": f"Bearer {ADMIN}"}
        sent = 0
        for team, model in TEAMS.items():
            made = client.post("/admin/v1/keys", headers=admin, json={"name": f"{team} service", "team": team})
            key = made.json()["key"]
            for number, question in enumerate(QUESTIONS * 2):
                body = {"model": model, "stream": number % 3 == 0, "messages": [{"role": "user", "content": question}]}
                session = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{team} {number // 4}"))
                headers = {"authorization": f"Bearer {key}", "x-session-id": session}
                reply = client.post("/v1/chat/completions", headers=headers, json=body)
                assert reply.status_code == 200, reply.text
                sent += 1
        sent += plan_a_walk(client)
    deadline = time.monotonic() + 60
    while recorded(tracer) < sent:
        assert time.monotonic() < deadline, "the records did not arrive"
        time.sleep(0.2)
    shifted = (
        "INSERT INTO traces.traces SELECT * EXCEPT (copy) REPLACE("
        "concat(request_id, '-', toString(copy)) AS request_id, "
        "concat(interaction_id, '-', toString(copy)) AS interaction_id, "
        "concat(left(session_id, 24), lower(leftPad(hex(cityHash64(session_id, copy)), 12, '0'))) AS session_id, "
        "ts - toIntervalMinute(cityHash64(request_id, copy) % 1380) AS ts, "
        "ttft_us + cityHash64(copy, request_id, 1) % 400000 AS ttft_us, "
        "duration_us + 300000 + cityHash64(copy, request_id) % 2500000 AS duration_us) "
        "FROM (SELECT * FROM traces.traces WHERE team != 'travel') AS recorded "
        "CROSS JOIN (SELECT number AS copy FROM numbers(20)) AS copies"
    )
    httpx.post(engine, params={"database": "traces"}, content=shifted, timeout=60).raise_for_status()


def plan_a_walk(client: httpx.Client) -> int:
    """An interaction of two requests with a tool, fallbacks, a text that is hidden and fields that are lost."""
    admin = {"authorization": f"Bearer {ADMIN}"}
    made = client.post("/admin/v1/keys", headers=admin, json={"name": "travel desk", "team": "travel"})
    question = "Plan two days in Lisbon and send the plan to ann@example.com."
    messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
    tool = {"name": "get_weather", "input_schema": WEATHER["function"]["parameters"]}
    for _ in range(2):
        body = {"model": "first-choice", "max_tokens": 500, "top_k": 40, "tools": [tool], "messages": messages}
        reply = client.post("/v1/messages", headers={"x-api-key": made.json()["key"]}, json=body)
        assert reply.status_code == 200, reply.text
        content = reply.json()["content"]
        results = [
            {"type": "tool_result", "tool_use_id": part["id"], "content": '{"monday": "80 %", "tuesday": "10 %"}'}
            for part in content
            if part["type"] == "tool_use"
        ]
        messages = [*messages, {"role": "assistant", "content": content}, {"role": "user", "content": results}]
    return 2


def recorded(tracer: dict[str, Any]) -> int:
    try:
        return len(rows(tracer, "request_id"))
    except DatabaseFailure:
        return 0  # the first record makes the table


@pytest.fixture(scope="module")
def page(site: str) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        opened = browser.new_context(**VIEW).new_page()
        opened.goto(f"{site}/console")
        opened.get_by_label("Administration credential").fill(ADMIN)
        opened.get_by_role("button", name="Sign in").click()
        opened.wait_for_url("**/console/traces/")
        yield opened
        browser.close()


def size_of(image: Path) -> tuple[int, int]:
    head = image.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


@pytest.mark.parametrize("name", [*PAGES, "interaction"])
def test_a_page_has_its_picture(name: str, page: Any, site: str, tmp_path: Path) -> None:
    kept = IMAGES / f"console-{name}.png"
    taken = kept if os.environ.get("SCREENSHOTS") else tmp_path / kept.name
    page.goto(f"{site}/console{PAGES.get(name, PAGES['interactions'])}")
    if name == "interaction":
        page.goto(f"{site}/console{PAGES['interactions']}&team=travel")
        page.goto(page.locator("a[data-row]").first.evaluate("link => link.href"))
        page.locator("details.round > summary").last.click()
        page.evaluate("scrollTo(0, 0)")
    assert page.locator("h1").count() >= 1
    assert page.evaluate("document.documentElement.scrollWidth") <= VIEW["viewport"]["width"]
    page.screenshot(path=str(taken), full_page=name == "interaction")

    assert size_of(taken)[0] == size_of(kept)[0]
    assert any(kept.name in text.read_text() for text in (ROOT / "docs").rglob("*.md")), "no page shows it"
