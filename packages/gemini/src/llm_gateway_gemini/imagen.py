"""Images by `:predict`, Imagen's API on the Gemini API and on Vertex AI: what google-genai's `generate_images` asks, on
any provider of images, and what any client of images asks of Imagen.

Source: ai.google.dev/gemini-api/docs/imagen; Vertex AI, "Imagen API": `instances[0].prompt`, `parameters.{sampleCount,
aspectRatio, sampleImageSize, outputOptions, …}`, `predictions[*].{bytesBase64Encoded, mimeType, prompt}`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Mint, Target, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.images import Image, ImageReply, ImageRequest
from llm_gateway_sdk.operations.reading import json_reply, json_request, number_in, object_of, positive, text

from .paths import build_path, split_path

__all__ = ["ImagenImages", "report_unwritten"]

_METHOD = "predict"
_MOST = 4
"""Images of one call, and how many come where none are counted."""
_SIZES = {"1:1": (1024, 1024), "3:4": (768, 1024), "4:3": (1024, 768), "9:16": (720, 1280), "16:9": (1280, 720)}
"""The ratios that Imagen makes, for providers that are asked for a size."""
_FORMATS = {"image/png": "png", "image/jpeg": "jpeg"}
_READ = frozenset({"sampleCount", "aspectRatio", "outputOptions"})
_SILENT = frozenset({"includeRaiReason", "includeSafetyAttributes"})
"""Parameters without which the images are the same."""


class ImagenImages(OperationForm[ImageRequest, ImageReply]):
    name: ClassVar[str] = "imagen"
    operation: ClassVar[Operation] = "image"
    reply_texts: ClassVar[frozenset[str]] = frozenset({"prompt"})

    def peek(self, wire: WireRequest) -> str | None:
        return split_path(wire.path)[0]

    def decode_request(self, wire: WireRequest) -> ImageRequest:
        body = object_of(wire.body)
        instance, parameters = _instance_of(body), body.get("parameters") or {}
        if not isinstance(parameters, dict):
            raise DialectError("expected an object", path="parameters")
        if parameters.get("storageUri"):
            raise DialectError("the model's provider puts no images into a bucket", path="parameters.storageUri")
        ratio = parameters.get("aspectRatio")
        if ratio is not None and ratio not in tuple(_SIZES):
            raise DialectError(f"expected one of {', '.join(_SIZES)}", path="parameters.aspectRatio")
        try:
            number = positive(parameters, "sampleCount") or _MOST
        except DialectError as error:
            raise DialectError("expected a whole number from 1 on", path="parameters.sampleCount") from error
        if number > 10:
            raise DialectError("at most 10 images are made at once", path="parameters.sampleCount")
        width, height = _SIZES[ratio] if ratio is not None else (None, None)
        left = {key: value for key, value in parameters.items() if key not in _READ | _SILENT}
        return ImageRequest(
            self.peek(wire) or "",
            text(instance, "prompt"),
            n=number,
            ratio=ratio,
            width=width,
            height=height,
            output_format=_format_of(parameters.get("outputOptions")),
            provider_metadata={self.name: left},
        )

    def pieces_of(self, body: bytes, size: int) -> dict[str, int] | None:
        return {"image": number_in(body, "parameters", "sampleCount") or _MOST}

    def encode_request(self, request: ImageRequest, target: Target, losses: Losses) -> WireRequest:
        if request.images or request.mask is not None:
            raise DialectError("this model makes images from a prompt only; it edits none")
        parameters: dict[str, Any] = {"sampleCount": request.n, **request.provider_metadata.get(self.name, {})}
        if request.aspect_ratio is not None:
            parameters["aspectRatio"] = request.aspect_ratio
        if request.output_format in ("png", "jpeg"):
            parameters["outputOptions"] = {"mimeType": f"image/{request.output_format}"}
        report_unwritten(request, losses, self.name)
        body = {"instances": [{"prompt": request.prompt}], "parameters": parameters}
        return json_request(build_path(target.model, _METHOD), body)

    def decode_reply(self, wire: WireReply, request: ImageRequest) -> ImageReply:
        found = object_of(wire.body).get("predictions")
        images = [
            Image(each["bytesBase64Encoded"], str(each.get("mimeType") or "image/png"), each.get("prompt"))
            for each in (found if isinstance(found, list) else [])
            if isinstance(each, dict) and isinstance(each.get("bytesBase64Encoded"), str)
        ]
        return ImageReply(images).checked()

    def encode_reply(self, reply: ImageReply, request: ImageRequest, mint: Mint) -> WireReply:
        predictions: list[dict[str, Any]] = []
        for image in reply.images:
            prediction = {"mimeType": image.media_type, "bytesBase64Encoded": image.data}
            if image.revised_prompt is not None:
                prediction["prompt"] = image.revised_prompt
            predictions.append(prediction)
        return json_reply({"predictions": predictions})

    def retarget(self, wire: WireRequest, target: Target) -> WireRequest:
        if not target.model or self.peek(wire) == target.model:
            return wire
        return WireRequest(wire.method, build_path(target.model, _METHOD), wire.query, wire.headers, wire.body)

    def most_inputs(self, target: Target) -> int | None:
        return _MOST


def report_unwritten(request: ImageRequest, losses: Losses, form: str) -> None:
    """What of the request Google's models of images have no field for. `form` is the provider's, which has its own."""
    for name in ("user", "quality"):
        if getattr(request, name) is not None:
            losses.dropped(name)
    if request.width is not None and request.ratio is None:
        losses.converted("size", "the nearest aspect ratio")
    for own, fields in request.provider_metadata.items():
        for field in fields if own != form else ():
            losses.dropped(field)


def _instance_of(body: dict[str, Any]) -> dict[str, Any]:
    """What is asked for. Raises DialectError for more than one, and for edits, whose images are referred to."""
    instances = body.get("instances")
    if not isinstance(instances, list) or len(instances) != 1 or not isinstance(instances[0], dict):
        raise DialectError("expected an array of one object", path="instances")
    for name in instances[0]:
        if name != "prompt":
            raise DialectError("the model's provider makes images from a prompt only", path=f"instances[0].{name}")
    return instances[0]


def _format_of(options: Any) -> str | None:
    """Raises DialectError."""
    if options is None:
        return None
    kind = options.get("mimeType") if isinstance(options, dict) else None
    if kind is not None and kind not in tuple(_FORMATS):
        raise DialectError(f"expected {' or '.join(_FORMATS)}", path="parameters.outputOptions.mimeType")
    return None if kind is None else _FORMATS[kind]
