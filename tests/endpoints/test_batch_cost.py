"""What a batch costs: reserved when it is handed in, settled once when it has ended, whatever becomes of the gateway
that took it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anthropic
import httpx
import openai
import pytest
from batch_vendor import USED, BatchVendor
from google import genai
from google.genai import types
from served_gateway import ServedGateway

ADMIN = "key-of-the-admin"
PRICES = {"input": 10, "output": 20, "tiers": {"batch": {"input": 5, "output": 10}}}
"""Dollars per million tokens."""
COST = (USED[0] * 5 + USED[1] * 10) * 1000
"""Of a line at the batch tier's price, in nano-dollars."""


APIS = ("openai", "anthropic", "gemini")
MODELS = ("chat", "claude", "flash")
ENDINGS: dict[str, tuple[str, int]] = {
    "with refused lines": ("completed", 5),
    "cancelled": ("cancelled", 3),
    "expired": ("expired", 3),
}
"""What becomes of a batch of five lines, of which the first is refused: the vendor's word, and lines that are done."""
WAYS = list(product(APIS, MODELS, ENDINGS))
KEYS = [f"key-of-{n:02}" for n in range(9)]
KEY_OF = {way: f"key-of-{' '.join(way)}" for way in WAYS}


@pytest.fixture(scope="module")
def vendor() -> Iterator[BatchVendor]:
    server = BatchVendor()
    yield server
    server.close()


def configured(url: str, folder: Path, *, poll: str = "200ms") -> dict[str, Any]:
    def model(name: str, kind: str, base: str) -> dict[str, Any]:
        config = {"baseUrl": url + base, "apiKey": "sk-1", "model": f"{name}-model", "retryAttempts": 1}
        return {"name": name, "provider": {"type": kind, "config": config}, "prices": PRICES}

    limits = [
        {"name": "spent", "per": ["key"], "cost": "1 USD", "window": "lifetime"},
        {"name": "tokens", "per": ["key"], "tokens": 1000, "window": "lifetime"},
        {"name": "claude", "per": ["key"], "tokens": 420, "window": "lifetime", "when": {"models": ["claude*"]}},
    ]
    callers = [{"name": key, "key": key} for key in (*KEYS, *KEY_OF.values())]
    return {
        "models": [
            {**model("chat", "openai", "/v1"), "isDefault": True},
            model("claude", "anthropic", ""),
            model("flash", "gemini", "/v1beta"),
        ],
        "plugins": [
            {
                "name": "keys",
                "type": "basic-apikey-auth",
                "config": {"apikeys": callers},
            },
            {"name": "limits", "type": "limits", "config": {"limits": limits, "ledger": True}},
        ],
        "batches": {"pollInterval": poll},
        "store": {"url": f"sqlite:{folder}/state.db"},
        "admin": {"enabled": True, "apiKey": ADMIN},
    }


@pytest.fixture(scope="module")
def gateway(vendor: BatchVendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    folder = tmp_path_factory.mktemp("cost")
    served = ServedGateway(configured(vendor.url, folder), folder)
    yield served
    served.stop()


def lines(number: int, *, ceiling: int = 50, model: str = "chat") -> bytes:
    body = {"model": model, "max_tokens": ceiling, "messages": [{"role": "user", "content": "hello"}]}
    written = [
        {"custom_id": f"line-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body} for n in range(number)
    ]
    return b"".join(json.dumps(each).encode() + b"\n" for each in written)


def submit(client: openai.OpenAI, content: bytes) -> str:
    file = client.files.create(file=("a.jsonl", content), purpose="batch")
    window: Any = "24h"
    return client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window=window).id


def submit_messages(client: anthropic.Anthropic, number: int, model: str = "claude") -> str:
    params: Any = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    requests: Any = [{"custom_id": f"line-{n}", "params": params} for n in range(number)]
    return client.messages.batches.create(requests=requests).id


def asked(gateway: ServedGateway, path: str) -> Any:
    headers = {"authorization": f"Bearer {ADMIN}"}
    reply = httpx.get(f"{gateway.url}/admin/v1{path}", headers=headers, trust_env=False)
    assert reply.status_code == 200, reply.text
    return reply.json()


def state(gateway: ServedGateway, key: str, limit: str) -> dict[str, int] | None:
    """What is settled and what is reserved, once the limit shows whom it counts for."""
    rows = [row for row in asked(gateway, "/limits")["items"] if row["limit"] == limit and key in str(row["subject"])]
    return {"settled": rows[0]["settled"], "open": rows[0]["open"]} if rows else None


def until(wanted: Callable[[], int | None]) -> int:
    deadline = time.monotonic() + 15
    while (found := wanted()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def held(gateway: ServedGateway, key: str, limit: str = "spent") -> int:
    """What is reserved."""

    def look() -> int | None:
        found = state(gateway, key, limit)
        return found["open"] if found is not None and found["open"] else None

    return until(look)


def settled(gateway: ServedGateway, key: str, limit: str = "spent") -> int:
    """What is settled, once nothing is reserved any more."""

    def look() -> int | None:
        found = state(gateway, key, limit)
        return found["settled"] if found is not None and not found["open"] and found["settled"] else None

    return until(look)


def test_reserved_on_submission_and_settled_at_the_batch_price(gateway: ServedGateway, vendor: BatchVendor) -> None:
    key = KEYS[0]
    id_ = submit(gateway.openai(api_key=key), lines(3))

    assert held(gateway, key) > 3 * 50 * 10 * 1000, "the input too"
    assert state(gateway, key, "spent") == {"settled": 0, "open": held(gateway, key)}
    vendor.end(id_)
    assert settled(gateway, key) == 3 * COST
    assert settled(gateway, key, "tokens") == 3 * sum(USED)
    used = [each for each in asked(gateway, "/ledger")["items"] if key in str(each)]
    assert {each["amount"] for each in used} >= {3 * COST, 3 * sum(USED)}


def test_a_batch_that_can_not_be_paid_is_refused(gateway: ServedGateway, vendor: BatchVendor) -> None:
    client, before = gateway.openai(api_key=KEYS[1]), len(vendor.batches)

    with pytest.raises(openai.RateLimitError, match="tokens"):
        submit(client, lines(20))
    assert len(vendor.batches) == before
    submit(client, lines(5))
    with pytest.raises(openai.RateLimitError):
        submit(client, lines(10))
    submit(gateway.openai(api_key=KEYS[2]), lines(2))
    assert len(vendor.batches) == before + 2


def submit_as(gateway: ServedGateway, api: str, key: str, model: str) -> Callable[[], Any]:
    """Hands in five lines with the API's own client. Returns how that client asks for the batch and its results."""
    if api == "openai":
        chat = gateway.openai(api_key=key)
        id_ = submit(chat, lines(5, model=model))

        def read() -> Any:
            batch = chat.batches.retrieve(id_)
            return batch.output_file_id and chat.files.content(batch.output_file_id).content

    elif api == "anthropic":
        messages = gateway.anthropic(api_key=key)
        id_ = submit_messages(messages, 5, model)

        def read() -> Any:
            ended = messages.messages.batches.retrieve(id_).processing_status == "ended"
            return ended and list(messages.messages.batches.results(id_))

    else:
        options = types.HttpOptions(base_url=f"{gateway.url}/gemini", client_args={"trust_env": False})
        google = gateway.closes(genai.Client(api_key=key, vertexai=False, http_options=options))
        asked = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}], "config": {"max_output_tokens": 50}}
        source: Any = [asked] * 5
        name = str(google.batches.create(model=model, src=source).name)

        def read() -> Any:
            return google.batches.get(name=name).dest

    return read


