"""A value of a wrong type in any place of a batch: of its lines, of what creates it, of what its provider answers, and
of its results, at providers of the client's API and of another.

Nothing is a fault of the gateway, and what a provider sends is never the client's. ODD_LONG=1 tries each value.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from batch_vendor import BatchVendor
from odd_requests import odd_at_each_place
from vendors import Reply, Seen

from llm_gateway.testing import Answer, GatewayClient

EACH = None if os.environ.get("ODD_LONG") else 1
FORM = (
    '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    '--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n%s\r\n--b--\r\n'
)
RAW = [b"", b"\n\n", b"\xff\xfe", b"{", b"null\n", b"[1]\n{}", b'{"a":1}{"b":2}', b"<html>", b"\xef\xbb\xbf{}"]
HIDING = {"patterns": [{"pattern": r"\d{3}-\d{4}", "replacement": "[hidden]"}]}
MODELS = ["gpt", "claude", "gem"]

pytestmark = pytest.mark.timeout(1200)


class OddVendor(BatchVendor):
    """Gives another body where a test has set one."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = re.compile("$^")
        """Method and path of the replies that are replaced."""
        self.body: bytes | None = None
        self.came: Reply | None = None

    def answer(self, seen: Seen) -> Reply:
        reply = super().answer(seen)
        if self.asked.search(f"{seen.method} {seen.path}") is None:
            return reply
        self.came = reply
        return reply if self.body is None else Reply(self.body, 200, reply.headers)


@pytest.fixture(scope="module")
def vendor() -> Iterator[OddVendor]:
    server = OddVendor()
    yield server
    server.close()


@pytest.fixture(scope="module")
def client(vendor: OddVendor) -> Iterator[GatewayClient]:
    def model(name: str, kind: str, base: str) -> dict[str, Any]:
        config = {"baseUrl": vendor.url + base, "apiKey": "sk-1", "model": f"{name}-model", "retryAttempts": 1}
        return {"name": name, "isDefault": name == "gpt", "provider": {"type": kind, "config": config}}

    models = [model("gpt", "openai", "/v1"), model("claude", "anthropic", ""), model("gem", "gemini", "/v1beta")]
    hider = {"name": "hider", "type": "regex-hider", "config": HIDING}
    projects = [{"name": "hidden", "plugins": [hider]}]
    made = GatewayClient(json.dumps({"models": models, "batches": {"pollInterval": "1h"}, "projects": projects}))
    yield made
    made.close()


class Tried:
    def __init__(self, vendor: OddVendor, caplog: pytest.LogCaptureFixture) -> None:
        self._vendor = vendor
        self._caplog = caplog

    def request(self, value: Any, ask: Callable[[Any], Answer]) -> None:
        for what, odd in odd_at_each_place(value, each=EACH):
            # 502: the vendor of this test does not read all that is valid. 403: a plugin can't see what it has to.
            self._check(what, ask(odd), (200, 400, 403, 404, 413, 502))

    def reply(self, asked: str, ask: Callable[[], Answer]) -> None:
        vendor = self._vendor
        vendor.asked, vendor.body, vendor.came = re.compile(asked), None, None
        ask()
        assert vendor.came is not None, asked
        usual, lines = vendor.came.body, isinstance(vendor.came.body, bytes)
        value = json.loads(usual.splitlines()[0]) if lines else usual
        bodies = [(what, json.dumps(odd).encode()) for what, odd in odd_at_each_place(value, each=EACH)]
        for what, body in [*bodies, *((repr(raw), raw) for raw in RAW)]:
            vendor.body = body
            # 403: a plugin has to see the results, and can't read them.
            self._check(f"{asked}: {what}", ask(), (200, 502, 403) if lines else (200, 502))
        vendor.asked = re.compile("$^")

    def _check(self, what: str, answer: Answer, statuses: tuple[int, ...]) -> None:
        failed = [record.getMessage() for record in self._caplog.records if record.levelno >= logging.ERROR]
        assert answer.status in statuses, f"{what}: {answer.status} {answer.body!r}"
        assert failed == [], what


@pytest.fixture
def tried(vendor: OddVendor, caplog: pytest.LogCaptureFixture) -> Tried:
    return Tried(vendor, caplog)


@pytest.mark.parametrize("project", ["", "/hidden"])
@pytest.mark.parametrize("model", MODELS)
def test_a_batch_of_openais_client(
    client: GatewayClient, vendor: OddVendor, tried: Tried, model: str, project: str
) -> None:
    base = f"{project}/openai/v1"

    def upload(line: Any) -> Answer:
        kind = {"content-type": "multipart/form-data; boundary=b"}
        return client.request("POST", f"{base}/files", body=(FORM % json.dumps(line)).encode(), headers=kind)

    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "metadata": {"a": "b"}}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    tried.request(line, upload)
    file = upload(line).json()["id"]
    created = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h", "metadata": {}}
    tried.request(created, lambda odd: client.post(f"{base}/batches", odd))
    batch = client.post(f"{base}/batches", created).json()["id"]
    kept = list(vendor.batches)[-1]
    tried.reply(r"POST .*(/batches|:batchGenerateContent)$", lambda: client.post(f"{base}/batches", created))
    tried.reply(r"GET .*/batches/[^/]+$", lambda: client.get(f"{base}/batches/{batch}"))
    tried.reply(r"POST .*[/:]cancel$", lambda: client.post(f"{base}/batches/{batch}/cancel", {}))
    vendor.end(kept)
    tried.reply(r"GET .*/batches/[^/]+$", lambda: client.get(f"{base}/batches/{batch}"))
    results = client.get(f"{base}/batches/{batch}").json()["output_file_id"]
    tried.reply(r"GET .*(results|content|:download)$", lambda: client.get(f"{base}/files/{results}/content"))


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_of_anthropics_client(client: GatewayClient, vendor: OddVendor, tried: Tried, model: str) -> None:
    base = "/anthropic/v1/messages/batches"
    params = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "metadata": {}}
    created = {"requests": [{"custom_id": "a", "params": params}]}
    tried.request(created, lambda odd: client.post(base, odd))
    batch = client.post(base, created).json()["id"]
    kept = list(vendor.batches)[-1]
    tried.reply(r"POST .*(/batches|:batchGenerateContent)$", lambda: client.post(base, created))
    tried.reply(r"GET .*/batches/[^/]+$", lambda: client.get(f"{base}/{batch}"))
    vendor.end(kept)
    client.get(f"{base}/{batch}")
    tried.reply(r"GET .*(results|content|:download)$", lambda: client.get(f"{base}/{batch}/results"))
