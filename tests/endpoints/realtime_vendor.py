"""OpenAI's realtime API as a server: sessions that answer what they are asked, in the GA shape or that of the beta."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

__all__ = ["RealtimeVendor", "Visit"]

USAGE = {
    "total_tokens": 30, "input_tokens": 20, "output_tokens": 10,
    "input_token_details": {"text_tokens": 8, "audio_tokens": 12, "cached_tokens": 4},
    "output_token_details": {"text_tokens": 3, "audio_tokens": 7},
}  # fmt: skip


@dataclass(slots=True)
class Visit:
    """One session as it came."""

    path: str
    headers: dict[str, str]
    events: list[dict[str, Any]] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)
    code: int | None = None
    reason: str | None = None


class RealtimeVendor:
    """Asked in words: `slow` begins a response and never ends it, `speak …` has sound in it, `bye` closes, `break`
    breaks the connection off."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self._server: Server = serve(
            self._serve, "127.0.0.1", 0, process_request=self._admit, max_size=32 << 20, subprotocols=["realtime"],  # type: ignore[list-item]
            select_subprotocol=lambda _, offered: offered[0] if offered else None,
        )  # fmt: skip
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.refusal is None:
            return None
        status, body = self.refusal
        reply = connection.respond(status, json.dumps(body))  # type: ignore[arg-type]
        del reply.headers["content-type"]
        reply.headers["content-type"] = "application/json"
        return reply

    def _serve(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        visit = Visit(request.path, headers)
        self.visits.append(visit)
        session = _Session(connection, visit)
        try:
            session.run()
        except ConnectionClosed:
            pass
        finally:
            visit.code, visit.reason = connection.protocol.close_code, connection.protocol.close_reason
            visit.closed.set()


class _Session:
    def __init__(self, connection: ServerConnection, visit: Visit) -> None:
        self._connection = connection
        self._visit = visit
        self._beta = visit.headers.get("openai-beta") == "realtime=v1"
        self._model = visit.path.partition("model=")[2].partition("&")[0]
        self._asked = ""
        self._count = 0

    def run(self) -> None:
        self._send({"type": "session.created", "session": {"id": "sess_1", "model": self._model}})
        for message in self._connection:
            event = json.loads(message)
            self._visit.events.append(event)
            self._take(event)

    def _send(self, event: dict[str, Any]) -> None:
        self._count += 1
        self._connection.send(json.dumps({"event_id": f"event_{self._count}", **event}))

    def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update":
                self._send({"type": "session.updated", "session": {**event["session"], "model": self._model}})
            case "conversation.item.create":
                self._asked = event["item"]["content"][0].get("text", "")
                self._send({"type": "conversation.item.created", "item": event["item"]})
            case "input_audio_buffer.append":
                self._send({"type": "heard", "bytes": len(event["audio"])})
            case "input_audio_buffer.commit":
                usage = {"type": "tokens", "total_tokens": 7, "input_tokens": 5, "output_tokens": 2}
                kind = "conversation.item.input_audio_transcription.completed"
                self._send({"type": kind, "item_id": "item_9", "transcript": "spoken words", "usage": usage})
            case "response.create":
                self._answer()

    def _answer(self) -> None:
        response: dict[str, Any] = {"id": f"resp_{self._count}", "object": "realtime.response", "status": "in_progress"}
        self._send({"type": "response.created", "response": response})
        text = f"echo: {self._asked}".replace("s3 and cret", "s3cret")
        kind = "response.text.delta" if self._beta else "response.output_text.delta"
        if self._asked.startswith("speak"):
            self._send({"type": "response.output_audio.delta", "response_id": response["id"], "delta": "BBBB"})
        # A cut within the word.
        cut = text.index("s3") + 2 if "s3" in text else 5
        for piece in (text[:cut], text[cut:]):
            self._send({"type": kind, "response_id": response["id"], "item_id": "item_1", "delta": piece})
        match self._asked:
            case "slow":
                return
            case "break":
                self._connection.socket.close()
                return
        end = {"response_id": response["id"], "item_id": "item_1", "text": text}
        self._send({"type": kind.replace(".delta", ".done"), **end})
        content = [{"type": "text" if self._beta else "output_text", "text": text}]
        item = {"id": "item_1", "type": "message", "role": "assistant", "content": content}
        done = {**response, "status": "completed", "output": [item], "usage": USAGE}
        self._send({"type": "response.done", "response": done})
        if self._asked == "bye":
            self._connection.close(4001, "as you wish")
