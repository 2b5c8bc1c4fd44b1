"""Realtime sessions by the official client through the real gateway: relayed, governed, counted, and ended well."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from realtime_vendor import RealtimeVendor
from served_gateway import ServedGateway
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

PRICES = {"input": 4, "output": 16}
PATTERNS = [
    {"pattern": "s3cret", "replacement": "[hidden]"},
    {"pattern": "nightfall", "blockOnMatch": True},
]
FALLING_BACK = """
from llm_gateway_sdk import Plugin, PluginResult, plugin_metadata


@plugin_metadata(name="falling-back")
class FallingBack(Plugin):
    def before_model(self, ctx):
        ctx.target_model = "voice" if ctx.attempts else "first"

    def on_model_error(self, ctx):
        return PluginResult(reevaluate_request=True) if len(ctx.attempts) == 1 else None
"""


@pytest.fixture(scope="module")
def vendor() -> Iterator[RealtimeVendor]:
    server = RealtimeVendor()
    yield server
    server.close()


def voice(url: str, **more: Any) -> dict[str, Any]:
    config = {"baseUrl": f"{url}/v1", "model": "gpt-realtime", "apiKey": "sk-of-the-gateway", "retryAttempts": 1}
    return {"name": "voice", "provider": {"type": "openai", "config": config}, "prices": PRICES, **more}


def configuration(url: str, folder: Path) -> dict[str, Any]:
    keys = ["ann", "bob", "cyd", "dan", "eve"]
    limits = [
        {"name": "budget", "per": ["key"], "tokens": 45, "window": "lifetime", "defaultOutput": 5},
        {"name": "sessions", "per": ["key"], "concurrent": 1},
    ]
    return {
        "models": [voice(url, isDefault=True)],
        "plugins": [
            {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": [f"key-of-{name}" for name in keys]}},
        ],
        "store": {"url": f"sqlite:{folder}/state.db"},
        "projects": [
            {"name": "governed", "plugins": [{"name": "limits", "type": "limits", "config": {"limits": limits}}]},
            {
                "name": "hiding",
                "plugins": [{"name": "hider", "type": "regex-hider", "config": {"patterns": PATTERNS}}],
            },
            {
                "name": "trusting",
                "allowUnseenNative": True,
                "plugins": [{"name": "hider", "type": "regex-hider", "config": {"patterns": PATTERNS}}],
            },
        ],
        "server": {"realtime": {"maxMessageBytes": "1MB", "ping": "5s"}},
    }


@pytest.fixture(scope="module", params=[False, True], ids=["own", "asgi"])
def served(
    vendor: RealtimeVendor, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[ServedGateway]:
    folder = tmp_path_factory.mktemp("realtime")
    gateway = ServedGateway(configuration(vendor.url, folder), folder, asgi=request.param)
    yield gateway
    gateway.stop()


def session(
    served: ServedGateway, key: str, *, path: str = "/openai/v1/realtime?model=voice", **options: Any
) -> ClientConnection:
    headers = {"authorization": f"Bearer {key}", **options.pop("headers", {})}
    url = served.url.replace("http", "ws", 1) + path
    return connect(url, additional_headers=headers, proxy=None, open_timeout=10, **options).__enter__()


def ask(connection: ClientConnection, text: str) -> list[dict[str, Any]]:
    """The events up to the end of the response."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    connection.send(json.dumps({"type": "conversation.item.create", "item": item}))
    connection.send(json.dumps({"type": "response.create"}))
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] not in ("response.done", "error"):
        found.append(json.loads(connection.recv(10)))
    return found


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")  # the client's own use of its library
@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
def test_the_official_client_speaks_through_the_gateway(
    served: ServedGateway, vendor: RealtimeVendor, beta: bool
) -> None:
    address = f"{served.url}/openai/v1"
    client = openai.OpenAI(
        base_url=address, websocket_base_url=address.replace("http", "ws", 1), api_key="key-of-ann",
        http_client=openai.DefaultHttpxClient(trust_env=False),
    )  # fmt: skip
    resource = client.beta.realtime if beta else client.realtime
    text = ""

    with resource.connect(model="voice") as connection:
        created = connection.recv()
        assert created.session.model == "voice", "under the client's name of it"
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        connection.conversation.item.create(item=item)
        connection.response.create()
        for event in connection:
            if event.type in ("response.output_text.delta", "response.text.delta"):
                text += event.delta
            if event.type == "response.done":
                assert event.response.usage is not None
                assert event.response.usage.total_tokens == 30
                break

    assert text == "echo: hi"
    visit = vendor.visits[-1]
    assert visit.path == "/v1/realtime?model=gpt-realtime"
    assert visit.headers["authorization"] == "Bearer sk-of-the-gateway"
    assert (visit.headers.get("openai-beta") == "realtime=v1") is beta
    assert "key-of-ann" not in str(visit.headers)
    assert visit.closed.wait(5), "the provider's side ends with the client's"
    client.close()


