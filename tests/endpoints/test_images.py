"""Images by OpenAI's client, on each provider that makes them."""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import openai
import pytest
from google import genai
from google.genai import types
from served_gateway import ServedGateway
from vendors import PIXEL, Vendors

PROVIDERS = ["openai", "imagen", "gemini-image", "nova-canvas", "stability"]


@pytest.mark.parametrize("model", PROVIDERS)
def test_openais_client_on_each_provider(gateway: ServedGateway, model: str) -> None:
    reply = gateway.openai().images.generate(model=model, prompt="a cat", n=6, size="1024x1024")

    assert reply.data is not None
    assert [image.b64_json for image in reply.data] == [PIXEL] * 6


def test_googles_client_asks_an_image_model(gemini_client: genai.Client) -> None:
    config = types.GenerateContentConfig(response_modalities=["IMAGE"])

    reply = gemini_client.models.generate_content(model="gemini-image", contents="a cat", config=config)

    assert reply.parts is not None
    (image,) = [part.inline_data for part in reply.parts if part.inline_data is not None]
    assert (image.mime_type, image.data) == ("image/png", b64decode(PIXEL))


@pytest.mark.filterwarnings("ignore:The generate_images method is deprecated")
@pytest.mark.parametrize("model", PROVIDERS)
def test_googles_client_of_imagen_on_each_provider(vertex_client: genai.Client, vendors: Vendors, model: str) -> None:
    config = types.GenerateImagesConfig(number_of_images=3, aspect_ratio="16:9")

    reply = vertex_client.models.generate_images(model=model, prompt="a cat", config=config)

    images = [each.image for each in reply.generated_images or []]
    assert [(image.mime_type, image.image_bytes) for image in images if image is not None] == [
        ("image/png", b64decode(PIXEL))
    ] * 3
    if model == "imagen":
        assert vendors.last(":predict").path.endswith("/imagen-4.0-generate-001:predict")


def test_a_model_of_imagen_need_not_be_configured(vendors: Vendors, tmp_path: Path) -> None:
    google = {"baseUrl": f"{vendors.url}/v1beta", "apiKey": "k", "model": "gemini-3-flash"}
    served = ServedGateway(
        {"models": [{"name": "chat", "isDefault": True, "provider": {"type": "gemini", "config": google}}]}, tmp_path
    )
    try:
        with served.http() as http:
            body = {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 1}}
            reply = http.post("/v1beta/models/imagen-4.0-fast-generate-001:predict", json=body)
    finally:
        served.stop()

    assert len(reply.json()["predictions"]) == 1
    assert vendors.last(":predict").path == "/v1beta/models/imagen-4.0-fast-generate-001:predict"


@pytest.mark.parametrize("model", PROVIDERS[1:])
def test_addresses_hold_the_image_itself(gateway: ServedGateway, model: str) -> None:
    reply = gateway.openai().images.generate(model=model, prompt="a cat", response_format="url")

    assert reply.data is not None
    assert reply.data[0].url == f"data:image/png;base64,{PIXEL}"


@pytest.mark.parametrize(("size", "ratio"), [("1024x1024", "1:1"), ("1536x1024", "3:2"), ("1792x1024", "16:9")])
def test_a_size_becomes_an_aspect_ratio(gateway: ServedGateway, vendors: Vendors, size: str, ratio: str) -> None:
    gateway.openai().images.generate(model="imagen", prompt="a cat", size=size)  # type: ignore[call-overload]

    assert vendors.last(":predict").body["parameters"]["aspectRatio"] == ratio


@pytest.mark.parametrize("model", ["openai", "gemini-image", "nova-canvas", "stability"])
def test_images_are_edited(gateway: ServedGateway, vendors: Vendors, model: str) -> None:
    reply = gateway.openai().images.edit(model=model, prompt="add a hat", image=("a.png", b64decode(PIXEL)), n=1)

    assert reply.data is not None
    assert reply.data[0].b64_json == PIXEL
    sent = vendors.seen[-1].raw
    assert (b64decode(PIXEL) if model == "openai" else PIXEL.encode()) in sent
    assert b"add a hat" in sent


def test_a_stream_of_an_edit_is_handed_on(gateway: ServedGateway, vendors: Vendors) -> None:
    image = ("a.png", b64decode(PIXEL))

    gateway.openai().images.edit(model="openai", prompt="x", image=image, stream=True, partial_images=1).close()

    assert re.search(rb'name="stream"\r\n\r\ntrue', vendors.seen[-1].raw)


@pytest.mark.parametrize("model", ["gemini-image", "imagen", "nova-canvas", "stability"])
def test_a_provider_that_streams_no_images_is_asked_for_whole_ones(gateway: ServedGateway, model: str) -> None:
    images, file = gateway.openai().images, ("a.png", b64decode(PIXEL))
    streams: list[Any] = [images.generate(model=model, prompt="x", n=2, stream=True, partial_images=3)]
    if model != "imagen":
        streams.append(images.edit(model=model, prompt="x", image=file, stream=True))

    for stream, kind, number in zip(streams, ("image_generation", "image_edit"), (2, 1), strict=False):
        events = list(stream)
        assert [event.type for event in events] == [f"{kind}.completed"] * number
        assert {event.b64_json for event in events} == {PIXEL}
        assert all(event.output_format == "png" for event in events)


def test_usage_is_the_sum_of_all_calls(gateway: ServedGateway) -> None:
    reply = gateway.openai().images.generate(model="gemini-image", prompt="a cat", n=3)

    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (15, 21)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 11}, {"size": "huge"}, {"output_format": "tiff"}, {"stream": 1}])
def test_what_is_wrong_is_named(gateway: ServedGateway, wrong: dict[str, object]) -> None:
    with gateway.http() as http:
        reply = http.post("/v1/images/generations", json={"model": "imagen", "prompt": "a cat", **wrong})

    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == next(iter(wrong))


def test_a_model_without_images_is_named(gateway: ServedGateway) -> None:
    with pytest.raises(openai.NotFoundError, match="does not have this endpoint"):
        gateway.openai().images.generate(model="titan", prompt="a cat")
