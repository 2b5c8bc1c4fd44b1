"""Ollama's own client against models of every API: conversations with tools, prompts, embeddings and lists."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ollama
import pytest
from endpoint_models import models_of as embedding_models
from llm_gateway_ollama import Ollama
from served_gateway import ServedGateway
from vendors import Vendors

from llm_gateway_sdk import LLMRequest, MediaPart, ThinkingPart, ToolResultPart, Usage
from llm_gateway_sdk.testing import FakeUpstream, ScriptedModel
from llm_gateway_sdk.testing.script import Step, tool_call

sys.path.append(str(Path(__file__).resolve().parent.parent / "compatibility"))

from five_apis import DIALECTS, FiveApis, models_of
from scripted_upstream import INPUT_TOKENS, OUTPUT_TOKENS, THOUGHT

MODELS = (*DIALECTS, "native")
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
RED_DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJ"
    "RU5ErkJggg=="
)


def answer(request: LLMRequest) -> list[Step]:
    """The answers of `FiveApis`, for the server that speaks Ollama's own API."""
    message = request.messages[-1]
    results = [part for each in request.messages for part in each.content if isinstance(part, ToolResultPart)]
    if results:
        words = ", ".join("".join(part.text for part in result.content if hasattr(part, "text")) for result in results)
        return [f"tool results: {words}"]
    steps: list[Step] = [ThinkingPart(THOUGHT)] if "think first" in message.text else []
    calls = re.findall(r"call (\w+) (\{[^\n]*\})", message.text)
    if calls:
        return [*steps, "Let me look.", *(tool_call(name, json.loads(given), id=given) for name, given in calls)]
    images = sum(isinstance(part, MediaPart) for part in message.content)
    system = f" [system: {request.system}]" if request.system else ""
    return [*steps, f"upstream heard: {message.text}{system}", f" [images: {images}]" if images else ""]


@pytest.fixture(scope="module")
def native() -> Iterator[FakeUpstream]:
    usage = Usage(INPUT_TOKENS, OUTPUT_TOKENS)
    embedded = {"model": "m", "embeddings": [[0.5, -0.25]], "prompt_eval_count": 3}
    with FakeUpstream(Ollama(), ScriptedModel(answer, usage=usage), others={"/api/embed": embedded}) as server:
        yield server


