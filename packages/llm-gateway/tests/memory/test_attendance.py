"""What is kept of a reply, and when: its last bytes leave after it was kept."""

import json

import pytest

from llm_gateway.memory import attendance
from llm_gateway.memory.attendance import _response_in
from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import Message, Plugin, PluginResult, TextPart, plugin_metadata

CONFIG = """
models: [{name: echo, isDefault: true, provider: {type: echo}}]
store: {url: "memory:"}
"""


@plugin_metadata(name="editor")
class Editor(Plugin):
    """Puts a system message in front and writes texts in capitals."""

    operations = frozenset({"generate", "count_tokens"})

    async def before_model(self, ctx):
        for message in ctx.request.messages:
            for part in message.content:
                if isinstance(part, TextPart):
                    part.text = part.text.upper()
        ctx.request.messages.insert(0, Message("system", [TextPart("added")]))
        return PluginResult()


def test_input_is_kept_as_plugins_left_it_and_without_what_they_added():
    gateway = GatewayClient(CONFIG + "plugins: [{name: editor, type: editor}]", extensions=[Editor])
    first = gateway.post("/v1/responses", {"model": "echo", "input": "one", "instructions": "be kind"}).json()
    second = gateway.post("/v1/responses", {"model": "echo", "input": "two", "previous_response_id": first["id"]})

    texts = [message.text for message in second.context.request.messages]
    assert texts == ["added", "ONE", "ONE", "TWO"]
    items = gateway.get(f"/v1/responses/{second.json()['id']}/input_items").json()["data"]
    assert [item["content"][0]["text"] for item in items] == ["TWO"]
    assert gateway.get(f"/v1/responses/{first['id']}").json()["instructions"] != "be kind"


@pytest.mark.parametrize("stream", [False, True])
def test_a_reply_of_a_failing_model_is_not_kept(stream):
    gateway = GatewayClient(CONFIG)
    conversation = gateway.post("/v1/conversations", {}).json()["id"]
    body = {"model": "echo", "input": "fail 500", "conversation": conversation, "stream": stream}
    gateway.post("/v1/responses", body)

    assert gateway.get(f"/v1/conversations/{conversation}/items").json()["data"] == []


@pytest.mark.parametrize("limits", ["maxBodyBytes: 30000", "maxItems: 1000"])
def test_a_request_is_as_large_as_what_it_refers_to(limits):
    bounds = f"server: {{limits: {{{limits}}}}}\nresponses: {{maxBytes: 30000}}\n"
    gateway = GatewayClient(CONFIG + bounds)
    content = [{"type": "input_text", "text": "a text of some length"} for _ in range(60)]
    previous, statuses = None, []
    for _ in range(8):
        body = {"model": "echo", "input": [{"role": "user", "content": content}], "previous_response_id": previous}
        reply = gateway.post("/v1/responses", body)
        statuses.append(reply.status)
        if reply.status != 200:
            break
        previous = reply.json()["id"]

    assert statuses[:2] == [200, 200]
    assert statuses[-1] == 413
    assert "what it refers to is too large" in reply.json()["error"]["message"]
    assert gateway.get(f"/v1/responses/{previous}").status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_larger_than_a_record_is_not_looked_at(stream, monkeypatch, caplog):
    read = []
    for name in ("_parsed", "_response_in"):
        monkeypatch.setattr(attendance, name, read.append)
    gateway = GatewayClient(CONFIG + "responses: {maxBytes: 2000}\n")
    reply = gateway.post("/v1/responses", {"model": "echo", "input": "word " * 500, "stream": stream})

    assert reply.status == 200
    assert read == []
    assert "is not kept, it is too large" in caplog.text


def test_a_response_and_a_conversation_can_not_be_continued_at_once():
    gateway = GatewayClient(CONFIG)
    body = {"model": "echo", "input": "x", "conversation": "conv_1", "previous_response_id": "resp_1"}

    assert gateway.post("/v1/responses", body).status == 400


def test_tokens_are_counted_with_what_came_before():
    gateway = GatewayClient(CONFIG)
    first = gateway.post("/v1/responses", {"model": "echo", "input": "word " * 200}).json()
    path = "/v1/responses/input_tokens"
    alone = gateway.post(path, {"model": "echo", "input": "x"}).json()["input_tokens"]
    more = gateway.post(path, {"model": "echo", "input": "x", "previous_response_id": first["id"]}).json()

    assert more["input_tokens"] > alone + 200


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_response_of_the_last_event_is_found(newline):
    response = {"id": "resp_1", "status": "completed"}
    text = {"type": "response.output_text.delta", "delta": "response.completed"}
    events = [text, {"type": "response.completed", "response": response}]
    data = "".join(f"event: {event['type']}{newline}data: {json.dumps(event)}{newline * 2}" for event in events)

    assert _response_in(data.encode()) == response
    assert _response_in(f"data: {json.dumps(text)}{newline * 2}".encode()) is None
    assert _response_in(b"event: response.completed\ndata: {broken\n\n") is None