def test_the_asynchronous_client_and_a_model_that_is_not_configured(served: ServedGateway) -> None:
    async def main() -> str | None:
        client = openai.AsyncOpenAI(base_url=f"{served.url}/openai/v1", api_key="key-of-ann")
        async with client.realtime.connect(model="gpt-realtime-mini") as connection:
            created = await connection.recv()
        await client.close()
        assert created.type == "session.created"
        return created.session.model

    assert asyncio.run(main()) == "gpt-realtime-mini", "it goes by its own name"


def test_a_browser_gives_its_key_as_a_subprotocol(served: ServedGateway, vendor: RealtimeVendor) -> None:
    url = served.url.replace("http", "ws", 1) + "/openai/v1/realtime?model=voice"
    offered = ["realtime", "openai-insecure-api-key.key-of-ann", "openai-beta.realtime-v1"]

    with connect(url, subprotocols=offered, proxy=None) as connection:  # type: ignore[arg-type]
        assert connection.subprotocol == "realtime"
        assert json.loads(connection.recv(5))["type"] == "session.created"

    headers = vendor.visits[-1].headers
    assert headers["openai-beta"] == "realtime=v1"
    assert headers["sec-websocket-protocol"] == "realtime"


@pytest.mark.parametrize("path", ["/openai/v1/realtime", "/openai/realtime", "/v1/realtime", "/governed/v1/realtime"])
def test_a_stranger_gets_no_session(served: ServedGateway, vendor: RealtimeVendor, path: str) -> None:
    before = len(vendor.visits)

    with pytest.raises(InvalidStatus) as refused:
        session(served, "unknown-key", path=path)

    assert refused.value.response.status_code in (401, 429)
    assert json.loads(refused.value.response.body or b"")["error"]["message"]
    assert len(vendor.visits) == before, "nothing went out"


def test_a_handshake_that_is_not_valid_and_a_plain_request_are_answered_as_http(served: ServedGateway) -> None:
    with served.http(headers={"authorization": "Bearer key-of-ann"}) as http:
        plain = http.get("/openai/v1/realtime?model=voice")
        upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "8"}
        invalid = http.get("/openai/v1/realtime?model=voice", headers=upgrade)
        elsewhere = http.get("/openai/v1/models", headers=upgrade)

    assert (plain.status_code, plain.json()["error"]["code"]) == (426, "upgrade_required")
    assert invalid.status_code == 400
    if served.has_own_server:
        assert "handshake" in invalid.json()["error"]["message"]
        assert elsewhere.status_code == 200, "an offer that is not taken changes nothing (RFC 9110, 7.8)"


def test_a_providers_refusal_is_the_clients_reply(served: ServedGateway, vendor: RealtimeVendor) -> None:
    vendor.refusal = 403, {"error": {"message": "no access to sk-of-the-gateway", "type": "x", "code": "y"}}
    try:
        with pytest.raises(InvalidStatus) as refused:
            session(served, "key-of-ann")
    finally:
        vendor.refusal = None

    assert refused.value.response.status_code == 403
    error = json.loads(refused.value.response.body or b"")["error"]
    assert error["code"] == "y"
    assert "sk-of-the-gateway" not in error["message"]


