"""Vendors' endpoints next to generation, as one server: each path answers in its vendor's shape, from what it was sent.

A vector of a text is a function of the text alone, so that a test sees whether batches were joined in their order.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

__all__ = ["Reply", "Seen", "Vendors", "vector"]


def vector(text: Any, size: int = 3) -> list[float]:
    """Numbers that a 32-bit float holds exactly."""
    seed = sum(map(ord, text)) if isinstance(text, str) else sum(text)
    return [(seed * (place + 1)) % 256 / 256 for place in range(size)]


@dataclass(slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass(slots=True)
class Reply:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def _openai_embeddings(seen: Seen) -> Reply:
    body = seen.body
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    if isinstance(inputs[0], int):
        inputs = [inputs]
    if len(inputs) > 2048:
        return Reply({"error": {"message": "too many inputs", "type": "invalid_request_error"}}, 400)
    size = body.get("dimensions") or body.get("output_dimension") or 3
    data = [{"object": "embedding", "index": n, "embedding": vector(text, size)} for n, text in enumerate(inputs)]
    used = 2 * len(inputs)
    return Reply(
        {
            "object": "list",
            "data": data[::-1],
            "model": body["model"],
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
    )


def _cohere_embed(seen: Seen) -> Reply:
    body = seen.body
    if len(body["texts"]) > 96 or "input_type" not in body:
        return Reply({"message": "invalid request"}, 400)
    vectors = [vector(text, body.get("output_dimension") or 3) for text in body["texts"]]
    return Reply(
        {
            "id": "emb-1",
            "embeddings": {"float": vectors},
            "texts": body["texts"],
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 2 * len(vectors)}},
            "response_type": "embeddings_by_type",
        }
    )


def _gemini_batch(seen: Seen) -> Reply:
    each = seen.body["requests"]
    if len(each) > 100:
        return Reply({"error": {"code": 400, "message": "at most 100 requests", "status": "INVALID_ARGUMENT"}}, 400)
    texts = ["".join(part["text"] for part in item["content"]["parts"]) for item in each]
    size = each[0].get("outputDimensionality") or 3
    return Reply({"embeddings": [{"values": vector(text, size)} for text in texts]})


def _gemini_single(seen: Seen) -> Reply:
    text = "".join(part["text"] for part in seen.body["content"]["parts"])
    return Reply({"embedding": {"values": vector(text)}})


def _invoke(seen: Seen) -> Reply:
    body, model = seen.body, unquote(seen.path.split("/")[-2])
    if "nova-canvas" in model:
        return Reply({"images": [PIXEL] * body["imageGenerationConfig"]["numberOfImages"]})
    if "stability" in model:
        return Reply({"images": [PIXEL], "finish_reasons": [None]})
    if "rerank" in model:
        return Reply(_ranked(body, "relevance_score"), headers={"x-amzn-bedrock-input-token-count": "9"})
    if "titan-embed" in model:
        numbers = vector(body["inputText"], body.get("dimensions") or 3)
        return Reply({"embedding": numbers, "inputTextTokenCount": 2})
    if "cohere.embed" in model and len(body["texts"]) <= 96:
        vectors = [vector(text) for text in body["texts"]]
        return Reply({"embeddings": vectors}, headers={"x-amzn-bedrock-input-token-count": str(2 * len(vectors))})
    return Reply({"message": "invalid"}, 400)


def _ranked(body: dict[str, Any], score: str, limit: str = "top_n") -> dict[str, Any]:
    """Documents that hold the query go first."""
    scores = [(0.9 if body["query"] in str(text) else 0.1, n) for n, text in enumerate(body["documents"])]
    best = sorted(scores, key=lambda each: (-each[0], each[1]))[: body.get(limit) or len(scores)]
    return {"results": [{"index": n, score: value} for value, n in best]}


def _rerank(seen: Seen) -> Reply:
    """Cohere's, vLLM's, Jina's and Voyage's, which the key distinguishes."""
    body, key = seen.body, seen.headers.get("authorization", "")
    if "voyage" in key:
        found = _ranked(body, "relevance_score", "top_k")["results"]
        return Reply({"object": "list", "data": found, "model": body["model"], "usage": {"total_tokens": 9}})
    found = _ranked(body, "relevance_score")
    if "jina" in key or "vllm" in key:
        return Reply({**found, "model": body["model"], "usage": {"total_tokens": 9}})
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return Reply({**found, "id": "rerank-1", "meta": meta})


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def _moderations(seen: Seen) -> Reply:
    inputs = seen.body["input"] if isinstance(seen.body["input"], list) else [seen.body["input"]]
    mistral = "mistral" in seen.headers.get("authorization", "")
    name = "violence_and_threats" if mistral else "violence"
    results = [
        {"flagged": "kill" in text, "categories": {name: "kill" in text}, "category_scores": {name: 0.9}}
        for text in inputs
    ]
    return Reply({"id": "modr-1", "model": seen.body["model"], "results": results})


def _images(seen: Seen) -> Reply:
    data = [{"b64_json": PIXEL, "revised_prompt": f"more of {seen.body['prompt']}"}] * seen.body.get("n", 1)
    return Reply({"created": 1, "data": data, "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}})


def _imagen(seen: Seen) -> Reply:
    number = seen.body["parameters"]["sampleCount"]
    if number > 4:
        return Reply({"error": {"code": 400, "message": "at most 4", "status": "INVALID_ARGUMENT"}}, 400)
    return Reply({"predictions": [{"bytesBase64Encoded": PIXEL, "mimeType": "image/png"}] * number})


def _generate_content(seen: Seen) -> Reply:
    """An image or speech, as the modalities say; of a recording its transcript."""
    audio = seen.body.get("generationConfig", {}).get("responseModalities") == ["AUDIO"]
    data = {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "AAABAAIA"} if audio else {
        "mimeType": "image/png", "data": PIXEL,
    }  # fmt: skip
    content = {"role": "model", "parts": [{"inlineData": data}]}
    if "inlineData" in str(seen.body["contents"]) and "Transcribe" in str(seen.body["contents"]):
        content = {"role": "model", "parts": [{"text": "my number is 555-1234"}]}
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12}
    return Reply({"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage})


def _speech(seen: Seen) -> Reply:
    return Reply(b"ID3" + seen.body["input"].encode() * 100, headers={"content-type": "audio/mpeg"})


KEPT: dict[str, bytes] = {}
"""What the vendors keep, by its id."""


def _upload(seen: Seen) -> Reply:
    id_ = f"file-{len(KEPT)}"
    KEPT[id_] = seen.raw
    purpose = "batch" if b"\r\n\r\nbatch\r\n" in seen.raw else "user_data"
    named = {"filename": "a.jsonl", "bytes": len(seen.raw), "created_at": 1, "purpose": purpose, "status": "processed"}
    return Reply({"id": id_, "object": "file", **named})


def _file(seen: Seen) -> Reply:
    id_ = seen.path.split("/files/")[1].split("/")[0]
    if seen.path.endswith("/content"):
        answer = {"content": "call 555-1234"}
        line = {"custom_id": "a", "response": {"status_code": 200, "body": {"choices": [{"message": answer}]}}}
        return Reply(json.dumps(line).encode() + b"\n", headers={"content-type": "application/octet-stream"})
    if seen.method == "DELETE":
        return Reply({"id": id_, "object": "file", "deleted": True})
    return Reply({"id": id_, "object": "file", "bytes": 1, "created_at": 1, "filename": "a", "purpose": "batch"})


def _batch(seen: Seen) -> Reply:
    """Ends as soon as somebody looks."""
    batch: dict[str, Any] = {
        "id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h",
        "created_at": 1, "input_file_id": "file-0", "status": "validating",
    }  # fmt: skip
    if seen.method == "GET":
        usage = {"input_tokens": 1000, "output_tokens": 50, "total_tokens": 1050}
        batch.update(status="completed", output_file_id="file-out", usage=usage)
    elif seen.path.endswith("/cancel"):
        batch["status"] = "cancelling"
    return Reply(batch)


def _message_batch(seen: Seen) -> Reply:
    if seen.path.endswith("/results"):
        usage = {"input_tokens": 600, "output_tokens": 40}
        message = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "call 555-1234"}]}
        result = {"type": "succeeded", "message": {**message, "usage": usage}}
        line = json.dumps({"custom_id": "a", "result": result}).encode() + b"\n"
        return Reply(line, headers={"content-type": "application/x-jsonl"})
    if seen.method == "DELETE":
        return Reply({"id": "msgbatch_1", "type": "message_batch_deleted"})
    ended = seen.method == "GET"
    counts = {"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0}
    batch = {
        "id": "msgbatch_1", "type": "message_batch", "processing_status": "ended" if ended else "in_progress",
        "request_counts": counts, "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z",
        "results_url": seen.path + "/results" if ended else None,
    }  # fmt: skip
    return Reply(batch)


ROUTES: list[tuple[str, Callable[[Seen], Reply]]] = [
    (r"POST .*/embeddings", _openai_embeddings),
    (r"POST .*/v2/embed", _cohere_embed),
    (r"POST .*:batchEmbedContents", _gemini_batch),
    (r"POST .*:embedContent", _gemini_single),
    (r"POST .*/model/.*/invoke", _invoke),
    (r"POST .*/rerank", _rerank),
    (r"POST .*/moderations", _moderations),
    (r"POST .*/images/generations", _images),
    (r"POST .*/images/edits", lambda seen: Reply({"created": 1, "data": [{"b64_json": PIXEL}]})),
    (r"POST .*/audio/transcriptions", lambda seen: Reply({"text": "my number is 555-1234"})),
    (r"POST .*:predict", _imagen),
    (r"POST .*:generateContent", _generate_content),
    (r"POST .*/audio/speech", _speech),
    (r"POST .*/v1/files", _upload),
    (r"(?:GET|DELETE) .*/v1/files/.*", _file),
    (r".* /v1/batches.*", _batch),
    (r".* /v1/messages/batches.*", _message_batch),
]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class Vendors:
    """`url` has no path. `routes` are asked in order, so that a test may put its own first."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.routes = list(ROUTES)
        vendors = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # A head and a body that are written one after the other would wait for an acknowledgement of 40 ms.
            disable_nagle_algorithm = True
            wbufsize = -1

            def _serve(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                named = {key.lower(): value for key, value in self.headers.items()}
                seen = Seen(self.command, self.path.partition("?")[0], named, raw)
                vendors.seen.append(seen)
                reply = vendors.answer(seen)
                data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                headers = {"content-type": "application/json", **reply.headers, "content-length": str(len(data))}
                for key, value in headers.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _serve

            def log_message(self, *_: Any) -> None:
                """Sends nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, seen: Seen) -> Reply:
        for pattern, handler in self.routes:
            if re.fullmatch(pattern, f"{seen.method} {seen.path}"):
                return handler(seen)
        return Reply({"error": {"message": f"no route {seen.path}"}}, 404)

    def last(self, part: str) -> Seen:
        return next(seen for seen in reversed(self.seen) if part in seen.path)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
