"""Images of Gemini's image models, by `generateContent` (ai.google.dev/gemini-api/docs/image-generation)."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.images import Image, ImageReply, ImageRequest
from llm_gateway_sdk.operations.reading import json_request, object_of

from .imagen import ImagenImages, report_unwritten
from .paths import build_path
from .response import decode_usage

__all__ = ["GeminiImages", "images_of", "parts_of", "usage_of"]


class GeminiImages(OperationForm[ImageRequest, ImageReply]):
    """One image a call."""

    name: ClassVar[str] = "gemini"
    operation: ClassVar[Operation] = "image"

    def encode_request(self, request: ImageRequest, target: Target, losses: Losses) -> WireRequest:
        if request.mask is not None:
            raise DialectError("this model takes no mask; write in the prompt what is to change", path="mask")
        parts: list[dict[str, Any]] = [
            {"inlineData": {"mimeType": image.media_type, "data": image.data}} for image in request.images
        ]
        generation: dict[str, Any] = {"responseModalities": ["IMAGE"]}
        if request.aspect_ratio is not None:
            generation["imageConfig"] = {"aspectRatio": request.aspect_ratio}
        if request.output_format is not None:
            losses.dropped("output_format")
        report_unwritten(request, losses, self.name)
        contents = [{"role": "user", "parts": [*parts, {"text": request.prompt}]}]
        body = {"contents": contents, "generationConfig": generation}
        return json_request(build_path(target.model, "generateContent"), body)

    def decode_reply(self, wire: WireReply, request: ImageRequest) -> ImageReply:
        body = object_of(wire.body)
        images = [
            Image(data["data"], str(data.get("mimeType") or "image/png"))
            for part in parts_of(body)
            if isinstance(data := part.get("inlineData"), dict) and isinstance(data.get("data"), str)
        ]
        return ImageReply(images, str(body.get("modelVersion") or ""), usage_of(body)).checked()

    def most_inputs(self, target: Target) -> int | None:
        return 1


def images_of(model: str, client_form: str = "") -> OperationForm[ImageRequest, ImageReply]:
    """How a model of Google's is asked. A client of Imagen that names a model which is not configured reaches it by a
    model of its provider which makes no images."""
    if "imagen" in model or (client_form == _IMAGEN.name and "image" not in model):
        return _IMAGEN
    return _GEMINI


_IMAGEN, _GEMINI = ImagenImages(), GeminiImages()


def parts_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of all candidates."""
    found: list[dict[str, Any]] = []
    candidates = body.get("candidates")
    for candidate in candidates if isinstance(candidates, list) else []:
        content = candidate.get("content") if isinstance(candidate, dict) else None
        parts = content.get("parts") if isinstance(content, dict) else None
        found += [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return found


def usage_of(body: dict[str, Any]) -> Usage | None:
    usage = body.get("usageMetadata")
    if not isinstance(usage, dict):
        return None
    return decode_usage(usage, final=True)
