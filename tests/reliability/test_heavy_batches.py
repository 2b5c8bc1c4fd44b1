"""Large files of a batch, and its results, hold up no other request, whatever is large in them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path += [str(Path(__file__).parents[1] / name) for name in ("endpoints", "end_to_end")]

from batch_vendor import BatchVendor
from bystanders import Bystanders
from served_gateway import ServedGateway

HEALTH_SECONDS = 0.1
TRIES = 3
SIZE = 3 << 20
UPLOAD = "/gemini/upload/v1beta/files"
LINE = b'{"key":"k","request":{"contents":[{"parts":[{"text":"%s"}]}]}}\n' % (b"words " * 40)


@pytest.fixture(scope="module")
def vendor() -> Iterator[BatchVendor]:
    server = BatchVendor()
    yield server
    server.close()


@pytest.fixture(scope="module")
def gateway(vendor: BatchVendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    def model(name: str, kind: str, base: str) -> dict[str, Any]:
        config = {"baseUrl": vendor.url + base, "apiKey": "sk-1", "model": name, "retryAttempts": 1}
        return {"name": name, "provider": {"type": kind, "config": config}}

    served = ServedGateway(
        {
            "models": [model("gpt", "openai", "/v1"), model("claude", "anthropic", "")],
            "batches": {"pollInterval": "1h"},
            "store": {"url": "sqlite:state.db"},
        },
        tmp_path_factory.mktemp("heavy-batches"),
    )
    yield served
    served.stop()


@pytest.fixture(scope="module")
def held(gateway: ServedGateway) -> Iterator[Callable[[Callable[[], Any]], float]]:
    """Seconds that `/health/live` waited for at most while something was done, of some tries the least."""
    clients = Bystanders(int(gateway.url.rpartition(":")[2]), "", gateway.process.pid)

    def measure(act: Callable[[], Any]) -> float:
        least = float("inf")
        for _ in range(TRIES):
            began = time.perf_counter()
            act()
            clients.settle()
            least = min(least, clients.longest(began))
            if least < HEALTH_SECONDS:
                break
        return least

    yield measure
    clients.close()


def related(about: bytes, content: bytes) -> bytes:
    head = b"--b\r\ncontent-type: application/json\r\n\r\n"
    return head + about + b"\r\n--b\r\ncontent-type: application/jsonl\r\n\r\n" + content + b"\r\n--b--\r\n"


ABOUT = b'{"file":{"mimeType":"application/jsonl"}}'
UPLOADS = {
    "lines": (related(ABOUT, LINE * (SIZE // len(LINE))), 200),
    "one line": (related(ABOUT, b'{"key":"k","request":{"contents":"%s"}}' % (b"a" * SIZE)), 200),
    "values about the file": (related(b'{"file":{"a":[%s1]}}' % (b"1," * (SIZE // 2)), LINE), 200),
    "its type": (related(b'{"file":{"mimeType":"%s\\n"}}' % (b"jsonl;/" * (SIZE // 7)), LINE), 400),
    "boundaries": (b"--b\r\n" * (SIZE // 5), 400),
    "no boundary": (b"a" * SIZE, 400),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_a_large_upload_with_its_metadata_holds_up_no_other(
    gateway: ServedGateway, held: Callable[[Callable[[], Any]], float], name: str
) -> None:
    body, status = UPLOADS[name]
    headers = {"content-type": "multipart/related; boundary=b", "x-goog-upload-protocol": "multipart"}
    answers = []

    waited = held(lambda: answers.append(httpx.post(gateway.url + UPLOAD, content=body, headers=headers, timeout=60)))

    assert answers[0].status_code == status, answers[0].text[:300]
    assert waited < HEALTH_SECONDS


def test_results_that_are_read_for_another_api_hold_up_no_other(
    gateway: ServedGateway, vendor: BatchVendor, held: Callable[[Callable[[], Any]], float]
) -> None:
    number = 4000
    asked = [
        {
            "custom_id": f"line {place}", "method": "POST", "url": "/v1/chat/completions",
            "body": {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "words " * 100}]},
        }
        for place in range(number)
    ]  # fmt: skip
    client = gateway.openai()
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in asked)
    made: list[Any] = []

    def create() -> None:
        file = client.files.create(file=("a.jsonl", lines), purpose="batch")
        wanted: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        made.append(client.batches.create(input_file_id=file.id, **wanted))

    assert held(create) < HEALTH_SECONDS
    vendor.end(list(vendor.batches)[-1])
    done = client.batches.retrieve(made[-1].id)
    results: list[str] = []

    waited = held(lambda: results.append(client.files.content(str(done.output_file_id)).text))

    assert results[0].count("heard words") == number
    assert waited < HEALTH_SECONDS
