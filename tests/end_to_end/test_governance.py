"""Limits over several gateways that are killed, over a store that is slow or gone, and as official SDKs see them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import cohere
import httpx
import openai
import pytest
from google import genai
from google.genai import types
from llm_gateway_redis_store import RedisStore
from llm_gateway_redis_store.testing import Server, ToxicProxy, server_program
from served_gateway import ServedGateway

from llm_gateway.stores.sqlite import SQLiteStore
from llm_gateway_sdk import Entry

SECONDS = float(os.environ.get("GOVERNANCE_SECONDS", "8"))
"""How long gateways are killed; `GOVERNANCE_SECONDS=120` is the long form."""
PRICES = {"input": 1, "output": 10}
LEASE = 3.0

needs_server = pytest.mark.skipif(server_program() is None, reason="redis-server is not installed")


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


def configuration(
    url: str, *limits: dict[str, Any], deadline: str = "2s", workers: int = 1, **more: Any
) -> dict[str, Any]:
    store: dict[str, Any] = {"url": url}
    if url.startswith("redis"):
        store["config"] = {"deadline": deadline}
    return {
        "server": {"workers": workers},
        "store": store,
        "models": [
            {
                "name": "model",
                "isDefault": True,
                "provider": {"type": "echo", "config": {"delay": "20ms"}},
                "metadata": {"prices": PRICES},
            }
        ],
        "plugins": [{"name": "limits", "type": "limits", "config": {"limits": list(limits), **more}}],
    }


def kill_all(served: ServedGateway) -> None:
    """Ends the gateway and its workers by force, at once."""
    parent = served.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for pid in (parent, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    served.process.wait()


@needs_server
@pytest.mark.timeout(300)
def test_budgets_hold_over_gateways_that_are_killed(redis_server: Server, tmp_path: Path) -> None:
    """Two gateways with two workers each, 64 clients, one gateway killed every two seconds. No limit is passed at any
    time, the counters are the sum of the ledger to the nano-dollar, and nothing stays open longer than the lease."""
    redis_server.flush()
    budget = 60_000_000 if SECONDS < 60 else 10**9
    limits = [
        {"name": "all", "cost": f"{budget / 1e9} USD", "window": "lifetime"},
        {"name": "daily", "per": ["ip"], "cost": "900 USD", "window": {"calendar": "year"}},
        {"name": "places", "concurrent": 200},
    ]
    config = configuration(redis_server.url, *limits, workers=2, ledger=True, lease=f"{LEASE:g}s")
    gateways = [ServedGateway(config, tmp_path / str(number)) for number in range(2)]
    until = time.monotonic() + SECONDS
    entries = [
        Entry("all|cost|lifetime||", 0, budget),
        Entry(f"daily|cost|year@UTC|ip=127.0.0.1|{time.gmtime().tm_year}-01-01", 0),
        Entry("places|concurrent|lifetime||", 0, 200),
    ]
    statuses: list[int] = []
    passed: list[str] = []

    async def client(number: int) -> None:
        source = random.Random(number)
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            while time.monotonic() < until:
                body = {
                    "model": "model",
                    "stream": source.random() < 0.5,
                    "max_tokens": source.randrange(14, 28),  # the echo is shorter, so that no reply is debt
                    "messages": [{"role": "user", "content": "word " * source.randrange(1, 8)}],
                }
                try:
                    answer = await http.post(f"{gateways[number % 2].url}/v1/chat/completions", json=body)
                    statuses.append(answer.status_code)
                except httpx.HTTPError:
                    await asyncio.sleep(0.2)

    async def killer() -> None:
        number = 0
        while time.monotonic() + 2 < until:
            await asyncio.sleep(2)
            await asyncio.to_thread(kill_all, gateways[number % 2])
            gateways[number % 2] = await asyncio.to_thread(ServedGateway, config, tmp_path / f"again-{number}")
            number += 1

    async def watcher(store: RedisStore) -> None:
        while time.monotonic() < until:
            for state in await store.read(entries):
                if state.limit is not None and state.settled + state.open > state.limit:
                    passed.append(str(state))
            await asyncio.sleep(0.05)

    async def main() -> None:
        store = RedisStore()
        store.configure(redis_server.url, {"deadline": 60_000})
        await asyncio.gather(killer(), watcher(store), *(client(number) for number in range(64)))
        for served in gateways:
            await asyncio.to_thread(kill_all, served)
        # A busy server may still run what a killed gateway has sent, whose lease begins then.
        for _ in range(100):
            await asyncio.sleep(LEASE / 10)
            total, daily, places = await store.read(entries)
            if not (total.open or daily.open or places.open):
                break
        charges, cursor = [0, 0], ""
        while events := await store.read_since("ledger", cursor):
            cursor = events[-1].cursor
            for event in events:
                for position in (0, 1):
                    charges[position] += int(event.event["charges"].get(entries[position].key, 0))
        await store.aclose()
        assert passed == []
        assert (total.open, daily.open, places.open) == (0, 0, 0)
        assert total.settled == charges[0]
        assert daily.settled == charges[1]
        assert total.settled == daily.settled <= budget
        assert total.settled > 0

    try:
        asyncio.run(main())
    finally:
        for served in gateways:
            served.process.kill()
            served.process.wait()
    assert statuses.count(200) > 50
    assert set(statuses) <= {200, 429, 503}, sorted(set(statuses))


@needs_server
def test_with_a_slow_or_lost_store_each_limit_does_as_configured(redis_server: Server, tmp_path: Path) -> None:
    redis_server.flush()
    proxy = ToxicProxy(redis_server.port)
    words = ("allow", "deny", "lease")
    config = configuration(
        f"redis://127.0.0.1:{proxy.port}", {"name": "x", "requests": 1, "window": "1s"}, deadline="250ms"
    )
    plugins = config.pop("plugins")
    config["projects"] = [
        {
            "name": word,
            "plugins": [
                {
                    **plugins[0],
                    "config": {"limits": [{"name": word, "requests": 1000, "window": "lifetime", "onStoreDown": word}]},
                }
            ],
        }
        for word in words
    ]
    served = ServedGateway(config, tmp_path)

    def ask(word: str) -> tuple[int, float, str | None]:
        began = time.monotonic()
        with served.http() as http:
            answer = http.post(
                f"/{word}/v1/chat/completions", json={"model": "model", "messages": [{"role": "user", "content": "Hi"}]}
            )
        return answer.status_code, time.monotonic() - began, answer.headers.get("retry-after")

    try:
        for word in words:
            assert ask(word)[0] == 200
        for trouble in ("slow", "gone"):
            if trouble == "slow":
                proxy.delay = 1.0
            else:
                proxy.delay = 0.0
                proxy.vanish()
            time.sleep(0.2)
            seen = {word: [ask(word) for _ in range(4)] for word in words}
            assert {status for status, _, _ in seen["allow"]} == {200}, (trouble, seen)
            assert {status for status, _, _ in seen["deny"]} == {503}, (trouble, seen)
            assert {status for status, _, _ in seen["lease"]} <= {200, 503}, (trouble, seen)
            assert all(spent < 1.5 for each in seen.values() for _, spent, _ in each), (trouble, seen)
            assert all(after is not None for status, _, after in seen["deny"] if status == 503)
        proxy.gone = False
        time.sleep(1.5)
        until = time.monotonic() + 10
        while ask("deny")[0] != 200:
            assert time.monotonic() < until
            time.sleep(0.3)
        assert [ask(word)[0] for word in words] == [200] * 3
        assert read_settled(redis_server, "allow|requests|lifetime||", at_least=9) >= 9, "what went on was counted"
    finally:
        served.stop()
        proxy.close()


def read_settled(server: Server, key: str, *, at_least: int) -> int:
    """What is settled and in blocks, read until it is so much or time is up."""

    async def read() -> int:
        store = RedisStore()
        store.configure(server.url, {"deadline": 5000})
        until = time.monotonic() + 10
        while True:
            (state,) = await store.read([Entry(key, 0)])
            if state.settled + state.open >= at_least or time.monotonic() > until:
                await store.aclose()
                return state.settled + state.open
            await asyncio.sleep(0.2)

    return asyncio.run(read())


# Official SDKs.


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    folder = tmp_path_factory.mktemp("limited")
    config = configuration(f"sqlite:{folder / 'state.db'}", {"name": "x", "requests": 1, "window": "1s"})
    plugins = config.pop("plugins")

    def project(name: str, **limit: Any) -> dict[str, Any]:
        settings = {"limits": [{"name": name, **limit}]}
        return {"name": name, "plugins": [{**plugins[0], "config": settings}]}

    config["projects"] = [
        project("budget", cost="0.000001 USD", window={"calendar": "month"}),
        project("rate", requests=1, window="2s"),
        project("hour", requests=1, window="1h"),
        project("hours", requests=1, window="1h"),
        project("teams", per=["team"], requests=1000, window="1h", missing="refuse"),
        {"name": "keys", "plugins": [{"name": "keys", "type": "virtual-keys"}]},
    ]
    served = ServedGateway(config, folder)
    yield served
    served.stop()


def refusals(served: ServedGateway, limit: str) -> int:
    async def read() -> int:
        store = SQLiteStore()
        store.configure(f"sqlite:{served.folder / 'state.db'}", {})
        events = await store.read_since("limits")
        await store.aclose()
        return sum(event.event["kind"] == "refused" and event.event["limit"] == limit for event in events)

    time.sleep(1.2)
    return asyncio.run(read())


QUESTION: list[Any] = [{"role": "user", "content": "Hello"}]


def test_official_clients_do_not_try_a_spent_budget_again(limited: ServedGateway) -> None:
    client = limited.openai("/budget").with_options(max_retries=3)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="model", messages=QUESTION, max_tokens=1000)
    assert caught.value.code == "insufficient_quota"
    assert caught.value.type == "insufficient_quota"
    assert caught.value.response.headers["x-llm-gateway-limit"] == "budget"
    with pytest.raises(openai.RateLimitError):
        client.responses.create(model="model", input="Hello", max_output_tokens=1000)
    with pytest.raises(anthropic.RateLimitError):
        limited.anthropic("/budget").with_options(max_retries=3).messages.create(
            model="model", messages=QUESTION, max_tokens=1000
        )
    assert refusals(limited, "budget") == 3, "each client asked once"


@contextmanager
def others(
    served: ServedGateway, project: str, *, retries: int = 2
) -> Iterator[tuple[Callable[[], Any], Callable[[], Any]]]:
    """A call of Google's client and one of Cohere's, both of which try again."""
    options = types.HttpOptions(
        base_url=f"{served.url}{project}/gemini",
        retry_options=types.HttpRetryOptions(attempts=3, initial_delay=0.1, jitter=0),
        client_args={"trust_env": False},
    )
    with (
        httpx.Client(trust_env=False) as http,
        genai.Client(api_key="k", vertexai=False, http_options=options) as google,
    ):
        co = cohere.ClientV2("k", base_url=f"{served.url}{project}/cohere", httpx_client=http)
        config = types.GenerateContentConfig(max_output_tokens=1000)
        yield (
            lambda: google.models.generate_content(model="model", contents="Hello", config=config),
            lambda: co.rerank(
                model="model", query="Hello", documents=["word " * 100], request_options={"max_retries": retries}
            ),
        )


def test_clients_of_google_and_cohere_do_not_try_a_spent_budget_again(limited: ServedGateway) -> None:
    before = refusals(limited, "budget")
    with others(limited, "/budget") as (google, co):
        with pytest.raises(genai.errors.ClientError, match="budget") as caught:
            google()
        assert (caught.value.code, caught.value.status) == (402, "RESOURCE_EXHAUSTED")
        with pytest.raises(cohere.core.ApiError, match="budget") as refused:
            co()
        assert refused.value.status_code == 402
    assert refusals(limited, "budget") == before + 2, "each client asked once"


def test_clients_of_google_and_cohere_raise_their_own_errors(limited: ServedGateway) -> None:
    with others(limited, "/teams") as (google, co):
        with pytest.raises(genai.errors.ClientError) as caught:
            google()
        assert (caught.value.code, caught.value.status) == (403, "PERMISSION_DENIED")
        with pytest.raises(cohere.ForbiddenError):
            co()
    with others(limited, "/hours", retries=0) as (google, co):  # Cohere's would wait for the hour
        with contextlib.suppress(genai.errors.ClientError):
            google()  # the one that is allowed, where no other test has sent it
        with pytest.raises(genai.errors.ClientError) as caught:
            google()
        assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
        with pytest.raises(cohere.TooManyRequestsError):
            co()


def test_official_clients_raise_their_own_error_for_what_is_not_permitted(limited: ServedGateway) -> None:
    command = [sys.executable, "-m", "llm_gateway", "keys", "create", "--name", "ann", "--model", "another"]
    made = subprocess.run(command, cwd=limited.folder, capture_output=True, text=True, check=True, timeout=60)
    key = made.stdout.strip()
    for project, changes in (("/teams", {}), ("/keys", {"api_key": key})):
        openai_client = limited.openai(project).with_options(max_retries=3, **changes)
        with pytest.raises(openai.PermissionDeniedError):
            openai_client.chat.completions.create(model="model", messages=QUESTION)
        anthropic_client = limited.anthropic(project).with_options(max_retries=3, **changes)
        with pytest.raises(anthropic.PermissionDeniedError):
            anthropic_client.messages.create(model="model", messages=QUESTION, max_tokens=10)
    assert refusals(limited, "teams") == 0, "who is not permitted has spent nothing"


def test_official_clients_wait_as_long_as_they_are_asked_to(limited: ServedGateway) -> None:
    began = time.monotonic()
    openai_client, anthropic_client = limited.openai("/rate"), limited.anthropic("/rate")
    for _ in range(2):
        openai_client.with_options(max_retries=2).chat.completions.create(model="model", messages=QUESTION)
        anthropic_client.with_options(max_retries=2).messages.create(model="model", messages=QUESTION, max_tokens=10)
    assert 5.5 < time.monotonic() - began < 20


def test_official_clients_raise_their_own_error_for_a_rate(limited: ServedGateway) -> None:
    answer = limited.openai("/hour").chat.completions.with_raw_response.create(model="model", messages=QUESTION)
    assert answer.headers["x-ratelimit-limit-requests"] == "1"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError) as caught:
        limited.openai("/hour").chat.completions.create(model="model", messages=QUESTION)
    assert 3500 < float(caught.value.response.headers["retry-after"]) <= 3600
    with pytest.raises(anthropic.RateLimitError) as refused:
        limited.anthropic("/hour").messages.create(model="model", messages=QUESTION, max_tokens=10)
    assert refused.value.response.headers["retry-after"]
