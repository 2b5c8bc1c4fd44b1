"""Images of OpenAI's API at a provider, asked by a client of another API."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.operations.images.openai import OPENAI_SIZES, OpenAIImages
from llm_gateway_sdk import DialectError, Mint, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.images import Image, ImageReply, ImageRequest
from llm_gateway_sdk.wire import json

OPENAI, HOST = OpenAIImages(sizes=OPENAI_SIZES), OpenAIImages(inline="base64")


def sent(form: OpenAIImages, model: str, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    wire = form.encode_request(ImageRequest("mine", "a cat", **fields), Target(model=model), losses)
    assert wire.path == "/images/generations"
    return json.loads(wire.body), sorted(f"{loss.kind} {loss.path}" for loss in losses)


def test_a_request_to_openais_models() -> None:
    body, lost = sent(
        OPENAI, "gpt-image-1", n=2, width=1280, height=720, ratio="16:9", output_format="jpeg", quality="high",
        user="u", provider_metadata={"imagen": {"seed": 1}, "openai": {"background": "opaque"}},
    )  # fmt: skip

    assert body == {
        "model": "gpt-image-1", "prompt": "a cat", "n": 2, "size": "1536x1024", "output_format": "jpeg",
        "quality": "high", "user": "u", "background": "opaque",
    }  # fmt: skip
    assert lost == ["converted size", "dropped seed"]


@pytest.mark.parametrize(
    ("model", "size", "chosen"),
    [
        ("gpt-image-1", (1024, 1024), "1024x1024"),
        ("gpt-image-1", (720, 1280), "1024x1536"),
        ("dall-e-3", (1280, 720), "1792x1024"),
        ("dall-e-2", (1280, 720), "1024x1024"),
        ("dall-e-2", (256, 256), "256x256"),
    ],
)
def test_the_nearest_size_that_a_model_makes_is_asked_for(model: str, size: tuple[int, int], chosen: str) -> None:
    body, lost = sent(OPENAI, model, width=size[0], height=size[1])

    assert body["size"] == chosen
    assert lost == ([] if chosen == f"{size[0]}x{size[1]}" else ["converted size"])


def test_a_ratio_that_a_model_makes_loses_nothing() -> None:
    assert sent(OPENAI, "dall-e-2", width=2048, height=2048, ratio="1:1")[1] == []


def test_older_models_and_other_hosts_are_asked_for_the_image_itself() -> None:
    body, lost = sent(OPENAI, "dall-e-3", quality="high", output_format="png")
    assert (body["response_format"], body["quality"], lost) == ("b64_json", "hd", ["dropped output_format"])

    body, _ = sent(HOST, "flux", width=640, height=360)
    assert (body["response_format"], body["size"]) == ("base64", "640x360")


def test_images_are_not_edited() -> None:
    with pytest.raises(DialectError, match="not edited"):
        sent(OPENAI, "gpt-image-1", images=[Image("YQ==")])


def test_a_reply_is_read() -> None:
    body = {
        "created": 7, "output_format": "jpeg",
        "data": [{"b64_json": "YQ==", "revised_prompt": "better"}, {"b64_json": "Yg=="}, {"url": "https://x"}, 1],
        "usage": {"input_tokens": 5, "output_tokens": 7},
    }  # fmt: skip

    reply = OPENAI.decode_reply(WireReply(200, body=json.dumps(body)), ImageRequest("m", "a cat"))

    assert reply.images == [Image("YQ==", "image/jpeg", "better"), Image("Yg==", "image/jpeg")]
    assert (reply.created, reply.usage is not None and reply.usage.output_image_tokens) == (7, 7)


@pytest.mark.parametrize("body", [{}, {"data": 1}, {"data": [{"url": "https://x"}]}], ids=["empty", "number", "url"])
def test_a_reply_without_an_image_is_a_failure(body: dict[str, Any]) -> None:
    with pytest.raises(DialectError, match="has no image"):
        OPENAI.decode_reply(WireReply(200, body=json.dumps(body)), ImageRequest("m", "a cat"))


def test_a_stream_has_one_event_for_each_image_and_the_usage_with_the_last() -> None:
    usage = Usage(input_tokens=5, output_tokens=7)
    asked = HOST.decode_request(WireRequest("POST", "", body=b'{"prompt": "a cat", "stream": true}'))

    wire = HOST.encode_reply(ImageReply([Image("QQ=="), Image("Qg==")], "m", usage, 3), asked, Mint(str, lambda: 0))

    assert wire.headers.get("content-type", "").startswith("text/event-stream")
    events = [json.loads(event.partition(b"data: ")[2]) for event in wire.body.split(b"\n\n")[:-1]]
    assert [event["b64_json"] for event in events] == ["QQ==", "Qg=="]
    assert [event.get("usage", {}).get("total_tokens") for event in events] == [None, 12]
