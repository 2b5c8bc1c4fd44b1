"""A body that is nested as deeply as JSON may be is answered or refused, wherever it is nested. It never fails inside.

HEAVY_LONG=1 tries every place; else every fifth.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from heavy_bodies import CLIENTS, heavy_bodies

from llm_gateway.testing import GatewayClient

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / "compatibility"), str(TESTS / "errors"), str(TESTS / "end_to_end")]

from five_apis import DIALECTS, FiveApis, models_of  # noqa: E402

STEP = 1 if os.environ.get("HEAVY_LONG") else 5
HIDE = {"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": "secret"}]}}
LOG = {"name": "log", "type": "logger", "config": {"level": "debug"}}
PROMPT = {"name": "prompt", "type": "prompt-manager", "config": {"mode": "before", "prompt": "Be brief."}}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayClient]:
    apis = FiveApis()
    projects = [{"name": "plain"}, {"name": "all", "plugins": [HIDE, LOG, PROMPT]}]
    with GatewayClient(
        json.dumps({"store": {"url": "memory:"}, "models": models_of(apis.url), "projects": projects})
    ) as client:
        yield client
    apis.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_deep_nesting_is_never_a_failure_of_the_gateway(gateway: GatewayClient, client: str) -> None:
    cases = [case for case in heavy_bodies(client, items=10, size=10, model="@@model@@") if case.kind == "nested"]
    failed = []
    for number, case in enumerate(cases[::STEP] or cases):
        for provider in DIALECTS:
            project = ("plain", "all")[(number + DIALECTS.index(provider)) % 2]
            path = f"/{project}{CLIENTS[client].format(model=provider)}"
            body = case.body.replace(b"@@model@@", provider.encode())
            answer = gateway.request("POST", path, body=body, headers={"anthropic-version": "2023-06-01"})
            if answer.status >= 500:
                failed.append(f"{case.path} to {provider} in {project}: {answer.status} {answer.text[:200]}")
    assert not failed, "\n".join(failed)