def test_limits_count_each_response_and_end_the_session_when_they_are_reached(served: ServedGateway) -> None:
    with session(served, "key-of-bob", path="/governed/openai/v1/realtime?model=voice") as connection:
        assert ask(connection, "one")[-1]["type"] == "response.done"
        assert ask(connection, "two")[-1]["type"] == "response.done"
        error = json.loads(connection.recv(5))
        assert (error["type"], error["error"]["code"]) == ("error", "rate_limit_exceeded") or error["type"] == "error"
        with pytest.raises(ConnectionClosed):
            connection.recv(5)
        assert connection.close_code == 1008
    with pytest.raises(InvalidStatus) as refused:
        session(served, "key-of-bob", path="/governed/openai/v1/realtime?model=voice")
    assert refused.value.response.status_code == 429


def test_sessions_at_once_are_limited_and_free_again_after_the_end(served: ServedGateway) -> None:
    path = "/governed/openai/v1/realtime?model=voice"
    with session(served, "key-of-cyd", path=path) as connection:
        connection.recv(5)
        with pytest.raises(InvalidStatus) as refused:
            session(served, "key-of-cyd", path=path)
        assert refused.value.response.status_code == 429
    for _ in range(50):
        try:
            session(served, "key-of-cyd", path=path).close()
            return
        except InvalidStatus:
            time.sleep(0.1)
    raise AssertionError("the place was not given back")


def test_what_a_plugin_hides_is_hidden_both_ways(served: ServedGateway, vendor: RealtimeVendor) -> None:
    path = "/hiding/openai/v1/realtime?model=voice&intent=conversation&note=s3cret"
    with session(served, "key-of-ann", path=path) as connection:
        connection.recv(5)
        connection.send(json.dumps({"type": "session.update", "session": {"instructions": "the s3cret rules"}}))
        assert json.loads(connection.recv(5))["type"] == "session.updated"
        found = ask(connection, "a s3cret of mine")
        again = ask(connection, "say s3 and cret")

    visit = vendor.visits[-1]
    assert "s3cret" not in json.dumps(visit.events)
    assert "the [hidden] rules" in json.dumps(visit.events)
    assert visit.path == "/v1/realtime?model=gpt-realtime&intent=conversation"
    assert [event["delta"] for event in found if "delta" in event] == ["echo: a [hidden] of mine"]
    assert found[-1]["response"]["output"][0]["content"][0]["text"] == "echo: a [hidden] of mine"
    assert [event["type"] for event in found][-3:] == [
        "response.output_text.delta", "response.output_text.done", "response.done",
    ]  # fmt: skip
    # The vendor sends what was never hidden: it has put the word together itself, and it comes in two pieces.
    assert [event["delta"] for event in again if "delta" in event] == ["echo: say [hidden]"]


def test_a_word_that_goes_over_two_parts_of_an_item_is_hidden(served: ServedGateway, vendor: RealtimeVendor) -> None:
    with session(served, "key-of-ann", path="/hiding/openai/v1/realtime?model=voice") as connection:
        connection.recv(5)
        parts = [{"type": "input_text", "text": text} for text in ("my s3c", "ret is", "no s3cret")]
        item = {"type": "message", "role": "user", "content": parts}
        connection.send(json.dumps({"type": "conversation.item.create", "item": item}))
        assert json.loads(connection.recv(5))["type"] == "conversation.item.created"

    sent = vendor.visits[-1].events[-1]["item"]["content"]
    assert "".join(part["text"] for part in sent) == "my [hidden] isno [hidden]"
    assert len(sent) == 3


def test_the_reason_of_a_close_is_not_handed_on_where_a_plugin_edits(
    served: ServedGateway, vendor: RealtimeVendor
) -> None:
    path = "/hiding/openai/v1/realtime?model=voice"
    with session(served, "key-of-ann", path=path) as connection:
        ask(connection, "bye")
        with pytest.raises(ConnectionClosed):
            connection.recv(5)
        assert (connection.close_code, connection.close_reason) == (4001, "")
    mine = session(served, "key-of-ann", path=path)
    mine.recv(5)
    mine.close(4002, "a s3cret")
    visit = vendor.visits[-1]
    assert visit.closed.wait(5)
    assert (visit.code, visit.reason) == (4002, "")