@pytest.mark.parametrize(("api", "model", "ending"), WAYS)
def test_what_was_done_is_paid_once_however_a_batch_ends(
    gateway: ServedGateway, vendor: BatchVendor, api: str, model: str, ending: str
) -> None:
    """From every client's API to every provider's, with the results asked for before and after they are counted."""
    key, (status, done) = KEY_OF[api, model, ending], ENDINGS[ending]
    read = submit_as(gateway, api, key, model)
    kept = list(vendor.batches.values())[-1]
    kept.failing.add(kept.lines[0][0])
    held(gateway, key)

    vendor.end(kept.id, status=status, done=done)
    read()

    assert settled(gateway, key) == (done - 1) * COST
    assert read()
    assert settled(gateway, key) == (done - 1) * COST
    assert settled(gateway, key, "tokens") == (done - 1) * sum(USED)
    charged = {
        (each["limit"], each["amount"], each["partial"], each["estimated"])
        for each in asked(gateway, f"/ledger?subject=key={quote(f'basic-apikey-auth:{key}')}")["items"]
    }
    assert {("spent", (done - 1) * COST, 0, 0), ("tokens", (done - 1) * sum(USED), 0, 0)} <= charged


def test_a_limit_of_one_model_counts_its_lines_alone(gateway: ServedGateway, vendor: BatchVendor) -> None:
    key = KEYS[3]
    vendor.end(submit(gateway.openai(api_key=key), lines(5)))
    assert settled(gateway, key, "tokens") == 5 * sum(USED)

    assert state(gateway, key, "claude") is None
    with pytest.raises(anthropic.RateLimitError, match="claude"):
        submit_messages(gateway.anthropic(api_key=key), 6)


def test_a_batch_that_its_client_deletes_is_paid(gateway: ServedGateway, vendor: BatchVendor) -> None:
    key = KEYS[4]
    client = gateway.anthropic(api_key=key)
    id_ = submit_messages(client, 1)
    vendor.end(id_)

    client.messages.batches.delete(id_)

    assert settled(gateway, key) == COST


@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_results_that_are_deleted_while_they_are_counted_are_paid(
    gateway: ServedGateway, vendor: BatchVendor, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    key = KEYS[5 + ["openai", "anthropic"].index(api)]
    monkeypatch.setattr(vendor, "slow", 0.3)
    chat, messages = gateway.openai(api_key=key), gateway.anthropic(api_key=key)
    id_ = submit(chat, lines(2)) if api == "openai" else submit_messages(messages, 2)
    vendor.reading.clear()
    vendor.end(id_)
    file = chat.batches.retrieve(id_).output_file_id if api == "openai" else None
    assert vendor.reading.wait(10)

    if file is None:
        messages.messages.batches.delete(id_)
    else:
        chat.files.delete(file)

    assert settled(gateway, key) == 2 * COST


def test_settled_by_another_process_where_the_first_was_killed(vendor: BatchVendor, tmp_path: Path) -> None:
    """Three gateways share a store; the one that took the batch is killed. It is paid once."""
    key = KEYS[0]
    first = ServedGateway(configured(vendor.url, tmp_path, poll="1h"), tmp_path / "first")
    others: list[ServedGateway] = []
    try:
        id_ = submit(first.openai(api_key=key), lines(4))
        held(first, key)
        first.process.kill()
        first.process.wait()
        vendor.end(id_)
        config = configured(vendor.url, tmp_path, poll="100ms")
        others = [ServedGateway(config, tmp_path / f"other-{n}") for n in range(2)]
        assert settled(others[0], key) == 4 * COST
        time.sleep(0.5)
        assert settled(others[1], key) == 4 * COST
        reads = [seen for seen in vendor.seen if seen.path.endswith(f"{id_}-output/content")]
        assert len(reads) == 1, "one process alone reads the results"
    finally:
        first.stop()
        for each in others:
            each.stop()
