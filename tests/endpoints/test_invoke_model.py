"""AWS's own client with InvokeModel, each vendor's body, against models of every API."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from served_gateway import ServedGateway

sys.path.append(str(Path(__file__).resolve().parent.parent / "compatibility"))

from five_apis import DIALECTS, FiveApis, models_of
from scripted_upstream import INPUT_TOKENS, OUTPUT_TOKENS, THOUGHT

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALL = 'think first\ncall weather {"city": "Paris"}'


@pytest.fixture(scope="module")
def apis() -> Iterator[FiveApis]:
    server = FiveApis()
    yield server
    server.close()


@pytest.fixture(scope="module")
def bedrock(apis: FiveApis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    first, *others = models_of(apis.url)
    rules = [{"pattern": "s3cret", "replacement": "[hidden]"}]
    config = {
        "models": [{**first, "isDefault": True}, *others],
        "projects": [
            {"name": "plain"},
            {"name": "hiding", "plugins": [{"name": "hide", "type": "regex-hider", "config": {"patterns": rules}}]},
        ],
    }
    served = ServedGateway(config, tmp_path_factory.mktemp("invoke"))
    made: dict[str, Any] = {}

    def client(project: str = "plain") -> Any:
        if project not in made:
            made[project] = boto3.client(
                "bedrock-runtime", region_name="eu-central-1", endpoint_url=f"{served.url}/{project}/bedrock",
                aws_access_key_id="AKID", aws_secret_access_key="x", config=Config(retries={"max_attempts": 1}),
            )  # fmt: skip
        return made[project]

    yield client
    for each in made.values():
        each.close()
    served.stop()


def claude(text: str, **more: Any) -> dict[str, Any]:
    return {
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 2000, "system": "Be brief.",
        "messages": [{"role": "user", "content": text}], **more,
    }  # fmt: skip


def whole(client: Any, model: str, body: dict[str, Any]) -> Any:
    return json.loads(client.invoke_model(modelId=model, body=json.dumps(body))["body"].read())


def events(client: Any, model: str, body: dict[str, Any]) -> list[Any]:
    stream = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))["body"]
    with closing(stream):
        return [json.loads(event["chunk"]["bytes"]) for event in stream]


@pytest.mark.parametrize("model", DIALECTS)
def test_claudes_body_calls_tools(bedrock: Any, model: str) -> None:
    tools = [{"name": "weather", "description": "x", "input_schema": CITY}]
    thinking = {"type": "enabled", "budget_tokens": 1024}
    asked = claude(CALL, tools=tools, thinking=thinking)

    reply = whole(bedrock(), model, asked)

    assert (reply["type"], reply["stop_reason"]) == ("message", "tool_use")
    assert reply["usage"]["output_tokens"] == OUTPUT_TOKENS
    (use,) = [block for block in reply["content"] if block["type"] == "tool_use"]
    assert (use["name"], use["input"]) == ("weather", {"city": "Paris"})
    if model in ("anthropic", "gemini", "bedrock"):
        assert reply["content"][0]["thinking"] == THOUGHT
    asked["messages"] += [
        {"role": "assistant", "content": reply["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use["id"], "content": "rain"}]},
    ]
    answered = whole(bedrock(), model, asked)
    assert answered["content"][-1]["text"].startswith("tool results: rain")
    if model in ("anthropic", "gemini", "bedrock"):
        assert "[signatures: 1]" in answered["content"][-1]["text"]


@pytest.mark.parametrize("model", DIALECTS)
def test_claudes_body_streams(bedrock: Any, model: str) -> None:
    found = events(bedrock(), model, claude("Hello there"))

    assert found[0]["type"] == "message_start"
    text = "".join(event["delta"].get("text", "") for event in found if event["type"] == "content_block_delta")
    assert text == "upstream heard: Hello there [system: Be brief.]"
    counts = {"inputTokenCount": INPUT_TOKENS, "outputTokenCount": OUTPUT_TOKENS}
    assert (found[-1]["type"], found[-1]["amazon-bedrock-invocationMetrics"]) == ("message_stop", counts)


@pytest.mark.parametrize("model", ["anthropic", "bedrock", "openai_responses"])
def test_bodies_of_other_vendors(bedrock: Any, model: str) -> None:
    chat = {"messages": [{"role": "user", "content": "Hello"}], "max_completion_tokens": 50}
    nova = {
        "schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "inferenceConfig": {"maxTokens": 50},
    }  # fmt: skip

    assert whole(bedrock(), model, chat)["choices"][0]["message"]["content"] == "upstream heard: Hello"
    assert whole(bedrock(), model, nova)["output"]["message"]["content"] == [{"text": "upstream heard: Hello"}]
    chunks = [choice["delta"].get("content") or "" for event in events(bedrock(), model, chat)
              for choice in event["choices"]]  # fmt: skip
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events(bedrock(), model, nova)
              if "contentBlockDelta" in event]  # fmt: skip
    assert "".join(chunks) == "".join(deltas) == "upstream heard: Hello"


def test_a_body_that_is_not_read_is_refused_in_awss_form(bedrock: Any) -> None:
    with pytest.raises(ClientError, match="use Converse") as caught:
        whole(bedrock(), "anthropic", {"prompt": "Hello", "max_gen_len": 5})

    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_failures_are_awss(bedrock: Any) -> None:
    with pytest.raises(ClientError) as caught:
        whole(bedrock(), "openai_chat", claude("fail rate_limit"))
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    with pytest.raises(EventStreamError):
        events(bedrock(), "anthropic", claude("fail inside overloaded"))


@pytest.mark.parametrize("model", ["anthropic", "gemini"])
def test_what_is_hidden_stays_hidden(bedrock: Any, apis: FiveApis, model: str) -> None:
    before = len(apis.received)
    reply = whole(bedrock("hiding"), model, claude("the s3cret word"))
    found = events(bedrock("hiding"), model, claude("the s3cret word"))

    assert "s3cret" not in json.dumps([received.body for received in apis.received[before:]])
    assert "[hidden]" in json.dumps(apis.received[-1].body)
    assert "s3cret" not in json.dumps([reply, found])
