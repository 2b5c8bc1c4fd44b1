"""What official clients do with failures that the gateway passes on: which they try again, how long they wait, and how
many requests reach the provider where the gateway tries as well. As users have them: with their own default settings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import cohere
import httpx
import openai
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]
from five_apis import models_of
from flaky_apis import FlakyApis
from google import genai
from google.genai import errors as google_errors
from google.genai import types
from served_gateway import ServedGateway

Ask = Callable[[], Any]
HEEDFUL = ("openai chat", "openai responses", "anthropic")
"""Clients that heed `x-should-retry`, so that their tries and the gateway's do not multiply."""
DEFAULT_TRIES = {**dict.fromkeys(HEEDFUL, 3), "google": 1, "converse": 3}
BUDGET = {
    "name": "budget",
    "type": "limits",
    "config": {"limits": [{"name": "spent", "cost": "0.0000001 USD", "window": "1h"}]},
}
EXCEPTIONS: dict[str, type[Exception]] = {
    "openai chat": openai.RateLimitError,
    "openai responses": openai.RateLimitError,
    "anthropic": anthropic.RateLimitError,
    "google": google_errors.ClientError,
    "converse": ClientError,
}
"""What a rate limit is for them."""
CLIENTS = list(DEFAULT_TRIES)


@pytest.fixture(scope="module")
def flaky() -> Iterator[FlakyApis]:
    apis = FlakyApis()
    yield apis
    apis.close()


@pytest.fixture(scope="module")
def once(flaky: FlakyApis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    """Tries each request once, and has a project whose budget is spent."""
    models = models_of(flaky.url)
    for model in models:
        model["prices"] = {"input": 2, "output": 8}
    config = {"models": models, "store": {"url": "memory:"}, "projects": [{"name": "spent", "plugins": [BUDGET]}]}
    served = ServedGateway(config, tmp_path_factory.mktemp("once"))
    yield served
    served.stop()


@pytest.fixture(scope="module")
def thrice(flaky: FlakyApis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    models = models_of(flaky.url)
    for model in models:
        model["provider"]["config"] |= {"retryAttempts": 3, "retryDelay": "1ms"}
    served = ServedGateway({"models": models}, tmp_path_factory.mktemp("thrice"))
    yield served
    served.stop()


@contextmanager
def client(name: str, url: str, model: str = "anthropic") -> Iterator[Ask]:
    """What asks once, with retries as the client has them by default."""
    words: Any = [{"role": "user", "content": "hi"}]
    if name.startswith("openai"):
        http = openai.DefaultHttpxClient(trust_env=False)
        with openai.OpenAI(base_url=f"{url}/v1", api_key="k", http_client=http) as gpt:
            if name == "openai responses":
                yield lambda: gpt.responses.create(model=model, input="hi").output_text
            else:
                yield lambda: gpt.chat.completions.create(model=model, messages=words).choices[0].message.content
    elif name == "anthropic":
        http = anthropic.DefaultHttpxClient(trust_env=False)
        with anthropic.Anthropic(base_url=url, api_key="k", http_client=http) as claude:
            yield lambda: claude.messages.create(model=model, max_tokens=50, messages=words).content
    elif name == "google":
        with genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url)) as google:
            yield lambda: google.models.generate_content(model=model, contents="hi").text
    else:
        converse = Session().create_client(
            "bedrock-runtime", region_name="eu-central-1", endpoint_url=f"{url}/bedrock", aws_access_key_id="k",
            aws_secret_access_key="any", config=Config(proxies={}),
        )  # fmt: skip
        messages = [{"role": "user", "content": [{"text": "hi"}]}]
        yield lambda: converse.converse(modelId=model, messages=messages)["output"]["message"]["content"]
        converse.close()


@pytest.mark.parametrize("model", ["openai_chat", "gemini"])
@pytest.mark.parametrize("kind", ["rate_limit", "overloaded", "upstream", "timeout"])
@pytest.mark.parametrize("name", ["openai chat", "anthropic", "converse"])
def test_what_may_pass_is_tried_again(flaky: FlakyApis, once: ServedGateway, name: str, kind: str, model: str) -> None:
    if (name, kind) == ("converse", "timeout"):
        pytest.skip("AWS has a status for it that its client does not try again: 408")
    flaky.fail_next(kind, 1)
    with client(name, once.url, model) as ask:
        assert "hi" in str(ask())
    assert len(flaky.received) == 2


@pytest.mark.parametrize("name", HEEDFUL)
def test_a_client_waits_as_long_as_the_provider_asks(flaky: FlakyApis, once: ServedGateway, name: str) -> None:
    flaky.fail_next("rate_limit", 1, wait="1.2")
    with client(name, once.url) as ask:
        before = time.monotonic()
        ask()

    # By itself it would wait half a second.
    assert time.monotonic() - before >= 1.2


@pytest.mark.parametrize("kind", ["bad_request", "context_length", "authentication", "not_found", "content_policy"])
@pytest.mark.parametrize("name", CLIENTS)
def test_what_will_not_pass_is_asked_once(flaky: FlakyApis, once: ServedGateway, name: str, kind: str) -> None:
    flaky.fail_next(kind, 9)

    raised = (openai.APIStatusError, anthropic.APIStatusError, google_errors.APIError, ClientError)
    with client(name, once.url) as ask, pytest.raises(raised):
        ask()
    assert len(flaky.received) == 1


@pytest.mark.parametrize("name", CLIENTS)
def test_tries_of_client_and_gateway(flaky: FlakyApis, thrice: ServedGateway, name: str) -> None:
    """They multiply only for clients that know no word against it; docs/errors.md names those."""
    flaky.fail_next("rate_limit", 99)
    with client(name, thrice.url) as ask, pytest.raises(EXCEPTIONS[name]):
        ask()

    assert len(flaky.received) == 3 * (1 if name in HEEDFUL else DEFAULT_TRIES[name])


@pytest.mark.parametrize("name", CLIENTS)
def test_a_spent_budget_is_asked_once(flaky: FlakyApis, once: ServedGateway, name: str) -> None:
    flaky.fail_next("rate_limit", 0)
    refused = once.log.count("failed: 429")
    with client(name, f"{once.url}/spent") as ask, pytest.raises(EXCEPTIONS[name], match="spent"):
        ask()

    assert not flaky.received
    if name in HEEDFUL:
        assert once.log.count("failed: 429") - refused <= 1


def test_coheres_client_asks_once_for_what_no_model_can(flaky: FlakyApis, once: ServedGateway) -> None:
    with httpx.Client(trust_env=False) as http:
        asked = cohere.ClientV2("k", base_url=f"{once.url}/cohere", httpx_client=http)
        flaky.fail_next("rate_limit", 0)
        with pytest.raises((cohere.BadRequestError, cohere.NotFoundError)):
            asked.rerank(model="anthropic", query="dogs", documents=["a", "b"])
    assert not flaky.received
