"""A stand-in for Google Cloud: its token endpoints, its metadata server, and models on Vertex AI."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_PEM = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class GoogleCloud:
    def __init__(self) -> None:
        self.tokens: list[tuple[str, str]] = []
        """(what issued it, token)."""
        self.calls: list[tuple[str, dict[str, str], Any]] = []
        """(path with query, headers, body) of models' calls."""
        self.refuses = False
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                cloud.answer(self, None)

            def do_POST(self) -> None:
                cloud.answer(self, self.rfile.read(int(self.headers.get("content-length", "0"))))

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def service_account(self, folder: Path) -> Path:
        file = folder / "key.json"
        info = {
            "type": "service_account",
            "project_id": "of-the-key",
            "private_key_id": "k",
            "private_key": _PEM,
            "client_email": "gateway@of-the-key.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }
        file.write_text(json.dumps(info))
        return file

    def workload_identity(self, folder: Path) -> Path:
        (folder / "subject").write_text("the-subject-token")
        file = folder / "federation.json"
        info = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{self.url}/sts",
            "credential_source": {"file": str(folder / "subject")},
        }
        file.write_text(json.dumps(info))
        return file

    def answer(self, handler: Any, body: bytes | None) -> None:
        path = handler.path
        if path in ("/token", "/sts") or "/service-accounts/default/token" in path:
            self._issue(handler, path)
        elif "/service-accounts/default/" in path:
            info = {"email": "gateway@machine", "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
            self._send(handler, 200, json.dumps(info).encode(), {"metadata-flavor": "Google"})
        elif path.startswith("/computeMetadata") or path == "/":
            self._send(handler, 200, b"ok", {"metadata-flavor": "Google", "content-type": "text/plain"})
        else:
            self._generate(handler, path, json.loads(body or b"{}"))

    def _issue(self, handler: Any, path: str) -> None:
        if self.refuses:
            self._send(handler, 400, b'{"error": "invalid_grant", "error_description": "secret-detail"}')
            return
        kind = {"/token": "account", "/sts": "federation"}.get(path, "metadata")
        token = f"ya29.{kind}-{len(self.tokens)}"
        self.tokens.append((kind, token))
        issued = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
        issued["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        self._send(handler, 200, json.dumps(issued).encode(), {"metadata-flavor": "Google"})

    def _generate(self, handler: Any, path: str, body: dict[str, Any]) -> None:
        self.calls.append((path, {name.lower(): value for name, value in handler.headers.items()}, body))
        streamed = "stream" in path.lower() or body.get("stream")
        if path.endswith(":predict"):
            self._embed(handler, body)
            return
        if "/publishers/anthropic/" in path:
            if "count-tokens" in path:
                self._send(handler, 200, b'{"input_tokens": 17}')
                return
            assert "model" not in body
            assert re.fullmatch(r"vertex-[\d-]+", body["anthropic_version"])
            events, whole = _CLAUDE_EVENTS, _CLAUDE
        elif "/endpoints/openapi/" in path:
            events, whole = _CHAT_EVENTS, _CHAT
        else:
            events, whole = [_GEMINI], _GEMINI
        if not streamed:
            self._send(handler, 200, json.dumps(whole).encode())
            return
        names = "/publishers/anthropic/" in path
        data = "".join(
            (f"event: {event['type']}\n" if names else "") + f"data: {json.dumps(event)}\n\n" for event in events
        )
        data += "data: [DONE]\n\n" if events is _CHAT_EVENTS else ""
        self._send(handler, 200, data.encode(), {"content-type": "text/event-stream"})

    def _embed(self, handler: Any, body: dict[str, Any]) -> None:
        """A vector of a text's length and the dimensions that were asked for; a token for each letter."""
        size = body.get("parameters", {}).get("outputDimensionality", 3)
        found = [
            {
                "embeddings": {
                    "values": [len(each["content"]), size],
                    "statistics": {"token_count": len(each["content"])},
                }
            }
            for each in body["instances"]
        ]
        self._send(handler, 200, json.dumps({"predictions": found}).encode())

    def _send(self, handler: Any, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        handler.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


_USAGE = {"input_tokens": 5, "output_tokens": 2}
_CLAUDE: dict[str, Any] = {
    "id": "msg_vrtx_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Claude here"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": _USAGE,
}
_CLAUDE_EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**_CLAUDE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Claude here"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": _USAGE},
    {"type": "message_stop"},
]
_GEMINI: dict[str, Any] = {
    "candidates": [
        {"index": 0, "content": {"role": "model", "parts": [{"text": "Gemini here"}]}, "finishReason": "STOP"}
    ],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
    "modelVersion": "gemini-3-pro",
}
_CHAT: dict[str, Any] = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "meta/llama",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Llama here"}, "finish_reason": "stop"}],
}
_CHAT_EVENTS: list[dict[str, Any]] = [
    {
        **_CHAT,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Llama here"}, "finish_reason": None}],
    },
    {
        **_CHAT,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    },
]