@pytest.fixture(scope="module")
def served(native: FakeUpstream, vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    apis = FiveApis()
    config: dict[str, Any] = {"baseUrl": native.url, "model": "gpt-oss:20b", "retryAttempts": 1}
    models = [
        *models_of(apis.url),
        {"name": "native", "provider": {"type": "ollama-native", "config": config}},
        *({**model, "isDefault": False} for model in embedding_models(vendors.url) if model["name"] != "anthropic"),
    ]
    rules = {"patterns": [{"pattern": "s3cret", "replacement": "[hidden]"}]}
    hiding = {"name": "hiding", "plugins": [{"name": "hider", "type": "regex-hider", "config": rules}]}
    configuration = {
        "models": [{**models[0], "isDefault": True}, *models[1:]],
        "projects": [hiding],
    }
    gateway = ServedGateway(configuration, tmp_path_factory.mktemp("o"))
    yield gateway
    gateway.stop()
    apis.close()


@pytest.fixture(scope="module", params=["", "/ollama"], ids=["bare", "named"])
def client(served: ServedGateway, request: pytest.FixtureRequest) -> Iterator[ollama.Client]:
    with ollama.Client(f"{served.url}{request.param}", trust_env=False, timeout=20) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_conversation_with_tools(client: ollama.Client, model: str, streamed: bool) -> None:
    asked = 'think first\ncall weather {"city": "Paris"}\ncall weather {"city": "Łódź"}'
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": asked}]

    first = chat(client, streamed, model=model, messages=messages, tools=[WEATHER], think=True)

    calls = first["calls"]
    assert [call.function.arguments for call in calls] == [{"city": "Paris"}, {"city": "Łódź"}]
    assert first["content"] == "Let me look."
    if model in ("anthropic", "gemini", "bedrock", "native"):
        assert first["thinking"] == THOUGHT
    assert (first["done_reason"], first["in"], first["out"]) == ("stop", INPUT_TOKENS, OUTPUT_TOKENS)
    messages.append({"role": "assistant", "content": first["content"], "tool_calls": calls})
    messages += [{"role": "tool", "tool_name": "weather", "content": weather} for weather in ("rain", "snow")]

    second = chat(client, streamed, model=model, messages=messages, tools=[WEATHER])

    assert second["content"].startswith("tool results: rain, snow")


def chat(client: ollama.Client, streamed: bool, **asked: Any) -> dict[str, Any]:
    lines = list(client.chat(stream=True, **asked)) if streamed else [client.chat(**asked)]
    last = lines[-1]
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert not streamed or len(lines) > 1
    return {
        "content": "".join(line.message.content or "" for line in lines),
        "thinking": "".join(line.message.thinking or "" for line in lines),
        "calls": [call for line in lines for call in line.message.tool_calls or ()],
        "done_reason": last.done_reason,
        "in": last.prompt_eval_count,
        "out": last.eval_count,
    }


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_prompt_with_an_image(client: ollama.Client, model: str, streamed: bool) -> None:
    asked: dict[str, Any] = {
        "model": model, "prompt": "What is this?", "system": "Be brief.", "images": [RED_DOT],
        "options": {"temperature": 0.5, "num_predict": 50},
    }  # fmt: skip

    lines = list(client.generate(stream=True, **asked)) if streamed else [client.generate(**asked)]

    text = "".join(line.response or "" for line in lines)
    assert text == "upstream heard: What is this? [system: Be brief.] [images: 1]"
    assert (lines[-1].done_reason, lines[-1].eval_count) == ("stop", OUTPUT_TOKENS)


def test_a_native_server_gets_all_options(client: ollama.Client, native: FakeUpstream) -> None:
    asked = [{"role": "user", "content": "hi"}]
    client.chat("native", asked, options={"num_ctx": 4096, "repeat_penalty": 1.1}, keep_alive="5m")  # type: ignore[arg-type]

    body = json.loads(native.received[-1].body)
    assert body["options"] == {"num_ctx": 4096, "repeat_penalty": 1.1}
    assert (body["keep_alive"], body["model"]) == ("5m", "gpt-oss:20b")


@pytest.mark.parametrize("model", ["openai", "google", "titan", "cohere", "voyage", "native"])
def test_texts_are_embedded(client: ollama.Client, model: str) -> None:
    reply = client.embed(model, "one text")

    assert len(reply.embeddings) == 1
    assert all(isinstance(number, float) for number in reply.embeddings[0])
    older = client.embeddings(model, "one text")
    assert list(older.embedding) == list(reply.embeddings[0])


def test_models_are_found(client: ollama.Client) -> None:
    names = [model.model for model in client.list().models]

    assert set(MODELS) <= set(names)
    assert client.show("gemini").capabilities == ["completion", "tools", "vision"]
    assert {model.model for model in client.ps().models} == set(names)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_failure_is_the_clients_exception(client: ollama.Client, streamed: bool) -> None:
    with pytest.raises(ollama.ResponseError) as caught:
        list(client.chat("openai_chat", [{"role": "user", "content": "fail rate_limit"}], stream=streamed))

    assert caught.value.status_code == 429
    with pytest.raises(ollama.ResponseError, match="no-such-model") as missing:
        client.show("no-such-model")
    assert missing.value.status_code == 404


def test_a_failure_inside_a_stream_is_the_clients_exception(client: ollama.Client) -> None:
    lines = client.chat("anthropic", [{"role": "user", "content": "fail inside overloaded"}], stream=True)

    assert next(lines).message.content
    with pytest.raises(ollama.ResponseError):
        list(lines)


def test_a_prompt_is_not_answered_without_what_it_rests_on(client: ollama.Client) -> None:
    for field in ({"suffix": "return x"}, {"context": [1, 2, 3]}):
        with pytest.raises(ollama.ResponseError, match=next(iter(field))) as caught:
            client.generate("anthropic", "def f(", **field)  # type: ignore[arg-type]
        assert caught.value.status_code == 400


def test_what_is_lost_is_reported_in_the_clients_words(served: ServedGateway) -> None:
    body = {"model": "anthropic", "messages": [{"role": "user", "content": "hi"}], "keep_alive": 5,
            "options": {"num_ctx": 4096, "seed": 1}, "stream": False}  # fmt: skip
    with served.http() as http:
        reply = http.post("/api/chat", json=body)

    assert reply.status_code == 200, reply.text
    losses = reply.headers["x-llm-gateway-losses"]
    assert all(field in losses for field in ("options.num_ctx", "options.seed", "keep_alive")), losses


@pytest.mark.parametrize("path", ["/ollama", "/ollama/"])
def test_a_tool_sees_that_it_runs(served: ServedGateway, path: str) -> None:
    with served.http() as http:
        assert http.get(path).text == "Ollama is running"


@pytest.mark.parametrize("model", ["anthropic", "native"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_what_is_hidden_stays_hidden(served: ServedGateway, native: FakeUpstream, model: str, streamed: bool) -> None:
    words = []
    with ollama.Client(f"{served.url}/hiding", trust_env=False, timeout=20) as client:
        asked: list[Any] = [{"role": "system", "content": "a s3cret"}, {"role": "user", "content": "my s3cret"}]
        found = client.chat(model, asked, stream=streamed)
        words += [line.message.content for line in (found if streamed else [found])]
        written = client.generate(model, "the s3cret", system="a s3cret", stream=streamed)
        words += [line.response for line in (written if streamed else [written])]

    whole = "".join(text or "" for text in words)
    assert "my [hidden]" in whole
    assert "the [hidden]" in whole
    assert "s3cret" not in whole
    assert all(b"s3cret" not in received.body for received in native.received)