def test_what_a_plugin_refuses_does_not_go_on(served: ServedGateway, vendor: RealtimeVendor) -> None:
    with session(served, "key-of-ann", path="/hiding/openai/v1/realtime?model=voice") as connection:
        connection.recv(5)
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "nightfall"}]}
        connection.send(json.dumps({"type": "conversation.item.create", "item": item, "event_id": "e1"}))
        error = json.loads(connection.recv(5))
        assert ask(connection, "hi")[-1]["type"] == "response.done", "the session goes on"

    assert (error["type"], error["error"]["event_id"]) == ("error", "e1")
    assert "nightfall" not in json.dumps(vendor.visits[-1].events)
    assert "nightfall" not in json.dumps(error)


@pytest.mark.parametrize("project", ["hiding", "trusting"])
def test_sound_is_not_handed_on_where_a_plugin_edits_unless_the_project_allows_it(
    served: ServedGateway, vendor: RealtimeVendor, project: str
) -> None:
    with session(served, "key-of-ann", path=f"/{project}/openai/v1/realtime?model=voice") as connection:
        connection.recv(5)
        connection.send(json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA"}))
        answer = json.loads(connection.recv(5))
        found = ask(connection, "speak s3cret")

    assert "s3cret" not in json.dumps(found)
    sounds = [event for event in found if event["type"] == "response.output_audio.delta"]
    if project == "hiding":
        assert (answer["type"], answer["error"]["code"]) == ("error", "unseen_by_plugins")
        assert sounds == []
        assert "AAAA" not in json.dumps(vendor.visits[-1].events)
    else:
        assert answer["type"] == "heard"
        assert len(sounds) == 1


def test_a_message_that_is_too_large_ends_the_session(served: ServedGateway, vendor: RealtimeVendor) -> None:
    with session(served, "key-of-ann") as connection:
        connection.recv(5)
        connection.send(json.dumps({"type": "input_audio_buffer.append", "audio": "A" * (2 << 20)}))
        with pytest.raises(ConnectionClosed):
            connection.recv(5)
        assert connection.close_code == 1009
    assert vendor.visits[-1].closed.wait(5)
    assert vendor.visits[-1].events == []


def test_a_close_keeps_its_code_and_reason_both_ways(served: ServedGateway, vendor: RealtimeVendor) -> None:
    with session(served, "key-of-ann") as connection:
        ask(connection, "bye")
        with pytest.raises(ConnectionClosed):
            connection.recv(5)
        assert (connection.close_code, connection.close_reason) == (4001, "as you wish")
    mine = session(served, "key-of-ann")
    mine.recv(5)
    mine.close(4002, "enough")
    assert vendor.visits[-1].closed.wait(5)
    assert vendor.visits[-1].code == 4002


def test_a_provider_that_breaks_off_is_an_error_and_a_close(served: ServedGateway) -> None:
    with session(served, "key-of-ann") as connection:
        assert ask(connection, "break")[-1]["type"] == "error"
        with pytest.raises(ConnectionClosed):
            connection.recv(5)
        assert connection.close_code == 1011


def test_a_client_that_vanishes_ends_the_providers_side(served: ServedGateway, vendor: RealtimeVendor) -> None:
    connection = session(served, "key-of-ann")
    connection.recv(5)
    visit = vendor.visits[-1]
    connection.socket.shutdown(socket.SHUT_RDWR)
    assert visit.closed.wait(5)


def test_a_client_that_does_not_read_holds_the_provider_back(served: ServedGateway, vendor: RealtimeVendor) -> None:
    connection = session(served, "key-of-ann", max_queue=1)
    connection.recv(5)
    # Not what another server's compression would make small.
    text = random.Random(1).randbytes(250_000).hex()
    event = json.dumps({"type": "conversation.item.create", "item": {"content": [{"text": text}]}})
    sent = 0

    def flood() -> None:
        nonlocal sent
        try:
            for _ in range(400):
                connection.send(event)
                sent += 1
        except (ConnectionClosed, OSError):
            pass

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    thread.join(3)
    assert thread.is_alive(), "nothing holds 200 MB"
    assert sent < 200
    connection.socket.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_figures_count_sessions_and_responses(served: ServedGateway) -> None:
    with session(served, "key-of-dan") as connection:
        ask(connection, "count me")
    time.sleep(0.3)
    with served.http() as http:
        metrics = http.get("/metrics").text
    rows = [row for row in metrics.splitlines() if row.startswith("llm_gateway_requests_total") and "realtime" in row]
    assert any('status="101"' in row for row in rows)
    assert any('status="200"' in row for row in rows)


def test_the_end_of_the_gateway_lets_a_response_end(vendor: RealtimeVendor, tmp_path: Path) -> None:
    gateway = ServedGateway({"models": [voice(vendor.url, isDefault=True)]}, tmp_path)
    try:
        idle, busy = session(gateway, "k"), session(gateway, "k")
        idle.recv(5)
        busy.recv(5)
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "slow"}]}
        busy.send(json.dumps({"type": "conversation.item.create", "item": item}))
        busy.send(json.dumps({"type": "response.create"}))
        while json.loads(busy.recv(5))["type"] != "response.output_text.delta":
            pass
        gateway.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            idle.recv(5)
        assert idle.close_code == 1001
        assert json.loads(busy.recv(5))["type"] == "response.output_text.delta", "it goes on"
        busy.close()
        assert gateway.process.wait(10) == 0
    finally:
        gateway.stop()


