"""Clients that leave, and gateways that do: nothing goes on without a reader, nothing is cut that was begun."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from scripted_upstream import ScriptedUpstream
from served_gateway import ServedGateway, model, new_request_id

ENDPOINTS = {"openai chat": "/openai/v1/chat/completions", "anthropic": "/anthropic/v1/messages"}


def leave(served: ServedGateway, path: str, body: dict[str, Any], request_id: str) -> socket.socket:
    """Sends a request; closing the socket means to leave."""
    address = urlsplit(served.url)
    connection = socket.create_connection((address.hostname, address.port or 0), 10)
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: test\r\nx-request-id: {request_id}\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
    return connection


@pytest.mark.parametrize("client", ENDPOINTS)
@pytest.mark.parametrize("provider", ["chat", "messages", "responses"])
@pytest.mark.parametrize("moment", ["whole", "before the first byte", "in the middle of the stream"])
def test_the_provider_is_left_when_the_client_leaves(
    gateway: ServedGateway, upstream: ScriptedUpstream, client: str, provider: str, moment: str
) -> None:
    request_id = new_request_id()
    text = "drip some words, please" if moment.startswith("in the middle") else "hang"
    body = {"model": provider, "max_tokens": 99, "stream": moment != "whole"}
    body["messages"] = [{"role": "user", "content": text}]

    connection = leave(gateway, ENDPOINTS[client], body, request_id)
    received = upstream.wait_for(request_id)
    if text != "hang":
        seen = b""
        while b"upstream" not in seen:
            piece = connection.recv(4096)
            assert piece, seen
            seen += piece
    assert not received.left.is_set()
    connection.close()

    assert received.left.wait(5)
    assert len(upstream.received(request_id)) == 1, "nobody is asked again for someone who has left"


def test_the_books_are_closed_for_a_client_that_left(upstream: ScriptedUpstream, serve: Any) -> None:
    models = [{**model("chat", "openai", baseUrl=f"{upstream.url}/v1"), "isDefault": True}]
    served = serve({"models": models, "plugins": [{"name": "logger", "type": "logger"}]})
    request_id = new_request_id()
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "drip some words"}]}

    connection = leave(served, ENDPOINTS["openai chat"], body, request_id)
    upstream.wait_for(request_id)
    connection.recv(4096)
    connection.close()
    deadline = time.monotonic() + 5
    while request_id not in served.log and time.monotonic() < deadline:
        time.sleep(0.05)

    assert request_id in served.log


SLOW = {
    "models": [{"name": "slow", "isDefault": True, "provider": {"type": "echo", "config": {"delay": "40ms"}}}],
    "server": {"limits": {"drainTimeout": "5s"}},
}
SLOW_ASK = {
    "model": "slow",
    "stream": True,
    "max_tokens": 99,
    "messages": [{"role": "user", "content": " ".join(f"word{number}" for number in range(40))}],
}


def test_a_stream_is_finished_before_the_gateway_ends(tmp_path: Path) -> None:
    served = ServedGateway(SLOW, tmp_path)
    ended: list[int] = []
    with served.http() as http, http.stream("POST", ENDPOINTS["anthropic"], json=SLOW_ASK) as reply:
        lines = reply.iter_lines()
        seen = [next(line for line in lines if "word3" in line)]
        stopping = threading.Thread(target=lambda: ended.append(served.stop()))
        stopping.start()
        seen += lines
    stopping.join()

    text = "\n".join(seen)
    assert "word39" in text
    assert "message_stop" in text
    assert ended == [0]
    with pytest.raises(httpx.ConnectError), served.http() as http:
        http.get("/health")


def test_the_gateway_ends_in_time_though_a_stream_does_not(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    models = [{**model("chat", "openai", baseUrl=f"{upstream.url}/v1"), "isDefault": True}]
    served = ServedGateway({"models": models, "server": {"limits": {"drainTimeout": "1s"}}}, tmp_path)
    request_id = new_request_id()
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "drip some words"}]}
    connection = leave(served, ENDPOINTS["openai chat"], body, request_id)
    received = upstream.wait_for(request_id)

    started = time.monotonic()
    served.stop()

    assert time.monotonic() - started < 8
    assert received.left.wait(5)
    connection.close()
