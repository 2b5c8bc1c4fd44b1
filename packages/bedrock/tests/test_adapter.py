"""AWS's own client (botocore, which boto3 is a shell of) with the gateway as its endpoint."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]

from llm_gateway.testing.processes import GatewayProcess

KEY = "key-of-the-gateway-0123"
TOOL = {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object", "properties": {}}}}}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway that speaks Bedrock's API, with a model that is not Bedrock's."""
    folder = tmp_path_factory.mktemp("gateway")
    config = {
        "models": [{"name": "echo/one:0", "isDefault": True, "provider": {"type": "echo"}}],
        "adapters": [{"name": "bedrock"}],
        "plugins": [{"name": "auth", "type": "basic-apikey-auth", "config": {"apikeys": [KEY]}}],
    }
    (folder / "gateway.yaml").write_text(json.dumps(config))
    command = ["start", "--config", str(folder / "gateway.yaml"), "--host", "127.0.0.1", "--port", "0"]
    process = GatewayProcess(command, output=folder / "log", cwd=folder)
    deadline, found = time.monotonic() + 30, None
    while found is None and time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Address\s+http://[\d.]+:(\d+)", (folder / "log").read_text())
        time.sleep(0.05)
    assert found is not None, (folder / "log").read_text()
    address = f"http://127.0.0.1:{found[1]}"
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{address}/health/live"):
                break
        except OSError:
            time.sleep(0.05)
    yield address
    process.send_signal(signal.SIGTERM)
    process.wait(20)


def client(url: str, key: str = KEY, **more: Any) -> Any:
    return Session().create_client(
        "bedrock-runtime",
        region_name="eu-central-1",
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key="anything",
        config=Config(retries={"max_attempts": 1}, proxies={}, **more),
    )


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {"modelId": "echo/one:0", "messages": [{"role": "user", "content": [{"text": text}]}], **more}


@pytest.mark.parametrize("place", ["", "/bedrock"])
def test_converse(url: str, place: str) -> None:
    reply = client(url + place).converse(**asked("Hello there"))

    assert reply["output"]["message"]["content"] == [{"text": "Hello there"}]
    assert reply["stopReason"] == "end_turn"
    assert reply["usage"]["totalTokens"] > 0


def test_converse_stream(url: str) -> None:
    events = list(client(url).converse_stream(**asked("Hello there, you"))["stream"])

    text = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert text == "Hello there, you"
    assert {"messageStart", "messageStop", "metadata"} <= {next(iter(event)) for event in events}


def test_tools(url: str) -> None:
    reply = client(url).converse(**asked('call weather {"city": "Paris"}', toolConfig={"tools": [TOOL]}))

    (use,) = [block["toolUse"] for block in reply["output"]["message"]["content"] if "toolUse" in block]
    assert (use["name"], use["input"], reply["stopReason"]) == ("weather", {"city": "Paris"}, "tool_use")


def test_tokens_are_counted(url: str) -> None:
    messages = asked("Hello there")["messages"]

    assert client(url).count_tokens(modelId="echo/one:0", input={"converse": {"messages": messages}})["inputTokens"] > 0


def test_the_access_keys_id_is_who_asks(url: str) -> None:
    with pytest.raises(ClientError) as refused:
        client(url, "another-key").converse(**asked("Hello"))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (401, 403)


def test_an_api_key_of_bedrock_is_who_asks(url: str) -> None:
    # AWS's client sends a bearer token over HTTPS alone.
    body = json.dumps({"messages": asked("Hello")["messages"]}).encode()
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    with urlopen(Request(f"{url}/model/echo%2Fone%3A0/converse", body, headers)) as reply:
        assert json.load(reply)["output"]["message"]["content"] == [{"text": "Hello"}]


def test_errors_are_botocores(url: str) -> None:
    with pytest.raises(ClientError) as failed:
        client(url).converse(**asked("fail 429"))
    assert failed.value.response["Error"]["Code"] == "ThrottlingException"


def test_models_are_listed(url: str) -> None:
    control = Session().create_client(
        "bedrock", region_name="x", endpoint_url=url, aws_access_key_id=KEY, aws_secret_access_key="x"
    )

    assert [model["modelId"] for model in control.list_foundation_models()["modelSummaries"]] == ["echo/one:0"]
    assert control.get_foundation_model(modelIdentifier="echo/one:0")["modelDetails"]["providerName"] == "echo"
