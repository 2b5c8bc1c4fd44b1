"""A provider that calls the network by itself does so over the gateway's own connection pool."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from llm_gateway.testing import gateway_client

EXTENSION = """
from llm_gateway_sdk import Choice, LLMResponse, Message, Provider, TextPart


class Weather(Provider):
    name = "weather"
    configuration_schema = {"type": "object", "properties": {"address": {"type": "string"}}}

    async def execute(self, request, call):
        answer = await self.gateway.http_client().get(self.config["address"])
        part = TextPart(f"{answer.status_code} {answer.text}", index=0)
        return LLMResponse(call.new_id("w-"), call.model, call.now(), [Choice(0, Message("assistant", [part]), "stop")])
"""


class _Sky(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self) -> None:
        type(self).connections += 1
        super().setup()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"Rain")

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def sky() -> Iterator[str]:
    _Sky.connections = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/today"
    server.shutdown()
    server.server_close()


def test_two_models_share_one_connection(sky: str, tmp_path: Path) -> None:
    (tmp_path / "weather.py").write_text(EXTENSION)
    model = f"provider: {{type: weather, config: {{address: '{sky}'}}}}"
    configuration = tmp_path / "gateway.yaml"
    configuration.write_text(
        f"availableExtensions: [{{path: weather.py}}]\nmodels:\n- name: a\n  isDefault: true\n  {model}\n"
        f"- name: b\n  {model}\n"
    )
    with gateway_client(configuration) as client:
        for name in ("a", "b", "a"):
            answer = client.post(
                "/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": "And today?"}]}
            )
            assert answer.json()["choices"][0]["message"]["content"] == "200 Rain"
    assert _Sky.connections == 1
