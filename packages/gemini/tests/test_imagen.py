"""Imagen's bodies: as a client sends them, as a provider takes them."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_gemini.imagen import ImagenImages

from llm_gateway_sdk import DialectError, Mint, Target, WireReply, WireRequest
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.images import Image, ImageReply, ImageRequest
from llm_gateway_sdk.wire import json

FORM = ImagenImages()


def sent(**fields: Any) -> tuple[str, dict[str, Any], list[str]]:
    losses = Losses()
    wire = FORM.encode_request(ImageRequest("mine", "a cat", **fields), Target(model="m"), losses)
    return wire.path, json.loads(wire.body), sorted(f"{loss.kind} {loss.path}" for loss in losses)


def asked(parameters: Any = None, instances: Any = None) -> ImageRequest:
    body: dict[str, Any] = {"instances": [{"prompt": "a cat"}] if instances is None else instances}
    if parameters is not None:
        body["parameters"] = parameters
    return FORM.decode_request(WireRequest("POST", "/models/imagen-4:predict", "", body=json.dumps(body)))


def test_imagen_has_parameters() -> None:
    path, body, lost = sent(n=2, width=1024, height=768, output_format="jpeg", quality="high", user="u")

    assert path == "/models/m:predict"
    assert body["instances"] == [{"prompt": "a cat"}]
    assert body["parameters"] == {
        "sampleCount": 2, "aspectRatio": "4:3", "outputOptions": {"mimeType": "image/jpeg"},
    }  # fmt: skip
    assert lost == ["converted size", "dropped quality", "dropped user"]


def test_it_edits_none() -> None:
    with pytest.raises(DialectError, match="from a prompt only"):
        sent(images=[Image("YQ==")])


def test_a_request_is_read() -> None:
    request = asked(
        {"sampleCount": 2, "aspectRatio": "16:9", "outputOptions": {"mimeType": "image/jpeg"}, "seed": 7,
         "includeRaiReason": True}
    )  # fmt: skip

    assert (request.model, request.prompt, request.n, request.output_format) == ("imagen-4", "a cat", 2, "jpeg")
    assert (request.aspect_ratio, request.width, request.height) == ("16:9", 1280, 720)
    assert request.provider_metadata == {"imagen": {"seed": 7}}


def test_without_parameters_it_makes_as_many_as_imagen_does() -> None:
    request = asked()

    assert (request.n, request.aspect_ratio, request.output_format) == (4, None, None)


def test_what_was_read_is_written_again() -> None:
    given = {"sampleCount": 3, "aspectRatio": "3:4", "outputOptions": {"mimeType": "image/png"}, "seed": 7}
    losses = Losses()

    wire = FORM.encode_request(asked(given), Target(model="imagen-4"), losses)

    assert json.loads(wire.body) == {"instances": [{"prompt": "a cat"}], "parameters": given}
    assert not losses


@pytest.mark.parametrize(
    ("parameters", "instances", "place"),
    [
        ([], None, None),
        ([1], None, "parameters"),
        ({"sampleCount": 0}, None, "parameters.sampleCount"),
        ({"sampleCount": 11}, None, "parameters.sampleCount"),
        ({"sampleCount": "2"}, None, "parameters.sampleCount"),
        ({"aspectRatio": "7:1"}, None, "parameters.aspectRatio"),
        ({"aspectRatio": [1]}, None, "parameters.aspectRatio"),
        ({"storageUri": "gs://bucket"}, None, "parameters.storageUri"),
        ({"outputOptions": {"mimeType": "image/tiff"}}, None, "parameters.outputOptions.mimeType"),
        (None, [], "instances"),
        (None, [{"prompt": "a"}, {"prompt": "b"}], "instances"),
        (None, ["a cat"], "instances"),
        (None, [{}], "prompt"),
        (None, [{"prompt": "a", "referenceImages": []}], "instances[0].referenceImages"),
    ],
)
def test_what_is_wrong_is_named(parameters: Any, instances: Any, place: str | None) -> None:
    if place is None:
        assert asked(parameters, instances).n == 4
        return
    with pytest.raises(DialectError) as caught:
        asked(parameters, instances)
    assert caught.value.path == place


def test_a_reply_is_read_and_written() -> None:
    body = {
        "predictions": [{"bytesBase64Encoded": "YQ==", "mimeType": "image/jpeg", "prompt": "better"}, {"x": 1}],
    }
    reply = FORM.decode_reply(WireReply(200, body=json.dumps(body)), ImageRequest("m", "a cat"))

    assert reply == ImageReply([Image("YQ==", "image/jpeg", "better")])
    wire = FORM.encode_reply(reply, ImageRequest("m", "a cat"), Mint(str, lambda: 1))
    assert json.loads(wire.body) == {"predictions": body["predictions"][:1]}


def test_the_model_is_in_the_address() -> None:
    wire = WireRequest("POST", "/models/mine:predict", "alt=json", body=b"{}")

    assert FORM.peek(wire) == "mine"
    changed = FORM.retarget(wire, Target(model="imagen-4"))
    assert (changed.path, changed.query, changed.body) == ("/models/imagen-4:predict", "alt=json", b"{}")
    assert FORM.retarget(wire, Target(model="mine")) is wire
