"""No request holds the event loop: while heavy ones are served, `/health/live` answers and small requests go on.

HEAVY_LONG=1 tries every place with every provider and set of plugins, at the bounds of the default configuration.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bystanders import Bystanders, send_raw
from heavy_bodies import CLIENTS, Heavy, heavy_bodies

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "end_to_end"))

from served_gateway import ServedGateway  # noqa: E402

LONG = bool(os.environ.get("HEAVY_LONG"))
ITEMS = 245_000
SIZE = 60 << 20 if LONG else 4 << 20
HEALTH_SECONDS = 0.1
TRIES = 3
"""A case is slow only where it is slow each time: other programs of the machine hold up a test, too."""
PROVIDERS = ["openai_chat", "openai_responses", "anthropic", "gemini", "bedrock"]
PROJECTS = ["plain", "hides", "prompts", "counts", "logs", "all"]
PATTERNS = (r"\b\d{3}-\d{2}-\d{4}\b", r"[a-z0-9_.+-]+@[a-z0-9.-]+\.[a-z0-9.]+")
HIDE = {
    "name": "hide",
    "type": "regex-hider",
    "config": {
        "patterns": [{"pattern": r"\b\d{3}-\d{2}-\d{4}\b"}, {"pattern": r"[a-z0-9_.+-]+@[a-z0-9.-]+\.[a-z0-9.]+"}]
    },
}
PROMPT = {"name": "prompt", "type": "prompt-manager", "config": {"mode": "before", "prompt": "Be brief."}}
COUNT = {
    "name": "count",
    "type": "limits",
    "config": {"limits": [{"name": "all", "per": ["project"], "tokens": 10**12, "window": "1m"}]},
}
LOG = {"name": "log", "type": "logger", "config": {"level": "debug"}}

pytestmark = pytest.mark.timeout(36_000 if LONG else 300)


def configuration(port: int) -> dict[str, object]:
    models = []
    for kind in ("plain", "text", "matches", "parts", "stream", "event"):
        url = f"http://127.0.0.1:{port}/{kind}"
        for name, (provider, config) in {
            "openai_chat": ("openai", {"baseUrl": f"{url}/v1", "api": "chat"}),
            "openai_responses": ("openai", {"baseUrl": f"{url}/v1", "api": "responses"}),
            "anthropic": ("anthropic", {"baseUrl": url}),
            "gemini": ("gemini", {"baseUrl": f"{url}/v1beta"}),
            "bedrock": ("bedrock", {"baseUrl": url, "region": "eu-central-1"}),
        }.items():
            settings = {**config, "apiKey": "sk-upstream", "model": "m", "retryAttempts": 1}
            models.append({"name": f"{kind}-{name}", "provider": {"type": provider, "config": settings}})
    models.append({"name": "echo", "provider": {"type": "echo"}})
    plugins = {"plain": [], "hides": [HIDE], "prompts": [PROMPT], "counts": [COUNT], "logs": [LOG]}
    plugins["all"] = [LOG, COUNT, PROMPT, HIDE]
    return {
        "models": models,
        "projects": [{"name": name, "plugins": plugins[name]} for name in PROJECTS],
        "logging": {"level": "error"},
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    command = [sys.executable, str(HERE / "null_upstream.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as upstream:
        assert upstream.stdout is not None
        gateway = ServedGateway(configuration(int(upstream.stdout.readline())), tmp_path_factory.mktemp("heavy"))
        try:
            yield gateway
        finally:
            gateway.stop()
            upstream.kill()


@pytest.fixture
def bystanders(served: ServedGateway) -> Iterator[Bystanders]:
    clients = Bystanders(int(served.url.rpartition(":")[2]), "plain-openai_chat")
    time.sleep(0.5)
    yield clients
    clients.close()


def judge(bystanders: Bystanders, ask: Callable[[], tuple[int, bytes]]) -> str | None:
    """What is wrong with how a request is served, None where nothing is."""
    waited = []
    for _ in range(TRIES):
        began = time.perf_counter()
        status, reply = ask()
        time.sleep(0.02)
        if os.environ.get("HEAVY_SHOW"):
            took = time.perf_counter() - began
            print(status, reply[:120], f"{bystanders.longest(began) * 1000:.0f} ms of {took:.2f} s")
        if status >= 500:
            return f"answered {status}: {reply[:300]!r}"
        waited.append(bystanders.longest(began))
        if waited[-1] < HEALTH_SECONDS:
            return None
    return f"held /health/live for {min(waited) * 1000:.0f} ms ({time.perf_counter() - began:.1f} s in all, {status})"


def chosen(cases: list[Heavy], count: int) -> list[Heavy]:
    """A few of the cases: some of each kind, from all over the type."""
    if LONG:
        return cases
    kinds = {kind: [case for case in cases if case.kind == kind] for kind in ("list", "keys", "nested", "text")}
    return [case for same in kinds.values() for case in same[:: max(1, len(same) // count)][:count]]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_heavy_request_holds_up_no_other(served: ServedGateway, bystanders: Bystanders, client: str) -> None:
    slow, number = [], 0
    port = bystanders.port
    idle = bystanders.p99()
    began = time.perf_counter()
    for case in chosen(list(heavy_bodies(client, items=ITEMS, size=SIZE, model="@@model@@")), 3):
        combinations = [(provider, project) for provider in PROVIDERS for project in PROJECTS]
        if not LONG:
            combinations = [combinations[(7 * number) % len(combinations)]]
        for provider, project in combinations:
            number += 1
            model = f"plain-{provider}"
            body = case.body.replace(b"@@model@@", model.encode(), 1)
            path = f"/{project}{CLIENTS[client].format(model=model)}"
            wrong = judge(bystanders, lambda: send_raw(port, path, body))  # noqa: B023
            if wrong is not None:
                slow.append(f"{client}{case.path} ({case.kind}) to {provider} in {project}: {wrong}")
    print(client, number, "p99", idle, bystanders.p99(began))
    assert number > 5
    assert not slow, "\n".join(slow)
