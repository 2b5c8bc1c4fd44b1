"""Images of Gemini's models, and which of Google's models is asked how."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_gemini.imagen import ImagenImages
from llm_gateway_gemini.images import GeminiImages, images_of, parts_of, usage_of

from llm_gateway_sdk import DialectError, Target, Usage, WireReply
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.images import Image, ImageRequest
from llm_gateway_sdk.wire import json

GEMINI = GeminiImages()
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


@pytest.mark.parametrize(("model", "cls"), [("gemini-3-flash", ImagenImages), ("gemini-2.5-flash-image", GeminiImages)])
def test_a_client_of_imagen_reaches_what_its_provider_has_by_a_model_without_images(model: str, cls: type) -> None:
    assert type(images_of(model, "imagen")) is cls


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
    with pytest.raises(DialectError, match="no mask"):
        sent(GEMINI, images=[PICTURE], mask=PICTURE)


def test_replies_are_read() -> None:
    gemini = json.dumps(
        {
            "modelVersion": "gemini-1",
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1290},
            "candidates": [{"content": {"parts": [{"text": "Here:"}, {"inlineData": {"data": "Yg=="}}]}}],
        }
    )
    request = ImageRequest("m", "a cat")

    reply = GEMINI.decode_reply(WireReply(200, body=gemini), request)
    assert reply.images == [Image("Yg==")]
    assert (reply.model, reply.usage) == ("gemini-1", Usage(input_tokens=3, output_tokens=1290))


@pytest.mark.parametrize("form", [ImagenImages(), GEMINI], ids=lambda form: form.name)
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
