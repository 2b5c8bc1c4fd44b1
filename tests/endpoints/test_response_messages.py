"""Responses by WebSocket through the real gateway, with the official client and models of every API."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from served_gateway import ServedGateway
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

sys.path.append(str(Path(__file__).resolve().parent.parent / "compatibility"))

from five_apis import DIALECTS, FiveApis, models_of

TOOL = {"type": "function", "name": "weather", "strict": False, "description": "x",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}  # fmt: skip


class SilentVendor:
    """Takes one request and never answers it."""

    def __init__(self) -> None:
        self.begun, self.left = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        side, _ = self._listener.accept()
        with side:
            while side.recv(65536):
                self.begun.set()
        self.left.set()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def apis() -> Iterator[FiveApis]:
    server = FiveApis()
    yield server
    server.close()


def configuration(url: str, folder: Path) -> dict[str, Any]:
    first, *others = models_of(url)
    limits = [{"name": "budget", "per": ["key"], "requests": 2, "window": "lifetime"}]
    keys = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["key-of-ann", "key-of-bob"]}}
    hider = {
        "name": "hider",
        "type": "regex-hider",
        "config": {"patterns": [{"pattern": "s3cret", "replacement": "#"}]},
    }
    return {
        "models": [{**first, "isDefault": True}, *others],
        "store": {"url": f"sqlite:{folder}/state.db"},
        "plugins": [keys],
        "projects": [
            {"name": "plain"},
            {"name": "governed", "plugins": [{"name": "limits", "type": "limits", "config": {"limits": limits}}]},
            {"name": "hiding", "plugins": [hider]},
        ],
    }


@pytest.fixture(scope="module", params=[False, True], ids=["own", "asgi"])
def served(
    apis: FiveApis, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[ServedGateway]:
    folder = tmp_path_factory.mktemp("messages")
    gateway = ServedGateway(configuration(apis.url, folder), folder, asgi=request.param)
    yield gateway
    gateway.stop()


def connection(served: ServedGateway, project: str = "plain", key: str = "key-of-ann") -> ClientConnection:
    url = f"{served.url.replace('http', 'ws', 1)}/{project}/openai/v1/responses"
    return connect(url, additional_headers={"authorization": f"Bearer {key}"}, proxy=None, open_timeout=10).__enter__()


def ask(side: ClientConnection, **body: Any) -> list[dict[str, Any]]:
    side.send(json.dumps({"type": "response.create", **body}))
    return answer(side)


def answer(side: ClientConnection) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] not in ("response.completed", "error"):
        found.append(json.loads(side.recv(10)))
    return found


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")  # the client's own use of its library
@pytest.mark.parametrize("model", DIALECTS)
def test_the_official_client_converses_with_any_model(served: ServedGateway, model: str) -> None:
    address = f"{served.url}/plain/openai/v1"
    client = openai.OpenAI(
        base_url=address, websocket_base_url=address.replace("http", "ws", 1), api_key="key-of-ann",
        http_client=openai.DefaultHttpxClient(trust_env=False),
    )  # fmt: skip
    asked: dict[str, Any] = {"model": model, "tools": [TOOL], "store": False, "instructions": "Be brief."}
    text, done = "", []

    with client.responses.connect() as side:
        side.response.create(input='call weather {"city": "Paris"}', **asked)
        for event in side:
            if event.type == "response.completed":
                done.append(event.response)
                (call,) = [item for item in event.response.output if item.type == "function_call"]
                break
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        side.response.create(input=[output], previous_response_id=done[0].id, **asked)
        for event in side:
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type == "response.completed":
                break

    assert json.loads(call.arguments) == {"city": "Paris"}
    assert text.startswith("tool results: rain"), "what was not stored is continued on its connection"
    client.close()


def test_what_a_request_is_refused_for_is_an_event_and_the_connection_goes_on(served: ServedGateway) -> None:
    with connection(served) as side:
        side.send("nonsense")
        nonsense = json.loads(side.recv(5))
        unknown = ask(side, model="anthropic", input="hi", previous_response_id="resp_none")[-1]
        failed = ask(side, model="anthropic", input="fail rate_limit")[-1]
        side.send(json.dumps({"type": "response.steer"}))
        steered = json.loads(side.recv(5))
        fine = ask(side, model="anthropic", input="hi")[-1]

    assert (nonsense["type"], nonsense["status"]) == ("error", 400)
    assert unknown["type"] == "error"
    assert unknown["error"]["param"] == "previous_response_id"
    assert (failed["type"], failed["status"], failed["error"]["type"]) == ("error", 429, failed["error"]["type"])
    assert steered["type"] == "error"
    assert fine["type"] == "response.completed"


@pytest.mark.parametrize("path", ["/v1/responses", "/openai/responses", "/hiding/v1/responses"])
def test_a_stranger_gets_no_connection(served: ServedGateway, path: str) -> None:
    url = served.url.replace("http", "ws", 1) + path

    with pytest.raises(InvalidStatus) as refused:
        connect(url, additional_headers={"authorization": "Bearer wrong"}, proxy=None).__enter__()

    assert refused.value.response.status_code in (401, 429)
    with served.http(headers={"authorization": "Bearer key-of-ann"}) as http:
        plain = http.get("/openai/v1/responses")
    assert (plain.status_code, plain.json()["error"]["code"]) == (426, "upgrade_required")


def test_limits_count_each_message(served: ServedGateway) -> None:
    with connection(served, "governed", "key-of-bob") as side:
        ends = [ask(side, model="openai_chat", input="hi")[-1]["type"] for _ in range(3)]

    assert ends == ["response.completed", "response.completed", "error"]


def test_what_a_plugin_hides_is_hidden_both_ways(served: ServedGateway, apis: FiveApis) -> None:
    before = len(apis.received)
    with connection(served, "hiding") as side:
        found = ask(side, model="gemini", input="the s3cret word")

    assert "s3cret" not in json.dumps([each.body for each in apis.received[before:]])
    assert "the # word" in json.dumps(apis.received[-1].body)
    assert "s3cret" not in json.dumps(found)


def test_lanes_are_named_and_a_prepared_response_is_continued(served: ServedGateway) -> None:
    with connection(served) as side:
        ready = ask(side, model="openai_chat", input="hello", generate=False, stream_id="a")
        found = ask(side, model="openai_chat", input="there", previous_response_id=ready[-1]["response"]["id"],
                   stream_id="a", store=False)  # fmt: skip
        for lane in ("b", "c"):
            side.send(json.dumps({"type": "response.create", "model": "gemini", "input": lane, "stream_id": lane}))
        ends = {end["stream_id"]: end for end in (answer(side)[-1], answer(side)[-1])}

    assert {event["stream_id"] for event in (*ready, *found)} == {"a"}
    text = found[-1]["response"]["output"][-1]["content"][0]["text"]
    assert text == "upstream heard: hello there"
    assert set(ends) == {"b", "c"}


def test_a_client_that_leaves_cancels_what_runs_and_the_end_of_the_gateway_ends_the_connection(tmp_path: Path) -> None:
    vendor = SilentVendor()
    config = {"baseUrl": f"{vendor.url}/v1", "apiKey": "k", "api": "chat", "retryAttempts": 1}
    gateway = ServedGateway(
        {"models": [{"name": "slow", "isDefault": True, "provider": {"type": "openai", "config": config}}],
         "projects": [{"name": "plain"}]}, tmp_path,
    )  # fmt: skip
    try:
        side = connection(gateway)
        side.send(json.dumps({"type": "response.create", "model": "slow", "input": "hi"}))
        assert vendor.begun.wait(5)
        side.socket.close()
        assert vendor.left.wait(5), "the provider's call ends with the client's connection"

        idle = connection(gateway)
        gateway.process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        with pytest.raises(ConnectionClosed):
            idle.recv(10)
        assert idle.close_code == 1001
        assert time.monotonic() - started < 5
    finally:
        gateway.stop()
        vendor.close()
