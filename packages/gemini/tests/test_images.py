"""Images of Google's models: Imagen's and Gemini's bodies."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_gemini.images import GeminiImages, ImagenImages, images_of, parts_of, usage_of

from llm_gateway_sdk import DialectError, Target, Usage, WireReply
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.images import Image, ImageRequest
from llm_gateway_sdk.wire import json

IMAGEN, GEMINI = ImagenImages(), GeminiImages()
PICTURE = Image("YQ==", "image/jpeg")


def sent(form: OperationForm[Any, Any], **fields: Any) -> tuple[str, dict[str, Any], list[str]]:
    losses = Losses()
    wire = form.encode_request(ImageRequest("mine", "a cat", **fields), Target(model="m"), losses)
    return wire.path, json.loads(wire.body), sorted(f"{loss.kind} {loss.path}" for loss in losses)


@pytest.mark.parametrize(
    ("model", "cls", "most"),
    [("imagen-4.0-generate-001", ImagenImages, 4), ("gemini-2.5-flash-image", GeminiImages, 1)],
)
def test_the_form_follows_from_the_models_name(model: str, cls: type, most: int) -> None:
    form = images_of(model)

    assert type(form) is cls
    assert form.most_inputs(Target(model=model)) == most


def test_imagen_has_parameters() -> None:
    path, body, lost = sent(IMAGEN, n=2, width=1024, height=768, output_format="jpeg", quality="high", user="u")

    assert path == "/models/m:predict"
    assert body["instances"] == [{"prompt": "a cat"}]
    assert body["parameters"] == {
        "sampleCount": 2, "aspectRatio": "4:3", "outputOptions": {"mimeType": "image/jpeg"},
    }  # fmt: skip
    assert lost == ["converted size", "dropped quality", "dropped user"]


def test_gemini_edits_what_is_in_the_conversation() -> None:
    path, body, lost = sent(
        GEMINI, images=[PICTURE], output_format="webp", provider_metadata={"openai": {"moderation": "low"}}
    )

    assert path == "/models/m:generateContent"
    assert body["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/jpeg", "data": "YQ=="}}, {"text": "a cat"},
    ]  # fmt: skip
    assert lost == ["dropped moderation", "dropped output_format"]


def test_what_a_model_cannot_do_is_refused() -> None:
    with pytest.raises(DialectError, match="from a prompt only"):
        sent(IMAGEN, images=[PICTURE])
    with pytest.raises(DialectError, match="no mask"):
        sent(GEMINI, images=[PICTURE], mask=PICTURE)


def test_replies_are_read() -> None:
    imagen = (
        b'{"predictions": [{"bytesBase64Encoded": "YQ==", "mimeType": "image/jpeg", "prompt": "better"}, {"x": 1}]}'
    )
    gemini = json.dumps(
        {
            "modelVersion": "gemini-1",
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1290},
            "candidates": [{"content": {"parts": [{"text": "Here:"}, {"inlineData": {"data": "Yg=="}}]}}],
        }
    )
    request = ImageRequest("m", "a cat")

    assert IMAGEN.decode_reply(WireReply(200, body=imagen), request).images == [Image("YQ==", "image/jpeg", "better")]
    reply = GEMINI.decode_reply(WireReply(200, body=gemini), request)
    assert reply.images == [Image("Yg==")]
    assert (reply.model, reply.usage) == ("gemini-1", Usage(input_tokens=3, output_tokens=1290))


@pytest.mark.parametrize("form", [IMAGEN, GEMINI], ids=lambda form: form.name)
@pytest.mark.parametrize(
    "body",
    [{}, {"predictions": 1, "candidates": 1}, {"candidates": [1, {"content": 1}, {"content": {"parts": 1}}]},
     {"candidates": [{"content": {"parts": [{"text": "No."}]}}]}, {"predictions": [{"raiFilteredReason": "x"}]}],
    ids=["empty", "numbers", "deeper numbers", "text", "filtered"],
)  # fmt: skip
def test_a_reply_without_an_image_is_a_failure(form: OperationForm[Any, Any], body: dict[str, Any]) -> None:
    with pytest.raises(DialectError, match="has no image"):
        form.decode_reply(WireReply(200, body=json.dumps(body)), ImageRequest("m", "a cat"))


def test_parts_of_all_candidates_are_looked_at() -> None:
    body = {"candidates": [{"content": {"parts": [{"a": 1}]}}, {}, {"content": {"parts": [{"b": 2}, "text"]}}]}

    assert parts_of(body) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("usage", [None, [], "many"])
def test_usage_of_another_shape_is_unknown(usage: Any) -> None:
    assert usage_of({"usageMetadata": usage}) is None
