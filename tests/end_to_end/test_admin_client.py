"""A client that a real generator makes of the administration API's OpenAPI document, against a real gateway."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from served_gateway import ServedGateway

KEY = "administration-key-of-this-test"
PACKAGE = "generated_admin_client"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    config = {
        "admin": {"enabled": True, "apiKey": KEY},
        "models": [
            {"name": "model", "isDefault": True, "provider": {"type": "echo"}, "prices": {"input": 1, "output": 10}}
        ],
        "plugins": [
            {"name": "virtual-keys", "type": "virtual-keys"},
            {
                "name": "limits",
                "type": "limits",
                "config": {
                    "limits": [{"name": "team", "per": ["team"], "requests": 2, "window": "lifetime"}],
                    "ledger": True,
                    "usage": "hour",
                    "blocks": {"share": 0},
                },
            },
        ],
    }
    gateway = ServedGateway(config, tmp_path_factory.mktemp("admin"))
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def api(served: ServedGateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Calls an operation of the generated client: `api.call("keys", "create_key", body=…)`."""
    folder = tmp_path_factory.mktemp("client")
    document = folder / "openapi.json"
    answer = httpx.get(
        f"{served.url}/admin/v1/openapi.json", headers={"authorization": f"Bearer {KEY}"}, trust_env=False
    )
    document.write_bytes(answer.raise_for_status().content)
    target = folder / PACKAGE
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    made = subprocess.run(
        [*command, "--path", str(document), "--output-path", str(target)], capture_output=True, text=True, timeout=120
    )
    assert made.returncode == 0, made.stdout + made.stderr
    operations = {each["operationId"] for path in answer.json()["paths"].values() for each in path.values()}
    modules = {path.stem for path in Path(target / "api").rglob("*.py") if path.stem != "__init__"}
    assert len(modules) == len(operations), "each operation has a function of its own"
    sys.path.insert(0, str(folder))
    try:
        client = importlib.import_module(PACKAGE).AuthenticatedClient(
            base_url=served.url, token=KEY, httpx_args={"trust_env": False}, raise_on_unexpected_status=True
        )
        models = importlib.import_module(f"{PACKAGE}.models")

        def call(tag: str, operation: str, *args: Any, **options: Any) -> Any:
            module = importlib.import_module(f"{PACKAGE}.api.{tag}.{operation}")
            return module.sync_detailed(*args, client=client, **options).parsed

        with client:
            yield SimpleNamespace(call=call, models=models)
    finally:
        sys.path.remove(str(folder))


def test_a_key_is_made_used_limited_and_explained(served: ServedGateway, api: Any) -> None:
    made = api.call("keys", "create_key", body=api.models.NewKey(name="reports", team="data"))
    assert made.key.startswith("gw_")
    assert made.team == "data"

    def ask() -> httpx.Response:
        return httpx.post(
            f"{served.url}/v1/chat/completions",
            json={"model": "model", "messages": [{"role": "user", "content": "Hi"}]},
            headers={"authorization": f"Bearer {made.key}"},
            trust_env=False,
        )

    assert [ask().status_code for _ in range(3)] == [200, 200, 429]
    deadline = time.monotonic() + 10  # whom a limit has counted for is noted a moment later
    while not (items := api.call("limits", "list_limits").items) and time.monotonic() < deadline:
        time.sleep(0.1)
    (state,) = items
    assert (state.limit, state.subject["team"], state.settled, state.remaining) == ("team", "data", 2, 0)

    override = api.call(
        "limits",
        "create_override",
        body=api.models.NewOverride(
            limit="team", amount="3", subject=api.models.NewOverrideSubject.from_dict({"team": "data"})
        ),
    )
    deadline = time.monotonic() + 10  # the worker looks for overrides every second
    while (status := ask().status_code) != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status == 200, "the override is known to the worker"
    assert api.call("limits", "get_override", override.id).amount == "3"
    assert api.call("limits", "delete_override", override.id) is None
    assert [each.amount for each in api.call("ledger", "get_ledger", by="team").items] == [3]
    until = time.monotonic() + 10  # usage is written every two seconds
    counted: list[tuple[str, int]] = []
    while counted != [("data", 3)] and time.monotonic() < until:
        time.sleep(0.1)
        counted = [(row.group["team"], row.requests) for row in api.call("usage", "get_usage", by="team").items]
    assert counted == [("data", 3)]
    assert api.call("limits", "list_limit_rules").items[0].amount == 2
    assert api.call("store", "get_store").ok


def test_a_refusal_is_a_problem(api: Any) -> None:
    problem = api.call("limits", "get_override", "nothing")
    assert (problem.status, problem.title) == (404, "Not Found")
