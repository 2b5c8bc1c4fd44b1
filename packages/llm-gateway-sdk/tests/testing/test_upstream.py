import http.client
import json
from urllib.parse import urlsplit

import pytest

from llm_gateway_sdk.testing import FakeUpstream, ScriptedModel

chat = pytest.importorskip("llm_gateway.dialects.openai_chat", reason="the gateway's dialects are not installed")

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def post(upstream, path, body):
    connection = http.client.HTTPConnection(urlsplit(upstream.url).netloc, timeout=5)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json", "x-seen": "yes"})
    reply = connection.getresponse()
    status, data = reply.status, reply.read()
    connection.close()
    return status, data


def test_it_answers_the_models_text_in_the_dialect():
    with FakeUpstream(chat.OpenAIChat(), ScriptedModel("Hello.", 429)) as upstream:
        status, body = post(upstream, "/v1/chat/completions", BODY)
        assert (status, json.loads(body)["choices"][0]["message"]["content"]) == (200, "Hello.")
        status, body = post(upstream, "/v1/chat/completions", BODY)
        assert (status, json.loads(body)["error"]["message"]) == (429, "The scripted model fails with 429.")
    assert upstream.model.requests[0].messages[0].text == "Hi"
    assert upstream.received[0].headers.get("x-seen") == "yes"


def test_it_streams_and_breaks_off_as_scripted():
    with FakeUpstream(chat.OpenAIChat(), ScriptedModel(["He", "llo."], ["He", 503], 503)) as upstream:
        whole, broken, failed = (post(upstream, "/x", {**BODY, "stream": True}) for _ in range(3))
    assert whole[1].endswith(b"data: [DONE]\n\n")
    assert b"scripted model fails" in broken[1]
    assert failed[0] == 503


def test_other_paths_and_what_is_not_a_request():
    with FakeUpstream(chat.OpenAIChat(), others={"/embeddings": {"data": []}}) as upstream:
        assert post(upstream, "/v1/embeddings", {}) == (200, b'{"data": []}')
        assert post(upstream, "/v1/other", {"messages": 7})[0] == 404
