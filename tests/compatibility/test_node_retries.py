"""What OpenAI's and Anthropic's SDKs for JavaScript try again, as tests/agents/test_sdk_retries.py has it for Python.
Runs where COMPAT is set."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from compat_envs import ENVIRONMENTS, install
from five_apis import models_of
from flaky_apis import FlakyApis
from served_gateway import ServedGateway
from test_sdks import DRIVERS

SDKS = {"openai": "node-openai-7", "anthropic": "node-anthropic-1"}
"""The environment of each."""

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("COMPAT"),
        reason="official clients are not installed: python3 tools/compat_envs.py, and set COMPAT=1",
    ),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def flaky() -> Iterator[FlakyApis]:
    apis = FlakyApis()
    yield apis
    apis.close()


@pytest.fixture(scope="module", params=[1, 3], ids=["one try", "three tries"])
def tries(
    request: pytest.FixtureRequest, flaky: FlakyApis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, str]]:
    """(how often the gateway tries, its address)"""
    models = models_of(flaky.url)
    for model in models:
        model["provider"]["config"] |= {"retryAttempts": request.param, "retryDelay": "1ms"}
    served = ServedGateway({"models": models}, tmp_path_factory.mktemp("retries"))
    yield request.param, served.url
    served.stop()


def run(sdk: str, url: str) -> dict[str, Any]:
    environment = ENVIRONMENTS[SDKS[sdk]]
    problem = install(environment)
    if problem is not None:
        pytest.skip(problem)
    plan = json.dumps({"sdk": sdk, "url": url, "model": "anthropic"})
    command = ["node", str(DRIVERS / "retries_client.mjs"), str(environment.folder)]
    ended = subprocess.run(command, input=plan, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    seen: dict[str, Any] = json.loads(ended.stdout)
    return seen


@pytest.mark.parametrize("sdk", SDKS)
def test_their_tries_and_the_gateways_do_not_multiply(flaky: FlakyApis, tries: tuple[int, str], sdk: str) -> None:
    count, url = tries
    flaky.fail_next("rate_limit", 99)

    assert run(sdk, url)["outcome"] == "RateLimitError"
    # Three tries of the client, or three of the gateway for one of the client.
    assert (count, len(flaky.received)) in ((1, 3), (3, 3))


@pytest.mark.parametrize("sdk", SDKS)
def test_they_wait_as_long_as_the_provider_asks(flaky: FlakyApis, tries: tuple[int, str], sdk: str) -> None:
    flaky.fail_next("rate_limit", 1, wait="1.2")

    seen = run(sdk, tries[1])

    assert seen["outcome"] == "answered"
    assert seen["seconds"] >= 1.2


@pytest.mark.parametrize("sdk", SDKS)
def test_a_request_of_the_clients_own_fault_is_asked_once(flaky: FlakyApis, tries: tuple[int, str], sdk: str) -> None:
    flaky.fail_next("bad_request", 9)

    assert run(sdk, tries[1])["outcome"] == "BadRequestError"
    assert len(flaky.received) == 1