def test_a_session_goes_on_where_the_configuration_changes(vendor: RealtimeVendor, tmp_path: Path) -> None:
    config: dict[str, Any] = {"models": [voice(vendor.url, isDefault=True)]}
    gateway = ServedGateway(config, tmp_path)
    try:
        with session(gateway, "k") as connection:
            ask(connection, "before")
            config["models"].append({**voice(vendor.url), "name": "another"})
            (tmp_path / "gateway.yaml").write_text(json.dumps(config))
            gateway.process.send_signal(signal.SIGHUP)
            for _ in range(100):
                if "is active" in gateway.log:
                    break
                time.sleep(0.05)
            assert ask(connection, "after")[-1]["response"]["output"][0]["content"][0]["text"] == "echo: after"
        with session(gateway, "k", path="/openai/v1/realtime?model=another") as connection:
            assert json.loads(connection.recv(5))["session"]["model"] == "another"
    finally:
        gateway.stop()


def test_another_model_answers_where_the_first_does_not_open_the_session(
    vendor: RealtimeVendor, tmp_path: Path
) -> None:
    refusing = RealtimeVendor()
    refusing.refusal = 503, {"error": {"message": "overloaded", "type": "server_error"}}
    first = {**voice(refusing.url, isDefault=True), "name": "first"}
    (tmp_path / "falling_back.py").write_text(FALLING_BACK)
    config = {
        "models": [first, voice(vendor.url)],
        "availablePlugins": [{"path": "./falling_back.py"}],
        "plugins": [{"name": "router", "type": "falling-back"}],
    }
    gateway = ServedGateway(config, tmp_path)
    try:
        with session(gateway, "k", path="/openai/v1/realtime?model=first") as connection:
            assert connection.response is not None
            assert connection.response.headers["x-llm-gateway-model"] == "voice"
            assert connection.response.headers["x-llm-gateway-attempts"] == "2"
            assert ask(connection, "hi")[-1]["type"] == "response.done"
        time.sleep(0.3)
        with gateway.http() as http:
            metrics = http.get("/metrics").text
        assert 'llm_gateway_tokens_total{kind="input",model="voice"' in metrics
        assert 'llm_gateway_tokens_total{kind="input",model="first"' not in metrics
    finally:
        gateway.stop()
        refusing.close()
