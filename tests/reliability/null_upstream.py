"""A provider that reads whatever it is sent and answers in the API that the path names, as its own process.

`/plain/…` answers a word. The other beginnings of a path answer with a reply that is heavy in one way: `/text/…` one
long text, `/matches/…` a text full of matches, `/parts/…` many parts or choices, `/stream/…` a stream of many small
events, `/event/…` a stream of one large event. It is also a collector of spans and a ClickHouse, which take what they
get. Prints its port.
"""

from __future__ import annotations

import asyncio
import json
import os
from functools import cache
from typing import Any

SIZE = int(os.environ.get("HEAVY_REPLY_BYTES", 8 << 20))
MANY = max(4000, SIZE // 1000)


EVENT_SIZE = min(SIZE, 15 << 20)
"""Of the one event: the gateway accepts 16 MB."""


def _text(kind: str) -> str:
    pieces = {"text": "some words, and more ", "matches": "ann@mail.example 123-45-6789 ", "event": "A"}
    piece, size = pieces.get(kind), EVENT_SIZE if kind == "event" else SIZE
    return "ok" if piece is None else piece * (size // len(piece))


def _reply(path: str, texts: list[str]) -> Any:
    if path.endswith("/chat/completions"):
        return {
            "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [
                {"index": number, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
                for number, text in enumerate(texts)
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip
    if path.endswith("/responses"):
        content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
        return {
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
            "output": [
                {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
            ],
            "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
        }  # fmt: skip
    if path.endswith("/messages"):
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "stop_sequence": None, "content": [{"type": "text", "text": text} for text in texts],
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }  # fmt: skip
    if "enerateContent" in path:
        parts = [{"text": text} for text in texts]
        return {
            "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
        }
    if path.endswith(("/converse", "/converse-stream")):
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": text} for text in texts]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        }
    return {"input_tokens": 1, "totalTokens": 1, "inputTokens": 1}


def _chat_event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    event = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _vectors(request: bytearray) -> bytes:
    """One for each input of a request for embeddings."""
    inputs = json.loads(request)["input"]
    count = len(inputs) if isinstance(inputs, list) and not isinstance(inputs[0], int) else 1
    data = [{"object": "embedding", "index": index, "embedding": [0.5]} for index in range(count)]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "model": "m", "data": data, "usage": usage}).encode()


@cache
def _answer(kind: str, path: str) -> tuple[str, bytes]:
    if kind in ("stream", "event"):
        pieces = ["ann@mail.example "] * MANY if kind == "stream" else [_text("event")]
        events = [_chat_event({"role": "assistant"}), *(_chat_event({"content": piece}) for piece in pieces)]
        return "text/event-stream", b"".join([*events, _chat_event({}, "stop"), b"data: [DONE]\n\n"])
    texts = ["ann@mail.example"] * MANY if kind == "parts" else [_text(kind)]
    return "application/json", json.dumps(_reply(path, texts)).encode()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")
            path = lines[0].split(" ")[1].partition("?")[0]
            length = next((int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0)
            embeds, request = path.endswith("/embeddings"), bytearray()
            while length > 0:
                piece = await reader.read(min(length, 1 << 20))
                length -= len(piece)
                if embeds:
                    request += piece
            _, kind, *_ = path.split("/")
            if kind in ("", "otel"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                continue
            content_type, body = ("application/json", _vectors(request)) if embeds else _answer(kind, path)
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n".encode())
            writer.write(f"content-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
