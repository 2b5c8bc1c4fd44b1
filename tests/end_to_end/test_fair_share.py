"""Requests wait in turn for what their provider reports to have left, so that it refuses none."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_gateway import ServedGateway

LIMIT, LEFT = 1200, 10
PER_SECOND = LIMIT / 60


class Vendor:
    """A provider with a rate of requests that fills evenly, which it reports in the headers of OpenAI or Anthropic."""

    def __init__(self, kind: str, per_second: float = PER_SECOND) -> None:
        self.kind = kind
        self._per_second = per_second
        self.refused = 0
        self.served: list[str] = []
        self._left, self._at = float(LEFT), 0.0
        """Until the first request nothing comes back."""
        self._lock = threading.Lock()

    def take(self, who: str) -> tuple[int, dict[str, str]]:
        with self._lock:
            now = time.monotonic()
            self._at = self._at or now
            self._left, self._at = min(LIMIT, self._left + self._per_second * (now - self._at)), now
            status = 200
            if self._left >= 1:
                self._left -= 1
                self.served.append(who)
            else:
                status, self.refused = 429, self.refused + 1
            seconds = (LIMIT - self._left) / self._per_second
            headers = {
                "x-ratelimit-limit-requests": str(LIMIT),
                "x-ratelimit-remaining-requests": str(int(self._left)),
                "x-ratelimit-reset-requests": f"{seconds * 1000:.0f}ms",
            }
            if self.kind == "anthropic":
                # Moments have no fractions of seconds.
                moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds + 1))
                headers = {
                    "anthropic-ratelimit-requests-limit": str(LIMIT),
                    "anthropic-ratelimit-requests-remaining": str(int(self._left)),
                    "anthropic-ratelimit-requests-reset": moment,
                }
            return status, headers

    def reply(self, status: int) -> dict[str, Any]:
        if status != 200:
            return {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
        if self.kind == "anthropic":
            return {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
                "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 3, "output_tokens": 1},
            }  # fmt: skip
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        return {
            "id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        }  # fmt: skip


@contextmanager
def running(vendor: Vendor) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            status, headers = vendor.take("red" if "from red" in body else "blue")
            answer = json.dumps(vendor.reply(status)).encode()
            self.send_response(status)
            for name, value in {**headers, "content-type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def gateway(vendor: Vendor, folder: Path, *, queue: bool = True, **more: Any) -> Iterator[ServedGateway]:
    limits: dict[str, Any] = {"weights": {"basic-apikey-auth:red": 3}, **more}
    if queue:
        limits["upstreamQueue"] = {"timeout": "20s"}
    keys = [{"name": name, "key": f"key-of-{name}"} for name in ("red", "blue")]
    with running(vendor) as url:
        config = {
            "monitoring": {"serverTiming": True},
            "models": [
                {
                    "name": "m",
                    "isDefault": True,
                    "provider": {
                        "type": vendor.kind,
                        "config": {
                            "baseUrl": url if vendor.kind == "anthropic" else f"{url}/v1",
                            "apiKey": "k",
                            "model": "m",
                            "retryAttempts": 1,
                        },
                    },
                }
            ],
            "plugins": [
                {"name": "auth", "type": "basic-apikey-auth", "config": {"apikeys": keys}},
                {"name": "limits", "type": "limits", "config": limits},
            ],
        }
        served = ServedGateway(config, folder)
        try:
            yield served
        finally:
            served.stop()


def ask_all(served: ServedGateway, count: int) -> list[httpx.Response]:
    """Asks `count` times for each of both at once, after a first reply that has the provider's report."""

    async def one(http: httpx.AsyncClient, name: str) -> httpx.Response:
        body = {"model": "m", "messages": [{"role": "user", "content": f"from {name}"}]}
        headers = {"authorization": f"Bearer key-of-{name}"}
        return await http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers)

    async def main() -> list[httpx.Response]:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            await one(http, "blue")
            names = ["blue"] * count + ["red"] * count
            return list(await asyncio.gather(*(one(http, name) for name in names)))

    return asyncio.run(main())


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_provider_that_reports_its_rate_refuses_no_request(kind: str, tmp_path: Path) -> None:
    vendor = Vendor(kind)
    with gateway(vendor, tmp_path) as served:
        replies = ask_all(served, 25)
    assert [reply.status_code for reply in replies] == [200] * 50
    assert vendor.refused == 0
    # What the provider had left went at once; after that both waited, and red had more of the turns.
    contended = vendor.served[LEFT + 5 : LEFT + 25]
    assert contended.count("red") > contended.count("blue"), vendor.served
    waits = [reply.headers["server-timing"] for reply in replies if "limits.queue" in reply.headers["server-timing"]]
    assert len(waits) >= 30


def test_without_the_queue_the_same_provider_refuses(tmp_path: Path) -> None:
    vendor = Vendor("openai", per_second=0.1)
    with gateway(vendor, tmp_path, queue=False, limits=[{"name": "x", "requests": 1000, "window": "1s"}]) as served:
        replies = ask_all(served, 25)
    assert vendor.refused > 0
    assert 429 in {reply.status_code for reply in replies}
