"""Odd replies of providers at each endpoint: an answer that can be read, or an error of the provider with a fallback.

Nothing is a fault of the gateway or of the client, no connection is broken off where an error can still be sent, and
nothing directs the client elsewhere.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

import pytest
from loopback import ROUTES, Call, Gateway, chat_whole, config, gateway, model, request, run, upstream
from odd_replies import EITHER, NEVER, NOT_DOCUMENTS, ODD_REPLIES, READABLE, RETRY_AFTER, plain

LINE = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": request("chat")}
FILE = {"object": "file", "bytes": 3, "created_at": 1, "filename": "a", "purpose": "batch"}
BATCH = {
    "object": "batch", "status": "validating", "input_file_id": "file-kept", "endpoint": "/v1/chat/completions",
    "completion_window": "24h", "created_at": 1,
}  # fmt: skip
MESSAGES = {"type": "message_batch", "processing_status": "in_progress", "request_counts": {}}
VECTORS = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
SUBMITTED = {"requests": [{"custom_id": "a", "params": {**request("messages"), "model": "a"}}]}


def form(content: bytes, **fields: str) -> bytes:
    parts = [f'form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.append(b'form-data; name="file"; filename="a.mp3"\r\ncontent-type: audio/mpeg\r\n\r\n' + content)
    return b"".join(b"--b\r\nContent-Disposition: " + part + b"\r\n" for part in parts) + b"--b--\r\n"


@dataclass(frozen=True)
class Endpoint:
    path: str
    asked: Any
    answer: Any
    """What a provider should send."""
    method: str = "POST"
    kind: str = "object"
    """What a success is; of `bytes` or `anything` more is handed on."""


ENDPOINTS: dict[str, Endpoint] = {
    "chat": Endpoint(ROUTES["chat"], request("chat"), chat_whole("fine")),
    "chat, translated": Endpoint(ROUTES["messages"], request("messages"), chat_whole("fine")),
    "embeddings": Endpoint("/v1/embeddings", {"model": "m", "input": "x"}, VECTORS),
    "embeddings, translated": Endpoint(
        "/cohere/v2/embed", {"model": "m", "texts": ["x"], "input_type": "search_query"}, VECTORS
    ),
    "moderations": Endpoint("/v1/moderations", {"model": "m", "input": "x"}, {"id": "m", "model": "m", "results": []}),
    "images": Endpoint("/v1/images/generations", {"model": "m", "prompt": "x"}, {"data": [{"b64_json": "AAAA"}]}),
    "speech": Endpoint("/v1/audio/speech", {"model": "m", "input": "x", "voice": "v"}, b"ID3", kind="bytes"),
    "transcription": Endpoint("/v1/audio/transcriptions", form(b"abc", model="m"), {"text": "hello"}),
    "count": Endpoint("/anthropic/v1/messages/count_tokens", request("messages") | {"model": "a"}, {"input_tokens": 3}),
    "count, translated": Endpoint("/v1/responses/input_tokens", {"model": "a", "input": "x"}, {"input_tokens": 3}),
    "upload": Endpoint("/v1/files", form(json.dumps(LINE).encode(), purpose="batch"), {"id": "file-1", **FILE}),
    "file": Endpoint("/v1/files/file-kept", None, {"id": "file-kept", **FILE}, "GET"),
    "content": Endpoint("/v1/files/file-kept/content", None, b"abc", "GET", kind="anything"),
    "batch": Endpoint("/v1/batches", {"input_file_id": "file-kept", **BATCH}, {"id": "batch_1", **BATCH}),
    "message batch": Endpoint("/anthropic/v1/messages/batches", SUBMITTED, {"id": "msgbatch_1", **MESSAGES}),
    "listed path": Endpoint("/v1/fine_tuning/jobs", {"model": "m"}, {"id": "job"}, kind="anything"),
    "listed response": Endpoint("/v1/responses/resp_1", None, {"id": "resp_1"}, "GET", kind="anything"),
}
WITH_FALLBACK = ["chat", "chat, translated", "embeddings", "embeddings, translated", "moderations", "images", "speech"]


class Provider:
    """Sends `reply` after each request that is not for the model `second`, and closes."""

    reply = b""
    right = b""

    async def script(self, call: Call) -> None:
        second = call.method == "POST" and b'"second"' in call.raw
        call.writer.write(plain(self.right) if second else self.reply)
        await call.writer.drain()
        call.writer.close()


def settings(url: str, engine: str) -> dict[str, Any]:
    routes = {"model": "m", "fallbacks": ["other"], "operations": ["generate", "embed", "moderate", "image", "speech"]}
    router = {"name": "router", "type": "model-router", "config": routes}
    return config(
        model(url), model(url, "anthropic", "a"), model(url, name="other", model="second"),
        upstream={"engine": engine}, breaker={"enabled": False}, store={"url": "memory:"},
        nativePaths=["/v1/fine_tuning", "/v1/responses"], projects=[{"name": "routed", "plugins": [router]}],
    )  # fmt: skip


async def ask(served: Gateway, endpoint: Endpoint, prefix: str = "") -> Any:
    kind = {"content-type": "multipart/form-data; boundary=b"} if isinstance(endpoint.asked, bytes) else {}
    return await served.ask(endpoint.asked, path=prefix + endpoint.path, method=endpoint.method, headers=kind)


def body_of(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


@pytest.mark.parametrize(
    ("engine", "name"),
    [*(("httptools", name) for name in ENDPOINTS), ("aiohttp", "chat"), ("aiohttp", "embeddings")],
)
def test_an_odd_reply_is_an_answer_or_the_providers_error(
    engine: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint, provider = ENDPOINTS[name], Provider()
    right = body_of(endpoint.answer)

    async def main() -> None:
        async with upstream(provider.script) as up, gateway(settings(up.url, engine)) as served:
            if endpoint.path.startswith(("/v1/files", "/v1/batches")):
                provider.reply = plain(body_of({"id": "file-kept", **FILE}))
                assert (await ask(served, ENDPOINTS["upload"])).status == 200
            for odd, make in ODD_REPLIES.items():
                provider.reply = make(right)
                reply = await ask(served, endpoint)
                where = f"{odd}: {reply}"
                assert not {"location", "set-cookie", "link", "trailer"} & {key for key, _ in reply.headers}, where
                if odd in READABLE and (engine, odd) != ("aiohttp", "surplus bytes"):
                    assert reply.status in (200, 201, 206), where
                    assert reply.body == right or "translated" in name, where
                elif odd in EITHER or (engine, odd) == ("aiohttp", "surplus bytes"):
                    assert reply.status in (200, 502), where
                elif odd in NEVER or endpoint.kind == "object":
                    if engine == "aiohttp" and odd == "a header of two lines":
                        continue  # which that engine reads
                    assert (reply.status, reply.header("x-llm-gateway-error-source")) == (502, "upstream"), where
                    assert reply.whole, where
                else:
                    assert reply.status in (200, 204, 502), where
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    run(main())


@pytest.mark.parametrize("name", WITH_FALLBACK)
def test_another_model_answers_in_its_place(name: str) -> None:
    endpoint, provider = ENDPOINTS[name], Provider()
    provider.right = body_of(endpoint.answer)
    odds = {**NEVER, **(NOT_DOCUMENTS if endpoint.kind == "object" else {"empty": NOT_DOCUMENTS["empty"]})}

    async def main() -> None:
        async with upstream(provider.script) as up, gateway(settings(up.url, "auto")) as served:
            for odd, make in odds.items():
                provider.reply = make(provider.right)
                reply = await ask(served, endpoint, "/routed")
                assert reply.status == 200, (odd, reply)
                assert reply.header("x-llm-gateway-attempts") == "2", odd

    run(main())


@pytest.mark.parametrize("name", ["chat", "chat, translated", "embeddings"])
def test_no_wait_that_a_provider_names_costs_the_error(name: str, caplog: pytest.LogCaptureFixture) -> None:
    endpoint, provider = ENDPOINTS[name], Provider()
    error = b'{"error": {"message": "later", "type": "rate_limit_error"}}'

    async def main() -> None:
        async with upstream(provider.script) as up, gateway(settings(up.url, "auto")) as served:
            for status in (429, 503):
                for wait in RETRY_AFTER:
                    for header in ("retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"):
                        given = f"{header}: {wait}".encode(), b"content-type: application/json"
                        provider.reply = plain(error, *given, status=b"%d X" % status)
                        reply = await ask(served, endpoint)
                        # A word of the provider's that is finer than its status counts, where it is translated.
                        assert reply.status in (status, 429), (wait, reply)
                        assert reply.whole, (wait, reply)
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    run(main())
